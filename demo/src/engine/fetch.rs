//! Fetches one page, following its redirects, and returns the outcome.

use super::error::PageError;
use super::frontier::{Claim, Job, Unfinished};
use super::ledger::Done;
use super::links::Found;
use super::output::Record;
use super::redirect::follow;
use super::retry::{is_refused, next_attempt};
use super::save::SaveError;
use super::shared::Engine;
use crate::Failure;
use crate::http::is_out_of_descriptors;
use executor::time::{Instant, now};
use std::io;

/// How an attempt at a page ended.
pub enum Outcome {
    /// The page was fetched or has failed. Holds its links too.
    Done(Box<Done>, Box<Found>),
    /// The failure may be temporary. The next attempt is at this time.
    Again(Instant),
    /// No file descriptor was left, so nothing was fetched.
    OutOfDescriptors,
    /// The failure affects all pages.
    Fatal(Failure),
}

/// Fetches a page and the pages that it redirects to. A retry begins at the URL at which the last attempt failed.
pub async fn fetch(engine: &Engine, claim: &mut Claim<'_>) -> Outcome {
    let unfinished = claim.job.unfinished.take();
    let mut page = unfinished.unwrap_or_else(|| Box::new(first_attempt(&claim.job)));
    (page.record.error, page.record.cause) = (None, None);
    let result = follow(engine, &claim.job, &mut page.visited, &mut page.record).await;
    page.record.elapsed_ms = ((now() - page.start).as_secs_f64() * 1e6).round() / 1e3;
    match result {
        Ok(found) => done(*page, false, found),
        Err(PageError::Http(error)) if error.is_out_of_descriptors() => {
            out_of_descriptors(engine, &claim.job, &page).await
        }
        Err(PageError::Save(SaveError::Io(error))) if is_out_of_descriptors(&error) => {
            out_of_descriptors(engine, &claim.job, &page).await
        }
        Err(PageError::Save(SaveError::Io(error))) if is_fatal(&error) => Outcome::Fatal(engine.store.failure(error)),
        Err(error) => {
            page.record.cause = Some(error.cause());
            page.record.error = Some(error.to_string());
            let url = &page.visited[page.visited.len() - 1];
            match next_attempt(engine, url, &error, claim.begun, page.retries) {
                Some(time) => {
                    page.retries += 1;
                    claim.job.unfinished = Some(page);
                    Outcome::Again(time)
                }
                None => done(*page, error.is_transient() || is_refused(&error), Found::default()),
            }
        }
    }
}

fn done(page: Unfinished, may_pass: bool, found: Found) -> Outcome {
    let redirects = page.visited.into_iter().skip(1).collect();
    Outcome::Done(Box::new(Done { record: page.record, redirects, may_pass }), Box::new(found))
}

fn first_attempt(job: &Job) -> Unfinished {
    let record = Record {
        url: job.url.to_string(),
        depth: job.depth,
        referrer: job.referrer.as_deref().map(str::to_owned),
        ..Record::default()
    };
    Unfinished { record, visited: vec![job.url.clone()], start: now(), retries: 0 }
}

/// The page will be fetched again from its beginning, so its redirects must not count as seen.
async fn out_of_descriptors(engine: &Engine, job: &Job, page: &Unfinished) -> Outcome {
    let redirects: Vec<_> = page.visited.iter().filter(|url| **url != page.visited[0]).cloned().collect();
    engine.ledger.forget(&engine.frontier, job, &redirects).await;
    Outcome::OutOfDescriptors
}

/// Whether an error affects all further pages, as a full disk does.
fn is_fatal(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_an_exceeded_quota_and_a_read_only_disk_affect_all_pages() {
        use rustix::io::Errno;
        let is_fatal = |error: Errno| is_fatal(&io::Error::from(error));
        assert!([Errno::NOSPC, Errno::DQUOT, Errno::ROFS].into_iter().all(is_fatal));
        assert!(![Errno::FBIG, Errno::NAMETOOLONG, Errno::ACCESS, Errno::ISDIR, Errno::IO].into_iter().any(is_fatal));
    }
}
