//! Runs beside the workers: feeds leased pages into the local frontier, no more than it can begin soon, and renews
//! leases.

use super::error::SharedError;
use super::job::Leased;
use super::purpose;
use super::worker::SharedFrontier;
use crate::engine::frontier::Frontier;
use crate::engine::scope::Scope;
use executor::time::{Duration, sleep};
use futures_lite::FutureExt;
use futures_lite::future::pending;
use std::cell::RefCell;
use std::convert::Infallible;
use url::Url;

/// The bounds of the wait while no queue has a page for this worker. It doubles from the first to the last. The last is
/// also the longest time until a worker detects that the job is complete.
const IDLE: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(250)];
/// Number of leases to renew in one request.
const PIECE: usize = 1000;

/// Feeds leased pages into the frontier, and renews the leases. Ends only by failing.
///
/// # Cancel safety
/// Pages that Redis leased but whose reply did not arrive are returned by [`SharedFrontier::end`].
pub async fn run(shared: &SharedFrontier, frontier: &Frontier, scope: &RefCell<Scope>) -> SharedError {
    let failed = async { Err(shared.failed().await) };
    match feed(shared, frontier, scope).or(keep_leases(shared)).or(failed).await {
        Err(error) => error,
    }
}

/// Feeds the frontier until the job is complete or the crawl is stopped. Ends only by failing.
async fn feed(shared: &SharedFrontier, frontier: &Frontier, scope: &RefCell<Scope>) -> Result<Infallible, SharedError> {
    let mut idle = IDLE[0];
    while !frontier.is_stopped() {
        shared.changed.clear();
        shared.send_notes().await?;
        let room = shared.room(frontier);
        let mut wait = IDLE[1];
        if room > 0 {
            let leased = shared.job.lease(&shared.ask(room)).await?;
            extend_scope(shared, scope, &leased.scope);
            if leased.status == "complete" {
                frontier.end_feed();
                break;
            }
            let next = leased.wait.map(|wait| Duration::from_secs_f64(wait.max(0.0) / 1e3));
            if add(shared, frontier, leased) {
                idle = IDLE[0];
                continue;
            }
            wait = next.unwrap_or(idle).min(idle);
            idle = (idle * 2).min(IDLE[1]);
        }
        shared.changed.wait().or(sleep(wait)).await;
    }
    pending().await
}

/// Adds leased pages to the frontier. Returns whether there were any.
fn add(shared: &SharedFrontier, frontier: &Frontier, leased: Leased) -> bool {
    let mut any = false;
    for page in leased.pages {
        // The URL was valid when it was added.
        let Ok(url) = Url::parse(&page.url) else { continue };
        let referrer = Some(page.referrer.as_str()).filter(|referrer| !referrer.is_empty());
        let number = frontier.feed(purpose::read(&page.purpose), url, page.depth, referrer);
        shared.leases.add(number, page.url, page.token);
        any = true;
    }
    any
}

/// Adds the URLs that workers, including this one, have added to the scope.
fn extend_scope(shared: &SharedFrontier, scope: &RefCell<Scope>, urls: &[String]) {
    shared.known_scope.set(shared.known_scope.get() + urls.len());
    urls.iter().filter_map(|url| Url::parse(url).ok()).for_each(|url| scope.borrow_mut().add(&url));
}

/// Renews the leases periodically. Ends only by failing.
async fn keep_leases(shared: &SharedFrontier) -> Result<Infallible, SharedError> {
    loop {
        sleep(shared.lease / 4).await;
        for piece in shared.leases.all().chunks(PIECE) {
            for lost in shared.job.renew(piece).await? {
                shared.leases.remove_token(&lost);
            }
        }
    }
}
