//! The reactor's events, and [`Observer`], which is shown them.
//!
//! Pass an observer to [`Reactor::with`](crate::Reactor::with), and it is shown every event of that reactor, in order,
//! on the thread where the event happens and outside of every lock. Without an observer an event costs one predictable
//! branch.

pub use crate::readiness::Direction;

use crate::readiness::Readiness;
use std::cell::Cell;
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

/// Is shown the events of a reactor. Every method is empty by default: implement those that you need.
///
/// A method runs on the thread on which the event happens and delays that thread for as long as it takes. It must not
/// panic and must not call into the runtime, except to read the clock with [`time::now`](crate::time::now).
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
    /// A source was registered. `fd` is -1 for a socket of a simulated network.
    fn source_added(&self, source: SourceId, fd: RawFd) {}
    /// A source was deregistered. Its file descriptor is about to be closed or returned to the program.
    fn source_removed(&self, source: SourceId) {}
    /// A task became a waiter of a source, because an operation would have blocked.
    fn source_waits(&self, source: SourceId, direction: Direction) {}
    /// A future that waited at a source was dropped, and its waker removed.
    fn source_left(&self, source: SourceId, direction: Direction) {}
    /// The backend reported a source as ready. `woken` waiters are about to be woken.
    fn source_ready(&self, source: SourceId, readiness: Readiness, woken: usize) {}
    /// A timer was set, for a future created at `location`.
    fn timer_set(&self, timer: TimerId, deadline: Instant, location: &'static Location<'static>) {}
    /// A timer was dropped before its deadline, or its deadline was moved. In the second case another timer is set,
    /// unless the new deadline has passed.
    fn timer_cancelled(&self, timer: TimerId) {}
    /// The deadline of a timer has passed. Its task is about to be woken.
    fn timer_fired(&self, timer: TimerId) {}
    /// The reactor is about to wait on the backend, without limit if `timeout` is `None`. A timeout of zero is a poll
    /// that does not wait.
    fn wait_begins(&self, timeout: Option<Duration>) {}
    /// The wait is over. The backend reported `sources` events, and `timers` timers are due.
    fn wait_ends(&self, sources: usize, timers: usize) {}
    /// The wait was interrupted, by another thread or for a timer that another thread has set.
    fn notified(&self) {}
}

/// The readiness word of a source: see `reactor/src/readiness.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadinessWord {
    /// What the source is ready for, as far as is known.
    pub readiness: Readiness,
    /// How many reports of the backend it has counted; it wraps around at `usize::MAX / 256`.
    pub reports: usize,
}

impl ReadinessWord {
    /// The word of the source as it is at the event that is shown on this thread, if that is `source_ready` or
    /// `source_waits`.
    ///
    /// ```
    /// use reactor::observer::{Direction, ReadinessWord, SourceId};
    /// use reactor::{Observer, Reactor, backend, backend::Readiness, io::Async};
    /// use std::{future::Future, os::unix::net::UnixStream, pin::pin, sync::{Arc, Mutex}, task::{Context, Waker}};
    ///
    /// #[derive(Default)]
    /// struct Words(Mutex<Vec<Readiness>>);
    ///
    /// impl Observer for Words {
    ///     fn source_waits(&self, _: SourceId, _: Direction) {
    ///         self.0.lock().unwrap().extend(ReadinessWord::current().map(|word| word.readiness));
    ///     }
    /// }
    ///
    /// let words = Arc::new(Words::default());
    /// let reactor = Reactor::with(backend::operating_system()?, Some(words.clone()));
    /// let _current = reactor.handle().enter();
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let stream = Async::new(stream)?;
    /// let receives = pin!(stream.readable());
    /// assert!(receives.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    /// // A new source is assumed to be ready; its owner has found that a read would block, and cleared READABLE.
    /// assert_eq!(*words.0.lock().unwrap(), [Readiness::WRITABLE]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn current() -> Option<ReadinessWord> {
        match DETAIL.get() {
            Some(Detail::Word(word)) => Some(word),
            _ => None,
        }
    }
}

/// A slot of the timer wheel: see `reactor/src/time/queue.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WheelSlot {
    /// The wheel, from 0: one slot of wheel n is 64ⁿ ticks.
    pub wheel: u8,
    /// The slot, from 0 to 63.
    pub slot: u8,
}

impl WheelSlot {
    /// The slot into which the timer was put, if the event that is shown on this thread is `timer_set`.
    ///
    /// ```
    /// use reactor::observer::{TimerId, WheelSlot};
    /// use reactor::{Observer, Reactor, backend, time::{Duration, Instant, sleep}};
    /// use std::{future::Future, panic::Location, pin::pin, sync::{Arc, Mutex}, task::{Context, Waker}};
    ///
    /// #[derive(Default)]
    /// struct Wheels(Mutex<Vec<u8>>);
    ///
    /// impl Observer for Wheels {
    ///     fn timer_set(&self, _: TimerId, _: Instant, _: &'static Location<'static>) {
    ///         self.0.lock().unwrap().extend(WheelSlot::current().map(|slot| slot.wheel));
    ///     }
    /// }
    ///
    /// let wheels = Arc::new(Wheels::default());
    /// let reactor = Reactor::with(backend::operating_system()?, Some(wheels.clone()));
    /// let _current = reactor.handle().enter();
    /// let hour = pin!(sleep(Duration::from_secs(3600)));
    /// assert!(hour.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    /// assert_eq!(*wheels.0.lock().unwrap(), [3]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn current() -> Option<WheelSlot> {
        match DETAIL.get() {
            Some(Detail::Slot(slot)) => Some(slot),
            _ => None,
        }
    }
}

/// What an observer can read at an event, in addition to the arguments of its method.
#[derive(Clone, Copy)]
pub(crate) enum Detail {
    Word(ReadinessWord),
    Slot(WheelSlot),
}

thread_local! {
    /// The detail of the event that is shown on this thread.
    static DETAIL: Cell<Option<Detail>> = const { Cell::new(None) };
}

impl Detail {
    /// Calls `show`, which shows an event, with this as its detail.
    pub(crate) fn during(self, show: impl FnOnce()) {
        /// Restores the detail of an outer event, whether the observer returns or unwinds.
        struct Back(Option<Detail>);
        impl Drop for Back {
            fn drop(&mut self) {
                DETAIL.set(self.0);
            }
        }
        let _back = Back(DETAIL.replace(Some(self)));
        show();
    }
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

/// A pair of observers is one observer: it shows each event to the first and then to the second.
impl<A: Observer + ?Sized, B: Observer + ?Sized> Observer for (Arc<A>, Arc<B>) {
    both! {
        source_added(source: SourceId, fd: RawFd);
        source_removed(source: SourceId);
        source_waits(source: SourceId, direction: Direction);
        source_left(source: SourceId, direction: Direction);
        source_ready(source: SourceId, readiness: Readiness, woken: usize);
        timer_set(timer: TimerId, deadline: Instant, location: &'static Location<'static>);
        timer_cancelled(timer: TimerId);
        timer_fired(timer: TimerId);
        wait_begins(timeout: Option<Duration>);
        wait_ends(sources: usize, timers: usize);
        notified();
    }
}
