//! UDP: [`UdpSocket`].

use super::socket::{datagrams, socket};
use super::{IntoSocketAddr, SocketAddr};
use crate::budget;
use crate::io::Async;
use std::{io, net};

/// A datagram socket. All methods take `&self`: several tasks may send and receive at once.
///
/// ```
/// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
/// # use kit::drive;
/// use reactor::net::UdpSocket;
///
/// drive(async {
///     let a = UdpSocket::bind("127.0.0.1:0").await?;
///     let b = UdpSocket::bind("127.0.0.1:0").await?;
///     a.send_to(b"ping", b.local_addr()?).await?;
///     let mut buf = [0; 16];
///     let (length, from) = b.recv_from(&mut buf).await?;
///     assert_eq!((&buf[..length], from), (&b"ping"[..], a.local_addr()?));
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct UdpSocket(Async<net::UdpSocket>);

socket!(UdpSocket, net::UdpSocket, SocketAddr);
datagrams!(UdpSocket, SocketAddr);

impl UdpSocket {
    /// A socket bound to an address; port 0 lets the system choose one.
    ///
    /// # Errors
    /// Those of the system: the address is in use or is not this machine's.
    pub async fn bind(address: impl IntoSocketAddr) -> io::Result<UdpSocket> {
        budget::take().await;
        UdpSocket::from_std(net::UdpSocket::bind(address.into_socket_addr()?)?)
    }

    /// Sets the peer: [`send`](UdpSocket::send) sends to it, and only its datagrams are received.
    ///
    /// # Errors
    /// Those of the system.
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// use reactor::net::UdpSocket;
    ///
    /// drive(async {
    ///     let (a, b) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    ///     a.connect(b.local_addr()?)?;
    ///     a.send(b"ping").await?;
    ///     let mut buf = [0; 16];
    ///     assert_eq!(b.peek_from(&mut buf).await?.0, 4);
    ///     assert_eq!(b.recv(&mut buf).await?, 4); // the same one
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn connect(&self, peer: impl IntoSocketAddr) -> io::Result<()> {
        self.0.get_ref().connect(peer.into_socket_addr()?)
    }

    /// Sends a datagram to an address, whole or not at all. Returns its size.
    ///
    /// # Errors
    /// Those of the system, for example for a datagram that is too long.
    ///
    /// # Cancel safety
    /// If it is dropped before it is ready, it has sent nothing.
    pub async fn send_to(&self, datagram: &[u8], to: impl IntoSocketAddr) -> io::Result<usize> {
        let to = to.into_socket_addr()?;
        self.0.write_with(|socket| socket.send_to(datagram, to)).await
    }

    /// Like [`recv_from`](UdpSocket::recv_from), but leaves the datagram in the queue.
    ///
    /// # Errors, cancel safety
    /// Same as [`recv_from`](UdpSocket::recv_from).
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.0.read_with(|socket| socket.peek_from(buf)).await
    }

    /// The peer set by [`connect`](UdpSocket::connect).
    ///
    /// # Errors
    /// Not connected, if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().peer_addr()
    }
}
