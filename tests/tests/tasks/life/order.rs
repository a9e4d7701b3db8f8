//! Invariant 7: tasks run in the order in which they were queued, and no task starves the rest.

use executor::net::UnixStream;
use executor::time::{Duration, Instant, sleep, sleep_until};
use executor::{JoinHandle, named, spawn, spawn_local, yield_now};
use futures_lite::future::{pending, poll_fn};
use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;
use tests::strict::block_on;
use tests::{Log, within};

// ---- order and fairness (invariant 7) ----

#[test]
fn tasks_run_in_the_order_in_which_they_were_queued() {
    block_on(async {
        let order = Log::new();
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                let order = order.clone();
                spawn(async move {
                    order.push((0, n));
                    yield_now().await;
                    order.push((1, n));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let expected: Vec<_> = (0..2).flat_map(|round| (0..50).map(move |n| (round, n))).collect();
        assert_eq!(order.take(), expected);
    });
}

#[test]
fn a_task_that_is_queued_during_a_pass_runs_in_the_next() {
    block_on(async {
        let order = Log::new();
        let spawns = spawn({
            let order = order.clone();
            async move {
                order.push("a");
                let child = spawn({
                    let order = order.clone();
                    async move { order.push("child of a") }
                });
                child.await.unwrap();
            }
        });
        let other = spawn({
            let order = order.clone();
            async move { order.push("b") }
        });
        spawns.await.unwrap();
        other.await.unwrap();
        assert_eq!(order.take(), ["a", "b", "child of a"]);
    });
}

/// A task that wakes itself in each poll.
fn busy() -> JoinHandle<()> {
    spawn(async {
        loop {
            yield_now().await;
        }
    })
}

#[test]
fn a_task_that_always_wakes_itself_does_not_starve_a_timer() {
    within(20, || {
        block_on(async {
            let busy = busy();
            let start = Instant::now();
            sleep(Duration::from_millis(5)).await;
            assert!(start.elapsed() >= Duration::from_millis(5));
            busy.cancel();
        });
    });
}

#[test]
fn a_task_that_always_wakes_itself_does_not_starve_a_socket() {
    within(20, || {
        block_on(async {
            let busy = busy();
            let (mut theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
            let ours = UnixStream::from_std(ours).unwrap();
            let reader = spawn(async move { ours.read(&mut [0; 8]).await.unwrap() });
            for _ in 0..200 {
                yield_now().await;
            }
            theirs.write_all(b"x").unwrap();
            assert_eq!(reader.await.unwrap(), 1);
            busy.cancel();
        });
    });
}

#[test]
fn a_task_that_always_wakes_itself_does_not_starve_another_thread() {
    within(20, || {
        block_on(async {
            let busy = busy();
            let (give, take) = mpsc::channel::<Waker>();
            let thread = thread::spawn(move || take.recv().unwrap().wake());
            let mut polls = 0;
            let waits = spawn(poll_fn(move |cx| {
                polls += 1;
                if polls == 1 {
                    give.send(cx.waker().clone()).unwrap();
                    return Poll::Pending;
                }
                Poll::Ready(()) // only the thread can have woken it
            }));
            waits.await.unwrap();
            busy.cancel();
            thread.join().unwrap();
        });
    });
}

#[test]
fn many_tasks_that_always_wake_themselves_do_not_starve_a_timer() {
    within(20, || {
        block_on(async {
            let due = Rc::new(Cell::new(None));
            let polls_after = Rc::new(Cell::new(0));
            let wakes_itself = |_| {
                let (due, polls_after) = (due.clone(), polls_after.clone());
                spawn_local(poll_fn(move |cx| -> Poll<()> {
                    let is_late = due.get().is_some_and(|due| Instant::now() > due);
                    polls_after.set(polls_after.get() + u32::from(is_late));
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }))
            };
            let all: Vec<_> = (0..1000).map(wakes_itself).collect();
            // Read after the tasks were spawned, which takes longer than a millisecond on a busy machine.
            let end = Instant::now() + Duration::from_millis(5);
            due.set(Some(end + Duration::from_millis(1))); // a timer is accurate to a millisecond
            sleep_until(end).await;
            // The rest of the pass in which the timer was due, and the pass that polls this task.
            assert!(polls_after.get() <= 2000, "{} polls after the timer was due", polls_after.get());
            all.iter().for_each(JoinHandle::cancel);
        });
    });
}

// ---- numbers and names ----

#[test]
fn tasks_are_numbered_in_the_order_of_spawning_and_their_handles_print_name_and_state() {
    block_on(async {
        let first = spawn(pending::<()>());
        let second = named("second").spawn(pending::<()>());
        assert_eq!((first.id().0, second.id().0), (2, 3));
        assert_eq!((first.name(), second.name()), (None, Some("second")));
        let text = format!("{second:?}");
        assert!(text.starts_with("task 3 \"second\" (queued, spawned at ") && text.contains(file!()), "{text}");
        yield_now().await;
        assert!(format!("{first:?}").contains("(suspended"));
        first.cancel();
        assert!(format!("{first:?}").contains("(queued"));
        yield_now().await;
        assert!(format!("{first:?}").contains("(cancelled"));
    });
}
