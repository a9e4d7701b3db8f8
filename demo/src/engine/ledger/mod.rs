//! The ledger: the part of a crawl that outlives the process. The frontier schedules pages in memory; the ledger
//! records each change that another run, or another process, needs.
//!
//! The engine calls it in order: the links of a page are added before the page is done, and the page is done after its
//! file has its final name. So at any moment the recorded changes give the frontier of that moment, with the pages in
//! progress back in their queues.
//!
//! | file | what it holds |
//! |---|---|
//! | `done.rs` | a page that is done |
//! | `state/` | a crawl in a file |
//! | `shared/` | a frontier in Redis, which many processes share |

mod done;
mod shared;
mod state;

pub use done::Done;
pub use shared::{Settings, SharedError, SharedFrontier, SharedOptions};
pub use state::{Crawl, Restored, State, StateError};

use super::frontier::{Frontier, Job, Purpose};
use super::output::JobCounts;
use super::scope::Scope;
use super::skipped::Skipped;
use crate::Failure;
use futures_lite::future::pending;
use std::cell::RefCell;
use std::time::Duration;
use url::Url;

/// The part of a crawl that outlives the process.
#[derive(Default)]
pub enum Ledger {
    /// Nothing outlives the process.
    #[default]
    InMemory,
    /// All that another run needs to continue, in a file.
    State(Box<State>),
    /// Everything: the frontier is a job in Redis, and this process has a few of its pages.
    Shared(Box<SharedFrontier>),
}

impl Ledger {
    /// Whether anything outlives the process, so that [`run`](Ledger::run) has something to do.
    pub fn outlives(&self) -> bool {
        !matches!(self, Ledger::InMemory)
    }

    /// Adds the pages that are known at the start to the frontier. Passes everything else that an earlier run left to
    /// `restored`. Returns what to tell the user about that run, if there was one.
    ///
    /// # Errors
    /// Fails if what an earlier run left cannot be read.
    pub async fn begin(
        &self,
        frontier: &Frontier,
        starts: Vec<Url>,
        restored: &mut dyn FnMut(Restored),
    ) -> Result<Option<String>, Failure> {
        match self {
            Ledger::InMemory => {
                starts.into_iter().for_each(|url| _ = frontier.add(url, 0, None));
                Ok(None)
            }
            Ledger::State(state) => state.restore(frontier, restored).await,
            Ledger::Shared(shared) => Ok(shared.open(frontier, &starts).await?),
        }
    }

    /// Runs beside the workers: writes changes to the file, or exchanges pages with Redis. It ends only by failing.
    ///
    /// # Cancel safety
    /// What was not written yet is written by [`end`](Ledger::end).
    pub async fn run(&self, frontier: &Frontier, scope: &RefCell<Scope>) -> Failure {
        match self {
            Ledger::InMemory => pending().await,
            Ledger::State(state) => state.run().await,
            Ledger::Shared(shared) => shared::run(shared, frontier, scope).await.into(),
        }
    }

    /// Whether a link to a URL can be skipped because the URL was seen.
    pub fn has_seen(&self, frontier: &Frontier, url: &Url) -> bool {
        match self {
            Ledger::InMemory => frontier.has_seen(url),
            Ledger::State(state) => state.has_seen(frontier, url),
            Ledger::Shared(_) => false, // only Redis knows the seen URLs
        }
    }

    /// Adds a page to fetch for this purpose: a link of the page in progress `job` or, without a job, a sitemap. `page`
    /// is the URL of the linking page after redirects.
    pub fn link(&self, frontier: &Frontier, job: Option<&Job>, purpose: Purpose, url: Url, depth: u32, page: &str) {
        match self {
            Ledger::InMemory => _ = frontier.add_for(purpose, url, depth, Some(page)),
            Ledger::State(state) => state.link(frontier, purpose, url, depth, page),
            Ledger::Shared(shared) => shared.link(job, purpose, &url, depth, page),
        }
    }

    /// Marks the target of a redirect of a page in progress as seen. Returns `false` if it was seen before.
    ///
    /// # Cancel safety
    /// If it is dropped, the target may be marked as seen.
    pub async fn see(&self, frontier: &Frontier, job: &Job, to: &Url) -> bool {
        match self {
            Ledger::InMemory => frontier.see(to),
            Ledger::State(state) => state.see(frontier, to),
            Ledger::Shared(shared) => shared.see(&job.url, to).await,
        }
    }

    /// Marks the targets of a page's redirects as not seen: it will be fetched again from its beginning.
    pub async fn forget(&self, frontier: &Frontier, _job: &Job, redirects: &[Url]) {
        match self {
            Ledger::InMemory => redirects.iter().for_each(|url| frontier.forget(url)),
            Ledger::State(state) => state.forget(frontier, redirects),
            Ledger::Shared(_) => {} // they belong to the page, even if another process fetches it
        }
    }

    /// Notes that a link is not followed. `link` is a hash of it.
    pub fn skip_link(&self, reason: &Skipped, link: u64) {
        match self {
            Ledger::InMemory | Ledger::Shared(_) => {}
            Ledger::State(state) => state.skip_link(reason, link),
        }
    }

    /// Notes that a first page was redirected to a server, which makes the server part of the crawl.
    pub fn extend_scope(&self, to: &Url) {
        match self {
            Ledger::InMemory => {}
            Ledger::State(state) => state.extend_scope(to),
            Ledger::Shared(shared) => shared.extend_scope(to),
        }
    }

    /// Whether a page that a worker took from the frontier may be fetched: another process may have it by now. Waits
    /// for the turn of a page that was begun before.
    pub async fn admits(&self, job: &Job) -> bool {
        match self {
            Ledger::InMemory | Ledger::State(_) => true,
            Ledger::Shared(shared) => {
                if job.unfinished.is_some() || shared.needs_turn(job) {
                    shared.turn(job.next_url()).await;
                }
                shared.has(job)
            }
        }
    }

    /// Waits until a request that does not begin a page may begin, for example to the target of a redirect.
    pub async fn turn(&self, url: &Url) {
        match self {
            Ledger::InMemory | Ledger::State(_) => {}
            Ledger::Shared(shared) => shared.turn(url).await,
        }
    }

    /// Notes that a host is paused from now on, and the minimum time between two requests to it.
    pub fn slow(&self, url: &Url, pause: Duration, delay: Duration) {
        match self {
            Ledger::InMemory | Ledger::State(_) => {}
            Ledger::Shared(shared) => shared.slow(url, pause, delay),
        }
    }

    /// Notes that a page is not fetched and not counted, because its robots.txt forbids it or cannot be read.
    ///
    /// # Errors
    /// Fails if it can no longer be noted, which ends the crawl.
    pub async fn skip(&self, job: &Job, reason: &Skipped) -> Result<(), Failure> {
        match self {
            Ledger::InMemory => {}
            Ledger::State(state) => state.skip(job, reason),
            Ledger::Shared(shared) => shared.skip(job).await?,
        }
        Ok(())
    }

    /// Notes that a page is done: its record, and the targets of its redirects, which count as seen. Its links were
    /// added before. Returns `false` if it is not counted because another process has it by now.
    ///
    /// # Errors
    /// Fails if it can no longer be noted, which ends the crawl.
    pub async fn done(&self, job: &Job, done: &Done) -> Result<bool, Failure> {
        match self {
            Ledger::InMemory => Ok(true),
            Ledger::State(state) => {
                state.done(job, done);
                Ok(true)
            }
            Ledger::Shared(shared) => Ok(shared.done(job, &done.record).await?),
        }
    }

    /// Writes the remaining changes, and returns the pages that are not done to their queues. For the end of a crawl,
    /// whether it is complete or was stopped.
    ///
    /// # Errors
    /// Fails if it cannot be written.
    pub async fn end(&self) -> Result<(), Failure> {
        match self {
            Ledger::InMemory => Ok(()),
            Ledger::State(state) => state.write().await,
            Ledger::Shared(shared) => Ok(shared.end().await?),
        }
    }

    /// Whether other processes share the crawl. Then the report covers all of them, and is read at the end.
    pub fn is_shared(&self) -> bool {
        matches!(self, Ledger::Shared(_))
    }

    /// The next lines of the report of all processes, from this position on. Empty at the end of the report.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub async fn shared_report(&self, from: usize) -> Result<Vec<String>, Failure> {
        match self {
            Ledger::InMemory | Ledger::State(_) => Ok(Vec::new()),
            Ledger::Shared(shared) => Ok(shared.report(from).await?),
        }
    }

    /// The counts of all processes together, if they can be read.
    pub async fn shared_counts(&self) -> Option<JobCounts> {
        match self {
            Ledger::InMemory | Ledger::State(_) => None,
            Ledger::Shared(shared) => shared.counts().await,
        }
    }
}
