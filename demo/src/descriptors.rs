//! How many file descriptors there are. For programs whose both ends are in one process, or that take very many.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What a program here has open when nothing is under way, and some for what it opens for a moment: the standard
/// streams, the reactor's, the signals', a listener, a report, a folder.
const OTHERS: u64 = 18;

/// Asks for as many as this process may have: most shells begin with a thousand, and allow more.
pub fn raise_limit() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _as_it_is = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// For how many things at once there are enough, if each takes so many. At least one.
pub fn enough_for(each: u64) -> u32 {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(limit, _)| as_u64(limit));
    let count = limit.saturating_sub(OTHERS) / each;
    u32::try_from(count).unwrap_or(u32::MAX).max(1)
}

/// The systems don't agree on the type of a limit.
fn as_u64(limit: impl TryInto<u64>) -> u64 {
    limit.try_into().unwrap_or(u64::MAX)
}
