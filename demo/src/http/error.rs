//! What can go wrong in an exchange, in words that say whose fault it is and what the limit was.

use bytesize::ByteSize;
use executor::net::LookupError;
use std::io;
use std::time::Duration;

/// Why there is no complete response.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The look-up of the host's name failed, or no address of it could be connected to.
    #[error("connecting to {host}: {source}")]
    Connect {
        /// Name or address, and port.
        host: String,
        /// Whether the name itself is the problem: trying again would not help.
        unresolved: bool,
        /// The system's error.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// A deadline passed.
    #[error("{what} took longer than {}", humantime::format_duration(*.after))]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// The server closed the connection before it sent a byte.
    #[error("the server closed the connection without a reply")]
    NoReply,
    /// The server closed the connection in the middle of the head or the body.
    #[error("the response is incomplete: it ends {0}")]
    Incomplete(String),
    /// What came is not HTTP/1.x, or contradicts itself.
    #[error("not a valid HTTP response: {0}")]
    Malformed(String),
    /// The response's head is too large.
    #[error("the response's head is larger than the limit of {0}")]
    HeadTooLarge(ByteSize),
    /// The response's head has too many fields.
    #[error("the response's head has more fields than the limit of {0}")]
    TooManyFields(usize),
    /// Informational responses without an end.
    #[error("more than {0} informational (1xx) responses before the real one")]
    TooManyInformational(usize),
    /// The body is too large.
    #[error("the body is larger than the limit of {0}")]
    TooLarge(ByteSize),
}

impl Error {
    /// Whether another try may go better.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Connect { unresolved, source, .. } => {
                !unresolved && source.kind() != io::ErrorKind::ConnectionRefused
            }
            Error::Io(_) | Error::Timeout { .. } | Error::NoReply | Error::Incomplete(_) => true,
            _ => false,
        }
    }

    /// Whether this process or the system has no file descriptor left.
    pub fn is_out_of_descriptors(&self) -> bool {
        let (Error::Io(error) | Error::Connect { source: error, .. }) = self else { return false };
        is_out_of_descriptors(error)
    }
}

/// Whether the system refused for want of a file descriptor. The resolver says so or does not, as it happens:
/// if it doesn't, it is tried whether there is one.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23; // the same numbers on Linux, macOS and the BSDs
    const EMFILE: i32 = 24;
    let says_so = |error: &io::Error| matches!(error.raw_os_error(), Some(ENFILE | EMFILE));
    let Some(unresolved) = error.get_ref().and_then(|inner| inner.downcast_ref::<LookupError>()) else {
        return says_so(error);
    };
    let source = std::error::Error::source(unresolved).and_then(|source| source.downcast_ref());
    source.is_some_and(says_so) || std::fs::File::open("/dev/null").is_err_and(|error| says_so(&error))
}
