//! A source: one registered file descriptor or simulated socket. And the registry, the table of all sources of a
//! reactor.
//!
//! [`io::Async`](crate::io::Async) owns what is registered, and through its [`Source`] it tries operations and waits.
//! The reactor reports readiness to the [`Registry`]. What happens between the two is in `readiness.rs`.

use crate::backend::{Backend, Event, Registrable, Token};
use crate::budget::{self, Deferral};
use crate::observer::{Detail, Observer, ReadinessWord, SourceId};
use crate::panics::discard;
use crate::readiness::{Direction, Readiness, ReadinessCell, Registration, WaiterKey, orphaned};
use crate::{leaf, lock};
use slab::Slab;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::{fmt, io};

/// A registered descriptor: its readiness and its waiters, and the registration with the backend.
pub(crate) struct Source {
    pub(crate) id: SourceId,
    token: Token,
    registered: Registrable,
    registry: Arc<Registry>,
    readiness: ReadinessCell,
    /// For each direction, the poll in which an operation was last deferred, as a [`Deferral`]. All waiters at this
    /// source share it.
    deferrals: [AtomicU32; 2],
}

impl Source {
    /// For the reactor: the backend reported this source. See [`ReadinessCell::report`].
    pub(crate) fn report(&self, readiness: Readiness, wakers: &mut Vec<Waker>) -> usize {
        self.readiness.report(readiness, self, wakers)
    }

    /// Calls `op` until it does not block, and waits for readiness in between. `is_short` says whether a result moved
    /// less than it could have: then the kernel's buffer is empty (or full), and the next call waits at once. The waker
    /// is left under `key`; without one, there is one waker for each task.
    pub(crate) fn poll_op<R>(
        &self,
        direction: Direction,
        key: Option<WaiterKey>,
        cx: &mut Context<'_>,
        op: impl FnMut() -> io::Result<R>,
        is_short: impl Fn(&R) -> bool,
    ) -> Poll<io::Result<R>> {
        ready!(self.poll_proceed(direction, cx));
        let proves_drained = |result: &R| self.registry.reports_close && is_short(result);
        let result = ready!(self.readiness.poll_op(direction, key, self, cx, op, proves_drained));
        budget::spend();
        Poll::Ready(result)
    }

    /// Like [`poll_op`](Source::poll_op), for an operation that never blocks.
    pub(crate) fn poll_now<R>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        op: impl FnOnce() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        ready!(self.poll_proceed(direction, cx));
        budget::spend();
        Poll::Ready(op())
    }

    /// Whether the budget permits an operation that may succeed at once.
    #[inline]
    fn poll_proceed(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<()> {
        match budget::is_spent() {
            false => Poll::Ready(()),
            true => self.poll_deferred(direction, cx),
        }
    }

    #[cold]
    fn poll_deferred(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<()> {
        let kept = &self.deferrals[direction as usize];
        let mut deferral = Deferral::from_bits(kept.load(Ordering::Relaxed));
        let proceeds = deferral.poll_proceed(cx);
        kept.store(deferral.bits(), Ordering::Relaxed);
        proceeds
    }

    /// The readiness word at this moment, for observers.
    fn word(&self) -> ReadinessWord {
        let (readiness, reports) = self.readiness.word();
        ReadinessWord { readiness, reports }
    }

    /// Ends the registration. The `Async` that owns the descriptor calls it once, before it closes the descriptor or
    /// returns it.
    pub(crate) fn deregister(&self) {
        // SAFETY: the caller still has the descriptor open.
        unsafe { self.registry.remove(self) };
        self.readiness.remove_all().into_iter().for_each(discard); // outside of the lock: it may run any code
    }
}

impl Registration for Source {
    #[inline]
    fn rearm(&self, interest: Readiness) -> io::Result<()> {
        if !self.registry.needs_rearm || interest.is_empty() {
            return Ok(());
        }
        // SAFETY: the caller is a waiter, which borrows the `Async` that owns the descriptor; or the reactor, under the
        // lock of the table from which `deregister` removes the source before it returns. When the reactor is dropped,
        // it reports without that lock; ORPHANED empties both lists then, so `interest` is empty.
        unsafe { self.registered.rearm(&*self.registry.backend, self.token, interest) }
    }

    fn crowded(&self) {
        self.registry.sweep_soon(self.token);
    }

    fn waits(&self, direction: Direction) {
        self.registry.observe(|observer| {
            Detail::Word(self.word()).during(|| observer.source_waits(self.id, direction));
        });
        // SAFETY: `Async` owns the descriptor and drops its source before it closes it.
        leaf::pending(|| unsafe { self.registered.describe(direction) });
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.registered {
            Registrable::Descriptor(fd) => write!(f, "{:?}, fd {fd}", self.id),
            Registrable::Socket(_) => write!(f, "{:?}, simulated", self.id),
        }
    }
}

/// A future that waits at a source. Dropping it removes its waker.
pub(crate) struct Waiter<'a> {
    source: &'a Source,
    direction: Direction,
    /// Given out at the first poll.
    key: Option<WaiterKey>,
}

impl<'a> Waiter<'a> {
    pub(crate) fn new(source: &'a Source, direction: Direction) -> Waiter<'a> {
        Waiter { source, direction, key: None }
    }

    /// Like [`Source::poll_op`].
    pub(crate) fn poll_op<R>(
        &mut self,
        cx: &mut Context<'_>,
        op: impl FnMut() -> io::Result<R>,
        is_short: impl Fn(&R) -> bool,
    ) -> Poll<io::Result<R>> {
        let key = self.key();
        self.source.poll_op(self.direction, Some(key), cx, op, is_short)
    }

    /// Ready when the backend has reported the source. Returns whether the report shows that the connection is sound:
    /// it does if the backend reports closed connections and has not reported this one as closed.
    pub(crate) fn poll_reported(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let key = self.key();
        let reported = self.source.readiness.poll_ready(self.direction, Some(key), self.source, cx);
        let closed = self.direction.readiness() - Readiness::OPEN;
        let reports_close = self.source.registry.reports_close;
        reported.map_ok(|seen| reports_close && !seen.readiness().intersects(closed))
    }

    /// Ready when the kernel confirms that an operation would not block.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (source, direction) = (self.source, self.direction);
        // SAFETY: `Async` owns the descriptor and drops its source before it closes it.
        let op = || match unsafe { source.registered.is_ready(direction) }? {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        };
        self.poll_op(cx, op, never_short)
    }

    fn key(&mut self) -> WaiterKey {
        *self.key.get_or_insert_with(|| self.source.readiness.new_key())
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let waker = self.source.readiness.remove(self.direction, key);
        if waker.is_some() {
            self.source.registry.observe(|observer| observer.source_left(self.source.id, self.direction));
        }
    }
}

/// Whether a transfer of up to `wanted` bytes moved something, and less than it could have.
pub(crate) fn is_short(wanted: usize) -> impl Fn(&usize) -> bool {
    move |moved| (1..wanted).contains(moved)
}

/// For operations whose result proves nothing about the kernel's buffer.
pub(crate) fn never_short<R>(_: &R) -> bool {
    false
}

/// `parked_until` while no thread waits: earlier than every timer, so no thread interrupts a wait.
pub(crate) const AWAKE: u64 = 0;
/// `parked_until` during a wait without an end: later than every timer.
pub(crate) const FOREVER: u64 = u64::MAX;

/// The backend of a reactor and all that is registered with it.
pub(crate) struct Registry {
    pub(crate) backend: Box<dyn Backend>,
    observer: Option<Arc<dyn Observer>>,
    reports_close: bool,
    needs_rearm: bool,
    sources: Mutex<Sources>,
    /// A copy of the table's length, which can be read without the lock.
    pub(crate) source_count: AtomicUsize,
    /// Sources that have more pollers than they have room for.
    crowded: Mutex<Vec<Token>>,
    /// Whether there are any.
    pub(crate) is_crowded: AtomicBool,
    /// The timer tick until which the reactor's thread is parked. The reactor writes it under the lock of the timers
    /// before it waits, so that a thread that sets an earlier timer either is seen by the reactor, or sees this and
    /// interrupts the wait.
    pub(crate) parked_until: AtomicU64,
}

// No foreign code runs under a lock of this crate, so what the locks guard is consistent after a panic. The backend and
// the observer must be prepared for panics of any task.
impl UnwindSafe for Registry {}
impl RefUnwindSafe for Registry {}

#[derive(Default)]
struct Sources {
    table: Slab<Arc<Source>>,
    registered: u64,
    /// The reactor was dropped.
    is_closed: bool,
}

/// The bits of a token that are the source's index in the table. The other bits come from its number: they show that an
/// event belongs to an earlier source with the same index.
const INDEX_MASK: usize = usize::MAX >> (usize::BITS / 4);

fn token_of(id: SourceId, index: usize) -> Token {
    Token(index | (id.0 as usize) << INDEX_MASK.trailing_ones())
}

impl Sources {
    /// `None` if the source was deregistered; another one may have its index.
    fn find(&self, token: Token) -> Option<&Arc<Source>> {
        self.table.get(token.0 & INDEX_MASK).filter(|source| source.token == token)
    }
}

/// A source that was reported or swept. In the list of wakers, the next `woken` entries belong to it.
pub(crate) struct Reported {
    pub(crate) source: SourceId,
    /// Empty if it was swept.
    pub(crate) readiness: Readiness,
    /// The readiness word after the report, if an observer is to be shown it.
    pub(crate) word: Option<ReadinessWord>,
    pub(crate) woken: usize,
}

impl Registry {
    pub(crate) fn new(backend: Box<dyn Backend>, observer: Option<Arc<dyn Observer>>) -> Registry {
        Registry {
            reports_close: backend.reports_close(),
            needs_rearm: backend.needs_rearm(),
            backend,
            observer,
            sources: Mutex::default(),
            source_count: AtomicUsize::new(0),
            crowded: Mutex::default(),
            is_crowded: AtomicBool::new(false),
            parked_until: AtomicU64::new(AWAKE),
        }
    }

    #[inline]
    pub(crate) fn observe(&self, show: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer {
            show(&**observer);
        }
    }

    /// Ends the wait of the reactor, or the next one.
    pub(crate) fn notify(&self) {
        // Fails only if the backend is broken, which the next wait reports.
        let _ = self.backend.notify();
        self.observe(|observer| observer.notified());
    }

    /// Registers a descriptor or simulated socket for its whole life. `assumed` is what it is taken to be ready for
    /// until the first attempt shows otherwise.
    ///
    /// # Errors
    /// When the reactor was dropped, and those of the backend.
    ///
    /// # Safety
    /// The caller keeps the descriptor open until it has called [`Source::deregister`].
    pub(crate) unsafe fn add(self: &Arc<Self>, registered: Registrable, assumed: Readiness) -> io::Result<Arc<Source>> {
        let mut sources = lock(&self.sources);
        if sources.is_closed {
            return Err(orphaned());
        }
        let (index, id) = (sources.table.vacant_key(), SourceId(sources.registered + 1));
        let token = token_of(id, index);
        // SAFETY: the caller promises that.
        unsafe { registered.register(&*self.backend, token)? };
        sources.registered += 1;
        let fd = registered.descriptor();
        let (registry, readiness) = (self.clone(), ReadinessCell::new(assumed));
        let source = Arc::new(Source { id, token, registered, registry, readiness, deferrals: Default::default() });
        sources.table.insert(source.clone());
        self.source_count.store(sources.table.len(), Ordering::Relaxed);
        drop(sources);
        self.observe(|observer| observer.source_added(id, fd));
        Ok(source)
    }

    /// # Safety
    /// The descriptor of the source is still open.
    unsafe fn remove(&self, source: &Source) {
        // Removes the source from the backend first: no other source may get the index while the backend can still
        // report this one. The removal fails only if the program has closed the descriptor itself.
        // SAFETY: the descriptor is still open, as the caller promises.
        let _ = unsafe { source.registered.deregister(&*self.backend) };
        let mut sources = lock(&self.sources);
        let removed = sources.table.try_remove(source.token.0 & INDEX_MASK);
        self.source_count.store(sources.table.len(), Ordering::Relaxed);
        drop(sources);
        drop(removed);
        self.observe(|observer| observer.source_removed(source.id));
    }

    /// Marks the sources of these events as ready and collects the wakers of all tasks that wait for them.
    pub(crate) fn report(&self, events: &mut Vec<Event>, reported: &mut Vec<Reported>, wakers: &mut Vec<Waker>) {
        if events.is_empty() {
            return;
        }
        let sources = lock(&self.sources);
        for Event { token, readiness } in events.drain(..) {
            let Some(source) = sources.find(token) else { continue };
            let woken = source.report(readiness, wakers);
            let is_shown = self.observer.is_some() && !readiness.is_empty();
            let word = is_shown.then(|| source.word());
            reported.push(Reported { source: source.id, readiness, word, woken });
        }
    }

    /// Makes the next turn of the reactor sweep this source.
    #[cold]
    fn sweep_soon(&self, source: Token) {
        lock(&self.crowded).push(source);
        self.is_crowded.store(true, Ordering::SeqCst);
        if self.parked_until.load(Ordering::SeqCst) != AWAKE {
            self.notify();
        }
    }

    /// Collects the wakers of all pollers of crowded sources.
    #[cold]
    pub(crate) fn sweep(&self, reported: &mut Vec<Reported>, wakers: &mut Vec<Waker>) {
        self.is_crowded.store(false, Ordering::SeqCst); // first: a source added now is found below, or sets it again
        // The lock is released before the loop: a waker's destructor may make a source crowded.
        let crowded = std::mem::take(&mut *lock(&self.crowded));
        for token in crowded {
            let Some(source) = lock(&self.sources).find(token).cloned() else { continue };
            let woken = source.readiness.sweep(wakers);
            reported.push(Reported { source: source.id, readiness: Readiness::empty(), word: None, woken });
        }
    }

    /// Refuses further sources and returns those that are registered.
    pub(crate) fn close(&self) -> Vec<Arc<Source>> {
        let mut sources = lock(&self.sources);
        sources.is_closed = true;
        sources.table.iter().map(|(_, source)| source.clone()).collect()
    }
}
