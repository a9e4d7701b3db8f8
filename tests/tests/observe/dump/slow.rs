//! Slow polls.

use super::{LIMIT, LONG, SHOWN, Watches, hold_the_thread, ms, pending_announced, reported};
use executor::time::sleep;
use executor::{Runtime, TaskGroup, TaskId, named, spawn, task_group, tasks, yield_now};
use futures_lite::future::{pending, poll_once};
use std::sync::Arc;

fn watched() -> (Runtime, Arc<Watches>) {
    let watches = Arc::new(Watches::default());
    let builder = Runtime::builder().observer(watches.clone()).slow_poll(ms(LIMIT));
    (builder.build().unwrap(), watches)
}

#[test]
fn each_poll_above_the_limit_is_reported_and_no_other() {
    let (runtime, watches) = watched();
    let slow = runtime.block_on(async {
        for _ in 0..5 {
            spawn(async { hold_the_thread(5) }).await.unwrap();
        }
        sleep(ms(LONG)).await; // time in which no task runs
        let mut ids = Vec::new();
        for _ in 0..2 {
            let task = spawn(async { hold_the_thread(LONG) });
            ids.push(task.id());
            task.await.unwrap();
        }
        ids
    });
    let told = watches.slow.take();
    let ids: Vec<_> = told.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, slow);
    assert!(told.iter().all(|(_, took)| (ms(SHOWN)..ms(1_000)).contains(took)), "{told:?}");
}

#[test]
fn the_slow_poll_among_many_quick_ones_is_reported() {
    let (runtime, watches) = watched();
    let slow = runtime.block_on(async {
        let mut slow = Vec::new();
        for round in 0..5 {
            let quick = || {
                for _ in 0..50 + 7 * round {
                    spawn(yield_now());
                }
            };
            quick();
            slow.push(spawn(async { hold_the_thread(LONG) }).id());
            quick();
            for _ in 0..4 {
                yield_now().await;
            }
        }
        slow
    });
    let ids: Vec<_> = watches.slow.take().iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, slow);
}

#[test]
fn time_before_a_task_dump_or_the_drop_of_a_group_counts_for_the_task_itself() {
    let (runtime, watches) = watched();
    let (slow, all) = runtime.block_on(async {
        for _ in 0..5 {
            spawn(pending_announced());
        }
        yield_now().await;
        tasks(); // looks up names, which takes long the first time
        yield_now().await;
        let asks = spawn(async {
            hold_the_thread(LONG);
            tasks();
        });
        let drops = spawn(async {
            let group = task_group(|group: TaskGroup<()>| async move {
                group.spawn(pending::<Result<(), ()>>());
                pending::<Result<(), ()>>().await
            });
            let mut group = Box::pin(group);
            assert!(poll_once(&mut group).await.is_none());
            hold_the_thread(LONG);
            drop(group);
        });
        let slow = [asks.id(), drops.id()];
        asks.await.unwrap();
        drops.await.unwrap();
        (slow, TaskId(1))
    });
    let ids: Vec<_> = watches.slow.take().iter().map(|(id, _)| *id).filter(|id| *id != all).collect();
    assert_eq!(ids, slow);
}

#[test]
#[ignore = "a test below runs it"]
fn slow_child() {
    let runtime = Runtime::builder().slow_poll(ms(LIMIT)).build().unwrap();
    runtime.block_on(async {
        for _ in 0..3 {
            named("digests").spawn(async { hold_the_thread(LONG) }).await.unwrap();
        }
        let other = named("other line").spawn(async {
            hold_the_thread(LONG);
            yield_now().await;
        });
        other.await.unwrap();
        named("quick").spawn(async { hold_the_thread(5) }).await.unwrap();
        // Printing the backtrace of a panic takes long.
        let panics = named("panics").spawn(async {
            hold_the_thread(LONG);
            panic!("on purpose");
        });
        panics.await.unwrap_err();
    });
}

#[test]
fn a_slow_poll_is_printed_once_for_each_spawn_location_with_the_name_of_the_task() {
    let text = super::child(module_path!(), "slow_child");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("executor: ")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].starts_with("executor: task 2 \"digests\" (spawned at tests/tests/observe/dump/slow.rs:"),
        "{text}"
    );
    assert!(reported(lines[0]).is_some_and(|took| took >= SHOWN), "{text}");
    assert!(lines[0].contains("spawn_blocking") && lines[0].contains("yield_now"), "{text}");
    assert!(lines[1].starts_with("executor: task 5 \"other line\" (spawned at "), "{text}");
}
