//! Crawls that are killed or interrupted, at many moments, and continued.

use super::site::{Site, each_file_is_whole, is_whole};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tests::demo::Place;
use tests::faults::{FaultServer, Gate};

/// A page may be fetched again if it was answered within a second before the kill. On a busy machine, receiving and
/// saving it may take another second.
const LOST: Duration = Duration::from_secs(2);

#[test]
fn a_crawl_that_is_killed_at_many_moments_is_continued_and_no_page_is_lost() {
    let (place, site) = (Place::new(), Site::start());
    let args = ["--state", "state", "--delay", "15ms", &site.url()];
    let mut kept = BTreeMap::new();
    // The first moments are before the first page is saved, and before any of the crawl is in the file.
    for requests in [0, 1, 2, 20, 50, 110, 190, 260] {
        let mut running = place.start_crawl(&args);
        if !site.until_requests(&mut running, requests) {
            break; // the kills have cost so little that the crawl is complete
        }
        let at = Instant::now();
        running.signal(Signal::KILL);
        running.wait();
        each_file_is_whole(&place);
        let hits = site.hits();
        for (path, before) in &kept {
            assert_eq!(hits[path], *before, "{path} was done long before the last kill");
        }
        let old = site.answered_before(at, LOST);
        kept.extend(hits.into_iter().filter(|(path, _)| old.contains(path)));
    }
    assert!(kept.len() > 20, "{kept:?}");
    place.crawl(&args).exits(3);
    let hits = site.hits();
    assert!(kept.iter().all(|(path, before)| hits[path] == *before), "{kept:?} {hits:?}");
    is_whole(&place);
}

#[test]
fn a_crawl_that_is_killed_at_each_page_in_turn_is_continued() {
    let site = Site::start();
    for requests in (3..60).step_by(7) {
        let place = Place::new();
        let before = site.server.requests().len();
        let running = place.start_crawl(&["--state", "state", &site.url()]);
        site.server.until_requests(before + requests);
        running.signal(Signal::KILL);
        running.wait();
        each_file_is_whole(&place);
        place.crawl(&["--state", "state", &site.url()]).exits(3);
        is_whole(&place);
    }
}

#[test]
fn an_interrupted_crawl_is_continued_and_no_page_is_fetched_twice() {
    for signal in [Signal::INT, Signal::TERM] {
        let (place, site) = (Place::new(), Site::start());
        let code = if signal == Signal::INT { 130 } else { 143 };
        for requests in [1, 30, 31, 80, 120] {
            // Before its first request, a process may not have begun to handle signals.
            let requests = requests.max(site.server.requests().len() + 1);
            let mut running = place.start_crawl(&["--state", "state", "--delay", "5ms", &site.url()]);
            assert!(site.until_requests(&mut running, requests), "the crawl is complete");
            running.signal(signal);
            running.wait().exits(code).says("known and not fetched");
            each_file_is_whole(&place);
        }
        let ran = place.crawl(&["--state", "state"]).exits(3);
        ran.says("state: continuing the crawl:").says("are from earlier runs");
        let twice: Vec<_> = site.hits().into_iter().filter(|(_, hits)| *hits > 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
        is_whole(&place);
    }
}

#[test]
fn pages_that_a_second_interrupt_cancels_are_fetched_again() {
    let gate = Gate::default();
    let opened = gate.clone();
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(["/a", "/b", "/c"]),
        _ => {
            visit.until_open(&opened);
            visit.page("a page")
        }
    });
    let place = Place::new();
    let mut running = place.start_crawl(&["--state", "state", "-j", "2", &server.url("/")]);
    server.until_requests(3);
    running.signal(Signal::INT);
    running.until_it_says("interrupted");
    running.signal(Signal::INT);
    running.wait().exits(130);
    server.open(&gate);
    place.crawl(&["--state", "state"]).exits(0).says("4 pages saved under download");
    assert_eq!((server.hits("/"), server.hits("/a"), server.hits("/b"), server.hits("/c")), (1, 2, 2, 1));
    assert_eq!(place.report().urls(), ["/", "/a", "/b", "/c"]);
}

#[test]
fn pages_are_continued_in_the_order_in_which_they_became_known() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links((0..20).map(|n| format!("/{n}"))),
        _ => visit.page("a page"),
    });
    let place = Place::new();
    let running = place.start_crawl(&["--state", "state", "-j", "1", "--delay", "20ms", &server.url("/")]);
    server.until_requests(5);
    running.signal(Signal::INT);
    running.wait().exits(130);
    place.crawl(&["--state", "state", "-j", "1"]).exits(0);
    let paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    let expected: Vec<_> = std::iter::once("/".to_owned()).chain((0..20).map(|n| format!("/{n}"))).collect();
    assert_eq!(paths, expected);
}
