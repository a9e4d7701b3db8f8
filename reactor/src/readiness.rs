//! The readiness of a source and the waiters at it: one word, two lists of wakers, and the order of steps between them.
//!
//! This file names no descriptor, backend or reactor, so the model checker can run it unchanged. Used by `source.rs`.
//!
//! # A wake is never lost
//!
//! ```text
//! reactor, on a report:   set the bits in the word  →  take the lock, take the waiters, wake them
//! task, on WouldBlock:    clear the bits            →  take the lock, load the word again, wait
//! ```
//!
//! Whichever of the two takes the lock second sees what the other did: the reactor finds the waiter, or the task finds
//! the bits.
//!
//! The word also counts reports. A task clears bits only if no report came since it loaded the word (`clear` compares
//! the whole word). Otherwise a report between a failed `read` and the clearing of its bit would be erased.
//!
//! A backend that reports a source only once must be re-armed: by the task when it has become a waiter, and by the
//! reactor when it has taken some of the waiters and others are left. Both happen under the lock, so the last call has
//! the interest of all waiters. A waiter that leaves does not re-arm: the report that it requested comes once, wakes no
//! task and disarms the source.
//!
//! # Wakers do not pile up
//!
//! A future of this crate has one entry, named by its [`WaiterKey`], and removes it when it is dropped. A poller
//! (`AsyncRead`, `AsyncWrite`, `poll_read_with` and the like) has none, because nothing runs when it loses interest.
//! All pollers that wait must be woken, so none may replace another. But a combinator that is rebuilt in each round of
//! a loop polls with a new waker each time, and all but the last waker are stale. Two rules bound the number of stale
//! wakers:
//!
//! - After a waker is called, its entry may be removed: a poller that still waits polls again and adds a new one.
//! - When the pollers added since the last sweep exceed [`ROOM`] and those that came back since, the next turn of the
//!   reactor **sweeps**: it drops the pollers that the previous sweep called and that have not come back since, and
//!   calls all others.
//!
//! So a source keeps a constant number of stale wakers, at a constant cost for each poller that is added. Pollers that
//! still wait come back and make room for as many more, so the sweeps stop after a few rounds, however many pollers
//! wait.

use crate::shim::{AtomicUsize, Mutex, MutexGuard, Ordering};
use std::io;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker, ready};

bitflags::bitflags! {
    /// What a source is ready for, as far as is known.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Readiness: u8 {
        /// A read may make progress.
        const READABLE = 1;
        /// A write may make progress.
        const WRITABLE = 2;
        /// The peer will send no more, or the connection is broken: reads never block again.
        const READ_CLOSED = 4;
        /// The peer accepts no more, or the connection is broken: writes never block again.
        const WRITE_CLOSED = 8;
        /// Urgent data is on its way: a read ends before it, whatever follows.
        const URGENT = 16;
        /// The reactor was dropped: nothing will ever wake a waiter of this source. No backend reports this.
        const ORPHANED = 32;
        /// All bits that concern reading.
        const READ = 1 | 4 | 16 | 32;
        /// All bits that concern writing.
        const WRITE = 2 | 8 | 32;
    }
}

impl Readiness {
    /// The two bits that say that a transfer may make progress; also all that an interest can hold.
    pub(crate) const OPEN: Readiness = Readiness::READABLE.union(Readiness::WRITABLE);
}

/// The direction in which a task waits for a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Until a read, an accept or a receive may make progress.
    Read,
    /// Until a write, a connect or a send may make progress.
    Write,
}

impl Direction {
    const BOTH: [Direction; 2] = [Direction::Read, Direction::Write];

    /// All bits that concern this direction.
    pub(crate) const fn readiness(self) -> Readiness {
        match self {
            Direction::Read => Readiness::READ,
            Direction::Write => Readiness::WRITE,
        }
    }
}

/// One report in the word: the low bits are a [`Readiness`], the rest counts reports and wraps around.
const REPORT: usize = 1 << 8;

/// The word at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Seen(usize);

impl Seen {
    pub(crate) fn readiness(self) -> Readiness {
        Readiness::from_bits_retain((self.0 % REPORT) as u8)
    }

    fn is_ready_for(self, direction: Direction) -> bool {
        self.readiness().intersects(direction.readiness())
    }
}

/// The registration that a [`ReadinessCell`] belongs to. The source implements it, and so do the models.
pub(crate) trait Registration {
    /// Requests the next report from a backend that reports a source only once. `interest` is that of all waiters; it
    /// may be empty. Called under the lock of the waiters.
    fn rearm(&self, interest: Readiness) -> io::Result<()>;

    /// The source is crowded: the reactor must [sweep](ReadinessCell::sweep) it in its next turn.
    fn crowded(&self);

    /// A waker was left, and the poll is about to return `Pending`.
    fn waits(&self, direction: Direction);
}

/// The readiness word of one source, and its waiters.
pub(crate) struct ReadinessCell {
    word: AtomicUsize,
    waiters: Mutex<Waiters>,
}

impl ReadinessCell {
    /// `assumed` is what the source is taken to be ready for until the first attempt shows otherwise.
    pub(crate) fn new(assumed: Readiness) -> ReadinessCell {
        ReadinessCell { word: AtomicUsize::new(assumed.bits().into()), waiters: Mutex::new(Waiters::default()) }
    }

    /// No foreign code runs under this lock, so the lists are consistent even after a panic.
    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self) -> Seen {
        Seen(self.word.load(Ordering::Acquire))
    }

    /// The readiness and the number of reports at this moment, for observers.
    pub(crate) fn word(&self) -> (Readiness, usize) {
        let seen = self.load();
        (seen.readiness(), seen.0 / REPORT)
    }

    /// For the reactor: the backend reported the source. Moves the wakers of all waiters for this readiness to
    /// `wakers`, and returns their number.
    pub(crate) fn report(
        &self,
        readiness: Readiness,
        registration: &impl Registration,
        wakers: &mut Vec<Waker>,
    ) -> usize {
        let add = |word: usize| Some((word | usize::from(readiness.bits())).wrapping_add(REPORT));
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
        let before = wakers.len();
        let mut waiters = self.lock();
        for direction in Direction::BOTH {
            if readiness.intersects(direction.readiness()) {
                waiters.list(direction).take_all(wakers);
            }
        }
        if registration.rearm(waiters.interest()).is_err() {
            // The waiters that are left try their operation again, and get the error from there.
            waiters.lists.iter_mut().for_each(|list| list.take_all(wakers));
            self.word.fetch_or(usize::from(Readiness::OPEN.bits()), Ordering::AcqRel);
        }
        wakers.len() - before
    }

    /// For the reactor, when the source is crowded: drops stale pollers, copies the wakers of the others to `wakers`,
    /// and returns their number.
    pub(crate) fn sweep(&self, wakers: &mut Vec<Waker>) -> usize {
        let before = wakers.len();
        for direction in Direction::BOTH {
            let mut pollers = self.lock().list(direction).begin_sweep();
            // Outside of the lock, because wakers are cloned and dropped. A poller that is added meanwhile gets a
            // second entry. A report meanwhile misses none of these, as all of them are about to be called.
            pollers.retain(|poller| poller.owner == Owner::Poller);
            wakers.extend(pollers.iter().map(|poller| poller.waker.clone()));
            pollers.iter_mut().for_each(|poller| poller.owner = Owner::CalledPoller);
            self.lock().list(direction).entries.append(&mut pollers);
        }
        wakers.len() - before
    }

    /// Calls `op` until it does not block. Between two calls it waits for a report: `key` names the waiter's entry;
    /// without a key it is a poller's. If `proves_drained` holds for a result, the kernel's buffer is known to be empty
    /// (or full): then the next call waits before it tries.
    pub(crate) fn poll_op<R>(
        &self,
        direction: Direction,
        key: Option<WaiterKey>,
        registration: &impl Registration,
        cx: &mut Context<'_>,
        mut op: impl FnMut() -> io::Result<R>,
        proves_drained: impl Fn(&R) -> bool,
    ) -> Poll<io::Result<R>> {
        loop {
            let seen = ready!(self.poll_ready(direction, key, registration, cx))?;
            match op() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.clear(seen, direction.readiness()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    // A short read proves nothing before urgent data: the read ends there, with more behind it.
                    let is_urgent = seen.readiness().intersects(Readiness::URGENT);
                    if !is_urgent && result.as_ref().is_ok_and(&proves_drained) {
                        // The closed bits stay: the end of the stream is still to come.
                        self.clear(seen, direction.readiness() & Readiness::OPEN);
                    }
                    return Poll::Ready(result);
                }
            }
        }
    }

    /// Ready with the readiness if there is any for `direction`. Otherwise leaves the waker.
    pub(crate) fn poll_ready(
        &self,
        direction: Direction,
        key: Option<WaiterKey>,
        registration: &impl Registration,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Seen>> {
        let mut seen = self.load();
        if !seen.is_ready_for(direction) {
            let mut waker = Some(cx.waker().clone()); // cloned and dropped outside of the lock
            let mut waiters = self.lock();
            seen = self.load(); // again: a report before this lock found no waiter
            if !seen.is_ready_for(direction) {
                let is_crowded = waiters.list(direction).insert(key, &mut waker);
                let rearmed = registration.rearm(waiters.interest());
                drop(waiters);
                drop(waker);
                if is_crowded {
                    registration.crowded(); // even if the next line fails: the list requests only one sweep
                }
                rearmed?;
                registration.waits(direction);
                return Poll::Pending;
            }
        }
        match seen.readiness().intersects(Readiness::ORPHANED) {
            false => Poll::Ready(Ok(seen)),
            true => Poll::Ready(Err(orphaned())),
        }
    }

    /// Clears bits that an operation has disproved, unless a report came since `seen`: then they are fresh and stay.
    fn clear(&self, seen: Seen, bits: Readiness) {
        let cleared = seen.0 & !usize::from(bits.bits());
        let _ = self.word.compare_exchange(seen.0, cleared, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// A key for a future that is about to wait.
    pub(crate) fn new_key(&self) -> WaiterKey {
        let mut waiters = self.lock();
        waiters.last_key += 1;
        WaiterKey(waiters.last_key)
    }

    /// Removes the waker of a future that is dropped, unless a report has taken it. Drop it outside of every lock.
    pub(crate) fn remove(&self, direction: Direction, key: WaiterKey) -> Option<Waker> {
        let mut waiters = self.lock();
        let entries = &mut waiters.list(direction).entries;
        let at = entries.iter().position(|entry| entry.owner == Owner::Future(key))?;
        Some(entries.remove(at).waker)
    }

    /// Removes all wakers when the source is deregistered. Drop them outside of every lock.
    pub(crate) fn remove_all(&self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        self.lock().lists.iter_mut().for_each(|list| list.take_all(&mut wakers));
        wakers
    }
}

/// The error of an operation whose reactor was dropped.
pub(crate) fn orphaned() -> io::Error {
    io::Error::other(
        "the runtime that this socket was registered with has ended, so nothing would wake a task that waits for it: \
         make the socket inside the runtime that uses it",
    )
}

#[derive(Default)]
struct Waiters {
    /// The waiters to read, and those to write.
    lists: [List; 2],
    last_key: u64,
}

impl Waiters {
    fn list(&mut self, direction: Direction) -> &mut List {
        &mut self.lists[direction as usize]
    }

    fn interest(&self) -> Readiness {
        let [readers, writers] = &self.lists;
        let mut interest = Readiness::empty();
        interest.set(Readiness::READABLE, !readers.entries.is_empty());
        interest.set(Readiness::WRITABLE, !writers.entries.is_empty());
        interest
    }
}

/// The waiters in one direction, the oldest first.
#[derive(Default)]
struct List {
    entries: Vec<Entry>,
    /// Pollers added since the last sweep.
    new: u32,
    /// Pollers that came back since the last sweep called them.
    returned: u32,
    /// The reactor sweeps this list in its next turn.
    is_crowded: bool,
}

struct Entry {
    owner: Owner,
    waker: Waker,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Future(WaiterKey),
    /// Pollers are told apart by the task that they wake.
    Poller,
    /// A poller that a sweep has called and that has not come back.
    CalledPoller,
}

/// Names the entry of one future among the waiters of a source.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaiterKey(u64);

/// Pollers that may be added between two sweeps, in addition to as many as came back.
pub(crate) const ROOM: u32 = 16;

impl List {
    /// Adds `waker`, or puts it into the entry that the waiter already has; the waker that was there comes back in its
    /// place. Returns whether a sweep has become necessary.
    fn insert(&mut self, key: Option<WaiterKey>, waker: &mut Option<Waker>) -> bool {
        let Some(new) = waker.take() else { return false };
        let is_same = |entry: &&mut Entry| match key {
            Some(key) => entry.owner == Owner::Future(key),
            None => !matches!(entry.owner, Owner::Future(_)) && entry.waker.will_wake(&new),
        };
        if let Some(entry) = self.entries.iter_mut().find(is_same) {
            if entry.owner == Owner::CalledPoller {
                (entry.owner, self.returned) = (Owner::Poller, self.returned + 1);
            }
            *waker = Some(std::mem::replace(&mut entry.waker, new));
            return false;
        }
        self.entries.push(Entry { owner: key.map_or(Owner::Poller, Owner::Future), waker: new });
        self.new += u32::from(key.is_none());
        let is_crowded = self.new > ROOM + self.returned;
        is_crowded && !std::mem::replace(&mut self.is_crowded, true)
    }

    fn take_all(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.entries.drain(..).map(|entry| entry.waker));
        (self.new, self.returned, self.is_crowded) = Default::default();
    }

    /// Removes all pollers, unless a report has taken them since the sweep was requested.
    fn begin_sweep(&mut self) -> Vec<Entry> {
        if !self.is_crowded {
            return Vec::new();
        }
        (self.new, self.returned, self.is_crowded) = Default::default();
        self.entries.extract_if(.., |entry| !matches!(entry.owner, Owner::Future(_))).collect()
    }
}
