//! Links that are not followed, counted by reason. The summary lists them, so that nothing is left out silently.

use super::links::Unusable;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::Hasher;

/// Why a link is not followed. The names are part of the format of `--state`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Skipped {
    /// It leads to a server that is not part of the crawl.
    OtherHost,
    /// It leads out of the directory of the first pages.
    OtherDirectory,
    /// It is deeper than the limit.
    TooDeep,
    /// A pattern of the command line excludes it.
    Excluded,
    /// No pattern of the command line includes it.
    NotIncluded,
    /// robots.txt forbids it.
    Robots,
    /// The robots.txt of its host cannot be read.
    RobotsUnreadable,
    /// Its response has a media type that is not kept.
    MediaType,
    /// The page marks it as nofollow.
    NoFollow,
    /// Its scheme is not http or https.
    Scheme(String),
    /// It is not a URL.
    NotAUrl,
    /// It is longer than any server accepts.
    TooLong,
}

impl From<Unusable> for Skipped {
    fn from(why: Unusable) -> Skipped {
        match why {
            Unusable::Scheme(scheme) => Skipped::Scheme(scheme),
            Unusable::Invalid => Skipped::NotAUrl,
            Unusable::TooLong => Skipped::TooLong,
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Skipped::OtherHost => f.write_str("lead to other hosts"),
            Skipped::OtherDirectory => f.write_str("are outside the first directory (--no-parent)"),
            Skipped::TooDeep => f.write_str("are deeper than --depth"),
            Skipped::Excluded => f.write_str("match --exclude"),
            Skipped::NotIncluded => f.write_str("match no --include"),
            Skipped::RobotsUnreadable => f.write_str("are on hosts whose robots.txt cannot be read"),
            Skipped::MediaType => f.write_str("have a media type that is not kept"),
            Skipped::Robots => f.write_str("are forbidden by robots.txt"),
            Skipped::NoFollow => f.write_str("are marked nofollow"),
            Skipped::Scheme(scheme) => write!(f, "have the scheme `{scheme}:`"),
            Skipped::NotAUrl => f.write_str("are not URLs"),
            Skipped::TooLong => f.write_str("are too long"),
        }
    }
}

/// The number of skipped links for each reason. A link that occurs on many pages counts once.
#[derive(Debug, Default)]
pub struct SkippedLinks {
    counts: RefCell<BTreeMap<Skipped, u64>>,
    /// Hashes of the links that were counted.
    seen: RefCell<HashSet<u64>>,
}

impl SkippedLinks {
    /// Counts a link. `link` is its text in the page, or its URL. Returns its hash, unless it was counted before.
    pub fn count(&self, reason: &Skipped, link: &str) -> Option<u64> {
        let mut hasher = SipHasher13::new(); // the same in each run and on each machine
        hasher.write(link.as_bytes());
        let hash = hasher.finish();
        self.count_hash(reason, hash).then_some(hash)
    }

    /// Counts a link by its hash. Returns `false` if it was counted before.
    pub fn count_hash(&self, reason: &Skipped, hash: u64) -> bool {
        let is_new = self.seen.borrow_mut().insert(hash);
        if is_new {
            *self.counts.borrow_mut().entry(reason.clone()).or_default() += 1;
        }
        is_new
    }

    /// The reasons that occurred, with their counts.
    pub fn counts(&self) -> BTreeMap<Skipped, u64> {
        self.counts.borrow().clone()
    }
}
