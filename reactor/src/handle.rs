//! [`Handle`]: a reactor as sockets, timers and other threads see it, and which reactor is current on a thread.

use crate::Reactor;
use crate::backend::Network;
use crate::entered::{Entries, Guard};
use crate::reactor::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use std::{fmt, io};

/// A reactor as sockets, timers and other threads see it. Cheap to clone; it may outlive the reactor.
///
/// ```
/// use reactor::{Handle, Reactor};
///
/// let mut reactor = Reactor::new().unwrap();
/// let handle = reactor.handle();
/// let entered = handle.enter();
/// assert!(Handle::current().is_some()); // sockets and timers on this thread use it
/// drop(entered);
/// assert!(Handle::current().is_none());
///
/// let notifier = std::thread::spawn(move || handle.notify());
/// reactor.turn(None).unwrap(); // would wait forever
/// notifier.join().unwrap();
/// ```
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

impl Reactor {
    /// A handle to this reactor, for sockets, timers and other threads.
    pub fn handle(&self) -> Handle {
        Handle(self.shared.clone())
    }
}

thread_local! {
    static ENTERED: Entries<Handle> = const { Entries::new() };
}

impl Handle {
    /// The current reactor of this thread: the one that was entered last.
    pub fn current() -> Option<Handle> {
        Handle::with_current(|current| current.cloned())
    }

    /// Calls `f` with the current reactor of this thread, without taking a reference. `f` must not enter or leave one.
    pub(crate) fn with_current<R>(f: impl FnOnce(Option<&Handle>) -> R) -> R {
        ENTERED.with(|entered| entered.with_current(f))
    }

    /// Makes this the reactor that sockets and timers on this thread use, until the guard is dropped.
    ///
    /// The reactor that was entered last is current. Guards may be dropped in any order:
    ///
    /// ```
    /// use reactor::{Handle, Reactor};
    ///
    /// let (first, second) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    /// let entered_first = first.handle().enter();
    /// let entered_second = second.handle().enter();
    /// drop(entered_first);
    /// assert_eq!(Handle::current(), Some(second.handle()));
    /// drop(entered_second);
    /// assert_eq!(Handle::current(), None);
    /// ```
    pub fn enter(&self) -> Entered {
        Entered { _guard: Entries::enter(&ENTERED, self.clone()) }
    }

    /// Ends the current wait of the reactor, or the next one if it is not waiting. May be called from any thread.
    pub fn notify(&self) {
        self.0.registry.notify();
    }

    /// The current time by the reactor's clock.
    pub fn now(&self) -> Instant {
        self.0.registry.backend.now()
    }

    /// Whether the reactor's clock is simulated.
    pub fn is_simulated(&self) -> bool {
        self.0.registry.backend.is_simulated()
    }

    /// The simulated network in which its TCP sockets live; `None` if they are the system's.
    pub fn network(&self) -> Option<&Network> {
        self.0.network.as_ref()
    }

    /// Announces work outside of the reactor that may wake a task here. While the guard lives, a simulated clock stands
    /// still. On the system's clock it changes nothing.
    ///
    /// ```
    /// use reactor::{Reactor, backend::Simulation};
    /// use std::time::Duration;
    ///
    /// let mut reactor = Reactor::with(Box::new(Simulation::new()), None);
    /// let (handle, start) = (reactor.handle(), reactor.handle().now());
    /// let work = handle.hold();
    /// let worker = std::thread::spawn(move || drop(work)); // works, then releases the hold
    /// reactor.turn(Some(Duration::from_secs(60))).unwrap(); // returns once the work is done
    /// worker.join().unwrap();
    /// assert_eq!(handle.now() - start, Duration::from_secs(60));
    /// ```
    pub fn hold(&self) -> Hold {
        self.0.holds.fetch_add(1, Ordering::Relaxed);
        self.0.registry.backend.outside_work(1);
        Hold(self.clone())
    }
}

/// Two handles are equal if they belong to the same reactor.
impl PartialEq for Handle {
    fn eq(&self, other: &Handle) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Handle {}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("sources", &self.0.registry.source_count.load(Ordering::Relaxed))
            .field("timers", &self.0.timers.count())
            .finish_non_exhaustive()
    }
}

/// While it lives, a reactor is entered on this thread. Made by [`Handle::enter`].
#[must_use = "the reactor is current only as long as this guard lives"]
pub struct Entered {
    _guard: Guard<Handle>,
}

/// Work outside of the reactor. Made by [`Handle::hold`].
pub struct Hold(Handle);

impl Drop for Hold {
    fn drop(&mut self) {
        let shared = &*self.0.0;
        shared.registry.backend.outside_work(-1);
        // This comes after the wakes that the work has made: a thread that sees the hold released sees those wakes as
        // well.
        if shared.holds.fetch_sub(1, Ordering::SeqCst) == 1 && shared.last_hold_notifies.swap(false, Ordering::SeqCst) {
            shared.registry.notify();
        }
    }
}

/// The current reactor of this thread, or an error that says what is missing.
pub(crate) fn current_or_error(what: &str) -> io::Result<Handle> {
    Handle::current().ok_or_else(|| {
        io::Error::other(format!(
            "{what} needs a runtime on this thread: call it from inside of executor::block_on(async {{ … }}); or, on \
             an executor of your own, give its threads a reactor: let _entered = reactor.handle().enter()"
        ))
    })
}
