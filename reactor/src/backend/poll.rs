//! poll(2): each wait passes the system the list of all sources that a task waits for. The plainest [`Backend`], as an
//! example.
//!
//! poll is level-triggered: it reports a source as long as the source is ready. So a source is in the list only while
//! it is armed, and a report disarms it. All that threads share is behind one lock, which is not held while poll waits:
//!
//! ```text
//! wait:           lock → copy the list, set `polling` → unlock → poll → lock → disarm what is reported
//! rearm, notify:  lock → change the list → if `polling`, that poll has the old list: write to the pipe, which ends it
//! remove:         the same, then wait until that poll has ended, because it may name the descriptor
//! ```

use super::{Backend, Event, Readiness, Token};
use crate::lock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// What poll also reports, whatever the interest: a broken connection, or a descriptor that was closed too early.
const BROKEN: PollFlags = PollFlags::IN.union(PollFlags::OUT).complement();

const PAIRS: [(Readiness, PollFlags); 3] = [
    (Readiness::READABLE, PollFlags::IN),
    (Readiness::WRITABLE, PollFlags::OUT),
    (Readiness::READ_CLOSED.union(Readiness::WRITE_CLOSED), BROKEN),
];

pub(super) struct Poll {
    state: Mutex<State>,
    poll_ended: Condvar,
    /// The pipe contains a byte if and only if `State::interrupted` is set.
    interrupts: (PipeReader, PipeWriter),
}

#[derive(Default)]
struct State {
    /// The registered descriptors, and the interest of each; empty while it is not armed.
    sources: BTreeMap<RawFd, (Token, Readiness)>,
    interrupted: bool,
    polling: bool,
    polls_ended: u64,
}

impl Poll {
    pub(super) fn new() -> io::Result<Poll> {
        Ok(Poll { state: Mutex::default(), poll_ended: Condvar::new(), interrupts: io::pipe()? })
    }

    fn interrupt(&self, state: &mut State) -> io::Result<()> {
        let was_interrupted = std::mem::replace(&mut state.interrupted, true);
        if was_interrupted { Ok(()) } else { (&self.interrupts.1).write_all(&[0]) }
    }
}

impl Backend for Poll {
    fn now(&self) -> Instant {
        Instant::now()
    }

    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        let source = *lock(&self.state).sources.entry(fd.as_raw_fd()).or_insert((token, Readiness::empty()));
        if source.0 == token { Ok(()) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.sources.remove(&fd.as_raw_fd()).ok_or(io::ErrorKind::NotFound)?;
        if state.polling {
            self.interrupt(&mut state)?;
            let ended = state.polls_ended;
            drop(self.poll_ended.wait_while(state, |state| state.polls_ended == ended));
        }
        Ok(())
    }

    fn needs_rearm(&self) -> bool {
        true
    }

    fn rearm(&self, fd: BorrowedFd<'_>, token: Token, interest: Readiness) -> io::Result<()> {
        let mut state = lock(&self.state);
        let source = state.sources.get_mut(&fd.as_raw_fd()).filter(|source| source.0 == token);
        source.ok_or(io::ErrorKind::NotFound)?.1 = interest;
        if state.polling { self.interrupt(&mut state) } else { Ok(()) }
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.and_then(|t| Timespec::try_from(t).ok()); // longer than a timespec can hold: forever
        let mut fds = vec![PollFd::new(&self.interrupts.0, PollFlags::IN)];
        let mut state = lock(&self.state);
        for (fd, (_, interest)) in state.sources.iter().filter(|(_, source)| !source.1.is_empty()) {
            // SAFETY: a registered descriptor is open, and `remove` does not return before this poll has ended.
            let fd = unsafe { BorrowedFd::borrow_raw(*fd) };
            let flags = PAIRS.iter().filter(|pair| interest.contains(pair.0)).map(|pair| pair.1).collect();
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        }
        state.polling = true;
        drop(state);
        let result = poll(&mut fds, timeout.as_ref());
        let mut state = lock(&self.state);
        state.polling = false;
        state.polls_ended += 1;
        self.poll_ended.notify_all();
        if std::mem::take(&mut state.interrupted) {
            (&self.interrupts.0).read_exact(&mut [0])?;
        }
        for polled in fds[1..].iter().filter(|polled| !polled.revents().is_empty()) {
            // A source that was removed meanwhile is not in the table. No other source with the same descriptor can be
            // in it yet, because `remove` waits for this poll.
            if let Some((token, interest)) = state.sources.get_mut(&polled.as_fd().as_raw_fd()) {
                let reported = PAIRS.iter().filter(|pair| polled.revents().intersects(pair.1)).map(|pair| pair.0);
                *interest = Readiness::empty();
                events.push(Event { token: *token, readiness: reported.collect() });
            }
        }
        match result {
            Err(error) if error != Errno::INTR => Err(error.into()), // INTR: a signal
            _ => Ok(()),
        }
    }

    fn notify(&self) -> io::Result<()> {
        self.interrupt(&mut lock(&self.state))
    }
}
