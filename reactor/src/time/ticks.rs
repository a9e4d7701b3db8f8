//! [`Ticks`]: the clock of the timer queue, which counts whole ticks since the reactor was made.
//!
//! Used by `timers.rs` and `queue.rs`.

use std::time::{Duration, Instant};

/// The length of a tick on the system's clock, in nanoseconds: short enough for an accuracy of a millisecond, long
/// enough for many timers to share a slot of the wheel.
const COARSE: u32 = 250_000;
const COARSE_PER_SECOND: u64 = NANOS_PER_SECOND / COARSE as u64;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// The last tick: after 584 years of nanoseconds, or 146 million years of coarse ticks. Later deadlines count as this
/// one. `u64::MAX` is not a tick, so the reactor can use it as a mark.
const LAST: u64 = u64::MAX - 1;

/// The start of the first tick, and the length of each.
#[derive(Clone, Copy)]
pub(crate) struct Ticks {
    epoch: Instant,
    /// [`COARSE`] or 1. The debugger's printers read it.
    nanos: u32,
}

impl Ticks {
    /// For a clock on which an accuracy of a millisecond is enough.
    pub(crate) fn coarse(epoch: Instant) -> Ticks {
        Ticks { epoch, nanos: COARSE }
    }

    /// For a clock that stands still while anything runs, so that timers can be exact.
    pub(crate) fn exact(epoch: Instant) -> Ticks {
        Ticks { epoch, nanos: 1 }
    }

    /// The first tick at which a deadline has certainly passed: rounded up, so that no timer is early.
    #[inline]
    pub(crate) fn due(self, deadline: Instant) -> u64 {
        let time = deadline.saturating_duration_since(self.epoch);
        match self.nanos {
            1 => nanos(time),
            _ => coarse(time) + u64::from(!time.subsec_nanos().is_multiple_of(COARSE)),
        }
    }

    /// The last tick that has passed completely: rounded down, for the same reason.
    #[inline]
    pub(crate) fn passed(self, now: Instant) -> u64 {
        let time = now.saturating_duration_since(self.epoch);
        match self.nanos {
            1 => nanos(time),
            _ => coarse(time),
        }
    }

    /// The time at which a tick has passed.
    pub(crate) fn instant(self, tick: u64) -> Instant {
        self.epoch + Duration::from_nanos(tick.saturating_mul(self.nanos.into()))
    }
}

// A function for each length, because division by a constant is faster than division by a field.

fn coarse(time: Duration) -> u64 {
    let seconds = time.as_secs().min(LAST / COARSE_PER_SECOND - 1);
    seconds * COARSE_PER_SECOND + u64::from(time.subsec_nanos() / COARSE)
}

fn nanos(time: Duration) -> u64 {
    let seconds = time.as_secs().saturating_mul(NANOS_PER_SECOND);
    seconds.saturating_add(time.subsec_nanos().into()).min(LAST)
}
