//! The order in which timers fire, and the moment at which each is due.

use super::{DAY, SECOND, TICK, count_timers, on_virtual_clock, timers, wheel};
use executor::time::{Duration, Elapsed, Sleep, now, sleep, sleep_until, timeout};
use executor::{spawn, yield_now};
use futures_lite::future::poll_once;
use std::task::Waker;
use tests::strict::block_on;
use tests::{Counting, Log, poll_with, within};

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
    // Some of them are set much later, when the first ones have moved to another wheel; some are beyond the horizon of
    // the wheels, which is 198 days.
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
    // The timer is in the furthest slot, which the clock reaches before the timer is due. A timer that is set later,
    // for a moment between these two, is in a later slot and due earlier.
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
fn a_sleep_of_zero_ends() {
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
fn sleeps_of_the_longest_durations_do_not_end_early() {
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
    drop(sleeps); // cancels those that wait
    assert_eq!(count_timers(&reactor.handle()), 0);
    assert_eq!(counting.wakers(2), 0);
}
