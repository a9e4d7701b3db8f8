//! The reactor's events, for whoever wants to watch.
//!
//! Implement [`Observer`], hand it to [`Reactor::with`](crate::Reactor::with) and every event of
//! that reactor is shown to it, in order, on the thread where it happens and outside of every
//! lock. With no observer an event costs one predictable branch.

pub use crate::readiness::Direction;

use crate::readiness::Readiness;
use std::fmt;
use std::os::fd::RawFd;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Numbers the sources of one reactor in the order in which they were registered, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u64);

/// Numbers the timers of one reactor in the order in which they were set, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(pub u64);

impl fmt::Debug for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source {}", self.0)
    }
}

impl fmt::Debug for TimerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timer {}", self.0)
    }
}

/// Watches a reactor. Every method is empty by default: implement those that you need.
///
/// A method runs on the thread on which the event happens and holds that thread up for as long as
/// it takes. It must not panic and must not call back into the runtime; reading the clock with
/// [`time::now`](crate::time::now) is fine.
///
/// ```
/// use reactor::{Observer, Reactor, backend, observer::TimerId};
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
///
/// #[derive(Default)]
/// struct CountsTimers(AtomicU32);
///
/// impl Observer for CountsTimers {
///     fn timer_fired(&self, _: TimerId) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// let fired = Arc::new(CountsTimers::default());
/// let reactor = Reactor::with(backend::operating_system().unwrap(), Some(fired.clone()));
/// ```
#[allow(unused_variables)]
pub trait Observer: Send + Sync {
    /// A file descriptor was registered; -1 stands for a socket of a simulated network.
    fn source_added(&self, source: SourceId, fd: RawFd) {}
    /// A source was deregistered; its file descriptor is about to be closed or given back.
    fn source_removed(&self, source: SourceId) {}
    /// A task left its waker at a source, because an operation would have blocked.
    fn source_waits(&self, source: SourceId, direction: Direction) {}
    /// A future that had left a waker at a source was dropped, and took it back.
    fn source_left(&self, source: SourceId, direction: Direction) {}
    /// The backend reported a source ready; `woken` waiters are about to be woken.
    fn source_ready(&self, source: SourceId, readiness: Readiness, woken: usize) {}
    /// A timer was set by the call at `place`.
    fn timer_set(&self, timer: TimerId, deadline: Instant, place: &'static Location<'static>) {}
    /// A timer was dropped before its time, or its deadline was moved: then another one is set for the new deadline, unless
    /// that has passed.
    fn timer_cancelled(&self, timer: TimerId) {}
    /// A timer's deadline came; its waiter is about to be woken.
    fn timer_fired(&self, timer: TimerId) {}
    /// The thread is about to wait on the backend: for ever on `None`, only looking on zero.
    fn wait_begins(&self, timeout: Option<Duration>) {}
    /// The wait is over; so many sources were reported ready and so many timers are due.
    fn wait_ends(&self, sources: usize, timers: usize) {}
    /// Another thread, or a timer set on one, interrupted the wait.
    fn notified(&self) {}
}

/// Implements methods of an observer for a pair of them.
#[doc(hidden)]
#[macro_export]
macro_rules! both_observers {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {$(
        fn $method(&self, $($name: $type),*) {
            self.0.$method($($name),*);
            self.1.$method($($name),*);
        }
    )*};
}
#[doc(hidden)]
pub use both_observers as both;

/// Two observers are one, which shows all to the first and then to the second.
impl<A: Observer + ?Sized, B: Observer + ?Sized> Observer for (Arc<A>, Arc<B>) {
    both! {
        source_added(source: SourceId, fd: RawFd);
        source_removed(source: SourceId);
        source_waits(source: SourceId, direction: Direction);
        source_left(source: SourceId, direction: Direction);
        source_ready(source: SourceId, readiness: Readiness, woken: usize);
        timer_set(timer: TimerId, deadline: Instant, place: &'static Location<'static>);
        timer_cancelled(timer: TimerId);
        timer_fired(timer: TimerId);
        wait_begins(timeout: Option<Duration>);
        wait_ends(sources: usize, timers: usize);
        notified();
    }
}
