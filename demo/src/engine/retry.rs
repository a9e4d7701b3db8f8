//! Retries: which errors are worth another attempt, and when. Hosts that refuse requests are paused and slowed down.
//!
//! A page that waits for another attempt waits in the frontier, so it does not occupy a worker.

use super::error::PageError;
use super::output::count;
use super::pace::retry_after;
use super::shared::Engine;
use super::urls::server;
use crate::http::{Error, Response};
use executor::time::{Duration, Instant, now};
use http::header;
use std::io;
use std::time::SystemTime;
use url::Url;

/// The longest `Retry-After` that is honored. A longer one is shortened to this.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// When to request `url` again after an error, if a retry may succeed and some are left. `begun` is the time at which
/// the page was taken from the frontier, and `retries` is the number of retries so far.
pub fn next_attempt(engine: &Engine, url: &Url, error: &PageError, begun: Instant, retries: u32) -> Option<Instant> {
    let backoff = now() + engine.backoff.before(retries);
    let next = match error {
        PageError::Busy { wait, .. } => {
            let next = refused(engine, url, error, begun, *wait).unwrap_or(backoff);
            engine.ledger.slow(url, next.saturating_duration_since(now()), Duration::ZERO);
            next
        }
        error if error.is_transient() || (engine.options.pace.retry_connrefused && is_refused(error)) => backoff,
        _ => return None,
    };
    (retries < engine.options.pace.retries && !engine.frontier.is_stopped()).then_some(next)
}

/// Slows down a host that refused a request. If its answer says how long to wait, pauses the host and returns the end
/// of the pause.
fn refused(engine: &Engine, url: &Url, error: &PageError, begun: Instant, wait: Option<Duration>) -> Option<Instant> {
    let believed = wait.map(|wait| wait.min(LONGEST_WAIT));
    let until = believed.map(|wait| now() + wait);
    let slowed = engine.frontier.refused(url, begun, until);
    if let Some(limit) = slowed {
        let pause = match (believed, wait) {
            (Some(believed), Some(wait)) if believed < wait => {
                format!("the host requests a pause of {wait:.0?}; pausing for {believed:.0?}, then ")
            }
            (Some(pause), _) => format!("pausing for {pause:.0?}, then "),
            (None, _) => String::new(),
        };
        let limit = count(limit as u64, "page");
        engine.progress.say(&format!("\"{}\": {error}: {pause}at most {limit} at once", server(url)));
    }
    until
}

/// The error of a response that refuses requests for a while.
pub fn busy(response: &Response<'_>) -> PageError {
    let wait = response.field(header::RETRY_AFTER);
    let wait = wait.and_then(|wait| retry_after(wait, response.field(header::DATE), SystemTime::now()));
    PageError::Busy { status: response.status, wait }
}

/// Whether the server refused the connection.
pub fn is_refused(error: &PageError) -> bool {
    matches!(error, PageError::Http(Error::Connect { source, .. }) if source.kind() == io::ErrorKind::ConnectionRefused)
}
