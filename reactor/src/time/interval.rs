//! [`Interval`]: a stream of ticks.

use super::{Duration, Instant, Sleep, after, now, sleep_until};
use futures_lite::Stream;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What an [`Interval`] does when its consumer has missed one tick or more.
///
/// ```
/// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
/// # use kit::drive_simulated;
/// use futures_lite::StreamExt;
/// use reactor::time::{Duration, MissedTick, interval, sleep};
///
/// drive_simulated(async {
///     let mut ticks = interval(Duration::from_secs(10)).missed(MissedTick::Skip);
///     let first = ticks.next().await.unwrap();
///     sleep(Duration::from_secs(25)).await; // misses the ticks at 10 and at 20
///     assert_eq!(ticks.next().await.unwrap() - first, Duration::from_secs(10)); // that tick comes late,
///     assert_eq!(ticks.next().await.unwrap() - first, Duration::from_secs(30)); // the one at 20 never
/// });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTick {
    /// Missed ticks come at once, one after the other, until the interval is back on its schedule. In the long run
    /// there are as many ticks as periods.
    #[default]
    Burst,
    /// The next tick comes a period after the late one. Two ticks are never less than a period apart; the schedule
    /// shifts.
    Delay,
    /// Missed ticks are skipped: the next tick comes at the next point of the schedule.
    Skip,
}

/// A stream that yields at once, then every `period`. Each item is the time at which its tick was due.
///
/// # Panics
/// When `period` is zero; when polled, as [`sleep`](super::sleep).
///
/// # Cancel safety
/// A wait for the next tick loses nothing when it is dropped: the next wait gets the tick.
///
/// ```
/// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
/// # use kit::drive_simulated;
/// use futures_lite::StreamExt;
/// use reactor::time::{Duration, interval};
///
/// drive_simulated(async {
///     let mut ticks = interval(Duration::from_millis(10));
///     let first = ticks.next().await.unwrap();
///     let second = ticks.next().await.unwrap();
///     assert_eq!(second - first, Duration::from_millis(10));
/// });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(now(), period)
}

/// A stream that yields at `start`, then every `period`.
///
/// # Panics, cancel safety
/// Same as [`interval`].
///
/// ```
/// use reactor::time::{Duration, MissedTick, interval_at, now};
/// let in_a_second = now() + Duration::from_secs(1);
/// let ticks = interval_at(in_a_second, Duration::from_secs(5)).missed(MissedTick::Skip);
/// assert_eq!(ticks.period(), Duration::from_secs(5));
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval needs a period longer than zero");
    Interval { sleep: sleep_until(start), due: start, period, missed: MissedTick::default() }
}

/// A stream of ticks. Made by [`interval`] and [`interval_at`]; it never ends.
///
/// Ticks that are due already take part in the [budget](crate::budget) of a poll.
#[derive(Debug)]
#[must_use = "an Interval does nothing until its ticks are awaited"]
pub struct Interval {
    sleep: Sleep,
    due: Instant,
    period: Duration,
    missed: MissedTick,
}

impl Interval {
    /// Sets what happens to missed ticks. The default is [`MissedTick::Burst`].
    pub fn missed(mut self, missed: MissedTick) -> Interval {
        self.missed = missed;
        self
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    fn next_due(&self, now: Instant) -> Instant {
        let on_schedule = after(self.due, self.period);
        match self.missed {
            _ if on_schedule > now => on_schedule,
            MissedTick::Burst => on_schedule,
            MissedTick::Delay => after(now, self.period),
            MissedTick::Skip => {
                let into_period = (now - self.due).as_nanos() % self.period.as_nanos();
                after(now, self.period - Duration::from_nanos(into_period as u64))
            }
        }
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let due = self.due;
        self.due = self.next_due(now());
        let next = self.due;
        self.sleep.reset(next);
        Poll::Ready(Some(due))
    }
}
