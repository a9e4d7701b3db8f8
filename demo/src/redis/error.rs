//! Why a command of Redis fails, and whether a retry can help.

use std::io;

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The server, without the login.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// The connection broke before the reply was complete. The command may have been executed or not.
    #[error("the connection to {address} broke: {source}")]
    Lost {
        /// The server, without the login.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// The bytes received are not a reply.
    #[error("{address} does not speak Redis' protocol: {why}")]
    Protocol {
        /// The server, without the login.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// The server answered with an error.
    #[error("{address} refused the command: {message}{}", hint(.message))]
    Refused {
        /// The server, without the login.
        address: String,
        /// The server's message. It begins with a code in capitals.
        message: String,
    },
}

impl Error {
    /// Whether the same command may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Connect { .. } | Error::Lost { .. } => true,
            Error::Protocol { .. } => false,
            Error::Refused { message, .. } => {
                let code = code(message);
                ["LOADING", "BUSY", "MASTERDOWN", "READONLY", "TRYAGAIN", "CLUSTERDOWN", "MISCONF"].contains(&code)
            }
        }
    }

    /// Whether the server answered with this code.
    pub fn has_code(&self, wanted: &str) -> bool {
        matches!(self, Error::Refused { message, .. } if code(message) == wanted)
    }
}

/// The first word of an error reply.
fn code(message: &str) -> &str {
    message.split(' ').next().unwrap_or_default()
}

/// What to do about an error reply.
fn hint(message: &str) -> &'static str {
    match code(message) {
        "NOAUTH" => "; give the login, as in redis://USER:PASSWORD@HOST or redis://:PASSWORD@HOST",
        "WRONGPASS" => "; check the login (percent-encode characters such as @ and /)",
        "NOPERM" => "; allow the user the scripting commands and the keys demo:*",
        "OOM" => "; raise Redis' maxmemory",
        _ => "",
    }
}
