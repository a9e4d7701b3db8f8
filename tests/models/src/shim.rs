//! What a file under the model checker uses instead of std's: the counterpart of `executor/src/shim.rs`.
//!
//! Its cells have the interface of [`loom::cell::UnsafeCell`]: `with` and `with_mut` take a closure. For the same file
//! to compile without loom, wrap std's as `executor/src/shim.rs` does.

pub use loom::cell::UnsafeCell;
pub use loom::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize,
    Ordering, fence,
};
pub use loom::sync::{Condvar, Mutex, MutexGuard, RwLock};

/// The budget of a poll, which is never spent: no task of a model works so long that it would have to let others run.
pub mod budget {
    use std::task::{Context, Poll};

    pub use reactor::budget::Deferral;

    /// Always `false`.
    pub fn is_spent() -> bool {
        false
    }

    /// Always ready: the task may continue.
    pub fn poll_proceed(_: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Takes nothing.
    pub fn spend() {}

    /// Takes nothing, and always succeeds.
    pub fn try_take() -> bool {
        true
    }

    /// Takes nothing.
    pub async fn take() {}

    /// What [`enter`] returns.
    #[derive(Debug)]
    #[must_use = "a budget ends with this"]
    pub struct Entered;

    /// Changes nothing.
    pub fn enter() -> Entered {
        Entered
    }
}

/// Makes a cell of a union and leaves the union uninitialized: loom's cell has state besides its value.
///
/// # Safety
/// There is room for the cell, and `T` is a union.
pub unsafe fn make_vacant<T>(cell: *mut UnsafeCell<T>) {
    // SAFETY: there is room for the cell, and a union may be uninitialized.
    unsafe {
        #[expect(clippy::uninit_assumed_init, reason = "T is a union")]
        cell.write(UnsafeCell::new(std::mem::MaybeUninit::uninit().assume_init()));
    }
}

/// As [`std::thread_local`], with a `const` initializer, which std's macro accepts and loom's does not.
#[doc(hidden)]
#[macro_export]
macro_rules! model_thread_local {
    ($(#[$meta:meta])* static $name:ident: $type:ty = const { $value:expr };) => {
        $crate::loom::thread_local! { $(#[$meta])* static $name: $type = $value; }
    };
}
pub use crate::model_thread_local as thread_local;

/// Runs a unit test of a checked file. Loom's types work only inside a model.
#[doc(hidden)]
pub fn model(body: impl Fn() + Sync + Send + 'static) {
    crate::every_interleaving(body);
}
