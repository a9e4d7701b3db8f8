//! The pointers that lead to a task: its wakers, and the right to run it.

use super::cell::{Header, Run, TaskRef, cancel, drop_reference, wake};
use super::watch::{begin_poll, end_poll, waker_cloned, waker_dropped};
use std::fmt;
use std::mem::{ManuallyDrop, forget};
use std::ops::Deref;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

/// One table for all tasks that nobody watches: what depends on the future is behind the header's own.
static WAKER: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: the waker that is cloned holds a reference.
        unsafe { header(data).as_ref() }.state.add_reference();
        RawWaker::new(data, &WAKER)
    },
    |data| {
        // SAFETY: the waker holds a reference, which is given up after the wake.
        unsafe {
            wake(header(data));
            drop_reference(header(data));
        }
    },
    // SAFETY: the waker holds a reference, and outlives this call.
    |data| unsafe { wake(header(data)) },
    // SAFETY: the waker's reference goes with it.
    |data| unsafe { drop_reference(header(data)) },
);

/// The table for tasks that are watched, whose wakers are counted.
static WATCHED: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: the waker that is cloned holds a reference.
        unsafe { waker_cloned(header(data)) };
        RawWaker::new(data, &WATCHED)
    },
    |data| {
        // SAFETY: the waker holds a reference, which is given up after the wake.
        unsafe {
            wake(header(data));
            waker_dropped(header(data));
        }
    },
    // SAFETY: the waker holds a reference, and outlives this call.
    |data| unsafe { wake(header(data)) },
    // SAFETY: the waker's reference goes with it.
    |data| unsafe { waker_dropped(header(data)) },
);

/// # Safety
/// `data` is the data of a waker made with [`WAKER`] or [`WATCHED`].
unsafe fn header(data: *const ()) -> NonNull<Header> {
    // SAFETY: such a waker is made of a header's address, which is not null.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

/// The waker for one poll. It borrows the future's reference; of a task that is watched it has one of its own, and
/// is counted, as that poll may still wake the task: so also the end of the poll may be what leaves no waker.
pub(super) struct PollWaker {
    waker: ManuallyDrop<Waker>,
    /// Remembered here, since after the poll the task may be gone.
    is_counted: bool,
}

impl PollWaker {
    /// # Safety
    /// The caller is the task's runner, and drops this when the poll is over.
    #[inline]
    pub(super) unsafe fn new(task: NonNull<Header>) -> PollWaker {
        // SAFETY: the tables keep the contract of `RawWaker`: all four may be called on any thread, and clones are
        // counted. The future's reference is there while the poll goes on.
        unsafe {
            let is_counted = task.as_ref().vtable.is_watched;
            let table = if is_counted { &WATCHED } else { &WAKER };
            if is_counted {
                begin_poll(task);
            }
            PollWaker {
                waker: ManuallyDrop::new(Waker::from_raw(RawWaker::new(task.as_ptr().cast(), table))),
                is_counted,
            }
        }
    }
}

impl Deref for PollWaker {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        &self.waker
    }
}

impl Drop for PollWaker {
    #[inline]
    fn drop(&mut self) {
        if self.is_counted {
            // SAFETY: it has a reference, which is given up, and the count that `begin_poll` added.
            unsafe { end_poll(header(self.waker.data())) };
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

    pub(crate) fn task(&self) -> TaskRef<'_> {
        // SAFETY: while the right to run exists, the future's reference does.
        TaskRef(unsafe { self.0.as_ref() })
    }

    pub(crate) fn into_header(self) -> NonNull<Header> {
        let header = self.0;
        forget(self);
        header
    }

    /// Polls the task, once; or drops its future if the task was cancelled. A panic of the future
    /// goes to whoever joins the task. If the task was woken during the poll it is ready again: then the
    /// right to run it comes back, to be queued by the caller.
    #[must_use = "a task that is ready again has to be queued; dropping it cancels it"]
    pub fn run(self) -> Option<Runnable> {
        match self.run_once() {
            Run::Ready(task) => Some(task),
            Run::Suspended | Run::Finished => None,
        }
    }

    #[inline]
    pub(crate) fn run_once(self) -> Run {
        let header = self.into_header();
        // SAFETY: the right to run is given up.
        unsafe { (header.as_ref().vtable.run)(header) }
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        // SAFETY: while the right to run exists, the future's reference does. `cancel` finds the
        // task queued and schedules nothing; the run then drops the future.
        unsafe {
            self.0.as_ref().pierce_shields();
            cancel(self.0);
            let _finished = (self.0.as_ref().vtable.run)(self.0);
        }
    }
}

impl fmt::Debug for Runnable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Runnable({:?})", self.task())
    }
}
