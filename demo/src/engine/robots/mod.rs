//! robots.txt: read once for each host, before the first link of that host is followed.
//!
//! It does not apply to URLs of the command line: RFC 9309 is for crawlers, and the user asked for these pages. So a
//! run that follows no links does not request it. While it is requested, other linked pages of the host wait in the
//! frontier, and other hosts are not delayed.

mod known;
mod rules;

pub use known::Robots;
pub use rules::Rules;

use super::exchange::archive;
use super::frontier::Claim;
use super::shared::Engine;
use super::sitemaps;
use super::skipped::Skipped;
use super::urls::{is_web, normalize, server};
use crate::http::{Connection, Error, Limits, Response};
use executor::time::{Duration, now, timeout};
use executor::yield_now;
use http::{StatusCode, header};
use known::Known;
use rules::LIMIT;
use url::Url;

/// Maximum number of redirects of a robots.txt to follow (RFC 9309, 2.3.1.2).
const REDIRECTS: u32 = 5;
/// The longest delay that is honored. A longer one is shortened to this.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Maximum time for a request for a robots.txt. Pages of its host wait for it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why a robots.txt could not be read.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Http(#[from] Error),
    #[error("the server answered {0}")]
    Status(StatusCode),
}

/// What the robots.txt of a host means for a URL.
enum Verdict {
    Fetch,
    Skip(Skipped),
    /// It could not be read. The host is paused, and another attempt may succeed after that.
    Wait,
    /// No file descriptor was left for the request.
    OutOfDescriptors,
}

/// Returns the claim if its page may be fetched. Requests the robots.txt of its host first, if that is not known yet. A
/// page that may not be fetched is skipped, or put back for a later attempt.
pub async fn admit<'a>(engine: &Engine, claim: Claim<'a>) -> Option<Claim<'a>> {
    if claim.job.is_given() || engine.options.pace.ignore_robots {
        return Some(claim);
    }
    match judge(engine, &claim.job.url, true).await {
        Verdict::Fetch => {
            if claim.asks {
                engine.turn(&claim.job.url).await; // the request for robots.txt used the turn of the page
            }
            return Some(claim);
        }
        // A link to a host that is gone is a broken link.
        Verdict::Skip(Skipped::RobotsUnreadable) if engine.is_probe(&claim.job.url, claim.job.depth) => {
            return Some(claim);
        }
        Verdict::Skip(reason) => {
            if let Err(failure) = engine.ledger.skip(&claim.job, &reason).await {
                engine.fail(failure);
            }
            engine.skip_link(reason, claim.job.url.as_str());
            claim.skip();
            yield_now().await; // many in a row may be forbidden
        }
        Verdict::Wait => claim.put_back(),
        Verdict::OutOfDescriptors => engine.out_of_descriptors(claim).await,
    }
    None
}

/// Whether robots.txt allows the target of a redirect. A robots.txt that cannot be read counts as forbidding it.
pub async fn allows(engine: &Engine, url: &Url) -> Result<(), Skipped> {
    if engine.options.pace.ignore_robots {
        return Ok(());
    }
    loop {
        match judge(engine, url, false).await {
            Verdict::Fetch => return Ok(()),
            Verdict::Skip(reason) => return Err(reason),
            Verdict::Wait if !engine.frontier.is_stopped() => {}
            Verdict::Wait | Verdict::OutOfDescriptors => return Err(Skipped::RobotsUnreadable),
        }
    }
}

/// Whether robots.txt allows a URL. `claimed` says that a request to its host may begin at once.
async fn judge(engine: &Engine, url: &Url, claimed: bool) -> Verdict {
    let known = engine.robots.of(server(url));
    let mut known = known.lock().await;
    if known.rules.is_none() {
        match Box::pin(request(engine, url, claimed)).await {
            Ok(rules) => learn(engine, url, &mut known, rules),
            Err(Trouble::Http(error)) if error.is_out_of_descriptors() => return Verdict::OutOfDescriptors,
            Err(trouble) if known.failures < engine.options.pace.retries && may_pass(&trouble) => {
                engine.frontier.pause(url, now() + engine.backoff.before(known.failures));
                known.failures += 1;
                return Verdict::Wait;
            }
            Err(trouble) => {
                engine.progress.say(&format!(
                    "\"{}\": cannot read robots.txt: {trouble}; links to this host are skipped (--ignore-robots follows \
                     them)",
                    server(url)
                ));
                learn(engine, url, &mut known, Rules::Unreadable);
            }
        }
    }
    match &known.rules {
        Some(rules) if rules.allows(url) => Verdict::Fetch,
        Some(Rules::Unreadable) => Verdict::Skip(Skipped::RobotsUnreadable),
        _ => Verdict::Skip(Skipped::Robots),
    }
}

/// Notes the rules of a host, and lets its pages begin.
fn learn(engine: &Engine, url: &Url, known: &mut Known, rules: Rules) {
    let asked = rules.delay();
    if asked > LONGEST_DELAY {
        engine.progress.say(&format!(
            "\"{}\": robots.txt sets a delay of {asked:.0?} between requests; using {LONGEST_DELAY:.0?}",
            server(url)
        ));
    }
    let delay = asked.min(LONGEST_DELAY);
    if engine.ledger.is_shared() {
        engine.ledger.slow(url, Duration::ZERO, delay);
        engine.frontier.open(url, Duration::ZERO);
    } else {
        engine.frontier.open(url, delay);
    }
    sitemaps::follow(engine, url, rules.sitemaps());
    known.rules = Some(rules);
}

fn may_pass(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Http(error) => error.is_transient(),
        Trouble::Status(_) => true,
    }
}

/// Requests the robots.txt of a URL's host.
async fn request(engine: &Engine, url: &Url, claimed: bool) -> Result<Rules, Trouble> {
    let mut at = url.join("/robots.txt").expect("a URL with a host has paths");
    at.set_query(None);
    for redirects in 0..=REDIRECTS {
        if redirects > 0 || !claimed {
            engine.turn(&at).await;
        }
        let answer = timeout(LONGEST_WAIT, one(engine, &at)).await;
        let too_slow = Error::Timeout { what: "reading robots.txt", after: LONGEST_WAIT };
        match answer.unwrap_or(Err(too_slow.into())) {
            Ok(Answer::Rules(rules)) => return Ok(rules),
            Ok(Answer::Redirect(to)) if is_web(&to) => at = to,
            Ok(Answer::Redirect(_)) => return Ok(Rules::None),
            Err(trouble) => return Err(trouble),
        }
    }
    Ok(Rules::None) // RFC 9309: as if there were none
}

enum Answer {
    Rules(Rules),
    Redirect(Url),
}

async fn one(engine: &Engine, url: &Url) -> Result<Answer, Trouble> {
    let limits = Limits { body: u64::MAX, ..engine.limits.started() }; // `LIMIT` bounds what is read
    let mut connection = limits.within_total(engine.connections.get(url, &limits)).await?;
    loop {
        let used = connection.was_used();
        match read(engine, &mut connection, &limits, url).await {
            // As for pages: the server closed an idle connection just when it was reused.
            Err(Error::NoReply) if used => {
                connection = limits.within_total(engine.connections.connect(url, &limits)).await?
            }
            read => {
                let (status, location, body) = read?;
                engine.connections.put(url, connection);
                return match (status.as_u16(), location) {
                    (200..300, _) => Ok(Answer::Rules(Rules::parse(&body))),
                    (300..400, Some(to)) => Ok(Answer::Redirect(normalize(to))),
                    (429 | 500.., _) => Err(Trouble::Status(status)),
                    _ => Ok(Answer::Rules(Rules::None)), // 4xx: there is none, or access to it is denied
                };
            }
        }
    }
}

/// Returns the status, the target of a redirect, and the body as far as it is parsed.
async fn read(
    engine: &Engine,
    connection: &mut Connection,
    limits: &Limits,
    url: &Url,
) -> Result<(StatusCode, Option<Url>, Vec<u8>), Error> {
    let mut request = engine.requests.get(url, None);
    let capture = engine.archive.as_ref().map(|archive| archive.capture(url, &mut request));
    let mut response = connection.request(&request, limits).await?;
    let read = read_body(&mut response, url).await;
    if let Some(capture) = capture {
        let _ = response.discard(LIMIT as u64).await;
        archive(engine, capture, &mut response, "length").await;
    }
    read
}

async fn read_body(response: &mut Response<'_>, url: &Url) -> Result<(StatusCode, Option<Url>, Vec<u8>), Error> {
    let location = response.field(header::LOCATION).and_then(|location| url.join(location).ok());
    let mut body = Vec::new();
    if !response.status.is_success() {
        return Ok((response.status, location, body));
    }
    while let Some(piece) = response.piece().await? {
        body.extend(piece);
        if body.len() > LIMIT {
            break;
        }
    }
    Ok((response.status, location, body))
}
