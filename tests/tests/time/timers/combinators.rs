//! Timeouts and intervals.

use super::{SECOND, on_virtual_clock, timers};
use executor::time::{Duration, Elapsed, MissedTick, interval, interval_at, now, sleep, timeout, timeout_at};
use futures_lite::StreamExt;
use futures_lite::future::pending;
use tests::Log;

// ---- timeout ----

#[test]
fn a_future_that_is_ready_wins_against_its_time_limit() {
    on_virtual_clock(async {
        assert_eq!(timeout(Duration::ZERO, async { 1 }).await, Ok(1));
        let start = now();
        sleep(SECOND).await;
        assert_eq!(timeout_at(start, async { 2 }).await, Ok(2));
        // Ready at the deadline.
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

/// Six ticks of 10 ms, received by a consumer that is 25 ms late for the third: when it received each and when each was
/// due, in milliseconds since the start.
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
fn an_interval_begins_at_its_start_and_loses_no_tick_to_a_dropped_wait() {
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
