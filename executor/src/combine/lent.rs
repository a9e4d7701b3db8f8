//! [`Lent`]: a thread-local that gives access to a value for the duration of a call.
//!
//! The value stays where it is, and the thread-local points to it while the call runs. Nothing is borrowed from the
//! thread-local while code uses the value, so that code may make calls that lend other values. And the thread-local has
//! no destructor, so destructors that run at the end of the thread can use it as well.
//!
//! Used by `local.rs`, for the value of a task-local in its scope, and by `cancel.rs`, for the scope of a deadline.

use std::cell::Cell;
use std::ptr::NonNull;
use std::thread::LocalKey;

/// A pointer to the value that is lent on this thread, if there is one.
#[doc(hidden)] // for `task_local!`
pub struct Lent<T>(Cell<Option<NonNull<T>>>);

impl<T> Lent<T> {
    #[doc(hidden)] // for `task_local!`
    pub const fn new() -> Lent<T> {
        Lent(Cell::new(None))
    }
}

/// Calls `f` with `value` lent on this thread; with nothing lent if it is `None`. Restores the previous value
/// afterwards.
pub(crate) fn lend<T, R>(lent: &'static LocalKey<Lent<T>>, value: Option<&T>, f: impl FnOnce() -> R) -> R {
    struct Restore<T: 'static> {
        lent: &'static LocalKey<Lent<T>>,
        before: Option<NonNull<T>>,
    }

    impl<T> Drop for Restore<T> {
        fn drop(&mut self) {
            self.lent.with(|lent| lent.0.set(self.before));
        }
    }

    let before = lent.with(|lent| lent.0.replace(value.map(NonNull::from)));
    let _restore = Restore { lent, before };
    f()
}

/// Calls `f` with the value that is lent on this thread.
pub(crate) fn with_lent<T, R>(lent: &'static LocalKey<Lent<T>>, f: impl FnOnce(Option<&T>) -> R) -> R {
    let value = lent.with(|lent| lent.0.get());
    // SAFETY: `lend` set the pointer from a reference that it borrows until it returns, and it takes the pointer back
    // before that. `lend` is a call further up this thread's stack, so it does not return before `f` has. Meanwhile the
    // value is not borrowed mutably, because `lend` borrows it.
    f(value.map(|value| unsafe { value.as_ref() }))
}
