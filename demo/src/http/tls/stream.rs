//! The streams below and above TLS. Used by `tls/mod.rs`.

use crate::http::transport::Transport;
use futures_lite::{AsyncRead, AsyncWrite};
use futures_rustls::client;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The number of bytes that distinguish HTTP from TLS.
const FIRST: usize = 5;

/// A stream that keeps its first bytes, which show the protocol of a server that does not speak TLS.
pub struct FirstBytes {
    stream: Box<dyn Transport>,
    first: [u8; FIRST],
    known: usize,
}

impl FirstBytes {
    /// A stream of which nothing was read yet.
    pub fn new(stream: Box<dyn Transport>) -> FirstBytes {
        FirstBytes { stream, first: [0; FIRST], known: 0 }
    }

    /// The first bytes that were read.
    pub fn first(&self) -> &[u8] {
        &self.first[..self.known]
    }
}

impl AsyncRead for FirstBytes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_read(cx, to))?;
        let (known, new) = (self.known, count.min(FIRST - self.known));
        self.first[known..known + new].copy_from_slice(&to[..new]);
        self.known += new;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for FirstBytes {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// An open TLS connection.
///
/// Its end counts only if the server announced it (`close_notify`). Otherwise anyone on the path could have cut the
/// connection, and a body that ends with it would be taken for complete.
pub struct TlsStream(pub client::TlsStream<FirstBytes>);

impl AsyncRead for TlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, to).map_err(|error| match error.kind() {
            // `ConnectionAborted`, so that an idle connection which ended like this counts as closed.
            io::ErrorKind::UnexpectedEof => io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the server closed it without a TLS close_notify, so the response may be incomplete",
            ),
            _ => error,
        })
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
