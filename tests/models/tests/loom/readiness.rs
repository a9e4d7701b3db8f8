//! The readiness of a source: reports of the reactor, concurrent with tasks that try an operation, wait and leave.
//!
//! A [`Socket`] models what the kernel keeps and the backend reports. Tasks call its operations through
//! `ReadinessCell::poll_op`, as those of a real source do; a loom thread plays the part of the reactor.

use super::kit::{Bell, RingBy, every_interleaving, interleavings_with};
use loom::sync::Arc as LoomArc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use models::block_on;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool as StdAtomicBool;
use std::task::{Context, Poll, Wake, Waker};

#[path = "../../../../reactor/src/readiness.rs"]
mod readiness;

use readiness::{Direction, ROOM, Readiness, ReadinessCell, Registration, WaiterKey};

/// A source without a descriptor: bytes that arrive, and room that opens.
struct Socket {
    cell: ReadinessCell,
    /// What the kernel keeps, in each direction.
    available: [AtomicUsize; 2],
    /// The interest of the last `rearm`.
    interest: AtomicUsize,
    /// How often a waiter found the source crowded.
    crowded: AtomicUsize,
    /// From now on each `rearm` fails.
    is_broken: StdAtomicBool,
}

impl Registration for Socket {
    fn rearm(&self, interest: Readiness) -> io::Result<()> {
        self.interest.store(interest.bits().into(), Ordering::Relaxed);
        let fails = self.is_broken.load(Ordering::SeqCst) && !interest.is_empty();
        if fails { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn crowded(&self) {
        self.crowded.fetch_add(1, Ordering::SeqCst);
    }

    fn waits(&self, _: Direction) {}
}

impl Socket {
    /// Assumed to be ready, as most sources are at first.
    fn new() -> LoomArc<Socket> {
        Socket::assumed(Readiness::OPEN)
    }

    fn assumed(assumed: Readiness) -> LoomArc<Socket> {
        LoomArc::new(Socket {
            cell: ReadinessCell::new(assumed),
            available: [AtomicUsize::new(0), AtomicUsize::new(0)],
            interest: AtomicUsize::new(0),
            crowded: AtomicUsize::new(0),
            is_broken: StdAtomicBool::new(false),
        })
    }

    fn interest(&self) -> Readiness {
        Readiness::from_bits_retain(self.interest.load(Ordering::Relaxed) as u8)
    }

    /// Makes one more unit available to operations in this direction, and reports it. Returns the number of wakers
    /// called.
    fn arrive(&self, direction: Direction) -> usize {
        self.available[direction as usize].fetch_add(1, Ordering::SeqCst);
        self.report(match direction {
            Direction::Read => Readiness::READABLE,
            Direction::Write => Readiness::WRITABLE,
        })
    }

    fn report(&self, readiness: Readiness) -> usize {
        let mut wakers = Vec::new();
        let count = self.cell.report(readiness, self, &mut wakers);
        assert_eq!(count, wakers.len());
        wakers.into_iter().for_each(Waker::wake);
        count
    }

    /// Models the system call: takes a unit, or would block.
    fn try_take(&self, direction: Direction) -> io::Result<()> {
        let available = &self.available[direction as usize];
        match available.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)) {
            Ok(_) => Ok(()),
            Err(_) => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_take(
        &self,
        direction: Direction,
        key: Option<WaiterKey>,
        cx: &mut Context<'_>,
        proves_drained: bool,
    ) -> Poll<io::Result<()>> {
        self.cell.poll_op(direction, key, self, cx, || self.try_take(direction), |()| proves_drained)
    }

    /// Waits for a unit and takes it.
    async fn take(&self, direction: Direction) -> io::Result<()> {
        let mut waiter = Waiter { socket: self, direction, key: None };
        poll_fn(|cx| {
            let key = *waiter.key.get_or_insert_with(|| self.cell.new_key());
            self.poll_take(direction, Some(key), cx, false)
        })
        .await
    }

    /// Waits until the source is reported, and takes nothing.
    async fn ready(&self, direction: Direction) -> io::Result<()> {
        let mut waiter = Waiter { socket: self, direction, key: None };
        poll_fn(|cx| {
            let key = *waiter.key.get_or_insert_with(|| self.cell.new_key());
            self.cell.poll_ready(direction, Some(key), self, cx).map_ok(drop)
        })
        .await
    }

    /// Takes a unit as `AsyncRead` does: without a key.
    async fn poller(&self, direction: Direction) -> io::Result<()> {
        poll_fn(|cx| self.poll_take(direction, None, cx, false)).await
    }
}

/// As the `Waiter` of `source.rs`: dropping it removes its waker.
struct Waiter<'a> {
    socket: &'a Socket,
    direction: Direction,
    key: Option<WaiterKey>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return; // loom has stopped the model; another use of its locks would abort the process
        }
        drop(self.key.and_then(|key| self.socket.cell.remove(self.direction, key)));
    }
}

fn spawn<T: 'static>(socket: &LoomArc<Socket>, run: impl FnOnce(&Socket) -> T + 'static) -> thread::JoinHandle<T> {
    let socket = socket.clone();
    thread::spawn(move || run(&socket))
}

/// Polls once with the waker of a bell; the future must be pending.
fn leave_waker(future: impl Future, bell: &LoomArc<Bell>) {
    let waker = bell.clone().waker();
    assert!(pin!(future).poll(&mut Context::from_waker(&waker)).is_pending());
}

// Invariant 1: a report between the failed attempt and the waiter's entry is not lost. It would be lost without the
// second load of the word under the lock, or if clearing overwrote the report.
#[test]
fn a_report_during_an_attempt_wakes_the_task_or_is_seen() {
    every_interleaving(|| {
        let socket = Socket::new();
        let reactor = spawn(&socket, |socket| socket.arrive(Direction::Read));
        block_on(socket.take(Direction::Read)).unwrap();
        reactor.join().unwrap();
    });
}

// Invariant 1: the same for a source that is not assumed to be ready: the first poll waits at once.
#[test]
fn a_report_during_a_first_wait_wakes_the_task_or_is_seen() {
    every_interleaving(|| {
        let socket = Socket::assumed(Readiness::empty());
        let reactor = spawn(&socket, |socket| socket.arrive(Direction::Write));
        block_on(socket.ready(Direction::Write)).unwrap();
        reactor.join().unwrap();
    });
}

// Invariant 1: a second report while the first one is used up. The second count of the word keeps it.
#[test]
fn two_reports_in_a_row_give_two_operations() {
    interleavings_with(3, || {
        let socket = Socket::new();
        let reactor = spawn(&socket, |socket| {
            socket.arrive(Direction::Read);
            socket.arrive(Direction::Read);
        });
        block_on(socket.take(Direction::Read)).unwrap();
        block_on(socket.take(Direction::Read)).unwrap();
        reactor.join().unwrap();
    });
}

// Invariant 1: a short read clears the bit, which must not erase the report of what arrived after it.
#[test]
fn a_report_during_a_short_read_is_kept() {
    every_interleaving(|| {
        let socket = Socket::new();
        socket.arrive(Direction::Read);
        let reactor = spawn(&socket, |socket| socket.arrive(Direction::Read));
        let short = |socket: &Socket| block_on(poll_fn(|cx| socket.poll_take(Direction::Read, None, cx, true)));
        short(&socket).unwrap();
        short(&socket).unwrap();
        reactor.join().unwrap();
    });
}

// Invariant 1: a report wakes every waiter of its direction; otherwise the first one would have to wake the next.
#[test]
fn one_report_wakes_both_readers() {
    interleavings_with(2, || {
        let socket = Socket::assumed(Readiness::empty());
        let other = spawn(&socket, |socket| block_on(socket.ready(Direction::Read)).unwrap());
        let reactor = spawn(&socket, |socket| socket.report(Readiness::READABLE));
        block_on(socket.ready(Direction::Read)).unwrap();
        other.join().unwrap();
        assert!(reactor.join().unwrap() <= 2);
    });
}

// Invariant 1: a reader and a writer wait at the same source. Reports of the two directions do not disturb each other,
// and each one finds its own waiter.
#[test]
fn a_reader_and_a_writer_are_woken_by_their_own_reports() {
    interleavings_with(2, || {
        let socket = Socket::new();
        let writer = spawn(&socket, |socket| block_on(socket.take(Direction::Write)).unwrap());
        let reactor = spawn(&socket, |socket| {
            socket.arrive(Direction::Read);
            socket.arrive(Direction::Write);
        });
        block_on(socket.take(Direction::Read)).unwrap();
        writer.join().unwrap();
        reactor.join().unwrap();
    });
}

// Invariants 1 and 9: a report takes the wakers that it wakes. A waker left behind would be called again by the next
// report.
#[test]
fn a_report_leaves_no_waker_behind() {
    every_interleaving(|| {
        let socket = Socket::assumed(Readiness::empty());
        let first = Bell::new();
        leave_waker(socket.poller(Direction::Read), &first);
        let reactor = spawn(&socket, |socket| socket.report(Readiness::READABLE) + socket.report(Readiness::READABLE));
        first.wait();
        assert_eq!(reactor.join().unwrap(), 1);
        assert!(socket.cell.remove_all().is_empty());
    });
}

// Invariant 5: a future that is dropped during a report leaves no waker behind, whichever comes first. Loom reports a
// waker that is not dropped.
#[test]
fn a_dropped_future_leaves_no_waker_behind() {
    every_interleaving(|| {
        let socket = Socket::assumed(Readiness::empty());
        let reactor = spawn(&socket, |socket| socket.report(Readiness::READABLE));
        let bell = Bell::new();
        let waker = bell.clone().waker();
        let _either = pin!(socket.ready(Direction::Write)).poll(&mut Context::from_waker(&waker));
        reactor.join().unwrap();
        assert!(socket.cell.remove_all().is_empty(), "its waker was left behind");
    });
}

// Invariant 5: of two futures that wait, the one that is dropped removes its own waker and not the other one's.
#[test]
fn a_dropped_future_leaves_the_waker_of_the_other() {
    interleavings_with(2, || {
        let socket = Socket::assumed(Readiness::empty());
        let leaves = spawn(&socket, |socket| {
            let bell = Bell::new();
            let waker = bell.clone().waker();
            let _either = pin!(socket.ready(Direction::Read)).poll(&mut Context::from_waker(&waker));
        });
        let reactor = spawn(&socket, |socket| socket.report(Readiness::READABLE));
        block_on(socket.ready(Direction::Read)).unwrap();
        leaves.join().unwrap();
        reactor.join().unwrap();
    });
}

// Invariant 1, for a backend that reports once: the last `rearm` has the interest of all waiters.
#[test]
fn the_last_rearm_has_the_interest_of_both_directions() {
    every_interleaving(|| {
        let socket = Socket::assumed(Readiness::empty());
        let writer = spawn(&socket, |socket| {
            let bell = Bell::new();
            leave_waker(socket.poller(Direction::Write), &bell);
        });
        let bell = Bell::new();
        leave_waker(socket.poller(Direction::Read), &bell);
        writer.join().unwrap();
        assert_eq!(socket.interest(), Readiness::OPEN);
    });
}

// Invariant 1, for a backend that reports once: a report of one direction re-arms the other, while a waiter arrives.
#[test]
fn a_report_rearms_for_the_waiters_that_are_left() {
    every_interleaving(|| {
        let socket = Socket::assumed(Readiness::empty());
        let bell = Bell::new();
        leave_waker(socket.poller(Direction::Read), &bell);
        let reactor = spawn(&socket, |socket| socket.report(Readiness::READABLE));
        let other = Bell::new();
        leave_waker(socket.poller(Direction::Write), &other);
        assert_eq!(reactor.join().unwrap(), 1);
        assert_eq!(socket.interest(), Readiness::WRITABLE);
        socket.report(Readiness::WRITABLE);
        other.wait();
        assert_eq!(socket.interest(), Readiness::empty());
    });
}

// Invariant 1: if re-arming fails at a report, the waiters that are left are woken to try again.
#[test]
fn a_rearm_that_fails_wakes_the_waiters_that_are_left() {
    every_interleaving(|| {
        let socket = Socket::assumed(Readiness::empty());
        let bell = Bell::new();
        leave_waker(socket.poller(Direction::Read), &bell);
        socket.is_broken.store(true, Ordering::SeqCst);
        let reactor = spawn(&socket, |socket| socket.report(Readiness::WRITABLE));
        bell.wait();
        block_on(socket.ready(Direction::Read)).unwrap();
        assert_eq!(reactor.join().unwrap(), 1);
    });
}

// Invariant 1: the end of the reactor reaches the tasks that wait in either direction, and those that are about to.
#[test]
fn the_end_of_the_reactor_ends_all_waits() {
    interleavings_with(2, || {
        let socket = Socket::new();
        let writer = spawn(&socket, |socket| block_on(socket.take(Direction::Write)).is_err());
        let reactor = spawn(&socket, |socket| socket.report(Readiness::ORPHANED));
        assert!(block_on(socket.take(Direction::Read)).is_err());
        assert!(writer.join().unwrap());
        reactor.join().unwrap();
    });
}

/// A waker that only notes that it was called. Loom does not see it, so many of them cost no interleavings.
#[derive(Default)]
struct Noted(StdAtomicBool);

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Makes this many new pollers wait to read.
fn add_pollers(socket: &Socket, count: u32) -> Vec<Arc<Noted>> {
    let pollers: Vec<Arc<Noted>> = (0..count).map(|_| Arc::default()).collect();
    pollers.iter().for_each(|poller| poll_again(socket, poller));
    pollers
}

/// Makes so many pollers wait that the source is crowded.
fn crowd(socket: &Socket) -> Vec<Arc<Noted>> {
    let before = socket.crowded.load(Ordering::SeqCst);
    let pollers = add_pollers(socket, ROOM + 1);
    assert_eq!(socket.crowded.load(Ordering::SeqCst), before + 1);
    pollers
}

fn poll_again(socket: &Socket, poller: &Arc<Noted>) {
    let waker = Waker::from(poller.clone());
    let polled = socket.poll_take(Direction::Read, None, &mut Context::from_waker(&waker), false);
    assert!(polled.is_pending());
}

fn sweep(socket: &Socket) -> usize {
    let mut wakers = Vec::new();
    let count = socket.cell.sweep(&mut wakers);
    wakers.into_iter().for_each(Waker::wake);
    count
}

// Invariant 1: whether a sweep or a concurrent report takes them first, all pollers are woken.
#[test]
fn a_sweep_during_a_report_wakes_all_pollers() {
    interleavings_with(3, || {
        let socket = Socket::assumed(Readiness::empty());
        let pollers = crowd(&socket);
        let reports = spawn(&socket, |socket| socket.report(Readiness::READABLE));
        sweep(&socket);
        reports.join().unwrap();
        assert!(pollers.iter().all(|poller| poller.0.load(Ordering::SeqCst)), "a poller was not woken");
    });
}

// Invariant 1: a poller that begins to wait during a sweep is kept for the next report.
#[test]
fn a_poller_during_a_sweep_is_woken_by_the_next_report() {
    interleavings_with(3, || {
        let socket = Socket::assumed(Readiness::empty());
        let _pollers = crowd(&socket);
        let reactor = spawn(&socket, |socket| {
            let _called = sweep(socket);
            socket.arrive(Direction::Read);
        });
        block_on(socket.poller(Direction::Read)).unwrap();
        reactor.join().unwrap();
    });
}

// Invariants 1 and 6: pollers that come back after a sweep are kept, and no further sweep is requested: nothing spins.
#[test]
fn pollers_that_come_back_after_a_sweep_are_kept_and_not_swept_again() {
    interleavings_with(3, || {
        let socket = Socket::assumed(Readiness::empty());
        let pollers = crowd(&socket);
        sweep(&socket);
        let returns = spawn(&socket, {
            let pollers = pollers.clone();
            move |socket| pollers[..8].iter().for_each(|poller| poll_again(socket, poller))
        });
        pollers[8..].iter().for_each(|poller| poll_again(&socket, poller));
        returns.join().unwrap();
        pollers.iter().for_each(|poller| poller.0.store(false, Ordering::SeqCst));
        let more = add_pollers(&socket, 2 * ROOM); // room for as many more as came back, and for another `ROOM`
        assert_eq!(socket.crowded.load(Ordering::SeqCst), 1, "another sweep was requested");
        assert_eq!(socket.report(Readiness::READABLE), pollers.len() + more.len());
        assert!(pollers.iter().all(|poller| poller.0.load(Ordering::SeqCst)), "a poller was not woken");
    });
}

// Invariant 5: pollers that a sweep has called and that do not come back are forgotten by the next one.
#[test]
fn pollers_that_do_not_come_back_are_forgotten() {
    every_interleaving(|| {
        let socket = Socket::assumed(Readiness::empty());
        let stale = crowd(&socket);
        assert_eq!(sweep(&socket), stale.len());
        let others = crowd(&socket);
        assert_eq!(sweep(&socket), others.len());
        assert!(stale.iter().all(|poller| Arc::strong_count(poller) == 1), "a stale waker is kept");
        assert_eq!(socket.report(Readiness::READABLE), others.len());
    });
}

// Invariant 5: a poller whose `rearm` fails still requests the sweep that is due; otherwise stale pollers would stay
// until a report.
#[test]
fn a_poller_that_gets_an_error_requests_the_sweep_that_is_due() {
    every_interleaving(|| {
        let socket = Socket::assumed(Readiness::empty());
        let pollers = add_pollers(&socket, ROOM);
        socket.is_broken.store(true, Ordering::SeqCst);
        let last = Waker::from(Arc::<Noted>::default());
        let polled = socket.poll_take(Direction::Read, None, &mut Context::from_waker(&last), false);
        assert!(matches!(polled, std::task::Poll::Ready(Err(_))));
        assert_eq!(socket.crowded.load(Ordering::SeqCst), 1);
        assert_eq!(sweep(&socket), pollers.len() + 1);
    });
}
