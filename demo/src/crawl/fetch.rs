//! Fetches one page: connects, sends the request, follows redirects, retries, saves.

use super::frontier::Job;
use super::links::Kind;
use super::report::Record;
use super::shared::Crawl;
use super::urls::normalize;
use crate::Failure;
use crate::http::{Connection, Error, Response, is_out_of_descriptors};
use executor::time::{Duration, now, sleep};
use futures_lite::FutureExt;
use http::{Method, StatusCode, header};
use std::io;
use url::Url;

/// How a page ended.
pub enum Outcome {
    /// Fetched or failed: its line of the report, and its links.
    Done(Record, Vec<Url>),
    /// No file descriptor was left, so nothing was fetched.
    OutOfDescriptors,
    /// Failed in a way that affects all pages.
    Fatal(Failure),
}

/// Why a page failed.
#[derive(Debug, thiserror::Error)]
enum PageError {
    #[error(transparent)]
    Http(#[from] Error),
    #[error("the server answered {0}")]
    Status(StatusCode),
    #[error("cannot save it: {0}")]
    Save(io::Error),
    #[error("more than {0} redirects")]
    TooManyRedirects(u32),
    #[error("a cycle of redirects: {0} again")]
    Cycle(Url),
    #[error("a redirect to {0}, which is not followed: only http is")]
    Scheme(Url),
    #[error("a redirect to `{0}`, which is not a URL")]
    BadLocation(String),
}

impl PageError {
    fn is_transient(&self) -> bool {
        match self {
            PageError::Http(error) => error.is_transient(),
            PageError::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            _ => false,
        }
    }
}

/// The outcome of one request.
enum Step {
    Saved(Vec<Url>),
    Redirect(Url),
    /// A redirect without a target.
    Nowhere,
}

/// Fetches a page and the pages that it redirects to.
pub async fn fetch(crawl: &Crawl, job: &Job) -> Outcome {
    let start = now();
    let mut record =
        Record { url: job.url.to_string(), depth: job.depth, referrer: job.referrer.clone(), ..Record::default() };
    let mut visited = vec![job.url.clone()];
    let result = follow(crawl, job, &mut visited, &mut record).await;
    record.elapsed_ms = ((now() - start).as_secs_f64() * 1e6).round() / 1e3;
    let outcome = match result {
        Ok(links) => Outcome::Done(record, links),
        Err(PageError::Http(error)) if error.is_out_of_descriptors() => Outcome::OutOfDescriptors,
        Err(PageError::Save(error)) if is_out_of_descriptors(&error) => Outcome::OutOfDescriptors,
        Err(PageError::Save(error)) if is_fatal(&error) => Outcome::Fatal(crawl.store.failure(error)),
        Err(error) => {
            record.error = Some(error.to_string());
            Outcome::Done(record, Vec::new())
        }
    };
    if matches!(outcome, Outcome::OutOfDescriptors) {
        // It will be fetched again, so its redirects must not count as seen.
        visited[1..].iter().for_each(|url| crawl.frontier.forget(url));
    }
    outcome
}

/// Whether an error affects all further pages, as a full disk does.
fn is_fatal(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
}

async fn follow(crawl: &Crawl, job: &Job, visited: &mut Vec<Url>, record: &mut Record) -> Result<Vec<Url>, PageError> {
    loop {
        let url = &visited[visited.len() - 1];
        let to = match attempts(crawl, url, record).await? {
            Step::Saved(links) => return Ok(links),
            Step::Nowhere => return Ok(Vec::new()),
            Step::Redirect(to) => to,
        };
        record.final_url = Some(to.to_string());
        crawl.redirects.borrow_mut().insert(url.clone(), to.clone());
        if visited.contains(&to) || leads_to(crawl, &to, url) {
            return Err(PageError::Cycle(to));
        }
        if to.scheme() != "http" {
            return Err(PageError::Scheme(to));
        }
        if visited.len() > crawl.args.max_redirects as usize {
            return Err(PageError::TooManyRedirects(crawl.args.max_redirects));
        }
        if job.depth == 0 && !crawl.scope.borrow().contains(&to) {
            crawl.scope.borrow_mut().add(&to); // as http://example.org/ to http://www.example.org/
        }
        // A URL out of scope is not fetched, and one that was seen has a line of its own.
        if !crawl.scope.borrow().contains(&to) || !crawl.frontier.see(&to) {
            return Ok(Vec::new());
        }
        visited.push(to);
    }
}

/// Whether known redirects lead from one URL to another.
fn leads_to(crawl: &Crawl, from: &Url, to: &Url) -> bool {
    let redirects = crawl.redirects.borrow();
    let mut at = from;
    for _ in 0..=crawl.args.max_redirects {
        match redirects.get(at) {
            Some(next) if next == to => return true,
            Some(next) => at = next,
            None => return false,
        }
    }
    false
}

/// Retries after transient errors.
async fn attempts(crawl: &Crawl, url: &Url, record: &mut Record) -> Result<Step, PageError> {
    let mut pause = Duration::from_millis(200);
    let mut left = crawl.args.retries;
    loop {
        match attempt(crawl, url, record).await {
            Err(error) if error.is_transient() && left > 0 => {
                left -= 1;
                sleep(pause).or(crawl.frontier.stopped()).await;
                if crawl.frontier.is_stopped() {
                    return Err(error);
                }
                pause *= 2;
            }
            result => return result,
        }
    }
}

async fn attempt(crawl: &Crawl, url: &Url, record: &mut Record) -> Result<Step, PageError> {
    let mut connection = crawl.connections.get(url, &crawl.limits).await?;
    loop {
        record.attempts += 1;
        let used = connection.was_used();
        let result = exchange(crawl, &mut connection, url, record).await;
        match result {
            // The server closed an idle connection just when it was reused. That is no error of the page, so the next
            // attempt does not count as a retry.
            Err(PageError::Http(Error::NoReply)) if used => {
                connection = crawl.connections.connect(url, &crawl.limits).await?
            }
            result => {
                crawl.connections.put(url, connection);
                return result;
            }
        }
    }
}

async fn exchange(
    crawl: &Crawl,
    connection: &mut Connection,
    url: &Url,
    record: &mut Record,
) -> Result<Step, PageError> {
    /// The most bytes of an unwanted body that are read to keep the connection.
    const DISCARDED: u64 = 64 * 1024;

    let mut response = connection.request(Method::GET, url, &crawl.limits).await?;
    record.status = Some(response.status.as_u16());
    record.content_type = response.field(header::CONTENT_TYPE).map(str::to_owned);
    record.bytes = 0;
    if response.status.is_success() {
        return save(crawl, &mut response, url, record).await.map(Step::Saved);
    }
    let step = match (response.status.as_u16(), response.field(header::LOCATION)) {
        (301 | 302 | 303 | 307 | 308, Some(location)) => match url.join(location) {
            Ok(to) => Ok(Step::Redirect(normalize(to))),
            Err(_) => Err(PageError::BadLocation(location.to_owned())),
        },
        (300..400, _) => Ok(Step::Nowhere),
        _ => Err(PageError::Status(response.status)),
    };
    // If this fails, the connection is not reused; the response is valid all the same.
    let _ = response.discard(DISCARDED).await;
    step
}

async fn save(
    crawl: &Crawl,
    response: &mut Response<'_>,
    url: &Url,
    record: &mut Record,
) -> Result<Vec<Url>, PageError> {
    let kind = Kind::of(response.field(header::CONTENT_TYPE));
    let mut body = crawl.store.begin(kind);
    while let Some(piece) = response.piece().await? {
        record.bytes += piece.len() as u64;
        crawl.progress.received(piece.len());
        body.write(piece).await.map_err(PageError::Save)?;
    }
    let (path, links) = crawl.store.complete(body, url).await.map_err(PageError::Save)?;
    record.path = Some(path);
    Ok(links)
}
