//! `Sleep::reset` on a timer that a task waits for: the wait lasts until the new deadline, from wherever and whenever
//! the timer is moved.
//!
//! Most tests run on a virtual clock, where a lost wake is a deadlock. The last ones run on the system's clock, with
//! other threads.

use executor::time::{Duration, Instant, Interval, Sleep, interval, now, sleep, sleep_until, timeout};
use executor::{JoinHandle, Runtime, select, spawn, yield_now};
use futures_lite::StreamExt;
use futures_lite::future::poll_once;
use reactor::backend::Simulation;
use reactor::observer::TimerId;
use reactor::{Handle, Reactor};
use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Waker;
use std::thread;
use tests::strict::block_on;
use tests::{Counting, poll_with, waker_fn, within};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a future on a virtual clock. Panics at a deadlock.
fn on_virtual_clock<F: Future>(future: F) -> F::Output {
    let backend = Box::new(Simulation::new());
    Runtime::builder().backend(backend).detect_deadlock(true).build().unwrap().block_on(future)
}

/// A timer that one task waits for and others move.
#[derive(Clone)]
struct Idle(Arc<Mutex<Sleep>>);

impl Idle {
    fn after(time: Duration) -> Idle {
        Idle(Arc::new(Mutex::new(sleep(time))))
    }

    /// Spawns a task that waits for the timer and returns the time at which it continued.
    fn wait(&self) -> JoinHandle<Instant> {
        let timer = self.0.clone();
        spawn(async move {
            poll_fn(|cx| Pin::new(&mut *timer.lock().unwrap()).poll(cx)).await;
            now()
        })
    }

    fn reset(&self, deadline: Instant) {
        self.0.lock().unwrap().reset(deadline);
    }
}

// ---- a task that waits follows its timer ----

#[test]
fn a_task_that_waits_follows_its_timer_to_an_earlier_or_a_later_deadline() {
    for to in [Duration::from_millis(10), 3 * SECOND, 5 * SECOND, 60 * SECOND, 40_000_000 * SECOND] {
        on_virtual_clock(async {
            let (start, timer) = (now(), Idle::after(5 * SECOND));
            let waits = timer.wait();
            yield_now().await;
            timer.reset(start + to);
            assert_eq!(waits.await.unwrap() - start, to, "moved to {to:?}");
        });
    }
}

#[test]
fn a_task_that_waits_is_woken_at_once_by_a_deadline_that_has_passed() {
    on_virtual_clock(async {
        sleep(SECOND).await;
        for back in [Duration::ZERO, Duration::from_nanos(1), SECOND / 2, SECOND] {
            let (start, timer) = (now(), Idle::after(5 * SECOND));
            let waits = timer.wait();
            yield_now().await;
            timer.reset(start - back);
            assert_eq!(waits.await.unwrap(), start, "moved back by {back:?}");
        }
    });
}

#[test]
fn a_timer_can_be_moved_any_number_of_times() {
    on_virtual_clock(async {
        let (start, timer) = (now(), Idle::after(SECOND));
        let waits = timer.wait();
        yield_now().await;
        for n in 1..=1_000 {
            timer.reset(now() + SECOND); // as an idle timeout does when a message comes
            timer.reset(now() + SECOND);
            sleep(SECOND / 2).await;
            assert!(!waits.is_finished(), "after {n} resets");
        }
        timer.reset(now() + SECOND);
        assert_eq!(waits.await.unwrap() - start, 501 * SECOND);
    });
}

#[test]
fn a_timer_that_is_moved_before_it_is_polled_or_after_it_fired_waits_for_the_new_deadline() {
    on_virtual_clock(async {
        let (start, mut timer) = (now(), sleep(5 * SECOND));
        timer.reset(start + SECOND); // before the first poll
        (&mut timer).await;
        assert_eq!(now() - start, SECOND);
        timer.reset(start + 3 * SECOND); // after it was ready
        (&mut timer).await;
        assert_eq!(now() - start, 3 * SECOND);
        timer.reset(start); // it was ready, and is again
        assert_eq!(poll_once(&mut timer).await, Some(()));
        timer.reset(start + 4 * SECOND);
        assert_eq!(poll_once(&mut timer).await, None);
        sleep(2 * SECOND).await; // it has fired, and was not polled since
        timer.reset(now() + SECOND);
        (&mut timer).await;
        assert_eq!(now() - start, 6 * SECOND);
    });
}

#[test]
fn the_task_that_polled_last_is_the_one_that_is_woken() {
    let mut reactor = Reactor::with(Box::new(Simulation::new()), None);
    let _entered = reactor.handle().enter();
    let (first, last) = (Counting::new(), Counting::new());
    let mut timer = sleep(5 * SECOND);
    assert!(poll_with(&first.waker(), &mut timer).is_pending());
    timer.reset(now() + 9 * SECOND);
    assert!(poll_with(&last.waker(), &mut timer).is_pending());
    timer.reset(now() + SECOND);
    assert_eq!((first.wakers(1), last.wakers(1)), (0, 1), "one waker, of the last poll");
    reactor.turn(None).unwrap();
    assert_eq!((first.wakes(), last.wakes()), (0, 1));
    assert!(poll_with(Waker::noop(), &mut timer).is_ready());
}

#[test]
fn an_idle_timeout_ends_a_wait_a_second_after_the_last_message() {
    on_virtual_clock(async {
        let (tx, rx) = executor::sync::channel(1);
        spawn(async move {
            for pause in [300, 900, 10, 999] {
                sleep(Duration::from_millis(pause)).await;
                tx.send(()).await.unwrap();
            }
            sleep(Duration::from_secs(60)).await;
        });
        let (start, mut idle, mut messages) = (now(), sleep(SECOND), 0);
        while let executor::Either::First(Ok(())) = select(rx.recv(), &mut idle).await {
            messages += 1;
            idle.reset(now() + SECOND);
        }
        assert_eq!((messages, now() - start), (4, Duration::from_millis(300 + 900 + 10 + 999 + 1000)));
    });
}

#[test]
fn a_timer_that_is_dropped_or_cancelled_after_it_was_moved_leaves_nothing() {
    let timers = || format!("{:?}", Handle::current().unwrap());
    on_virtual_clock(async {
        let none = timers();
        let timer = Idle::after(5 * SECOND);
        let waits = timer.wait();
        yield_now().await;
        let one = timers();
        timer.reset(now() + 7 * SECOND);
        assert_eq!(timers(), one);
        waits.cancel();
        assert!(waits.await.is_err());
        drop(timer);
        assert_eq!(timers(), none);
        let waits = Idle::after(SECOND);
        assert_eq!(poll_once(poll_fn(|cx| Pin::new(&mut *waits.0.lock().unwrap()).poll(cx))).await, None);
        waits.reset(now());
        assert_eq!(timers(), none, "it is due, so it is not set");
    });
}

#[test]
fn a_waker_that_panics_in_a_reset_leaves_the_timer_usable() {
    let mut reactor = Reactor::with(Box::new(Simulation::new()), None);
    let _entered = reactor.handle().enter();
    let mut timer = sleep(SECOND);
    assert!(poll_with(&waker_fn(|| panic!("on purpose")), &mut timer).is_pending());
    let reset = catch_unwind(AssertUnwindSafe(|| timer.reset(now() - SECOND)));
    assert!(reset.is_err(), "the waker was not called");
    // Another timer has its slot in the queue now, and must stay there.
    let mut other = sleep(SECOND);
    assert!(poll_with(Waker::noop(), &mut other).is_pending());
    assert!(poll_with(Waker::noop(), &mut timer).is_ready());
    drop(timer);
    assert_eq!(reactor.turn(None).unwrap(), 1);
    assert!(poll_with(Waker::noop(), &mut other).is_ready());
}

// ---- combinators on a timer ----

#[test]
fn an_interval_that_two_tasks_share_wakes_the_one_that_polled_last() {
    on_virtual_clock(async {
        let start = now();
        let ticks: Arc<Mutex<Interval>> = Arc::new(Mutex::new(interval(SECOND)));
        let next = |ticks: Arc<Mutex<Interval>>| async move {
            poll_fn(|cx| Pin::new(&mut *ticks.lock().unwrap()).poll_next(cx)).await.unwrap()
        };
        assert_eq!(next(ticks.clone()).await, start);
        let waits = spawn(next(ticks.clone()));
        yield_now().await;
        assert_eq!(waits.await.unwrap() - start, SECOND);
        let cancelled = spawn(next(ticks.clone()));
        yield_now().await;
        cancelled.cancel();
        assert!(cancelled.await.is_err());
        assert_eq!(next(ticks).await - start, 2 * SECOND, "the tick is not lost with the task that waited");
    });
}

#[test]
fn a_burst_of_missed_ticks_gives_each_of_them_once() {
    on_virtual_clock(async {
        let (start, mut ticks) = (now(), interval(SECOND));
        assert_eq!(ticks.next().await, Some(start));
        assert_eq!(poll_once(ticks.next()).await, None); // it waits when the next four ticks come
        sleep(Duration::from_millis(4_500)).await;
        for n in 1..=4 {
            assert_eq!(ticks.next().await.unwrap() - start, n * SECOND);
        }
        assert_eq!(now() - start, Duration::from_millis(4_500), "all at once");
        assert_eq!(poll_once(ticks.next()).await, None);
        assert_eq!(ticks.next().await.unwrap() - start, 5 * SECOND);
    });
}

// ---- events ----

/// The timers that are set, and errors in the order of events.
#[derive(Default)]
struct Balance(Mutex<(BTreeSet<u64>, Vec<String>)>);

impl Balance {
    fn ends(&self, timer: TimerId, how: &str) {
        let (set, wrong) = &mut *self.0.lock().unwrap();
        if !set.remove(&timer.0) {
            wrong.push(format!("{timer:?} {how} without being set"));
        }
    }
}

impl executor::Observer for Balance {}
impl reactor::Observer for Balance {
    fn timer_set(&self, timer: TimerId, _: Instant, _: &'static Location<'static>) {
        let (set, wrong) = &mut *self.0.lock().unwrap();
        if !set.insert(timer.0) {
            wrong.push(format!("{timer:?} set twice"));
        }
    }

    fn timer_cancelled(&self, timer: TimerId) {
        self.ends(timer, "cancelled");
    }

    fn timer_fired(&self, timer: TimerId) {
        self.ends(timer, "fired");
    }
}

#[test]
fn every_timer_that_is_set_is_cancelled_or_fires_once_however_it_is_moved() {
    let balance = Arc::new(Balance::default());
    let runtime = Runtime::builder().virtual_clock().detect_deadlock(true).observer(balance.clone()).build().unwrap();
    runtime.block_on(async {
        for (to, rounds) in [(SECOND, 1), (9 * SECOND, 3), (Duration::ZERO, 1), (Duration::ZERO, 2)] {
            let timer = Idle::after(5 * SECOND);
            let waits = timer.wait();
            yield_now().await;
            for _ in 0..rounds {
                timer.reset(now() + to);
            }
            waits.await.unwrap();
            timer.reset(now() + SECOND); // not polled any more
        }
        let left = Idle::after(SECOND);
        left.wait();
        yield_now().await;
        left.reset(now() + 2 * SECOND); // and dropped with the runtime
    });
    let (set, wrong) = &*balance.0.lock().unwrap();
    assert!(set.is_empty() && wrong.is_empty(), "still set: {set:?}, wrong: {wrong:?}");
}

// ---- the system's clock, other threads ----

#[test]
fn on_the_systems_clock_a_timer_that_is_moved_is_never_early() {
    within(20, || {
        block_on(async {
            let timer = Idle::after(3600 * SECOND);
            let waits = timer.wait();
            yield_now().await;
            for ms in [50, 5] {
                let deadline = now() + Duration::from_millis(ms);
                timer.reset(deadline);
                if ms == 5 {
                    assert!(waits.await.unwrap() >= deadline);
                    break;
                }
            }
        });
    });
}

#[test]
fn another_thread_may_move_the_timer_of_a_parked_runtime() {
    // To an earlier deadline, which must interrupt the parked thread; and to one that has passed, which must wake it.
    for earlier in [Some(Duration::from_millis(5)), None] {
        within(20, move || {
            let timer = Arc::new(Mutex::new(sleep_until(Instant::now() + 3600 * SECOND)));
            let (polled, is_polled) = mpsc::channel();
            let mover = {
                let timer = timer.clone();
                move || {
                    is_polled.recv().unwrap();
                    // By then the runtime likely sleeps; the test must pass either way.
                    thread::sleep(Duration::from_millis(20));
                    timer.lock().unwrap().reset(earlier.map_or(Instant::now() - SECOND, |time| Instant::now() + time));
                }
            };
            executor::block_on(async {
                let waits = poll_fn(|cx| {
                    let poll = Pin::new(&mut *timer.lock().unwrap()).poll(cx);
                    let _ = polled.send(());
                    poll
                });
                let (mover, start) = (thread::spawn(mover), Instant::now());
                assert_eq!(timeout(10 * SECOND, waits).await, Ok(()), "the wake was lost");
                assert!(start.elapsed() < 5 * SECOND, "the wait was not interrupted");
                mover.join().unwrap();
            });
        });
    }
}

#[test]
fn threads_that_move_a_timer_at_random_lose_no_wake() {
    within(60, || {
        executor::block_on(async {
            for round in 0..200 {
                let timer = Idle(Arc::new(Mutex::new(sleep(3600 * SECOND))));
                let waits = timer.wait();
                let movers: Vec<_> = (0..3u32)
                    .map(|n| {
                        let timer = timer.clone();
                        thread::spawn(move || {
                            for step in 0..20 {
                                timer.reset(Instant::now() + Duration::from_secs(1000 + u64::from(n * 20 + step)));
                            }
                        })
                    })
                    .collect();
                yield_now().await;
                movers.into_iter().for_each(|mover| mover.join().unwrap());
                let last = thread::spawn(move || timer.reset(Instant::now() + Duration::from_micros(round)));
                waits.await.unwrap();
                last.join().unwrap();
            }
        });
    });
}

#[test]
fn a_timer_whose_runtime_has_ended_can_be_moved_and_awaited_in_another() {
    let timer = Arc::new(Mutex::new(sleep(SECOND)));
    on_virtual_clock(async {
        let timer = timer.clone();
        timer.lock().unwrap().reset(now() + 5 * SECOND);
        assert_eq!(poll_once(poll_fn(|cx| Pin::new(&mut *timer.lock().unwrap()).poll(cx))).await, None);
    });
    on_virtual_clock(async {
        let start = now();
        timer.lock().unwrap().reset(start + 2 * SECOND);
        poll_fn(|cx| Pin::new(&mut *timer.lock().unwrap()).poll(cx)).await;
        assert_eq!(now() - start, 2 * SECOND);
    });
}
