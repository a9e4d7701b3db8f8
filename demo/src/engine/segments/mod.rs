//! Receives a large body in segments: several connections request a range each, and write it at its position in one
//! file.
//!
//! The first response begins the body and is received up to the end of the first segment. Further connections request
//! the other segments with `Range` and `If-Range`, so all bytes are of one version. Each retries by itself, from where
//! it stopped. If the server refuses a connection, the others receive its segment. If the server does not send the
//! ranges that were requested, the first response is received to its end; if that does not cover the rest, the body is
//! requested again over one connection.
//!
//! | file | what it holds |
//! |---|---|
//! | `queue.rs` | which ranges are left |
//! | `stream.rs` | one connection, and the segments that it receives |

mod queue;
mod stream;

use super::error::PageError;
use super::output::Record;
use super::ranges::divide;
use super::resume::Origin;
use super::save::{Body, SaveError, Segmented};
use super::shared::Engine;
use crate::http::{Limits, Response};
use executor::try_join_all;
use futures_lite::FutureExt;
use queue::Queue;
use std::cell::Cell;
use std::ops::Range;
use stream::Stream;
use url::Url;

/// A body to receive in segments.
pub struct InSegments {
    pub body: Segmented,
    pub origin: Origin,
    /// Bytes of the whole body.
    pub total: u64,
    /// The part of it in the first response, which begins with the first missing byte.
    pub first: Range<u64>,
    /// Maximum number of connections.
    pub connections: u32,
}

/// The first range to request of a body that lacks these ranges.
pub fn first_of(missing: &[Range<u64>], connections: u32, least: u64) -> Option<Range<u64>> {
    divide(missing, connections.into(), least).into_iter().next()
}

/// What the connections share.
struct Shared<'a> {
    engine: &'a Engine,
    url: &'a Url,
    /// The URL of the page, from which redirects may have led here.
    page: &'a str,
    referrer: Option<&'a str>,
    limits: &'a Limits,
    origin: &'a Origin,
    body: &'a Segmented,
    queue: Queue,
    /// Number of requests, besides the first.
    attempts: Cell<u32>,
    /// Bytes that were received.
    bytes: Cell<u64>,
}

/// Receives a body. `response` has its first missing bytes. Returns the body when it is complete.
///
/// # Errors
/// Fails with the error of the first connection that gives up, and with [`PageError::NotInSegments`] if the server does
/// not send the ranges that were requested. What was received is kept.
pub async fn receive(
    engine: &Engine,
    response: &mut Response<'_>,
    url: &Url,
    limits: &Limits,
    receiving: InSegments,
    record: &mut Record,
) -> Result<Body, PageError> {
    let InSegments { body, origin, total, first, connections } = receiving;
    let (page, referrer) = (record.url.clone(), record.referrer.clone());
    let mut segments = divide(&body.missing(total), connections.into(), engine.plan.least_segment);
    let own = if segments.is_empty() { total..total } else { segments.remove(0) };
    let shared = Shared {
        engine,
        url,
        page: &page,
        referrer: referrer.as_deref(),
        limits,
        origin: &origin,
        body: &body,
        queue: Queue::new(segments),
        attempts: Cell::new(0),
        bytes: Cell::new(0),
    };
    let end = own.end.min(first.end);
    shared.queue.give_back(end..own.end); // the response may cover less than was requested
    let further = (1..connections).map(|_| Stream::new(&shared).further().boxed_local());
    let streams = [Stream::new(&shared).first(response, own.start..end, first.end).boxed_local()];
    let received = try_join_all(streams.into_iter().chain(further)).await;
    record.attempts += shared.attempts.get();
    record.bytes += shared.bytes.get();
    drop(shared);
    received?;
    match body.missing(total).is_empty() {
        true => body.finish().map_err(|error| SaveError::Io(error).into()),
        false => Err(PageError::NotInSegments),
    }
}
