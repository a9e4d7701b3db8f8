//! The tests of lab 9, the easiest first. Most drive one readiness cell by hand: the test plays the reactor, the kernel
//! and the tasks, so it sets the order in which they act. The last ones use a real socket pair and a real reactor, which
//! never waits.

#[allow(dead_code)] // the reactor uses more of it than these tests
#[path = "../../../../reactor/src/readiness.rs"]
mod readiness;

/// In place of the reactor's module of this name.
mod shim {
    pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
    pub(crate) use std::sync::{Mutex, MutexGuard};
}

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use reactor::Reactor;
use reactor::net::UnixStream;
use readiness::{Direction, Readiness, ReadinessCell, Registration, WaiterKey};
use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tests::kit::{Counting, hand, waiting};

/// A source without a descriptor. It records what the readiness cell requests from the backend.
struct Socket {
    cell: ReadinessCell,
    /// The interest of the last `rearm`.
    interest: Cell<Readiness>,
    /// From now on each `rearm` fails.
    is_broken: Cell<bool>,
}

impl Registration for Socket {
    fn rearm(&self, interest: Readiness) -> io::Result<()> {
        self.interest.set(interest);
        if self.is_broken.get() && !interest.is_empty() { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn crowded(&self) {}

    fn waits(&self, _: Direction) {}
}

/// What an operation returns that would block.
fn would_block() -> io::Result<usize> {
    Err(ErrorKind::WouldBlock.into())
}

impl Socket {
    fn new(assumed: Readiness) -> Socket {
        let (interest, is_broken) = (Cell::new(Readiness::empty()), Cell::new(false));
        Socket { cell: ReadinessCell::new(assumed), interest, is_broken }
    }

    /// Does what the reactor does when the backend reports the source. Returns the number of wakers called.
    fn report(&self, readiness: Readiness) -> usize {
        let mut wakers = Vec::new();
        let count = self.cell.report(readiness, self, &mut wakers);
        assert!(count == wakers.len(), "`report` returned {count}, and moved {} wakers", wakers.len());
        wakers.into_iter().for_each(Waker::wake);
        count
    }

    /// Polls an operation with this waker.
    fn poll(
        &self,
        direction: Direction,
        key: Option<WaiterKey>,
        task: &Arc<Counting>,
        op: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll_short(direction, key, task, op, false)
    }

    /// As `poll`; `is_short` says whether a result proves that the socket is empty.
    fn poll_short(
        &self,
        direction: Direction,
        key: Option<WaiterKey>,
        task: &Arc<Counting>,
        op: impl FnMut() -> io::Result<usize>,
        is_short: bool,
    ) -> Poll<io::Result<usize>> {
        let waker = task.waker();
        self.cell.poll_op(direction, key, self, &mut Context::from_waker(&waker), op, |_| is_short)
    }

    /// Makes a new future wait, and returns its key and the counter of its waker.
    fn wait(&self, direction: Direction) -> (WaiterKey, Arc<Counting>) {
        let (key, task) = (self.cell.new_key(), Counting::new());
        let polled = self.poll(direction, Some(key), &task, would_block);
        assert!(polled.is_pending(), "an operation that would block must return Poll::Pending; it returned {polled:?}");
        (key, task)
    }
}

#[test]
fn a_task_waits_and_is_woken_by_a_report() {
    let socket = Socket::new(Readiness::empty());
    let mut attempts = 0;
    let task = Counting::new();
    let key = Some(socket.cell.new_key());
    let first = socket.poll(Direction::Read, key, &task, || {
        attempts += 1;
        would_block()
    });
    assert!(first.is_pending() && task.wakes() == 0, "the source is not ready; the operation returned {first:?}");
    assert!(attempts == 0, "the source is known not to be ready, and the operation was tried {attempts} times");
    let woken = socket.report(Readiness::READABLE);
    assert!(woken == 1 && task.wakes() == 1, "the source was reported, and {woken} waiters were woken, not one");
    let second = socket.poll(Direction::Read, key, &task, || Ok(5));
    assert!(matches!(second, Poll::Ready(Ok(5))), "the operation can read 5 bytes, and returned {second:?}");
    let kept = task.wakers(1);
    assert!(kept == 0, "the operation is over, and {kept} wakers of its task are kept");
}

#[test]
fn a_source_that_would_block_is_not_tried_again_before_a_report() {
    let socket = Socket::new(Readiness::OPEN); // as most sources are assumed to be at first
    let attempts = Cell::new(0);
    let task = Counting::new();
    let key = Some(socket.cell.new_key());
    for _ in 0..3 {
        let polled = socket.poll(Direction::Read, key, &task, || {
            attempts.set(attempts.get() + 1);
            assert!(attempts.get() < 10, "the operation is tried again and again, although it would block");
            would_block()
        });
        assert!(polled.is_pending(), "the operation would block, and returned {polled:?}");
    }
    let attempts = attempts.get();
    assert!(
        attempts == 1,
        "the operation would block, no report came, and it was tried {attempts} times in three polls"
    );
}

#[test]
fn a_report_during_an_attempt_is_not_lost() {
    let socket = Socket::new(Readiness::OPEN);
    socket.report(Readiness::READABLE);
    let task = Counting::new();
    let mut attempts = 0;
    let polled = socket.poll(Direction::Read, Some(socket.cell.new_key()), &task, || {
        attempts += 1;
        if attempts > 1 {
            return Ok(5);
        }
        // The kernel has found no bytes. Now five arrive, and the reactor's thread reports them. Only then does the
        // task see what the kernel has returned.
        socket.report(Readiness::READABLE);
        would_block()
    });
    assert!(
        matches!(polled, Poll::Ready(Ok(5))),
        "bytes were reported between the attempt that found none and the clearing of the readiness: the operation must \
         be tried again; it returned {polled:?}, and the task was woken {} times",
        task.wakes()
    );
}

#[test]
fn a_report_during_a_short_read_is_not_lost() {
    let socket = Socket::new(Readiness::OPEN);
    socket.report(Readiness::READABLE);
    let task = Counting::new();
    let key = Some(socket.cell.new_key());
    let short = || {
        socket.report(Readiness::READABLE); // more bytes arrive after the read
        Ok(3)
    };
    let first = socket.poll_short(Direction::Read, key, &task, short, true);
    assert!(matches!(first, Poll::Ready(Ok(3))), "a read of 3 bytes returned {first:?}");
    let second = socket.poll(Direction::Read, key, &task, || Ok(5));
    assert!(
        matches!(second, Poll::Ready(Ok(5))),
        "more bytes were reported after a short read had returned: the next read must be tried; it returned {second:?}"
    );
}

#[test]
fn a_short_read_saves_an_attempt() {
    let socket = Socket::new(Readiness::OPEN);
    let (task, key) = (Counting::new(), Some(socket.cell.new_key()));
    let first = socket.poll_short(Direction::Read, key, &task, || Ok(3), true);
    assert!(matches!(first, Poll::Ready(Ok(3))), "a read of 3 bytes returned {first:?}");
    let mut attempts = 0;
    let second = socket.poll(Direction::Read, key, &task, || {
        attempts += 1;
        would_block()
    });
    assert!(
        second.is_pending() && attempts == 0,
        "a short read has proved that the socket is empty: the next one must wait at once, and was tried {attempts} times"
    );
}

#[test]
fn a_short_read_does_not_hide_the_end_of_the_stream() {
    let socket = Socket::new(Readiness::empty());
    socket.report(Readiness::READABLE | Readiness::READ_CLOSED);
    let (task, key) = (Counting::new(), Some(socket.cell.new_key()));
    let first = socket.poll_short(Direction::Read, key, &task, || Ok(3), true);
    assert!(matches!(first, Poll::Ready(Ok(3))), "a read of 3 bytes returned {first:?}");
    let second = socket.poll(Direction::Read, key, &task, || Ok(0));
    assert!(
        matches!(second, Poll::Ready(Ok(0))),
        "the peer has closed the connection: after the last bytes, the next read must return the end of the stream; it \
         returned {second:?}, and no further report will come"
    );
}

#[test]
fn an_interrupted_operation_is_tried_again() {
    let socket = Socket::new(Readiness::OPEN);
    let mut attempts = 0;
    let polled = socket.poll(Direction::Read, Some(socket.cell.new_key()), &Counting::new(), || {
        attempts += 1;
        if attempts == 1 { Err(ErrorKind::Interrupted.into()) } else { Ok(5) }
    });
    let is_right = matches!(polled, Poll::Ready(Ok(5)));
    assert!(is_right, "a signal interrupted the operation, which must be tried again; it returned {polled:?}");
}

#[test]
fn a_dropped_future_removes_its_own_waker() {
    let socket = Socket::new(Readiness::empty());
    let (_first, one) = socket.wait(Direction::Read);
    let (second, other) = socket.wait(Direction::Read);
    drop(socket.cell.remove(Direction::Read, second));
    let (kept, left) = (one.wakers(1), other.wakers(1));
    assert!(
        (kept, left) == (1, 0),
        "two futures waited, and the second was dropped: the source must keep the waker of the first alone; it keeps \
         {kept} of the first and {left} of the second"
    );
    assert!(socket.cell.remove(Direction::Read, second).is_none(), "a waker was removed a second time");
    let woken = socket.report(Readiness::READABLE);
    assert!((woken, one.wakes()) == (1, 1), "the future that still waits was woken {} times by a report", one.wakes());
}

#[test]
fn a_future_has_one_entry_with_its_last_waker() {
    let socket = Socket::new(Readiness::empty());
    let (key, before) = socket.wait(Direction::Read);
    let after = Counting::new(); // the future has moved to another task
    assert!(socket.poll(Direction::Read, Some(key), &after, would_block).is_pending(), "nothing was reported");
    let woken = socket.report(Readiness::READABLE);
    let wakes = (before.wakes(), after.wakes());
    assert!(
        (woken, wakes) == (1, (0, 1)),
        "one future waited, polled with two wakers one after the other: a report must call the last one alone; it called \
         {woken} wakers, the first {} times and the last {} times",
        wakes.0,
        wakes.1
    );
    let kept = before.wakers(1);
    assert!(kept == 0, "the first waker was replaced, and is kept {kept} times");
}

#[test]
fn a_report_wakes_all_waiters_of_its_direction() {
    let socket = Socket::new(Readiness::empty());
    let readers = [socket.wait(Direction::Read), socket.wait(Direction::Read)];
    let (_, writer) = socket.wait(Direction::Write);
    let woken = socket.report(Readiness::READABLE);
    let wakes: Vec<usize> = readers.iter().map(|(_, task)| task.wakes()).collect();
    assert!(
        wakes == [1, 1],
        "two futures wait to read, and the source is readable: their wakers were called {wakes:?} times"
    );
    assert!(
        woken == 2 && writer.wakes() == 0,
        "the source is readable and not writable: the future that waits to write was woken {} times",
        writer.wakes()
    );
}

#[test]
fn pollers_of_two_tasks_both_wait() {
    let socket = Socket::new(Readiness::empty());
    let (one, other) = (Counting::new(), Counting::new());
    // The first polls twice, with the same waker: that makes no second entry.
    for task in [&one, &one, &other] {
        assert!(socket.poll(Direction::Read, None, task, would_block).is_pending(), "nothing was reported");
    }
    let woken = socket.report(Readiness::READABLE);
    let wakes = (one.wakes(), other.wakes());
    assert!(
        (woken, wakes) == (2, (1, 1)),
        "two tasks wait without a key, and both must be woken once; {woken} wakers were called, that of the first {} \
         times and that of the second {} times",
        wakes.0,
        wakes.1
    );
}

#[test]
fn a_waiter_arms_the_source_for_all_that_wait() {
    let socket = Socket::new(Readiness::empty());
    let _reader = socket.wait(Direction::Read);
    let interest = socket.interest.get();
    assert!(
        interest == Readiness::READABLE,
        "a future waits to read, at a backend that reports once: the source must be armed for READABLE; it is armed for \
         {interest:?}"
    );
    let _writer = socket.wait(Direction::Write);
    let interest = socket.interest.get();
    assert!(
        interest == Readiness::OPEN,
        "a reader and a writer wait: the source must be armed for both; it is armed for {interest:?}"
    );
}

#[test]
fn a_report_arms_the_source_for_those_that_are_left() {
    let socket = Socket::new(Readiness::empty());
    let _reader = socket.wait(Direction::Read);
    let (_, writer) = socket.wait(Direction::Write);
    socket.interest.set(Readiness::empty()); // the backend reports once, and then disarms the source
    socket.report(Readiness::READABLE);
    let interest = socket.interest.get();
    assert!(
        interest == Readiness::WRITABLE,
        "the reader was woken and the writer still waits: the source must be armed for WRITABLE; it is armed for \
         {interest:?}"
    );
    let _reader = socket.wait(Direction::Read);
    socket.is_broken.set(true);
    socket.report(Readiness::READABLE);
    let wakes = writer.wakes();
    assert!(
        wakes == 1,
        "the source can't be armed again: the writer must be woken to get the error, and was woken {wakes} times"
    );
}

#[test]
fn a_waiter_that_cannot_arm_the_source_gets_the_error() {
    let socket = Socket::new(Readiness::empty());
    socket.is_broken.set(true);
    let polled = socket.poll(Direction::Read, Some(socket.cell.new_key()), &Counting::new(), would_block);
    let is_error = matches!(&polled, Poll::Ready(Err(error)) if error.kind() == ErrorKind::BrokenPipe);
    assert!(is_error, "the backend cannot arm the source, so no report would come; the operation returned {polled:?}");
}

#[test]
fn the_end_of_the_reactor_is_an_error() {
    let socket = Socket::new(Readiness::empty());
    let (key, task) = socket.wait(Direction::Read);
    socket.report(Readiness::ORPHANED);
    assert!(task.wakes() == 1, "the reactor was dropped, and a future that waits was woken {} times", task.wakes());
    let mut attempts = 0;
    let polled = socket.poll(Direction::Read, Some(key), &task, || {
        attempts += 1;
        would_block()
    });
    let is_error = matches!(polled, Poll::Ready(Err(_)));
    assert!(
        is_error && attempts == 0,
        "the reactor was dropped, so waiting is an error; the operation was tried {attempts} times and returned {polled:?}"
    );
}

/// A real reactor, entered on this thread, and a real socket pair.
fn real() -> (Reactor, reactor::Entered, UnixStream, UnixStream) {
    let reactor = Reactor::new().expect("there are descriptors left");
    let entered = reactor.handle().enter();
    let (ours, theirs) = UnixStream::pair().expect("there are descriptors left");
    (reactor, entered, ours, theirs)
}

/// Looks for events without waiting. What was written to a socket pair is there at once.
fn turn(reactor: &mut Reactor) {
    reactor.turn(Some(Duration::ZERO)).expect("the backend works");
}

#[test]
fn bytes_wake_a_reader_of_a_real_socket() {
    let (mut reactor, _entered, ours, mut theirs) = real();
    let mut buffer = [0; 8];
    for round in 1..=3 {
        let mut read = waiting(ours.read(&mut buffer));
        hand(theirs.write_all(b"hello")).ready().expect("the socket takes five bytes");
        assert!(!read.was_woken(), "round {round}: the reactor has not looked for events");
        turn(&mut reactor);
        assert!(read.was_woken(), "round {round}: five bytes arrived, and the reader was not woken");
        let count = read.ready().expect("it is connected");
        assert!(count == 5, "round {round}: five bytes arrived, and {count} were read");
    }
}

#[test]
fn one_report_is_enough_for_many_reads() {
    let (mut reactor, _entered, ours, mut theirs) = real();
    hand(theirs.write_all(b"0123456789")).ready().expect("the socket takes ten bytes");
    turn(&mut reactor); // an edge: the kernel will not report these bytes again
    let mut byte = [0];
    for number in 0..10 {
        let polled = hand(ours.read(&mut byte)).poll();
        assert!(
            matches!(polled, Poll::Ready(Ok(1))),
            "ten bytes arrived, with one report, and are read one by one; read {number} returned {polled:?}"
        );
    }
    let mut read = waiting(ours.read(&mut byte));
    hand(theirs.write_all(b"!")).ready().expect("the socket takes a byte");
    turn(&mut reactor);
    assert!(read.was_woken(), "another byte arrived, and the reader was not woken");
    read.ready().expect("it is connected");
}

#[test]
fn the_end_of_a_real_stream_is_read_after_its_last_bytes() {
    let (mut reactor, _entered, ours, mut theirs) = real();
    let mut buffer = [0; 8];
    {
        let mut read = waiting(ours.read(&mut buffer));
        hand(theirs.write_all(b"bye")).ready().expect("the socket takes three bytes");
        drop(theirs);
        turn(&mut reactor);
        let count = read.ready().expect("it is connected");
        assert!(count == 3, "three bytes arrived, and {count} were read");
    }
    let end = hand(ours.read(&mut buffer)).poll();
    assert!(matches!(end, Poll::Ready(Ok(0))), "the peer has closed the connection; the next read returned {end:?}");
}

#[test]
fn a_reader_and_a_writer_share_a_real_socket() {
    let (mut reactor, _entered, ours, mut theirs) = real();
    let (reading, writing) = (ours.clone(), ours);
    let chunk = vec![7; 1 << 16];
    let mut buffer = [0; 8];
    let mut read = waiting(reading.read(&mut buffer));
    let mut written = 0;
    let mut write = loop {
        let mut write = hand(writing.write(&chunk));
        match write.poll() {
            Poll::Ready(count) => written += count.expect("it is connected"),
            Poll::Pending => break write,
        }
    };
    assert!(!read.was_woken(), "nothing has arrived, and the reader was woken");
    // The peer makes room for the writer, and sends nothing to the reader.
    let mut room = vec![0; written];
    hand(theirs.read_exact(&mut room)).ready().expect("all of it is there");
    turn(&mut reactor);
    assert!(write.was_woken(), "the socket has room again, and the writer was not woken");
    assert!(matches!(write.poll(), Poll::Ready(Ok(_))), "the socket has room, and a write is not ready");
    hand(theirs.write_all(b"hello")).ready().expect("the socket takes five bytes");
    turn(&mut reactor);
    assert!(read.was_woken(), "five bytes arrived, and the reader was not woken");
    let count = read.ready().expect("it is connected");
    assert!(count == 5, "five bytes arrived, and {count} were read");
}
