//! One request for a page and its response, which is saved.

use super::answer::{Answer, judge};
use super::archive::Capture;
use super::error::PageError;
use super::links::Found;
use super::output::Record;
use super::receive::{self, Asked, Known};
use super::resume::Completeness;
use super::retry::busy;
use super::save::SaveError;
use super::shared::Engine;
use crate::http::{Connection, Error, Limits, Response};
use http::{StatusCode, header};
use url::Url;

/// The outcome of one request.
pub enum Step {
    Saved(Found),
    Redirect(Url),
    /// A redirect without a target, or a response that is not kept.
    Nowhere,
}

/// How to request a page.
#[derive(Clone, Copy)]
struct Ask {
    /// Maximum number of connections for a large body. If 0, the body is not received in segments, even if an earlier
    /// part of it was.
    connections: u32,
    /// Whether to compare the page with the existing file.
    compares: bool,
}

/// Sends one request for a page, over an idle connection or a new one.
pub async fn attempt(engine: &Engine, url: &Url, record: &mut Record) -> Result<Step, PageError> {
    let limits = engine.limits.started();
    let mut connection = limits.within_total(engine.connections.get(url, &limits)).await?;
    // An archive contains whole responses only.
    let connections = if engine.archive.is_some() { 1 } else { engine.plan.connections };
    let mut ask = Ask { connections, compares: true };
    loop {
        record.attempts += 1;
        let used = connection.was_used();
        let result = exchange(engine, &mut connection, &limits, url, record, ask).await;
        match result {
            // The server closed an idle connection just when it was reused. This is not an error of the page, so the
            // next attempt does not count as a retry.
            Err(PageError::Http(Error::NoReply)) if used => {
                connection = limits.within_total(engine.connections.connect(url, &limits)).await?
            }
            // What an earlier attempt or run left cannot be continued, so the whole page is requested.
            Err(PageError::NotResumed) => {
                ask.compares = false;
                engine.connections.put(url, connection);
                connection = limits.within_total(engine.connections.get(url, &limits)).await?;
            }
            // The missing ranges are requested over one connection; if that fails too, the whole page is requested.
            Err(PageError::NotInSegments) if ask.connections > 0 => {
                if ask.connections == 1 {
                    engine.store.forget(url).await.map_err(SaveError::Io)?;
                }
                ask.connections = ask.connections.min(2) - 1;
                connection = limits.within_total(engine.connections.get(url, &limits)).await?;
            }
            result => {
                engine.connections.put(url, connection);
                return result;
            }
        }
    }
}

async fn exchange(
    engine: &Engine,
    connection: &mut Connection,
    limits: &Limits,
    url: &Url,
    record: &mut Record,
    ask: Ask,
) -> Result<Step, PageError> {
    let rest_of = |part| Asked::rest_of(part, ask.connections, engine.plan.least_segment);
    let interrupted = engine.store.interrupted(url).filter(|part| !part.in_segments || engine.archive.is_none());
    let asked = interrupted.map(rest_of);
    let mut request = engine.requests.get(url, record.referrer.as_deref());
    let known = receive::set_fields(engine, url, record, asked.as_ref(), ask.compares, &mut request).await;
    let mut capture = engine.archive.as_ref().map(|archive| archive.capture(url, &mut request));
    let mut response = connection.request(&request, limits).await?;
    let asked = Request { asked, known, connections: ask.connections, limits };
    let step = receive_all(engine, &mut response, asked, &mut capture, url, record).await;
    if let Some(capture) = capture {
        let cut = match &step {
            Ok(_) | Err(PageError::Http(Error::TooLarge(_))) => "length",
            Err(PageError::Http(Error::Timeout { .. } | Error::TotalTime(_) | Error::TooSlow { .. })) => "time",
            Err(_) => "disconnect",
        };
        archive(engine, capture, &mut response, cut).await;
    }
    step
}

/// What a request asked for, besides the page.
struct Request<'l> {
    asked: Option<Asked>,
    known: Known,
    connections: u32,
    limits: &'l Limits,
}

/// Receives a response, and saves its body if it is a page.
async fn receive_all(
    engine: &Engine,
    response: &mut Response<'_>,
    Request { asked, known, connections, limits }: Request<'_>,
    capture: &mut Option<Capture>,
    url: &Url,
    record: &mut Record,
) -> Result<Step, PageError> {
    record.status = Some(response.status.as_u16());
    engine.requests.received(url, response.status, &response.headers)?;
    record.content_type = response.field(header::CONTENT_TYPE).map(str::to_owned);
    record.bytes = 0;
    if let Known::Length(length) = known {
        match Completeness::of(length, response.status, &response.headers) {
            Completeness::Complete => {
                let _ = response.discard(DISCARDED).await;
                return receive::keep(engine, url, record).await.map(Step::Saved);
            }
            Completeness::Different => {
                let _ = response.discard(DISCARDED).await;
                return Err(PageError::NotResumed);
            }
            Completeness::Other => {}
        }
    }
    let answer = judge(url, response.status, &response.headers);
    let size = match (&answer, &asked) {
        (Ok(Answer::Page(size)), None) => *size,
        _ => None,
    };
    // A partial response is useful only if it was requested, or if it contains the whole body.
    let is_useless = asked.is_none() && response.status == StatusCode::PARTIAL_CONTENT && answer.is_err();
    if response.status.is_success() && !is_useless && !receive::is_wanted(engine, url, record) {
        let _ = response.discard(DISCARDED).await;
        return Ok(Step::Nowhere);
    }
    let begun = match is_useless {
        true => None,
        false => receive::begin(engine, url, response, asked, size, connections).await?,
    };
    if let Some(receiving) = begun {
        return receive::save(engine, response, url, limits, receiving, record, capture).await.map(Step::Saved);
    }
    let step = match answer {
        _ if response.status == StatusCode::NOT_MODIFIED && known == Known::Version => {
            receive::keep(engine, url, record).await.map(Step::Saved)
        }
        Ok(Answer::Redirect(to)) => Ok(Step::Redirect(to)),
        // Only a crawl that saves pages accepts a redirect without a target.
        Ok(Answer::Nowhere) if !engine.plan.follow_links || !engine.plan.save => {
            Err(PageError::Status(response.status))
        }
        Ok(Answer::Nowhere) => Ok(Step::Nowhere),
        Ok(Answer::Page(_)) => Err(PageError::Status(response.status)),
        Err(PageError::Status(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)) => Err(busy(response)),
        Err(error) => Err(error),
    };
    // If the rest cannot be received, the connection is not reused, but the response is still valid.
    match capture {
        Some(capture) => capture.take_all(response).await.map_err(SaveError::Io)?,
        None => _ = response.discard(DISCARDED).await,
    }
    step
}

/// Maximum number of bytes of an unwanted body to read so that the connection can be reused.
const DISCARDED: u64 = 64 * 1024;

/// Appends an exchange to the archive. `cut` is the reason if the response is not complete (`WARC-Truncated`). An
/// error ends the crawl.
pub async fn archive(engine: &Engine, capture: Capture, response: &mut Response<'_>, cut: &'static str) {
    if let Some(archive) = &engine.archive
        && let Err(failure) = archive.append(capture, response, cut).await
    {
        engine.fail(failure);
    }
}
