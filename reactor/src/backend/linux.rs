//! epoll, used directly where `polling`'s portable interface costs more than it must.
//!
//! `polling` makes and owns the epoll instance. Three things bypass it:
//! - A wait is one system call. Through [`polling::Poller::wait`] it is five, because that arms a
//!   timer descriptor before and drains and re-arms a notifier after each one.
//! - The notifier is an eventfd of our own, edge-triggered and never read: each write to it is an
//!   edge, so there is nothing to drain or to re-arm.
//! - A source is added with EPOLLRDHUP, which `polling` does not request. With it a short read proves that a stream is
//!   empty, which saves the read that would only return `WouldBlock`.

use super::{Backend, Event, Readiness, Token};
use polling::Poller;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// The most events taken from the kernel at a time. The next wait returns the rest.
const BATCH: usize = 256;

/// The eventfd's token. The reactor's tokens never reach it, as they begin with the number of a source. `usize::MAX` is
/// that of `polling`'s notifier, which this backend does not use.
const NOTIFY: u64 = u64::MAX - 1;

pub(super) struct Epoll {
    poller: Poller,
    notifier: OwnedFd,
}

impl Epoll {
    pub(super) fn new() -> io::Result<Epoll> {
        let poller = Poller::new()?;
        let notifier = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&poller, &notifier, epoll::EventData::new_u64(NOTIFY), edge)?;
        Ok(Epoll { poller, notifier })
    }
}

impl Backend for Epoll {
    fn now(&self) -> Instant {
        Instant::now()
    }

    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        use epoll::EventFlags as Flags;
        let flags = Flags::IN | Flags::PRI | Flags::OUT | Flags::RDHUP | Flags::ET;
        Ok(epoll::add(&self.poller, fd, epoll::EventData::new_u64(token.0 as u64), flags)?)
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.poller, fd)?)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.and_then(|t| Timespec::try_from(t).ok()); // longer than a timespec can hold: forever
        let mut batch = [MaybeUninit::<epoll::Event>::uninit(); BATCH];
        let ready = match epoll::wait(&self.poller, &mut batch[..], timeout.as_ref()) {
            Ok((ready, _)) => ready,
            Err(Errno::INTR) => return Ok(()), // a signal: the caller waits again
            Err(error) => return Err(error.into()),
        };
        let reported = ready.iter().filter(|event| event.data.u64() != NOTIFY);
        events.extend(
            reported.map(|event| Event { token: Token(event.data.u64() as usize), readiness: readiness(event.flags) }),
        );
        Ok(())
    }

    fn notify(&self) -> io::Result<()> {
        match rustix::io::write(&self.notifier, &1u64.to_ne_bytes()) {
            // The counter is full, so earlier edges are still to be reported.
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn reports_close(&self) -> bool {
        true
    }
}

fn readiness(flags: epoll::EventFlags) -> Readiness {
    use epoll::EventFlags as Flags;
    let mut readiness = Readiness::empty();
    readiness.set(Readiness::READABLE, flags.intersects(Flags::IN | Flags::PRI));
    readiness.set(Readiness::URGENT, flags.intersects(Flags::PRI));
    readiness.set(Readiness::WRITABLE, flags.intersects(Flags::OUT));
    readiness.set(Readiness::READ_CLOSED, flags.intersects(Flags::RDHUP | Flags::HUP | Flags::ERR));
    readiness.set(Readiness::WRITE_CLOSED, flags.intersects(Flags::HUP | Flags::ERR));
    readiness
}
