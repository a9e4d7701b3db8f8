//! The atomics, cells and thread-locals that the task is built on.
//!
//! They have this module to themselves so that the model checker can put its own in their place:
//! `tests/models/` compiles the very files of `task/`, `sync/` and `run_queue.rs` against loom's, without a
//! `cfg` in them.

pub(crate) use reactor::budget;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use std::thread_local;

/// [`std::cell::UnsafeCell`] with the interface of loom's, which sees who accesses it when.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    /// A look at the value. Whoever dereferences the pointer answers for it.
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// The value, to change it. Whoever dereferences the pointer answers for it.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Makes a cell of a union with nothing in it, where it is to be: not by value, which takes room on the stack.
///
/// # Safety
/// There is room for the cell, and `T` is a union.
#[inline(always)]
pub(crate) unsafe fn make_vacant<T>(cell: *mut UnsafeCell<T>) {
    let _ = cell; // the cell is what is in it
}
