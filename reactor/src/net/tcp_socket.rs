//! [`TcpSocket`]: the socket inside a TCP listener or stream, either the system's or one of a simulated network.
//!
//! Which of the two is decided when it is made. After that each operation costs one branch. Used by `tcp.rs`.

use super::socket::{self, FLAGS, new_stream, prepared};
use super::stream::Connected;
use super::{BACKLOG, Shutdown, SocketAddr};
use crate::Handle;
use crate::backend::{Network, Readiness, SimulatedSocket};
use crate::io::Async;
use rustix::net::{self as sys, AddressFamily, sockopt};
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

pub(super) enum TcpSocket<S> {
    System(S),
    Simulated(SimulatedSocket),
}

use TcpSocket::{Simulated, System};

impl<S: AsFd> From<S> for TcpSocket<S> {
    /// Removes a linger time for which closing would block: see [`set_linger`](TcpSocket::set_linger). Sockets that a
    /// listener accepts inherit the listener's.
    fn from(socket: S) -> Self {
        if sockopt::socket_linger(&socket).is_ok_and(|time| time.is_some_and(|time| !time.is_zero())) {
            let _not_a_socket = sockopt::set_socket_linger(&socket, None);
        }
        System(socket)
    }
}

fn current_network() -> Option<Network> {
    Handle::with_current(|reactor| reactor?.network().cloned())
}

fn new_socket(address: SocketAddr) -> io::Result<OwnedFd> {
    new_stream(if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 })
}

impl<S: AsFd> TcpSocket<S> {
    /// The socket of std.
    #[track_caller]
    pub(super) fn system(&self) -> &S {
        match self {
            System(socket) => socket,
            Simulated(_) => panic!(
                "a socket of a simulated network has no file descriptor: set its options through the methods of \
                 TcpStream, and skip those for which there is no method"
            ),
        }
    }

    pub(super) fn register(self, assumed: Readiness) -> io::Result<Async<TcpSocket<S>>> {
        match &self {
            System(_) => Async::register(self, assumed),
            Simulated(socket) => {
                let registrable = socket.registrable();
                Async::register_as(self, registrable, assumed)
            }
        }
    }
}

impl<S: AsFd> AsFd for TcpSocket<S> {
    #[track_caller]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.system().as_fd()
    }
}

impl TcpSocket<TcpListener> {
    pub(super) fn listen(address: SocketAddr) -> io::Result<Self> {
        if let Some(network) = current_network() {
            return Ok(Simulated(SimulatedSocket::listen(&network, address)?));
        }
        let socket = new_socket(address)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sys::bind(&socket, &address)?;
        sys::listen(&socket, BACKLOG)?;
        Ok(System(socket.into()))
    }

    pub(super) fn accept(&self) -> io::Result<(TcpSocket<TcpStream>, SocketAddr)> {
        match self {
            System(listener) => {
                let (socket, address) = sys::acceptfrom_with(listener, FLAGS)?;
                let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))?;
                Ok((System(prepared(socket)?.into()), address.try_into()?))
            }
            Simulated(listener) => listener.accept().map(|(socket, address)| (Simulated(socket), address)),
        }
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            System(listener) => listener.local_addr(),
            Simulated(listener) => listener.local_addr(),
        }
    }
}

impl TcpSocket<TcpStream> {
    /// Begins to connect. Returns what the socket is ready for: nothing, unless it is connected already.
    pub(super) fn connect(address: SocketAddr) -> io::Result<(Self, Readiness)> {
        if let Some(network) = current_network() {
            return Ok((Simulated(SimulatedSocket::connect(&network, address)?), Readiness::empty()));
        }
        let socket = new_socket(address)?;
        match sys::connect(&socket, &address) {
            Ok(()) => Ok((System(socket.into()), Readiness::WRITABLE)),
            Err(error) if error == rustix::io::Errno::INPROGRESS => Ok((System(socket.into()), Readiness::empty())),
            Err(error) => Err(error.into()),
        }
    }

    /// The error of a connect that failed.
    pub(super) fn take_error(&self) -> io::Result<()> {
        match self {
            System(socket) => Ok(sockopt::socket_error(socket)??),
            Simulated(socket) => socket.take_error(),
        }
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            System(socket) => socket.local_addr(),
            Simulated(socket) => socket.local_addr(),
        }
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            System(socket) => socket.peer_addr(),
            Simulated(socket) => socket.peer_addr(),
        }
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            System(socket) => socket.shutdown(how),
            Simulated(socket) => socket.shutdown(how),
        }
    }

    pub(super) fn nodelay(&self) -> io::Result<bool> {
        match self {
            System(socket) => socket.nodelay(),
            Simulated(socket) => socket.nodelay(),
        }
    }

    pub(super) fn set_nodelay(&self, on: bool) -> io::Result<()> {
        match self {
            System(socket) => socket.set_nodelay(on),
            Simulated(socket) => socket.set_nodelay(on),
        }
    }

    /// A time other than zero is not passed on: the system would block the thread that closes the socket, even a
    /// non-blocking one. Without it, the system sends the rest in the background.
    pub(super) fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        match self {
            System(socket) => Ok(sockopt::set_socket_linger(socket, time.filter(Duration::is_zero))?),
            Simulated(socket) => socket.set_linger(time),
        }
    }
}

impl Connected for TcpSocket<TcpStream> {
    fn peek_into(&self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            System(socket) => socket.peek(buf),
            Simulated(socket) => socket.peek(buf),
        }
    }

    #[inline]
    fn send(&self, buf: &[u8]) -> io::Result<usize> {
        match self {
            System(socket) => socket::send(socket, buf),
            Simulated(socket) => socket.write(&[IoSlice::new(buf)]),
        }
    }

    #[inline]
    fn send_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            System(socket) => socket::send_vectored(socket, bufs),
            Simulated(socket) => socket.write(bufs),
        }
    }
}

impl Read for &TcpSocket<TcpStream> {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            System(socket) => (&*socket).read(buf),
            Simulated(socket) => socket.read(&mut [IoSliceMut::new(buf)]),
        }
    }

    #[inline]
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match self {
            System(socket) => (&*socket).read_vectored(bufs),
            Simulated(socket) => socket.read(bufs),
        }
    }
}
