//! Polls by hand, outside of a runtime: each poll returns what is there, because no other task waits for its turn.

use super::kit::{Full, virtually};
use executor::sync::{Event, Mutex, Semaphore, oneshot, unbounded, watch};
use executor::{Runtime, join_all, spawn, spawn_blocking, yield_now};
use futures_lite::StreamExt;
use futures_lite::future::{block_on, poll_once};
use reactor::budget::OPERATIONS;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tests::{Counting, within};

/// Polls by hand more often than a budget has operations, and checks that no poll is pending.
#[track_caller]
fn never_misses<T>(what: &str, mut is_there: impl FnMut() -> Poll<T>) {
    const POLLS: u32 = 4000;
    let missed = (0..POLLS).filter(|_| is_there().is_pending()).count();
    assert_eq!(missed, 0, "{what}: polls were pending though the value was there");
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    block_on(poll_once(future)).map_or(Poll::Pending, Poll::Ready)
}

#[test]
fn a_poll_by_hand_returns_what_is_there() {
    let full = Full::new();
    never_misses("a message", || poll(full.next()));
    let (tx, mut rx) = unbounded();
    never_misses("a stream", || {
        tx.try_send(()).unwrap();
        poll(rx.next())
    });
    never_misses("room", || poll(tx.send(())));
    let (semaphore, mutex, event) = (Semaphore::new(1), Mutex::new(()), Event::new());
    event.set();
    never_misses("a permit", || poll(semaphore.acquire()));
    never_misses("a lock", || poll(mutex.lock()));
    never_misses("an event", || poll(event.wait()));
    never_misses("a oneshot", || {
        let (tx, rx) = oneshot();
        tx.send(()).unwrap();
        poll(rx)
    });
    let (_tx, mut value) = watch(1);
    never_misses("a value", || poll(value.wait_for(|n| *n == 1)));
    let mut over: Vec<_> = executor::block_on(async {
        let tasks: Vec<_> = (0..10_000).map(|_| spawn(async {})).collect();
        yield_now().await;
        tasks
    });
    never_misses("a task that is over", || poll(over.pop().unwrap()));
    never_misses("a set", || poll(join_all([full.next(), full.next()])));
}

#[test]
fn a_poll_by_hand_returns_what_is_there_whatever_the_waker() {
    let full = Full::new();
    let mut noop = Context::from_waker(Waker::noop());
    for _ in 0..20 {
        never_misses("a waker that does nothing", || pin!(full.next()).poll(&mut noop));
    }
    let counting = Counting::new();
    never_misses("the same waker", || pin!(full.next()).poll(&mut Context::from_waker(&counting.waker())));
    never_misses("a new waker each time", || {
        pin!(full.next()).poll(&mut Context::from_waker(&Counting::new().waker()))
    });
    assert_eq!(counting.wakes(), 0);
}

#[test]
fn a_poll_by_hand_returns_what_is_there_on_a_thread_that_ran_a_runtime() {
    let full = Full::new();
    executor::block_on(async {
        let all = async {
            for _ in 0..1000 {
                full.next().await;
            }
        };
        all.await;
        // Spends the budget to the last operation.
        while poll_once(full.next()).await.is_some() {}
    });
    never_misses("a message", || poll(full.next()));
}

#[test]
fn a_poll_by_hand_in_a_blocking_call_spends_no_budget() {
    let check = || {
        let full = Full::new();
        never_misses("a message", || poll(full.next()));
    };
    executor::block_on(async { spawn_blocking(check).await.unwrap() });
    let deterministic = Runtime::builder().deterministic(1).build().unwrap();
    deterministic.block_on(async { spawn_blocking(check).await.unwrap() });
}

#[test]
fn in_a_task_a_poll_with_the_tasks_waker_has_the_tasks_budget() {
    virtually().block_on(async {
        let full = Full::new();
        yield_now().await;
        let given = (0..).map(|_| poll_once(full.next()));
        let mut count = 0;
        for poll in given {
            match poll.await {
                Some(()) => count += 1,
                None => break,
            }
        }
        assert_eq!(count, u32::from(OPERATIONS));
    });
}

#[test]
fn in_a_task_a_poll_with_a_waker_that_wakes_nothing_returns_what_is_there() {
    virtually().block_on(async {
        let full = Full::new();
        never_misses("a message", || pin!(full.next()).poll(&mut Context::from_waker(Waker::noop())));
    });
}

#[test]
fn another_librarys_block_on_inside_of_a_task_makes_progress() {
    within(60, || {
        let blocking = || {
            let (tx, mut rx) = unbounded();
            block_on(async {
                for n in 0..10_000 {
                    tx.send(n).await.unwrap();
                    assert_eq!(rx.recv().await, Ok(n));
                    tx.try_send(n).unwrap();
                    assert_eq!(rx.next().await, Some(n));
                    let both = join_all([tx.send(n), tx.send(n)]).await;
                    assert_eq!(both, [Ok(()), Ok(())]);
                    assert_eq!(join_all([rx.recv(), rx.recv()]).await, [Ok(n), Ok(n)]);
                }
            });
        };
        virtually().block_on(async move {
            blocking(); // the first poll of the first task
            spawn(async move { blocking() }).await.unwrap();
            spawn_blocking(blocking).await.unwrap();
        });
    });
}

#[test]
fn without_a_budget_few_of_many_polls_by_hand_are_deferred() {
    const POLLS: usize = 200_000;
    let full = Full::new();
    let missed = (0..POLLS).filter(|_| poll(full.next()).is_pending()).count();
    assert!(missed <= POLLS >> 16, "{missed} of {POLLS} polls were pending");
}
