//! What a recorder keeps for each runtime: its number in the recording, its current run, and its clock.
//!
//! Used by `recorder.rs` and `observe.rs`. All of this changes only under the recorder's lock.

use reactor::Handle;
use reactor::time::{Duration, Instant};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The state that all runtimes of a recording share.
#[derive(Default)]
pub(super) struct Clocks {
    /// The number of runtimes, and of runs, that have been numbered.
    runtimes: u32,
    runs: u32,
    /// The first reading of the system's clock, and the recording's time at that moment.
    start: Option<(Instant, u64)>,
    /// The time of the latest event.
    last: u64,
}

impl Clocks {
    fn next_run(&mut self) -> u32 {
        self.runs += 1;
        self.runs
    }

    /// Returns the current time of the recording. A simulated clock counts up to its latest event.
    pub(super) fn now(&self) -> u64 {
        let since = |(start, base): (Instant, u64)| base.saturating_add(nanoseconds(start.elapsed()));
        self.start.map_or(0, since).max(self.last)
    }
}

/// One runtime in a recording. Runtimes and runs are numbered from 1, in the order of their first events; 0 stands for
/// a number that was not given yet.
#[derive(Default)]
pub(super) struct Timeline {
    runtime: AtomicU32,
    /// The run that began last.
    run: AtomicU32,
    has_begun: AtomicBool,
    is_simulated: AtomicBool,
    /// Reads the simulated clock during a run. The handle's reactor holds the recorder as its observer, so it must be
    /// dropped at the end of the run, to avoid a cycle.
    clock: Mutex<Option<Handle>>,
    /// The first reading of the runtime's clock, and the recording's time at that moment.
    start: OnceLock<(Instant, u64)>,
    /// The time of the runtime's latest event.
    last: AtomicU64,
}

impl Timeline {
    /// Returns the numbers of the runtime and of its current run.
    pub(super) fn numbers(&self, clocks: &mut Clocks) -> (u32, u32) {
        if self.runtime.load(Relaxed) == 0 {
            clocks.runtimes += 1;
            self.runtime.store(clocks.runtimes, Relaxed);
        }
        if self.run.load(Relaxed) == 0 {
            self.run.store(clocks.next_run(), Relaxed);
        }
        (self.runtime.load(Relaxed), self.run.load(Relaxed))
    }

    /// Numbers a new run, and returns its number. Events before the first run belong to the first run.
    pub(super) fn begin(&self, clocks: &mut Clocks) -> u32 {
        if self.has_begun.swap(true, Relaxed) || self.run.load(Relaxed) == 0 {
            self.run.store(clocks.next_run(), Relaxed);
        }
        self.run.load(Relaxed)
    }

    /// Sets the clock: the given simulated one, or the system's.
    pub(super) fn set_clock(&self, clock: Option<Handle>) {
        self.is_simulated.store(clock.is_some(), Relaxed);
        *self.clock() = clock;
    }

    /// Ends the run. Returns the clock, which must be dropped outside of the recorder's lock.
    pub(super) fn take_clock(&self) -> Option<Handle> {
        self.clock().take()
    }

    fn clock(&self) -> MutexGuard<'_, Option<Handle>> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current time by this runtime's own clock, since this thread may run another runtime. Between two
    /// runs a simulated clock does not move.
    pub(super) fn now(&self, clocks: &mut Clocks) -> u64 {
        let last = self.last.load(Relaxed);
        let now = match self.is_simulated.load(Relaxed) {
            true => self.clock().as_ref().map(Handle::now),
            false => Some(Instant::now()),
        };
        let now = now.map_or(last, |now| self.since_start(clocks, now)).max(last);
        self.last.store(now, Relaxed);
        clocks.last = clocks.last.max(now);
        now
    }

    /// Converts a time of the runtime's clock to nanoseconds since the recording began. All runtimes on the system's
    /// clock share one start; a simulated clock starts at the recording's time when it is first read.
    pub(super) fn since_start(&self, clocks: &mut Clocks, time: Instant) -> u64 {
        let (start, base) = *self.start.get_or_init(|| match self.is_simulated.load(Relaxed) {
            true => (time, clocks.last),
            false => *clocks.start.get_or_insert((time, clocks.last)),
        });
        base.saturating_add(nanoseconds(time.saturating_duration_since(start)))
    }
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
