//! The operating system through `polling`'s portable interface: kqueue, epoll and others.

use super::{Backend, Event, Readiness, Token};
use crate::lock;
use polling::{Events, PollMode, Poller};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub(super) struct Portable {
    poller: Poller,
    events: Mutex<Events>,
}

impl Portable {
    pub(super) fn new() -> io::Result<Portable> {
        Ok(Portable { poller: Poller::new()?, events: Mutex::new(Events::new()) })
    }
}

impl Backend for Portable {
    fn now(&self) -> Instant {
        Instant::now()
    }

    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        // SAFETY: by this method's contract the descriptor stays open until `remove`.
        unsafe { self.poller.add_with_mode(fd.as_raw_fd(), polling::Event::all(token.0), PollMode::Edge) }
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.poller.delete(fd)
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let mut raw = lock(&self.events);
        raw.clear(); // `Poller::wait` appends
        match self.poller.wait(&mut raw, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        events.extend(raw.iter().map(|event| {
            let mut readiness = Readiness::empty();
            readiness.set(Readiness::READABLE, event.readable);
            readiness.set(Readiness::WRITABLE, event.writable);
            Event { token: Token(event.key), readiness }
        }));
        Ok(())
    }

    fn notify(&self) -> io::Result<()> {
        self.poller.notify()
    }
}
