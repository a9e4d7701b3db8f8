//! HTTP/1.1 over any byte stream: enough of it for a downloader and a small server.
//!
//! The syntax of heads and chunk sizes is `httparse`'s, names and values are the `http` crate's.
//! What is here is what RFC 9112 says about where a message ends (`framing.rs`), a connection that
//! carries one exchange after the other (`connection.rs`, `pool.rs`), and the other side of it
//! (`server.rs`, which reads a `request.rs` and sends an `answer.rs`). Nothing in here knows of files, links or pages.

mod answer;
mod buffer;
mod connection;
mod error;
mod framing;
mod pool;
mod request;
pub mod server;

pub use connection::{Connection, Limits, Response};
pub use error::{Error, is_out_of_descriptors};
pub use pool::Pool;

use futures_lite::{AsyncRead, AsyncWrite};

/// What HTTP runs over: a TCP connection now, one with TLS around it just as well.
pub trait Transport: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Transport for T {}
