//! One change of a crawl, on its way into the file.

/// One change of a crawl.
pub enum Change {
    /// A page became known.
    Queued(Queued),
    /// A page that became known is the target of another page's redirect, and is done with that page.
    Redirected { number: u32 },
    /// A page is done; a [`Done`](crate::engine::ledger::Done) as JSON.
    Done { number: u32, done: Vec<u8> },
    /// robots.txt forbids a page.
    Forbidden { number: u32, url: String },
    /// A link is not followed: its hash, and the reason as JSON.
    SkippedLink { hash: u64, reason: String },
    /// The server and the directory of this URL became part of the crawl.
    Scope { url: String },
}

/// A page that is known and not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its number in the order in which pages became known.
    pub number: u32,
    /// Its URL.
    pub url: String,
    /// Number of links from the first page.
    pub depth: u32,
    /// The page that linked to it first.
    pub referrer: Option<String>,
}
