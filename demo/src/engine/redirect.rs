//! Follows the redirects of a page.

use super::error::PageError;
use super::exchange::{Step, attempt};
use super::frontier::{Job, Purpose};
use super::links::Found;
use super::output::Record;
use super::robots;
use super::shared::Engine;
use super::skipped::Skipped;
use super::urls::is_web;
use url::Url;

/// Fetches a page and the pages that it redirects to. `visited` holds the URLs that were requested: the first is that
/// of the page, and a retry begins at the last. Returns the links of the last page.
///
/// A URL may redirect to itself and set a cookie, and answer with a page when it is requested with the cookie. So
/// redirects form a cycle only if a request would be repeated with the same cookies. Two pages may redirect to each
/// other because both were requested before the cookie was set. The first one stops, because its target was seen; the
/// second one must continue, or neither page would be fetched.
pub async fn follow(
    engine: &Engine,
    job: &Job,
    visited: &mut Vec<Url>,
    record: &mut Record,
) -> Result<Found, PageError> {
    let follow_anywhere = !engine.plan.follow_links || engine.is_probe(&job.url, job.depth);
    let mut url = visited[visited.len() - 1].clone(); // an earlier attempt may have failed there
    let mut requested = Vec::new();
    loop {
        requested.push((url.clone(), engine.requests.cookies(&url)));
        let to = match attempt(engine, &url, record).await? {
            Step::Saved(found) => return Ok(found),
            Step::Nowhere => return Ok(Found::default()),
            Step::Redirect(to) => to,
        };
        record.final_url = Some(to.to_string());
        let (from, cookies) = requested[requested.len() - 1].clone();
        engine.redirects.note(from, cookies, to.clone());
        let most = engine.options.max_redirects;
        let cookies = engine.requests.cookies(&to);
        let leads_back = || engine.redirects.lead(&to, &url, most, |url| engine.requests.cookies(url));
        if requested.contains(&(to.clone(), cookies)) || leads_back() {
            return Err(PageError::Cycle(to));
        }
        if !is_web(&to) {
            return Err(PageError::Scheme(to));
        }
        if requested.len() > most as usize {
            return Err(PageError::TooManyRedirects(most));
        }
        let is_known = visited.contains(&to) || engine.redirects.led(&to, &url, most);
        if !is_known && !follow_anywhere && !admits(engine, job, &to).await {
            return Ok(Found::default());
        }
        visited.push(to.clone());
        engine.turn(&to).await;
        url = to;
    }
}

/// Whether the target of a redirect is fetched as this page. Counts it if it is out of scope.
async fn admits(engine: &Engine, job: &Job, to: &Url) -> bool {
    let contains = |url| engine.scope.borrow().contains(url);
    let is_outside = !contains(to);
    // The target of a requisite's redirect belongs to the same page. Outside the scope, only requisites are admitted.
    let is_wanted = engine.scope.borrow().has_requisites() && job.purpose == Purpose::Requisite;
    let is_requisite = is_wanted || (!job.is_given() && !contains(&job.url));
    let is_checked = is_outside && engine.plan.probe_external;
    if is_outside && job.is_given() {
        engine.extend_scope(to); // as http://example.org/ to http://www.example.org/
    } else if is_outside && !is_requisite && !is_checked {
        engine.skip_link(Skipped::OtherHost, to.as_str());
        return false;
    }
    // A page that was seen is reported by itself or with another page. `check` requests it again, because this link is
    // broken if that page is.
    if !engine.ledger.see(&engine.frontier, job, to).await && engine.plan.references.is_none() {
        return false;
    }
    match if job.is_given() { Ok(()) } else { robots::allows(engine, to).await } {
        Ok(()) => true,
        Err(Skipped::RobotsUnreadable) if is_checked => true, // a link to a host that is gone is a broken link
        Err(reason) => {
            if reason == Skipped::RobotsUnreadable {
                // A later run requests it again.
                let Job { purpose, depth, url, .. } = job;
                engine.ledger.link(&engine.frontier, Some(job), *purpose, to.clone(), *depth, url.as_str());
            }
            engine.skip_link(reason, to.as_str());
            false
        }
    }
}
