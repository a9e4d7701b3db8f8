//! A crawl that is kept in a file, so that another run continues it (`--state FILE`).
//!
//! Changes are collected and written by the pool, in one transaction for all changes of an interval. A page that was
//! in progress when the process was killed is still in the file's queue, and is fetched again.
//!
//! | file | what it holds |
//! |---|---|
//! | `crawl.rs` | which crawl a file holds, and which command continues it |
//! | `change.rs` | one change of a crawl |
//! | `file.rs`, `tables.rs` | the file, and the tables of its database |
//! | `restore.rs` | what an earlier run left |
//! | `targets.rs` | the targets of redirects of pages in progress |
//! | `error.rs` | why a file cannot be used |

mod change;
mod crawl;
mod error;
mod file;
mod restore;
mod tables;
mod targets;
#[cfg(test)]
mod tests;

pub use crawl::Crawl;
pub use error::StateError;
pub use restore::Restored;

use super::done::Done;
use crate::Failure;
use crate::engine::frontier::{Frontier, Job, Purpose};
use crate::engine::skipped::Skipped;
use change::{Change, Queued};
use executor::spawn_blocking;
use executor::sync::Event;
use executor::time::{Duration, sleep};
use file::StateFile;
use std::path::PathBuf;
use std::sync::Arc;
use targets::Targets;
use url::Url;

/// How long a change may wait to be written. Including the transaction on a slow disk, it is in the file within a
/// second.
const INTERVAL: Duration = Duration::from_millis(500);

/// A crawl that is kept in a file.
pub struct State {
    path: PathBuf,
    file: Arc<StateFile>,
    /// Whether the file existed, so that there is something to restore.
    is_new: bool,
    /// Set while there are changes to write.
    changed: Event,
    targets: Targets,
}

impl State {
    /// Opens the file of a crawl that `given` continues, or begins one. Returns which crawl it is.
    ///
    /// # Errors
    /// Fails if the file is of another kind or another crawl, if another process uses it, and if the system refuses it.
    pub async fn open(path: PathBuf, given: Crawl) -> Result<(State, Crawl), Failure> {
        let at = path.clone();
        let opened = spawn_blocking(move || StateFile::open(&at, &given)).await;
        // Where redb does not detect that a file is damaged, it panics.
        let opened = opened.unwrap_or_else(|error| Err(StateError::Damaged(error.to_string())));
        let (file, crawl, is_new) = opened.map_err(|source| Failure::State { path: path.clone(), source })?;
        let state = State { path, file: Arc::new(file), is_new, changed: Event::new(), targets: Targets::default() };
        Ok((state, crawl))
    }

    /// Writes changes shortly after they occur. It ends only by failing.
    ///
    /// # Cancel safety
    /// Changes that were not written are written by the next call.
    pub async fn run(&self) -> Failure {
        loop {
            self.changed.wait().await;
            sleep(INTERVAL).await;
            self.changed.clear();
            if let Err(failure) = self.write().await {
                return failure;
            }
        }
    }

    /// Writes all changes.
    pub async fn write(&self) -> Result<(), Failure> {
        self.blocking(StateFile::write).await
    }

    /// Calls a function that blocks.
    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&StateFile) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, Failure> {
        let file = self.file.clone();
        let result = spawn_blocking(move || call(&file)).await?;
        result.map_err(|source| Failure::State { path: self.path.clone(), source })
    }

    /// The failure for content that cannot be parsed.
    pub fn damaged(&self, why: String) -> Failure {
        Failure::State { path: self.path.clone(), source: StateError::Damaged(why) }
    }

    fn push(&self, change: Change) {
        self.file.push(change);
        self.changed.set();
    }

    /// Whether a URL was seen, so that a link to it can be skipped.
    pub fn has_seen(&self, frontier: &Frontier, url: &Url) -> bool {
        frontier.has_seen(url) && !self.targets.needs_link(url)
    }

    /// Adds a link.
    pub fn link(&self, frontier: &Frontier, purpose: Purpose, url: Url, depth: u32, page: &str) {
        let text = url.as_str().to_owned();
        let number = match self.targets.needs_link(&url) {
            false => frontier.add_for(purpose, url, depth, Some(page)),
            true => {
                let number = frontier.take_number();
                self.targets.linked(&url, number);
                Some(number)
            }
        };
        if let Some(number) = number {
            self.push(Change::Queued(Queued { number, url: text, depth, referrer: Some(page.to_owned()) }));
        }
    }

    /// Marks the target of a redirect as seen. Returns `false` if it was seen before.
    pub fn see(&self, frontier: &Frontier, to: &Url) -> bool {
        let is_new = frontier.see(to);
        if is_new {
            self.targets.add(to);
        }
        is_new
    }

    /// Marks the targets of redirects as not seen.
    pub fn forget(&self, frontier: &Frontier, redirects: &[Url]) {
        for url in redirects {
            frontier.forget(url);
            self.end_redirect(url);
        }
    }

    fn end_redirect(&self, url: &Url) {
        if let Some(number) = self.targets.remove(url) {
            self.push(Change::Redirected { number });
        }
    }

    /// Notes that a link is not followed.
    pub fn skip_link(&self, reason: &Skipped, hash: u64) {
        // If a robots.txt cannot be read now, the next run requests it again.
        if *reason != Skipped::RobotsUnreadable {
            self.push(Change::SkippedLink { hash, reason: tables::json(reason) });
        }
    }

    /// Notes that the scope was extended.
    pub fn extend_scope(&self, to: &Url) {
        self.push(Change::Scope { url: to.as_str().to_owned() });
    }

    /// Notes that a page is not fetched.
    pub fn skip(&self, job: &Job, reason: &Skipped) {
        if *reason != Skipped::RobotsUnreadable {
            self.push(Change::Forbidden { number: job.number, url: job.url.as_str().to_owned() });
        }
    }

    /// Notes that a page is done.
    pub fn done(&self, job: &Job, done: &Done) {
        // If its failure may be temporary, a later run tries it again, and may be redirected elsewhere.
        if !done.may_pass {
            done.redirects.iter().for_each(|url| self.end_redirect(url));
        }
        self.push(Change::Done { number: job.number, done: tables::json(done).into_bytes() });
    }
}
