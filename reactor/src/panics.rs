//! Steps that all have to be done although some of them panic: wakers of others, destructors.
//!
//! Foreign code can panic, in a waker as anywhere, and the payload of a panic can panic again when it is dropped. Where
//! several such steps follow each other, a panic must neither skip the rest nor meet another one on its way up, which
//! would abort the process. [`FirstPanic`] keeps the first panic until all steps are done; the others are
//! [`discard`]ed.
//!
//! Used by both crates wherever they call several wakers in a row or drop a user's value that was not taken.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;
use std::thread;

/// Keeps the first panic of several steps and passes it on when it is dropped, after the last step.
///
/// If the thread is unwinding already when it is dropped, the panic is discarded: a second one would abort the process.
///
/// ```
/// use reactor::panics::FirstPanic;
///
/// let mut done = 0;
/// let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
///     let mut steps = FirstPanic::default();
///     steps.catch(|| panic!("the first"));
///     steps.catch(|| panic!("the second"));
///     steps.catch(|| done += 1);
/// }));
/// assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"the first"));
/// assert_eq!(done, 1);
/// ```
#[derive(Default)]
pub struct FirstPanic(Option<Box<dyn Any + Send>>);

impl FirstPanic {
    /// Does a step. Its panic is kept if it is the first one.
    #[inline]
    pub fn catch(&mut self, step: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(step)) {
            self.keep(panic);
        }
    }

    #[cold]
    fn keep(&mut self, panic: Box<dyn Any + Send>) {
        match self.0 {
            None => self.0 = Some(panic),
            Some(_) => discard(panic),
        }
    }
}

impl Drop for FirstPanic {
    #[inline]
    fn drop(&mut self) {
        if let Some(panic) = self.0.take() {
            match thread::panicking() {
                true => discard(panic),
                false => resume_unwind(panic),
            }
        }
    }
}

/// Calls all wakers, whether or not some of them panic.
///
/// # Panics
/// When a waker does and the thread is not unwinding already; after all have been called.
pub fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    let mut calls = FirstPanic::default();
    wakers.into_iter().for_each(|waker| calls.catch(|| waker.wake()));
}

/// Drops a value. If its destructor panics, the panic ends here, and its payload is leaked: dropping that could panic
/// again.
pub fn discard<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value))).map_err(std::mem::forget);
}
