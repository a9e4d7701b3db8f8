//! A task dump changes nothing in the run.

use super::{Watches, dump_of, leaf, ms, pending_announced, virtually};
use executor::sync::{Semaphore, channel};
use executor::task::TaskState;
use executor::time::{Duration, timeout};
use executor::{Runtime, block_on, deadline, join_all, named, spawn, spawn_local, tasks, yield_now};
use futures_lite::future::poll_fn;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use tests::{Log, OnDrop, within};

#[test]
fn repeated_task_dumps_lose_no_wake_of_other_threads() {
    within(60, || {
        const MESSAGES: usize = 2_000;
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..16).map(|_| channel::<usize>(4)).unzip();
        let threads: Vec<_> = (senders.chunks(8))
            .map(|senders| {
                let senders = senders.to_vec();
                thread::spawn(move || {
                    futures_lite::future::block_on(async {
                        for n in 0..MESSAGES / 8 {
                            for sender in &senders {
                                sender.send(n).await.unwrap();
                            }
                            if n % 16 == 0 {
                                thread::yield_now();
                            }
                        }
                    });
                })
            })
            .collect();
        drop(senders);
        let asked = block_on(async {
            let sums: Vec<_> = (receivers.chunks(4))
                .map(|receivers| {
                    let receivers = receivers.to_vec();
                    spawn(join_all(receivers.into_iter().map(|receiver| async move {
                        let mut sum = 0;
                        while let Ok(n) = receiver.recv().await {
                            sum += n;
                        }
                        sum
                    })))
                })
                .collect();
            let mut asked = 0;
            while !sums.iter().all(executor::JoinHandle::is_finished) {
                assert!(tasks().len() <= 5);
                asked += 1;
                yield_now().await;
            }
            for sum in sums {
                assert_eq!(sum.await.unwrap(), [(0..MESSAGES / 8).sum::<usize>(); 4]);
            }
            asked
        });
        assert!(asked > 0);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn children_of_a_set_that_are_woken_before_or_during_a_task_dump_continue() {
    virtually(async {
        let (a, b) = (channel::<u32>(4), channel::<u32>(4));
        let ((a, a_in), (b, b_in)) = (a, b);
        let both = named("both").spawn(join_all([a_in, b_in].map(|receiver| async move {
            let (first, second) = (receiver.recv().await.unwrap(), receiver.recv().await.unwrap());
            first + second
        })));
        yield_now().await;
        for round in 0..2 {
            a.send(round).await.unwrap();
            tasks(); // the task was woken, so this does not poll it
            b.send(10 * round).await.unwrap();
            tasks();
            yield_now().await;
            tasks();
            yield_now().await;
            tasks();
        }
        assert_eq!(timeout(ms(1), both).await.unwrap().unwrap(), [1, 10]);
    });
}

#[test]
fn a_hundred_thousand_suspended_tasks_are_listed_in_time_and_all_continue() {
    const TASKS: usize = 100_000;
    async fn enter(door: Arc<Semaphore>, passed: Rc<Cell<usize>>) {
        let _permit = door.acquire().await;
        passed.set(passed.get() + 1);
    }
    let took = virtually(async {
        let (door, passed) = (Arc::new(Semaphore::new(0)), Rc::new(Cell::new(0)));
        for _ in 0..TASKS {
            spawn_local(enter(door.clone(), passed.clone()));
        }
        yield_now().await;
        let start = std::time::Instant::now();
        let all = tasks();
        let took = start.elapsed();
        assert_eq!(all.len(), TASKS + 1);
        for dump in &all[1..] {
            assert_eq!((leaf(dump).split(" made").next(), dump.polls), (Some("acquire on the semaphore"), 2));
        }
        drop(all);
        assert_eq!(passed.get(), 0);
        door.add_permits(TASKS);
        for _ in 0..TASKS {
            if passed.get() == TASKS {
                break;
            }
            yield_now().await;
        }
        assert_eq!(passed.get(), TASKS);
        took
    });
    println!("{TASKS} tasks listed in {took:.2?}");
    assert!(took < Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 5 }), "{took:?}");
}

#[test]
fn a_task_dump_works_in_a_task_a_destructor_a_custom_future_and_at_the_end() {
    let lists = Log::new();
    let ask = || {
        let lists = lists.clone();
        OnDrop::new(move || lists.push(tasks().iter().map(|task| (task.task.id.0, task.state)).collect::<Vec<_>>()))
    };
    let (dropped, at_end) = (ask(), ask());
    virtually(async {
        let lists = lists.clone();
        let asks = named("asks").spawn_local({
            let lists = lists.clone();
            async move {
                // Makes a task dump in each poll, also in a poll by another task dump.
                poll_fn(|_| {
                    lists.push(tasks().iter().map(|task| (task.task.id.0, task.state)).collect());
                    Poll::<()>::Pending
                })
                .await;
            }
        });
        spawn_local(async move {
            let _dropped = dropped;
            pending_announced().await;
        });
        yield_now().await;
        use TaskState::{Queued, Running, Suspended};
        assert_eq!(lists.take(), [[(1, Queued), (2, Running), (3, Queued)]]);
        assert_eq!(tasks().len(), 3);
        assert_eq!(lists.take(), [[(1, Running), (2, Running), (3, Suspended)]]);
        yield_now().await;
        lists.take();
        asks.cancel();
        yield_now().await;
        let end = at_end;
        spawn_local(async move {
            let _end = end;
            pending_announced().await;
        });
        yield_now().await;
    });
    // Each task dump at the end has at least the task that makes it.
    let lists = lists.take();
    assert_eq!(lists.len(), 2);
    assert!(lists.iter().all(|list| list.iter().any(|(_, state)| *state == TaskState::Running)), "{lists:?}");
}

#[test]
fn blocking_calls_are_in_the_task_dump() {
    within(20, || {
        let runtime = Runtime::builder().blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (begun, has_begun) = mpsc::channel();
            let (end, ends) = mpsc::channel::<()>();
            let first = named("first call").spawn_blocking(move || {
                begun.send(()).unwrap();
                assert!(tasks().is_empty(), "a thread of the pool has no runtime");
                let _ = ends.recv();
            });
            let second = named("second call").spawn_blocking(|| ());
            has_begun.recv().unwrap();
            let dump = dump_of("first call");
            assert_eq!((dump.state, dump.task.id, dump.polls), (TaskState::Running, first.id(), 1));
            assert!(dump.to_string().ends_with("\n    is a blocking call on a thread of the pool"), "{dump}");
            let dump = dump_of("second call");
            assert_eq!((dump.state, dump.task.id, dump.polls), (TaskState::Queued, second.id(), 0));
            assert!(
                dump.to_string().ends_with("\n    is a blocking call that waits for a thread of the pool"),
                "{dump}"
            );
            drop(end);
            first.await.unwrap();
            second.await.unwrap();
            tests::eventually("the end of the calls", || tasks().len() == 1);
        });
    });
}

#[test]
fn a_runtime_with_an_observer_lists_its_tasks_too() {
    let watches = Arc::new(Watches::default());
    let runtime = Runtime::builder().virtual_clock().observer(watches.clone()).build().unwrap();
    runtime.block_on(async {
        for _ in 0..10 {
            spawn(pending_announced());
        }
        yield_now().await;
        let before = watches.begun.load(Ordering::Relaxed);
        let all = tasks();
        assert!(all[1..].iter().all(|task| leaf(task) == "something of its own"));
        assert_eq!(watches.begun.load(Ordering::Relaxed), before + 10);
    });
    assert_eq!(watches.begun.load(Ordering::Relaxed), watches.ended.load(Ordering::Relaxed));
}

#[test]
fn a_task_that_panics_in_a_task_dump_ends_and_the_others_are_listed() {
    virtually(async {
        let cell = Rc::new(RefCell::new(0));
        let inner = cell.clone();
        let task = spawn_local(async move {
            poll_fn(|_| {
                *inner.borrow_mut() += 1;
                Poll::<()>::Pending
            })
            .await;
        });
        named("other").spawn(pending_announced());
        yield_now().await;
        let borrowed = cell.borrow();
        assert_eq!(leaf(&dump_of("other")), "something of its own");
        drop(borrowed);
        assert!(task.await.unwrap_err().is_panic());
    });
}

#[test]
fn a_task_dump_leaves_the_deadline_and_the_budget_of_its_caller_unchanged() {
    virtually(async {
        spawn(pending_announced());
        let seen = Rc::new(Cell::new(None));
        let sees = seen.clone();
        spawn_local(async move {
            poll_fn(|_| {
                sees.set(executor::time_left());
                Poll::<()>::Pending
            })
            .await
        });
        yield_now().await;
        deadline(ms(5), async {
            tasks();
            assert_eq!(executor::time_left(), Some(ms(5)));
        })
        .await
        .unwrap();
        assert_eq!(seen.get(), None, "others are asked outside of it");
    });
}
