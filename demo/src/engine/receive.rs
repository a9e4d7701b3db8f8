//! Receives the body of a response and saves it: a new one, or the rest of an interrupted one. Used by `exchange.rs`.

use super::archive::Capture;
use super::error::PageError;
use super::link_field::canonical;
use super::links::{Found, Kind};
use super::output::Record;
use super::resume::{Origin, Verdict, accepts_ranges};
use super::save::{Body, Completed, Interrupted, Media, SaveError, Saved, identity};
use super::segments::{self, InSegments};
use super::shared::Engine;
use super::skipped::Skipped;
use crate::http::{Error, Limits, Outgoing, Response};
use bytesize::ByteSize;
use http::header;
use std::io;
use std::ops::Range;
use std::time::SystemTime;
use url::Url;

/// A body to receive.
pub struct Receiving {
    body: Incoming,
    completed: Completed,
    /// The canonical URL of its page, if a field names one.
    canonical: Option<Url>,
}

/// The part of a body that the response has.
enum Incoming {
    /// Nothing: it is complete.
    Nothing(Body),
    /// All of it, or its end.
    Rest(Body),
    /// Some of its segments.
    Segments(Box<InSegments>),
}

impl Incoming {
    /// Bytes received earlier.
    fn received(&self) -> u64 {
        match self {
            Incoming::Nothing(body) | Incoming::Rest(body) => body.received(),
            Incoming::Segments(receiving) => receiving.body.received(),
        }
    }
}

/// Whether the body of a successful response is worth receiving. A body that can contain links always is, except for a
/// probe. Counts the link as skipped if its media type is not kept. If pages are only listed, puts the path of the file
/// of a page without links into the record.
pub fn is_wanted(engine: &Engine, url: &Url, record: &mut Record) -> bool {
    let content_type = record.content_type.as_deref();
    // Without a media type, only the bytes show what the body is.
    let is_searchable = content_type.is_none() || Kind::of(content_type, false, url, b"").is_some();
    if !engine.plan.save && engine.plan.lists.is_none() {
        // Only pages of the site are searched. For other pages, and for images, the status is enough.
        return is_searchable && !engine.is_probe(url, record.depth);
    }
    if !engine.scope.borrow().accepts(content_type) && !is_searchable {
        engine.skip_link(Skipped::MediaType, url.as_str());
        return false;
    }
    if engine.plan.lists.is_some() && !is_searchable {
        record.path = Some(engine.store.path(&engine.named_url(url, record)));
        return false;
    }
    true
}

/// Decides how to receive the body of a response. `asked` is what the request asked for, if that was not the whole
/// body; `size` is the size of the whole body, if the fields give it and the framing does not. With more than one of
/// `connections`, a large body is received in segments. Returns `None` if the response has no body to save.
pub async fn begin(
    engine: &Engine,
    url: &Url,
    response: &Response<'_>,
    asked: Option<Asked>,
    size: Option<u64>,
    connections: u32,
) -> Result<Option<Receiving>, PageError> {
    let (media, modified) = (media(response), last_modified(engine, response));
    // If the file has the server's time, a later run compares that.
    let tag = response.field(header::ETAG).filter(|_| modified.is_none()).map(str::to_owned);
    let mut completed = Completed { media, modified, tag, length: size, ..Completed::default() };
    let (status, headers) = (response.status, &response.headers);
    let verdict = asked.as_ref().map(|asked| {
        let Asked { part, first, end } = asked;
        part.origin.verdict(*first, *end, status, headers)
    });
    let body = match (verdict, asked) {
        (Some(Verdict::Continues { end, total }), Some(Asked { part, first, .. })) => {
            if end.max(total.unwrap_or(0)) > engine.limits.body {
                return Err(Error::TooLarge(ByteSize::b(engine.limits.body)).into());
            }
            completed.length = Some(total.unwrap_or(end));
            let origin = Origin { total, ..part.origin.clone() };
            match total.filter(|_| part.in_segments || connections > 1) {
                Some(total) => segments(engine, origin, total, Some((part, first..end)), connections).await?,
                None => Incoming::Rest(engine.store.resume(origin).await.map_err(not_resumed)?),
            }
        }
        (Some(Verdict::IsComplete), Some(Asked { part, .. })) => {
            completed.media = Media::default(); // the answer says nothing about the body
            Incoming::Nothing(engine.store.resume(part.origin).await.map_err(not_resumed)?)
        }
        (Some(Verdict::AskAgain), _) => {
            engine.store.forget(url).await.map_err(SaveError::Io)?;
            return Err(PageError::NotResumed);
        }
        _ if status.is_success() => {
            let origin = Origin::of(&identity(url), status, headers);
            let is_large = |total: &u64| (2 * engine.plan.least_segment..=engine.limits.body).contains(total);
            let total = origin.as_ref().and_then(|origin| origin.total).filter(is_large);
            match (origin, total) {
                (Some(origin), Some(total)) if connections > 1 && accepts_ranges(headers) => {
                    completed.length = Some(total);
                    segments(engine, origin, total, None, connections).await?
                }
                (origin, _) => Incoming::Rest(engine.store.begin(url, origin)),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(Receiving { body, completed, canonical: canonical(url, headers) }))
}

/// A body of `total` bytes in segments. If it continues a part, the response has the range in `resumed`; if it is new,
/// the response has the whole body.
async fn segments(
    engine: &Engine,
    origin: Origin,
    total: u64,
    resumed: Option<(Interrupted, Range<u64>)>,
    connections: u32,
) -> Result<Incoming, PageError> {
    let (received, first) = match resumed {
        Some((part, first)) => (Some(part.received), first),
        None => (None, 0..total),
    };
    let body = engine.store.segmented(origin.clone(), received).await.map_err(not_resumed)?;
    Ok(Incoming::Segments(Box::new(InSegments { body, origin, total, first, connections: connections.max(1) })))
}

/// The error if a part can't be opened. If another page is resuming it at this moment, the whole body is requested.
fn not_resumed(error: io::Error) -> PageError {
    match error.kind() {
        io::ErrorKind::NotFound => PageError::NotResumed,
        _ => SaveError::Io(error).into(),
    }
}

/// Receives a body and saves it. Returns its links.
pub async fn save(
    engine: &Engine,
    response: &mut Response<'_>,
    url: &Url,
    limits: &Limits,
    receiving: Receiving,
    record: &mut Record,
    capture: &mut Option<Capture>,
) -> Result<Found, PageError> {
    let Receiving { body, mut completed, canonical } = receiving;
    engine.progress.expect(&record.url, body.received(), completed.length.or(length(response)));
    let body = match body {
        Incoming::Nothing(body) => body,
        Incoming::Rest(mut body) => {
            if let Err(error) = receive(engine, response, &mut body, record, capture).await {
                let written = body.settle().await;
                if is_useless_after(&error) {
                    body.reject();
                }
                return Err(match written {
                    // An error of the disk matters more, because it may affect all pages.
                    Err(written) if !matches!(error, PageError::Save(_)) => SaveError::Io(written).into(),
                    _ => error,
                });
            }
            body
        }
        Incoming::Segments(receiving) => segments::receive(engine, response, url, limits, *receiving, record).await?,
    };
    // Only the page of the command line has a checksum, wherever it was redirected to.
    completed.checksum = engine.options.save.checksum.clone().filter(|_| record.depth == 0);
    completed.search = engine.plan.search();
    completed.is_kept = engine.plan.save;
    let named = engine.named_url(url, record);
    let media = completed.media.clone();
    let (path, mut found) = engine.store.complete(body, url, &named, completed).await?;
    engine.note_saved(&path, url, media);
    found.canonical = found.canonical.or(canonical);
    record.path = Some(path).filter(|_| engine.plan.save || engine.plan.lists.is_some());
    Ok(found)
}

/// Whether this error makes the received bytes useless for another attempt. A body that took too long can be
/// resumed by a later run.
fn is_useless_after(error: &PageError) -> bool {
    let is_slow = |error: &Error| matches!(error, Error::TotalTime(_) | Error::TooSlow { .. });
    matches!(error, PageError::Http(error) if !error.is_transient() && !is_slow(error))
}

async fn receive(
    engine: &Engine,
    response: &mut Response<'_>,
    body: &mut Body,
    record: &mut Record,
    capture: &mut Option<Capture>,
) -> Result<(), PageError> {
    while let Some(piece) = response.piece().await? {
        record.bytes += piece.len() as u64;
        let received = piece.len();
        engine.progress.received(&record.url, received);
        body.write(piece).await.map_err(SaveError::Io)?;
        engine.rate.received(received).await;
        if let Some(capture) = capture {
            capture.take(response).await.map_err(SaveError::Io)?;
        }
    }
    Ok(())
}

/// The part that a request is to continue.
pub struct Asked {
    part: Interrupted,
    /// The first byte that is requested.
    first: u64,
    /// The end of the range that is requested, unless that is the end of the body.
    end: Option<u64>,
}

impl Asked {
    /// What to request to continue a part, over this number of connections, in segments of at least this size.
    pub fn rest_of(part: Interrupted, connections: u32, least: u64) -> Asked {
        let segmented = part.origin.total.filter(|_| part.in_segments || connections > 1);
        let first = segmented.and_then(|total| segments::first_of(&part.received.missing(total), connections, least));
        // For a complete part, the server answers 416, which confirms that it is complete.
        let (first, end) = first.map_or((part.received.end(), None), |range| (range.start, Some(range.end)));
        Asked { part, first, end }
    }
}

/// What a request says about the file that an earlier run saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: the page is always fetched.
    Nothing,
    /// Its version. A 304 means that it is current.
    Version,
    /// Its size in bytes.
    Length(u64),
}

/// Sets the fields that ask for the rest of a part or, if options require it, for the page only if it differs from the
/// file. `compares` is false if the file is known to differ.
pub async fn set_fields(
    engine: &Engine,
    url: &Url,
    record: &Record,
    asked: Option<&Asked>,
    compares: bool,
    request: &mut Outgoing<'_>,
) -> Known {
    let mut set = |name, value: String| request.set(name, value);
    if let Some(Asked { part, first, end }) = asked {
        part.origin.fields(*first, *end).into_iter().for_each(|(name, value)| set(name, value));
        return Known::Nothing;
    }
    if engine.plan.connections > 1 {
        set("Accept-Encoding", "identity".to_owned()); // the ranges of a coded body are not those of the file
    }
    let options = &engine.options.save;
    // A 304 would leave a checksum unverified.
    let is_newer_wanted = options.newer && options.checksum.is_none();
    // A page of a crawl may change and keep its size.
    let is_rest_wanted = options.resume && !engine.plan.follow_links && compares;
    if !is_newer_wanted && !is_rest_wanted {
        return Known::Nothing;
    }
    match engine.store.saved(&engine.named_url(url, record), options.checksum.clone()).await {
        Some(Saved { tag: Some(tag), .. }) if is_newer_wanted => {
            set("If-None-Match", tag);
            Known::Version
        }
        Some(Saved { modified, .. }) if is_newer_wanted => {
            set("If-Modified-Since", httpdate::fmt_http_date(modified));
            Known::Version
        }
        Some(Saved { length, .. }) if length > 0 => {
            set("Range", format!("bytes={length}-"));
            set("Accept-Encoding", "identity".to_owned()); // the size of a coded body is not that of the file
            Known::Length(length)
        }
        _ => Known::Nothing,
    }
}

/// Keeps the file of a page that has not changed or is complete. Returns its links.
pub async fn keep(engine: &Engine, url: &Url, record: &mut Record) -> Result<Found, PageError> {
    let named = engine.named_url(url, record);
    let media = Media { content_type: record.content_type.clone(), nosniff: false };
    let found = engine.store.links_on_disk(url, &named, media.clone(), engine.plan.search()).await;
    let (path, found) = found.map_err(SaveError::Io)?;
    engine.note_saved(&path, url, media);
    record.path = Some(path);
    Ok(found)
}

/// The length of the body, if its pieces will add up to it.
fn length(response: &Response<'_>) -> Option<u64> {
    response.field(header::CONTENT_LENGTH).filter(|_| !response.is_coded())?.trim().parse().ok()
}

/// The time for the file, if the server says it.
fn last_modified(engine: &Engine, response: &Response<'_>) -> Option<SystemTime> {
    let field = response.field(header::LAST_MODIFIED).filter(|_| !engine.options.save.no_use_server_timestamps)?;
    httpdate::parse_http_date(field).ok()
}

/// What the response says about the type of its body.
fn media(response: &Response<'_>) -> Media {
    let options = response.field(header::X_CONTENT_TYPE_OPTIONS);
    Media {
        content_type: response.field(header::CONTENT_TYPE).map(str::to_owned),
        nosniff: options.is_some_and(|options| options.trim().eq_ignore_ascii_case("nosniff")),
    }
}
