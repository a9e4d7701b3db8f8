//! The atomics, locks, cells and thread-locals that tasks, `sync` and the run queue are built on.
//!
//! `task/`, `sync/` and `schedule/run_queue.rs` import them from here instead of from `std`. The model checks compile
//! the same files against a module of the same name with loom's types, so those files need no `cfg`.

pub(crate) use reactor::budget;
pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use std::thread_local;

/// [`std::cell::UnsafeCell`] with the interface of loom's, which checks each access.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        UnsafeCell(std::cell::UnsafeCell::new(value))
    }

    /// Gives read access to the value. The code that dereferences the pointer must justify it.
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Gives write access to the value. The code that dereferences the pointer must justify it.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// Initializes the memory at `cell` as a cell of a union without a value. It is done in place, because a cell passed by
/// value would take space on the stack.
///
/// # Safety
/// `cell` points to memory of the cell's size and alignment, and `T` is a union.
#[inline(always)]
pub(crate) unsafe fn make_vacant<T>(cell: *mut UnsafeCell<T>) {
    let _ = cell; // this UnsafeCell has nothing besides its contents, and a union needs no initialization
}

/// Runs a unit test of a file that is also compiled for the model checker, where the test body is a model.
#[cfg(test)]
pub(crate) fn model(body: impl Fn() + Sync + Send + 'static) {
    body();
}
