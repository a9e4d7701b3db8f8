//! Why a page failed.

use super::save::SaveError;
use crate::http::Error;
use http::StatusCode;
use std::time::Duration;
use url::Url;

/// Why a page failed.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    #[error(transparent)]
    Http(#[from] Error),
    #[error("the server answered {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Save(#[from] SaveError),
    #[error("cannot resume: the response does not continue the part that was received before")]
    NotResumed,
    #[error("the server does not send the requested ranges of the file")]
    NotInSegments,
    /// The connection for a segment has no retries left.
    #[error("{0}")]
    Exhausted(Box<PageError>),
    /// A status that is valid only in answer to a request with a range or a condition.
    #[error("the server answered {0}, though the request had no range and no condition")]
    Unasked(StatusCode),
    /// The server refuses requests for a while (429 or 503), perhaps for the time of its `Retry-After`.
    #[error("the server answered {status}")]
    Busy { status: StatusCode, wait: Option<Duration> },
    #[error("more than {0} redirects")]
    TooManyRedirects(u32),
    #[error("a redirect loop: {0} was already visited")]
    Cycle(Url),
    #[error("cannot follow the redirect to {0}: only http and https are supported")]
    Scheme(Url),
    #[error("cannot follow the redirect to `{0}`: not a valid URL")]
    BadLocation(String),
}

impl PageError {
    /// The cause in one word, or the status that the server answered with. The summary groups failures by it.
    pub fn cause(&self) -> String {
        match self {
            PageError::Http(error) => error.cause().to_owned(),
            PageError::Unasked(_) => "unasked".to_owned(),
            PageError::Status(status) | PageError::Busy { status, .. } => status.as_u16().to_string(),
            PageError::NotResumed | PageError::NotInSegments | PageError::Save(SaveError::Incomplete(..)) => {
                "incomplete".to_owned()
            }
            PageError::Exhausted(error) => error.cause(),
            PageError::Save(SaveError::Checksum { .. }) => "checksum".to_owned(),
            PageError::Save(SaveError::Io(_)) => "save".to_owned(),
            PageError::TooManyRedirects(_) | PageError::Cycle(_) | PageError::Scheme(_) | PageError::BadLocation(_) => {
                "redirect".to_owned()
            }
        }
    }

    /// Whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            PageError::Http(error) => error.is_transient(),
            PageError::Save(SaveError::Incomplete(..)) => true,
            PageError::Busy { .. } => true,
            // 501: not implemented; 505: the version of HTTP is not supported.
            PageError::Status(status) => matches!(status.as_u16(), 408 | 425 | 500 | 502..=504 | 506..),
            _ => false,
        }
    }
}
