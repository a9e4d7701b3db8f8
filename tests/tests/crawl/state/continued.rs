//! What a later run takes from the file: results, skipped links, the scope, failures that can pass.

use rustix::process::Signal;
use tests::demo::Place;
use tests::faults::{After, FaultServer, Gate};

#[test]
fn a_complete_crawl_fetches_nothing_and_ends_as_it_did() {
    for (missing, code) in [("/b", 0), ("/missing", 3)] {
        let server = FaultServer::start(move |visit| match visit.path.as_str() {
            "/" => visit.links(["/a", missing, "http://elsewhere.example/", "mailto:x@example.org"]),
            "/missing" => visit.answer("404 Not Found", "", ""),
            _ => visit.page("a page"),
        });
        let place = Place::new();
        let url = server.url("/");
        let first = place.crawl(&["--state", "state", &url]).exits(code);
        let report = place.report();
        for args in [&["--state", "state"][..], &["--state", "state", &url]] {
            let ran =
                place.crawl(args).exits(code).says("state: this crawl is complete (3 pages done): nothing to fetch");
            let ran = ran.says("of these, 3 URLs and ").says("1 lead to other hosts, 1 have the scheme `mailto:`");
            assert_eq!(ran.stderr.contains("[404]"), first.stderr.contains("[404]"));
            assert_eq!((place.report().urls(), server.requests().len()), (report.urls(), 3));
        }
        let ran = place.crawl(&["--state", "state", "--format", "json"]).exits(code);
        assert!(ran.stdout.contains(r#""done":3,"earlier":3,"#), "{}", ran.stdout);
    }
}

#[test]
fn a_page_that_failed_in_a_way_that_can_pass_is_tried_again_and_others_are_not() {
    let server = FaultServer::start(|visit| match (visit.path.as_str(), visit.attempt) {
        ("/", _) => visit.links(["/later", "/closed", "/hop", "/gone"]),
        ("/later", 1) => visit.answer("503 Service Unavailable", "", ""),
        ("/closed", 1) => After::Close,
        ("/target", 1) => visit.answer("500 Internal Server Error", "", ""),
        ("/hop", _) => visit.redirect("/target"),
        ("/gone", _) => visit.answer("404 Not Found", "", ""),
        _ => visit.page("<a href=/deeper>x</a>"),
    });
    let place = Place::new();
    place.crawl(&["--state", "state", "--retries", "0", &server.url("/")]).exits(3).says("4 pages failed");
    let ran = place.crawl(&["--state", "state", "--retries", "0"]).exits(3);
    let ran = ran.says("2 pages done, 0 queued, 3 failed and tried again").says("1 page failed");
    assert!(!ran.stderr.contains("complete"), "{}", ran.stderr);
    for path in ["/later", "/closed", "/hop", "/target"] {
        assert_eq!(server.hits(path), 2, "{path}");
    }
    for path in ["/", "/gone", "/deeper"] {
        assert_eq!(server.hits(path), 1, "{path}");
    }
    let report = place.report();
    assert_eq!(report.urls(), ["/", "/closed", "/deeper", "/gone", "/hop", "/later"]);
    report.of("/hop").is_saved();
    place.crawl(&["--state", "state"]).exits(3).says("this crawl is complete");
}

#[test]
fn the_target_of_a_redirect_whose_robots_txt_cannot_be_read_is_asked_for_again() {
    let other = FaultServer::start_with_robots(|visit| match (visit.path.as_str(), visit.attempt) {
        ("/robots.txt", 1) => visit.answer("503 Service Unavailable", "", ""),
        ("/robots.txt", _) => visit.answer("404 Not Found", "", ""),
        _ => visit.page("a page"),
    });
    let target = other.url("/target");
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(["/hop"]),
        _ => visit.redirect(&target),
    });
    let place = Place::new();
    let args = ["--state", "state", "--span-hosts", "--retries", "0", &server.url("/")];
    place.crawl(&args).exits(0).says("robots.txt");
    assert_eq!(other.hits("/target"), 0);
    place.crawl(&args).exits(0).says("1 queued");
    assert_eq!((other.hits("/target"), server.hits("/hop")), (1, 1));
}

#[test]
fn a_page_that_waits_for_another_attempt_at_an_interrupt_is_tried_again() {
    let server = FaultServer::start(|visit| match (visit.path.as_str(), visit.attempt) {
        ("/busy", 1) => visit.answer("503 Service Unavailable", "Retry-After: 100\r\n", ""),
        ("/", _) => visit.links(["/busy"]),
        _ => visit.page("a page"),
    });
    let place = Place::new();
    let mut running = place.start_crawl(&["--state", "state", &server.url("/")]);
    running.until_it_says("pausing for 100s");
    running.signal(Signal::INT);
    running.wait().exits(130);
    assert_eq!(place.report().urls(), ["/", "/busy"], "the failure is reported");
    place.crawl(&["--state", "state"]).exits(0);
    assert_eq!((server.hits("/"), server.hits("/busy")), (1, 2));
    place.report().of("/busy").is_saved();
}

/// Without a cookie, the two pages redirect to each other in a loop, whichever run finds it.
#[test]
fn first_pages_that_lead_to_each_other_are_a_loop_even_if_one_was_done_before() {
    let gate = Gate::default();
    let opened = gate.clone();
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/a" => {
            visit.until_open(&opened);
            visit.redirect("/b")
        }
        _ => visit.redirect("/a"),
    });
    let place = Place::new();
    let mut running = place.start_crawl(&["--state", "state", "-j", "1", &server.url("/a"), &server.url("/b")]);
    server.until_requests(1);
    running.signal(Signal::INT);
    running.until_it_says("interrupted");
    server.open(&gate);
    running.wait().exits(130);
    place.crawl(&["--state", "state"]).exits(3).says("a redirect loop");
    assert_eq!(place.report().urls(), ["/a", "/b"]);
}

/// The first page redirects to another server, which becomes part of the crawl.
#[test]
fn the_scope_that_a_redirect_extended_is_kept() {
    let gate = Gate::default();
    let opened = gate.clone();
    let second = FaultServer::start(move |visit| match visit.path.as_str() {
        "/home" => visit.links(["/slow"]),
        "/slow" => {
            visit.until_open(&opened);
            visit.links(["/after"])
        }
        _ => visit.page("a page"),
    });
    let home = second.url("/home");
    let first = FaultServer::start(move |visit| visit.redirect(&home));
    let place = Place::new();
    let mut running = place.start_crawl(&["--state", "state", &first.url("/")]);
    second.until_requests(2);
    running.signal(Signal::INT);
    running.until_it_says("interrupted");
    running.signal(Signal::INT);
    running.wait().exits(130);
    second.open(&gate);
    place.crawl(&["--state", "state"]).exits(0).says("3 pages saved");
    assert_eq!((first.hits("/"), second.hits("/home"), second.hits("/after")), (1, 1, 1));
}

#[test]
fn pages_that_robots_txt_forbids_stay_forbidden_and_counted_once() {
    let gate = Gate::default();
    let opened = gate.clone();
    let server = FaultServer::start_with_robots(move |visit| match visit.path.as_str() {
        "/robots.txt" => visit.answer("200 OK", "", "User-agent: *\nDisallow: /private/\n"),
        "/" => visit.links(["/private/x", "/private/y", "/a"]),
        "/a" => {
            visit.until_open(&opened);
            visit.links(["/private/x", "/b"])
        }
        _ => visit.page("a page"),
    });
    let place = Place::new();
    let args = ["--state", "state", &server.url("/")];
    let mut running = place.start_crawl(&args);
    tests::eventually("/a was requested", || server.hits("/a") == 1);
    running.signal(Signal::INT);
    running.until_it_says("interrupted: finishing");
    server.open(&gate);
    running.wait().exits(130);
    place.crawl(&args).exits(0).says("3 pages saved").says("2 are forbidden by robots.txt");
    place.crawl(&args).exits(0).says("this crawl is complete").says("2 are forbidden by robots.txt");
    assert_eq!((server.hits("/private/x"), server.hits("/a"), server.hits("/b")), (0, 1, 1));
}

#[test]
fn a_robots_txt_that_could_not_be_read_is_asked_for_again() {
    let server = FaultServer::start_with_robots(|visit| match (visit.path.as_str(), visit.attempt) {
        ("/robots.txt", 1) => visit.answer("500 Internal Server Error", "", ""),
        ("/robots.txt", _) => visit.answer("404 Not Found", "", ""),
        ("/", _) => visit.links(["/a"]),
        _ => visit.page("a page"),
    });
    let place = Place::new();
    let args = ["--state", "state", "--retries", "0", &server.url("/")];
    place.crawl(&args).exits(0).says("1 are on hosts whose robots.txt cannot be read");
    let ran = place.crawl(&args).exits(0).says("2 pages saved");
    assert!(!ran.stderr.contains("robots.txt cannot be read"), "{}", ran.stderr);
}

#[test]
fn the_limit_on_pages_counts_those_of_earlier_runs() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links((0..9).map(|n| format!("/{n}"))),
        _ => visit.page("a page"),
    });
    let place = Place::new();
    let url = server.url("/");
    for (limit, requests) in [("3", 3), ("3", 3), ("5", 5)] {
        let ran = place.crawl(&["--state", "state", "--max-pages", limit, &url]).exits(0);
        ran.says(&format!("{} pages known and not fetched", 10 - requests));
        assert_eq!(server.requests().len(), requests);
    }
    place.crawl(&["--state", "state"]).exits(0).says("10 pages saved");
    assert_eq!(server.requests().len(), 10);
}

#[test]
fn without_urls_the_options_of_the_file_apply() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links(["/a", "/b?q"]),
        _ => visit.links(["/too-deep"]),
    });
    let place = Place::new();
    let options = ["--state", "state", "-l", "1", "--exclude", r"\?", "-P", "mirror"];
    place.crawl(&[&options[..], &["--max-pages", "1", &server.url("/")]].concat()).exits(0);
    place.crawl(&["--state", "state"]).exits(0).says("2 pages saved under mirror");
    assert_eq!(server.requests().len(), 2);
    assert!(!place.path("download").exists());
    place.crawl(&[&options[..], &[&server.url("/")]].concat()).exits(0).says("this crawl is complete");
}
