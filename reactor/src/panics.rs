//! Steps that must all be done although some of them panic, such as calling wakers and running destructors.
//!
//! Foreign code can panic in a waker, and the payload of a panic can panic when it is dropped. Where several such steps
//! follow each other, a panic must not skip the rest. Nor may it meet a second one while it unwinds, which would abort
//! the process. [`FirstPanic`] keeps the first panic until all steps are done and [discards](discard) the others.
//!
//! Used by this crate and the executor where they call several wakers in a row or drop a user's value.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;
use std::thread;

/// Keeps the first panic of several steps and resumes it when dropped, after the last step.
///
/// If the thread is unwinding already, the kept panic is discarded: a second one would abort the process.
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
    /// Runs a step and catches its panic.
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
/// When a waker does, after all were called; unless the thread is unwinding already.
pub fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    let mut calls = FirstPanic::default();
    wakers.into_iter().for_each(|waker| calls.catch(|| waker.wake()));
}

/// Drops a value and ends a panic of its destructor. The payload of that panic is leaked, because dropping it could
/// panic again.
pub fn discard<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value))).map_err(std::mem::forget);
}
