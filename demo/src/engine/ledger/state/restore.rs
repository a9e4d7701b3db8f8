//! Restores what an earlier run left in the file.

use super::State;
use super::change::Queued;
use super::file::StateFile;
use super::tables::parse_url;
use crate::Failure;
use crate::engine::frontier::Frontier;
use crate::engine::ledger::Done;
use crate::engine::output::{Record, count};
use crate::engine::skipped::Skipped;
use std::path::Path;
use url::Url;

/// Something that an earlier run left, besides the frontier.
pub enum Restored {
    /// A first page was redirected to this URL, which extends the scope.
    Scope(Url),
    /// A link was not followed: its hash, and why.
    SkippedLink(u64, Skipped),
    /// A page is done.
    Done(Done),
}

impl State {
    /// Adds the known pages to the frontier, in the order in which they became known. Pages whose failure may be
    /// temporary come last. Returns what to tell the user, if there was an earlier run.
    pub async fn restore(
        &self,
        frontier: &Frontier,
        restored: &mut dyn FnMut(Restored),
    ) -> Result<Option<String>, Failure> {
        let rest = self.blocking(StateFile::rest).await?;
        rest.scope.into_iter().for_each(|url| restored(Restored::Scope(url)));
        rest.skipped.into_iter().for_each(|(hash, reason)| restored(Restored::SkippedLink(hash, reason)));
        rest.forbidden.iter().for_each(|url| _ = frontier.see(url));
        let (done, again) = self.restore_done(frontier, restored).await?;
        let queued = self.restore_queued(frontier).await?;
        for page in &again {
            self.requeue(frontier, page)?;
        }
        Ok((!self.is_new).then(|| describe(&self.path, done, queued, again.len())))
    }

    /// Returns the number of pages that are done, and those that are tried again.
    async fn restore_done(
        &self,
        frontier: &Frontier,
        restored: &mut dyn FnMut(Restored),
    ) -> Result<(usize, Vec<Queued>), Failure> {
        let (mut count, mut again, mut from) = (0, Vec::new(), 0);
        loop {
            let pages = self.blocking(move |file| file.done(from)).await?;
            let Some((last, _)) = pages.last() else { return Ok((count, again)) };
            from = last + 1;
            for (number, done) in pages {
                if done.may_pass {
                    let Record { url, depth, referrer, .. } = done.record;
                    again.push(Queued { number, url, depth, referrer });
                    continue;
                }
                count += 1;
                frontier.add_done(number, &self.url(&done.record.url)?);
                done.redirects.iter().for_each(|url| _ = frontier.see(url));
                restored(Restored::Done(done));
            }
        }
    }

    /// Returns the number of pages.
    async fn restore_queued(&self, frontier: &Frontier) -> Result<usize, Failure> {
        let (mut count, mut from) = (0, 0);
        loop {
            let pages = self.blocking(move |file| file.queued(from)).await?;
            let Some(last) = pages.last() else { return Ok(count) };
            from = last.number + 1;
            for page in &pages {
                count += usize::from(self.requeue(frontier, page)?);
            }
        }
    }

    fn requeue(&self, frontier: &Frontier, page: &Queued) -> Result<bool, Failure> {
        Ok(frontier.add_numbered(page.number, self.url(&page.url)?, page.depth, page.referrer.as_deref()))
    }

    fn url(&self, text: &str) -> Result<Url, Failure> {
        parse_url(text).map_err(|error| self.damaged(error.to_string()))
    }
}

fn describe(path: &Path, done: usize, queued: usize, again: usize) -> String {
    let path = path.display();
    let done = count(done as u64, "page");
    match (queued, again) {
        (0, 0) => format!("{path}: this crawl is complete ({done} done): nothing to fetch"),
        (queued, 0) => format!("{path}: continuing the crawl: {done} done, {queued} queued"),
        (queued, again) => {
            format!("{path}: continuing the crawl: {done} done, {queued} queued, {again} failed and tried again")
        }
    }
}
