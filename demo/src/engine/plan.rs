//! What a command asks of the engine, beside the options.

use super::ledger::{Ledger, SharedOptions};
use super::links::Search;
use super::references::References;
use super::save::Names;
use super::scope::ScopeOptions;
use std::path::PathBuf;
use std::rc::Rc;
use url::Url;

/// Minimum size of a segment in bytes. A connection needs some round trips to reach its full speed; a smaller segment
/// would end before that.
pub const LEAST_SEGMENT: u64 = 1024 * 1024;

/// What a command asks of the engine, beside the options.
pub struct Plan {
    /// The first pages. They define the scope.
    pub starts: Vec<Url>,
    /// The links that are followed.
    pub scope: ScopeOptions,
    /// The names of saved files.
    pub names: Names,
    /// Whether links are followed. If not, redirects are followed to any server.
    pub follow_links: bool,
    /// Whether pages are saved.
    pub save: bool,
    /// Whether the links of saved pages are rewritten, so that they work from disk.
    pub convert_links: bool,
    /// If pages are only listed: the directory that they would be saved in. Pages that can contain links are fetched.
    pub lists: Option<PathBuf>,
    /// Maximum number of connections for one file. With more than one, large files are received in segments.
    pub connections: u32,
    /// Minimum size of a segment in bytes.
    pub least_segment: u64,
    /// Whether to request links out of the scope, without following theirs.
    pub probe_external: bool,
    /// How the crawl is shared with other processes, if it is.
    pub shared: Option<SharedOptions>,
    /// The part of the crawl that outlives the process.
    pub ledger: Ledger,
    /// Where to keep which pages link to which URLs.
    pub references: Option<Rc<References>>,
    /// Whether to report links to anchors that their target pages lack.
    pub check_anchors: bool,
}

impl Plan {
    /// What to search pages for.
    pub fn search(&self) -> Search {
        match (&self.references, self.follow_links) {
            (Some(_), _) => Search::LinksAndAnchors,
            (None, true) => Search::Links,
            (None, false) => Search::Nothing,
        }
    }

    /// A crawl that starts at these pages and saves everything in scope.
    pub fn new(starts: Vec<Url>) -> Plan {
        Plan {
            starts,
            scope: ScopeOptions::default(),
            names: Names::default(),
            follow_links: true,
            save: true,
            convert_links: false,
            lists: None,
            connections: 1,
            least_segment: LEAST_SEGMENT,
            probe_external: false,
            shared: None,
            ledger: Ledger::InMemory,
            references: None,
            check_anchors: false,
        }
    }
}
