//! Unix sockets: [`UnixListener`], [`UnixStream`] and [`UnixDatagram`].

use super::socket::{datagrams, new_stream, socket};
use super::stream::{Peek, stream_socket};
use super::{ReadHalf, Shutdown, WriteHalf};
use crate::backend::Readiness;
use crate::budget;
use crate::io::{Async, AsyncRead, AsyncWrite, Ready};
use crate::observer::Direction;
use crate::time::{Duration, sleep};
use futures_lite::{Stream, stream};
use rustix::io::Errno;
use rustix::net::{self as sys, AddressFamily, SocketAddrUnix};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Waits for connections at a path.
///
/// ```
/// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
/// # use kit::drive;
/// use reactor::net::{UnixListener, UnixStream};
///
/// drive(async {
///     let path = std::env::temp_dir().join(format!("listener-{}", std::process::id()));
///     let listener = UnixListener::bind(&path)?;
///     let client = UnixStream::connect(&path).await?;
///     let (server, _) = listener.accept().await?;
///     std::fs::remove_file(&path)?; // it stays behind otherwise
///     client.write(b"hello").await?;
///     let mut buf = [0; 16];
///     assert_eq!(server.read(&mut buf).await?, 5);
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct UnixListener(Async<net::UnixListener>);

socket!(UnixListener, net::UnixListener, SocketAddr);

impl UnixListener {
    /// Listens at a path. The file stays behind when the listener is dropped.
    ///
    /// # Errors
    /// Those of the system: the path exists already ([`AddrInUse`](io::ErrorKind::AddrInUse)), is
    /// too long or can't be written.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        UnixListener::from_std(net::UnixListener::bind(path)?)
    }

    /// The next connection. Its peer's address is mostly unnamed.
    ///
    /// # Errors, cancel safety
    /// As [`TcpListener::accept`](super::TcpListener::accept).
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (socket, address) = self.0.read_with(net::UnixListener::accept).await?;
        Ok((UnixStream::from_std(socket)?, address))
    }

    /// The connections as a stream that never ends.
    pub fn incoming(&self) -> impl Stream<Item = io::Result<UnixStream>> + Unpin {
        stream::poll_fn(|cx| {
            let accepted = self.0.poll_read_with(cx, net::UnixListener::accept);
            accepted.map(|accepted| Some(accepted.and_then(|(socket, _)| UnixStream::from_std(socket))))
        })
    }
}

/// A connection to a process on this machine. Clones share the socket, which is closed when the
/// last one is dropped.
#[derive(Clone, Debug)]
pub struct UnixStream(Arc<Async<net::UnixStream>>);

socket!(UnixStream, net::UnixStream, SocketAddr);
// A read ends early where descriptors or credentials come with the bytes, with more behind them.
stream_socket!(UnixStream, SocketAddr, short_means_drained: false);

/// std's can't on stable.
impl Peek for net::UnixStream {
    fn peek_into(&self, buf: &mut [u8]) -> io::Result<usize> {
        let (_, length) = sys::recv(self, buf, sys::RecvFlags::PEEK)?;
        Ok(length)
    }
}

impl UnixStream {
    /// Connects to a path. While the listener's queue is full, it tries again.
    ///
    /// # Errors
    /// The connect's own: nothing at that path, refused, no rights.
    ///
    /// # Cancel safety
    /// Dropping it gives the attempt up.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<UnixStream> {
        let address = SocketAddrUnix::new(path.as_ref())?;
        let socket = new_stream(AddressFamily::UNIX)?;
        let mut pause = Duration::from_millis(1);
        budget::take().await; // connecting is done at once
        loop {
            match sys::connect(&socket, &address) {
                Ok(()) => return UnixStream::from_connected(socket.into()),
                // A full queue. No readiness is ever reported for it, so time has to pass.
                Err(Errno::AGAIN) => sleep(pause).await,
                Err(error) => return Err(error.into()),
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    fn from_connected(socket: net::UnixStream) -> io::Result<UnixStream> {
        Ok(UnixStream(Arc::new(Async::register(socket, Readiness::READABLE | Readiness::WRITABLE)?)))
    }

    /// Two streams that are connected to each other.
    ///
    /// # Errors
    /// When the system has no file descriptor left.
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// use futures_lite::{AsyncReadExt, AsyncWriteExt};
    /// use reactor::net::UnixStream;
    ///
    /// drive(async {
    ///     let (mut a, mut b) = UnixStream::pair()?;
    ///     a.write_all(b"hello").await?;
    ///     let mut five = [0; 5];
    ///     b.read_exact(&mut five).await?;
    ///     assert_eq!(&five, b"hello");
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (a, b) = net::UnixStream::pair()?;
        Ok((UnixStream::from_std(a)?, UnixStream::from_std(b)?))
    }
}

/// A datagram socket between processes of this machine.
///
/// ```
/// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
/// # use kit::drive;
/// use reactor::net::UnixDatagram;
///
/// drive(async {
///     let path = std::env::temp_dir().join(format!("datagram-{}", std::process::id()));
///     let receiver = UnixDatagram::bind(&path)?;
///     UnixDatagram::unbound()?.send_to(b"ping", &path).await?;
///     std::fs::remove_file(&path)?;
///     let mut buf = [0; 16];
///     let (length, from) = receiver.recv_from(&mut buf).await?;
///     assert!(&buf[..length] == b"ping" && from.is_unnamed());
///
///     let (a, b) = UnixDatagram::pair()?;
///     a.send(b"pong").await?;
///     assert_eq!(b.recv(&mut buf).await?, 4);
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
#[derive(Debug)]
pub struct UnixDatagram(Async<net::UnixDatagram>);

socket!(UnixDatagram, net::UnixDatagram, SocketAddr);
datagrams!(UnixDatagram, SocketAddr);

impl UnixDatagram {
    /// A socket that receives at a path.
    ///
    /// # Errors
    /// As [`UnixListener::bind`].
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        UnixDatagram::from_std(net::UnixDatagram::bind(path)?)
    }

    /// A socket without a path, for sending.
    ///
    /// # Errors
    /// When the system has no file descriptor left.
    pub fn unbound() -> io::Result<UnixDatagram> {
        UnixDatagram::from_std(net::UnixDatagram::unbound()?)
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    /// When the system has no file descriptor left.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (a, b) = net::UnixDatagram::pair()?;
        Ok((UnixDatagram::from_std(a)?, UnixDatagram::from_std(b)?))
    }

    /// Sends a datagram to a path, whole or not at all.
    ///
    /// # Errors
    /// Those of the system: nobody at that path, too long.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, it has sent nothing.
    pub async fn send_to(&self, datagram: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.0.write_with(|socket| socket.send_to(datagram, path.as_ref())).await
    }
}
