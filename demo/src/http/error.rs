//! What can go wrong in an exchange. The messages name the side at fault and the limit.

use super::proxy::ProxyError;
use super::tls::TlsError;
use bytesize::ByteSize;
use executor::net::LookupError;
use std::io;
use std::time::Duration;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name look-up failed, or no address of the host accepted a connection.
    #[error("cannot connect to {role}\"{host}\": {source}")]
    Connect {
        /// A prefix for the name of the host if it is not the URL's.
        role: &'static str,
        /// Name or address, and port.
        host: String,
        /// Whether the name has no address, so a retry would not help.
        unresolved: bool,
        /// The system's error.
        source: io::Error,
    },
    /// There is no TLS connection.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A proxy does not forward the request.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// A time limit passed.
    #[error("{what} took longer than {}", humantime::format_duration(*.after))]
    Timeout {
        /// The operation.
        what: &'static str,
        /// The time limit.
        after: Duration,
    },
    /// The server closed the connection before it sent a byte.
    #[error("the server closed the connection without sending a response")]
    NoReply,
    /// The server closed the connection in the middle of the head or the body.
    #[error("the response is incomplete: it ends {0}")]
    Incomplete(String),
    /// The message is not HTTP/1.x, or contradicts itself.
    #[error("not a valid HTTP response: {0}")]
    Malformed(String),
    /// A message has a transfer coding that is not supported.
    #[error("unknown transfer coding `{0}`")]
    UnknownCoding(String),
    /// A message has another major version of HTTP.
    #[error("the version of HTTP is not 1.x")]
    Version,
    /// The response's head is too large.
    #[error("the response's head is larger than the limit of {0}")]
    HeadTooLarge(ByteSize),
    /// The line with a chunk's size is too long, or the trailers are.
    #[error("not a valid HTTP response: {what} longer than the limit of {limit}")]
    FramingTooLarge {
        /// What is too long.
        what: &'static str,
        /// The limit.
        limit: ByteSize,
    },
    /// The response's head has too many fields.
    #[error("the response's head has more fields than the limit of {0}")]
    TooManyFields(usize),
    /// There are too many informational responses.
    #[error("more than {0} informational (1xx) responses before the final one")]
    TooManyInformational(usize),
    /// The body is too large.
    #[error("the body is larger than the limit of {0}")]
    TooLarge(ByteSize),
    /// The body has a content coding that can't be undone.
    #[error("the content coding `{0}` is not supported; `gzip`, `deflate`, `br` and `zstd` are")]
    UnknownContentCoding(String),
    /// The body has too many codings, one over the other.
    #[error("the body has more codings than the limit of {0}")]
    TooManyCodings(usize),
    /// The body is not valid data in its coding.
    #[error("the body is not valid {coding} data: {why}")]
    Undecodable {
        /// The name of the coding.
        coding: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The body expands more than the limit allows.
    #[error("the body expands to more than {0} times its size; this is probably a decompression bomb")]
    Expands(u64),
    /// The body arrives too slowly.
    #[error(
        "the body arrives too slowly: less than {least}/s on average over {}",
        humantime::format_duration(*.time)
    )]
    TooSlow {
        /// The limit: bytes per second.
        least: ByteSize,
        /// The time over which the average was taken.
        time: Duration,
    },
    /// The exchange took too long in all.
    #[error("the request took longer than {} in total (--max-time)", humantime::format_duration(*.0))]
    TotalTime(Duration),
}

impl Error {
    /// The kind of the error in a word or two.
    pub fn cause(&self) -> &'static str {
        match self {
            Error::Connect { unresolved: true, .. } => "name",
            Error::Connect { .. } => "connect",
            Error::Tls(_) => "TLS",
            Error::Proxy(_) => "proxy",
            Error::Io(_) | Error::NoReply => "connection",
            Error::Timeout { .. } | Error::TotalTime(_) => "timeout",
            Error::TooSlow { .. } => "too slow",
            Error::UnknownContentCoding(_) | Error::TooManyCodings(_) | Error::Undecodable { .. } => "coding",
            Error::Expands(_) => "bomb",
            Error::Incomplete(_) => "incomplete",
            Error::Malformed(_) | Error::UnknownCoding(_) | Error::Version => "not HTTP",
            Error::FramingTooLarge { .. }
            | Error::HeadTooLarge(_)
            | Error::TooManyFields(_)
            | Error::TooManyInformational(_)
            | Error::TooLarge(_) => "too large",
        }
    }

    /// Whether a retry may succeed. After a limit on speed or total time, it would only take as long again.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Connect { unresolved, source, .. } => {
                !unresolved && source.kind() != io::ErrorKind::ConnectionRefused
            }
            Error::Tls(error) => error.is_transient(),
            Error::Proxy(error) => error.is_transient(),
            Error::Io(_) | Error::Timeout { .. } | Error::NoReply | Error::Incomplete(_) => true,
            _ => false,
        }
    }

    /// Whether this process or the system is out of file descriptors.
    pub fn is_out_of_descriptors(&self) -> bool {
        let (Error::Io(error) | Error::Connect { source: error, .. }) = self else { return false };
        is_out_of_descriptors(error)
    }
}

/// Whether an operation failed because there was no free file descriptor. The resolver does not always report that. For
/// its errors, this function tries to open as many descriptors as the resolver needs.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23; // the same numbers on Linux, macOS and the BSDs
    const EMFILE: i32 = 24;
    let says_so = |error: &io::Error| matches!(error.raw_os_error(), Some(ENFILE | EMFILE));
    match resolvers(error) {
        None => says_so(error),
        Some(error) => says_so(error) || spare(RESOLVERS).is_err_and(|error| says_so(&error)),
    }
}

/// Descriptors that the resolver may need at once: the system's files, and a socket for each name server.
const RESOLVERS: usize = 8;

/// Opens this many descriptors, and closes them again.
fn spare(descriptors: usize) -> io::Result<()> {
    let taken: io::Result<Vec<_>> = (0..descriptors).map(|_| std::fs::File::open("/dev/null")).collect();
    taken.map(drop)
}

/// Whether the resolver reported that the name has no address. Its system errors may be transient.
pub(super) fn is_unresolved(error: &io::Error) -> bool {
    resolvers(error).is_some_and(|error| error.raw_os_error().is_none())
}

/// The resolver's error, if this is the error of a name look-up.
fn resolvers(error: &io::Error) -> Option<&io::Error> {
    let lookup = error.get_ref()?.downcast_ref::<LookupError>()?;
    std::error::Error::source(lookup)?.downcast_ref()
}
