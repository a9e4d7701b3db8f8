//! One registered file descriptor or simulated socket: its readiness word, and the wakers that wait for it.
//!
//! Used by [`io::Async`](crate::io::Async), which owns what is watched, and by the reactor, which
//! reports readiness. Everything here rests on one order of steps, so that no wake is lost:
//!
//! ```text
//! reactor, on an event:   set the bits in the word  →  take the lock, take the waiters, wake them
//! task, on WouldBlock:    clear the bits            →  take the lock, look at the word again, wait
//! ```
//!
//! Whichever of the two takes the lock second sees what the other did: either the reactor finds
//! the waiter, or the task finds the bit.
//!
//! A backend that reports a source only once has to be re-armed ([`Backend::rearm`]): by the task when it has
//! become a waiter, and by the reactor when it has woken some of the waiters and others are left. Both happen under
//! the lock of the waiters, so that the last call has the interest of all of them. A waiter that goes away changes
//! nothing: the report that it had asked for comes once, wakes no task, and disarms the source.
//!
//! The word also counts the reactor's reports. A task clears bits only if nothing was reported
//! since it looked (`clear` compares the whole word): without that, a report that arrives between
//! a failed `read` and the clearing of its bit would be wiped out.
//!
//! **Who waits.** A future of this crate is a [`Waiter`]: it has one entry and takes it back when it is dropped. A poller
//! (`AsyncRead`, `AsyncWrite`, `poll_read_with` and their like) can't: it has no moment at which it could say that it has
//! lost interest. Each poller that waits must be woken, so none replaces another; but a combinator that is made anew in
//! each round of a loop polls with another waker in each, and all but the last are stale. Two rules bound them:
//!
//! - A waker that was called may be forgotten: who still waits polls again and leaves it again.
//! - When more than [`ROOM`] pollers have come since the last sweep, beside those that came back, the next turn of the
//!   reactor **sweeps**: it calls all pollers, and forgets those that it called last time and that have not come back since.
//!
//! So a source keeps a constant number of stale wakers, at a constant cost for each poller that comes. Pollers that go on
//! waiting come back and make room for as many more, so that any number of them settles after a few sweeps: nothing spins.

use crate::backend::{Backend, Readiness, SocketRef, Token};
use crate::budget::{self, Deferral};
use crate::observer::{Direction, SourceId};
use crate::panics::discard;
use crate::reactor::Shared;
use crate::{leaf, lock};
use rustix::net::{SocketAddrAny, SocketAddrUnix, SocketType, getpeername, getsockname, sockopt};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::{fmt, io};

/// The low bits of the word are a [`Readiness`], the rest counts reports (and wraps around).
const REPORT: usize = 1 << 8;

pub(crate) struct Source {
    pub(crate) id: SourceId,
    /// Its place in the reactor's table.
    key: usize,
    watched: Watched,
    reactor: Arc<Shared>,
    word: AtomicUsize,
    /// In which poll an operation was last deferred, in each direction: the [`Deferral`] of pollers, which have no place
    /// for one. Tasks that share the source share it.
    deferrals: [AtomicU32; 2],
    waiters: Mutex<Waiters>,
}

/// The word as somebody saw it.
#[derive(Clone, Copy)]
struct Seen(usize);

impl Seen {
    fn readiness(self) -> Readiness {
        Readiness::from_bits_retain((self.0 % REPORT) as u8)
    }

    fn ready_for(self, direction: Direction) -> bool {
        self.readiness().intersects(mask(direction))
    }
}

const fn mask(direction: Direction) -> Readiness {
    match direction {
        Direction::Read => Readiness::READ,
        Direction::Write => Readiness::WRITE,
    }
}

impl Source {
    pub(crate) fn new(id: SourceId, key: usize, watched: Watched, reactor: Arc<Shared>, assumed: Readiness) -> Source {
        let word = AtomicUsize::new(assumed.bits().into());
        Source { id, key, watched, reactor, word, deferrals: Default::default(), waiters: Mutex::default() }
    }

    /// Called by the reactor: the backend reported this source. Moves the wakers of all who wait
    /// for it to `wakers` and returns how many they were.
    pub(crate) fn report(&self, readiness: Readiness, wakers: &mut Vec<Waker>) -> usize {
        let add = |word: usize| Some((word | usize::from(readiness.bits())).wrapping_add(REPORT));
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
        let before = wakers.len();
        let mut waiters = lock(&self.waiters);
        for direction in [Direction::Read, Direction::Write] {
            if readiness.intersects(mask(direction)) {
                waiters.list(direction).take_all(wakers);
            }
        }
        if self.reactor.needs_rearm && self.rearm(&mut waiters).is_err() {
            // Those who are left try again, and get the error from there.
            waiters.lists.iter_mut().for_each(|list| list.take_all(wakers));
            let both = Readiness::READABLE | Readiness::WRITABLE;
            self.word.fetch_or(usize::from(both.bits()), Ordering::AcqRel);
        }
        wakers.len() - before
    }

    /// Called by the reactor after [`Shared::sweep_soon`]: moves wakers of all pollers to `wakers` and returns how many they
    /// were. See the top of this file.
    pub(crate) fn sweep(&self, wakers: &mut Vec<Waker>) -> usize {
        let before = wakers.len();
        for direction in [Direction::Read, Direction::Write] {
            let mut pollers = lock(&self.waiters).list(direction).begin_sweep();
            // Outside of the lock, as wakers are cloned and dropped. A poller that comes meanwhile gets a second entry, and
            // a report misses none that needs it: all of these are about to be called.
            pollers.retain(|poller| poller.key == POLLER);
            wakers.extend(pollers.iter().map(|poller| poller.waker.clone()));
            pollers.iter_mut().for_each(|poller| poller.key = CALLED);
            lock(&self.waiters).list(direction).entries.append(&mut pollers);
        }
        wakers.len() - before
    }

    /// Asks a backend that reports only once for the next report of all that is waited for.
    fn rearm(&self, waiters: &mut Waiters) -> io::Result<()> {
        let mut interest = Readiness::empty();
        interest.set(Readiness::READABLE, !waiters.list(Direction::Read).entries.is_empty());
        interest.set(Readiness::WRITABLE, !waiters.list(Direction::Write).entries.is_empty());
        if interest.is_empty() {
            return Ok(());
        }
        // SAFETY: the caller is a waiter, which borrows the `Async` that owns the descriptor; or the reactor, under
        // the lock of the table from which `deregister` takes the source before it returns.
        unsafe { self.reactor.rearm_source(self.id, self.key, &self.watched, interest) }
    }

    /// Runs `op` until it does not block, waiting for readiness in between. What `is_short` moved less
    /// than it could have: then the kernel's buffer is known to be empty (or full) and the next call waits
    /// at once. The waker is kept in the waiter's place, or, with no key, in one place a task.
    pub(crate) fn poll_op<R>(
        &self,
        direction: Direction,
        key: &mut Option<u64>,
        cx: &mut Context<'_>,
        mut op: impl FnMut() -> io::Result<R>,
        is_short: impl Fn(&R) -> bool,
    ) -> Poll<io::Result<R>> {
        ready!(self.poll_proceed(direction, cx));
        loop {
            let seen = ready!(self.poll_ready(direction, key, cx))?;
            match op() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.clear(seen, mask(direction) - Readiness::ORPHANED)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    // A read also ends before urgent data, with more behind it.
                    let urgent = seen.readiness().intersects(Readiness::URGENT);
                    if !urgent && self.reactor.reports_close && result.as_ref().is_ok_and(is_short) {
                        // The closed bits stay: the end of the stream is still to come.
                        let open = Readiness::READABLE | Readiness::WRITABLE;
                        self.clear(seen, mask(direction) & open);
                    }
                    budget::spend();
                    return Poll::Ready(result);
                }
            }
        }
    }

    /// Whether the budget lets an operation go on that may succeed at once.
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

    /// As [`poll_op`](Source::poll_op), for an operation that never blocks.
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

    fn clear(&self, seen: Seen, bits: Readiness) {
        let cleared = seen.0 & !usize::from(bits.bits());
        // Fails if anything was reported since: then the bits are fresh and have to stay.
        let _ = self.word.compare_exchange(seen.0, cleared, Ordering::AcqRel, Ordering::Relaxed);
    }

    fn poll_ready(&self, direction: Direction, key: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<io::Result<Seen>> {
        let mut seen = Seen(self.word.load(Ordering::Acquire));
        if !seen.ready_for(direction) {
            let mut waker = Some(cx.waker().clone()); // cloned and dropped outside of the lock
            let mut waiters = lock(&self.waiters);
            seen = Seen(self.word.load(Ordering::Acquire));
            if !seen.ready_for(direction) {
                let is_crowded = waiters.list(direction).wait(*key, &mut waker);
                let rearmed = if self.reactor.needs_rearm { self.rearm(&mut waiters) } else { Ok(()) };
                drop(waiters);
                drop(waker);
                rearmed?;
                if is_crowded {
                    self.reactor.sweep_soon(self.id, self.key);
                }
                self.reactor.observe(|observer| observer.source_waits(self.id, direction));
                leaf::pending(|| self.describe(direction));
                return Poll::Pending;
            }
        }
        match seen.readiness().intersects(Readiness::ORPHANED) {
            false => Poll::Ready(Ok(seen)),
            true => Poll::Ready(Err(orphaned())),
        }
    }

    /// For whoever asks where a task stands.
    fn describe(&self, direction: Direction) -> String {
        // SAFETY: `Async` owns the descriptor and drops its source before it closes it.
        let what = unsafe { self.watched.describe(direction) };
        match direction {
            Direction::Read => format!("readable on {what}"),
            Direction::Write => format!("writable on {what}"),
        }
    }

    /// Ends the registration. Called once, by the `Async` that owns the descriptor, before that
    /// is closed or given back.
    pub(crate) fn deregister(&self) {
        // SAFETY: the caller still has the descriptor open.
        unsafe { self.reactor.remove_source(self.id, self.key, &self.watched) };
        let left = std::mem::take(&mut *lock(&self.waiters));
        // Outside of the lock: to drop a waker may run anything.
        left.lists.into_iter().flat_map(|list| list.entries).for_each(discard);
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.watched {
            Watched::Descriptor(fd) => write!(f, "{:?}, fd {fd}", self.id),
            Watched::Simulated(_) => write!(f, "{:?}, simulated", self.id),
        }
    }
}

/// What a source reports on.
pub(crate) enum Watched {
    Descriptor(RawFd),
    Simulated(SocketRef),
}

/// Safety of all that is unsafe here: if it is a descriptor, that is open.
impl Watched {
    /// # Safety
    /// As above; and the descriptor stays open until `remove` was called.
    pub(crate) unsafe fn add(&self, backend: &dyn Backend, token: Token) -> io::Result<()> {
        match self {
            // SAFETY: the caller promises both that it is open and that it stays so.
            Watched::Descriptor(fd) => unsafe { backend.add(BorrowedFd::borrow_raw(*fd), token) },
            Watched::Simulated(socket) => {
                socket.register(Some(token));
                Ok(())
            }
        }
    }

    /// # Safety
    /// As above.
    pub(crate) unsafe fn remove(&self, backend: &dyn Backend) -> io::Result<()> {
        match self {
            // SAFETY: the caller promises that it is open.
            Watched::Descriptor(fd) => backend.remove(unsafe { BorrowedFd::borrow_raw(*fd) }),
            Watched::Simulated(socket) => {
                socket.register(None);
                Ok(())
            }
        }
    }

    /// # Safety
    /// As above.
    pub(crate) unsafe fn rearm(&self, backend: &dyn Backend, token: Token, interest: Readiness) -> io::Result<()> {
        match self {
            // SAFETY: the caller promises that it is open.
            Watched::Descriptor(fd) => backend.rearm(unsafe { BorrowedFd::borrow_raw(*fd) }, token, interest),
            Watched::Simulated(_) => Ok(()), // reported by its edges
        }
    }

    /// Its number for observers.
    pub(crate) fn descriptor(&self) -> RawFd {
        match self {
            Watched::Descriptor(fd) => *fd,
            Watched::Simulated(_) => -1,
        }
    }

    /// Whether an operation would not block now.
    ///
    /// # Safety
    /// As above.
    unsafe fn is_ready(&self, direction: Direction) -> io::Result<bool> {
        match self {
            // SAFETY: the caller promises that it is open.
            Watched::Descriptor(fd) => is_ready(unsafe { BorrowedFd::borrow_raw(*fd) }, direction),
            Watched::Simulated(socket) => Ok(socket.is_ready(direction)),
        }
    }

    /// # Safety
    /// As above.
    unsafe fn describe(&self, direction: Direction) -> String {
        match self {
            // SAFETY: the caller promises that it is open.
            Watched::Descriptor(fd) => describe(unsafe { BorrowedFd::borrow_raw(*fd) }, direction),
            Watched::Simulated(socket) => socket.describe(),
        }
    }
}

/// Whether the kernel says, now, that an operation would not block.
pub(crate) fn is_ready(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let interest = match direction {
        Direction::Read => PollFlags::IN | PollFlags::PRI,
        Direction::Write => PollFlags::OUT,
    };
    Ok(poll(&mut [PollFd::from_borrowed_fd(fd, interest)], Some(&Timespec::default()))? > 0)
}

fn describe(fd: BorrowedFd<'_>, direction: Direction) -> String {
    let here = getsockname(fd).ok().and_then(printed);
    // A stream without a peer that is being read from: what comes are connections.
    let is_stream = sockopt::socket_type(fd).is_ok_and(|kind| kind == SocketType::STREAM);
    match (getpeername(fd).ok().flatten().and_then(printed), here) {
        (Some(peer), _) => format!("the socket to {peer}"),
        (None, Some(here)) if is_stream && direction == Direction::Read => format!("the listener at {here}"),
        (None, Some(here)) => format!("the socket at {here}"),
        (None, None) => format!("file descriptor {}", fd.as_raw_fd()),
    }
}

fn printed(address: SocketAddrAny) -> Option<String> {
    match SocketAddr::try_from(address.clone()) {
        Ok(address) => Some(address.to_string()),
        Err(_) => {
            let address = SocketAddrUnix::try_from(address).ok()?;
            #[cfg(any(target_os = "linux", target_os = "android"))]
            if let Some(name) = address.abstract_name() {
                return Some(format!("@{}", String::from_utf8_lossy(name)));
            }
            Some(address.path()?.to_string_lossy().into_owned())
        }
    }
}

/// Whether a transfer of up to `wanted` bytes moved something, and less than it could have.
pub(crate) fn is_short(wanted: usize) -> impl Fn(&usize) -> bool {
    move |moved| (1..wanted).contains(moved)
}

/// Of operations of which it can't be known.
pub(crate) fn never_short<R>(_: &R) -> bool {
    false
}

pub(crate) fn orphaned() -> io::Error {
    io::Error::other(
        "the runtime that this socket was registered with has ended, so nothing would ever wake its waiters: \
         make the socket inside of the runtime that uses it",
    )
}

#[derive(Default)]
struct Waiters {
    /// Those who wait to read, and those who wait to write.
    lists: [List; 2],
    /// The key that was given to a future last.
    last_key: u64,
}

impl Waiters {
    fn list(&mut self, direction: Direction) -> &mut List {
        &mut self.lists[direction as usize]
    }
}

/// Those who wait at one direction, in the order in which they came.
#[derive(Default)]
struct List {
    entries: Vec<Entry>,
    /// Pollers that have come since the last sweep.
    new: u32,
    /// Pollers that have come back since the last sweep called them.
    returned: u32,
    /// The reactor will sweep in its next turn.
    is_crowded: bool,
}

/// A waker, and who has left it: the future with this key, or a poller. Pollers are told apart by whom they wake.
struct Entry {
    key: u64,
    waker: Waker,
}

/// The key of pollers. Those of futures count from 1.
const POLLER: u64 = 0;
/// The key of pollers that a sweep has called and that have not come back.
const CALLED: u64 = u64::MAX;
/// So many pollers may come between two sweeps.
const ROOM: u32 = 16;

impl List {
    /// Puts `waker` into the list, or into the entry that the waiter already has there; a waker that was replaced comes
    /// back in its place. Whether a sweep is needed now.
    fn wait(&mut self, key: Option<u64>, waker: &mut Option<Waker>) -> bool {
        let Some(new) = waker.take() else { return false };
        let same = |entry: &&mut Entry| match key {
            Some(key) => entry.key == key,
            None => (entry.key == POLLER || entry.key == CALLED) && entry.waker.will_wake(&new),
        };
        match self.entries.iter_mut().find(same) {
            Some(entry) => {
                if entry.key == CALLED {
                    (entry.key, self.returned) = (POLLER, self.returned + 1);
                }
                *waker = Some(std::mem::replace(&mut entry.waker, new));
                return false;
            }
            None => self.entries.push(Entry { key: key.unwrap_or(POLLER), waker: new }),
        }
        self.new += u32::from(key.is_none());
        let is_crowded = self.new > ROOM + self.returned;
        is_crowded && !std::mem::replace(&mut self.is_crowded, true)
    }

    fn take_all(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.entries.drain(..).map(|entry| entry.waker));
        (self.new, self.returned, self.is_crowded) = Default::default();
    }

    /// Takes out all pollers, unless a report has taken them since the sweep was asked for.
    fn begin_sweep(&mut self) -> Vec<Entry> {
        if !self.is_crowded {
            return Vec::new();
        }
        (self.new, self.returned, self.is_crowded) = Default::default();
        self.entries.extract_if(.., |entry| entry.key == POLLER || entry.key == CALLED).collect()
    }
}

/// A future's place among the waiters of a source. Dropping it takes the waker back.
pub(crate) struct Waiter<'a> {
    source: &'a Source,
    direction: Direction,
    key: Option<u64>,
}

impl<'a> Waiter<'a> {
    pub(crate) fn new(source: &'a Source, direction: Direction) -> Waiter<'a> {
        Waiter { source, direction, key: None }
    }

    /// As [`Source::poll_op`].
    pub(crate) fn poll_op<R>(
        &mut self,
        cx: &mut Context<'_>,
        op: impl FnMut() -> io::Result<R>,
        is_short: impl Fn(&R) -> bool,
    ) -> Poll<io::Result<R>> {
        self.take_key();
        self.source.poll_op(self.direction, &mut self.key, cx, op, is_short)
    }

    /// Ready when the backend has reported the source since it last was found blocking. Whether what it
    /// has reported leaves no doubt that all is well: where closing is reported, a failure is as well.
    pub(crate) fn poll_reported(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.take_key();
        let reported = self.source.poll_ready(self.direction, &mut self.key, cx);
        let closed = mask(self.direction) - Readiness::READABLE - Readiness::WRITABLE;
        let reports = self.source.reactor.reports_close;
        reported.map_ok(|seen| reports && !seen.readiness().intersects(closed))
    }

    /// Ready when the kernel agrees that an operation would not block.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (source, direction) = (self.source, self.direction);
        // SAFETY: `Async` owns the descriptor and drops its source before it closes it.
        let op = || match unsafe { source.watched.is_ready(direction) }? {
            true => Ok(()),
            false => Err(io::ErrorKind::WouldBlock.into()),
        };
        self.poll_op(cx, op, never_short)
    }

    fn take_key(&mut self) {
        self.key.get_or_insert_with(|| {
            let mut waiters = lock(&self.source.waiters);
            waiters.last_key += 1;
            waiters.last_key
        });
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let mut waiters = lock(&self.source.waiters);
        let entries = &mut waiters.list(self.direction).entries;
        let entry = entries.iter().position(|entry| entry.key == key).map(|at| entries.remove(at));
        drop(waiters);
        if entry.is_some() {
            self.source.reactor.observe(|observer| observer.source_left(self.source.id, self.direction));
        }
        drop(entry);
    }
}
