//! What threads do to a runtime: wakes, drops and cancels from outside, two runtimes that communicate, blocking calls.
//!
//! Besides `cargo test`, ThreadSanitizer runs these tests with an instrumented standard library (`tests/tsan.sh`), and
//! Miri runs them (`tests/miri.sh`). They use a virtual clock, and wait for events, never for a time to pass.

use executor::sync::{Mutex, Semaphore, channel, oneshot, unbounded};
use executor::{Runtime, spawn, spawn_blocking, yield_now};
use futures_lite::future::block_on;
use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;

/// How often each test repeats its body.
const ROUNDS: usize = if cfg!(miri) { 3 } else { 200 };

fn run<T>(future: impl Future<Output = T>) -> T {
    Runtime::builder().virtual_clock().build().unwrap().block_on(future)
}

#[test]
fn two_threads_wake_a_task_at_once() {
    for _ in 0..ROUNDS {
        let (give, take) = mpsc::channel::<Waker>();
        let take = Arc::new(std::sync::Mutex::new(take));
        let wakers: Vec<_> = (0..2)
            .map(|_| {
                let take = take.clone();
                thread::spawn(move || {
                    let waker = take.lock().unwrap().recv().unwrap();
                    waker.wake_by_ref();
                    waker.wake();
                })
            })
            .collect();
        run(async {
            let mut polls = 0;
            let task = spawn(poll_fn(move |cx| {
                polls += 1;
                match polls {
                    1 => {
                        give.send(cx.waker().clone()).unwrap();
                        give.send(cx.waker().clone()).unwrap();
                        Poll::Pending
                    }
                    _ => Poll::Ready(()),
                }
            }));
            task.await.unwrap();
        });
        wakers.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn a_handle_is_cancelled_joined_and_dropped_on_another_thread() {
    for round in 0..ROUNDS {
        let (give, take) = mpsc::channel();
        let other = thread::spawn(move || {
            let handle: executor::JoinHandle<usize> = take.recv().unwrap();
            match round % 3 {
                0 => handle.cancel(),
                1 => drop(handle),
                _ => _ = block_on(handle),
            }
        });
        run(async {
            give.send(spawn(async move {
                yield_now().await;
                round
            }))
            .unwrap();
            for _ in 0..3 {
                yield_now().await;
            }
        });
        other.join().unwrap();
    }
}

#[test]
fn two_runtimes_share_a_channel_a_mutex_and_a_semaphore() {
    let (sender, receiver) = channel(2);
    let (mutex, semaphore) = (Arc::new(Mutex::new(0)), Arc::new(Semaphore::new(1)));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (sender, mutex, semaphore) = (sender.clone(), mutex.clone(), semaphore.clone());
            thread::spawn(move || {
                run(async {
                    for number in 0..ROUNDS {
                        let _permit = semaphore.acquire().await;
                        *mutex.lock().await += 1;
                        sender.send(number).await.unwrap();
                    }
                })
            })
        })
        .collect();
    drop(sender);
    let received = run(async {
        let mut received = 0;
        while receiver.recv().await.is_ok() {
            received += 1;
        }
        received
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((received, *mutex.try_lock().unwrap()), (2 * ROUNDS, 2 * ROUNDS));
}

#[test]
fn blocking_calls_return_to_the_thread_that_awaits_them() {
    let calls = Arc::new(AtomicUsize::new(0));
    let sum: usize = run(async {
        let called = (0..ROUNDS).map(|number| {
            let calls = calls.clone();
            spawn_blocking(move || {
                calls.fetch_add(1, Ordering::Relaxed);
                number
            })
        });
        let mut sum = 0;
        for call in called.collect::<Vec<_>>() {
            sum += call.await.unwrap();
        }
        sum
    });
    assert_eq!((sum, calls.load(Ordering::Relaxed)), (ROUNDS * (ROUNDS - 1) / 2, ROUNDS));
}

#[test]
fn a_runtime_ends_while_another_thread_wakes_its_tasks() {
    for _ in 0..ROUNDS {
        let (give, take) = mpsc::channel::<Waker>();
        let (ready, is_ready) = oneshot::<()>();
        let wakes = thread::spawn(move || {
            for waker in take {
                waker.wake();
            }
        });
        let (sender, receiver) = unbounded::<()>();
        run(async move {
            let mut ready = Some(ready);
            spawn(poll_fn(move |cx| {
                give.send(cx.waker().clone()).unwrap();
                ready.take().into_iter().for_each(|ready| _ = ready.send(()));
                Poll::<()>::Pending
            }));
            spawn(async move { _ = receiver.recv().await });
            is_ready.await.unwrap();
        }); // the tasks that are left end here
        drop(sender);
        wakes.join().unwrap();
    }
}
