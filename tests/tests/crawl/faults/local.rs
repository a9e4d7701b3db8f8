//! What goes wrong on the downloader's own machine: descriptors, interrupts.

use super::GOOD;
use rustix::process::Signal;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tests::demo::Place;
use tests::eventually;
use tests::faults::{After, FaultServer, Gate};

#[track_caller]
fn few_descriptors_and_a_slow_server_at(host: &str) {
    let slow = Gate::default();
    let is_slow = slow.clone();
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links((0..80).map(|n| format!("/{n}"))),
        path => {
            let body = format!("the page {path}");
            visit.until_open(&is_slow);
            visit.page(body)
        }
    });
    let place = Place::new();
    let url = format!("http://{host}:{}/", server.port());
    let mut running = place.start_crawl_with_descriptors(24, &["-j", "64", "-x", "64", &url]);
    // The pages come only after the descriptors have run out.
    running.until_it_says("out of file descriptors: continuing");
    server.open(&slow);
    running.wait().exits(0);
    let (report, files) = (place.report(), place.files());
    assert_eq!((report.0.len(), files.len()), (81, 81), "{files:?}");
    for n in 0..80 {
        let path = place.path(&format!("download/{host}_{}/{n}@", server.port()));
        assert_eq!(fs::read_to_string(path).unwrap(), format!("the page /{n}"));
    }
    place.has_no_parts();
}

#[test]
fn with_few_descriptors_a_slow_server_is_crawled_whole() {
    few_descriptors_and_a_slow_server_at("127.0.0.1");
}

/// The resolver needs descriptors too, and its error does not say that there were none.
#[test]
fn with_few_descriptors_a_slow_server_that_has_a_name_is_crawled_whole() {
    few_descriptors_and_a_slow_server_at("localhost");
}

/// Both ends of each connection are in one process: one end must not take the descriptors that the other one needs.
#[test]
fn with_few_descriptors_the_built_in_site_is_crawled_whole() {
    for descriptors in [24, 32, 48] {
        let place = Place::new();
        // If one end waited for the other until a timeout, the page would fail, as there are no retries.
        let crawl = place.start_crawl_with_descriptors(descriptors, &["-j", "64", "-x", "64", "--retries", "0"]);
        crawl.wait().exits(0).says("enough file descriptors for");
        place.has_no_parts();
        assert_eq!((place.names().len(), place.report().0.len()), (166, 172), "{:?}", place.names());
    }
}

#[test]
fn with_too_few_descriptors_for_a_single_page_it_says_so_and_ends() {
    let server = FaultServer::start(|visit| visit.page(GOOD));
    // Some of these limits are too low to begin, some for a connection, some for a file.
    for descriptors in 8..=22 {
        let place = Place::new();
        let args = ["--header-timeout", "2s", "--retries", "0", &server.url("/")];
        let ran = place.start_crawl_with_descriptors(descriptors, &args).wait();
        match ran.status.code() {
            Some(0) => assert_eq!(place.files()["index.html"], GOOD.as_bytes()),
            Some(1) => drop(ran.says("open files")),
            _ => panic!("{descriptors} descriptors: {}; {}", ran.status, ran.stderr),
        }
    }
}

/// Crawls two servers with too few descriptors. When no descriptor is left, `/hop`, a start page of the
/// first server, redirects to the second. The 40 other pages of the first server redirect to a known page.
///
/// With `hop_at_the_end`, these 40 pages are done before that.
#[track_caller]
fn hop_without_a_descriptor(hop_at_the_end: bool, fields: &'static str) {
    let second = FaultServer::start(|visit| visit.page(GOOD));
    let (slow, hop, to) = (Gate::default(), Gate::default(), second.url("/second"));
    let (is_slow, is_hop) = (slow.clone(), hop.clone());
    let dropped = Arc::new(AtomicBool::new(false));
    let is_dropped = dropped.clone();
    let first = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links((0..40).map(|n| format!("/{n}"))),
        "/hop" => {
            visit.until_open(&is_hop);
            match (visit.redirect(&to), visit.attempt) {
                (_, 1) => {
                    let after = visit.stall();
                    is_dropped.store(true, Ordering::SeqCst);
                    after
                }
                (after, _) => after,
            }
        }
        _ => {
            visit.until_open(&is_slow);
            visit.answer("302 Found", &format!("Location: /\r\n{fields}"), "")
        }
    });
    let place = Place::new();
    let args = ["-v", "-j", "64", "-x", "64", &first.url("/"), &first.url("/hop")];
    let mut running = place.start_crawl_with_descriptors(24, &args);
    running.until_it_says("out of file descriptors: continuing");
    if hop_at_the_end {
        first.open(&slow);
        eventually("all others are done", || running.stderr().matches(" -> ").count() >= 40);
        first.open(&hop);
    } else {
        first.open(&hop);
        // The hop found no descriptor. Then idle connections are closed, and that of the redirect is idle.
        eventually("it has none for the hop", || dropped.load(Ordering::SeqCst));
        first.open(&slow);
    }
    running.wait().exits(0);
    place.report().of("/hop").is_saved();
    assert_eq!((place.report().0.len(), second.hits("/second")), (42, 1));
}

/// Idle connections to a server without pages left to fetch must not keep other servers from being
/// crawled.
#[test]
fn with_few_descriptors_idle_connections_to_one_server_make_room_for_another() {
    hop_without_a_descriptor(true, "");
}

/// A page that was queued again is fetched from the beginning, with its redirects.
#[test]
fn with_few_descriptors_the_target_of_a_redirect_is_not_lost() {
    hop_without_a_descriptor(false, "Connection: close\r\n");
}

/// A site of 20 pages, and the gate that each of them waits for after its first half.
fn two_of_twenty() -> (FaultServer, Gate) {
    let gate = Gate::default();
    let opened = gate.clone();
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links((0..20).map(|n| format!("/{n}"))),
        _ => {
            // The first half comes at once, and is on the disk.
            let half = "x".repeat(500_000);
            visit.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{half}"));
            if visit.until_open(&opened) {
                visit.send(half);
            }
            After::Next
        }
    });
    (server, gate)
}

#[test]
fn after_an_interrupt_pages_in_progress_finish_and_no_other_page_begins() {
    for signal in [Signal::INT, Signal::TERM] {
        let (server, gate) = two_of_twenty();
        let place = Place::new();
        let mut running = place.start_crawl(&[&server.url("/"), "-j", "2"]);
        server.until_requests(3);
        running.signal(signal);
        running.until_it_says("interrupted: finishing 2 pages in progress (at most 5s)");
        server.open(&gate);
        let ran = running.wait().exits(if signal == Signal::INT { 130 } else { 143 });
        ran.says("3 pages saved under download").says("18 pages known and not fetched");
        assert_eq!(server.requests().len(), 3);
        assert_eq!(place.report().urls(), ["/", "/0", "/1"]);
        place.report().0.iter().for_each(|line| assert!(line.is_saved().text("error").is_none()));
        assert_eq!(place.names(), ["0", "1", "index.html"]);
        assert_eq!(place.files()["0"].len(), 1_000_000);
        place.has_no_parts();
    }
}

#[test]
fn a_second_interrupt_ends_it_at_once_though_the_server_stalls() {
    for second in [Signal::INT, Signal::TERM] {
        let (server, _never_opened) = two_of_twenty();
        let place = Place::new();
        let mut running = place.start_crawl(&[&server.url("/"), "-j", "2"]);
        server.until_requests(3);
        eventually("what is kept in memory of both has gone to the disk", || {
            place.parts().into_values().filter(|size| *size >= 256 * 1024).count() == 2
        });
        running.signal(Signal::INT);
        running.until_it_says("interrupted");
        let before = std::time::Instant::now();
        running.signal(second);
        let ran = running.wait().exits(130);
        assert!(before.elapsed() < Duration::from_secs(5), "at once, not after {:?}", before.elapsed());
        ran.says("1 page saved under download").says("20 pages known and not fetched");
        assert_eq!(place.report().urls(), ["/"], "each line is whole");
        assert_eq!(place.names(), ["index.html"], "no half page, under no name");
        place.has_no_parts();
    }
}

#[test]
fn an_interrupt_also_ends_the_wait_for_another_try() {
    let server = FaultServer::start(|_| After::Close);
    let place = Place::new();
    let running = place.start_crawl(&[&server.url("/"), "--retries", "6"]);
    server.until_requests(2);
    running.signal(Signal::INT);
    running.wait().exits(130);
    // One request may have been on its way when the signal came.
    assert!(server.requests().len() <= 3, "{} requests", server.requests().len());
    assert_eq!(place.report().urls(), ["/"]);
}

/// Parts of the task dump of a crawl that reads from a server that stalls.
const IN_THE_TASK_DUMP: [&str; 5] = [
    "\" (suspended, ",
    "\n    demo::engine::workers::worker at demo/src/engine/workers.rs:",
    "demo::http::buffer::Buffer::fill at demo/src/http/buffer.rs:",
    "waits for: readable on the socket to 127.0.0.1:",
    "waits for: sleep for another ",
];

#[test]
fn on_a_signal_the_program_prints_a_task_dump_and_goes_on() {
    let server = FaultServer::start(|visit| visit.stall());
    for signal in [Signal::USR1, Signal::QUIT] {
        let place = Place::new();
        let before = server.requests().len();
        let mut running = place.start_crawl(&[&server.url("/")]);
        server.until_requests(before + 1);
        running.signal(signal);
        for text in IN_THE_TASK_DUMP {
            running.until_it_says(text);
        }
        running.until_it_says("\"progress\" (suspended");
        running.until_it_says("waits for: a page to fetch");
        running.signal(Signal::INT);
        running.until_it_says("interrupted");
        running.signal(Signal::INT);
        running.wait().exits(130);
    }
}

#[test]
fn an_interrupt_prints_a_task_dump_only_with_v() {
    let server = FaultServer::start(|visit| visit.stall());
    for verbose in [true, false] {
        let place = Place::new();
        let before = server.requests().len();
        let options: &[&str] = if verbose { &["-v"] } else { &[] };
        let mut running = place.start_crawl(&[options, &[&server.url("/")]].concat());
        server.until_requests(before + 1);
        running.signal(Signal::INT);
        running.until_it_says("interrupted: finishing 1 page in progress");
        running.signal(Signal::INT);
        let ran = running.wait().exits(130);
        for text in IN_THE_TASK_DUMP {
            assert_eq!(ran.stderr.contains(text), verbose, "{text}: {}", ran.stderr);
        }
    }
}
