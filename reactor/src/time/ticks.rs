//! [`Ticks`]: the clock of the timer queue, which counts whole ticks since the reactor was made.
//!
//! Used by the reactor and the timer queue.

use std::time::{Duration, Instant};

/// How long a tick is on the system's clock: short enough for a timer to be accurate to a millisecond, long enough for many
/// timers to share a slot of the wheel.
const COARSE: u32 = 250_000;
const COARSE_PER_SECOND: u64 = NANOS_PER_SECOND / COARSE as u64;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// The last tick: after 584 years of nanoseconds, or 146 million years of coarse ticks. Later deadlines count as this one.
/// The values above mark other things in the reactor.
const LAST: u64 = u64::MAX - 1;

/// When ticks began, and how long each of them is.
#[derive(Clone, Copy)]
pub(crate) struct Ticks {
    epoch: Instant,
    /// [`COARSE`] or 1. The debugger's printers read it.
    nanos: u32,
}

impl Ticks {
    /// For a clock that timers need to follow to a millisecond.
    pub(crate) fn coarse(epoch: Instant) -> Ticks {
        Ticks { epoch, nanos: COARSE }
    }

    /// For a clock that stands still while anything runs, so that timers can be exact.
    pub(crate) fn exact(epoch: Instant) -> Ticks {
        Ticks { epoch, nanos: 1 }
    }

    /// The tick at which a deadline has surely passed: rounded up, so that no timer is early.
    #[inline]
    pub(crate) fn due(self, deadline: Instant) -> u64 {
        let time = deadline.saturating_duration_since(self.epoch);
        match self.nanos {
            1 => nanos(time),
            _ => coarse(time) + u64::from(!time.subsec_nanos().is_multiple_of(COARSE)),
        }
    }

    /// The last tick that has wholly passed: rounded down, for the same reason.
    #[inline]
    pub(crate) fn passed(self, now: Instant) -> u64 {
        let time = now.saturating_duration_since(self.epoch);
        match self.nanos {
            1 => nanos(time),
            _ => coarse(time),
        }
    }

    /// When a tick has passed.
    pub(crate) fn instant(self, tick: u64) -> Instant {
        self.epoch + Duration::from_nanos(tick.saturating_mul(self.nanos.into()))
    }
}

// A function for each length: to divide by a constant is faster than by a field.

fn coarse(time: Duration) -> u64 {
    let seconds = time.as_secs().min(LAST / COARSE_PER_SECOND - 1);
    seconds * COARSE_PER_SECOND + u64::from(time.subsec_nanos() / COARSE)
}

fn nanos(time: Duration) -> u64 {
    let seconds = time.as_secs().saturating_mul(NANOS_PER_SECOND);
    seconds.saturating_add(time.subsec_nanos().into()).min(LAST)
}
