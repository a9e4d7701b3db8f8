//! What a reactor waits on: the operating system, or a simulation of it.
//!
//! [`Backend`] is one of the runtime's three extension points. This module has three backends: [`operating_system`]
//! (epoll on Linux, kqueue on macOS and the BSDs, both through the `polling` crate); [`poll`], the plainest one; and
//! [`Simulation`], which has a simulated clock and may have a simulated [`Network`]. Another one plugs in with
//! [`Reactor::with`](crate::Reactor::with) or, in a whole runtime, with `executor::Runtime::builder().backend(…)`.

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
    /// The token that the source was added with.
    pub token: Token,
    /// What the source became ready for.
    pub readiness: Readiness,
}

/// Waits for readiness and time to pass.
///
/// A reactor takes a new source to be ready, tries its operations, and waits only after
/// [`WouldBlock`](io::ErrorKind::WouldBlock). A backend has one of two ways to report readiness;
/// [`needs_rearm`](Backend::needs_rearm) says which.
///
/// **Edge-triggered** (`needs_rearm` is `false`): the backend reports a source each time it *becomes* ready, whether
/// or not a task waits for it. If it is ready when it is [added](Backend::add), that counts as an edge. The reactor
/// keeps the report until an operation would block. epoll with `EPOLLET` and kqueue with `EV_CLEAR` work like this. It
/// costs no call per wait.
///
/// **Re-armed** (`needs_rearm` is `true`): the backend reports a source once for each call of
/// [`rearm`](Backend::rearm), and never before the first one. Level-triggered and one-shot systems can do this:
/// - A *level-triggered* system (poll, select, epoll without `EPOLLET`) reports a source as long as it is ready. The
///   backend keeps the interest of each source, polls only the sources that have one, and empties the interest when it
///   reports the source. poll(2) reports `POLLHUP` and `POLLERR` whatever the interest, so a source without interest
///   must not be in its list at all.
/// - A *one-shot* system (`EPOLLONESHOT`, `EV_DISPATCH`, the default mode of `polling`) disarms a source by
///   itself when it reports it: `add` registers it disarmed, and `rearm` is the system's "modify".
///
/// ```text
/// task:     WouldBlock → clears the readiness → becomes a waiter → rearm(READABLE)
/// reactor:  wait reports the source, now disarmed → wakes its readers → rearm(WRITABLE) if writers are left
/// ```
///
/// A report that is too early or repeated costs a poll of the waiters, which then wait again. A report that is missed
/// loses a wake. A backend that keeps reporting a source that is not armed keeps a processor busy: every wait returns
/// at once.
///
/// The suite `tests::conformance::backend` checks all of this. Its argument is a function that makes the backend.
pub trait Backend: Send + Sync {
    /// The current time. It never goes back.
    fn now(&self) -> Instant;

    /// Registers a file descriptor until [`remove`](Backend::remove): for both directions if the backend is
    /// edge-triggered, without interest if it is re-armed.
    ///
    /// # Errors
    /// If the system cannot report on the descriptor. epoll, for example, refuses regular files.
    ///
    /// # Safety
    /// The caller keeps the descriptor open until it has called `remove` for it.
    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()>;

    /// Deregisters a file descriptor. A wait may still return an event of it: the reactor sees by the token that its
    /// source is gone. As soon as this returns, the descriptor may be closed and its number may belong to another
    /// source.
    ///
    /// # Errors
    /// If it is not registered.
    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()>;

    /// Waits until a source is ready, [`notify`](Backend::notify) is called or the timeout has passed, and appends the
    /// sources that are ready. `None` is no timeout. May return early without events. Only one thread waits at a time;
    /// the other methods may be called meanwhile, on any thread.
    ///
    /// # Errors
    /// Those of the system. A signal that interrupts the wait is not one.
    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends the current wait, or the next one if there is none. Several calls may end a single wait.
    ///
    /// # Errors
    /// Those of the system.
    fn notify(&self) -> io::Result<()>;

    /// Whether [`rearm`](Backend::rearm) must be called each time a task waits. A new reactor calls `needs_rearm` once.
    fn needs_rearm(&self) -> bool {
        false
    }

    /// Arms a registered source: the backend reports it once, as soon as it is ready for any part of `interest`. If it
    /// is ready already, the current wait or the next one reports it. `rearm` is called from any thread, and must
    /// interrupt a wait that does not see the change by itself.
    ///
    /// `interest` is [`READABLE`](Readiness::READABLE), [`WRITABLE`](Readiness::WRITABLE) or both: all that the
    /// source's waiters wait for. It replaces the previous interest. The calls for one source never overlap, and the
    /// last one counts. A call may follow another thread's [`remove`](Backend::remove), with the descriptor still open:
    /// that is an error, and must not register the descriptor again.
    ///
    /// Closed and broken connections count as ready for everything.
    ///
    /// # Errors
    /// Those of the system. The operation that would have waited returns the error.
    fn rearm(&self, fd: BorrowedFd<'_>, token: Token, interest: Readiness) -> io::Result<()> {
        let _ = (fd, token, interest);
        Ok(())
    }

    /// Whether the backend reports [`Readiness::READ_CLOSED`] for every stream whose peer has finished, and
    /// [`Readiness::WRITE_CLOSED`] for every connect that failed. Then a read that returns less than it requested
    /// proves that the socket is empty, and a connect that is reported without it has succeeded. Otherwise the reactor
    /// makes one more system call for each.
    fn reports_close(&self) -> bool {
        false
    }

    /// Whether its clock is simulated.
    fn is_simulated(&self) -> bool {
        false
    }

    /// The simulated network in which TCP sockets live; `None` if they are the system's. The events of
    /// [`wait`](Backend::wait) include those of its sockets.
    fn network(&self) -> Option<Network> {
        None
    }

    /// Work elsewhere that may wake a task has begun (+1) or ended (-1). While there is any, a simulated clock must
    /// stand still.
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

/// The operating system's readiness queue, through `polling`'s portable interface alone. On most systems this is what
/// [`operating_system`] returns; on Linux it is slower, and is provided for comparison.
///
/// # Errors
/// Same as [`operating_system`].
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

/// poll(2): every wait passes the system the list of all sources that a task waits for. The plainest backend, as an
/// example and for comparison. The time of each wait grows with the length of that list.
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
