//! Sleeping, intervals and deadlines, by the clock of the current runtime.
//!
//! That clock is the system's, or a simulated one that jumps to the next deadline when nothing can run. A timer is
//! never early. On an idle machine it is late by less than a millisecond on the system's clock, and exact on a
//! simulated one.

mod interval;
pub(crate) mod queue;
mod sleep;
mod ticks;
mod timeout;
pub(crate) mod timers;

pub use interval::{Interval, MissedTick, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use std::time::{Duration, Instant};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

use crate::Handle;

/// The current time by the clock of the current runtime, or by the system's clock outside a runtime.
///
/// ```
/// let before = reactor::time::now();
/// assert!(reactor::time::now() >= before);
/// ```
pub fn now() -> Instant {
    Handle::with_current(|reactor| reactor.map_or_else(Instant::now, Handle::now))
}

/// `start + time`, or a century after `start` if the clock can't represent that.
#[doc(hidden)]
pub fn after(start: Instant, time: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    start.checked_add(time).unwrap_or_else(|| start + CENTURY)
}
