//! What several parts of the downloader do together: redirects with scope, cookies and retries; time limits with resuming;
//! conditional requests with checksums and links.

use std::fs;
use tests::demo::{Place, free_port};
use tests::faults::FaultServer;

const TAG: &str = "ETag: \"one\"\r\nContent-Type: application/octet-stream\r\n";

#[test]
fn a_first_page_may_be_redirected_to_a_page_that_the_patterns_exclude() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/start" => visit.redirect("/docs"),
        _ => visit.page("the docs"),
    });
    let place = Place::new();
    place.crawl(&["--include", "/start", &server.url("/start")]).exits(0).says("1 page saved");
}

#[test]
fn a_retry_begins_at_the_page_that_failed_and_not_at_the_one_that_set_a_cookie() {
    let server = FaultServer::start(|visit| match (visit.path.as_str(), visit.header("cookie").is_some()) {
        ("/a", false) => visit.redirect("/set?token=1"),
        ("/a", true) if visit.attempt == 2 => visit.answer("500 Internal Server Error", "", ""),
        ("/a", true) => visit.page("with a cookie"),
        _ if visit.attempt == 1 => visit.answer("302 Found", "Set-Cookie: seen=1; Path=/\r\nLocation: /a\r\n", ""),
        _ => visit.answer("403 Forbidden", "", "the token is used up"),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/a")]).exits(0);
    assert_eq!((server.hits("/a"), server.hits("/set?token=1")), (3, 1));
}

#[test]
fn a_check_requests_what_redirects_lead_to() {
    let other = FaultServer::start(|visit| visit.answer("404 Not Found", "", ""));
    let gone = other.url("/gone");
    let site = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(["/away", "/r1", "/r2", "/nowhere"]),
        "/away" => visit.redirect(&gone),
        "/r1" | "/r2" => visit.redirect("/missing"),
        "/nowhere" => visit.answer("302 Found", "", ""),
        _ => visit.answer("404 Not Found", "", ""),
    });
    let ran = Place::new().run(&["check", &site.url("/")]).exits(3).says("4 broken links:");
    for path in ["/away", "/r1", "/r2"] {
        assert!(ran.stderr.contains(&format!("[404] {}", site.url(path))), "{path}: {}", ran.stderr);
    }
    ran.says(&format!("[302] {}", site.url("/nowhere")));
}

#[test]
fn a_download_that_takes_too_long_is_resumed() {
    let server = FaultServer::start(|visit| match visit.header("range") {
        Some(range) => {
            assert_eq!(range, "bytes=100000-");
            let head = "Content-Range: bytes 100000-199999/200000\r\n";
            visit.answer("206 Partial Content", &format!("{TAG}{head}"), "b".repeat(100_000))
        }
        None => {
            visit.send(format!("HTTP/1.1 200 OK\r\n{TAG}Content-Length: 200000\r\n\r\n{}", "a".repeat(100_000)));
            visit.stall()
        }
    });
    let (place, url) = (Place::new(), server.url("/file"));
    place.run(&["download", "-c", "--max-time", "1s", &url]).exits(3).says("resume");
    place.run(&["download", "-c", &url]).exits(0);
    assert_eq!(fs::read_to_string(place.path("file")).unwrap(), "a".repeat(100_000) + &"b".repeat(100_000));
}

#[test]
fn a_file_that_has_a_checksum_is_requested_whole_though_it_has_not_changed() {
    let server = FaultServer::start(|visit| match visit.header("if-modified-since") {
        Some(_) => visit.answer("304 Not Modified", "", ""),
        None => visit.answer("200 OK", "", "good"),
    });
    let (place, url) = (Place::new(), server.url("/file"));
    fs::write(place.path("file"), "evil").unwrap();
    let sum = "sha256:770e607624d689265ca6c44884d0807d9b054d23c473c106c72be9de08b7376c";
    place.run(&["download", "-N", "--checksum", sum, &url]).exits(0);
    assert_eq!(fs::read_to_string(place.path("file")).unwrap(), "good");
}

#[test]
fn the_links_of_a_page_that_has_not_changed_are_followed_whatever_it_begins_with() {
    let server = FaultServer::start(|visit| match (visit.path.as_str(), visit.header("if-modified-since")) {
        ("/", Some(_)) => visit.answer("304 Not Modified", "", ""),
        ("/", None) => visit.answer("200 OK", "Content-Type: text/html\r\n", "<meta charset=utf-8><a href=/next>"),
        _ => visit.page("next"),
    });
    let place = Place::new();
    for requests in 1..=2 {
        place.crawl(&["-N", &server.url("/")]).exits(0);
        assert_eq!(server.hits("/next"), requests);
    }
}

#[test]
fn robots_txt_is_exempt_from_the_size_limit_and_bound_by_the_time_limit() {
    let server = FaultServer::start_with_robots(|visit| match visit.path.as_str() {
        "/robots.txt" => visit.answer("404 Not Found", "", "x".repeat(40_000)),
        "/" => visit.links(["/next"]),
        _ => visit.page("next"),
    });
    Place::new().crawl(&["--max-size", "20k", &server.url("/")]).exits(0).says("2 pages saved");
    let slow = FaultServer::start_with_robots(|visit| match visit.path.as_str() {
        "/robots.txt" => visit.stall(),
        "/" => visit.links(["/next"]),
        _ => visit.page("next"),
    });
    let ran = Place::new().crawl(&["--max-time", "1s", "--retries", "0", &slow.url("/")]);
    ran.exits(0).says("robots.txt cannot be read");
}

#[test]
fn a_device_or_a_pipe_is_never_replaced() {
    let place = Place::new();
    let pipe = place.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let url = format!("http://127.0.0.1:{}/", free_port());
    place.run(&["download", "--output", "pipe", &url]).exits(2).says("not a regular file");
    place.run(&["download", "--output", "/dev/null", &url]).exits(2).says("--output -");
}
