//! Timers on the system's clock, and a runtime that stays awake.

use super::{SECOND, count_timers, timers};
use executor::time::{Duration, Instant, sleep, sleep_until, timeout};
use executor::{Runtime, spawn_local};
use futures_lite::future::pending;
use reactor::Reactor;
use reactor::backend::Simulation;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;
use tests::strict::block_on;
use tests::{poll_with, waker_fn, within};

// ---- the real clock ----

#[test]
fn a_timer_is_never_early_and_mostly_less_than_two_milliseconds_late() {
    within(60, || {
        block_on(async {
            // A busy machine delays timers, so one good attempt of twenty suffices.
            let mut medians = Vec::new();
            while medians.len() < 20 && medians.last().is_none_or(|median| *median >= Duration::from_millis(2)) {
                let mut late: Vec<Duration> = Vec::new();
                for n in 0..50u32 {
                    let time = Duration::from_micros(u64::from(500 + n * 37 % 3000));
                    let start = Instant::now();
                    sleep(time).await;
                    let took = start.elapsed();
                    assert!(took >= time, "a sleep of {time:?} ended after {took:?}");
                    late.push(took - time);
                }
                late.sort();
                medians.push(late[25]);
            }
            assert!(medians.len() < 20, "half of them were late by {medians:?} or more");
        });
    });
}

#[test]
fn many_timers_at_once_are_never_early() {
    within(60, || {
        block_on(async {
            let tasks: Vec<_> = (0..2000u64)
                .map(|n| {
                    spawn_local(async move {
                        let deadline = Instant::now() + Duration::from_micros(n * 7919 % 50_000);
                        sleep_until(deadline).await;
                        assert!(Instant::now() >= deadline);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(timers(), 0);
        });
    });
}

#[test]
fn a_timer_set_on_another_thread_interrupts_a_longer_wait() {
    within(60, || {
        let mut reactor = Reactor::new().unwrap();
        let handle = reactor.handle();
        let over = Arc::new(AtomicBool::new(false));
        let (fired, has_fired) = mpsc::channel();
        let other = thread::spawn({
            let (handle, over) = (handle.clone(), over.clone());
            move || {
                let _entered = handle.enter();
                for _ in 0..100 {
                    let fired = fired.clone();
                    let waker = waker_fn(move || fired.send(Instant::now()).unwrap());
                    let mut sleep = sleep(Duration::from_millis(2));
                    let deadline = sleep.deadline().unwrap();
                    assert!(poll_with(&waker, &mut sleep).is_pending());
                    let at = has_fired.recv_timeout(Duration::from_secs(20)).expect("the wait was interrupted");
                    assert!(at >= deadline);
                    assert!(poll_with(&waker, &mut sleep).is_ready());
                }
                over.store(true, Ordering::SeqCst);
                handle.notify();
            }
        });
        let _entered = handle.enter();
        let mut long = sleep(Duration::from_secs(3600));
        assert!(poll_with(Waker::noop(), &mut long).is_pending());
        while !over.load(Ordering::SeqCst) {
            reactor.turn(None).unwrap();
        }
        other.join().unwrap();
        assert_eq!(count_timers(&handle), 1);
    });
}

#[test]
fn timers_of_several_threads_at_one_reactor_all_fire() {
    within(60, || {
        let mut reactor = Reactor::new().unwrap();
        let handle = reactor.handle();
        let threads: Vec<_> = (0..4u64)
            .map(|n| {
                let handle = handle.clone();
                thread::spawn(move || {
                    let _entered = handle.enter();
                    let (woken, is_woken) = mpsc::channel();
                    let waker = waker_fn(move || _ = woken.send(()));
                    for round in 0..200u64 {
                        let time = Duration::from_micros((round * 997 + n * 131) % 3000);
                        let mut sleep = sleep(time);
                        let mut other = Box::pin(timeout(2 * time, pending::<()>())); // set, then cancelled
                        let _ = poll_with(&waker, &mut other);
                        while poll_with(&waker, &mut sleep).is_pending() {
                            is_woken.recv_timeout(Duration::from_secs(20)).expect("its timer fires");
                        }
                        assert!(Instant::now() >= sleep.deadline().unwrap());
                    }
                    handle.notify();
                })
            })
            .collect();
        while !threads.iter().all(thread::JoinHandle::is_finished) {
            reactor.turn(Some(Duration::from_millis(100))).unwrap();
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(count_timers(&handle), 0);
    });
}

/// A waker whose clone ends a reactor, as another thread may do at that moment.
struct EndsOnClone {
    reactor: Mutex<Option<Reactor>>,
    woken: AtomicBool,
}

impl EndsOnClone {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: each waker holds a reference of the `Arc` from which `waker` made its pointer.
            let hook = unsafe { &*data.cast::<EndsOnClone>() };
            drop(hook.reactor.lock().unwrap().take());
            // SAFETY: as above; this reference is the clone's.
            unsafe { Arc::increment_strong_count(data.cast::<EndsOnClone>()) };
            RawWaker::new(data, &EndsOnClone::TABLE)
        },
        // SAFETY: as above; the reference ends with the waker.
        |data| unsafe { Arc::from_raw(data.cast::<EndsOnClone>()) }.woken.store(true, Ordering::SeqCst),
        // SAFETY: as above; it is only borrowed.
        |data| unsafe { &*data.cast::<EndsOnClone>() }.woken.store(true, Ordering::SeqCst),
        // SAFETY: as above; the reference ends with the waker.
        |data| drop(unsafe { Arc::from_raw(data.cast::<EndsOnClone>()) }),
    );

    fn waker(self: Arc<Self>) -> Waker {
        let data = Arc::into_raw(self).cast();
        // SAFETY: the table keeps a waker's contract: all is shared by an `Arc` and safe from any thread.
        unsafe { Waker::from_raw(RawWaker::new(data, &Self::TABLE)) }
    }
}

#[test]
fn a_timer_set_as_its_reactor_ends_is_woken_or_panics() {
    let reactor = Reactor::with(Box::new(Simulation::new()), None);
    let _entered = reactor.handle().enter();
    let hook = Arc::new(EndsOnClone { reactor: Mutex::new(Some(reactor)), woken: AtomicBool::new(false) });
    let waker = hook.clone().waker();
    let mut sleep = sleep(SECOND);
    let poll = std::panic::AssertUnwindSafe(|| poll_with(&waker, &mut sleep));
    match std::panic::catch_unwind(poll) {
        Err(_) => {} // it says that the runtime has ended
        Ok(Poll::Ready(())) => panic!("ready before its time"),
        Ok(Poll::Pending) => assert!(hook.woken.load(Ordering::SeqCst), "it waits for a reactor that is gone"),
    }
}

// ---- staying awake ----

/// The timeouts of all waits on the system.
#[derive(Default)]
struct Waits(std::sync::Mutex<Vec<Option<Duration>>>);

impl executor::Observer for Waits {}
impl reactor::Observer for Waits {
    fn wait_begins(&self, timeout: Option<Duration>) {
        self.0.lock().unwrap().push(timeout);
    }
}

#[test]
fn a_runtime_that_stays_awake_polls_for_its_time_and_then_parks() {
    let run = |awake: Duration| {
        let waits = std::sync::Arc::new(Waits::default());
        let builder = Runtime::builder().stay_awake(awake).observer(waits.clone());
        builder.build().unwrap().block_on(sleep(Duration::from_millis(50)));
        let waits = std::mem::take(&mut *waits.0.lock().unwrap());
        let looks = waits.iter().filter(|timeout| **timeout == Some(Duration::ZERO)).count();
        (looks, waits.len() - looks)
    };
    let (looks, sleeps) = run(Duration::ZERO);
    assert_eq!((looks, sleeps), (0, 1));
    let (looks, sleeps) = run(Duration::from_millis(5));
    assert!(looks > 0, "it does not look");
    assert_eq!(sleeps, 1, "it sleeps through the rest");
    let (_, sleeps) = run(Duration::from_secs(5));
    assert_eq!(sleeps, 0, "there is always something to do before it would");
}
