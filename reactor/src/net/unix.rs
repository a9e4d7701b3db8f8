//! Unix sockets: [`UnixListener`], [`UnixStream`] and [`UnixDatagram`].
//!
//! On Linux, a path that begins with a zero byte is an abstract name: `"\0name"`. It is in no directory and vanishes
//! with its socket.

use super::socket::{self, datagrams, new_stream, socket};
use super::stream::{Connected, stream_socket};
use super::{ReadHalf, Shutdown, WriteHalf};
use crate::backend::{Readiness, is_ready};
use crate::budget;
use crate::io::{Async, AsyncRead, AsyncWrite, Ready};
use crate::observer::Direction;
use crate::time::{Duration, sleep, timeout};
use futures_lite::{Stream, stream};
use rustix::io::Errno;
use rustix::net::{self as sys, AddressFamily, SocketAddrUnix};
use std::io::{self, IoSlice, IoSliceMut, Read};
#[cfg(target_os = "android")]
use std::os::android::net::SocketAddrExt;
use std::os::fd::AsFd;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::unix::ffi::OsStrExt;
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
///     std::fs::remove_file(&path)?; // dropping the listener does not remove it
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
    /// Listens at a path. The file remains when the listener is dropped.
    ///
    /// # Errors
    /// Those of the system: the path exists already ([`AddrInUse`](io::ErrorKind::AddrInUse)), is too long or can't be
    /// written.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        UnixListener::bind_addr(&address_of(path.as_ref())?)
    }

    /// Like [`bind`](UnixListener::bind), at an address.
    ///
    /// # Errors
    /// Same as [`bind`](UnixListener::bind).
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// # #[cfg(target_os = "linux")]
    /// drive(async {
    ///     use reactor::net::{UnixListener, UnixStream};
    ///     use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    ///
    ///     let name = format!("listener-{}", std::process::id());
    ///     let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    ///     let client = UnixStream::connect(format!("\0{name}")).await?; // the same, as a path
    ///     assert_eq!(client.peer_addr()?.as_abstract_name(), Some(name.as_bytes()));
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        UnixListener::from_std(net::UnixListener::bind_addr(address)?)
    }

    /// Accepts the next connection. Returns the stream and its peer's address, which is usually unnamed.
    ///
    /// # Errors, cancel safety
    /// Same as [`TcpListener::accept`](super::TcpListener::accept).
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
// A short read proves nothing: a read also ends at descriptors or credentials, with more bytes behind them.
stream_socket!(UnixStream, SocketAddr, short_means_drained: false);

impl Connected for net::UnixStream {
    /// std has no stable `peek` here.
    fn peek_into(&self, buf: &mut [u8]) -> io::Result<usize> {
        let (_, length) = sys::recv(self, buf, sys::RecvFlags::PEEK)?;
        Ok(length)
    }

    #[inline]
    fn send(&self, buf: &[u8]) -> io::Result<usize> {
        socket::send(self, buf)
    }

    #[inline]
    fn send_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        socket::send_vectored(self, bufs)
    }
}

impl UnixStream {
    /// Connects to a path. While the listener's queue is full, it tries again.
    ///
    /// # Errors
    /// Those of the connect: nothing at that path, refused, no permission.
    ///
    /// # Cancel safety
    /// Dropping it abandons the attempt.
    pub async fn connect(path: impl AsRef<Path>) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&address_of(path.as_ref())?).await
    }

    /// Like [`connect`](UnixStream::connect), to an address.
    ///
    /// # Errors, cancel safety
    /// Same as [`connect`](UnixStream::connect).
    pub async fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        let address = raw_address(address)?;
        let socket = new_stream(AddressFamily::UNIX)?;
        let mut pause = Pause::first();
        budget::take().await; // the loop below may succeed at once
        loop {
            match sys::connect(&socket, &address) {
                Ok(()) => return UnixStream::from_connected(socket.into()),
                // The listener's queue is full. The system reports no readiness for that, so wait for some time.
                Err(Errno::AGAIN) => sleep(pause.next()).await,
                Err(error) => return Err(error.into()),
            }
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
    /// Same as [`UnixListener::bind`].
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixDatagram> {
        UnixDatagram::bind_addr(&address_of(path.as_ref())?)
    }

    /// Like [`bind`](UnixDatagram::bind), at an address.
    ///
    /// # Errors
    /// Same as [`UnixListener::bind`].
    pub fn bind_addr(address: &SocketAddr) -> io::Result<UnixDatagram> {
        UnixDatagram::from_std(net::UnixDatagram::bind_addr(address)?)
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

    /// Sends a datagram to a path, whole or not at all. Returns its size. While the receiver's queue is full, it tries
    /// again.
    ///
    /// # Errors
    /// Those of the system: no socket at that path, or a datagram that is too long.
    ///
    /// # Cancel safety
    /// If it is dropped before it is ready, it has sent nothing.
    pub async fn send_to(&self, datagram: &[u8], path: impl AsRef<Path>) -> io::Result<usize> {
        self.send_to_addr(datagram, &address_of(path.as_ref())?).await
    }

    /// Like [`send_to`](UnixDatagram::send_to), to an address, such as one from [`recv_from`](UnixDatagram::recv_from).
    ///
    /// # Errors, cancel safety
    /// Same as [`send_to`](UnixDatagram::send_to).
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// use reactor::net::UnixDatagram;
    ///
    /// drive(async {
    ///     let folder = std::env::temp_dir();
    ///     let paths = ["server", "client"].map(|name| folder.join(format!("{name}-{}", std::process::id())));
    ///     let (server, client) = (UnixDatagram::bind(&paths[0])?, UnixDatagram::bind(&paths[1])?);
    ///     client.send_to(b"ping", &paths[0]).await?;
    ///     let mut buf = [0; 16];
    ///     let (length, from) = server.recv_from(&mut buf).await?;
    ///     server.send_to_addr(&buf[..length], &from).await?;
    ///     assert_eq!(client.recv(&mut buf).await?, 4);
    ///     paths.iter().try_for_each(std::fs::remove_file)
    /// }).unwrap();
    /// ```
    pub async fn send_to_addr(&self, datagram: &[u8], address: &SocketAddr) -> io::Result<usize> {
        let mut pause = Pause::first();
        loop {
            let attempt = self.0.write_with(|socket| match socket.send_to_addr(datagram, address) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                result => result.map(Some),
            });
            if let Some(sent) = attempt.await? {
                return Ok(sent);
            }
            // The system reports room in this socket's own buffer, but not in the queue of a receiver that it is not
            // connected to. And each attempt that fails for lack of that room makes an edge, so waiting for edges would
            // spin.
            let pause = pause.next();
            match is_ready(self.as_fd(), Direction::Write)? {
                true => sleep(pause).await,
                false => drop(timeout(pause, self.0.writable()).await),
            }
        }
    }
}

/// The pauses between attempts where the system reports no readiness: each is twice the one before, up to 50 ms.
struct Pause(Duration);

impl Pause {
    fn first() -> Pause {
        Pause(Duration::from_millis(1))
    }

    fn next(&mut self) -> Duration {
        let next = self.0;
        self.0 = (next * 2).min(Duration::from_millis(50));
        next
    }
}

/// The address of a path: the path itself, or on Linux an abstract name.
fn address_of(path: &Path) -> io::Result<SocketAddr> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = path.as_os_str().as_bytes().strip_prefix(b"\0") {
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(path)
}

fn raw_address(address: &SocketAddr) -> io::Result<SocketAddrUnix> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = address.as_abstract_name() {
        return Ok(SocketAddrUnix::new_abstract_name(name)?);
    }
    let path = address.as_pathname().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(SocketAddrUnix::new(path)?)
}
