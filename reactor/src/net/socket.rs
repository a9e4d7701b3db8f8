//! What all sockets have in common: how they are made, how streams send, and the methods that each type has.

use super::stream::BUFFERS;
use crate::io::set_nonblocking;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{self as sys, AddressFamily, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, socket_with};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

/// Flags of a new socket, where the system can set them at once: non-blocking, and closed on exec.
#[cfg(not(target_vendor = "apple"))]
pub(super) const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
#[cfg(target_vendor = "apple")]
pub(super) const FLAGS: SocketFlags = SocketFlags::empty();

/// Sets the same flags afterwards, where the system can't set them at once.
pub(super) fn prepared(socket: OwnedFd) -> io::Result<OwnedFd> {
    if FLAGS.is_empty() {
        fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        set_nonblocking(socket.as_fd())?;
        #[cfg(target_vendor = "apple")]
        sys::sockopt::set_socket_nosigpipe(&socket, true)?;
    }
    Ok(socket)
}

/// A write to a closed connection raises SIGPIPE, which ends a program that doesn't ignore it. Rust programs do;
/// programs in other languages that call a Rust library may not.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
/// Apple's systems have an option of the socket instead.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

/// Writes to a stream socket. If the peer has closed, this is an error and raises no signal.
#[inline]
pub(super) fn send(socket: impl AsFd, buf: &[u8]) -> io::Result<usize> {
    Ok(sys::send(socket, buf, NO_SIGNAL)?)
}

/// Like [`send`], from as many buffers as the system takes in one call.
pub(super) fn send_vectored(socket: impl AsFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let bufs = &bufs[..bufs.len().min(BUFFERS)];
    Ok(sys::sendmsg(socket, bufs, &mut SendAncillaryBuffer::default(), NO_SIGNAL)?)
}

pub(super) fn new_stream(family: AddressFamily) -> io::Result<OwnedFd> {
    prepared(socket_with(family, SocketType::STREAM, FLAGS, None)?)
}

/// Methods that every socket type has. The type is a newtype over an `Async` of std's socket, or of a value that holds
/// one; or over an `Arc` of that.
macro_rules! socket {
    ($type:ident, $std:ty, $address:ty) => {
        socket!($type, $std, $address, |socket| socket);
    };
    ($type:ident, $std:ty, $address:ty, |$inner:ident| $system:expr) => {
        impl $type {
            /// Takes over a socket of std and makes it non-blocking.
            ///
            /// # Errors
            /// Same as [`Async::new`](crate::io::Async::new).
            pub fn from_std(socket: $std) -> std::io::Result<$type> {
                Ok($type(crate::io::Async::new(socket.into())?.into()))
            }

            /// The socket of std, for its options. It is non-blocking.
            #[track_caller]
            pub fn get_ref(&self) -> &$std {
                let $inner = self.0.get_ref();
                $system
            }

            /// The address of this end.
            ///
            /// # Errors
            /// Those of the system.
            pub fn local_addr(&self) -> std::io::Result<$address> {
                self.0.get_ref().local_addr()
            }
        }

        impl std::os::fd::AsFd for $type {
            #[track_caller]
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }
        }
    };
}
pub(super) use socket;

/// Methods that all datagram sockets have.
macro_rules! datagrams {
    ($type:ident, $address:ty) => {
        impl $type {
            /// Sends a datagram to the peer: the connected one, or the other socket of a pair.
            ///
            /// # Errors, cancel safety
            /// Same as [`send_to`](Self::send_to); connection refused, if an earlier datagram found no receiver.
            pub async fn send(&self, datagram: &[u8]) -> std::io::Result<usize> {
                self.0.write_with(|socket| socket.send(datagram)).await
            }

            /// Receives the next datagram and its sender's address. What doesn't fit into `buf` is cut off.
            ///
            /// # Errors
            /// Those of the system.
            ///
            /// # Cancel safety
            /// If it is dropped before it is ready, it has received no datagram.
            pub async fn recv_from(&self, buf: &mut [u8]) -> std::io::Result<(usize, $address)> {
                self.0.read_with(|socket| socket.recv_from(buf)).await
            }

            /// Receives the next datagram; on a connected socket, the next one of its peer.
            ///
            /// # Errors, cancel safety
            /// Same as [`recv_from`](Self::recv_from).
            pub async fn recv(&self, buf: &mut [u8]) -> std::io::Result<usize> {
                self.0.read_with(|socket| socket.recv(buf)).await
            }
        }
    };
}
pub(super) use datagrams;
