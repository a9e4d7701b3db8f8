//! Who is calling wakers right now: the answer to "why did this task wake?".
//!
//! [`Reactor::turn`](crate::Reactor::turn) names the source or the timer before it calls a waker.
//! An executor that wants to report why a task became ready asks [`current`] from inside the wake.

use crate::observer::{SourceId, TimerId};
use crate::panics::FirstPanic;
use std::cell::Cell;
use std::task::Waker;

/// What the reactor is waking wakers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A file descriptor became ready, or was closed under its waiters.
    Source(SourceId),
    /// A timer's deadline came.
    Timer(TimerId),
}

thread_local! {
    static CURRENT: Cell<Option<Cause>> = const { Cell::new(None) };
}

/// The cause of the wake that is under way on this thread; `None` when the reactor isn't the one
/// that wakes.
///
/// ```
/// use reactor::{Reactor, cause::{self, Cause}, time::{Duration, sleep}};
/// use std::{future::Future, pin::pin, task::Context};
///
/// let mut reactor = Reactor::new().unwrap();
/// let _current = reactor.handle().enter();
/// let waker = waker_fn::waker_fn(|| assert!(matches!(cause::current(), Some(Cause::Timer(_)))));
/// let mut sleep = pin!(sleep(Duration::from_millis(1)));
/// assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
/// while reactor.turn(None).unwrap() == 0 {}
/// assert_eq!(cause::current(), None);
/// ```
pub fn current() -> Option<Cause> {
    CURRENT.get()
}

fn set(cause: Option<Cause>) {
    CURRENT.set(cause);
}

/// Calls wakers, with their cause announced. One that panics does not keep the others from being
/// called: the first panic goes on when all are.
#[derive(Default)]
pub(crate) struct Wake {
    calls: FirstPanic,
}

impl Wake {
    pub(crate) fn call(&mut self, cause: Cause, waker: Waker) {
        set(Some(cause));
        self.calls.catch(|| waker.wake());
    }
}

impl Drop for Wake {
    /// The panic goes on after this, as `calls` is dropped.
    fn drop(&mut self) {
        set(None);
    }
}
