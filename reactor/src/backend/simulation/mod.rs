//! A backend without an operating system: a simulated clock and a simulated network.
//!
//! When the runtime has nothing to run and would wait, the clock jumps to the moment at which the wait would have
//! ended: to the next timer, or to the arrival of the next packet. A program that sleeps for an hour finishes at once,
//! and two runs of it see the same times to the nanosecond.
//!
//! | file | what it holds |
//! |---|---|
//! | `random.rs` | the seeded random numbers, which decide every choice |
//! | `ids.rs`, `link.rs`, `packet.rs` | names and addresses; links between hosts; what travels on them |
//! | `endpoint.rs` | the state of listeners and connections |
//! | `world.rs` | the whole state: time, hosts, links, sockets, and the packets in flight |
//! | `arrival.rs`, `connection.rs` | what packets do when they arrive; what programs do with sockets |
//! | `network.rs` | what a test arranges: [`Network`] and [`Host`], with their faults |
//! | `socket.rs` | sockets as handles, for `net/` and the registry |
//! | `mod.rs` | the clock, and waiting on it: [`Simulation`], the [`Backend`] |
//! | `run.rs` | futures that run on a host |
//!
//! Each file knows only those above it in this table.

mod arrival;
mod connection;
mod endpoint;
mod ids;
mod link;
mod network;
mod packet;
mod random;
mod run;
mod socket;
mod world;

pub use link::Link;
pub use network::{EnteredHost, Host, Network};
pub use run::{Crashed, Run};
pub(crate) use socket::SimulatedSocket;

use super::{Backend, Event, Token};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use world::Shared;

/// A simulated clock, with a simulated network or without sockets. Registering a file descriptor is an error.
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
    shared: Arc<Shared>,
    has_network: bool,
}

impl Simulation {
    /// A clock that starts at the moment of this call and moves only when a reactor waits on it.
    pub fn new() -> Simulation {
        Simulation { shared: Arc::new(Shared::new(0)), has_network: false }
    }

    /// A clock, and a network in which the TCP sockets made on the reactor's thread live. The same seed makes the same
    /// choices.
    ///
    /// ```
    /// use reactor::{Reactor, backend::Simulation};
    ///
    /// let reactor = Reactor::with(Box::new(Simulation::with_network(17)), None);
    /// let network = reactor.handle().network().unwrap().clone();
    /// assert_eq!(network.host("server").address().to_string(), "10.0.0.2");
    /// ```
    pub fn with_network(seed: u64) -> Simulation {
        Simulation { shared: Arc::new(Shared::new(seed)), has_network: true }
    }
}

impl Default for Simulation {
    fn default() -> Self {
        Simulation::new()
    }
}

impl Backend for Simulation {
    fn now(&self) -> Instant {
        self.shared.start + self.shared.lock().elapsed
    }

    unsafe fn add(&self, _: BorrowedFd<'_>, _: Token) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a file descriptor was registered with a runtime on a simulated clock, which cannot wait for real I/O: \
             use the system's clock for programs with sockets, or Builder::deterministic, which simulates TCP",
        ))
    }

    fn remove(&self, _: BorrowedFd<'_>) -> io::Result<()> {
        Ok(())
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let mut world = self.shared.lock();
        // A time that the clock cannot represent never comes: then the wait has no end.
        let can_be_shown = |end: &Duration| self.shared.start.checked_add(*end).is_some();
        let end = timeout.and_then(|timeout| world.elapsed.checked_add(timeout)).filter(can_be_shown);
        let mut has_arrived = false;
        loop {
            has_arrived |= world.deliver_due(events);
            let is_over = end.is_some_and(|end| end <= world.elapsed);
            if std::mem::take(&mut world.notified) || !events.is_empty() || is_over {
                return Ok(());
            }
            let next = [end, world.next_arrival()].into_iter().flatten().min();
            match next.filter(|_| world.outside == 0) {
                Some(next) => world.elapsed = next,
                // The last packet in flight woke no task. Returns, so that the caller finds that its tasks wait
                // forever.
                None if has_arrived && next.is_none() => return Ok(()),
                None => world = self.shared.changed.wait(world).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn notify(&self) -> io::Result<()> {
        self.shared.change(|world| world.notified = true);
        Ok(())
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn network(&self) -> Option<Network> {
        self.has_network.then(|| Network::of(&self.shared))
    }

    fn outside_work(&self, change: isize) {
        self.shared.change(|world| world.outside += change);
    }
}
