//! A recording of a run: what happened in which order, when, and where in the source.
//!
//! [`Recorder`] is an [`Observer`](crate::Observer) like any other. Every program on the runtime can be recorded
//! without a change:
//!
//! ```text
//! EXECUTOR_TRACE=run.jsonl cargo run …
//! ```
//!
//! | variable | what it does |
//! |---|---|
//! | `EXECUTOR_TRACE=FILE` | writes the recording there while the program runs; when the runtime goes, it is written anew, as a whole. Further runtimes of the process write `FILE-2`, …; `%p` becomes the process's number |
//! | `EXECUTOR_TRACE_CHAINS=off` | leaves out where polls went pending, which is what takes longest to record |
//! | `EXECUTOR_TRACE_EVENTS=NUMBER` | keeps so many of the newest events; a million unless told, about a hundred megabytes |
//! | `EXECUTOR_CONSOLE=PATH` | shows the recording as it grows to up to 16 clients of this Unix socket |
//!
//! A file is a whole recording at every moment: it is put into place by renaming one that was written beside it
//! (`FILE.1234.new`), and gets whole lines. While a process runs, the file is its own: another process that is to record
//! into the same one writes `FILE-1234`, with its own number. A pipe or a terminal is sent the recording once, as it grows;
//! its reader must be there before the program. A path that can't be written, or a disk that is full, is reported on the
//! standard error, once; the program goes on.
//!
//! So a program that is killed, crashes or calls `exit` leaves a recording too, of all but about its last twentieth of
//! a second; one that still runs can be looked at in its file or at the socket.
//!
//! # The format
//! JSON, a line each; this is version 2. The first line is the head:
//!
//! ```json
//! {"executor_trace":2,"program":"demo","directory":"/home/me/crawler","simulated":false,"dropped":0}
//! ```
//!
//! `directory` is the one that the program ran in, for whoever looks for its sources; `simulated` says that the clock
//! was virtual, `dropped` how many of the oldest events are missing because the recording was full; what they said of
//! tasks, sources and timers that are still there is said again. Then there are three kinds of lines, in any order, but
//! that a place or a chain is there before what refers to it:
//!
//! ```json
//! {"place":0,"file":"src/main.rs","line":7,"column":13}
//! {"chain":0,"frames":[{"function":"main::visit","file":"src/main.rs","line":9}]}
//! {"at":52417,"run":1,"event":"spawned","task":2,"by":1,"name":"visitor","place":0,"size":120}
//! ```
//!
//! There may be two more, between events: `{"missed":12}` says that so many are missing here, as whoever writes or
//! reads them was too slow, and that what they said of what is still there is said again; `{"now":52417}`, from a
//! console, that this is all so far.
//!
//! A chain is the futures that await each other, or the functions that call each other, the outermost first. `at` is
//! in nanoseconds since the recording began, by the runtime's clock. `run` is the number of the `block_on`, from 1, and
//! `runtime` that of the runtime; it is left out if it is 1. Tasks are numbered from 1 in each run, sources and timers
//! in each runtime: the event of a blocking call that outlives its run still names that run. The events and their fields
//! are those of [`Event`]: names in snake case, times in nanoseconds, fields that are empty left out.
//!
//! Version 1 had neither `run` nor `runtime`. It is read as one runtime, whose runs begin at each `run_begins`.

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

pub(crate) use env::Outlets;
pub use file::{Head, Trace, TraceError};
pub use recorder::Recorder;

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
    /// The run that it belongs to, from 1: that of the task, or for what has none, that in which the runtime was. Tasks are
    /// numbered in each run anew.
    #[serde(default)]
    pub run: u32,
    /// The runtime, from 1. Sources and timers are numbered in each runtime anew.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub runtime: u32,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that happened in a runtime. Tasks, sources and timers go by their numbers, places and chains by
/// their index in the [`Trace`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs)] // the fields say what they are, or are those of the method that is named
pub enum Event {
    /// [`run_begins`](crate::Observer::run_begins): the tasks of this run are numbered from 1.
    RunBegins,
    /// [`run_ends`](crate::Observer::run_ends).
    RunEnds,
    /// [`task_spawned`](crate::Observer::task_spawned): where, and how many bytes its future has.
    Spawned {
        task: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Arc<str>>,
        place: u32,
        size: u64,
    },
    /// [`handed_over`](crate::Observer::handed_over): at what kind of thing, and where that was made.
    HandedOver { task: u64, kind: Arc<str>, place: u32 },
    /// [`task_woken`](crate::Observer::task_woken): by whom; and through which calls, if it is a task or a thread.
    Woken {
        task: u64,
        by: By,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        chain: Option<u32>,
    },
    /// [`task_cancelled`](crate::Observer::task_cancelled): by whom, where, and why, as far as that was said.
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
    /// [`last_waker_dropped`](crate::Observer::last_waker_dropped): by whom, and through which calls.
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
    /// [`task_finished`](crate::Observer::task_finished): its future has been dropped. So many wakers are left.
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
    /// [`source_waits`](reactor::Observer::source_waits).
    SourceWaits { source: u64, direction: Direction },
    /// [`source_left`](reactor::Observer::source_left).
    SourceLeft { source: u64, direction: Direction },
    /// [`source_ready`](reactor::Observer::source_ready): what for, and how many waiters are woken.
    SourceReady {
        source: u64,
        #[serde(with = "readiness")]
        readiness: reactor::backend::Readiness,
        woken: usize,
    },
    /// [`timer_set`](reactor::Observer::timer_set): `deadline` is by the same clock as `at`.
    TimerSet { timer: u64, deadline: u64, place: u32 },
    /// [`timer_cancelled`](reactor::Observer::timer_cancelled).
    TimerCancelled { timer: u64 },
    /// [`timer_fired`](reactor::Observer::timer_fired).
    TimerFired { timer: u64 },
    /// [`wait_begins`](reactor::Observer::wait_begins): without a timeout, for ever.
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
    /// The task that it concerns, if it is one of a task.
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

/// One leaf that a task waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What it waits for.
    pub leaf: Arc<str>,
    /// Through which futures.
    pub chain: u32,
    /// So many times the same.
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
    /// Whether it could go on, but has done so much in this poll that others come first: see [`reactor::budget`].
    pub fn is_out_of_budget(&self) -> bool {
        *self.leaf == *reactor::budget::SPENT
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Who woke or cancelled a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A task, perhaps itself.
    Task(u64),
    /// A file descriptor that became ready.
    Source(u64),
    /// A timer whose deadline came.
    Timer(u64),
    /// Code that ran in no task, on a thread with this name.
    Thread(Arc<str>),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Task(id) => write!(f, "task {id}"),
            By::Source(id) => write!(f, "source {id}"),
            By::Timer(id) => write!(f, "timer {id}"),
            By::Thread(name) => write!(f, "thread `{name}`"),
        }
    }
}

/// How a poll ended: see [`PollEnd`](crate::observer::PollEnd).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // see there
pub enum End {
    Pending,
    PendingWoken,
    Finished,
}

/// How a task ended: see [`Finish`](crate::task::Finish).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // see there
pub enum How {
    Ready,
    Cancelled,
    Panicked,
}

/// Which half of a source somebody waits for: see [`Direction`](reactor::observer::Direction).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // see there
pub enum Direction {
    Read = 0,
    Write = 1,
}

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourcePlace {
    /// The file, as the compiler was told of it.
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

/// One future of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// The function, with its path.
    pub function: Arc<str>,
    /// The file; empty if the program has no debug information.
    pub file: Arc<str>,
    /// The line of the `.await`, or 0.
    pub line: u32,
}
