//! Macros that implement `AsyncRead` and `AsyncWrite` by calling those of another type: of a reference to the type, or
//! of a field.
//!
//! Used by `io.rs` and `net/`, which have the traits in scope.

macro_rules! read_through {
    (impl[$($generics:tt)*] $type:ty where [$($bounds:tt)*] |$this:ident| $inner:expr) => {
        impl<$($generics)*> AsyncRead for $type where $($bounds)* {
            fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
                let $this = self.get_mut();
                Pin::new(&mut $inner).poll_read(cx, buf)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = self.get_mut();
                Pin::new(&mut $inner).poll_read_vectored(cx, bufs)
            }
        }
    };
}
pub(crate) use read_through;

macro_rules! write_through {
    (impl[$($generics:tt)*] $type:ty where [$($bounds:tt)*] |$this:ident| $inner:expr) => {
        impl<$($generics)*> AsyncWrite for $type where $($bounds)* {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                let $this = self.get_mut();
                Pin::new(&mut $inner).poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = self.get_mut();
                Pin::new(&mut $inner).poll_write_vectored(cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $this = self.get_mut();
                Pin::new(&mut $inner).poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $this = self.get_mut();
                Pin::new(&mut $inner).poll_close(cx)
            }
        }
    };
}
pub(crate) use write_through;
