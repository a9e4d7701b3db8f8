//! Reports polls that hold the thread for too long.
//!
//! Reading a precise clock around each poll would take longer than many polls do. The kernel has a coarse clock,
//! accurate to a few milliseconds, that takes 7 ns to read. It is read after each poll. When many polls fit into one
//! tick, it is read only after every sixteenth poll: if one of the sixteen is slow, the report names all of them, and
//! the next polls are timed one by one again.
//!
//! Used by `monitor.rs`.

use super::observer::Observer;
use crate::task::{TaskId, TaskInfo, TaskRef};
use rustix::time::{ClockId, clock_gettime};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::panic::Location;
use std::time::Duration;

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::MonotonicCoarse;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// After this many reads within one tick, the clock is read less often.
const READS: u32 = 512;
/// Then it is read once per this many polls.
const POLLS: usize = 16;

pub(crate) struct SlowPolls {
    limit: Duration,
    /// What the clock showed at the last read.
    last: Cell<Duration>,
    /// The clock has moved since the last [`take_tick`](SlowPolls::take_tick).
    has_ticked: Cell<bool>,
    /// How often it was read since it moved.
    reads: Cell<u32>,
    /// The polls since the last read.
    polled: [Cell<Option<PolledTask>>; POLLS],
    count: Cell<usize>,
    /// A task with a name that has completed in this poll.
    finished: RefCell<Option<TaskInfo>>,
    /// The spawn locations of tasks that were reported.
    reported: RefCell<HashSet<&'static Location<'static>>>,
}

/// The task of a poll.
#[derive(Clone, Copy)]
pub(crate) struct PolledTask {
    id: TaskId,
    spawned_at: &'static Location<'static>,
}

impl PolledTask {
    #[inline]
    pub(crate) fn of(task: TaskRef<'_>) -> PolledTask {
        PolledTask { id: task.id(), spawned_at: task.spawned_at() }
    }
}

fn now() -> Duration {
    let now = clock_gettime(CLOCK);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

impl SlowPolls {
    pub(crate) fn new(limit: Duration) -> SlowPolls {
        let polled = [const { Cell::new(None) }; POLLS];
        let (last, has_ticked, reads, count, finished, reported) = Default::default();
        SlowPolls { limit, last, has_ticked, reads, polled, count, finished, reported }
    }

    /// Leaves out the time until now, which belongs to no poll.
    pub(crate) fn restart(&self) {
        self.last.set(now());
        self.reads.set(0);
        self.count.set(0);
    }

    /// Leaves out the time that `f` takes.
    pub(crate) fn not_counting<R>(&self, f: impl FnOnce() -> R) -> R {
        let start = now();
        let result = f();
        self.last.set(self.last.get() + now().saturating_sub(start));
        result
    }

    /// Whether the coarse clock has moved since this was called last.
    #[inline]
    pub(crate) fn take_tick(&self) -> bool {
        self.has_ticked.take()
    }

    /// A poll is over.
    #[inline]
    pub(crate) fn polled(
        &self,
        poll: PolledTask,
        observer: Option<&dyn Observer>,
        find: impl Fn(TaskId) -> Option<TaskInfo>,
    ) {
        let count = self.count.get();
        self.polled[count % POLLS].set(Some(poll));
        if self.reads.get() >= READS && count + 1 < POLLS {
            self.count.set(count + 1);
            return;
        }
        self.count.set(0);
        let now = now();
        if now == self.last.get() {
            self.reads.set(self.reads.get() + 1);
            return;
        }
        self.ticked(now, count + 1, observer, find);
    }

    /// Keeps the name of a task that completes: its cell may be freed before its poll is timed.
    #[inline]
    pub(crate) fn finished(&self, task: TaskRef<'_>) {
        if task.name().is_some() {
            self.finished.replace(Some(task.info()));
        }
    }

    #[cold]
    fn ticked(
        &self,
        now: Duration,
        polls: usize,
        observer: Option<&dyn Observer>,
        find: impl Fn(TaskId) -> Option<TaskInfo>,
    ) {
        let took = now.saturating_sub(self.last.replace(now));
        self.reads.set(0);
        self.has_ticked.set(true);
        if took < self.limit {
            return;
        }
        let polled: Vec<_> = self.polled[..polls].iter().filter_map(Cell::get).collect();
        if let ([poll], Some(observer)) = (&*polled, observer) {
            observer.slow_poll(poll.id, took);
        }
        let mut reported = self.reported.borrow_mut();
        let new: Vec<_> = polled
            .iter()
            .filter(|poll| reported.insert(poll.spawned_at))
            .map(|poll| self.describe(poll, &find))
            .collect();
        if !new.is_empty() {
            let one_of = if polls > 1 { "one of " } else { "" };
            eprintln!(
                "executor: {one_of}{} held the thread for {} ms in one poll, and nothing else could run: give calls that \
                 block and long computations to executor::spawn_blocking(|| …), or await executor::yield_now() in between",
                new.join(", "),
                took.as_millis()
            );
        }
    }

    /// Names the task of a poll; `find` looks up one that has not completed.
    fn describe(&self, poll: &PolledTask, find: impl Fn(TaskId) -> Option<TaskInfo>) -> String {
        let finished = self.finished.borrow();
        let named = finished.as_ref().filter(|task| task.id == poll.id).cloned();
        let name = named.or_else(|| find(poll.id));
        name.unwrap_or(TaskInfo { id: poll.id, name: None, spawned_at: poll.spawned_at }).to_string()
    }
}
