//! TCP: [`TcpListener`] and [`TcpStream`].

use super::socket::socket;
use super::stream::{Connected, stream_socket};
use super::tcp_socket::TcpSocket;
use super::{IntoSocketAddr, ReadHalf, Shutdown, SocketAddr, WriteHalf};
use crate::backend::Readiness;
use crate::budget;
use crate::io::{Async, AsyncRead, AsyncWrite, Ready};
use crate::observer::Direction;
use futures_lite::{Stream, stream};
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

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
pub struct TcpListener(Async<TcpSocket<net::TcpListener>>);

socket!(TcpListener, net::TcpListener, SocketAddr, |socket| socket.system());

impl TcpListener {
    /// Binds to an address and listens on it; port 0 lets the system choose one. On Unix a port whose old
    /// connections are still winding down can be bound again at once (SO_REUSEADDR).
    ///
    /// # Errors
    /// Those of the system: the address is in use, is not this machine's, or needs privileges.
    pub async fn bind(address: impl IntoSocketAddr) -> io::Result<TcpListener> {
        budget::take().await;
        let socket = TcpSocket::listen(address.into_socket_addr()?)?;
        Ok(TcpListener(socket.register(Readiness::READABLE)?))
    }

    /// Accepts the next connection. Returns the stream and its peer's address. Several tasks may accept at once.
    ///
    /// # Errors
    /// Those of the system. [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) concerns one client, which has
    /// disconnected already. When no file descriptor is left, wait before the next try.
    ///
    /// # Cancel safety
    /// If it is dropped before it is ready, it has accepted no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self.0.read_with(TcpSocket::accept).await?;
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
        stream::poll_fn(|cx| {
            self.0.poll_read_with(cx, TcpSocket::accept).map(|accepted| Some(accepted.and_then(register)))
        })
    }
}

/// The client's first bytes have often arrived already, so the stream is assumed to be readable.
fn register((socket, _): (TcpSocket<net::TcpStream>, SocketAddr)) -> io::Result<TcpStream> {
    TcpStream::register(socket, Readiness::READABLE | Readiness::WRITABLE)
}

/// A TCP connection. Clones share the socket, which is closed when the last one is dropped.
///
/// In a simulated network it has no file descriptor: [`get_ref`](TcpStream::get_ref) and `as_fd` panic.
///
/// See [`TcpListener`] for an example.
#[derive(Clone, Debug)]
pub struct TcpStream(Arc<Async<TcpSocket<net::TcpStream>>>);

socket!(TcpStream, net::TcpStream, SocketAddr, |socket| socket.system());
stream_socket!(TcpStream, SocketAddr, short_means_drained: true);

impl TcpStream {
    /// Connects to an address.
    ///
    /// # Errors
    /// Those of the connect: refused, unreachable, timed out.
    ///
    /// # Cancel safety
    /// Dropping it abandons the attempt.
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
    ///     drop(listener); // connections are refused now
    ///     let error = TcpStream::connect(address).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub async fn connect(address: impl IntoSocketAddr) -> io::Result<TcpStream> {
        budget::take().await;
        let (socket, ready) = TcpSocket::connect(address.into_socket_addr()?)?;
        let stream = TcpStream::register(socket, ready)?;
        if ready.is_empty() && !stream.0.reported_writable().await? {
            stream.0.get_ref().take_error()?;
        }
        Ok(stream)
    }

    fn register(socket: TcpSocket<net::TcpStream>, assumed: Readiness) -> io::Result<TcpStream> {
        Ok(TcpStream(Arc::new(socket.register(assumed)?)))
    }

    /// Whether small writes are sent at once, instead of waiting to be combined (Nagle's algorithm).
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

    /// Sets what closing does with bytes not yet sent. With zero it drops them and resets the connection; with `None`
    /// the system sends them in the background.
    ///
    /// Any other time is treated as `None`. The system would block the thread that closes the socket until the bytes
    /// are sent or the time is over, and with it every task of the thread. So such a time is not passed on, and
    /// [`from_std`](TcpStream::from_std) removes it; set it through [`get_ref`](TcpStream::get_ref) if you need it. To
    /// learn that the peer has received everything, [`shutdown`](TcpStream::shutdown) the sending direction and read to
    /// the end of the stream.
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
        self.0.get_ref().set_linger(time)
    }
}
