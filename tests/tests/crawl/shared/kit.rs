//! Workers of one job, and the site that they crawl.

use std::collections::{BTreeMap, BTreeSet};
use tests::demo::{Place, Report, Running};
use tests::faults::{After, FaultServer, Visit};
use tests::redis::RedisServer;

/// A worker, with a folder of its own.
pub struct Worker {
    pub place: Place,
    pub running: Running,
}

impl Worker {
    /// Starts a worker of the job `test`. The server sees its name as the User-Agent.
    pub fn start(name: &str, redis: &RedisServer, args: &[&str]) -> Worker {
        let place = Place::new();
        let url = redis.url();
        let shared = ["--frontier", &*url, "--job", "test", "--user-agent", name];
        let running = place.start_crawl(&[&shared[..], args].concat());
        Worker { place, running }
    }

    /// Waits for its end, with this code. Returns its report, which is that of the whole job.
    #[track_caller]
    pub fn exits(self, code: i32) -> (Report, Place) {
        self.running.wait().exits(code);
        (self.place.report(), self.place)
    }
}

/// Page `number` of a site of `pages` pages, which links to two others, as in a heap, and to two that are already
/// known. So each page has one depth, in whatever order they are fetched.
pub fn page(visit: &mut Visit<'_>, pages: usize) -> After {
    let number: usize = visit.path.trim_start_matches('/').parse().unwrap_or(0);
    let links = [2 * number + 1, 2 * number + 2, number.saturating_sub(1) / 2, 0];
    let links: Vec<_> = links.iter().filter(|link| **link < pages).map(|link| format!("/{link}")).collect();
    visit.links(links)
}

/// The paths of all pages of such a site.
pub fn all(pages: usize) -> BTreeSet<String> {
    (0..pages).map(|number| format!("/{number}")).collect()
}

/// Checks that a report has these paths, each once and saved.
#[track_caller]
pub fn each_is_saved_once(report: &Report, paths: &BTreeSet<String>) {
    let urls = report.urls();
    assert_eq!(urls.iter().map(|url| (*url).to_owned()).collect::<BTreeSet<_>>(), *paths);
    assert_eq!(urls.len(), paths.len(), "a page twice: {urls:?}");
    report.0.iter().for_each(|line| _ = line.is_saved());
}

/// How often each path was requested.
pub fn hits(server: &FaultServer) -> BTreeMap<String, usize> {
    let mut hits = BTreeMap::new();
    for request in server.requests() {
        *hits.entry(request.path).or_default() += 1;
    }
    hits
}
