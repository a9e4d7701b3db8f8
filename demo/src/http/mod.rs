//! HTTP/1.1 over any byte stream: enough of it for a downloader and a small server.
//!
//! `httparse` parses heads and chunk sizes, and the `http` crate provides names and values. This folder adds what
//! RFC 9112 says about the end of a message, connections that carry several exchanges, and a server. `rustls` provides
//! TLS. The folder knows nothing about files, links or pages.
//!
//! | file | what it holds |
//! |---|---|
//! | `error.rs`, `transport.rs` | what can go wrong; what HTTP runs over |
//! | `limits.rs` | limits of time, speed and size |
//! | `framing.rs`, `buffer.rs` | where a body begins and ends; bytes that were read and not yet used |
//! | `coding.rs`, `decode/` | content codings: which a body has; undoing them |
//! | `outgoing.rs`, `head.rs` | the client's side: writes the head of a request, parses the head of a response |
//! | `body.rs` | the body of a response: its framing and its codings together |
//! | `connection.rs`, `recording.rs` | an exchange; its bytes as they are received |
//! | `tls/`, `proxy/`, `connector.rs`, `pool.rs` | TLS; proxies; opens connections over both; keeps them |
//! | `credentials.rs`, `netrc.rs`, `cookies/`, `custom.rs` | logins, cookies and fields, and where they may go |
//! | `requests.rs`, `options.rs` | what each request carries; the options of all this |
//! | `request.rs`, `answer.rs`, `server.rs` | the server's side: reads a request, sends an answer |

mod answer;
mod body;
mod buffer;
mod coding;
mod connection;
mod connector;
mod cookies;
mod credentials;
mod custom;
mod decode;
mod error;
mod framing;
mod head;
mod limits;
mod netrc;
mod options;
mod outgoing;
mod pool;
mod proxy;
mod recording;
mod request;
mod requests;
pub mod server;
mod tls;
mod transport;

pub use connection::{Connection, Response};
pub use credentials::{hide_login, remove_login};
pub use error::{Error, is_out_of_descriptors};
pub use limits::{LeastSpeed, Limits, TotalTime};
pub use options::{NetworkOptions, OptionError, Secret};
pub use outgoing::Outgoing;
pub use pool::Pool;
pub use recording::Recording;
pub use requests::Requests;
pub use transport::Transport;

/// The parsers of data from servers and files. They are not part of the API: the fuzz targets in `tests/fuzz/` call
/// them.
#[doc(hidden)]
pub mod parsers {
    pub use super::body::{Body, Next};
    pub use super::buffer::Buffer;
    pub use super::coding::{Coding, codings};
    pub use super::cookies::{Jar, read as read_cookies};
    pub use super::decode::Decoder;
    pub use super::framing::{Chunk, Delimited, Framing};
    pub use super::head::{HEAD_LIMIT, parse_head};
    pub use super::netrc::Netrc;
    pub use super::request::parse as parse_request;
}
