//! Politeness as servers see it: robots.txt, pauses, retries, the scope, and many URLs in little memory.
//!
//! Alone: `cargo test -p tests --test crawl pace`. One test needs `nginx`, and is skipped where it is not installed.
//! When each request is sent is tested on a simulated clock, in `tests/tests/simulate/pace.rs`.

use rustix::process::Signal;
use std::fs;
use std::time::Duration;
use tests::demo::{Place, free_port};
use tests::eventually;
use tests::faults::{After, FaultServer, Gate, Visit};
use tests::nginx::{Config, Nginx};

const PAGE: &str = "<p>a page";

/// A site with this robots.txt, whose first page links to `/open`, `/private/x` and `/private/y`.
fn private(robots: impl Fn(&mut Visit<'_>) -> After + Send + Sync + 'static) -> FaultServer {
    FaultServer::start_with_robots(move |visit| match visit.path.as_str() {
        "/robots.txt" => robots(visit),
        "/" => visit.links(["/private/x", "/open", "/private/y"]),
        _ => visit.page(PAGE),
    })
}

const FORBIDS: &str = "User-agent: *\nDisallow: /private/\n";
const ALL: [&str; 4] = ["index.html", "open", "private/x", "private/y"];

#[test]
fn links_that_robots_txt_forbids_are_not_followed_and_those_of_the_command_line_are() {
    let server = private(|visit| visit.answer("200 OK", "", FORBIDS));
    let place = Place::new();
    place.crawl(&[&server.url("/"), &server.url("/private/y")]).exits(0);
    assert_eq!(place.names(), ["index.html", "open", "private/y"]);
    assert_eq!((server.hits("/private/x"), server.hits("/robots.txt")), (0, 1));
    assert_eq!(place.report().urls(), ["/", "/open", "/private/y"], "neither robots.txt nor what it forbids");
}

#[test]
fn robots_txt_is_not_requested_if_it_is_ignored_or_no_link_is_followed() {
    for args in [&["--ignore-robots"][..], &["-l", "0"]] {
        let server = private(|visit| visit.answer("200 OK", "", FORBIDS));
        let place = Place::new();
        place.crawl(&[&[&*server.url("/")], args].concat()).exits(0);
        assert_eq!(server.hits("/robots.txt"), 0, "{args:?}");
        assert_eq!(place.names(), if args.len() == 1 { &ALL[..] } else { &ALL[..1] });
    }
}

#[test]
fn a_robots_txt_that_is_missing_or_denied_allows_all() {
    for status in ["404 Not Found", "403 Forbidden", "410 Gone", "401 Unauthorized"] {
        let server = private(move |visit| visit.answer(status, "", FORBIDS));
        let place = Place::new();
        place.crawl(&[&server.url("/")]).exits(0);
        assert_eq!(place.names(), ALL, "{status}");
        assert_eq!(place.report().0.len(), 4, "{status}");
    }
}

#[test]
fn a_robots_txt_that_cannot_be_read_forbids_all_and_is_named() {
    let troubles: [fn(&mut Visit<'_>) -> After; 4] = [
        |visit| visit.answer("500 Oops", "", ""),
        |visit| visit.answer("429 Too Many Requests", "", ""),
        |_| After::Close,
        |visit| {
            visit.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nUser-agent: *\n");
            After::Close
        },
    ];
    for trouble in troubles {
        let server = private(trouble);
        let place = Place::new();
        let ran = place.crawl(&[&server.url("/"), "--retries", "1"]).exits(0);
        ran.says("cannot read robots.txt").says("--ignore-robots");
        assert_eq!(place.names(), ["index.html"]);
        assert!((2..=3).contains(&server.hits("/robots.txt")), "{} requests", server.hits("/robots.txt"));
    }
}

#[test]
fn redirects_of_robots_txt_are_followed_five_times() {
    for (hops, forbids) in [(1, true), (5, true), (6, false)] {
        let server = FaultServer::start_with_robots(move |visit| match visit.path.as_str() {
            "/" => visit.links(["/private/x", "/open", "/private/y"]),
            "/robots.txt" => visit.redirect("/robots/1"),
            path => match path.strip_prefix("/robots/").map(|hop| hop.parse::<usize>().unwrap()) {
                Some(hop) if hop == hops => visit.answer("200 OK", "", FORBIDS),
                Some(hop) => visit.redirect(&format!("/robots/{}", hop + 1)),
                None => visit.page(PAGE),
            },
        });
        let place = Place::new();
        place.crawl(&[&server.url("/")]).exits(0);
        assert_eq!(place.names().len(), if forbids { 2 } else { 4 }, "{hops} redirects");
    }
}

#[test]
fn a_redirect_to_a_page_that_robots_txt_forbids_is_not_followed() {
    let server = FaultServer::start_with_robots(|visit| match visit.path.as_str() {
        "/robots.txt" => visit.answer("200 OK", "", FORBIDS),
        "/" => visit.links(["/hop"]),
        "/hop" => visit.redirect("/private/x"),
        _ => visit.page(PAGE),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/")]).exits(0);
    assert_eq!((place.names(), server.hits("/private/x")), (vec!["index.html".to_owned()], 0));
}

#[test]
fn other_hosts_go_on_while_one_host_delays_its_robots_txt() {
    let gate = Gate::default();
    let waits = gate.clone();
    let slow = FaultServer::start_with_robots(move |visit| match visit.path.as_str() {
        "/robots.txt" => {
            visit.until_open(&waits);
            visit.answer("200 OK", "", FORBIDS)
        }
        _ => visit.page(PAGE),
    });
    let there: Vec<_> = (0..100).map(|page| slow.url(&format!("/{page}"))).chain([slow.url("/private/x")]).collect();
    let fast = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(there.iter().cloned().chain((0..100).map(|page| format!("/{page}")))),
        _ => visit.page(PAGE),
    });
    let place = Place::new();
    let running = place.start_crawl(&[&fast.url("/"), "--span-hosts", "-j", "3"]);
    fast.until_requests(101);
    assert_eq!(slow.requests().len(), 1, "only robots.txt is asked for");
    slow.open(&gate);
    running.wait().exits(0);
    assert_eq!((slow.requests().len(), slow.hits("/private/x")), (101, 0));
}

#[test]
fn the_retry_after_of_a_busy_server_is_obeyed_and_printed() {
    let date = "Date: Sun, 06 Nov 1994 08:49:36 GMT\r\n";
    for wait in ["Retry-After: 1\r\n".to_owned(), format!("{date}Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n")] {
        let server = FaultServer::start(move |visit| match visit.attempt {
            1 => visit.answer("503 Busy", &wait, ""),
            _ => visit.page(PAGE),
        });
        let place = Place::new();
        let ran = place.crawl(&[&server.url("/")]).exits(0).says("503").says("pausing for 1s");
        assert!(ran.took >= Duration::from_secs(1), "it took {:?}", ran.took);
        place.report().of("/").is_saved().attempts(2);
    }
}

#[test]
fn an_interrupt_ends_a_pause_and_reports_what_waited() {
    let server = FaultServer::start(|visit| visit.answer("503 Busy", "Retry-After: 3600\r\n", ""));
    let place = Place::new();
    let mut running = place.start_crawl(&[&server.url("/")]);
    running.until_it_says("the host requests a pause of 3600s; pausing for 300s");
    running.signal(Signal::INT);
    running.wait().exits(130);
    place.report().of("/").failed(Some(503), "the server answered 503").attempts(1);
}

#[test]
fn a_refused_connection_is_tried_again_only_if_asked_for() {
    let url = format!("http://127.0.0.1:{}/", free_port());
    for (args, attempts_take) in [(&["--retries", "9"][..], false), (&["--retries", "9", "--retry-connrefused"], true)]
    {
        let place = Place::new();
        let running = place.start_crawl(&[&[&*url], args].concat());
        if attempts_take {
            // Nine retries take minutes: it is interrupted while it waits.
            running.signal(Signal::TERM);
        }
        let ran = running.wait();
        assert_ne!(ran.status.code(), Some(0));
        assert!(attempts_take || ran.took < Duration::from_secs(10), "it took {:?}", ran.took);
    }
}

#[test]
fn options_choose_what_is_followed_and_kept() {
    let other = FaultServer::start(|visit| visit.page(PAGE));
    let there = other.url("/there");
    let script = move |visit: &mut Visit<'_>| match visit.path.as_str() {
        "/" => visit.links(["/a.html", "/b.html?x", "/c.png", &there]),
        "/c.png" => visit.answer("200 OK", "Content-Type: image/png\r\n", "png"),
        _ => visit.page(PAGE),
    };
    let server = FaultServer::start(script);
    for (args, paths) in [
        (&[][..], &["/", "/a.html", "/b.html?x", "/c.png"][..]),
        (&["--span-hosts"], &["/", "/a.html", "/b.html?x", "/c.png", "/there"]),
        (&["--include", r"\.html$"], &["/", "/a.html"]),
        (&["--exclude", r"\?", "--exclude", "png$"], &["/", "/a.html"]),
        (&["-l", "0"], &["/"]),
        (&["-l", "inf", "--max-pages", "1", "--max-size", "0"], &["/"]),
    ] {
        let place = Place::new();
        place.crawl(&[&[&*server.url("/")], args].concat()).exits(0);
        assert_eq!(place.report().urls(), paths, "{args:?}");
    }
    let place = Place::new();
    place.crawl(&[&server.url("/"), "--accept-type", "text/*"]).exits(0);
    assert!(place.names().iter().all(|name| !name.contains("png")), "{:?}", place.names());
    let place = Place::new();
    place.crawl(&[&server.url("/"), "--include", "("]).exits(2).says("--include");
}

/// nginx with 175 pages, which accepts 20 requests a second.
fn limited(place: &Place, limit: &str) -> Option<Nginx> {
    let root = place.path("site");
    fs::create_dir_all(&root).unwrap();
    let links: String = (1..175).map(|page| format!("<a href={page}.html>x</a>\n")).collect();
    fs::write(root.join("index.html"), links).unwrap();
    (1..175).for_each(|page| fs::write(root.join(format!("{page}.html")), PAGE).unwrap());
    let server = format!(
        "{limit} error_page 503 @busy;
        location @busy {{ add_header Retry-After 1 always; return 503; }}"
    );
    let http = "limit_req_zone $server_name zone=all:1m rate=20r/s;";
    Nginx::start(place, &root, Config { http, server: &server, ..Config::default() })
}

#[test]
fn every_page_of_a_server_with_a_limit_on_requests_arrives() {
    for limit in ["limit_req zone=all burst=10;", "limit_req zone=all burst=10 nodelay;"] {
        let place = Place::new();
        let Some(nginx) = limited(&place, limit) else { return };
        let ran = place.crawl(&[&nginx.url("/")]).exits(0);
        let (files, report) = (place.names().len(), place.report());
        let requests: u64 = report.0.iter().filter_map(|line| line.number("attempts")).sum();
        println!("{limit}: {files} pages by {requests} requests in {:.1?}", ran.took);
        assert_eq!((files, report.0.len()), (175, 175), "{limit}");
        // The crawl slows down, so that few requests are refused.
        assert!(requests < 250, "{limit}: {requests} requests");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_hundred_and_twenty_thousand_urls_take_little_memory() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links((0..120_000).map(|page| format!("/a/directory/and/a/page-{page}.html"))),
        _ => visit.stall(),
    });
    let place = Place::new();
    let running = place.start_crawl(&[&server.url("/")]);
    let report = place.path("report.jsonl");
    // The line of the page comes after its links were added.
    eventually("the first page is done", || fs::read_to_string(&report).is_ok_and(|report| report.ends_with('\n')));
    let status = fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
    let [resident, peak] = ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel counts it");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    });
    println!("{resident} MiB with 120,000 URLs queued, {peak} MiB at most");
    assert!(resident < 100, "{resident} MiB");
    running.signal(Signal::INT);
    running.signal(Signal::INT);
}
