//! A backend without an operating system: the clock is virtual, nothing takes time.
//!
//! When the runtime has nothing to run and would wait for a timer, the clock jumps to the moment
//! at which the wait would have ended. A program that sleeps for an hour is done at once, and two
//! runs of it see the same times to the nanosecond.

use super::{Backend, Event, Token};
use crate::lock;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// The virtual clock. It has no sources: registering a file descriptor is an error.
///
/// ```
/// use reactor::{Reactor, backend::Simulation};
/// use std::time::Duration;
///
/// let mut reactor = Reactor::with(Box::new(Simulation::new()), None);
/// let start = reactor.handle().now();
/// reactor.turn(Some(Duration::from_secs(3600))).unwrap(); // returns at once …
/// assert_eq!(reactor.handle().now() - start, Duration::from_secs(3600)); // … an hour later
/// ```
pub struct Simulation {
    start: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    elapsed: Duration,
    notified: bool,
    /// Work outside that may still wake somebody. While there is any, time stands still.
    outside: isize,
}

impl Simulation {
    /// A clock that stands at the moment of this call and moves only when a reactor waits on it.
    pub fn new() -> Simulation {
        Simulation { start: Instant::now(), state: Mutex::default(), changed: Condvar::new() }
    }
}

impl Default for Simulation {
    fn default() -> Self {
        Simulation::new()
    }
}

impl Backend for Simulation {
    fn now(&self) -> Instant {
        self.start + lock(&self.state).elapsed
    }

    unsafe fn add(&self, _: BorrowedFd<'_>, _: Token) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a file descriptor was registered with a runtime on a virtual clock, which can't wait for real I/O: \
             use the system's clock for programs with sockets",
        ))
    }

    fn remove(&self, _: BorrowedFd<'_>) -> io::Result<()> {
        Ok(())
    }

    fn wait(&self, _: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let mut state = lock(&self.state);
        loop {
            if std::mem::take(&mut state.notified) || timeout == Some(Duration::ZERO) {
                return Ok(());
            }
            if let Some(timeout) = timeout.filter(|_| state.outside == 0) {
                state.elapsed += timeout;
                return Ok(());
            }
            state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    fn notify(&self) -> io::Result<()> {
        lock(&self.state).notified = true;
        self.changed.notify_one();
        Ok(())
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn outside_work(&self, change: isize) {
        lock(&self.state).outside += change;
        self.changed.notify_one();
    }
}
