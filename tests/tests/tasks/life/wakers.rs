//! Invariants 1 and 9: no wake is lost, and wakers outlive everything.

use super::park;
use executor::task::{Runnable, Schedule, spawn_with};
use executor::{spawn, spawn_local, yield_now};
use futures_lite::future::{pending, poll_fn, poll_once};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use tests::strict::block_on;
use tests::{Log, OnDrop, dropped_on, within};

#[test]
fn a_waker_outlives_its_runtime() {
    within(20, || {
        let wakers = Log::new();
        let drops = Log::new();
        block_on(async {
            let (dropped, wakers) = (dropped_on(&drops), wakers.clone());
            drop(spawn(async move {
                let _dropped = dropped;
                park(wakers).await;
            }));
            yield_now().await;
        });
        assert_eq!(drops.len(), 1, "the future went with its runtime, not with its waker");
        let waker = wakers.take().remove(0);
        let clone = waker.clone();
        assert!(waker.will_wake(&clone));
        waker.wake_by_ref();
        waker.wake_by_ref(); // twice
        waker.wake();
        thread::spawn(move || {
            clone.wake_by_ref();
            drop(clone); // the last one, on another thread
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_wake_from_inside_another_runtime_runs_the_task_on_its_home_thread() {
    within(20, || {
        let (give, take) = mpsc::channel::<Waker>();
        let other =
            thread::spawn(move || block_on(async move { spawn(async move { take.recv().unwrap().wake() }).await }));
        let home = thread::current().id();
        executor::block_on(async {
            let mut polls = 0;
            let local = spawn_local(poll_fn(move |cx| {
                assert_eq!(thread::current().id(), home);
                polls += 1;
                if polls == 1 {
                    give.send(cx.waker().clone()).unwrap();
                    return Poll::Pending;
                }
                Poll::Ready(())
            }));
            local.await.unwrap();
        });
        other.join().unwrap().unwrap();
    });
}

#[test]
fn two_wakes_before_a_poll_cause_one_poll() {
    block_on(async {
        let wakers = Log::new();
        drop(spawn(park(wakers.clone())));
        yield_now().await;
        let waker = wakers.take().remove(0);
        for _ in 0..3 {
            waker.wake_by_ref();
        }
        waker.wake();
        yield_now().await;
        yield_now().await;
        assert_eq!(wakers.len(), 1);
    });
}

#[test]
fn a_wake_during_the_poll_leads_to_another_poll() {
    block_on(async {
        let polls = Rc::new(Cell::new(0));
        let task = spawn_local({
            let polls = polls.clone();
            poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                cx.waker().wake_by_ref();
                let by_value = cx.waker().clone();
                by_value.wake();
                if polls.get() == 3 { Poll::Ready(()) } else { Poll::Pending }
            })
        });
        task.await.unwrap();
        assert_eq!(polls.get(), 3);
    });
}

#[test]
fn a_completed_task_is_never_polled_again() {
    block_on(async {
        let kept: Log<Waker> = Log::new();
        let task = spawn({
            let kept = kept.clone();
            let mut over = false;
            poll_fn(move |cx| {
                assert!(!over, "polled after it was ready");
                over = true;
                kept.push(cx.waker().clone());
                cx.waker().wake_by_ref(); // as it finishes
                Poll::Ready(())
            })
        });
        task.await.unwrap();
        kept.take().into_iter().for_each(Waker::wake);
        yield_now().await;
        yield_now().await;
    });
}

#[test]
fn a_destructor_may_wake_its_own_task() {
    block_on(async {
        for cancel in [false, true] {
            let wakers = Log::new();
            let task = spawn({
                let wakers = wakers.clone();
                async move {
                    let _wakes = OnDrop::new({
                        let wakers = wakers.clone();
                        move || wakers.take().into_iter().for_each(Waker::wake)
                    });
                    poll_once(park(wakers)).await;
                    if cancel {
                        pending::<()>().await;
                    }
                }
            });
            yield_now().await;
            task.cancel();
            assert_eq!(task.await.is_ok(), !cancel);
            yield_now().await;
        }
    });
}

#[test]
fn the_last_waker_frees_the_task_wherever_it_is_dropped() {
    struct Nowhere(#[allow(dead_code)] OnDrop<Box<dyn FnOnce() + Send + Sync>>);
    impl Schedule for Nowhere {
        fn schedule(self: &Arc<Self>, task: Runnable) {
            drop(task.run());
        }
    }
    let freed = Log::new();
    let drops = Log::new();
    let scheduler = Arc::new(Nowhere(OnDrop::new(Box::new({
        let freed = freed.clone();
        move || freed.push(thread::current().id())
    }))));
    let wakers = Log::new();
    let (task, handle) = spawn_with(
        {
            let (wakers, dropped) = (wakers.clone(), dropped_on(&drops));
            async move {
                let _dropped = dropped;
                poll_once(park(wakers)).await;
            }
        },
        scheduler, // the task's reference is the only one
    );
    assert!(task.run().is_none());
    drop(handle);
    assert_eq!((drops.len(), freed.len()), (1, 0), "the future goes at its end, the memory with the last waker");
    let waker = wakers.take().remove(0);
    let other = thread::spawn(move || drop(waker));
    let other_id = other.thread().id();
    other.join().unwrap();
    assert_eq!(freed.take(), [other_id]);
}

#[test]
fn wakes_from_other_threads_while_the_runtime_ends_are_safe() {
    within(60, || {
        for round in 0..300 {
            let drops = Log::new();
            let wakers = Log::new();
            let stop = Arc::new(AtomicBool::new(false));
            let start = Arc::new(Barrier::new(3));
            let wakes: Vec<_> = (0..2)
                .map(|_| {
                    let (wakers, stop, start) = (wakers.clone(), stop.clone(), start.clone());
                    thread::spawn(move || {
                        start.wait();
                        let kept: Vec<Waker> = wakers.take();
                        while !stop.load(Ordering::Relaxed) {
                            kept.iter().for_each(Waker::wake_by_ref);
                        }
                    })
                })
                .collect();
            block_on(async {
                for _ in 0..20 {
                    let (dropped, wakers) = (dropped_on(&drops), wakers.clone());
                    let mut first = true;
                    let parked = poll_fn(move |cx| {
                        if std::mem::take(&mut first) {
                            wakers.push(cx.waker().clone());
                        }
                        Poll::<()>::Pending
                    });
                    drop(spawn(async move {
                        let _dropped = dropped;
                        parked.await;
                    }));
                }
                yield_now().await;
                start.wait();
                for _ in 0..round % 7 {
                    yield_now().await;
                }
            });
            assert_eq!(drops.take(), [thread::current().id(); 20]);
            stop.store(true, Ordering::Relaxed);
            wakes.into_iter().for_each(|thread| thread.join().unwrap());
        }
    });
}

#[test]
fn no_wake_of_a_storm_from_four_threads_is_lost() {
    // Each thread writes a number, wakes, and continues when the task has answered: the first lost wake stops the test.
    within(60, || {
        const ROUNDS: usize = 10_000;
        #[derive(Default)]
        struct Line {
            asked: AtomicUsize,
            answered: AtomicUsize,
            waker: Mutex<Option<Waker>>,
        }
        let lines: Vec<Arc<Line>> = (0..4).map(|_| Arc::default()).collect();
        let askers: Vec<_> = lines
            .iter()
            .cloned()
            .map(|line| {
                thread::spawn(move || {
                    for round in 1..=ROUNDS {
                        line.asked.store(round, Ordering::Release);
                        if let Some(waker) = &*line.waker.lock().unwrap() {
                            waker.wake_by_ref();
                        }
                        while line.answered.load(Ordering::Acquire) < round {
                            std::hint::spin_loop();
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        executor::block_on(async {
            let tasks: Vec<_> = lines
                .into_iter()
                .map(|line| {
                    spawn(poll_fn(move |cx| {
                        line.waker.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
                        let asked = line.asked.load(Ordering::Acquire);
                        line.answered.store(asked, Ordering::Release);
                        if asked == ROUNDS { Poll::Ready(()) } else { Poll::Pending }
                    }))
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        askers.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_storm_of_wakes_of_one_task_ends_with_a_poll_that_sees_the_last_write() {
    within(60, || {
        const EACH: usize = 50_000;
        let counted = Arc::new(AtomicUsize::new(0));
        let (give, take) = mpsc::channel::<Waker>();
        let start = Arc::new(Barrier::new(4));
        let threads = thread::spawn({
            let counted = counted.clone();
            move || {
                let waker = take.recv().unwrap();
                let wakes: Vec<_> = (0..4)
                    .map(|_| {
                        let (waker, counted, start) = (waker.clone(), counted.clone(), start.clone());
                        thread::spawn(move || {
                            start.wait();
                            for _ in 0..EACH {
                                counted.fetch_add(1, Ordering::Relaxed); // the wake itself orders it
                                waker.wake_by_ref();
                            }
                        })
                    })
                    .collect();
                wakes.into_iter().for_each(|thread| thread.join().unwrap());
            }
        });
        let mut given = false;
        executor::block_on(poll_fn(|cx| {
            if !std::mem::replace(&mut given, true) {
                give.send(cx.waker().clone()).unwrap();
            }
            if counted.load(Ordering::Relaxed) == 4 * EACH { Poll::Ready(()) } else { Poll::Pending }
        }));
        threads.join().unwrap();
    });
}
