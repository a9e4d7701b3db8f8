//! What can go wrong with a proxy. The messages name it, so that it is not taken for the server. Used by `error.rs`.

use http::StatusCode;

/// Why a proxy does not forward a request.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// It requires credentials, and none were given.
    #[error("the proxy \"{0}\" requires credentials (407): give them as --proxy http://USER:PASSWORD@{0}")]
    NoCredentials(String),
    /// It does not accept the credentials that were given.
    #[error("the proxy \"{0}\" does not accept the user name and password")]
    WrongCredentials(String),
    /// It refuses the tunnel to the server.
    #[error("the proxy \"{proxy}\" refused to connect to \"{target}\": {status}")]
    Refused {
        /// Its host and port.
        proxy: String,
        /// The server's host and port.
        target: String,
        /// Its answer.
        status: StatusCode,
    },
    /// The exchange with it failed.
    #[error("the proxy \"{proxy}\" did not connect to \"{target}\": {why}")]
    Failed {
        /// Its host and port.
        proxy: String,
        /// The server's host and port.
        target: String,
        /// The error of the exchange.
        why: String,
        /// Whether a retry may succeed.
        transient: bool,
    },
}

impl ProxyError {
    /// The error for the status 407.
    pub fn credentials(proxy: String, given: bool) -> ProxyError {
        if given { ProxyError::WrongCredentials(proxy) } else { ProxyError::NoCredentials(proxy) }
    }

    /// Whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            ProxyError::NoCredentials(_) | ProxyError::WrongCredentials(_) => false,
            ProxyError::Refused { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            ProxyError::Failed { transient, .. } => *transient,
        }
    }
}
