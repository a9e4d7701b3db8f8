//! HTTP/1.1 over any byte stream: enough of it for a downloader and a small server.
//!
//! `httparse` parses heads and chunk sizes, and the `http` crate provides names and values. This folder adds what RFC 9112
//! says about the end of a message, connections that carry several exchanges, and a server. It knows nothing about files,
//! links or pages.
//!
//! | file | what it holds |
//! |---|---|
//! | `error.rs`, `transport.rs` | what can go wrong; what HTTP runs over |
//! | `framing.rs`, `buffer.rs` | where a body begins and ends; bytes that were read and not yet used |
//! | `connection.rs`, `pool.rs` | the client's side: an exchange; connections that are kept |
//! | `request.rs`, `answer.rs`, `server.rs` | the server's side: reads a request, sends an answer |

mod answer;
mod buffer;
mod connection;
mod error;
mod framing;
mod pool;
mod request;
pub mod server;
mod transport;

pub use connection::{Connection, Limits, Response};
pub use error::{Error, is_out_of_descriptors};
pub use pool::Pool;
pub use transport::Transport;
