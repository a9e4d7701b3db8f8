//! What can go wrong in an exchange. The messages name the side at fault and the limit.

use bytesize::ByteSize;
use executor::net::LookupError;
use std::io;
use std::time::Duration;

/// Why an exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name look-up failed, or no address of the host accepted a connection.
    #[error("cannot connect to `{host}`: {source}")]
    Connect {
        /// Name or address, and port.
        host: String,
        /// Whether the name has no address, so a retry would not help.
        unresolved: bool,
        /// The system's error.
        source: io::Error,
    },
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
    #[error("the server closed the connection without a reply")]
    NoReply,
    /// The server closed the connection in the middle of the head or the body.
    #[error("the response is incomplete: it ends {0}")]
    Incomplete(String),
    /// The message is not HTTP/1.x, or contradicts itself.
    #[error("not a valid HTTP response: {0}")]
    Malformed(String),
    /// A request has a transfer coding that the server does not support.
    #[error("unknown transfer coding `{0}`")]
    UnknownCoding(String),
    /// A request has another major version of HTTP.
    #[error("the version of HTTP is not 1.x")]
    Version,
    /// The response's head is too large.
    #[error("the response's head is larger than the limit of {0}")]
    HeadTooLarge(ByteSize),
    /// The response's head has too many fields.
    #[error("the response's head has more fields than the limit of {0}")]
    TooManyFields(usize),
    /// There are too many informational responses.
    #[error("more than {0} informational (1xx) responses before the final one")]
    TooManyInformational(usize),
    /// The body is too large.
    #[error("the body is larger than the limit of {0}")]
    TooLarge(ByteSize),
}

impl Error {
    /// Whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Connect { unresolved, source, .. } => {
                !unresolved && source.kind() != io::ErrorKind::ConnectionRefused
            }
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

/// Whether an operation failed for want of a file descriptor. The resolver does not always report that; for its errors,
/// this function tries whether there are as many descriptors as it needs.
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
