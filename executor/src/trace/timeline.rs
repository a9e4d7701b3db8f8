//! What a recorder knows of one runtime: its number in the recording, the run that is under way, and its clock.
//!
//! Used by `recorder.rs` and `observe.rs`. Everything here changes only under the recorder's lock.

use reactor::Handle;
use reactor::time::{Duration, Instant};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// What all runtimes of a recording have in common.
#[derive(Default)]
pub(super) struct Clocks {
    /// How many runtimes and runs have been numbered.
    runtimes: u32,
    runs: u32,
    /// When the system's clock was first read, and what time of the recording that was.
    start: Option<(Instant, u64)>,
    /// The time of the latest event.
    last: u64,
}

impl Clocks {
    fn next_run(&mut self) -> u32 {
        self.runs += 1;
        self.runs
    }

    /// How late it is. Virtual clocks are told by their events.
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
    /// Tells the virtual time, during a run. Its reactor holds the recorder as its observer, so that it must go when the
    /// run ends.
    clock: Mutex<Option<Handle>>,
    /// When the runtime's clock was first read, and what time of the recording that was.
    start: OnceLock<(Instant, u64)>,
    /// The time of its last event.
    last: AtomicU64,
}

impl Timeline {
    /// The numbers of the runtime and of its present run.
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

    /// Numbers a new run, and returns its number. What happened before the first run belongs to that one.
    pub(super) fn begin(&self, clocks: &mut Clocks) -> u32 {
        if self.has_begun.swap(true, Relaxed) || self.run.load(Relaxed) == 0 {
            self.run.store(clocks.next_run(), Relaxed);
        }
        self.run.load(Relaxed)
    }

    /// The clock from now on: this one, or the system's.
    pub(super) fn set_clock(&self, clock: Option<Handle>) {
        self.is_simulated.store(clock.is_some(), Relaxed);
        *self.clock() = clock;
    }

    /// The run is over. Returns the clock, to be dropped outside of the recorder's lock.
    pub(super) fn take_clock(&self) -> Option<Handle> {
        self.clock().take()
    }

    fn clock(&self) -> MutexGuard<'_, Option<Handle>> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present time by the runtime's own clock: this thread may run another one. Between two runs, a virtual clock
    /// stands still.
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

    /// A time of the runtime's clock, in nanoseconds since the recording began. Clocks of the system's share their start;
    /// a virtual one starts where the recording is when it is first read.
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
