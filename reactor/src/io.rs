//! [`Async`]: any file descriptor that can be non-blocking, made awaitable.
//!
//! The sockets of [`net`](crate::net) are built on it. It also serves pipes, terminals, inotify, kernel timers, and C
//! libraries that expose their descriptor. The I/O traits are those of futures-lite.

pub use futures_lite::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};

use crate::backend::Registrable;
use crate::forward::{read_through, write_through};
use crate::handle::current_or_error;
use crate::readiness::{Direction, Readiness};
use crate::source::{Source, Waiter, is_short, never_short};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A non-blocking file descriptor, registered with the current reactor of the thread that made it.
///
/// `Async<T>` and `&Async<T>` implement [`AsyncRead`] and [`AsyncWrite`] where `&T` implements [`Read`] and [`Write`].
/// For everything else there are [`read_with`](Async::read_with) and [`write_with`](Async::write_with). Any number of
/// tasks may wait for it at once. Each operation takes part in the [budget](crate::budget) of a poll.
///
/// It writes as `T` does. For a pipe without a reader that raises SIGPIPE. Rust programs ignore the signal; a program
/// whose `main` is written in another language must ignore it too. The streams of [`net`](crate::net) never raise it.
///
/// ```
/// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
/// # use kit::drive;
/// use futures_lite::{AsyncReadExt, AsyncWriteExt};
/// use reactor::io::Async;
///
/// drive(async {
///     let (reader, writer) = std::io::pipe()?;
///     let (mut reader, mut writer) = (Async::new(reader)?, Async::new(writer)?);
///     writer.write_all(b"hello").await?;
///     let mut five = [0; 5];
///     reader.read_exact(&mut five).await?;
///     assert_eq!(&five, b"hello");
///     std::io::Result::Ok(())
/// }).unwrap();
/// ```
pub struct Async<T: AsFd> {
    /// Deregistered by `drop` and `into_inner`, while `io` is still open.
    source: Arc<Source>,
    /// `None` only inside those two.
    io: Option<T>,
}

// `io` is never pinned: methods only borrow it.
impl<T: AsFd> Unpin for Async<T> {}

impl<T: AsFd> Async<T> {
    /// Makes `io` non-blocking and registers it.
    ///
    /// `T` must keep its descriptor while it is registered: if it replaces it, the reactor waits for the wrong one.
    ///
    /// # Errors
    /// On a thread without a runtime; for a descriptor that the backend can't wait for, such as that of a regular file;
    /// and when the system has reached a limit.
    pub fn new(io: T) -> io::Result<Async<T>> {
        set_nonblocking(io.as_fd())?;
        Async::register(io, Readiness::READABLE | Readiness::WRITABLE)
    }

    /// Like [`new`](Async::new), for a descriptor that is non-blocking already and assumed to be ready for `assumed`.
    pub(crate) fn register(io: T, assumed: Readiness) -> io::Result<Async<T>> {
        let registrable = Registrable::Descriptor(io.as_fd().as_raw_fd());
        Async::register_as(io, registrable, assumed)
    }

    /// Like [`register`](Async::register), for `io` that is registered as `registrable`, which is a part of it.
    pub(crate) fn register_as(io: T, registrable: Registrable, assumed: Readiness) -> io::Result<Async<T>> {
        let reactor = current_or_error("a socket")?;
        // SAFETY: `io` lives in the `Async`, which deregisters the source before it drops or returns `io`.
        let source = unsafe { reactor.0.registry.add(registrable, assumed)? };
        Ok(Async { source, io: Some(io) })
    }

    /// The value inside. Don't read or write through it unless that can't block.
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// drive(async {
    ///     let (reader, _writer) = std::os::unix::net::UnixStream::pair()?;
    ///     let reader = reactor::io::Async::new(reader)?;
    ///     assert!(reader.get_ref().peer_addr()?.is_unnamed());
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn get_ref(&self) -> &T {
        self.io.as_ref().expect("Async lost its io before it was dropped")
    }

    /// Deregisters the descriptor and returns the value inside. The descriptor stays non-blocking.
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// drive(async {
    ///     let (reader, _writer) = std::io::pipe()?;
    ///     let reader: std::io::PipeReader = reactor::io::Async::new(reader)?.into_inner();
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn into_inner(mut self) -> T {
        self.source.deregister();
        self.io.take().expect("Async lost its io before it was dropped")
    }

    /// Waits until a read would not block. Several tasks may wait; all of them are woken.
    ///
    /// # Errors
    /// When the runtime that it was registered with has ended.
    ///
    /// # Cancel safety
    /// Dropping it removes its waker and loses nothing.
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// drive(async {
    ///     let (reader, mut writer) = std::io::pipe()?;
    ///     let reader = reactor::io::Async::new(reader)?;
    ///     std::io::Write::write_all(&mut writer, b"x")?;
    ///     reader.readable().await?; // at once: there is something to read
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn readable(&self) -> Ready<'_> {
        Ready { waiter: Waiter::new(&self.source, Direction::Read) }
    }

    /// Waits until a write would not block. Otherwise like [`readable`](Async::readable).
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// drive(async {
    ///     let (_reader, writer) = std::io::pipe()?;
    ///     let writer = reactor::io::Async::new(writer)?;
    ///     writer.writable().await?; // at once: there is room
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn writable(&self) -> Ready<'_> {
        Ready { waiter: Waiter::new(&self.source, Direction::Write) }
    }

    /// Waits for the first report of writability, as after a connect. See [`Waiter::poll_reported`] for the result.
    pub(crate) async fn reported_writable(&self) -> io::Result<bool> {
        let mut waiter = Waiter::new(&self.source, Direction::Write);
        std::future::poll_fn(|cx| waiter.poll_reported(cx)).await
    }

    /// Calls `op` until it returns something other than [`WouldBlock`](io::ErrorKind::WouldBlock), and waits until the
    /// descriptor is readable before each further call.
    ///
    /// # Errors
    /// Those of `op`, and when the runtime that it was registered with has ended.
    ///
    /// # Cancel safety
    /// If it is dropped before it is ready, it has lost nothing: each call of `op` so far returned `WouldBlock`.
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// drive(async {
    ///     let (ours, theirs) = UnixDatagram::pair()?;
    ///     let ours = reactor::io::Async::new(ours)?;
    ///     theirs.send(b"ping")?;
    ///     let mut buf = [0; 16];
    ///     let length = ours.read_with(|socket| socket.recv(&mut buf)).await?;
    ///     assert_eq!(&buf[..length], b"ping");
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn read_with<R, F: FnMut(&T) -> io::Result<R>>(&self, op: F) -> With<'_, T, F> {
        With { io: self.get_ref(), waiter: Waiter::new(&self.source, Direction::Read), op }
    }

    /// Like [`read_with`](Async::read_with), for an operation that waits for writability.
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// drive(async {
    ///     let (ours, theirs) = UnixDatagram::pair()?;
    ///     let ours = reactor::io::Async::new(ours)?;
    ///     assert_eq!(ours.write_with(|socket| socket.send(b"ping")).await?, 4);
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn write_with<R, F: FnMut(&T) -> io::Result<R>>(&self, op: F) -> With<'_, T, F> {
        With { io: self.get_ref(), waiter: Waiter::new(&self.source, Direction::Write), op }
    }

    /// The poll function under [`read_with`](Async::read_with), for implementers of poll functions.
    ///
    /// A report wakes every poller whose last poll was pending. A poller that polls again with the same waker keeps its
    /// entry. Nothing shows when a poller has lost interest, so its waker stays for a while. When many pollers have
    /// been added, the reactor wakes all of them and forgets those that do not poll again. So expect spurious wakes.
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// use std::{future::poll_fn, os::unix::net::UnixDatagram};
    ///
    /// drive(async {
    ///     let (ours, theirs) = UnixDatagram::pair()?;
    ///     let ours = reactor::io::Async::new(ours)?;
    ///     theirs.send(b"ping")?;
    ///     let mut buf = [0; 16];
    ///     let length = poll_fn(|cx| ours.poll_read_with(cx, |socket| socket.recv(&mut buf))).await?;
    ///     assert_eq!(length, 4);
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn poll_read_with<R>(
        &self,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.source.poll_op(Direction::Read, None, cx, || op(self.get_ref()), never_short)
    }

    /// Like [`poll_read_with`](Async::poll_read_with), for an operation that waits for writability.
    ///
    /// ```
    /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
    /// # use kit::drive;
    /// use std::{future::poll_fn, os::unix::net::UnixDatagram};
    ///
    /// drive(async {
    ///     let (ours, _theirs) = UnixDatagram::pair()?;
    ///     let ours = reactor::io::Async::new(ours)?;
    ///     assert_eq!(poll_fn(|cx| ours.poll_write_with(cx, |socket| socket.send(b"ping"))).await?, 4);
    ///     std::io::Result::Ok(())
    /// }).unwrap();
    /// ```
    pub fn poll_write_with<R>(
        &self,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.source.poll_op(Direction::Write, None, cx, || op(self.get_ref()), never_short)
    }

    /// For stream sockets: a transfer of less than `wanted` bytes shows that the kernel's buffer is empty or full.
    pub(crate) fn poll_stream(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        wanted: usize,
        mut op: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.source.poll_op(direction, None, cx, || op(self.get_ref()), is_short(wanted))
    }

    /// For operations of stream sockets that never block, such as shutting down.
    pub(crate) fn poll_now<R>(
        &self,
        direction: Direction,
        cx: &mut Context<'_>,
        op: impl FnOnce(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.source.poll_now(direction, cx, || op(self.get_ref()))
    }

    /// [`poll_stream`](Async::poll_stream) as a future, which removes its waker when it is dropped.
    pub(crate) async fn stream(
        &self,
        direction: Direction,
        wanted: usize,
        mut op: impl FnMut(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut waiter = Waiter::new(&self.source, direction);
        std::future::poll_fn(|cx| waiter.poll_op(cx, || op(self.get_ref()), is_short(wanted))).await
    }
}

impl<T: AsFd> Drop for Async<T> {
    fn drop(&mut self) {
        if self.io.is_some() {
            self.source.deregister();
        }
    }
}

impl<T: AsFd> AsFd for Async<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.get_ref().as_fd()
    }
}

impl<T: AsFd> fmt::Debug for Async<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Async({:?})", self.source)
    }
}

/// Waits for readiness. Made by [`Async::readable`] and [`Async::writable`].
#[must_use = "futures do nothing until they are awaited"]
pub struct Ready<'a> {
    waiter: Waiter<'a>,
}

impl Future for Ready<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.waiter.poll_ready(cx)
    }
}

pin_project! {
    /// An operation that waits for readiness. Made by [`Async::read_with`] and [`Async::write_with`].
    #[must_use = "futures do nothing until they are awaited"]
    pub struct With<'a, T, F> {
        io: &'a T,
        waiter: Waiter<'a>,
        op: F,
    }
}

impl<T, R, F: FnMut(&T) -> io::Result<R>> Future for With<'_, T, F> {
    type Output = io::Result<R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.waiter.poll_op(cx, || (this.op)(this.io), never_short)
    }
}

impl<T: AsFd> AsyncRead for &Async<T>
where
    for<'a> &'a T: Read,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_read_with(cx, |mut io| io.read(buf))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_read_with(cx, |mut io| io.read_vectored(bufs))
    }
}

impl<T: AsFd> AsyncWrite for &Async<T>
where
    for<'a> &'a T: Write,
{
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |mut io| io.write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_with(cx, |mut io| io.write_vectored(bufs))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_with(cx, |mut io| io.flush())
    }

    /// Flushes, and leaves the descriptor open: a pipe closes when it is dropped. The streams of [`net`](crate::net)
    /// shut their sending side down instead.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

read_through!(impl[T: AsFd] Async<T> where [for<'a> &'a T: Read] |this| &*this);
write_through!(impl[T: AsFd] Async<T> where [for<'a> &'a T: Write] |this| &*this);

/// Makes a descriptor non-blocking, unless it is so already.
pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let flags = fcntl_getfl(fd)?;
    if !flags.contains(OFlags::NONBLOCK) {
        fcntl_setfl(fd, flags | OFlags::NONBLOCK)?;
    }
    Ok(())
}
