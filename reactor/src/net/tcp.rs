//! TCP: [`TcpListener`] and [`TcpStream`].

use super::socket::{FLAGS, new_stream, prepared, socket};
use super::stream::stream_socket;
use super::{BACKLOG, IntoSocketAddr, ReadHalf, Shutdown, SocketAddr, WriteHalf};
use crate::backend::Readiness;
use crate::io::{Async, AsyncRead, AsyncWrite, Ready};
use crate::observer::Direction;
use futures_lite::{Stream, stream};
use rustix::net::{self as sys, AddressFamily, sockopt};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

fn new_socket(address: SocketAddr) -> io::Result<OwnedFd> {
    new_stream(if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 })
}

/// Waits for connections.
///
/// ```
/// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
/// # use kit::drive;
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use reactor::net::{TcpListener, TcpStream};
///
/// drive(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
///     let (mut server, peer) = listener.accept().await?;
///     assert_eq!(peer, client.local_addr()?);
///     client.write_all(b"hello").await?;
///     client.close().await?; // ends our direction
///     let mut text = String::new();
///     server.read_to_string(&mut text).await?;
///     assert_eq!(text, "hello");
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct TcpListener(Async<net::TcpListener>);

socket!(TcpListener, net::TcpListener, SocketAddr);

impl TcpListener {
    /// Binds to an address and listens on it; port 0 lets the system choose one. On Unix a port whose old
    /// connections are still winding down can be bound again at once (SO_REUSEADDR).
    ///
    /// # Errors
    /// Those of the system: the address is in use, isn't this machine's, or needs rights.
    pub async fn bind(address: impl IntoSocketAddr) -> io::Result<TcpListener> {
        let address = address.into_socket_addr()?;
        let socket = new_socket(address)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sys::bind(&socket, &address)?;
        sys::listen(&socket, BACKLOG)?;
        Ok(TcpListener(Async::register(socket.into(), Readiness::READABLE)?))
    }

    /// The next connection, and where it comes from. Several tasks may accept at once.
    ///
    /// # Errors
    /// Those of the system. [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) concerns one
    /// client that has gone again; with no file descriptor left, wait before the next try.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has taken no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self.0.read_with(accept).await?;
        let address = accepted.1;
        Ok((register(accepted)?, address))
    }

    /// The connections as a stream that never ends. Errors as in [`accept`](TcpListener::accept).
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// use futures_lite::StreamExt;
    /// use reactor::net::{TcpListener, TcpStream};
    ///
    /// drive(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let server = listener.incoming().next().await.expect("it never ends")?;
    ///     assert_eq!(server.peer_addr()?, client.local_addr()?);
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn incoming(&self) -> impl Stream<Item = io::Result<TcpStream>> + Unpin {
        stream::poll_fn(|cx| self.0.poll_read_with(cx, accept).map(|accepted| Some(accepted.and_then(register))))
    }
}

fn accept(listener: &net::TcpListener) -> io::Result<(net::TcpStream, SocketAddr)> {
    let (socket, address) = sys::acceptfrom_with(listener, FLAGS)?;
    let address = address.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))?;
    Ok((prepared(socket)?.into(), address.try_into()?))
}

/// What the client sent with its connect is often there already, so reading is worth an attempt.
fn register((socket, _): (net::TcpStream, SocketAddr)) -> io::Result<TcpStream> {
    TcpStream::register(socket, Readiness::READABLE | Readiness::WRITABLE)
}

/// A TCP connection. Clones share the socket, which is closed when the last one is dropped.
///
/// See [`TcpListener`] for an example.
#[derive(Clone, Debug)]
pub struct TcpStream(Arc<Async<net::TcpStream>>);

socket!(TcpStream, net::TcpStream, SocketAddr);
stream_socket!(TcpStream, net::TcpStream, SocketAddr, short_means_drained: true);

impl TcpStream {
    /// Connects to an address.
    ///
    /// # Errors
    /// The connect's own: refused, unreachable, timed out.
    ///
    /// # Cancel safety
    /// Dropping it gives the attempt up.
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// use reactor::net::TcpStream;
    ///
    /// drive(async {
    ///     let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///     let address = listener.local_addr()?;
    ///     let stream = TcpStream::connect(address).await?;
    ///     stream.set_nodelay(true)?;
    ///     assert!(stream.nodelay()?);
    ///
    ///     drop(listener); // nobody is there any more
    ///     let error = TcpStream::connect(address).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub async fn connect(address: impl IntoSocketAddr) -> io::Result<TcpStream> {
        let address = address.into_socket_addr()?;
        let socket = new_socket(address)?;
        match sys::connect(&socket, &address) {
            Ok(()) => return TcpStream::register(socket.into(), Readiness::WRITABLE),
            Err(error) if error == rustix::io::Errno::INPROGRESS => {}
            Err(error) => return Err(error.into()),
        }
        let stream = TcpStream::register(socket.into(), Readiness::empty())?;
        if !stream.0.reported_writable().await? {
            sockopt::socket_error(&stream)??;
        }
        Ok(stream)
    }

    /// Whether small writes go out at once rather than wait for company (Nagle's algorithm).
    ///
    /// # Errors
    /// Those of the system.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.0.get_ref().nodelay()
    }

    /// Sets [`nodelay`](TcpStream::nodelay).
    ///
    /// # Errors
    /// Those of the system.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.0.get_ref().set_nodelay(on)
    }

    /// What closing does with bytes not yet sent: with zero it drops them and resets the
    /// connection; with `None` the system sends them in the background.
    ///
    /// # Errors
    /// Those of the system.
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// use reactor::net::{TcpListener, TcpStream};
    ///
    /// drive(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (server, _) = listener.accept().await?;
    ///     server.set_linger(Some(std::time::Duration::ZERO))?;
    ///     drop(server);
    ///     let error = client.read(&mut [0; 8]).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        Ok(sockopt::set_socket_linger(self, time)?)
    }
}
