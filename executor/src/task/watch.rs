//! What is told of a task that somebody watches, beside its polls.
//!
//! Whether a task is watched is decided at its spawn and stands in its state word, where it costs next to nothing to look.
//! Only then are its wakers counted: one that waits while no waker of it exists will wait for ever.

use super::cell::{Finish, Header};
use super::join::Panic;
use crate::shim::Ordering;
use std::ptr::NonNull;

/// Something that happened to a task. For [`Schedule::happened`](super::Schedule::happened).
#[derive(Clone, Copy, Debug)]
pub enum TaskEvent<'a> {
    /// A wake came, and none had come since its last poll began. If it is running it will be ready again when that
    /// poll ends; else [`schedule`](super::Schedule::schedule) comes right after.
    Woken,
    /// It was cancelled, which also wakes it.
    Cancelled,
    /// Its future has panicked; [`finished`](super::Schedule::finished) comes right after.
    Panicked(&'a Panic),
    /// It waits, and no waker of it exists any more: nothing but a cancel can ever run it again.
    Stranded {
        /// It had left a waker, which was dropped. Otherwise the poll that now ends has not even made one.
        lost: bool,
    },
    /// It is over, and nobody will take its output.
    OutputDropped(Finish),
    /// It is over, and the last of its wakers and handles is gone: so is its memory.
    Freed,
}

/// Tells the scheduler of an event, if the task is watched.
///
/// # Safety
/// The cell is there until this has returned: the caller holds a reference, or is about to free it.
#[inline]
pub(super) unsafe fn watch<'a>(header: NonNull<Header>, what: impl FnOnce() -> TaskEvent<'a>) {
    // SAFETY: the cell is there, as the caller promises.
    unsafe {
        if header.as_ref().state.is_watched() {
            tell(header, what());
        }
    }
}

/// As [`watch`], of a task that is watched.
///
/// # Safety
/// As for [`watch`].
#[cold]
pub(super) unsafe fn tell(header: NonNull<Header>, what: TaskEvent<'_>) {
    // SAFETY: the cell is there, as the caller promises.
    unsafe { (header.as_ref().vtable.happened)(header, what) };
}

/// Its runner is about to suspend it.
///
/// # Safety
/// As for [`watch`].
#[inline]
pub(super) unsafe fn watch_suspend(header: NonNull<Header>) {
    // SAFETY: the cell is there, as the caller promises.
    unsafe {
        let task = header.as_ref();
        let Some(extras) = task.extras().filter(|_| task.state.is_watched()) else { return };
        let lost = extras.new_wakers.swap(0, Ordering::Relaxed) > 0;
        if extras.wakers.load(Ordering::Acquire) == 0 && !task.state.is_woken() {
            tell(header, TaskEvent::Stranded { lost });
        }
    }
}

/// A waker of a task that is watched is about to go.
///
/// # Safety
/// As for [`watch`].
pub(super) unsafe fn waker_dropped(header: NonNull<Header>) {
    // SAFETY: the cell is there, as the caller promises.
    unsafe {
        let task = header.as_ref();
        let before = task.extras().map(|extras| extras.wakers.fetch_sub(1, Ordering::AcqRel));
        if before == Some(1) && task.state.is_suspended() {
            tell(header, TaskEvent::Stranded { lost: true });
        }
    }
}

impl Header {
    /// One more waker of a task that is watched.
    pub(super) fn waker_cloned(&self) {
        let Some(extras) = self.extras() else { return };
        extras.wakers.fetch_add(1, Ordering::Relaxed);
        extras.new_wakers.fetch_add(1, Ordering::Relaxed);
    }
}
