//! The limit on file descriptors. Used by commands that need many, or that have both ends of their connections.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors that an idle command has, and some that it opens for a moment: the standard streams, those of the
/// reactor and of signals, a listener, a report, the directories for files and for parts, and a lock.
const OTHERS: u64 = 20;

/// Raises the limit to the most that this process may have. Most shells start with a thousand and allow more.
pub fn raise_limit() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _as_it_is = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// The number of things that the descriptors are enough for, if each takes `each` of them. At least 1.
pub fn enough_for(each: u64) -> u32 {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(limit, _)| as_u64(limit));
    let count = limit.saturating_sub(OTHERS) / each;
    u32::try_from(count).unwrap_or(u32::MAX).max(1)
}

/// The type of a limit differs between systems.
fn as_u64(limit: impl TryInto<u64>) -> u64 {
    limit.try_into().unwrap_or(u64::MAX)
}
