//! What TCP and Unix streams have in common: reads, writes and halves.

use crate::forward::{read_through, write_through};
use crate::io::{AsyncRead, AsyncWrite};
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The most buffers in one system call (UIO_MAXIOV); std passes no more.
pub(super) const BUFFERS: usize = 1024;

/// Gives a stream type (a newtype over an `Arc<Async<…>>` of a value that is `Read` and [`Connected`]) its reads,
/// writes and halves.
macro_rules! stream_socket {
    ($stream:ident, $address:ty, short_means_drained: $drained:expr) => {
        impl $stream {
            /// A transfer of less than this is short, which proves that the kernel's buffer is empty or full. 0 where
            /// it proves nothing.
            fn wanted(size: usize) -> usize {
                if $drained { size } else { 0 }
            }

            /// The address of the other end.
            ///
            /// # Errors
            /// Those of the system; not connected, after a reset.
            pub fn peer_addr(&self) -> io::Result<$address> {
                self.0.get_ref().peer_addr()
            }

            /// Reads what has arrived, at least a byte, into `buf`. Returns the number of bytes; 0 at the end of the
            /// stream.
            ///
            /// The same as `AsyncReadExt::read`, but dropping it removes its waker at once.
            ///
            /// # Errors
            /// Those of the system, such as a reset.
            ///
            /// # Cancel safety
            /// If it is dropped before it is ready, it has read nothing.
            pub async fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.stream(Direction::Read, Self::wanted(buf.len()), |mut io| io.read(buf)).await
            }

            /// Writes as much of `buf` as there is room for, at least a byte. Returns the number of bytes.
            ///
            /// The same as `AsyncWriteExt::write`, but dropping it removes its waker at once.
            ///
            /// # Errors
            /// Those of the system, such as a reset.
            ///
            /// # Cancel safety
            /// If it is dropped before it is ready, it has written nothing.
            pub async fn write(&self, buf: &[u8]) -> io::Result<usize> {
                self.0.stream(Direction::Write, Self::wanted(buf.len()), |io| io.send(buf)).await
            }

            /// Reads without removing: the next read returns the same bytes.
            ///
            /// # Errors, cancel safety
            /// Same as [`read`](Self::read).
            ///
            /// ```
            /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
            /// # use kit::drive;
            /// use reactor::net::UnixStream; // all streams have it
            ///
            /// drive(async {
            ///     let (a, b) = UnixStream::pair()?;
            ///     a.write(b"hello").await?;
            ///     let mut buf = [0; 16];
            ///     assert_eq!(b.peek(&mut buf).await?, 5);
            ///     assert_eq!(b.read(&mut buf).await?, 5); // the same
            ///     std::io::Result::Ok(())
            /// }).unwrap();
            /// ```
            pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.read_with(|io| io.peek_into(buf)).await
            }

            /// Waits until a read would not block.
            pub fn readable(&self) -> Ready<'_> {
                self.0.readable()
            }

            /// Waits until a write would not block.
            pub fn writable(&self) -> Ready<'_> {
                self.0.writable()
            }

            /// Ends one direction of the stream, or both. The peer reads the end of the stream after all that was sent
            /// before.
            ///
            /// # Errors
            /// Those of the system; not connected, after a reset.
            ///
            /// ```
            /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
            /// # use kit::drive;
            /// use reactor::net::{Shutdown, UnixStream}; // all streams have it
            ///
            /// drive(async {
            ///     let (a, b) = UnixStream::pair()?;
            ///     a.shutdown(Shutdown::Write)?;
            ///     assert_eq!(b.read(&mut [0; 16]).await?, 0); // the end of the stream
            ///     b.write(b"still open").await?;
            ///     assert_eq!(a.read(&mut [0; 16]).await?, 10);
            ///     std::io::Result::Ok(())
            /// }).unwrap();
            /// ```
            pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                self.0.get_ref().shutdown(how)
            }

            /// Splits the stream into two halves for two tasks. They share the descriptor and no lock. The descriptor
            /// is closed when both are dropped.
            ///
            /// ```
            /// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
            /// # use kit::drive;
            /// use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
            /// use reactor::net::UnixStream; // all streams have it
            ///
            /// drive(async {
            ///     let (a, b) = UnixStream::pair()?;
            ///     let ((mut from_b, mut to_b), (mut from_a, mut to_a)) = (a.split(), b.split());
            ///     let echo = async { futures_lite::io::copy(&mut from_a, &mut to_a).await };
            ///     let talk = async {
            ///         to_b.write_all(b"hello").await?;
            ///         let mut five = [0; 5];
            ///         from_b.read_exact(&mut five).await?;
            ///         assert_eq!(&five, b"hello");
            ///         to_b.close().await // the echo reads the end of the stream
            ///     };
            ///     let (copied, talked) = future::zip(echo, talk).await;
            ///     assert_eq!(copied?, 5);
            ///     talked
            /// }).unwrap();
            /// ```
            pub fn split(self) -> (ReadHalf<$stream>, WriteHalf<$stream>) {
                (ReadHalf(self.clone()), WriteHalf(self))
            }
        }

        impl AsyncRead for &$stream {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
                self.0.poll_stream(Direction::Read, cx, $stream::wanted(buf.len()), |mut io| io.read(buf))
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let wanted = $stream::wanted(bufs.iter().take(super::stream::BUFFERS).map(|buf| buf.len()).sum());
                self.0.poll_stream(Direction::Read, cx, wanted, |mut io| io.read_vectored(bufs))
            }
        }

        impl AsyncWrite for &$stream {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.0.poll_stream(Direction::Write, cx, $stream::wanted(buf.len()), |io| io.send(buf))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let wanted = $stream::wanted(bufs.iter().take(super::stream::BUFFERS).map(|buf| buf.len()).sum());
                self.0.poll_stream(Direction::Write, cx, wanted, |io| io.send_vectored(bufs))
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.0.poll_now(Direction::Write, cx, |_| Ok(())) // the kernel has all of it
            }

            /// Shuts the sending direction down.
            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.0.poll_now(Direction::Write, cx, |socket| match socket.shutdown(Shutdown::Write) {
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()), // ended already
                    result => result,
                })
            }
        }

        crate::forward::read_through!(impl[] $stream where [] |this| &*this);
        crate::forward::write_through!(impl[] $stream where [] |this| &*this);
    };
}
pub(super) use stream_socket;

/// What a stream needs of its socket besides `Read`.
pub(super) trait Connected {
    /// Reads without removing.
    fn peek_into(&self, buf: &mut [u8]) -> io::Result<usize>;

    /// Writes. If the peer has closed, this is an error and raises no signal.
    fn send(&self, buf: &[u8]) -> io::Result<usize>;

    fn send_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// The reading half of a stream. Made by its `split`.
#[derive(Debug)]
pub struct ReadHalf<S>(pub(super) S);

/// The writing half of a stream. Made by its `split`. Closing it shuts the sending direction down.
#[derive(Debug)]
pub struct WriteHalf<S>(pub(super) S);

impl<S> ReadHalf<S> {
    /// The whole stream.
    pub fn get_ref(&self) -> &S {
        &self.0
    }
}

impl<S> WriteHalf<S> {
    /// The whole stream.
    pub fn get_ref(&self) -> &S {
        &self.0
    }
}

read_through!(impl[S] ReadHalf<S> where [S: Unpin, for<'a> &'a S: AsyncRead] |this| &this.0);
write_through!(impl[S] WriteHalf<S> where [S: Unpin, for<'a> &'a S: AsyncWrite] |this| &this.0);
