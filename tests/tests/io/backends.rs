//! Every backend in the tree passes the suite of `tests::conformance`, and backends with one fault each do not.

use reactor::Reactor;
use reactor::backend::{self, Backend, Event, Readiness, Simulation, Token};
use reactor::io::Async;
use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};
use tests::{Counting, conformance, poll_with};

/// The example of a backend outside of the `reactor` crate.
#[path = "../../../executor/examples/own_backend.rs"]
#[allow(dead_code)] // its `main`
mod own_backend;

#[test]
fn the_operating_systems_backend_conforms() {
    conformance::backend(backend::operating_system);
}

#[test]
fn the_portable_backend_conforms() {
    conformance::backend(backend::portable);
}

#[test]
fn the_poll_backend_conforms() {
    conformance::backend(backend::poll);
}

#[test]
fn the_simulation_conforms_with_and_without_a_network() {
    conformance::backend(|| Ok(Box::new(Simulation::new())));
    conformance::backend(|| Ok(Box::new(Simulation::with_network(17))));
}

#[test]
fn the_examples_backend_conforms() {
    conformance::backend(own_backend::OneShot::make);
}

/// poll(2), whose `rearm` fails once `fails` is set.
struct FailsToRearm {
    inner: Box<dyn Backend>,
    fails: Arc<AtomicBool>,
}

impl Backend for FailsToRearm {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        // SAFETY: the contract is the same.
        unsafe { self.inner.add(fd, token) }
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.inner.remove(fd)
    }

    fn needs_rearm(&self) -> bool {
        true
    }

    fn rearm(&self, fd: BorrowedFd<'_>, token: Token, interest: Readiness) -> io::Result<()> {
        match self.fails.load(Ordering::SeqCst) {
            true => Err(io::Error::other("no more of that")),
            false => self.inner.rearm(fd, token, interest),
        }
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        self.inner.wait(events, timeout)
    }

    fn notify(&self) -> io::Result<()> {
        self.inner.notify()
    }
}

#[test]
fn every_operation_that_waits_returns_an_error_of_rearm() {
    let fails = Arc::new(AtomicBool::new(false));
    let backend = FailsToRearm { inner: backend::poll().unwrap(), fails: fails.clone() };
    let mut reactor = Reactor::with(Box::new(backend), None);
    let _entered = reactor.handle().enter();
    let (theirs, ours) = UnixStream::pair().unwrap();
    let (theirs, ours) = (Async::new(theirs).unwrap(), Async::new(ours).unwrap());
    let counting = Counting::new();
    while poll_with(&counting.waker(), &mut ours.write_with(|mut io| io.write(&[0; 1 << 14]))).is_ready() {}
    let mut buf = [0; 8];
    let mut write = ours.write_with(|mut io| io.write(&[0]));
    let mut read = ours.read_with(|mut io| io.read(&mut buf));
    assert!(poll_with(&counting.waker(), &mut write).is_pending());
    assert!(poll_with(&counting.waker(), &mut read).is_pending());
    fails.store(true, Ordering::SeqCst);
    theirs.get_ref().write_all(b"x").unwrap();
    // The report is for the reader. Re-arming for the writer fails, so the writer is woken to get the error.
    assert_eq!(reactor.turn(Some(Duration::from_secs(10))).unwrap(), 2);
    assert!(matches!(poll_with(&counting.waker(), &mut read), Poll::Ready(Ok(1))));
    let Poll::Ready(Err(error)) = poll_with(&counting.waker(), &mut write) else { panic!("it waits for ever") };
    assert_eq!(error.to_string(), "no more of that");
}

/// A mistake that a backend written from the documentation of the trait may have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    TakesLevelsForEdges,
    NeverDisarms,
    IgnoresRearm,
    AddsInterestInsteadOfReplacingIt,
    RearmDoesNotInterrupt,
    NotifyBeforeTheWaitIsLost,
    NotifyStays,
    RoundsTimeoutsDown,
    RemovesOnlyWhatIsClosed,
    CutsTokens,
    ReportsTwoAtMost,
    HidesTheEnd,
}

use Fault::*;

/// A correct backend with one mistake.
struct Faulty {
    inner: Box<dyn Backend>,
    fault: Fault,
    /// The interest that was armed last, by token.
    armed: Mutex<HashMap<Token, (RawFd, Readiness)>>,
    waiting: AtomicBool,
    notified: AtomicBool,
}

impl Faulty {
    fn make(fault: Fault) -> io::Result<Box<dyn Backend>> {
        let inner = match fault {
            RemovesOnlyWhatIsClosed | HidesTheEnd => backend::operating_system()?,
            _ => backend::poll()?,
        };
        let (armed, waiting, notified) = Default::default();
        Ok(Box::new(Faulty { inner, fault, armed, waiting, notified }))
    }

    /// Arms a source as it was before, if it is still registered.
    fn arm_again(&self, token: Token) {
        let armed = self.armed.lock().unwrap().get(&token).copied();
        if let Some((fd, interest)) = armed {
            // SAFETY: `remove` forgets a descriptor before it may be closed, and these tests remove none meanwhile.
            let _gone = self.inner.rearm(unsafe { BorrowedFd::borrow_raw(fd) }, token, interest);
        }
    }
}

impl Backend for Faulty {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        // SAFETY: the contract is the same.
        unsafe { self.inner.add(fd, token)? };
        if self.fault == TakesLevelsForEdges {
            let both = Readiness::READABLE | Readiness::WRITABLE;
            self.armed.lock().unwrap().insert(token, (fd.as_raw_fd(), both));
            self.inner.rearm(fd, token, both)?;
        }
        Ok(())
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.armed.lock().unwrap().retain(|_, armed| armed.0 != fd.as_raw_fd());
        if self.fault == RemovesOnlyWhatIsClosed { Ok(()) } else { self.inner.remove(fd) }
    }

    fn needs_rearm(&self) -> bool {
        self.fault != TakesLevelsForEdges && self.inner.needs_rearm()
    }

    fn rearm(&self, fd: BorrowedFd<'_>, token: Token, mut interest: Readiness) -> io::Result<()> {
        let before = self.armed.lock().unwrap().insert(token, (fd.as_raw_fd(), interest));
        match self.fault {
            IgnoresRearm => return Ok(()),
            RearmDoesNotInterrupt if self.waiting.load(Ordering::SeqCst) => return Ok(()), // the next wait re-arms
            AddsInterestInsteadOfReplacingIt => interest |= before.map_or(Readiness::empty(), |before| before.1),
            _ => {}
        }
        self.inner.rearm(fd, token, interest)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        if self.fault == RearmDoesNotInterrupt {
            let armed: Vec<Token> = self.armed.lock().unwrap().keys().copied().collect();
            armed.into_iter().for_each(|token| self.arm_again(token));
        }
        let timeout = match self.fault {
            NotifyStays if self.notified.load(Ordering::SeqCst) => Some(Duration::ZERO),
            RoundsTimeoutsDown => timeout.map(|timeout| Duration::from_millis(timeout.as_millis() as u64)),
            _ => timeout,
        };
        self.waiting.store(true, Ordering::SeqCst);
        self.inner.wait(events, timeout)?;
        self.waiting.store(false, Ordering::SeqCst);
        match self.fault {
            TakesLevelsForEdges | NeverDisarms => events.iter().for_each(|event| self.arm_again(event.token)),
            CutsTokens => events.iter_mut().for_each(|event| event.token.0 &= 0xffff),
            ReportsTwoAtMost => events.truncate(2),
            HidesTheEnd => events.iter_mut().for_each(|event| event.readiness -= Readiness::READ_CLOSED),
            _ => {}
        }
        if !matches!(self.fault, TakesLevelsForEdges | NeverDisarms) {
            self.armed.lock().unwrap().retain(|token, _| events.iter().all(|event| event.token != *token));
        }
        Ok(())
    }

    fn notify(&self) -> io::Result<()> {
        self.notified.store(true, Ordering::SeqCst);
        match self.fault {
            NotifyBeforeTheWaitIsLost if !self.waiting.load(Ordering::SeqCst) => Ok(()),
            _ => self.inner.notify(),
        }
    }

    fn reports_close(&self) -> bool {
        self.inner.reports_close()
    }
}

#[test]
fn a_backend_with_a_fault_does_not_conform() {
    let faults = [
        (TakesLevelsForEdges, "1000 reports though no operation has said WouldBlock"),
        (NeverDisarms, "was reported 2 times without being re-armed"),
        (IgnoresRearm, "and not as Readiness(READABLE)"),
        (AddsInterestInsteadOfReplacingIt, "nothing has come to read"),
        (RearmDoesNotInterrupt, "a change during the wait was not seen"),
        (NotifyBeforeTheWaitIsLost, "the notify is lost"),
        (NotifyStays, "100 notifies before the first wait ended 11 of them"),
        (RoundsTimeoutsDown, "are not over after 11 waits"),
        (RemovesOnlyWhatIsClosed, "a source that was removed is reported"),
        (CutsTokens, "was reported as Readiness(0x0)"),
        (ReportsTwoAtMost, "298 of 300 sources were not reported"),
        (HidesTheEnd, "and not as Readiness(READ_CLOSED)"),
    ];
    let checked = faults.map(|(fault, reason)| {
        let check = move || catch_unwind(|| conformance::backend(|| Faulty::make(fault))).map_err(message);
        (fault, reason, thread::spawn(check))
    });
    for (fault, reason, checked) in checked {
        let message = checked.join().unwrap().expect_err(&format!("{fault:?} goes through the suite"));
        assert!(message.contains(reason), "{fault:?}: {message}");
    }
}

/// The message of a check that fails.
fn message(panic: Box<dyn Any + Send>) -> String {
    let formatted = panic.downcast::<String>().map(|message| *message);
    formatted.or_else(|panic| panic.downcast::<&str>().map(|message| message.to_string())).unwrap_or_default()
}
