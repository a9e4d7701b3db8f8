//! What is told of a task that somebody watches, beside its polls.
//!
//! Whether a task is watched is decided at its spawn and stands in its state word, where it costs next to nothing to look.
//! Only then are its wakers counted: one that waits while no waker of it exists will wait for ever.

use super::cell::{Finish, Header, drop_reference};
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
    /// A waker of it was cloned.
    WakerCloned,
    /// Its last waker was dropped, in this very call, and did not wake it. If it is suspended,
    /// [`Stranded`](TaskEvent::Stranded) comes right after; if it is running, the poll had made that waker, and may
    /// still make another one.
    LastWakerDropped,
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

/// A poll of a task that is watched begins. It counts as a waker, as it may still wake the task, and has a reference:
/// so its end, too, may be what leaves no waker.
///
/// # Safety
/// The caller is its runner.
pub(super) unsafe fn begin_poll(header: NonNull<Header>) {
    // SAFETY: the future's reference is there while a poll goes on.
    let task = unsafe { header.as_ref() };
    task.state.add_reference();
    let Some(extras) = task.extras() else { return };
    extras.wakers.fetch_add(1, Ordering::Relaxed);
    extras.left_waker.store(false, Ordering::Relaxed);
}

/// That poll is over, and the task suspended if it did not end and was not woken.
///
/// # Safety
/// The caller has the reference of `begin_poll`, and gives it up.
pub(super) unsafe fn end_poll(header: NonNull<Header>) {
    // SAFETY: as the caller promises. If a later poll has begun by now, this one was not the last that was counted, or
    // that one is over as well; then it is that one which left a waker or did not.
    unsafe { give_up(header, None) };
}

/// One more waker of a task that is watched, which has two references: so its drop finds out about that with the one
/// instruction that drops the first, and still has the task.
///
/// # Safety
/// The caller holds a reference.
#[cold]
pub(super) unsafe fn waker_cloned(header: NonNull<Header>) {
    // SAFETY: the caller's reference keeps the cell alive.
    let task = unsafe { header.as_ref() };
    task.state.add_reference();
    if let Some(extras) = task.extras() {
        extras.wakers.fetch_add(1, Ordering::Relaxed);
        extras.left_waker.store(true, Ordering::Relaxed);
    }
    // SAFETY: as above.
    unsafe { tell(header, TaskEvent::WakerCloned) };
}

/// A waker of a task that is watched has dropped its first reference.
///
/// # Safety
/// The caller has its second one, and gives it up.
#[cold]
pub(super) unsafe fn waker_dropped(header: NonNull<Header>) {
    // SAFETY: as the caller promises.
    unsafe { give_up(header, Some(TaskEvent::LastWakerDropped)) };
}

/// Takes a waker, or a poll, off the count. The caller that takes off the last one finds out whether the task is
/// suspended. A poll is taken off after the task was suspended, so that exactly one sees both.
///
/// `last_waker` is told if that was the last waker; `None` stands for a poll, after which the task is lost if the
/// poll had left a waker.
///
/// # Safety
/// The caller has a reference, and gives it up.
unsafe fn give_up(header: NonNull<Header>, last_waker: Option<TaskEvent<'_>>) {
    // SAFETY: the caller's reference keeps the cell alive until the end of this.
    unsafe {
        let task = header.as_ref();
        if let Some(extras) = task.extras() {
            let left = extras.wakers.fetch_sub(1, Ordering::AcqRel) - 1;
            let is_suspended = left == 0 && task.state.is_suspended();
            let left_waker = extras.left_waker.load(Ordering::Relaxed);
            // A waker that goes in a poll is of interest only if that poll has made it: the poll that a wake has led
            // to drops those of the polls before.
            let in_poll = left == 1 && left_waker && task.state.is_running_unwoken();
            let lost = last_waker.is_some() || left_waker;
            if let Some(dropped) = last_waker.filter(|_| is_suspended || in_poll) {
                tell(header, dropped);
            }
            if is_suspended {
                tell(header, TaskEvent::Stranded { lost });
            }
        }
        drop_reference(header);
    }
}
