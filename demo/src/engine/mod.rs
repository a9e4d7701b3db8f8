//! The engine of the downloader: fetches pages, saves them, and finds their links. `crawl`, `download` and `check` run
//! on it.
//!
//! Each worker is a task. It takes a page from the frontier, fetches it, saves it, and adds its links to the frontier.
//! When the frontier is empty and no page is in progress, the workers end. Everything runs on one thread, except that
//! the pool for blocking calls writes files and parses pages.
//!
//! | file | what it holds |
//! |---|---|
//! | `options.rs`, `plan.rs` | the options that all commands share; what a command asks of the engine |
//! | `limits.rs`, `values.rs` | the options that limit time and speed; how values of options are written |
//! | `urls.rs`, `scope/` | one spelling for each URL; the links that belong to the crawl |
//! | `skipped.rs` | links that are not followed, by reason |
//! | `frontier/` | the pages to fetch; how many at once, and when |
//! | `ledger/` | the part of a crawl that outlives the process |
//! | `pace/` | politeness, retries, bytes per second |
//! | `robots/` | robots.txt |
//! | `links/` | the links of a page |
//! | `save/` | a file name for each URL; saving |
//! | `output/` | output for people: progress and summary; for programs: the report |
//! | `shared.rs` | the state that the workers share |
//! | `answer.rs`, `link_field.rs` | what a status and its fields mean; the field `Link` |
//! | `exchange.rs` | one request and its response |
//! | `archive/` | an archive of all exchanges |
//! | `receive.rs`, `resume.rs` | receiving a body; what an answer means for one that was interrupted |
//! | `segments/`, `ranges.rs` | receiving a large file over several connections; sets of byte ranges |
//! | `retry.rs` | which errors are retried, and when; hosts that refuse requests |
//! | `redirect.rs`, `redirects.rs` | following redirects; those that were seen |
//! | `fetch.rs` | fetching a page with all of these; the outcome |
//! | `follow.rs`, `references.rs` | adding its links to the frontier; which pages link to which URLs |
//! | `sitemaps.rs` | the sitemaps of the first servers |
//! | `chains.rs`, `duplicates.rs` | where URLs lead; pages that are copies of others |
//! | `convert/` | rewriting the links of saved pages, so that they work from disk |
//! | `workers.rs` | the workers, and what an interrupt does to them |

mod answer;
mod archive;
mod chains;
mod convert;
mod duplicates;
mod error;
mod exchange;
mod fetch;
mod follow;
mod frontier;
mod ledger;
mod limits;
mod link_field;
mod links;
mod options;
mod output;
mod pace;
mod plan;
mod ranges;
mod receive;
mod redirect;
mod redirects;
mod references;
mod resume;
mod retry;
mod robots;
mod save;
mod scope;
mod segments;
mod shared;
mod sitemaps;
mod skipped;
pub mod urls;
mod values;
mod workers;

pub use frontier::PER_LOOPBACK;
pub use ledger::{Crawl, Ledger, SharedError, SharedOptions, State, StateError};
pub use options::{DIRECTORY, Options};
pub use output::{Format, count, listed};
pub use plan::Plan;
pub use save::{
    EXTENSIONS, Names, SaveOptions, below_server, file_name, safe_name, sha256, suggested_name, with_extension,
};
pub use scope::ScopeOptions;
pub use workers::run;

/// The parsers of data from servers and earlier runs. They are not part of the API: the fuzz targets in `tests/fuzz/`
/// call them.
#[doc(hidden)]
pub mod parsers {
    pub use super::answer::{Answer, judge};
    pub use super::links::{Kind, Search, find, refresh_url, srcset_urls};
    pub use super::pace::retry_after;
    pub use super::resume::{Origin, Verdict};
    pub use super::robots::Rules;
}
