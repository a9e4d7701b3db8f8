//! Why a crawl cannot be kept in a file or continued from it, and what to do.

use redb::{DatabaseError, StorageError};
use std::io;

/// Why a crawl cannot be kept in a file or continued from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The file is new, and no URL was given.
    #[error("it holds no crawl yet: give the URL at which to begin")]
    Empty,
    /// It is the crawl of other first pages.
    #[error("it is the crawl of {0}: omit the URLs to continue it, or give another FILE to begin a crawl")]
    OtherUrls(String),
    /// It is a crawl with other options.
    #[error("it is a crawl {0}: repeat its options to continue it, or give another FILE to begin a crawl")]
    OtherOptions(String),
    /// Another process has it open.
    #[error("another process is using it: wait until that has ended, or give another FILE")]
    InUse,
    /// It is a file of another kind.
    #[error("it is not the state of a crawl: give another FILE")]
    NotAState,
    /// Another version of this program wrote it.
    #[error("another version of demo wrote it, in format {0}: continue the crawl with that version")]
    OtherFormat(String),
    /// Its content was changed or cut off.
    #[error("it is damaged ({0}): remove it, and begin the crawl again")]
    Damaged(String),
    /// The system refused to read or write it.
    #[error("{0}; what was written before is intact, so the same command continues the crawl")]
    Io(String),
    /// The system refused to open it.
    #[error("cannot open it: {0}; give another FILE")]
    Open(String),
}

impl StateError {
    /// Whether the command line is wrong, and not the file.
    pub fn is_usage(&self) -> bool {
        matches!(self, StateError::Empty | StateError::OtherUrls(_) | StateError::OtherOptions(_))
    }

    /// The error of opening a file.
    pub fn of_open(error: DatabaseError) -> StateError {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => StateError::InUse,
            DatabaseError::Storage(StorageError::Io(error)) => match error.kind() {
                io::ErrorKind::InvalidData => StateError::NotAState,
                io::ErrorKind::UnexpectedEof => StateError::Damaged(error.to_string()),
                _ => StateError::Open(error.to_string()),
            },
            DatabaseError::UpgradeRequired(_) => StateError::NotAState,
            error => StateError::Damaged(error.to_string()),
        }
    }
}

impl From<redb::Error> for StateError {
    /// The error of reading or writing an open file.
    fn from(error: redb::Error) -> StateError {
        match error {
            redb::Error::Io(error) => StateError::Io(error.to_string()),
            redb::Error::TableTypeMismatch { .. } | redb::Error::TableDoesNotExist(_) => StateError::NotAState,
            error => StateError::Damaged(error.to_string()),
        }
    }
}
