//! A site of pages with links, redirects and pages that are missing, which records the times of its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tests::demo::{Place, Running};
use tests::faults::{FaultServer, Visit};

/// Pages with links.
pub const PAGES: usize = 127;

/// Each page links to two others, to a page that redirects, and to one that is missing. The target of a redirect has a
/// link of its own.
fn page(number: usize) -> String {
    let children = [2 * number + 1, 2 * number + 2].into_iter().filter(|child| *child < PAGES);
    let mut links: Vec<String> = children.map(|child| format!("/p/{child}")).collect();
    links.extend((number % 10 == 3).then(|| format!("/moved/{number}")));
    links.extend((number % 20 == 5).then(|| format!("/missing/{number}")));
    let links: String = links.iter().map(|link| format!("<a href={link}>x</a>\n")).collect();
    format!("<p>{number}\n{links}{}", "text ".repeat(2000))
}

/// What the site answers for a path, if it is a page.
pub fn body(path: &str) -> Option<String> {
    if let Some(number) = path.strip_prefix("/p/") {
        return Some(page(number.parse().ok()?));
    }
    if let Some(number) = path.strip_prefix("/landing/") {
        return Some(format!("<p>landing {number} <a href=/leaf/{number}>x</a>"));
    }
    path.starts_with("/leaf/").then(|| format!("<p>leaf {path}"))
}

/// The site.
pub struct Site {
    pub server: FaultServer,
    answered: Arc<Mutex<BTreeMap<String, Instant>>>,
}

impl Site {
    pub fn start() -> Site {
        let answered = Arc::<Mutex<BTreeMap<String, Instant>>>::default();
        let noted = answered.clone();
        let server = FaultServer::start(move |visit: &mut Visit<'_>| {
            let path = visit.path.clone();
            let after = match (body(&path), path.strip_prefix("/moved/")) {
                (Some(body), _) => visit.page(body),
                (None, Some(number)) => visit.redirect(&format!("/landing/{number}")),
                (None, None) => visit.answer("404 Not Found", "", "no such page"),
            };
            noted.lock().unwrap().entry(path).or_insert_with(Instant::now);
            after
        });
        Site { server, answered }
    }

    /// Waits until the site has received `requests` requests in all. Returns `false` if the crawl ends before.
    #[track_caller]
    pub fn until_requests(&self, crawl: &mut Running, requests: usize) -> bool {
        let has_come = || self.server.requests().len() >= requests;
        tests::eventually("the requests, or the end of the crawl", || has_come() || crawl.is_over());
        has_come()
    }

    pub fn url(&self) -> String {
        self.server.url("/p/0")
    }

    /// The paths that were answered at least `time` before `at`.
    pub fn answered_before(&self, at: Instant, time: Duration) -> BTreeSet<String> {
        let answered = self.answered.lock().unwrap();
        let is_before = |then: &Instant| at.duration_since(*then) >= time;
        answered.iter().filter(|(_, then)| is_before(then)).map(|(path, _)| path.clone()).collect()
    }

    /// How often each path was requested.
    pub fn hits(&self) -> BTreeMap<String, usize> {
        let mut hits = BTreeMap::new();
        for request in self.server.requests() {
            *hits.entry(request.path).or_default() += 1;
        }
        hits
    }
}

/// Checks that the crawl saved the whole site, and that the report has each page once.
#[track_caller]
pub fn is_whole(place: &Place) {
    let with = |path: &'static str, step: usize, offset: usize| {
        (0..PAGES).filter(move |page| page % step == offset).map(move |page| format!("{path}{page}"))
    };
    let urls =
        with("/p/", 1, 0).chain(with("/moved/", 10, 3)).chain(with("/leaf/", 10, 3)).chain(with("/missing/", 20, 5));
    let report = place.report();
    are_the_same(report.urls().into_iter().map(str::to_owned).collect(), urls.collect());
    let names = with("p/", 1, 0).chain(with("landing/", 10, 3)).chain(with("leaf/", 10, 3));
    are_the_same(place.names(), names.collect());
    each_file_is_whole(place);
    place.has_no_parts();
}

#[track_caller]
fn are_the_same(mut actual: Vec<String>, mut expected: Vec<String>) {
    actual.sort_unstable();
    expected.sort_unstable();
    let missing: Vec<_> = expected.iter().filter(|name| !actual.contains(name)).collect();
    let unexpected: Vec<_> = actual.iter().filter(|name| !expected.contains(name)).collect();
    assert!(actual == expected, "missing: {missing:?}; unexpected: {unexpected:?}; {} names", actual.len());
}

/// Checks that no file with the final name of a page has only a part of its content.
#[track_caller]
pub fn each_file_is_whole(place: &Place) {
    if !place.path("download").exists() {
        return; // it was killed before it created the directory
    }
    for (name, content) in place.files() {
        if !name.starts_with(".parts") {
            let expected = body(&format!("/{name}")).unwrap_or_else(|| panic!("{name} is no page"));
            assert!(content == expected.as_bytes(), "{name} has {} bytes", content.len());
        }
    }
}
