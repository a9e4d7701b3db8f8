//! [`Schedule`]: what a scheduler implements so that tasks can be spawned onto it. `cell.rs` calls it.

use super::event::TaskEvent;
use super::id::{TaskId, TaskRef};
use super::outcome::Finish;
use super::waker::Runnable;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where a task goes when it is to be polled.
///
/// A task keeps its scheduler alive until the last of its wakers and handles is gone.
pub trait Schedule: Send + Sync + 'static {
    /// A task was woken: run it once, later, with [`Runnable::run`]. Called on the thread that woke it, in the middle
    /// of whatever that thread does: keep it short, and do not run the task here.
    fn schedule(self: &Arc<Self>, task: Runnable);

    /// A task's future is gone; its handle resolves right after this. Called by the task's runner.
    fn finished(self: &Arc<Self>, task: TaskRef<'_>, how: Finish) {
        let _ = (task, how);
    }

    /// The number of the next task, if it is spawned without one. By default, one counter numbers the tasks of the
    /// whole process, from 1.
    fn next_id(&self) -> TaskId {
        static NUMBERED: AtomicU64 = AtomicU64::new(1);
        TaskId(NUMBERED.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether the task that is being made is observed: whether `happened` is called for it.
    fn is_watched(&self) -> bool {
        false
    }

    /// Something happened to an observed task, on whatever thread this is. To record it, pass it on to
    /// [`Observer::show`](crate::Observer::show).
    ///
    /// The events of one task come one at a time, and causes come before effects: a wake before the poll that it leads
    /// to, the end of a poll before the next wake. A task waits until its event has been handled, so this must not wake
    /// or cancel a task, nor panic.
    fn happened(self: &Arc<Self>, task: TaskRef<'_>, what: TaskEvent<'_>) {
        let _ = (task, what);
    }
}
