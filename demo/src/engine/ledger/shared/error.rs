//! Why a job cannot be joined or continued.

use crate::redis;

/// Why a job cannot be joined or continued.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// The value of `--frontier` is wrong.
    #[error("--frontier: {0}")]
    Address(#[from] redis::AddressError),
    /// Redis is not reachable, or refuses a command.
    #[error("--frontier: {0}")]
    Redis(#[from] redis::Error),
    /// No URLs were given.
    #[error("--frontier needs URLs: the built-in site exists in one process only")]
    NoUrls,
    /// The job has other options.
    #[error("the job \"{job}\" was created with other options: {difference}; use the same, or choose another --job")]
    Settings {
        /// Its name.
        job: String,
        /// What differs.
        difference: String,
    },
    /// The keys of the job have another format.
    #[error(
        "the job \"{job}\" was created by another version of this program (its format is {found}, not {expected}); choose another --job"
    )]
    Version {
        /// Its name.
        job: String,
        /// The version of the job.
        found: String,
        /// The version of this program.
        expected: &'static str,
    },
    /// The keys of the job are gone.
    #[error(
        "the job \"{job}\" is gone from {address}: it was removed, or Redis was restarted without its data (see its option `appendonly`)"
    )]
    Gone {
        /// Its name.
        job: String,
        /// The server, without the login.
        address: String,
    },
    /// Redis did not answer at the end.
    #[error("cannot read the report of the job: Redis does not answer")]
    Silent,
    /// Redis sent a reply that no script returns.
    #[error("the job \"{job}\": unexpected reply {reply}")]
    Reply {
        /// Its name.
        job: String,
        /// The reply.
        reply: String,
    },
}

impl SharedError {
    /// Whether the command line is wrong.
    pub fn is_usage(&self) -> bool {
        matches!(self, SharedError::Address(_) | SharedError::NoUrls | SharedError::Settings { .. })
    }
}
