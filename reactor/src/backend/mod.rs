//! What a reactor waits on: the operating system, or a simulation of it.
//!
//! [`Backend`] is the first of the runtime's three seams. Two stand here: [`operating_system`]
//! (epoll on Linux, kqueue on macOS and the BSDs, both through the `polling` crate) and
//! [`Simulation`], whose clock is virtual. Another one plugs in with
//! [`Reactor::with`](crate::Reactor::with).

#[cfg(target_os = "linux")]
mod linux;
mod portable;
mod simulation;

pub use simulation::Simulation;

use std::fmt;
use std::io;
use std::ops::BitOr;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Names a source in the events of a backend. The reactor chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub usize);

/// What a source is ready for, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Readiness(u8);

impl Readiness {
    /// Nothing.
    pub const NONE: Readiness = Readiness(0);
    /// A read may make progress.
    pub const READABLE: Readiness = Readiness(1);
    /// A write may make progress.
    pub const WRITABLE: Readiness = Readiness(2);
    /// The peer will send no more, or the connection is broken: reads never block again.
    pub const READ_CLOSED: Readiness = Readiness(4);
    /// The peer takes no more, or the connection is broken: writes never block again.
    pub const WRITE_CLOSED: Readiness = Readiness(8);
    /// The reactor is gone; nothing will ever wake a waiter of this source.
    pub(crate) const ORPHANED: Readiness = Readiness(16);
    /// Urgent data is under way: a read ends before it, whatever comes after.
    pub const URGENT: Readiness = Readiness(32);
    /// All that concerns reading.
    pub const READ: Readiness = Readiness(1 | 4 | 32);
    /// All that concerns writing.
    pub const WRITE: Readiness = Readiness(2 | 8);

    /// Whether any bit of `other` is set here.
    pub const fn intersects(self, other: Readiness) -> bool {
        self.0 & other.0 != 0
    }

    /// The bits of those pairs whose condition holds.
    fn of<const N: usize>(bits: [(bool, Readiness); N]) -> Readiness {
        bits.into_iter().filter(|(holds, _)| *holds).fold(Readiness::NONE, |all, (_, bit)| all | bit)
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Readiness {
        Readiness(bits)
    }
}

impl BitOr for Readiness {
    type Output = Readiness;
    fn bitor(self, other: Readiness) -> Readiness {
        Readiness(self.0 | other.0)
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Readiness::READABLE, "readable"),
            (Readiness::WRITABLE, "writable"),
            (Readiness::READ_CLOSED, "read closed"),
            (Readiness::WRITE_CLOSED, "write closed"),
            (Readiness::URGENT, "urgent"),
            (Readiness::ORPHANED, "orphaned"),
        ];
        let set: Vec<&str> = names.iter().filter(|(bit, _)| self.intersects(*bit)).map(|(_, name)| *name).collect();
        f.write_str(if set.is_empty() { "nothing" } else { "" })?;
        f.write_str(&set.join(" + "))
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
pub fn portable() -> io::Result<Box<dyn Backend>> {
    Ok(Box::new(portable::Portable::new()?))
}
