//! What a lint finds. Used by the lints, `demo step --lint`, the stepper and the page.

use std::fmt;

/// A kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One poll held the thread for 100 ms, in a call that blocks or a computation.
    Blocked,
    /// One poll held the thread for as long, in many small steps none of which returned pending.
    NeverYields,
    /// A task wakes itself in each poll, and does nothing else.
    SelfWake,
    /// A task is suspended, and left no waker.
    NeverWoken,
    /// A task is suspended, and its last waker was dropped; or it made progress without a wake.
    LostWake,
    /// A waker outlives its task and the run.
    LeakedWaker,
    /// A future of more than 4 KiB is moved into a task.
    LargeFuture,
    /// A task has an unobserved panic.
    Unjoined,
    /// A fault of the runtime: a task was queued, and never polled.
    NeverPolled,
    /// A fault of the runtime: a task was woken during its poll, and not queued after it.
    WakeDropped,
    /// A fault of the runtime: a spurious poll, of a task that was not woken or has completed.
    PolledUnwoken,
    /// A fault of the runtime: a task is polled while it is being polled.
    PolledTwice,
    /// A fault of the runtime: the thread parks although a task is queued.
    ParkedBesideQueue,
    /// A fault of the runtime: a timer fires before its deadline.
    EarlyTimer,
    /// A permit or message was handed to a task that was cancelled, and then to no other.
    LostHandover,
    /// A fault of the runtime: a source was reported ready, and none of its waiters was woken.
    UnwokenSource,
}

impl Kind {
    /// Whether the runtime is at fault, and not the program.
    pub(super) fn is_of_runtime(self) -> bool {
        use Kind::*;
        matches!(self, NeverPolled | WakeDropped | PolledUnwoken | PolledTwice | ParkedBesideQueue | UnwokenSource)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Blocked => "blocked",
            Kind::NeverYields => "never yields",
            Kind::SelfWake => "wakes itself",
            Kind::NeverWoken => "never woken",
            Kind::LostWake => "lost wake",
            Kind::LeakedWaker => "leaked waker",
            Kind::LargeFuture => "large future",
            Kind::Unjoined => "unobserved panic",
            Kind::NeverPolled => "never polled",
            Kind::WakeDropped => "wake dropped",
            Kind::PolledUnwoken => "spurious poll",
            Kind::PolledTwice => "polled twice at once",
            Kind::ParkedBesideQueue => "parked beside a queue",
            Kind::EarlyTimer => "early timer",
            Kind::LostHandover => "lost hand-over",
            Kind::UnwokenSource => "unwoken source",
        })
    }
}

/// Something that is wrong with a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The kind of mistake.
    pub kind: Kind,
    /// The number of the event at which it shows, counted from 0.
    pub event: usize,
    /// The task.
    pub task: u64,
    /// The run of that task.
    pub run: u32,
    /// Other tasks with the same spawn location and the same mistake: the number of the event, and of the task.
    pub others: Vec<(usize, u64)>,
    /// The task's spawn location, if it was recorded.
    pub place: Option<u32>,
    /// The lines at fault, as far as the events show them.
    pub at: Option<Lines>,
    /// `text` without the task and its spawn location.
    pub reason: String,
    /// The task, what it does, why that is a mistake, and what to write instead.
    pub text: String,
}

/// A line of a source file, or several that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The file, as the recording names it.
    pub file: String,
    /// The number of the first line.
    pub first: u32,
    /// The number of the last line.
    pub last: u32,
}

impl Lines {
    /// One line.
    pub fn one(file: &str, line: u32) -> Lines {
        Lines { file: file.to_owned(), first: line, last: line }
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lines { file, first, last } = self;
        if first == last { write!(f, "{file}:{first}") } else { write!(f, "{file}:{first}-{last}") }
    }
}
