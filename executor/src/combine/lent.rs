//! [`Lent`]: a thread-local that shows a value of a call to everything which that call calls.
//!
//! The value stays where it is, and the thread-local points to it for as long as the call lasts. So nothing is borrowed
//! while somebody looks at the value: they may make calls that lend other values meanwhile. And there is nothing to
//! destroy, so a destructor that runs when its thread ends can use it as well.
//!
//! Used by `local.rs`, for the value of a task-local in its scope, and by `cancel.rs`, for the scope of a deadline.

use std::cell::Cell;
use std::ptr::NonNull;
use std::thread::LocalKey;

/// A pointer to the value that is lent on this thread, if one is.
#[doc(hidden)] // for `task_local!`
pub struct Lent<T>(Cell<Option<NonNull<T>>>);

impl<T> Lent<T> {
    #[doc(hidden)] // for `task_local!`
    pub const fn new() -> Lent<T> {
        Lent(Cell::new(None))
    }
}

/// Calls `f` while `value` is the one that is lent on this thread, or while none is.
pub(crate) fn lend<T, R>(lent: &'static LocalKey<Lent<T>>, value: Option<&T>, f: impl FnOnce() -> R) -> R {
    struct Back<T: 'static> {
        lent: &'static LocalKey<Lent<T>>,
        before: Option<NonNull<T>>,
    }

    impl<T> Drop for Back<T> {
        fn drop(&mut self) {
            self.lent.with(|lent| lent.0.set(self.before));
        }
    }

    let before = lent.with(|lent| lent.0.replace(value.map(NonNull::from)));
    let _back = Back { lent, before };
    f()
}

/// Shows `f` the value that is lent on this thread.
pub(crate) fn with_lent<T, R>(lent: &'static LocalKey<Lent<T>>, f: impl FnOnce(Option<&T>) -> R) -> R {
    let value = lent.with(|lent| lent.0.get());
    // SAFETY: `lend` set the pointer, from a reference that it borrows until it returns; before that, it takes the
    // pointer back. It is a call below this one on the stack of the same thread, so it has not returned, nor does it
    // before `f` has. Meanwhile nobody has the value mutably: `lend` has it borrowed.
    f(value.map(|value| unsafe { value.as_ref() }))
}
