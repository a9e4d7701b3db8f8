//! Sockets: TCP, UDP and Unix, by address. The executor connects by name, because it has threads for the look-up.
//!
//! Streams implement [`AsyncRead`](crate::io::AsyncRead) and [`AsyncWrite`](crate::io::AsyncWrite) by value, by `&mut`
//! and by `&`, so two tasks can share one: one reads, the other writes.
//!
//! All futures of this module take part in the [budget](crate::budget) of a poll.
//!
//! On a reactor with a simulated [`Network`](crate::backend::Network), TCP sockets live in that network. They have no
//! file descriptor: `get_ref` and [`AsFd`](std::os::fd::AsFd) panic.

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

/// Connections that the kernel queues for a busy listener, up to its own limit (4096 on Linux). With std's 128, a
/// thousand clients at once would wait for retransmissions.
const BACKLOG: i32 = 4096;
