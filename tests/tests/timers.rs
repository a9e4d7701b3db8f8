//! Timers, through the public face: invariants 8 (never early, accurate to a millisecond, a
//! cancelled timer costs nothing later) and 5 (a dropped one leaves nothing behind).
//!
//! Mostly on the virtual clock, where a century takes no time; the real one is asked how late its
//! timers are.

mod strict;

use executor::time::{
    Duration, Elapsed, Instant, MissedTick, Sleep, interval, interval_at, now, sleep, sleep_until, timeout, timeout_at,
};
use executor::{Runtime, spawn, spawn_local, yield_now};
use futures_lite::StreamExt;
use futures_lite::future::{pending, poll_once};
use proptest::prelude::{Strategy, TestCaseError, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use reactor::backend::{Backend, Event, Simulation, Token};
use reactor::{Handle, Reactor};
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, RawWaker, RawWakerVTable, Waker};
use std::thread;
use strict::block_on;
use tests::{Counting, Log, poll_with, waker_fn, within};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// On the system's clock, timers are due at whole ticks.
const TICK: Duration = Duration::from_micros(250);

/// Runs a future on a clock that jumps.
fn on_virtual_clock<F: Future>(future: F) -> F::Output {
    Runtime::builder().virtual_clock().build().unwrap().block_on(future)
}

/// How many timers the reactor of this thread keeps.
fn timers() -> usize {
    count_timers(&Handle::current().expect("inside of a runtime"))
}

fn count_timers(reactor: &Handle) -> usize {
    let text = format!("{reactor:?}");
    let count = text.split("timers: ").nth(1).and_then(|rest| rest.split(',').next());
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count of timers in {text}"))
}

fn wheel() -> (Reactor, reactor::Entered) {
    let reactor = Reactor::with(Box::new(Simulation::new()), None);
    let entered = reactor.handle().enter();
    (reactor, entered)
}

// ---- order and moments ----

#[test]
fn timers_fire_in_the_order_of_their_deadlines() {
    on_virtual_clock(async {
        let order = Log::new();
        let start = now();
        let after = [7_000, 3, 90_000_000, 70, 1, 16, 1_000, 64, 17, 5_000_000].map(Duration::from_millis);
        let tasks = after.map(|time| {
            let order = order.clone();
            spawn(async move {
                sleep(time).await;
                assert_eq!(now() - start, time);
                order.push(time);
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
        let mut sorted = after;
        sorted.sort();
        assert_eq!(order.take(), sorted);
    });
}

#[test]
fn timers_with_one_deadline_fire_in_the_order_in_which_they_were_set() {
    // Also those set much later, when the first ones have moved to another wheel; and also beyond
    // the horizon of the wheels, which is 198 days.
    for far in [Duration::from_millis(3), SECOND, DAY, 100 * DAY, 220 * DAY, 500 * DAY] {
        on_virtual_clock(async {
            let order = Log::new();
            let deadline = now() + far;
            let mut tasks = Vec::new();
            for n in 0..40 {
                let order = order.clone();
                tasks.push(spawn(async move {
                    sleep_until(deadline).await;
                    order.push(n);
                }));
                yield_now().await;
                if n % 2 == 1 {
                    sleep((deadline - now()) / 10).await;
                }
            }
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(order.take(), (0..40).collect::<Vec<_>>(), "{far:?} away");
        });
    }
}

#[test]
fn a_timer_beyond_the_horizon_hides_no_earlier_one() {
    // It waits in the furthest slot there is, which time reaches before it is due. What has been
    // set since for a moment between the two is in a slot that comes later, and due before.
    on_virtual_clock(async {
        let start = now();
        let far = spawn(sleep_until(start + 249 * DAY));
        sleep_until(start + 10 * DAY).await;
        sleep_until(start + 200 * DAY).await;
        assert_eq!((now() - start).as_secs() / DAY.as_secs(), 200, "overslept, in days");
        far.await.unwrap();
        assert_eq!(now() - start, 249 * DAY);
    });
}

#[test]
fn a_timer_on_the_virtual_clock_is_due_at_its_deadline() {
    on_virtual_clock(async {
        for nanos in [1, 249_999, 250_000, 250_001, 999_999_999, 1_000_000_001] {
            let (start, time) = (now(), Duration::from_nanos(nanos));
            sleep(time).await;
            assert_eq!(now() - start, time);
        }
    });
}

#[test]
fn a_deadline_that_has_passed_is_ready_at_once() {
    on_virtual_clock(async {
        let start = now();
        sleep(SECOND).await;
        for deadline in [start, now() - TICK, now()] {
            sleep_until(deadline).await;
            assert_eq!(now(), start + SECOND);
        }
        assert_eq!(poll_once(sleep_until(start)).await, Some(()), "not even a turn of the reactor");
    });
    let (mut reactor, _entered) = wheel();
    let start = reactor.handle().now();
    let mut later = sleep(DAY);
    assert!(poll_with(Waker::noop(), &mut later).is_pending());
    reactor.turn(Some(SECOND)).unwrap(); // ends without a timer that fires
    assert!(poll_with(Waker::noop(), &mut sleep_until(start + SECOND / 2)).is_ready());
}

#[test]
fn a_sleep_of_no_time_ends() {
    on_virtual_clock(async {
        let start = now();
        for _ in 0..100 {
            sleep(Duration::ZERO).await;
        }
        assert_eq!(now(), start);
    });
    within(20, || {
        block_on(async {
            for _ in 0..100 {
                sleep(Duration::ZERO).await;
            }
        });
    });
}

#[test]
fn a_deadline_a_century_away_is_kept() {
    on_virtual_clock(async {
        let start = now();
        let century = 36_500 * DAY;
        sleep(century).await;
        assert_eq!(now() - start, century);
    });
}

#[test]
fn the_longest_durations_are_far_away_and_never_early() {
    within(20, || {
        on_virtual_clock(async {
            let seconds = [1 << 40, 1 << 50, 1 << 52, 1 << 53, 1 << 60, i64::MAX as u64 / 2, i64::MAX as u64, u64::MAX];
            for duration in seconds.map(Duration::from_secs).into_iter().chain([Duration::MAX]) {
                assert_eq!(timeout(SECOND, sleep(duration)).await, Err(Elapsed), "sleep({duration:?})");
                assert_eq!(timeout(duration, sleep(SECOND)).await, Ok(()), "timeout({duration:?})");
                let Some(deadline) = now().checked_add(duration) else { continue };
                assert_eq!(timeout(SECOND, sleep_until(deadline)).await, Err(Elapsed), "until {duration:?} from now");
            }
            assert_eq!(timers(), 0);
        });
    });
}

#[test]
fn a_million_sleeps_all_fire_and_leave_nothing() {
    let (mut reactor, _entered) = wheel();
    let counting = Counting::new();
    let waker = counting.waker();
    let start = reactor.handle().now();
    let mut random = 1u64;
    let mut sleeps: Vec<(Duration, Sleep)> = (0..1_000_000)
        .map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let time = Duration::from_millis(1 + (random >> 32) % 100_000);
            (time, sleep_until(start + time))
        })
        .collect();
    for (_, sleep) in &mut sleeps {
        assert!(poll_with(&waker, sleep).is_pending());
    }
    assert_eq!(count_timers(&reactor.handle()), 1_000_000);
    let half = start + 50 * SECOND;
    while reactor.handle().now() < half {
        reactor.turn(Some(half - reactor.handle().now())).unwrap();
    }
    let due = sleeps.iter().filter(|(time, _)| *time <= 50 * SECOND).count();
    assert_eq!(counting.wakes(), due);
    assert_eq!(count_timers(&reactor.handle()), 1_000_000 - due);
    drop(sleeps); // those that wait are taken back
    assert_eq!(count_timers(&reactor.handle()), 0);
    assert_eq!(counting.wakers(2), 0);
}

// ---- taking back, changing ----

#[test]
fn a_dropped_timer_leaves_nothing_behind() {
    let (mut reactor, _entered) = wheel();
    let counting = Counting::new();
    let waker = counting.waker();
    for time in [TICK, SECOND, DAY, 300 * DAY, Duration::MAX] {
        let mut sleep = Box::pin(sleep(time));
        assert!(poll_with(&waker, &mut sleep).is_pending());
        assert_eq!((count_timers(&reactor.handle()), counting.wakers(2)), (1, 1));
        drop(sleep);
        assert_eq!((count_timers(&reactor.handle()), counting.wakers(2)), (0, 0));
        let mut limited = Box::pin(timeout(time, pending::<()>()));
        assert!(poll_with(&waker, &mut limited).is_pending());
        drop(limited);
        assert_eq!((count_timers(&reactor.handle()), counting.wakers(2)), (0, 0));
    }
    let before = reactor.handle().now();
    reactor.turn(Some(400 * DAY)).unwrap();
    assert_eq!(reactor.handle().now(), before + 400 * DAY, "a timer that was taken back ended the wait");
    assert_eq!(counting.wakes(), 0);
}

#[test]
fn a_timer_that_is_never_polled_is_never_set() {
    on_virtual_clock(async {
        let sleep = sleep(SECOND);
        assert_eq!(timers(), 0);
        drop(sleep);
    });
}

#[test]
fn a_fired_timer_is_ready_as_often_as_it_is_asked() {
    on_virtual_clock(async {
        let mut sleep = sleep(SECOND);
        (&mut sleep).await;
        (&mut sleep).await;
        assert_eq!(timers(), 0);
    });
}

#[test]
fn a_timer_wakes_whoever_polled_it_last() {
    let (mut reactor, _entered) = wheel();
    let (first, second) = (Counting::new(), Counting::new());
    let mut sleep = sleep(SECOND);
    assert!(poll_with(&first.waker(), &mut sleep).is_pending());
    assert!(poll_with(&second.waker(), &mut sleep).is_pending());
    assert_eq!(first.wakers(1), 0, "the first waker is gone");
    while count_timers(&reactor.handle()) > 0 {
        reactor.turn(None).unwrap();
    }
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
}

#[test]
fn a_reset_moves_the_deadline_forth_and_back() {
    on_virtual_clock(async {
        let start = now();
        let mut sleep = sleep(10 * SECOND);
        assert!(poll_once(&mut sleep).await.is_none());
        sleep.reset(start + 20 * SECOND);
        assert!(poll_once(&mut sleep).await.is_none());
        assert_eq!(timers(), 1);
        sleep.reset(start + SECOND);
        (&mut sleep).await;
        assert_eq!(now() - start, SECOND);
        sleep.reset(start + 3 * SECOND); // one that has fired can be used again
        assert_eq!(sleep.deadline(), Some(start + 3 * SECOND));
        (&mut sleep).await;
        assert_eq!(now() - start, 3 * SECOND);
        sleep.reset(start);
        assert_eq!(poll_once(&mut sleep).await, Some(()));
        assert_eq!(timers(), 0);
    });
}

#[test]
fn a_sleep_made_outside_of_a_runtime_counts_from_its_first_poll() {
    let sleep = sleep(SECOND);
    assert_eq!(sleep.deadline(), None);
    on_virtual_clock(async {
        executor::time::sleep(5 * SECOND).await;
        let start = now();
        sleep.await;
        assert_eq!(now() - start, SECOND);
    });
}

#[test]
fn a_timer_without_a_runtime_panics_and_says_where_it_was_made() {
    let poll = |sleep: &mut Sleep| {
        let poll = std::panic::AssertUnwindSafe(|| poll_with(Waker::noop(), sleep));
        let payload = std::panic::catch_unwind(poll).expect_err("it was to panic");
        payload.downcast_ref::<String>().cloned().expect("the payload is a message")
    };
    let text = poll(&mut sleep(SECOND));
    assert!(text.contains("without a runtime") && text.contains("timers.rs"), "{text}");

    let (reactor, entered) = wheel();
    let mut waiting = sleep(SECOND);
    let counting = Counting::new();
    assert!(poll_with(&counting.waker(), &mut waiting).is_pending());
    drop(reactor);
    assert_eq!(counting.wakes(), 1, "whoever waits is woken to learn of the end");
    let text = poll(&mut waiting);
    assert!(text.contains("runtime had ended") && text.contains("timers.rs"), "{text}");
    let text = poll(&mut sleep(SECOND)); // the handle is still entered, but the reactor is gone
    assert!(text.contains("ended"), "{text}");
    drop(entered);
}

// ---- timeout ----

#[test]
fn a_future_that_is_ready_is_never_too_late() {
    on_virtual_clock(async {
        assert_eq!(timeout(Duration::ZERO, async { 1 }).await, Ok(1));
        let start = now();
        sleep(SECOND).await;
        assert_eq!(timeout_at(start, async { 2 }).await, Ok(2));
        // Ready in the very moment in which time is up.
        assert_eq!(timeout(SECOND, sleep(SECOND)).await, Ok(()));
        assert_eq!(timers(), 0);
    });
}

#[test]
fn a_future_that_takes_longer_is_dropped_when_time_is_up() {
    on_virtual_clock(async {
        let start = now();
        let dropped = Log::new();
        let guard = tests::dropped_on(&dropped);
        let slow = async move {
            let _guard = guard;
            pending::<()>().await;
        };
        assert_eq!(timeout(SECOND, slow).await, Err(Elapsed));
        assert_eq!((now() - start, dropped.len(), timers()), (SECOND, 1, 0));
        let error = std::io::Error::from(Elapsed);
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    });
}

#[test]
fn the_tighter_of_two_nested_timeouts_decides() {
    on_virtual_clock(async {
        assert_eq!(timeout(2 * SECOND, timeout(SECOND, pending::<()>())).await, Ok(Err(Elapsed)));
        assert_eq!(timeout(SECOND, timeout(2 * SECOND, pending::<()>())).await, Err(Elapsed));
        let both = timeout(SECOND, timeout(SECOND, pending::<()>())).await;
        assert_eq!(both, Ok(Err(Elapsed)), "the inner one is asked first");
        assert_eq!(timers(), 0);
    });
}

// ---- interval ----

/// The moments of six ticks of 10 ms, seconds since the start in ms, by a consumer that is 25 ms
/// late for the third: when it got them, and for when they were due.
fn ticks(missed: MissedTick) -> Vec<(u128, u128)> {
    on_virtual_clock(async {
        let start = now();
        let mut ticks = interval(Duration::from_millis(10)).missed(missed);
        assert_eq!(ticks.period(), Duration::from_millis(10));
        let mut seen = Vec::new();
        for n in 0..6 {
            let due = ticks.next().await.unwrap();
            seen.push(((now() - start).as_millis(), (due - start).as_millis()));
            if n == 1 {
                sleep(Duration::from_millis(35)).await;
            }
        }
        drop(ticks);
        assert_eq!(timers(), 0);
        seen
    })
}

#[test]
fn missed_ticks_come_at_once_by_default() {
    assert_eq!(ticks(MissedTick::default()), [(0, 0), (10, 10), (45, 20), (45, 30), (45, 40), (50, 50)]);
    assert_eq!(MissedTick::default(), MissedTick::Burst);
}

#[test]
fn missed_ticks_shift_the_schedule_with_delay() {
    assert_eq!(ticks(MissedTick::Delay), [(0, 0), (10, 10), (45, 20), (55, 55), (65, 65), (75, 75)]);
}

#[test]
fn missed_ticks_are_left_out_with_skip() {
    assert_eq!(ticks(MissedTick::Skip), [(0, 0), (10, 10), (45, 20), (50, 50), (60, 60), (70, 70)]);
}

#[test]
fn an_interval_starts_when_it_is_told_and_loses_no_tick_to_a_dropped_wait() {
    on_virtual_clock(async {
        let start = now();
        let mut ticks = interval_at(start + SECOND, 2 * SECOND);
        assert!(timeout(SECOND / 2, ticks.next()).await.is_err());
        assert_eq!(ticks.next().await, Some(start + SECOND));
        assert!(timeout(SECOND, ticks.next()).await.is_err());
        assert_eq!(ticks.next().await, Some(start + 3 * SECOND));
        assert_eq!(now(), start + 3 * SECOND);
    });
}

#[test]
#[should_panic = "longer than zero"]
fn an_interval_without_a_period_is_refused() {
    let _ = interval(Duration::ZERO);
}

// ---- the real clock ----

#[test]
fn a_timer_is_never_early_and_mostly_less_than_two_milliseconds_late() {
    within(60, || {
        block_on(async {
            // A machine with other work is late by its own doing: one quiet moment is proof enough.
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
                        let mut other = Box::pin(timeout(2 * time, pending::<()>())); // set, then taken back
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

/// A waker whose cloning ends a reactor: what another thread may do at that very moment.
struct EndsOnClone {
    reactor: Mutex<Option<Reactor>>,
    woken: AtomicBool,
}

impl EndsOnClone {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: each waker holds a reference of the `Arc` that `waker` made its pointer of.
            let hook = unsafe { &*data.cast::<EndsOnClone>() };
            drop(hook.reactor.lock().unwrap().take());
            // SAFETY: as above; this is the clone's own.
            unsafe { Arc::increment_strong_count(data.cast::<EndsOnClone>()) };
            RawWaker::new(data, &EndsOnClone::TABLE)
        },
        // SAFETY: as above; the reference ends with the waker.
        |data| unsafe { Arc::from_raw(data.cast::<EndsOnClone>()) }.woken.store(true, Ordering::SeqCst),
        // SAFETY: as above; it is only looked at.
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

// ---- the wheel against a model ----

/// What a user may do, by numbers that the test reduces to timers that there are.
#[derive(Clone, Debug)]
enum Action {
    Set(Duration),
    /// At the very deadline of an earlier timer, to have many that are equal.
    SetAsAnother(usize),
    Cancel(usize),
    Reset(usize, Duration),
    /// Polls again with another waker, which then is the one to be woken.
    PollAgain(usize),
    Advance(Duration),
    AdvanceToNext,
}

/// From nothing to 300 days, all magnitudes alike.
fn time() -> impl Strategy<Value = Duration> {
    let magnitude = |(bits, value): (u32, u64)| Duration::from_micros(value % (1 << bits)).min(300 * DAY);
    prop_oneof![
        4 => (0..45u32, any::<u64>()).prop_map(magnitude),
        1 => (0..300u32).prop_map(|days| days * DAY),
        1 => (0..100_000u32).prop_map(|ticks| ticks * TICK),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let which = || any::<usize>();
    prop_oneof![
        6 => time().prop_map(Action::Set),
        3 => which().prop_map(Action::SetAsAnother),
        2 => which().prop_map(Action::Cancel),
        2 => (which(), time()).prop_map(|(n, time)| Action::Reset(n, time)),
        1 => which().prop_map(Action::PollAgain),
        3 => time().prop_map(Action::Advance),
        1 => proptest::strategy::Just(Action::AdvanceToNext),
    ]
}

struct Timer {
    sleep: Sleep,
    deadline: Duration,
    /// Its place in the order of setting.
    set: usize,
    /// Whom its next fire is to name: the waker changes, the timer stays.
    name: usize,
}

/// A virtual clock that passes for the system's, so that the wheel has the ticks that it has there.
struct Coarse(Simulation);

impl Backend for Coarse {
    fn now(&self) -> Instant {
        self.0.now()
    }

    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        // SAFETY: the caller keeps this method's contract, which is the same.
        unsafe { self.0.add(fd, token) }
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.0.remove(fd)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.0.wait(events, timeout)
    }

    fn notify(&self) -> io::Result<()> {
        self.0.notify()
    }
}

/// The wheel, and beside it the model: a list that is sorted.
struct Both {
    reactor: Reactor,
    start: Instant,
    tick: Duration,
    timers: Vec<Timer>,
    fired: Log<usize>,
    names: usize,
    sets: usize,
}

impl Both {
    fn now(&self) -> Duration {
        self.reactor.handle().now() - self.start
    }

    /// The tick at which a timer is due.
    fn due(&self, timer: &Timer) -> u128 {
        timer.deadline.as_nanos().div_ceil(self.tick.as_nanos())
    }

    fn next_due(&self) -> Option<u128> {
        self.timers.iter().map(|timer| self.due(timer)).min()
    }

    fn name(&mut self) -> (usize, Waker) {
        self.names += 1;
        let (name, fired) = (self.names, self.fired.clone());
        (name, waker_fn(move || fired.push(name)))
    }

    /// Sets a timer, or takes it for fired if its deadline has passed.
    fn poll_new(&mut self, mut sleep: Sleep) -> Result<(), TestCaseError> {
        let deadline = sleep.deadline().unwrap() - self.start;
        let (name, waker) = self.name();
        match poll_with(&waker, &mut sleep) {
            Poll::Ready(()) => prop_assert!(deadline <= self.now(), "ready before its time"),
            Poll::Pending => {
                self.sets += 1;
                self.timers.push(Timer { sleep, deadline, set: self.sets, name });
            }
        }
        Ok(())
    }

    /// Moves a timer, which goes on waiting with the waker that it has, as a timer that was set just now.
    fn reset(&mut self, n: usize, time: Duration) -> Result<(), TestCaseError> {
        let mut timer = self.timers.remove(n);
        timer.deadline = self.now() + time;
        timer.sleep.reset(self.start + timer.deadline);
        if !self.fired.is_empty() {
            prop_assert_eq!(self.fired.take(), [timer.name]);
            prop_assert!(timer.deadline <= self.now(), "woken before its time");
            prop_assert!(poll_with(Waker::noop(), &mut timer.sleep).is_ready());
            return Ok(());
        }
        self.sets += 1;
        timer.set = self.sets;
        self.timers.push(timer);
        Ok(())
    }

    fn advance(&mut self, until: Duration) -> Result<(), TestCaseError> {
        while self.now() < until {
            let earliest = self.next_due();
            let turned = self.reactor.turn(Some(until - self.now())).unwrap();
            let now = self.now().as_nanos() / self.tick.as_nanos();
            prop_assert!(
                earliest.is_none_or(|earliest| now <= earliest),
                "slept from before {:?} until {}",
                earliest,
                now
            );
            let is_due = |timer: &mut Timer| timer.deadline.as_nanos().div_ceil(self.tick.as_nanos()) <= now;
            let mut due: Vec<Timer> = self.timers.extract_if(.., is_due).collect();
            due.sort_by_key(|timer| (self.due(timer), timer.set));
            let expected: Vec<usize> = due.iter().map(|timer| timer.name).collect();
            prop_assert_eq!(self.fired.take(), expected, "at {}", now);
            prop_assert_eq!(turned, due.len());
            for timer in &mut due {
                prop_assert!(poll_with(Waker::noop(), &mut timer.sleep).is_ready());
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(count_timers(&self.reactor.handle()), self.timers.len());
        prop_assert_eq!(self.fired.len(), 0);
        Ok(())
    }
}

#[test]
fn the_timer_queue_behaves_as_a_sorted_list() {
    compare_with_the_model(|| Box::new(Coarse(Simulation::new())), TICK);
}

#[test]
fn so_does_that_of_a_virtual_clock_to_the_nanosecond() {
    compare_with_the_model(|| Box::new(Simulation::new()), Duration::from_nanos(1));
}

fn compare_with_the_model(backend: impl Fn() -> Box<dyn Backend>, tick: Duration) {
    let config = Config { cases: 400, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let actions = proptest::collection::vec(action(), 1..80);
    let compare = |actions: Vec<Action>| {
        let reactor = Reactor::with(backend(), None);
        let (_entered, start) = (reactor.handle().enter(), reactor.handle().now());
        let mut both = Both { reactor, start, tick, timers: Vec::new(), fired: Log::new(), names: 0, sets: 0 };
        for action in actions {
            let count = both.timers.len();
            match action {
                Action::Set(time) => both.poll_new(sleep(time))?,
                Action::Advance(time) => both.advance(both.now() + time)?,
                _ if count == 0 => {}
                Action::SetAsAnother(n) => both.poll_new(sleep_until(start + both.timers[n % count].deadline))?,
                Action::Cancel(n) => drop(both.timers.remove(n % count)),
                Action::Reset(n, time) => both.reset(n % count, time)?,
                Action::PollAgain(n) => {
                    let (name, waker) = both.name();
                    let timer = &mut both.timers[n % count];
                    timer.name = name;
                    prop_assert!(
                        Pin::new(&mut timer.sleep).poll(&mut std::task::Context::from_waker(&waker)).is_pending()
                    );
                }
                Action::AdvanceToNext => {
                    let next = both.next_due().unwrap() * tick.as_nanos();
                    both.advance(Duration::from_nanos(u64::try_from(next).unwrap()))?;
                }
            }
            both.check()?;
        }
        both.advance(both.now() + 301 * DAY)?;
        prop_assert_eq!(both.timers.len(), 0);
        both.check()
    };
    TestRunner::new(config).run(&actions, compare).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_timer_holds_its_reactors_memory_and_nothing_of_its_wheel() {
    // Dropped after the reactor, it touches what is gone in no way that shows.
    let (reactor, entered) = wheel();
    let sleep: Arc<Mutex<Sleep>> = Arc::new(Mutex::new(sleep(SECOND)));
    assert!(poll_with(Waker::noop(), &mut *sleep.lock().unwrap()).is_pending());
    let handle = reactor.handle();
    drop((entered, reactor));
    drop(sleep);
    drop(handle);
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
fn a_runtime_that_stays_awake_looks_for_so_long_and_then_sleeps_as_any_other() {
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
