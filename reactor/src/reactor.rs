//! The reactor: a table of sources, a queue of timers, and a place to wait for both.
//!
//! [`Reactor`] belongs to the one thread that turns it. [`Handle`] is everybody's: sockets and
//! timers keep one, and other threads interrupt a wait through it.

use crate::backend::{self, Backend, Event, Network, Readiness, Token};
use crate::cause::{Cause, Wake};
use crate::entered::{Entries, Guard};
use crate::lock;
use crate::observer::{Observer, SourceId};
use crate::source::{Source, Watched, orphaned};
use crate::time::queue::{Fired, TimerQueue};
use crate::time::ticks::Ticks;
use slab::Slab;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};
use std::{fmt, io};

/// Waits for readiness and time, and wakes whom they concern.
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
/// assert_eq!(reactor.turn(Some(Duration::ZERO)).unwrap(), 0); // a look: it is not due yet
/// assert_eq!(reactor.turn(None).unwrap(), 1); // waits for it
/// ```
pub struct Reactor {
    shared: Arc<Shared>,
    // Kept between turns for their capacity; empty outside of `turn`.
    events: Vec<Event>,
    fired: Vec<Fired>,
    reported: Vec<Reported>,
    wakers: Vec<Waker>,
}

/// A source that the backend reported, or that was swept; so many of the wakers that were collected are its own.
struct Reported {
    source: SourceId,
    /// Empty if it was swept.
    readiness: Readiness,
    woken: usize,
}

impl Reactor {
    /// A reactor on the operating system's readiness queue.
    ///
    /// # Errors
    /// When the system has no file descriptor left for it.
    pub fn new() -> io::Result<Reactor> {
        Ok(Reactor::with(backend::operating_system()?, None))
    }

    /// A reactor on any backend, watched by `observer`.
    pub fn with(backend: Box<dyn Backend>, observer: Option<Arc<dyn Observer>>) -> Reactor {
        let ticks = if backend.is_simulated() { Ticks::exact } else { Ticks::coarse }(backend.now());
        let shared = Shared {
            ticks,
            reports_close: backend.reports_close(),
            needs_rearm: backend.needs_rearm(),
            network: backend.network(),
            backend,
            observer,
            sources: Mutex::default(),
            timers: Mutex::new(TimerQueue::new(ticks)),
            source_count: AtomicUsize::new(0),
            timer_count: AtomicUsize::new(0),
            crowded: Mutex::default(),
            is_crowded: AtomicBool::new(false),
            holds: AtomicUsize::new(0),
            tells_of_holds: AtomicBool::new(false),
            sleeps_until: AtomicU64::new(AWAKE),
            elapsed: AtomicU64::new(0),
        };
        let (events, fired, reported, wakers) = Default::default();
        Reactor { shared: Arc::new(shared), events, fired, reported, wakers }
    }

    /// The part that others keep.
    pub fn handle(&self) -> Handle {
        Handle(self.shared.clone())
    }

    /// Whether nothing is registered and no timer is set, so that only
    /// [`notify`](Handle::notify) could end a wait. Sockets of a simulated network count only as long
    /// as something is under way in it.
    #[inline]
    pub fn is_idle(&self) -> bool {
        let Shared { source_count, timer_count, network, is_crowded, .. } = &*self.shared;
        let is_silent = || network.as_ref().is_some_and(Network::is_quiet) && !is_crowded.load(Ordering::Relaxed);
        timer_count.load(Ordering::Relaxed) == 0 && (source_count.load(Ordering::Relaxed) == 0 || is_silent())
    }

    /// Whether work goes on elsewhere that may wake a task here: see [`Handle::hold`]. If so, the wait is
    /// interrupted when that is no longer the case.
    pub fn is_held(&self) -> bool {
        let holds = &self.shared.holds;
        holds.load(Ordering::SeqCst) > 0 && {
            self.shared.tells_of_holds.store(true, Ordering::SeqCst);
            holds.load(Ordering::SeqCst) > 0 // or else the last one may have gone without a word
        }
    }

    /// Waits until a source is ready, a timer is due, somebody notifies or `timeout` has passed,
    /// then wakes those concerned: timers in the order of their deadlines, then sources in the
    /// order of the backend's report. A zero timeout only looks; `None` waits for ever. Returns
    /// how many wakers were called, which may be none.
    ///
    /// # Errors
    /// Those of the backend's wait. A signal is not one.
    ///
    /// # Panics
    /// When a waker does, after all the others have been called.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let shared = &*self.shared;
        let timeout = shared.prepare_wait(timeout);
        shared.observe(|observer| observer.wait_begins(timeout));
        let waited = shared.backend.wait(&mut self.events, timeout);
        shared.sleeps_until.store(AWAKE, Ordering::SeqCst);
        shared.tells_of_holds.store(false, Ordering::Relaxed);
        if shared.timer_count.load(Ordering::Relaxed) > 0 {
            shared.take_due(&mut self.fired);
        }
        shared.observe(|observer| observer.wait_ends(self.events.len(), self.fired.len()));
        shared.take_ready(&mut self.events, &mut self.reported, &mut self.wakers);
        if shared.is_crowded.load(Ordering::Relaxed) {
            shared.sweep(&mut self.reported, &mut self.wakers);
        }
        let woken = self.fired.len() + self.wakers.len();
        self.wake();
        waited.map(|()| woken)
    }

    /// Wakes all that was collected, in order.
    fn wake(&mut self) {
        let Reactor { shared, fired, reported, wakers, .. } = self;
        let mut wake = Wake::default();
        for Fired { timer, waker } in fired.drain(..) {
            shared.observe(|observer| observer.timer_fired(timer));
            wake.call(Cause::Timer(timer), waker);
        }
        let mut wakers = wakers.drain(..);
        for Reported { source, readiness, woken } in reported.drain(..) {
            if !readiness.is_empty() {
                shared.observe(|observer| observer.source_ready(source, readiness, woken));
            }
            wakers.by_ref().take(woken).for_each(|waker| wake.call(Cause::Source(source), waker));
        }
    }
}

impl Drop for Reactor {
    /// Whoever still waits for one of its sources gets an error instead of waiting for ever.
    fn drop(&mut self) {
        // Under the lock, so that no source is added after they are collected.
        let table = lock(&self.shared.sources);
        self.shared.elapsed.store(CLOSED, Ordering::Release);
        let sources: Vec<_> = table.table.iter().map(|(_, source)| source.clone()).collect();
        drop(table);
        let mut wake = Wake::default();
        for source in sources {
            source.report(Readiness::ORPHANED, &mut self.wakers);
            self.wakers.drain(..).for_each(|waker| wake.call(Cause::Source(source.id), waker));
        }
        let timers = lock(&self.shared.timers).close();
        timers.into_iter().for_each(|Fired { timer, waker }| wake.call(Cause::Timer(timer), waker));
    }
}

/// `sleeps_until` while no thread waits: earlier than every timer, so nobody interrupts.
const AWAKE: u64 = 0;
/// `sleeps_until` during a wait without an end: later than every timer.
const FOREVER: u64 = u64::MAX;

/// `elapsed` after the reactor is gone.
const CLOSED: u64 = u64::MAX;

/// What the reactor and its handles share. Within this crate only.
pub(crate) struct Shared {
    backend: Box<dyn Backend>,
    observer: Option<Arc<dyn Observer>>,
    pub(crate) reports_close: bool,
    pub(crate) needs_rearm: bool,
    /// Where TCP sockets live, if not in the system.
    pub(crate) network: Option<Network>,
    /// Those of the timer queue.
    ticks: Ticks,
    sources: Mutex<Sources>,
    timers: Mutex<TimerQueue>,
    /// Copies of the two lengths, for a look without the locks.
    source_count: AtomicUsize,
    timer_count: AtomicUsize,
    /// Sources that have more pollers than they have room for: see `source.rs`.
    crowded: Mutex<Vec<Token>>,
    /// Whether there are any.
    is_crowded: AtomicBool,
    /// How often somebody has said that work goes on elsewhere.
    holds: AtomicUsize,
    /// Somebody waits for the last of them.
    tells_of_holds: AtomicBool,
    /// The tick until which a thread waits. Written under the lock of `timers` before the wait,
    /// so that whoever sets an earlier timer either is seen by it or sees it and interrupts.
    sleeps_until: AtomicU64,
    /// A copy of the queue's present tick: all timers up to it have fired.
    elapsed: AtomicU64,
}

// No foreign code runs under its locks, so what they guard is whole after a panic. The backend and the observer have to be
// fit for panics of any task.
impl UnwindSafe for Shared {}
impl RefUnwindSafe for Shared {}

/// The bits of a token that are the source's place in the table; the others are of its number, so
/// that an event of the one that had the place before is told apart.
const KEY_MASK: usize = usize::MAX >> (usize::BITS / 4);

fn token_of(id: SourceId, key: usize) -> Token {
    Token(key | (id.0 as usize) << KEY_MASK.trailing_ones())
}

#[derive(Default)]
struct Sources {
    table: Slab<Arc<Source>>,
    registered: u64,
}

impl Sources {
    /// `None` if it was removed; then its place may be another's.
    fn find(&self, token: Token) -> Option<&Arc<Source>> {
        let key = token.0 & KEY_MASK;
        self.table.get(key).filter(|source| token == token_of(source.id, key))
    }
}

impl Shared {
    #[inline]
    pub(crate) fn observe(&self, show: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer {
            show(&**observer);
        }
    }

    /// The wait's timeout: the given one, or less if a timer is due before.
    fn prepare_wait(&self, timeout: Option<Duration>) -> Option<Duration> {
        if timeout == Some(Duration::ZERO) {
            return timeout;
        }
        let timers = lock(&self.timers);
        let next = timers.next();
        self.sleeps_until.store(next.unwrap_or(FOREVER), Ordering::SeqCst);
        if self.is_crowded.load(Ordering::SeqCst) {
            return Some(Duration::ZERO); // what was crowded before the store above is seen here, or sees the store
        }
        let Some(tick) = next else { return timeout };
        drop(timers);
        let until_timer = self.ticks.instant(tick).saturating_duration_since(self.backend.now());
        Some(timeout.map_or(until_timer, |timeout| timeout.min(until_timer)))
    }

    fn take_due(&self, fired: &mut Vec<Fired>) {
        let now = self.ticks.passed(self.backend.now());
        let mut timers = lock(&self.timers);
        timers.advance(now, fired);
        self.elapsed.store(timers.elapsed, Ordering::Release);
        self.timer_count.store(timers.len(), Ordering::Relaxed);
    }

    /// Marks the sources of these events as ready and collects the wakers of all who wait for them.
    fn take_ready(&self, events: &mut Vec<Event>, reported: &mut Vec<Reported>, wakers: &mut Vec<Waker>) {
        if events.is_empty() {
            return;
        }
        let sources = lock(&self.sources);
        for Event { token, readiness } in events.drain(..) {
            // A source that was removed after the backend saw it is no longer in the table, or its
            // place is another's by now.
            let Some(source) = sources.find(token) else { continue };
            let woken = source.report(readiness, wakers);
            reported.push(Reported { source: source.id, readiness, woken });
        }
    }

    /// Has the next turn sweep a source that has become crowded.
    #[cold]
    pub(crate) fn sweep_soon(&self, source: SourceId, key: usize) {
        lock(&self.crowded).push(token_of(source, key));
        self.is_crowded.store(true, Ordering::SeqCst);
        if self.sleeps_until.load(Ordering::SeqCst) != AWAKE {
            self.notify();
        }
    }

    /// Collects the wakers of all pollers of crowded sources.
    #[cold]
    fn sweep(&self, reported: &mut Vec<Reported>, wakers: &mut Vec<Waker>) {
        self.is_crowded.store(false, Ordering::SeqCst); // first: a source that comes now is in the list, or sets it again
        for token in std::mem::take(&mut *lock(&self.crowded)) {
            let Some(source) = lock(&self.sources).find(token).cloned() else { continue };
            let woken = source.sweep(wakers);
            reported.push(Reported { source: source.id, readiness: Readiness::empty(), woken });
        }
    }

    /// Registers a descriptor or simulated socket for its whole life. `assumed` is what it is taken
    /// to be ready for until the first attempt says otherwise.
    ///
    /// # Safety
    /// The caller keeps the descriptor open until it has called [`Source::deregister`].
    pub(crate) unsafe fn add_source(self: &Arc<Self>, watched: Watched, assumed: Readiness) -> io::Result<Arc<Source>> {
        let mut sources = lock(&self.sources);
        if self.is_closed() {
            return Err(orphaned());
        }
        let (key, id) = (sources.table.vacant_key(), SourceId(sources.registered + 1));
        // SAFETY: the caller promises that.
        unsafe { watched.add(&*self.backend, token_of(id, key))? };
        sources.registered += 1;
        let fd = watched.descriptor();
        let source = Arc::new(Source::new(id, key, watched, self.clone(), assumed));
        sources.table.insert(source.clone());
        self.source_count.store(sources.table.len(), Ordering::Relaxed);
        drop(sources);
        self.observe(|observer| observer.source_added(id, fd));
        Ok(source)
    }

    /// # Safety
    /// The descriptor is still open.
    pub(crate) unsafe fn remove_source(&self, id: SourceId, key: usize, watched: &Watched) {
        // Out of the backend first: the table's place must not be another's while events for it
        // may still be made. That fails only for a descriptor that somebody closed by force.
        // SAFETY: the caller promises that.
        let _ = unsafe { watched.remove(&*self.backend) };
        let mut sources = lock(&self.sources);
        let source = sources.table.try_remove(key);
        self.source_count.store(sources.table.len(), Ordering::Relaxed);
        drop(sources);
        drop(source);
        self.observe(|observer| observer.source_removed(id));
    }

    /// Has a backend that reports a source once report it again. See [`Backend::rearm`].
    ///
    /// # Safety
    /// The descriptor is still open.
    pub(crate) unsafe fn rearm_source(
        &self,
        id: SourceId,
        key: usize,
        watched: &Watched,
        interest: Readiness,
    ) -> io::Result<()> {
        // SAFETY: the caller promises that.
        unsafe { watched.rearm(&*self.backend, token_of(id, key), interest) }
    }

    /// The tick at which a timer with this deadline fires.
    pub(crate) fn tick(&self, deadline: Instant) -> u64 {
        self.ticks.due(deadline)
    }

    /// Whether the timers of this tick have fired.
    #[inline]
    pub(crate) fn has_fired(&self, tick: u64) -> bool {
        let elapsed = self.elapsed.load(Ordering::Acquire);
        tick <= elapsed && elapsed != CLOSED
    }

    /// Whether the reactor is gone, so that no timer will fire any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.elapsed.load(Ordering::Acquire) == CLOSED
    }

    /// Sets a timer; `None` if it is due already. See [`TimerQueue::insert`].
    pub(crate) fn set_timer(
        &self,
        tick: u64,
        deadline: Instant,
        waker: Waker,
        place: &'static Location<'static>,
    ) -> Option<u32> {
        let mut timers = lock(&self.timers);
        let set = timers.insert(tick, waker);
        self.timer_count.store(timers.len(), Ordering::Relaxed);
        let interrupt = tick < self.sleeps_until.load(Ordering::SeqCst);
        drop(timers);
        let (key, timer) = set.ok()?; // a waker that came back is dropped outside of the lock
        if interrupt {
            self.notify();
        }
        self.observe(|observer| observer.timer_set(timer, deadline, place));
        Some(key)
    }

    /// Moves a timer that has not fired to another deadline, with the waker that it has. Returns the new key; and the waker,
    /// to be called, if that deadline has passed. `None` if the timer has fired, or will not since the reactor is gone.
    pub(crate) fn reset_timer(
        &self,
        key: u32,
        tick: u64,
        deadline: Instant,
        place: &'static Location<'static>,
    ) -> Option<(u32, Option<Waker>)> {
        if self.has_fired(tick) {
            return None;
        }
        let new_tick = self.tick(deadline);
        let mut timers = lock(&self.timers);
        let Fired { timer: before, waker } = timers.cancel(key, tick)?;
        let set = timers.insert(new_tick, waker);
        self.timer_count.store(timers.len(), Ordering::Relaxed);
        let interrupt = set.is_ok() && new_tick < self.sleeps_until.load(Ordering::SeqCst);
        drop(timers);
        if interrupt {
            self.notify();
        }
        self.observe(|observer| observer.timer_cancelled(before));
        match set {
            Ok((key, timer)) => {
                self.observe(|observer| observer.timer_set(timer, deadline, place));
                Some((key, None))
            }
            Err(waker) => Some((key, Some(waker))), // nothing looks at the key: the tick has passed
        }
    }

    /// Changes whom a timer wakes; `false` if it has fired meanwhile.
    pub(crate) fn update_timer(&self, key: u32, tick: u64, waker: &Waker) -> bool {
        let mut timers = lock(&self.timers);
        match timers.get(key, tick) {
            None => return false,
            Some(current) if current.will_wake(waker) => return true,
            Some(_) => drop(timers),
        }
        let mut new = Some(waker.clone()); // cloned and dropped outside of the lock
        let mut timers = lock(&self.timers);
        let current = timers.get(key, tick);
        let found = current.is_some();
        if let Some(current) = current {
            new = new.map(|waker| std::mem::replace(current, waker));
        }
        drop(timers);
        drop(new);
        found
    }

    /// Takes a timer back that may or may not have fired.
    pub(crate) fn cancel_timer(&self, key: u32, tick: u64) {
        if self.has_fired(tick) {
            return;
        }
        let mut timers = lock(&self.timers);
        let cancelled = timers.cancel(key, tick);
        self.timer_count.store(timers.len(), Ordering::Relaxed);
        drop(timers);
        if let Some(Fired { timer, waker }) = cancelled {
            drop(waker);
            self.observe(|observer| observer.timer_cancelled(timer));
        }
    }

    fn notify(&self) {
        // Fails only if the backend is beyond use, which the next wait reports.
        let _ = self.backend.notify();
        self.observe(|observer| observer.notified());
    }
}

/// A reactor as sockets, timers and other threads know it. Cheap to clone, outlives the reactor.
///
/// ```
/// use reactor::{Handle, Reactor};
///
/// let mut reactor = Reactor::new().unwrap();
/// let handle = reactor.handle();
/// let entered = handle.enter();
/// assert!(Handle::current().is_some()); // where sockets and timers of this thread look
/// drop(entered);
/// assert!(Handle::current().is_none());
///
/// let notifier = std::thread::spawn(move || handle.notify());
/// reactor.turn(None).unwrap(); // would wait for ever
/// notifier.join().unwrap();
/// ```
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

thread_local! {
    static ENTERED: Entries<Handle> = const { Entries::new() };
}

impl Handle {
    /// The reactor that is entered on this thread, if any.
    pub fn current() -> Option<Handle> {
        Handle::with_current(|current| current.cloned())
    }

    /// Shows `f` the reactor that is entered on this thread, without a reference counted.
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

    /// Ends the present wait of the reactor, or the next one if it is not waiting. From any thread.
    pub fn notify(&self) {
        self.0.notify();
    }

    /// The present time by the reactor's clock.
    pub fn now(&self) -> Instant {
        self.0.backend.now()
    }

    /// Whether the reactor's clock is not the world's.
    pub fn is_simulated(&self) -> bool {
        self.0.backend.is_simulated()
    }

    /// The simulated network in which its TCP sockets live; none if they are the system's.
    pub fn network(&self) -> Option<&Network> {
        self.0.network.as_ref()
    }

    /// Says that work goes on elsewhere that may wake a task here: while it does, a virtual clock
    /// stands still. On the system's clock it changes nothing.
    ///
    /// ```
    /// use reactor::{Reactor, backend::Simulation};
    /// use std::time::Duration;
    ///
    /// let mut reactor = Reactor::with(Box::new(Simulation::new()), None);
    /// let (handle, start) = (reactor.handle(), reactor.handle().now());
    /// let work = handle.hold();
    /// let worker = std::thread::spawn(move || drop(work)); // works on
    /// reactor.turn(Some(Duration::from_secs(60))).unwrap(); // goes on when the work is done
    /// worker.join().unwrap();
    /// assert_eq!(handle.now() - start, Duration::from_secs(60));
    /// ```
    pub fn hold(&self) -> Hold {
        self.0.holds.fetch_add(1, Ordering::Relaxed);
        self.0.backend.outside_work(1);
        Hold(self.clone())
    }
}

/// Two handles are equal if they are of the same reactor.
impl PartialEq for Handle {
    fn eq(&self, other: &Handle) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Handle {}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("sources", &self.0.source_count.load(Ordering::Relaxed))
            .field("timers", &self.0.timer_count.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// While it lives, a reactor is entered on this thread. Made by [`Handle::enter`].
#[must_use = "the reactor is current only as long as this guard lives"]
pub struct Entered {
    _guard: Guard<Handle>,
}

/// Work outside of the reactor's sight. See [`Handle::hold`].
pub struct Hold(Handle);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.backend.outside_work(-1);
        // After whatever the work has woken: who sees it gone sees that as well.
        if self.0.0.holds.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.0.tells_of_holds.swap(false, Ordering::SeqCst) {
            self.0.0.notify();
        }
    }
}

/// The reactor of this thread, or the error that says what is missing.
pub(crate) fn current_or_error(what: &str) -> io::Result<Handle> {
    Handle::current().ok_or_else(|| {
        io::Error::other(format!(
            "{what} needs a runtime on this thread: call it from inside of executor::block_on(async {{ … }}); or, on an \
             executor of your own, give its threads a reactor: let _entered = reactor.handle().enter()"
        ))
    })
}
