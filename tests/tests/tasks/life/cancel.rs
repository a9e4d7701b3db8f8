//! Invariant 3: `cancel` works at any moment, and the handle resolves after the drop.

use super::{flag, message, park};
use executor::{JoinError, JoinHandle, spawn, spawn_blocking, spawn_local, yield_now};
use futures_lite::future::{pending, poll_once};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Waker;
use std::thread;
use tests::strict::block_on;
use tests::{Counting, Log, OnDrop, dropped_on, poll_with, within};

#[test]
fn a_task_cancelled_while_queued_is_dropped_without_a_poll() {
    block_on(async {
        let (polled, poll) = flag();
        let drops = Log::new();
        let task = spawn_local({
            let dropped = dropped_on(&drops);
            async move {
                let _dropped = dropped;
                poll.set(true);
            }
        });
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!polled.get());
        assert_eq!(drops.take(), [thread::current().id()]);
    });
}

#[test]
fn a_task_that_cancels_itself_ends_at_its_next_await() {
    block_on(async {
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let steps = Log::new();
        let task = spawn_local({
            let (own, steps) = (own.clone(), steps.clone());
            async move {
                let _dropped = OnDrop::new(|| steps.push("dropped"));
                own.borrow().as_ref().unwrap().cancel();
                steps.push("cancelled");
                yield_now().await;
                steps.push("never");
            }
        });
        *own.borrow_mut() = Some(task);
        yield_now().await;
        yield_now().await;
        let task = own.borrow_mut().take().unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(steps.take(), ["cancelled", "dropped"]);
    });
}

#[test]
fn a_task_that_cancels_itself_and_returns_in_the_same_poll_has_returned() {
    block_on(async {
        let own: Rc<RefCell<Option<JoinHandle<i32>>>> = Rc::default();
        let task = spawn_local({
            let own = own.clone();
            async move {
                own.borrow().as_ref().unwrap().cancel();
                7
            }
        });
        *own.borrow_mut() = Some(task);
        yield_now().await;
        let task = own.borrow_mut().take().unwrap();
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn a_suspended_task_is_cancelled_without_another_poll() {
    block_on(async {
        let drops = Log::new();
        let wakers = Log::new();
        let task = spawn({
            let (dropped, wakers) = (dropped_on(&drops), wakers.clone());
            async move {
                let _dropped = dropped;
                park(wakers).await;
            }
        });
        yield_now().await;
        assert_eq!(wakers.len(), 1);
        task.cancel();
        task.cancel(); // a second cancel has no effect
        assert_eq!(drops.len(), 0, "a future is dropped by its runner, not inside of `cancel`");
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(drops.len(), 1);
        assert_eq!(wakers.len(), 1, "it was polled after it was cancelled");
    });
}

#[test]
fn cancelling_a_completed_task_has_no_effect() {
    block_on(async {
        let task = spawn(async { 5 });
        yield_now().await;
        assert!(task.is_finished());
        task.cancel();
        assert_eq!(task.await.unwrap(), 5);
    });
}

#[test]
fn a_local_task_cancelled_from_another_thread_is_dropped_on_its_home_thread() {
    within(20, || {
        let home = thread::current().id();
        block_on(async move {
            let drops = Log::new();
            let local = Rc::new(dropped_on(&drops)); // must not leave this thread
            let task = spawn_local(async move {
                let _local = local;
                pending::<()>().await;
            });
            yield_now().await;
            let task = spawn_blocking(move || {
                task.cancel();
                task
            });
            assert!(task.await.unwrap().await.unwrap_err().is_cancelled());
            assert_eq!(drops.take(), [home]);
        });
    });
}

#[test]
fn a_handle_resolves_after_the_futures_destructor_ran() {
    // Whether it finishes, is cancelled or panics.
    for how in ["ready", "cancelled", "panicked"] {
        block_on(async {
            let steps = Log::new();
            let task = spawn({
                let steps = steps.clone();
                async move {
                    let _dropped = OnDrop::new(move || steps.push("dropped"));
                    yield_now().await;
                    match how {
                        "ready" => yield_now().await,
                        "cancelled" => pending().await,
                        _ => panic!("on purpose"),
                    }
                }
            });
            let joiner = spawn({
                let steps = steps.clone();
                async move {
                    let mut task = task;
                    assert!(poll_once(&mut task).await.is_none());
                    if how == "cancelled" {
                        task.cancel();
                    }
                    let joined = task.await;
                    steps.push("joined");
                    joined
                }
            });
            let joined = joiner.await.unwrap();
            assert_eq!(steps.take(), ["dropped", "joined"], "{how}");
            let as_it_should = match joined {
                Ok(()) => how == "ready",
                Err(JoinError::Cancelled) => how == "cancelled",
                Err(JoinError::Panicked(_)) => how == "panicked",
            };
            assert!(as_it_should, "{how}");
        });
    }
}

#[test]
fn a_dropped_handle_detaches_its_task_and_the_output_is_dropped_once() {
    block_on(async {
        let steps = Log::new();
        for drop_at in ["queued", "waiting", "finished"] {
            let task = spawn({
                let steps = steps.clone();
                async move {
                    yield_now().await;
                    yield_now().await;
                    steps.push("ran");
                    OnDrop::new(move || steps.push("output dropped"))
                }
            });
            for _ in 0..["queued", "waiting", "finished"].iter().position(|at| *at == drop_at).unwrap() * 2 {
                yield_now().await;
            }
            drop(task);
            for _ in 0..4 {
                yield_now().await;
            }
            assert_eq!(steps.take(), ["ran", "output dropped"], "dropped while {drop_at}");
        }
    });
}

#[test]
fn a_handle_may_be_awaited_by_one_task_after_another() {
    // The waker of the last poll is the one that is called.
    block_on(async {
        let (send, receive) = async_channel::bounded::<()>(1);
        let mut task = spawn(async move { receive.recv().await.unwrap() });
        let first = spawn(async move {
            assert!(poll_once(&mut task).await.is_none());
            Some(task)
        });
        let task = first.await.unwrap().unwrap();
        let second = spawn(async move { task.await.unwrap() });
        yield_now().await;
        send.send(()).await.unwrap();
        second.await.unwrap();
    });
}

#[test]
fn a_handle_may_be_awaited_outside_of_any_runtime() {
    within(20, || {
        let (give, take) = mpsc::channel();
        let runtime = thread::spawn(move || {
            // Without detection of deadlocks: only the other thread can wake a task of this runtime.
            executor::block_on(async move {
                let (send, receive) = async_channel::bounded::<()>(1);
                give.send((spawn(async move { receive.recv().await.map(|()| 3) }), send)).unwrap();
                pending::<()>().await;
            })
        });
        let (mut task, send) = take.recv().unwrap();
        let counting = Counting::new();
        assert!(poll_with(&counting.waker(), &mut task).is_pending());
        send.send_blocking(()).unwrap();
        assert_eq!(futures_lite::future::block_on(task).unwrap().unwrap(), 3);
        drop(runtime); // detaches the thread, which waits for ever
    });
}

#[test]
fn awaiting_a_handle_again_panics_and_says_so() {
    block_on(async {
        let mut task = spawn(async { 1 });
        assert_eq!((&mut task).await.unwrap(), 1);
        let again = catch_unwind(AssertUnwindSafe(|| poll_with(Waker::noop(), &mut task)));
        assert!(message(again).contains("awaited again"));
    });
}
