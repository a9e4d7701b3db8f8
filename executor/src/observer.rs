//! The executor's events, for whoever wants to watch.
//!
//! Implement [`Observer`], which is the reactor's [`Observer`](reactor::Observer) and more, and
//! hand it to [`Builder::observer`](crate::Builder::observer): every event of that runtime is shown
//! to it. With no observer an event costs one predictable branch.

use crate::task::{Finish, TaskId, TaskRef};
use reactor::cause::Cause;
use reactor::observer::{SourceId, TimerId};
use std::time::Duration;

/// Who woke a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WokenBy {
    /// A task, in its poll; perhaps itself.
    Task(TaskId),
    /// A file descriptor that became ready.
    Source(SourceId),
    /// A timer whose deadline came.
    Timer(TimerId),
    /// Another thread, or this one outside of a poll.
    Outside,
}

impl From<Cause> for WokenBy {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Source(source) => WokenBy::Source(source),
            Cause::Timer(timer) => WokenBy::Timer(timer),
        }
    }
}

/// How a poll ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollEnd {
    /// The task waits for a wake.
    Pending,
    /// The task waits, but was woken during the poll: it goes to the end of the queue.
    PendingWoken,
    /// The task is over; [`Observer::task_finished`] has said how.
    Finished,
}

/// Watches a runtime: its tasks, and through the reactor's trait its sources and timers. Every
/// method is empty by default: implement those that you need.
///
/// A method runs on the thread on which the event happens and holds that thread up for as long as
/// it takes. It must not panic, nor spawn, wake or cancel.
///
/// ```
/// use executor::{Observer, Runtime, observer::WokenBy, task::TaskRef};
/// use std::sync::Arc;
///
/// struct PrintsWakes;
///
/// impl reactor::Observer for PrintsWakes {}
/// impl Observer for PrintsWakes {
///     fn task_woken(&self, task: TaskRef<'_>, by: WokenBy) {
///         println!("{task:?} was woken by {by:?}");
///     }
/// }
///
/// let runtime = Runtime::builder().observer(Arc::new(PrintsWakes)).build()?;
/// runtime.block_on(executor::time::sleep(executor::time::Duration::from_millis(1)));
/// # std::io::Result::Ok(())
/// ```
#[allow(unused_variables)]
pub trait Observer: reactor::Observer {
    /// A task was made, by a task or from outside, and queued.
    fn task_spawned(&self, task: TaskRef<'_>, by: Option<TaskId>) {}
    /// A task that was not woken yet was.
    fn task_woken(&self, task: TaskRef<'_>, by: WokenBy) {}
    /// A task was cancelled, which also wakes it.
    fn task_cancelled(&self, task: TaskRef<'_>, by: WokenBy) {}
    /// A task is about to be polled; or its future dropped, if it was cancelled.
    fn poll_begins(&self, task: TaskRef<'_>) {}
    /// The poll is over.
    fn poll_ends(&self, task: TaskId, end: PollEnd) {}
    /// A task's future is gone, and whoever joins it about to be woken.
    fn task_finished(&self, task: TaskRef<'_>, how: Finish) {}
    /// A poll held the thread for so long, more or less: see [`Builder::slow_poll`](crate::Builder::slow_poll).
    fn slow_poll(&self, task: TaskId, took: Duration) {}
    /// A blocking call was given to a thread of the pool, on which this is called.
    fn blocking_begins(&self, task: TaskId) {}
    /// That call has returned.
    fn blocking_ends(&self, task: TaskId) {}
}
