//! Sockets: TCP, UDP and Unix, by address. Connecting by name is the executor's, which has threads
//! for the look-up.
//!
//! Streams are [`AsyncRead`](crate::io::AsyncRead) and [`AsyncWrite`](crate::io::AsyncWrite), by
//! value, by `&mut` and by `&`, so two tasks can share one: one reads, the other writes.
//!
//! All that can be awaited here takes part in the [budget](crate::budget) of a poll.
//!
//! On a reactor with a simulated [`Network`](crate::backend::Network), TCP sockets live in that. They have no
//! file descriptor: to ask for it, by `get_ref` or [`AsFd`](std::os::fd::AsFd), panics.

mod addr;
mod socket;
mod stream;
mod tcp;
mod tcp_socket;
mod udp;
mod unix;

pub use addr::IntoSocketAddr;
pub use stream::{ReadHalf, WriteHalf};
pub use tcp::{TcpListener, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixListener, UnixStream};

pub use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};

/// Connections that the kernel keeps for a listener that is busy. It takes the lower of this and
/// its own limit (4096 on Linux); std's 128 would make a thousand clients at once wait for
/// retransmissions.
const BACKLOG: i32 = 4096;
