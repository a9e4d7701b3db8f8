//! The current task: the one that runs on this thread.
//!
//! `cell.rs` sets it for each poll. Code that asks in which task it runs reads it.

use super::header::Header;
use super::id::TaskRef;
use crate::shim::thread_local;
use std::cell::Cell;
use std::ptr::NonNull;

thread_local! {
    static CURRENT: Cell<Option<NonNull<Header>>> = const { Cell::new(None) };
}

/// Makes a task, or none, the current one for as long as this lives. Restores the previous one when it is dropped.
pub(crate) struct CurrentTask(Option<NonNull<Header>>);

impl CurrentTask {
    /// Clears the current task, so that later events are not attributed to one.
    pub(crate) fn clear() -> CurrentTask {
        CurrentTask(CURRENT.with(|current| current.replace(None)))
    }

    #[inline]
    pub(super) fn enter(header: NonNull<Header>) -> CurrentTask {
        CurrentTask(CURRENT.with(|current| current.replace(Some(header))))
    }
}

impl Drop for CurrentTask {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}

/// Calls `f` with the current task.
pub(crate) fn with_current<R>(f: impl FnOnce(Option<TaskRef<'_>>) -> R) -> R {
    let header = CURRENT.with(Cell::get);
    // SAFETY: a running task exists: giving up its future's reference is the last thing that its run does.
    f(header.map(|header| unsafe { TaskRef::new(header) }))
}

/// The address of the current task's cell. It differs between all tasks that exist at the same time.
#[inline]
pub(crate) fn current_address() -> Option<usize> {
    CURRENT.with(Cell::get).map(|header| header.addr().get())
}

/// Whether this is the current task.
pub(super) fn is_current(header: NonNull<Header>) -> bool {
    CURRENT.with(Cell::get) == Some(header)
}

impl TaskRef<'_> {
    /// Whether this is the current task.
    pub(crate) fn is_current(self) -> bool {
        is_current(self.cell())
    }
}
