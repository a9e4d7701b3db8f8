//! What a reactor waits on: the operating system, or a simulation of it.
//!
//! [`Backend`] is the first of the runtime's three seams. Two stand here: [`operating_system`]
//! (epoll on Linux, kqueue on macOS and the BSDs, both through the `polling` crate) and
//! [`Simulation`], whose clock is virtual, and which may have a [`Network`] of its own. Another one
//! plugs in with [`Reactor::with`](crate::Reactor::with).

#[cfg(target_os = "linux")]
mod linux;
mod portable;
mod simulation;

pub use simulation::{Crashed, EnteredHost, Host, Link, Network, Run, Simulation};
pub(crate) use simulation::{SimulatedSocket, SocketRef};

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Names a source in the events of a backend. The reactor chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub usize);

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
        /// The peer takes no more, or the connection is broken: writes never block again.
        const WRITE_CLOSED = 8;
        /// Urgent data is under way: a read ends before it, whatever comes after.
        const URGENT = 16;
        /// The reactor is gone; nothing will ever wake a waiter of this source. No backend reports that.
        const ORPHANED = 32;
        /// All that concerns reading.
        const READ = 1 | 4 | 16 | 32;
        /// All that concerns writing.
        const WRITE = 2 | 8 | 32;
    }
}

/// A source and what it became ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The token it was added with.
    pub token: Token,
    /// What it became ready for.
    pub readiness: Readiness,
}

/// Waits for readiness and time to pass.
///
/// Readiness is edge-triggered: a source is reported when it *becomes* ready, and again only after
/// it was used until it would block. Reporting too often is harmless, too rarely is not.
pub trait Backend: Send + Sync {
    /// The present time. It never goes back.
    fn now(&self) -> Instant;

    /// Watches a file descriptor, in both directions, until [`remove`](Backend::remove).
    ///
    /// # Safety
    /// The caller keeps the descriptor open until it has called `remove` for it.
    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()>;

    /// Stops watching a file descriptor. An event of it may still be under way.
    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()>;

    /// Waits until a source is ready, [`notify`](Backend::notify) is called or the timeout has
    /// passed (never on `None`), and appends the sources that are ready. May return early, with
    /// nothing. Only one thread waits at a time.
    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends the present wait, or the next one if there is none.
    fn notify(&self) -> io::Result<()>;

    /// Whether [`Readiness::READ_CLOSED`] is reported for every stream whose peer has finished.
    /// Then a read that returns less than it asked for proves that the socket is empty.
    fn reports_close(&self) -> bool {
        false
    }

    /// Whether its clock is not the world's.
    fn is_simulated(&self) -> bool {
        false
    }

    /// The network in which TCP sockets live, if that is not the system's. Their readiness is among
    /// the events of [`wait`](Backend::wait).
    fn network(&self) -> Option<Network> {
        None
    }

    /// Work began (+1) or ended (-1) outside of the reactor's sight that may still wake tasks: a
    /// virtual clock must not jump over it.
    fn outside_work(&self, change: isize) {
        let _ = change;
    }
}

/// The operating system's own readiness queue.
///
/// # Errors
/// When the system has no file descriptor left, or refuses another queue.
///
/// ```
/// use reactor::{Reactor, backend};
///
/// let reactor = Reactor::with(backend::operating_system()?, None);
/// # std::io::Result::Ok(())
/// ```
pub fn operating_system() -> io::Result<Box<dyn Backend>> {
    #[cfg(target_os = "linux")]
    let backend = linux::Epoll::new()?;
    #[cfg(not(target_os = "linux"))]
    let backend = portable::Portable::new()?;
    Ok(Box::new(backend))
}

/// The same through `polling` alone, without what [`operating_system`] does better on some
/// systems. On most of them it is the very same thing; on Linux it is there to be compared.
///
/// # Errors
/// As [`operating_system`].
///
/// ```
/// use reactor::{Reactor, backend};
///
/// let reactor = Reactor::with(backend::portable()?, None);
/// # std::io::Result::Ok(())
/// ```
pub fn portable() -> io::Result<Box<dyn Backend>> {
    Ok(Box::new(portable::Portable::new()?))
}
