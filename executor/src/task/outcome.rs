//! The states of a task and the ways in which a poll and a task end. Plain data, for any file.

use super::id::TaskId;
use std::fmt;
use std::panic::Location;

/// The state of a task, as seen from outside.
///
/// ```
/// use executor::task::{Finish, TaskState};
///
/// executor::block_on(async {
///     let task = executor::spawn(async {});
///     assert_eq!(task.state(), TaskState::Queued);
///     executor::yield_now().await;
///     assert_eq!(task.state(), TaskState::Completed(Finish::Ready));
///     assert!(task.state().is_over());
/// });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum TaskState {
    /// It was spawned or woken, and is to be polled.
    Queued,
    /// It is being polled.
    Running,
    /// Its last poll returned [`Poll::Pending`](std::task::Poll), and nothing has woken it since.
    Suspended,
    /// Its future is gone, and its output is stored or was taken.
    Completed(Finish),
}

impl TaskState {
    /// Whether the task has completed: it is never polled again.
    pub fn is_over(self) -> bool {
        matches!(self, TaskState::Completed(_))
    }
}

/// Prints `queued`, `running`, `suspended` or `completed`; and `cancelled` or `panicked` for a task that completed in
/// that way.
impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TaskState::Queued => "queued",
            TaskState::Running => "running",
            TaskState::Suspended => "suspended",
            TaskState::Completed(Finish::Ready) => "completed",
            TaskState::Completed(Finish::Cancelled) => "cancelled",
            TaskState::Completed(Finish::Panicked) => "panicked",
        })
    }
}

/// How a task completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Finish {
    /// Its future returned an output.
    Ready,
    /// It was cancelled, and its future was dropped.
    Cancelled,
    /// Its future panicked, in a poll or in its destructor.
    Panicked,
}

/// How a poll ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollEnd {
    /// The task is suspended.
    Pending,
    /// The poll returned [`Poll::Pending`](std::task::Poll), but the task was woken meanwhile: it goes to the end of
    /// the queue.
    PendingWoken,
    /// The task completed; [`Observer::task_finished`](crate::Observer::task_finished) was called with how it
    /// completed.
    Finished,
}

/// Who cancelled a task, where, and why.
///
/// ```
/// use executor::{block_on, spawn};
///
/// block_on(async {
///     let page = spawn(std::future::pending::<()>());
///     page.cancel_because("the reader has left");
///     let error = page.explained().await.unwrap_err();
///     // task 2 (spawned at src/main.rs:4:16) was cancelled by task 1 at src/main.rs:5:10: the reader has left
///     assert!(error.to_string().ends_with(": the reader has left"));
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// What cancelled the task.
    pub by: CancelledBy,
    /// The source location of the call.
    pub at: &'static Location<'static>,
    /// The reason, if the call gave one.
    pub reason: Option<Box<str>>,
}

/// What cancelled a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CancelledBy {
    /// A task, during its poll.
    Task {
        /// Its number.
        id: TaskId,
        /// Its name, if it has one.
        name: Option<Box<str>>,
    },
    /// A thread that was not polling a task, with this name.
    Thread(Box<str>),
}

impl fmt::Display for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cancelled by {} at {}", self.by, self.at)?;
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CancelledBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CancelledBy::Task { id, name: Some(name) } => write!(f, "task {id} \"{name}\""),
            CancelledBy::Task { id, name: None } => write!(f, "task {id}"),
            CancelledBy::Thread(name) => write!(f, "thread \"{name}\""),
        }
    }
}
