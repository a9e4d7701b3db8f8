//! How many operations a task may do in one poll before it has to let the others run.
//!
//! A socket that is always ready never returns `Pending` by itself, so its task would keep the
//! thread for ever. Each operation that succeeds takes one unit; when none is left, the operation
//! wakes its own task and returns `Pending`. An executor calls [`reset`] before each poll of a
//! task. Under one that does not, the counter refills itself when it runs out: one yield in
//! [`OPERATIONS`] operations, and still no starvation.

use crate::leaf;
use std::cell::Cell;
use std::task::{Context, Poll};

/// Operations a task may do in one poll.
pub const OPERATIONS: u8 = 128;

/// What a task waits for that has none left.
pub const SPENT: &str = "its next turn, as it has done 128 operations in this one";

thread_local! {
    static LEFT: Cell<u8> = const { Cell::new(OPERATIONS) };
}

/// Gives the task that is about to be polled its full budget.
///
/// For executors: call it before each poll. It costs one store.
///
/// ```
/// use std::{future::Future, pin::Pin, task::{Context, Poll}};
///
/// fn run_once(task: Pin<&mut dyn Future<Output = ()>>, cx: &mut Context<'_>) -> Poll<()> {
///     reactor::budget::reset();
///     task.poll(cx)
/// }
/// ```
#[inline]
pub fn reset() {
    LEFT.set(OPERATIONS);
}

/// Ready while the task may go on; otherwise its waker has been called and it should return.
///
/// For leaf futures: ask before an operation that may succeed at once, and [`spend`] when it did.
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    if LEFT.get() > 0 {
        return Poll::Ready(());
    }
    LEFT.set(OPERATIONS);
    cx.waker().wake_by_ref();
    leaf::pending(|| SPENT.into());
    Poll::Pending
}

/// Takes one unit, for an operation that succeeded.
#[inline]
pub fn spend() {
    LEFT.set(LEFT.get().saturating_sub(1));
}
