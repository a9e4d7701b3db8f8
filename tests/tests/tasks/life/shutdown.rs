//! Invariant 2: the end of a runtime drops every future once, on the right thread.

use super::park;
use executor::time::{Duration, sleep};
use executor::{Runtime, spawn, spawn_blocking, spawn_local, yield_now};
use futures_lite::future::{pending, poll_fn};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::thread;
use tests::strict::block_on;
use tests::{Log, OnDrop, dropped_on, within};

#[test]
fn tasks_that_are_left_are_dropped_once_on_this_thread_before_block_on_returns() {
    within(20, || {
        let drops = Log::new();
        let wakers = Log::new();
        let (send, receive) = async_channel::bounded::<()>(1);
        block_on(async {
            let waiting: [Pin<Box<dyn Future<Output = ()> + Send>>; 5] = [
                Box::pin(sleep(Duration::from_secs(3600))),
                Box::pin(async move { receive.recv().await.unwrap() }),
                Box::pin(park(wakers.clone())),
                Box::pin(async {
                    loop {
                        yield_now().await;
                    }
                }),
                Box::pin(async { drop(spawn(pending::<()>()).await) }),
            ];
            for future in waiting {
                let dropped = dropped_on(&drops);
                drop(spawn(async move {
                    let _dropped = dropped;
                    future.await;
                }));
            }
            yield_now().await;
            yield_now().await;
            let dropped = dropped_on(&drops);
            drop(spawn_local(async move { drop(dropped) })); // still queued when block_on ends
            assert_eq!(drops.len(), 0);
        });
        assert_eq!(drops.take(), [thread::current().id(); 6]);
        for waker in wakers.take() {
            waker.wake();
        }
        assert!(send.try_send(()).is_err(), "the receiver is gone");
        assert_eq!(drops.len(), 0);
    });
}

#[test]
fn the_future_of_block_on_may_borrow() {
    // The future of block_on may borrow. It is dropped before block_on returns, even if a waker still refers to its
    // task.
    let text = String::from("borrowed");
    let wakers = Log::new();
    let length = block_on(async {
        poll_fn(|cx| {
            wakers.push(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
        let view: &str = &text;
        yield_now().await;
        view.len()
    });
    drop(text);
    assert_eq!(length, 8);
    wakers.take().into_iter().for_each(Waker::wake);
}

#[test]
fn tasks_spawned_by_destructors_at_the_end_of_the_runtime_are_ended_too() {
    /// Spawns a task that never completes and whose destructor spawns another such task, this many in all.
    fn leave(generations: usize, drops: Log<thread::ThreadId>) {
        let dropped = OnDrop::new(move || {
            drops.push(thread::current().id());
            if generations > 1 {
                leave(generations - 1, drops);
            }
        });
        drop(spawn(async move {
            let _dropped = dropped;
            pending::<()>().await;
        }));
    }
    within(20, || {
        let drops = Log::new();
        block_on(async {
            leave(6, drops.clone());
            yield_now().await;
        });
        assert_eq!(drops.take(), [thread::current().id(); 6]);
    });
}

#[test]
fn a_task_that_a_destructor_spawns_and_that_yields_for_ever_does_not_delay_the_end() {
    let polls = Arc::new(AtomicUsize::new(0));
    block_on(async {
        let polls = polls.clone();
        drop(spawn(async move {
            let _spawns = OnDrop::new(move || {
                drop(spawn(async move {
                    // Practically for ever.
                    while polls.fetch_add(1, Ordering::Relaxed) < 100_000 {
                        yield_now().await;
                    }
                }));
            });
            pending::<()>().await;
        }));
        yield_now().await;
    });
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls < 1000, "it was run {polls} times before it was cancelled");
}

#[test]
fn a_destructor_may_wake_cancel_and_spawn_blocking_during_the_end() {
    within(20, || {
        let wakers = Log::new();
        let called = Arc::new(AtomicBool::new(false));
        block_on(async {
            for _ in 0..3 {
                let other = spawn(park(wakers.clone()));
                let (wakers, called) = (wakers.clone(), called.clone());
                drop(spawn(async move {
                    let _acts = OnDrop::new(move || {
                        other.cancel();
                        wakers.take().into_iter().for_each(Waker::wake);
                        spawn_blocking(move || called.store(true, Ordering::SeqCst)).cancel();
                    });
                    pending::<()>().await;
                }));
            }
            yield_now().await;
        });
        wakers.take().into_iter().for_each(Waker::wake);
    });
}

#[test]
fn a_runtime_runs_one_future_after_another() {
    within(20, || {
        let runtime = Runtime::builder().build().unwrap();
        let wakers = Log::new();
        for round in 0..100 {
            let got = runtime.block_on(async {
                drop(spawn(park(wakers.clone())));
                let task = spawn(async move { round });
                let waker_of_the_last_round = wakers.take();
                thread::spawn(move || waker_of_the_last_round.into_iter().for_each(Waker::wake));
                sleep(Duration::from_micros(10)).await;
                task.await.unwrap()
            });
            assert_eq!(got, round);
        }
    });
}
