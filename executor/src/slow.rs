//! Notices polls that hold the thread for too long, and says whose they were.
//!
//! Exact times are too dear to take around each poll: reading the clock takes longer than many a poll. The
//! kernel keeps a coarse one, good to some milliseconds, that takes 7 ns. It is read after each poll; and after
//! each sixteenth where so many polls are made within one tick of it that even that would be felt. Then, should one
//! of those sixteen be slow, all of them are named, and the next ones are looked at one by one again.
//!
//! Used by `single.rs`.

use crate::observer::Observer;
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

/// So often the clock may be read within one tick.
const READS: u32 = 512;
/// Then it is read after so many polls.
const POLLS: usize = 16;

pub(crate) struct SlowPolls {
    limit: Duration,
    /// What the clock showed.
    last: Cell<Duration>,
    /// It has moved since somebody asked.
    has_ticked: Cell<bool>,
    /// How often it has shown that.
    reads: Cell<u32>,
    /// The polls since then.
    polled: [Cell<Option<Polled>>; POLLS],
    count: Cell<usize>,
    /// The name of a task that has finished in this poll.
    finished: RefCell<Option<TaskInfo>>,
    /// Where tasks were spawned that have been reported.
    reported: RefCell<HashSet<&'static Location<'static>>>,
}

/// A poll: whose it was.
#[derive(Clone, Copy)]
pub(crate) struct Polled {
    id: TaskId,
    place: &'static Location<'static>,
}

impl Polled {
    #[inline]
    pub(crate) fn of(task: TaskRef<'_>) -> Polled {
        Polled { id: task.id(), place: task.spawned_at() }
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

    /// Time has passed that was nobody's.
    pub(crate) fn restart(&self) {
        self.last.set(now());
        self.reads.set(0);
        self.count.set(0);
    }

    /// Calls `f`, whose time is nobody's.
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
    pub(crate) fn polled(&self, poll: Polled, observer: Option<&dyn Observer>) {
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
        self.ticked(now, count + 1, observer);
    }

    /// A task with a name has finished, and may be gone when its poll is over.
    #[inline]
    pub(crate) fn finished(&self, task: TaskRef<'_>) {
        if task.name().is_some() {
            self.finished.replace(Some(task.info()));
        }
    }

    #[cold]
    fn ticked(&self, now: Duration, polls: usize, observer: Option<&dyn Observer>) {
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
        let new: Vec<_> =
            polled.iter().filter(|poll| reported.insert(poll.place)).map(|poll| self.print(poll)).collect();
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

    fn print(&self, poll: &Polled) -> String {
        let finished = self.finished.borrow();
        let named = finished.as_ref().filter(|task| task.id == poll.id).cloned();
        let name = named.or_else(|| crate::single::find(poll.id));
        name.unwrap_or(TaskInfo { id: poll.id, name: None, spawned_at: poll.place }).to_string()
    }
}
