//! [`Canceller`]: a reference that keeps the cell of a task and can cancel the task.
//!
//! The join handle is built on it. Task lists and groups hold it as well.

use super::current::with_current;
use super::header::Header;
use super::id::TaskRef;
use super::outcome::{Cancellation, CancelledBy};
use super::waker::{Runnable, cancel, drop_reference, wake};
use super::word::Transition;
use crate::shim::Ordering;
use std::fmt;
use std::panic::Location;
use std::ptr::NonNull;

/// Cancels a task. Made by [`JoinHandle::canceller`](super::JoinHandle::canceller).
///
/// It keeps the task's memory allocated, but neither the future nor the output.
pub struct Canceller {
    header: NonNull<Header>,
}

// SAFETY: all of its operations may be done on any thread: it never reaches the future or the output.
unsafe impl Send for Canceller {}
// SAFETY: as above.
unsafe impl Sync for Canceller {}

impl Canceller {
    /// Cancels the task, as [`JoinHandle::cancel`](super::JoinHandle::cancel) does.
    #[track_caller]
    pub fn cancel(&self) {
        self.cancel_at(Location::caller(), None);
    }

    /// Cancels the task with a reason, as [`JoinHandle::cancel_because`](super::JoinHandle::cancel_because) does.
    #[track_caller]
    pub fn cancel_because(&self, reason: impl Into<String>) {
        self.cancel_at(Location::caller(), Some(reason.into()));
    }

    /// The task.
    #[inline]
    pub fn task(&self) -> TaskRef<'_> {
        // SAFETY: this holds a reference.
        unsafe { TaskRef::new(self.header) }
    }

    /// Cancels the task and records what cancelled it, where and why.
    pub(crate) fn cancel_at(&self, at: &'static Location<'static>, reason: Option<String>) {
        let Header { state, .. } = self.task().header();
        if !state.is_complete() && !state.is_cancelled() {
            let by = with_current(|current| match current {
                Some(task) => CancelledBy::Task { id: task.id(), name: task.name().map(Box::from) },
                None => CancelledBy::Thread(std::thread::current().name().unwrap_or("without a name").into()),
            });
            let cancellation = Cancellation { by, at, reason: reason.map(String::into_boxed_str) };
            let _first_wins = self.task().header().make_extras().cancellation.set(cancellation);
        }
        // SAFETY: this holds a reference.
        unsafe { cancel(self.header) };
    }

    /// Cancels the task even if it is shielded.
    pub(crate) fn end_at(&self, at: &'static Location<'static>, reason: &str) {
        self.cancel_at(at, Some(reason.to_owned()));
        self.task().header().pierce_shields();
        // SAFETY: this holds a reference. The wake is for a task that was cancelled before and waits for its shields.
        unsafe { wake(self.header) };
    }

    /// # Safety
    /// The caller gives up a reference to the task.
    #[inline]
    pub(super) unsafe fn from_reference(header: NonNull<Header>) -> Canceller {
        Canceller { header }
    }

    /// # Safety
    /// The task exists, and stays until this returns.
    pub(super) unsafe fn of(header: NonNull<Header>) -> Canceller {
        // SAFETY: as promised; then by the reference that is added.
        unsafe { header.as_ref() }.state.add_reference();
        Canceller { header }
    }

    /// As [`of`](Canceller::of), for a task that nothing else may refer to. `None` if it is orphaned, and about to end.
    ///
    /// # Safety
    /// The task exists, and stays until this returns.
    pub(super) unsafe fn of_registered(header: NonNull<Header>) -> Option<Canceller> {
        // SAFETY: as promised; then by the reference that is added.
        unsafe { header.as_ref() }.state.add_reference_unless_orphaned().then_some(Canceller { header })
    }

    /// Wakes the task without a recorded cause. Returns the `Runnable` if it was suspended, and the transition, which
    /// the caller reports.
    pub(crate) fn wake_up(&self) -> Option<(Runnable, Transition)> {
        let extras = self.task().header().extras();
        extras.into_iter().for_each(|extras| extras.observed.woken_again.store(false, Ordering::Relaxed));
        let before = self.task().header().state.wake_suspended()?;
        // SAFETY: the transition gave the right to run.
        Some((unsafe { Runnable::from_header(self.header) }, Transition::wake_suspended(before)))
    }

    /// The address of the task cell. It differs between all tasks that exist at the same time.
    pub(crate) fn address(&self) -> usize {
        self.header.addr().get()
    }
}

impl Clone for Canceller {
    fn clone(&self) -> Self {
        // SAFETY: this holds a reference.
        unsafe { Canceller::of(self.header) }
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        // SAFETY: this gives up its reference.
        unsafe { drop_reference(self.header) };
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canceller({:?})", self.task())
    }
}

impl TaskRef<'_> {
    /// A canceller of the task, which keeps its cell.
    pub(crate) fn canceller(self) -> Canceller {
        // SAFETY: a `TaskRef` borrows a cell that exists.
        unsafe { Canceller::of(self.cell()) }
    }
}
