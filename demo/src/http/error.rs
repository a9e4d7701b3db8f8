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
    /// The transfer codings of a request, one of which the server does not know.
    #[error("unknown transfer coding `{0}`")]
    UnknownCoding(String),
    /// A request of another major version of HTTP.
    #[error("the version of HTTP is not 1.x")]
    Version,
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
/// if it doesn't, it is tried whether there are as many as it needs.
pub fn is_out_of_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23; // the same numbers on Linux, macOS and the BSDs
    const EMFILE: i32 = 24;
    let says_so = |error: &io::Error| matches!(error.raw_os_error(), Some(ENFILE | EMFILE));
    match resolvers(error) {
        None => says_so(error),
        Some(error) => says_so(error) || spare(RESOLVERS).is_err_and(|error| says_so(&error)),
    }
}

/// So many descriptors the resolver may need at once: files of the system's, a socket for each server of names.
const RESOLVERS: usize = 8;

/// Takes so many descriptors for a moment.
fn spare(descriptors: usize) -> io::Result<()> {
    let taken: io::Result<Vec<_>> = (0..descriptors).map(|_| std::fs::File::open("/dev/null")).collect();
    taken.map(drop)
}

/// Whether the resolver has said that the name has no address. What the system has refused to it may pass.
pub(super) fn is_unresolved(error: &io::Error) -> bool {
    resolvers(error).is_some_and(|error| error.raw_os_error().is_none())
}

/// What the resolver said, if this is the error of a look-up.
fn resolvers(error: &io::Error) -> Option<&io::Error> {
    let lookup = error.get_ref()?.downcast_ref::<LookupError>()?;
    std::error::Error::source(lookup)?.downcast_ref()
}
