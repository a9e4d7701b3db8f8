//! What can be registered with a backend: a file descriptor of the system, or a socket that the backend has made
//! itself.
//!
//! Used by `source.rs`, which keeps one for each source, and by the simulation, whose sockets are [`BackendSocket`]s.

use super::{Backend, Token};
use crate::readiness::{Direction, Readiness};
use rustix::net::{SocketAddrAny, SocketAddrUnix, SocketType, getpeername, getsockname, sockopt};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::panic::RefUnwindSafe;
use std::sync::Arc;

/// A socket that lives in the backend, as those of a simulated network do. It has no file descriptor.
pub(crate) trait BackendSocket: Send + Sync + RefUnwindSafe {
    /// From now on the backend reports the socket's edges with this token; with `None`, not at all.
    fn register(&self, token: Option<Token>);

    /// Whether an operation would not block now.
    fn is_ready(&self, direction: Direction) -> bool;

    /// What it is connected to, in words.
    fn describe(&self) -> String;
}

/// What a source stands for.
///
/// # Safety
/// All unsafe methods have the same condition: if this is a `Descriptor`, it is open.
pub(crate) enum Registrable {
    Descriptor(RawFd),
    Socket(Arc<dyn BackendSocket>),
}

impl Registrable {
    /// # Safety
    /// As above; and it stays open until [`deregister`](Registrable::deregister) was called.
    pub(crate) unsafe fn register(&self, backend: &dyn Backend, token: Token) -> io::Result<()> {
        match self {
            // SAFETY: the caller promises both that it is open and that it stays so.
            Registrable::Descriptor(fd) => unsafe { backend.add(BorrowedFd::borrow_raw(*fd), token) },
            Registrable::Socket(socket) => {
                socket.register(Some(token));
                Ok(())
            }
        }
    }

    /// # Safety
    /// As above.
    pub(crate) unsafe fn deregister(&self, backend: &dyn Backend) -> io::Result<()> {
        match self {
            // SAFETY: the caller promises that it is open.
            Registrable::Descriptor(fd) => backend.remove(unsafe { BorrowedFd::borrow_raw(*fd) }),
            Registrable::Socket(socket) => {
                socket.register(None);
                Ok(())
            }
        }
    }

    /// # Safety
    /// As above.
    pub(crate) unsafe fn rearm(&self, backend: &dyn Backend, token: Token, interest: Readiness) -> io::Result<()> {
        match self {
            // SAFETY: the caller promises that it is open.
            Registrable::Descriptor(fd) => backend.rearm(unsafe { BorrowedFd::borrow_raw(*fd) }, token, interest),
            Registrable::Socket(_) => Ok(()), // edge-triggered
        }
    }

    /// Its number for observers; -1 for a socket that has none.
    pub(crate) fn descriptor(&self) -> RawFd {
        match self {
            Registrable::Descriptor(fd) => *fd,
            Registrable::Socket(_) => -1,
        }
    }

    /// Whether an operation would not block now.
    ///
    /// # Safety
    /// As above.
    pub(crate) unsafe fn is_ready(&self, direction: Direction) -> io::Result<bool> {
        match self {
            // SAFETY: the caller promises that it is open.
            Registrable::Descriptor(fd) => is_ready(unsafe { BorrowedFd::borrow_raw(*fd) }, direction),
            Registrable::Socket(socket) => Ok(socket.is_ready(direction)),
        }
    }

    /// Describes in words what a waiter in this direction waits for.
    ///
    /// # Safety
    /// As above.
    pub(crate) unsafe fn describe(&self, direction: Direction) -> String {
        let what = match self {
            // SAFETY: the caller promises that it is open.
            Registrable::Descriptor(fd) => describe(unsafe { BorrowedFd::borrow_raw(*fd) }, direction),
            Registrable::Socket(socket) => socket.describe(),
        };
        match direction {
            Direction::Read => format!("readable on {what}"),
            Direction::Write => format!("writable on {what}"),
        }
    }
}

/// Whether an operation would not block now, according to the kernel.
pub(crate) fn is_ready(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let interest = match direction {
        Direction::Read => PollFlags::IN | PollFlags::PRI,
        Direction::Write => PollFlags::OUT,
    };
    Ok(poll(&mut [PollFd::from_borrowed_fd(fd, interest)], Some(&Timespec::default()))? > 0)
}

fn describe(fd: BorrowedFd<'_>, direction: Direction) -> String {
    let local = getsockname(fd).ok().and_then(printed);
    // A stream socket without a peer is a listener if a task waits to read from it.
    let is_stream = sockopt::socket_type(fd).is_ok_and(|kind| kind == SocketType::STREAM);
    match (getpeername(fd).ok().flatten().and_then(printed), local) {
        (Some(peer), _) => format!("the socket to {peer}"),
        (None, Some(local)) if is_stream && direction == Direction::Read => format!("the listener at {local}"),
        (None, Some(local)) => format!("the socket at {local}"),
        (None, None) => format!("file descriptor {}", fd.as_raw_fd()),
    }
}

fn printed(address: SocketAddrAny) -> Option<String> {
    match SocketAddr::try_from(address.clone()) {
        Ok(address) => Some(address.to_string()),
        Err(_) => {
            let address = SocketAddrUnix::try_from(address).ok()?;
            #[cfg(any(target_os = "linux", target_os = "android"))]
            if let Some(name) = address.abstract_name().filter(|name| !name.is_empty()) {
                return Some(format!("@{}", String::from_utf8_lossy(name)));
            }
            Some(address.path()?.to_string_lossy().into_owned())
        }
    }
}
