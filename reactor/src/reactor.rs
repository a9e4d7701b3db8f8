//! The reactor: waits for sources and timers, and wakes the tasks that wait for them.
//!
//! [`Reactor`] belongs to the one thread that turns it. What other threads use of it is in `handle.rs`; its sources are
//! in `source.rs`, its timers in `time/timers.rs`.

use crate::backend::{self, Backend, Event, Network, Readiness};
use crate::cause::{Cause, Wake};
use crate::observer::{Detail, Observer};
use crate::source::{AWAKE, Registry, Reported};
use crate::time::queue::Fired;
use crate::time::timers::Timers;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

/// Waits for readiness and time, and wakes the tasks that wait for them.
///
/// ```
/// use reactor::{Reactor, time::{Duration, sleep}};
/// use std::{future::Future, pin::pin, task::{Context, Waker}};
///
/// let mut reactor = Reactor::new().unwrap();
/// assert!(reactor.is_idle());
/// let _current = reactor.handle().enter();
/// let mut sleep = pin!(sleep(Duration::from_millis(5)));
/// assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
/// assert!(!reactor.is_idle());
/// assert_eq!(reactor.turn(Some(Duration::ZERO)).unwrap(), 0); // does not wait: the timer is not due
/// assert_eq!(reactor.turn(None).unwrap(), 1); // waits for it
/// ```
pub struct Reactor {
    pub(crate) shared: Arc<Shared>,
    // Kept between turns for their capacity; empty outside of `turn`.
    events: Vec<Event>,
    fired: Vec<Fired>,
    reported: Vec<Reported>,
    wakers: Vec<Waker>,
}

/// What the reactor and its handles share.
pub(crate) struct Shared {
    pub(crate) registry: Arc<Registry>,
    pub(crate) timers: Timers,
    /// Where TCP sockets live, if not in the system.
    pub(crate) network: Option<Network>,
    /// How many [`Hold`](crate::Hold)s there are.
    pub(crate) holds: AtomicUsize,
    /// Whether dropping the last hold must interrupt the wait.
    pub(crate) last_hold_notifies: AtomicBool,
}

impl Reactor {
    /// A reactor on the operating system's readiness queue.
    ///
    /// # Errors
    /// When the system has no file descriptor left for it.
    pub fn new() -> io::Result<Reactor> {
        Ok(Reactor::with(backend::operating_system()?, None))
    }

    /// A reactor on any backend. `observer` is shown each of its events.
    pub fn with(backend: Box<dyn Backend>, observer: Option<Arc<dyn Observer>>) -> Reactor {
        let network = backend.network();
        let registry = Arc::new(Registry::new(backend, observer));
        let timers = Timers::new(registry.clone());
        let (holds, last_hold_notifies) = Default::default();
        let (events, fired, reported, wakers) = Default::default();
        let shared = Arc::new(Shared { registry, timers, network, holds, last_hold_notifies });
        Reactor { shared, events, fired, reported, wakers }
    }

    /// Whether nothing is registered and no timer is set, so that only [`notify`](crate::Handle::notify) could end a
    /// wait. Sockets of a simulated network count only while something is on its way in that network.
    #[inline]
    pub fn is_idle(&self) -> bool {
        let Shared { registry, timers, network, .. } = &*self.shared;
        let is_quiet =
            || network.as_ref().is_some_and(Network::is_quiet) && !registry.is_crowded.load(Ordering::Relaxed);
        timers.count() == 0 && (registry.source_count.load(Ordering::Relaxed) == 0 || is_quiet())
    }

    /// Whether work elsewhere may wake a task here: see [`Handle::hold`](crate::Handle::hold). If so, the end of that
    /// work interrupts the next wait.
    pub fn is_held(&self) -> bool {
        let Shared { holds, last_hold_notifies, .. } = &*self.shared;
        holds.load(Ordering::SeqCst) > 0 && {
            last_hold_notifies.store(true, Ordering::SeqCst);
            holds.load(Ordering::SeqCst) > 0 // again: the last hold may have been released before it could see the flag
        }
    }

    /// Waits until a source is ready, a timer is due, [`notify`](crate::Handle::notify) is called or `timeout` has
    /// passed. Then wakes the tasks that wait for what happened: timers in the order of their deadlines, then sources
    /// in the order in which the backend reported them. With a timeout of zero it polls without waiting; with `None` it
    /// waits without limit. Returns how many wakers it called, which may be none.
    ///
    /// # Errors
    /// Errors of the backend's wait. A signal is not an error; it ends the wait early.
    ///
    /// # Panics
    /// When a waker does, after all the others were called.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let Shared { registry, timers, last_hold_notifies, .. } = &*self.shared;
        let timeout = self.shared.prepare_wait(timeout);
        registry.observe(|observer| observer.wait_begins(timeout));
        let waited = registry.backend.wait(&mut self.events, timeout);
        registry.parked_until.store(AWAKE, Ordering::SeqCst);
        last_hold_notifies.store(false, Ordering::Relaxed);
        timers.take_due(&mut self.fired);
        registry.observe(|observer| observer.wait_ends(self.events.len(), self.fired.len()));
        registry.report(&mut self.events, &mut self.reported, &mut self.wakers);
        if registry.is_crowded.load(Ordering::Relaxed) {
            registry.sweep(&mut self.reported, &mut self.wakers);
        }
        let woken = self.fired.len() + self.wakers.len();
        self.wake();
        waited.map(|()| woken)
    }

    /// Calls all wakers that were collected, in order. No lock is held.
    fn wake(&mut self) {
        let Reactor { shared, fired, reported, wakers, .. } = self;
        let mut wake = Wake::default();
        for Fired { timer, waker } in fired.drain(..) {
            shared.registry.observe(|observer| observer.timer_fired(timer));
            wake.call(Cause::Timer(timer), waker);
        }
        let mut wakers = wakers.drain(..);
        for Reported { source, readiness, word, woken } in reported.drain(..) {
            if let Some(word) = word {
                let show = |observer: &dyn Observer| observer.source_ready(source, readiness, woken);
                shared.registry.observe(|observer| Detail::Word(word).during(|| show(observer)));
            }
            wakers.by_ref().take(woken).for_each(|waker| wake.call(Cause::Source(source), waker));
        }
    }
}

impl Shared {
    /// Announces the wait to other threads and returns its timeout: the given one, or less if a timer is due earlier.
    fn prepare_wait(&self, timeout: Option<Duration>) -> Option<Duration> {
        if timeout == Some(Duration::ZERO) {
            return timeout;
        }
        let next_timer = self.timers.announce_park();
        // A source that became crowded before the announcement is seen here; one that becomes crowded after it
        // interrupts the wait.
        if self.registry.is_crowded.load(Ordering::SeqCst) {
            return Some(Duration::ZERO);
        }
        let Some(deadline) = next_timer else { return timeout };
        let until_timer = deadline.saturating_duration_since(self.registry.backend.now());
        Some(timeout.map_or(until_timer, |timeout| timeout.min(until_timer)))
    }
}

impl Drop for Reactor {
    /// Wakes every task that still waits for a source or a timer. Its operation returns an error instead of waiting
    /// forever.
    fn drop(&mut self) {
        let Shared { registry, timers, .. } = &*self.shared;
        timers.close();
        let mut wake = Wake::default();
        for source in registry.close() {
            source.report(Readiness::ORPHANED, &mut self.wakers);
            self.wakers.drain(..).for_each(|waker| wake.call(Cause::Source(source.id), waker));
        }
        timers.take_all().into_iter().for_each(|Fired { timer, waker }| wake.call(Cause::Timer(timer), waker));
    }
}
