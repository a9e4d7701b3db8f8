//! The pointers that lead to a task: its wakers, and the right to run it.

use super::cell::{Header, Polled, Run, TaskRef, cancel, dropped_reference, wake};
use super::state::{Dropped, Suspend};
use super::watch::{run_watched, waker_cloned, waker_dropped};
use crate::shim::budget;
use std::fmt;
use std::mem::{ManuallyDrop, forget};
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// One table for all tasks: what depends on the future is behind the header's own. As it is one, a poll that wakes its
/// own task calls it directly.
static WAKER: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: the waker that is cloned holds a reference.
        unsafe { clone(header(data)) };
        RawWaker::new(data, &WAKER)
    },
    |data| {
        // SAFETY: the waker holds a reference, which is given up after the wake.
        unsafe {
            wake(header(data));
            release(header(data));
        }
    },
    // SAFETY: the waker holds a reference, and outlives this call.
    |data| unsafe { wake(header(data)) },
    // SAFETY: the waker's reference goes with it.
    |data| unsafe { release(header(data)) },
);

/// # Safety
/// The caller holds a reference.
#[inline]
unsafe fn clone(header: NonNull<Header>) {
    // SAFETY: as promised.
    unsafe {
        if header.as_ref().state.add_reference() {
            waker_cloned(header);
        }
    }
}

/// # Safety
/// The caller has a waker's reference, or two of a task that is watched, and gives them up.
#[inline]
unsafe fn release(header: NonNull<Header>) {
    // SAFETY: as promised. The last reference of a task that is not watched may have been this one.
    unsafe {
        match header.as_ref().state.drop_reference() {
            (_, true) => waker_dropped(header),
            (dropped, false) => dropped_reference(header, dropped),
        }
    }
}

/// # Safety
/// `data` is the data of a waker made with [`WAKER`].
unsafe fn header(data: *const ()) -> NonNull<Header> {
    // SAFETY: such a waker is made of a header's address, which is not null.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

/// The waker for one poll. It borrows a reference: cloning it counts, dropping it would not be right.
///
/// # Safety
/// The task stays alive as long as the waker is used.
#[inline]
pub(super) unsafe fn borrowed_waker(header: NonNull<Header>) -> ManuallyDrop<Waker> {
    // SAFETY: the table keeps the contract of `RawWaker`: all four may be called on any thread, and clones are
    // counted.
    unsafe { ManuallyDrop::new(Waker::from_raw(RawWaker::new(header.as_ptr().cast(), &WAKER))) }
}

/// The task that a waker wakes, if it is one of ours.
#[inline]
pub(super) fn task_of(waker: &Waker) -> Option<&Header> {
    // SAFETY: a waker with that table has a header's address as data, and holds a reference.
    std::ptr::eq(waker.vtable(), &WAKER).then(|| unsafe { header(waker.data()).as_ref() })
}

/// Runs a task once.
///
/// # Safety
/// The caller has the right to run it, and gives it up.
#[inline]
unsafe fn run(header: NonNull<Header>) -> Run {
    // SAFETY: while the right to run exists, the future's reference does.
    unsafe {
        match header.as_ref().state.is_watched() {
            true => run_watched(header),
            false => run_unwatched(header),
        }
    }
}

/// As [`run`], of a task that is not watched.
///
/// # Safety
/// As for [`run`].
#[inline]
unsafe fn run_unwatched(header: NonNull<Header>) -> Run {
    // SAFETY: while the right to run exists, the future's reference does: it is there until the task is suspended.
    // `suspend` says whose that right is then.
    unsafe {
        match (header.as_ref().vtable.poll)(header) {
            Polled::Finished => Run::Finished,
            Polled::Pending => match header.as_ref().state.suspend() {
                Suspend::Suspended => Run::Suspended,
                Suspend::Orphaned => {
                    dropped_reference(header, Dropped::Orphaned);
                    Run::Suspended
                }
                Suspend::Ready => Run::Ready(Runnable::from_header(header)),
            },
        }
    }
}

/// The right to run a task once. Exactly one exists while the task is ready.
///
/// Dropping it instead cancels the task: the future is dropped, on this thread, and whoever joins
/// it is told.
#[must_use = "dropping a Runnable cancels its task"]
pub struct Runnable(NonNull<Header>);

// SAFETY: it runs and drops the future, which `spawn_with` asks to be Send; for others, the caller
// of `cell::allocate` keeps the `Runnable` on the right threads.
unsafe impl Send for Runnable {}

impl Runnable {
    /// # Safety
    /// The caller has the right to run that task, and gives it up.
    pub(crate) unsafe fn from_header(header: NonNull<Header>) -> Runnable {
        Runnable(header)
    }

    pub(crate) fn header(&self) -> NonNull<Header> {
        self.0
    }

    /// Its task.
    pub fn task(&self) -> TaskRef<'_> {
        // SAFETY: while the right to run exists, the future's reference does.
        unsafe { TaskRef::new(self.0) }
    }

    pub(crate) fn into_header(self) -> NonNull<Header> {
        let header = self.0;
        forget(self);
        header
    }

    /// Polls the task, once, with a full [budget](reactor::budget); or drops its future if the task was cancelled. A panic
    /// of the future goes to whoever joins the task. If the task was woken during the poll it is ready again: then the
    /// right to run it comes back, to be queued by the caller.
    #[must_use = "a task that is ready again has to be queued; dropping it cancels it"]
    pub fn run(self) -> Option<Runnable> {
        let _counted = budget::enter();
        match self.run_once() {
            Run::Ready(task) => Some(task),
            Run::Suspended | Run::Finished => None,
        }
    }

    /// As [`run_once`](Runnable::run_once), on a scheduler without an observer, whose tasks are not watched.
    #[inline]
    pub(crate) fn run_plain(self) -> Run {
        let header = self.into_header();
        // SAFETY: the right to run is given up.
        unsafe { run_unwatched(header) }
    }

    #[inline]
    pub(crate) fn run_once(self) -> Run {
        let header = self.into_header();
        // SAFETY: the right to run is given up.
        unsafe { run(header) }
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        // SAFETY: while the right to run exists, the future's reference does. `cancel` finds the
        // task queued and schedules nothing; the run then drops the future.
        unsafe {
            self.0.as_ref().pierce_shields();
            cancel(self.0);
            let _finished = run(self.0);
        }
    }
}

impl fmt::Debug for Runnable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runnable({:?})", self.task())
    }
}
