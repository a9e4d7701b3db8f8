//! The pointers that lead to a task: its wakers, and the [`Runnable`], the right to run it. Waking, cancelling, running
//! and dropping a reference go through this file.

use super::chain;
use super::header::{Header, Polled};
use super::id::TaskRef;
use super::observed::{self, report_cancel, report_wake, waker_cloned, waker_dropped};
use super::state::{Dropped, Suspend, Wake};
use crate::shim::budget;
use std::fmt;
use std::mem::{ManuallyDrop, forget};
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// One table for all tasks: the header's own table holds what depends on the future. Because there is only one, the
/// compiler can call these functions directly where a poll wakes its own task.
static WAKER: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: the waker that is cloned holds a reference.
        unsafe { clone(header(data)) };
        RawWaker::new(data, &WAKER)
    },
    |data| {
        // SAFETY: the waker holds a reference, and gives it up after the wake.
        unsafe {
            wake(header(data));
            release(header(data));
        }
    },
    // SAFETY: the waker holds a reference, and outlives this call.
    |data| unsafe { wake(header(data)) },
    // SAFETY: the waker gives up its reference.
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
/// The caller has a waker's reference, or the two of an observed task's waker, and gives them up.
#[inline]
unsafe fn release(header: NonNull<Header>) {
    // SAFETY: as promised. If the task is not observed, this may have been the last reference.
    unsafe {
        match header.as_ref().state.drop_reference() {
            (_, true) => release_observed(header),
            (dropped, false) => dropped_reference(header, dropped),
        }
    }
}

/// # Safety
/// The caller has the second reference of an observed task's waker, and gives it up.
#[cold]
unsafe fn release_observed(header: NonNull<Header>) {
    // SAFETY: the second reference keeps the cell alive until it is dropped.
    unsafe {
        waker_dropped(header);
        drop_reference(header);
    }
}

/// # Safety
/// `data` is the data of a waker made with [`WAKER`].
unsafe fn header(data: *const ()) -> NonNull<Header> {
    // SAFETY: such a waker is made of a header's address, which is not null.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

/// The waker for one poll. It borrows a reference. Clones take a reference; the borrowed waker itself must never be
/// dropped.
///
/// # Safety
/// The task exists as long as the waker is used.
#[inline]
pub(super) unsafe fn borrowed_waker(header: NonNull<Header>) -> ManuallyDrop<Waker> {
    // SAFETY: the table keeps the contract of `RawWaker`: all four functions may be called on any thread, and clones
    // are counted.
    unsafe { ManuallyDrop::new(Waker::from_raw(RawWaker::new(header.as_ptr().cast(), &WAKER))) }
}

/// The task that a waker wakes, if it is one of ours.
#[inline]
pub(super) fn task_of(waker: &Waker) -> Option<&Header> {
    // SAFETY: a waker with that table has a header's address as data, and holds a reference.
    std::ptr::eq(waker.vtable(), &WAKER).then(|| unsafe { header(waker.data()).as_ref() })
}

/// Wakes the task.
///
/// # Safety
/// The caller holds a reference, and keeps it until this returns.
#[inline]
pub(super) unsafe fn wake(header: NonNull<Header>) {
    // SAFETY: the caller's reference keeps the cell alive; `pass_on` gets what the transition returned.
    unsafe {
        let (wake, before) = header.as_ref().state.wake();
        if before.is_observed() {
            report_wake(header, wake, before);
        }
        pass_on(header, wake);
    }
}

/// Cancels the task.
///
/// # Safety
/// As for [`wake`].
pub(super) unsafe fn cancel(header: NonNull<Header>) {
    // SAFETY: the caller's reference keeps the cell alive; `pass_on` gets what the transition returned.
    unsafe {
        let Some((wake, before)) = header.as_ref().state.cancel() else { return };
        if before.is_observed() {
            report_cancel(header, wake, before);
        }
        pass_on(header, wake);
    }
}

/// # Safety
/// As for [`wake`]; and a transition of this task has just returned `wake`.
#[inline]
unsafe fn pass_on(header: NonNull<Header>, wake: Wake) {
    if wake == Wake::Schedule {
        // SAFETY: the transition gave the caller the right to run.
        unsafe { (header.as_ref().vtable.schedule)(header) };
    }
}

/// Drops a reference.
///
/// # Safety
/// The caller has a reference, and gives it up.
#[inline]
pub(super) unsafe fn drop_reference(header: NonNull<Header>) {
    // SAFETY: the reference keeps the cell alive until here.
    unsafe {
        let (dropped, _) = header.as_ref().state.drop_reference();
        dropped_reference(header, dropped);
    }
}

/// Does what the drop of a reference left to do: frees the cell, or ends an orphaned task.
///
/// # Safety
/// A transition of this task has just returned `dropped`.
#[inline]
unsafe fn dropped_reference(header: NonNull<Header>, dropped: Dropped) {
    // SAFETY: the caller had the last reference, or has the orphaned task to itself.
    unsafe {
        match dropped {
            Dropped::Shared => {}
            Dropped::Orphaned => end_orphan(header),
            Dropped::Last => (header.as_ref().vtable.free)(header),
        }
    }
}

/// Ends an orphaned task. Its future may hold the last waker of another one.
///
/// # Safety
/// The task is orphaned, and the caller is the one whose transition made it so.
#[cold]
unsafe fn end_orphan(header: NonNull<Header>) {
    // SAFETY: the caller gives up the task, which nothing else refers to.
    chain::run(move || unsafe { (header.as_ref().vtable.end_orphan)(header) });
}

/// How a run ended.
pub(crate) enum Run {
    /// The task is suspended.
    Suspended,
    /// The task was woken meanwhile, and must be queued again.
    Woken(Runnable),
    /// The task has completed.
    Finished,
}

/// Runs a task once.
///
/// # Safety
/// The caller has the right to run it, and gives it up.
#[inline]
unsafe fn run(header: NonNull<Header>) -> Run {
    // SAFETY: while the right to run exists, the future's reference does.
    unsafe {
        match header.as_ref().state.is_observed() {
            true => run_observed(header),
            false => run_unobserved(header),
        }
    }
}

/// As [`run`], for a task that is not observed.
///
/// # Safety
/// As for [`run`].
#[inline]
unsafe fn run_unobserved(header: NonNull<Header>) -> Run {
    // SAFETY: while the right to run exists, the future's reference does, so the cell exists until the task is
    // suspended. `suspend` says who has that right then.
    unsafe {
        match (header.as_ref().vtable.poll)(header) {
            Polled::Finished => Run::Finished,
            Polled::Pending => match header.as_ref().state.suspend().0 {
                Suspend::Suspended => Run::Suspended,
                Suspend::Orphaned => {
                    end_orphan(header);
                    Run::Suspended
                }
                Suspend::Woken => Run::Woken(Runnable::from_header(header)),
            },
        }
    }
}

/// As [`run`], for a task that is observed. Its run has a reference of its own, so that the end of the poll can be
/// reported after the task was suspended.
///
/// # Safety
/// As for [`run`].
#[cold]
unsafe fn run_observed(header: NonNull<Header>) -> Run {
    // SAFETY: while the right to run exists, the future's reference does; from then on, the one that is added here. The
    // right to run is passed on if `poll` says that it still exists.
    unsafe {
        header.as_ref().state.add_reference();
        let run = match observed::poll(header) {
            None => Run::Finished,
            Some(Suspend::Suspended | Suspend::Orphaned) => Run::Suspended,
            Some(Suspend::Woken) => Run::Woken(Runnable::from_header(header)),
        };
        drop_reference(header); // this may leave an orphan
        run
    }
}

/// The right to run a task once. Exactly one exists while the task is queued or running.
///
/// Dropping it cancels the task instead: the future is dropped, on this thread, and the task's handle resolves.
#[must_use = "dropping a Runnable cancels its task"]
pub struct Runnable(NonNull<Header>);

// SAFETY: it runs and drops the future. `spawn_with` requires that to be Send; for other futures, the caller of
// `create::allocate` keeps the `Runnable` on the right threads.
unsafe impl Send for Runnable {}

impl Runnable {
    /// # Safety
    /// The caller has the right to run that task, and gives it up.
    #[inline]
    pub(crate) unsafe fn from_header(header: NonNull<Header>) -> Runnable {
        Runnable(header)
    }

    #[inline]
    pub(crate) fn header(&self) -> NonNull<Header> {
        self.0
    }

    /// The task.
    pub fn task(&self) -> TaskRef<'_> {
        // SAFETY: while the right to run exists, the future's reference does.
        unsafe { TaskRef::new(self.0) }
    }

    #[inline]
    pub(crate) fn into_header(self) -> NonNull<Header> {
        let header = self.0;
        forget(self);
        header
    }

    /// Polls the task once, with a full [budget](reactor::budget); or drops its future if the task was cancelled.
    ///
    /// A panic of the future goes to the task's handle. If the task was woken during the poll, it is queued again: this
    /// returns the right to run it, which the caller must put into a queue.
    #[must_use = "the task was woken during the poll and has to be queued; dropping this cancels it"]
    pub fn run(self) -> Option<Runnable> {
        let _counted = budget::enter();
        match self.run_once() {
            Run::Woken(task) => Some(task),
            Run::Suspended | Run::Finished => None,
        }
    }

    /// As [`run_once`](Runnable::run_once), for a scheduler without an observer, whose tasks are not observed.
    #[inline]
    pub(crate) fn run_plain(self) -> Run {
        let header = self.into_header();
        // SAFETY: the right to run is given up.
        unsafe { run_unobserved(header) }
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
        // SAFETY: while the right to run exists, the future's reference does. `cancel` finds the task queued and
        // schedules nothing; the run then drops the future.
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
