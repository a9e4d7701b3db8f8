//! What HTTP runs over.

use futures_lite::{AsyncRead, AsyncWrite};

/// A byte stream: a TCP connection, or one with TLS around it.
pub trait Transport: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Transport for T {}
