//! What a waker is being called for: the answer to "why was this task woken?".
//!
//! [`Reactor::turn`](crate::Reactor::turn) sets the source or the timer before it calls a waker. An executor that
//! reports the causes of wakes calls [`current`] from inside the wake.

use crate::observer::{SourceId, TimerId};
use crate::panics::FirstPanic;
use std::cell::Cell;
use std::task::Waker;

/// What the reactor calls a waker for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A source became ready, was swept, or lost its reactor.
    Source(SourceId),
    /// The deadline of a timer has passed.
    Timer(TimerId),
}

thread_local! {
    static CURRENT: Cell<Option<Cause>> = const { Cell::new(None) };
}

/// The cause of the wake in progress on this thread; `None` unless the reactor calls the waker.
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

/// Calls wakers, each with its cause set. If some of them panic, all are called, and then the first panic resumes.
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
    /// The panic resumes after this, when `calls` is dropped.
    fn drop(&mut self) {
        set(None);
    }
}
