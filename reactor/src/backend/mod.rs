//! What a reactor waits on: the operating system, or a simulation of it.
//!
//! [`Backend`] is the first of the runtime's three seams. This module has three backends: [`operating_system`]
//! (epoll on Linux, kqueue on macOS and the BSDs, both through the `polling` crate), [`poll`], the
//! plainest one, and [`Simulation`], whose clock is virtual, and which may have a [`Network`] of its
//! own. Another one plugs in with [`Reactor::with`](crate::Reactor::with) or, in a whole runtime,
//! with `executor::Runtime::builder().backend(…)`.

#[cfg(target_os = "linux")]
mod linux;
mod poll;
mod portable;
mod registrable;
mod simulation;

pub use crate::readiness::Readiness;
pub(crate) use registrable::{BackendSocket, Registrable, is_ready};
pub(crate) use simulation::SimulatedSocket;
pub use simulation::{Crashed, EnteredHost, Host, Link, Network, Run, Simulation};

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// Names a source in the events of a backend. The reactor chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub usize);

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
/// A reactor takes a new source to be ready, tries its operations, and waits only for what returned
/// [`WouldBlock`](io::ErrorKind::WouldBlock). There are two ways to report that the wait is over;
/// [`needs_rearm`](Backend::needs_rearm) says which of them a backend has.
///
/// **Edge-triggered** (`needs_rearm` is `false`): a source is reported each time it *becomes* ready, whether
/// or not a task waits for it. The state in which [`add`](Backend::add) finds it counts as an edge. The
/// reactor remembers the report until an operation would block. epoll with `EPOLLET` and kqueue with
/// `EV_CLEAR` are like that. It costs no call per wait.
///
/// **Re-armed** (`needs_rearm` is `true`): a source is reported once for each call of
/// [`rearm`](Backend::rearm), and not at all before the first one. This is what level-triggered and one-shot
/// systems can do:
/// - A *level-triggered* system (poll, select, epoll without `EPOLLET`) reports a source as long as it
///   is ready. The backend keeps the interest of each source, asks the system only for sources
///   that have one, and empties it when it reports the source. poll(2) reports `POLLHUP` and `POLLERR` even if
///   asked for nothing, so a source without interest must not be in its list at all.
/// - A *one-shot* system (`EPOLLONESHOT`, `EV_DISPATCH`, the default mode of `polling`) disarms a source by
///   itself when it reports it: `add` registers it disarmed, and `rearm` is the system's "modify".
///
/// ```text
/// task:     WouldBlock → clears the readiness → becomes a waiter → rearm(READABLE)
/// reactor:  wait reports the source, now disarmed → wakes its readers → rearm(WRITABLE) if writers are left
/// ```
///
/// To report a source too early or twice costs a poll of its waiters, which find out and wait again. To
/// miss a report loses a wake. To keep reporting a source that is not armed keeps a
/// processor busy: every wait then returns at once.
///
/// The suite `tests::conformance::backend` checks all of this; it takes a function that makes the backend.
pub trait Backend: Send + Sync {
    /// The present time. It never goes back.
    fn now(&self) -> Instant;

    /// Watches a file descriptor until [`remove`](Backend::remove): an edge-triggered backend in both
    /// directions, one that is re-armed in none so far.
    ///
    /// # Errors
    /// If the descriptor can't be watched, as a regular file with epoll.
    ///
    /// # Safety
    /// The caller keeps the descriptor open until it has called `remove` for it.
    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()>;

    /// Stops watching a file descriptor. An event of it may still be under way: the reactor knows by the
    /// token that it is of a source which is gone. The descriptor may be closed as soon as this returns, and
    /// its number belong to another source.
    ///
    /// # Errors
    /// If it isn't watched.
    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()>;

    /// Waits until a source is ready, [`notify`](Backend::notify) is called or the timeout has
    /// passed (never on `None`), and appends the sources that are ready. May return early, with
    /// nothing. Only one thread waits at a time; the other methods may be called meanwhile, on any thread.
    ///
    /// # Errors
    /// Those of the system. A signal that interrupts the wait is not one.
    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends the present wait, or the next one if there is none. Several calls may end a single wait.
    ///
    /// # Errors
    /// Those of the system.
    fn notify(&self) -> io::Result<()>;

    /// Whether [`rearm`](Backend::rearm) has to be called for each wait. The reactor asks once, when it is made.
    fn needs_rearm(&self) -> bool {
        false
    }

    /// Arms a watched source: it is reported once, as soon as it is ready for any part of `interest`. If it is
    /// ready already, the next wait reports it, or the present one: `rearm` comes from any thread, and must
    /// interrupt a wait that does not see the change by itself.
    ///
    /// `interest` is [`READABLE`](Readiness::READABLE), [`WRITABLE`](Readiness::WRITABLE) or both: all that the
    /// source's waiters wait for. It replaces that of the call before. The calls for one source never overlap; the last
    /// of them is right. One may come right after another thread has called [`remove`](Backend::remove), though with
    /// the descriptor still open: that is an error, and must not watch the descriptor again.
    ///
    /// Closed and broken connections count as ready for everything.
    ///
    /// # Errors
    /// Those of the system. The operation that was about to wait returns the error.
    fn rearm(&self, fd: BorrowedFd<'_>, token: Token, interest: Readiness) -> io::Result<()> {
        let _ = (fd, token, interest);
        Ok(())
    }

    /// Whether [`Readiness::READ_CLOSED`] is reported for every stream whose peer has finished.
    /// Then a read that returns less than it asked for proves that the socket is empty. And whether a connect
    /// that failed is reported with [`Readiness::WRITE_CLOSED`]; if not, the socket is asked for its error.
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

/// poll(2): every wait gives the system the whole list of what is waited for. The plainest backend there is, to be
/// read, and to hold others against; each wait takes time in proportion to the number of sources that are waited for.
///
/// # Errors
/// When the system has no file descriptor left.
///
/// ```
/// use reactor::{Reactor, backend};
///
/// let reactor = Reactor::with(backend::poll()?, None);
/// # std::io::Result::Ok(())
/// ```
pub fn poll() -> io::Result<Box<dyn Backend>> {
    Ok(Box::new(poll::Poll::new()?))
}
