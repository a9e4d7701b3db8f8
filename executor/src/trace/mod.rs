//! Recordings: which events happened in a run, in which order, when, and where in the source.
//!
//! The [`Recorder`] is an ordinary [`Observer`](crate::Observer). Every program on the runtime can be recorded without
//! a change:
//!
//! ```text
//! EXECUTOR_TRACE=run.jsonl cargo run …
//! ```
//!
//! | variable | what it does |
//! |---|---|
//! | `EXECUTOR_TRACE=FILE` | Writes the recording to this file while the program runs, and once more as a whole when the runtime is dropped. Further runtimes of the process write to `FILE-2`, …; `%p` stands for the process ID |
//! | `EXECUTOR_TRACE_CHAINS=off` | Leaves out await chains, which take the most time to record |
//! | `EXECUTOR_TRACE_EVENTS=NUMBER` | Maximum number of events to keep, the newest ones. The default is a million, about a hundred megabytes |
//! | `EXECUTOR_CONSOLE=PATH` | Sends the recording, as it grows, to up to 16 clients of this Unix socket |
//!
//! The file is a complete recording at every moment. It is written beside its path (as `FILE.1234.new`) and then
//! renamed; later writes append whole lines. While a process runs, the file belongs to it: another process with the
//! same path writes to `FILE-1234`, with its own process ID. A pipe or a terminal receives the recording once, as it
//! grows; a pipe's reader must be running before the program starts. If the path cannot be written or the disk is full,
//! the runtime reports that once on standard error, and the program continues.
//!
//! So a program that is killed, crashes or calls `exit` also leaves a recording, which lacks at most about the last 50
//! ms. The recording of a program that is still running can be read from its file or from the socket.
//!
//! # The format
//! One JSON object per line. This is version 2. The first line is the head:
//!
//! ```json
//! {"executor_trace":2,"program":"demo","directory":"/home/me/crawler","simulated":false,"dropped":0}
//! ```
//!
//! `directory` is the program's working directory, below which tools find its sources. `simulated` says whether the
//! clock is a simulated one. `dropped` is the number of the oldest events that are missing because the recording was
//! full; of these, the events that describe tasks, sources and timers that still exist are included nevertheless. Three
//! kinds of lines follow, in any order, except that a place or a chain precedes the events that refer to it:
//!
//! ```json
//! {"place":0,"file":"src/main.rs","line":7,"column":13}
//! {"chain":0,"frames":[{"function":"main::visit","file":"src/main.rs","line":9}]}
//! {"at":52417,"run":1,"event":"spawned","task":2,"by":1,"name":"visitor","place":0,"size":120}
//! ```
//!
//! Two more kinds of lines may stand between events. `{"missed":12}` says that 12 events are missing here because the
//! writer or the reader was too slow; those that describe what still exists are repeated after it. `{"now":52417}` is
//! sent by a console, and says that it has sent all events up to this time.
//!
//! A place is a location in the source. A chain is a list of futures that await each other, or of functions that call
//! each other, outermost first. `at` is in nanoseconds since the recording began, by the runtime's clock. `run` is the
//! number of the call of `block_on`, from 1. `runtime` is the number of the runtime, and left out if it is 1. Tasks are
//! numbered from 1 in each run, sources and timers in each runtime. The event of a blocking call that outlives its run
//! still names that run. The events and their fields are those of [`Event`]: names in snake case, times in nanoseconds,
//! empty fields left out.
//!
//! An event that stands for a transition of the task's state word has it as a field of its own:
//!
//! ```json
//! {"at":52417,"run":1,"event":"woken","task":2,"by":{"timer":1},"transition":
//!  {"by":"wake","before":[800,4,1],"after":[801,4,1],"queue":"run"}}
//! ```
//!
//! `by` is the function in `executor/src/task/state.rs` that made it: `new`, `wake`, `wake_suspended`, `cancel`,
//! `begin`, `suspend`, `complete` or `drop_reference`. A word is a list of three numbers: its named bits, its
//! references and its polls. The bits are, from 1 up: NOTIFIED, RUNNING, COMPLETE, CANCELLED, PANICKED, JOIN,
//! JOIN_WAKER, CALLBACKS, OBSERVED, LISTED. `queue` is the queue to which the task is about to be pushed: `run` or
//! `injection`; it is left out if the task is not pushed or its scheduler does not say. A reader must not require
//! `transition`, nor the fields `word` of sources and `slot` of timers: the recordings of older programs lack them.
//!
//! Version 1 has neither `run` nor `runtime`. It is read as a single runtime, in which a run begins at each
//! `run_begins`.

mod claim;
mod console;
mod env;
mod feed;
mod file;
mod kept;
mod observe;
mod readiness;
mod recorder;
mod spool;
mod timeline;
mod transition;

pub(crate) use env::Outlets;
pub use file::{Head, Trace, TraceError};
pub use recorder::Recorder;

use crate::task::Transition;
use reactor::observer::ReadinessWord;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The version of the format.
pub const VERSION: u32 = 2;

/// What happened, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Nanoseconds since the recording began.
    pub at: u64,
    /// The run that the event belongs to, from 1: the run of its task, or the current run of the runtime if the event
    /// concerns no task. Each run numbers its tasks from 1.
    #[serde(default)]
    pub run: u32,
    /// The runtime, from 1. Each runtime numbers its sources and timers from 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub runtime: u32,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// The transition of the task's state word that the event stands for, if it stands for one and the program recorded
    /// it.
    #[serde(default, with = "transition", skip_serializing_if = "Option::is_none")]
    pub transition: Option<Transition>,
}

/// An event in a runtime. It refers to tasks, sources and timers by their numbers, and to places and chains by their
/// index in the [`Trace`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs)] // the fields are those of the method to which each variant's doc links
pub enum Event {
    /// [`run_begins`](crate::Observer::run_begins). The tasks of this run are numbered from 1.
    RunBegins,
    /// [`run_ends`](crate::Observer::run_ends).
    RunEnds,
    /// [`task_spawned`](crate::Observer::task_spawned): `place` is the spawn location, `size` the future's size in
    /// bytes.
    Spawned {
        task: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Arc<str>>,
        place: u32,
        size: u64,
    },
    /// [`handed_over`](crate::Observer::handed_over): the kind of primitive, and its creation location.
    HandedOver { task: u64, kind: Arc<str>, place: u32 },
    /// [`task_woken`](crate::Observer::task_woken): what woke it; and the calls that led to the wake, if that is a task
    /// or a thread.
    Woken {
        task: u64,
        by: By,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chain: Option<u32>,
    },
    /// [`task_cancelled`](crate::Observer::task_cancelled): what cancelled it; where and why, if that is known.
    Cancelled {
        task: u64,
        by: By,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        place: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Arc<str>>,
    },
    /// [`task_asked`](crate::Observer::task_asked).
    Asked { task: u64 },
    /// [`poll_begins`](crate::Observer::poll_begins).
    PollBegins { task: u64 },
    /// [`task_waits`](crate::Observer::task_waits).
    Waits { task: u64, waits: Box<[Waiting]> },
    /// [`poll_ends`](crate::Observer::poll_ends).
    PollEnds { task: u64, end: End },
    /// [`lost_wake`](crate::Observer::lost_wake).
    LostWake { task: u64 },
    /// [`last_waker_dropped`](crate::Observer::last_waker_dropped): what dropped it, and the calls that led to that.
    WakerDropped {
        task: u64,
        by: By,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chain: Option<u32>,
    },
    /// [`task_stranded`](crate::Observer::task_stranded).
    Stranded { task: u64, lost: bool },
    /// [`task_panicked`](crate::Observer::task_panicked).
    Panicked {
        task: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Arc<str>>,
    },
    /// [`task_finished`](crate::Observer::task_finished): its future has been dropped. `wakers` counts the remaining
    /// wakers.
    Finished {
        task: u64,
        how: How,
        #[serde(default, skip_serializing_if = "is_zero")]
        wakers: u64,
    },
    /// [`output_dropped`](crate::Observer::output_dropped).
    OutputDropped { task: u64, how: How },
    /// [`task_freed`](crate::Observer::task_freed).
    Freed { task: u64 },
    /// [`slow_poll`](crate::Observer::slow_poll).
    SlowPoll { task: u64, took: u64 },
    /// [`blocking_queued`](crate::Observer::blocking_queued).
    BlockingQueued { task: u64 },
    /// [`blocking_begins`](crate::Observer::blocking_begins).
    BlockingBegins { task: u64 },
    /// [`blocking_ends`](crate::Observer::blocking_ends).
    BlockingEnds { task: u64 },
    /// [`source_added`](reactor::Observer::source_added).
    SourceAdded { source: u64, fd: i32 },
    /// [`source_removed`](reactor::Observer::source_removed).
    SourceRemoved { source: u64 },
    /// [`source_waits`](reactor::Observer::source_waits): `word` is the readiness word at that moment.
    SourceWaits {
        source: u64,
        direction: Direction,
        #[serde(default, with = "readiness::word", skip_serializing_if = "Option::is_none")]
        word: Option<ReadinessWord>,
    },
    /// [`source_left`](reactor::Observer::source_left).
    SourceLeft { source: u64, direction: Direction },
    /// [`source_ready`](reactor::Observer::source_ready): its readiness, and how many waiters are woken. `word` is the
    /// readiness word after the report.
    SourceReady {
        source: u64,
        #[serde(with = "readiness")]
        readiness: reactor::backend::Readiness,
        woken: usize,
        #[serde(default, with = "readiness::word", skip_serializing_if = "Option::is_none")]
        word: Option<ReadinessWord>,
    },
    /// [`timer_set`](reactor::Observer::timer_set): `deadline` is on the same clock as `at`. `slot` is its wheel,
    /// and its slot in that.
    TimerSet {
        timer: u64,
        deadline: u64,
        place: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<(u8, u8)>,
    },
    /// [`timer_cancelled`](reactor::Observer::timer_cancelled).
    TimerCancelled { timer: u64 },
    /// [`timer_fired`](reactor::Observer::timer_fired).
    TimerFired { timer: u64 },
    /// [`wait_begins`](reactor::Observer::wait_begins): without a timeout, the wait is unlimited.
    WaitBegins {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
    },
    /// [`wait_ends`](reactor::Observer::wait_ends).
    WaitEnds { sources: usize, timers: usize },
    /// [`notified`](reactor::Observer::notified).
    Notified,
}

impl Event {
    /// Returns the task that the event concerns, if it concerns one.
    pub fn task(&self) -> Option<u64> {
        use Event::*;
        match *self {
            Spawned { task, .. } | HandedOver { task, .. } | Woken { task, .. } | Cancelled { task, .. } => Some(task),
            Asked { task } | LostWake { task } | WakerDropped { task, .. } => Some(task),
            PollBegins { task } | Waits { task, .. } | PollEnds { task, .. } | Stranded { task, .. } => Some(task),
            Panicked { task, .. } | Finished { task, .. } | OutputDropped { task, .. } | Freed { task } => Some(task),
            SlowPoll { task, .. } => Some(task),
            BlockingQueued { task } | BlockingBegins { task } | BlockingEnds { task } => Some(task),
            RunBegins | RunEnds | SourceAdded { .. } | SourceRemoved { .. } | SourceWaits { .. } => None,
            SourceLeft { .. } => None,
            SourceReady { .. } | TimerSet { .. } | TimerCancelled { .. } | TimerFired { .. } => None,
            WaitBegins { .. } | WaitEnds { .. } | Notified => None,
        }
    }
}

/// A leaf future that a task waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What the leaf waits for.
    pub leaf: Arc<str>,
    /// The await chain, from the task down to the leaf.
    pub chain: u32,
    /// The number of equal leaves in a row that this entry stands for.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub times: u32,
}

fn first() -> u32 {
    1
}

fn is_first(runtime: &u32) -> bool {
    *runtime == 1
}

fn once() -> u32 {
    1
}

fn is_once(times: &u32) -> bool {
    *times == 1
}

impl Waiting {
    /// Whether the leaf only waits for the task's next poll, because this poll's budget is spent: see
    /// [`reactor::budget`].
    pub fn is_out_of_budget(&self) -> bool {
        *self.leaf == *reactor::budget::SPENT
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// What woke or cancelled a task, or dropped its last waker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A task, possibly the same task.
    Task(u64),
    /// A file descriptor that became ready.
    Source(u64),
    /// A timer whose deadline was reached.
    Timer(u64),
    /// Code outside of any task, on a thread with this name.
    Thread(Arc<str>),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Task(id) => write!(f, "task {id}"),
            By::Source(id) => write!(f, "source {id}"),
            By::Timer(id) => write!(f, "timer {id}"),
            By::Thread(name) => write!(f, "thread \"{name}\""),
        }
    }
}

/// How a poll ended: see [`PollEnd`](crate::observer::PollEnd).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // documented at `PollEnd`
pub enum End {
    Pending,
    PendingWoken,
    Finished,
}

/// How a task ended: see [`Finish`](crate::task::Finish).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // documented at `Finish`
pub enum How {
    Ready,
    Cancelled,
    Panicked,
}

/// Whether a task waits to read or to write: see [`Direction`](reactor::observer::Direction).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // documented at the reactor's `Direction`
pub enum Direction {
    Read = 0,
    Write = 1,
}

/// A location in the source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourcePlace {
    /// The file, as it was passed to the compiler.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl fmt::Display for SourcePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A future or function of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// The function, with its path.
    pub function: Arc<str>,
    /// The file; empty if the program has no debug information.
    pub file: Arc<str>,
    /// The line of the `.await` or of the call; 0 if it is not known.
    pub line: u32,
}
