//! Making a task from a future: a cell is reserved, the future is written into it, and the cell becomes a task.
//!
//! Schedulers call [`reserve`]; `builder.rs` calls [`allocate`].

use super::cell::TaskCell;
use super::event::TaskEvent;
use super::header::{Header, Meta};
use super::join::JoinHandle;
use super::observed::report_transition;
use super::schedule::Schedule;
use super::slab::Slabs;
use super::waker::Runnable;
use super::word::Transition;
use std::future::Future;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;

/// Makes a task from a future, in one of these slabs or in memory of its own. Returns the right to run it the first
/// time, and the handle for its output.
///
/// # Safety
/// As for [`reserve`].
#[inline]
pub(super) unsafe fn allocate<F: Future, S: Schedule>(
    future: F,
    slabs: Option<&Slabs<S>>,
    scheduler: &Arc<S>,
    meta: Meta,
) -> (Runnable, JoinHandle<F::Output>) {
    // SAFETY: as the caller promises; the future is written before the task is made.
    unsafe {
        let cell = reserve::<F, S>(slabs, scheduler, meta);
        cell.future().write(future);
        cell.into_task()
    }
}

/// Makes a cell whose future is still to be written.
///
/// # Safety
/// The `Runnable` must be run and dropped only on threads that may use and drop the future, and before anything that
/// the future borrows ends. (The output goes to the join handle, whose type keeps it on such threads.)
#[inline]
pub(crate) unsafe fn reserve<F: Future, S: Schedule>(
    slabs: Option<&Slabs<S>>,
    scheduler: &Arc<S>,
    meta: Meta,
) -> Reserved<F> {
    let (header, future) = TaskCell::<F, S>::reserve(slabs, scheduler, meta);
    Reserved { header, future }
}

/// A cell whose future is still to be written.
///
/// The function to which the user passes the future writes it straight into the cell. If that function passed it on by
/// value, a build without optimizations would copy it to the stack once per call, and a large future would overflow the
/// stack.
#[must_use = "a cell that is not made a task leaks"]
pub(crate) struct Reserved<F> {
    header: NonNull<Header>,
    future: NonNull<F>,
}

impl<F: Future> Reserved<F> {
    /// Where to write the future.
    #[inline]
    pub(crate) fn future(&self) -> *mut F {
        self.future.as_ptr()
    }

    /// # Safety
    /// The future was written.
    #[inline]
    pub(crate) unsafe fn into_task(self) -> (Runnable, JoinHandle<F::Output>) {
        // SAFETY: the cell is whole. `State::new` counts a reference for the future, which the first `Runnable` stands
        // for, and one for the join handle; no other pointer to the cell exists yet.
        unsafe {
            report_transition(self.header, TaskEvent::Spawned, Transition::new);
            (Runnable::from_header(self.header), JoinHandle::from_header(self.header))
        }
    }
}

/// A future in the frame of the function to which it was passed, until it has a cell. It is passed on by reference, for
/// the same reason.
pub(crate) struct Held<F> {
    future: MaybeUninit<F>,
    is_here: bool,
}

impl<F> Held<F> {
    pub(crate) fn empty() -> Held<F> {
        Held { future: MaybeUninit::uninit(), is_here: false }
    }

    /// Where to write the future.
    ///
    /// # Safety
    /// The caller writes it there before it does anything else.
    pub(crate) unsafe fn future(&mut self) -> *mut F {
        self.is_here = true;
        self.future.as_mut_ptr()
    }

    /// Moves the future to its cell.
    ///
    /// # Safety
    /// The future is here, and there is room for it in the cell.
    pub(crate) unsafe fn move_to(&mut self, cell: *mut F) {
        debug_assert!(self.is_here, "a future was moved twice");
        self.is_here = false;
        // SAFETY: as the caller promises. The copy here is not used again.
        unsafe { cell.copy_from_nonoverlapping(self.future.as_ptr(), 1) };
    }
}

impl<F> Drop for Held<F> {
    fn drop(&mut self) {
        if self.is_here {
            // SAFETY: it was written, and not moved.
            unsafe { self.future.assume_init_drop() };
        }
    }
}
