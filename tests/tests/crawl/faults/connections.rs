//! Connections that are reset, closed or used again.

use super::{GOOD, late_bytes_are_not_taken_for_a_response, meet};
use tests::demo::{Place, Ran};
use tests::faults::{After, FaultServer, Visit};

#[test]
fn a_reset_in_the_middle_of_the_body_is_tried_again_from_the_beginning() {
    let broken = |visit: &mut Visit<'_>| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        visit.reset()
    };
    let met = meet(&["--retries", "1"], move |visit| match visit.attempt {
        1 => broken(visit),
        _ => visit.page("1234567890"),
    });
    met.saves("1234567890", 2);
    // The reset may overtake the head; then there is no status. Only two failed attempts are certain.
    let met = meet(&["--retries", "1"], broken);
    met.others_are_well(3);
    met.bad().attempts(2);
    assert_eq!(met.place.names(), ["good", "index.html"]);
}

/// As [`meet`], but `/` closes its connection, so that `/bad` comes over a new one.
#[track_caller]
fn meet_afresh(args: &[&str], bad: impl Fn(&mut Visit<'_>) -> After + Send + Sync + 'static) -> (Ran, Place) {
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => {
            visit.answer("200 OK", "Connection: close\r\nContent-Type: text/html\r\n", "<a href=/bad>");
            After::Close
        }
        _ => {
            assert_eq!(visit.nth, 1, "it comes over a fresh connection");
            bad(visit)
        }
    });
    let place = Place::new();
    // A request for robots.txt would come over the new connection first.
    let ran = place.crawl(&[&[&*server.url("/"), "--ignore-robots"], args].concat());
    (ran, place)
}

#[test]
fn a_close_before_any_reply_on_a_fresh_connection_counts_as_an_attempt() {
    for (retries, attempts) in [("0", 1), ("1", 2)] {
        let (ran, place) = meet_afresh(&["--retries", retries], |_| After::Close);
        ran.exits(3).says("without sending a response");
        place.report().of("/bad").failed(None, "closed the connection without sending a response").attempts(attempts);
        place.has_no_parts();
    }
    let (ran, place) = meet_afresh(&["--retries", "1"], |visit| match visit.attempt {
        1 => visit.reset(),
        _ => visit.page(GOOD),
    });
    ran.exits(0);
    place.report().of("/bad").is_saved().attempts(2);
}

#[test]
fn a_close_before_any_reply_on_a_used_connection_is_tried_again_for_free() {
    for reset in [false, true] {
        let server = FaultServer::start(move |visit| match visit.path.as_str() {
            "/" => visit.links(["/bad"]),
            _ if visit.nth == 1 => visit.page(GOOD),
            _ if reset => visit.reset(),
            _ => After::Close,
        });
        let place = Place::new();
        place.crawl(&[&server.url("/"), "--retries", "0"]).exits(0);
        place.report().of("/bad").is_saved().attempts(2);
        assert_eq!(server.connections(), 2);
    }
}

#[test]
fn the_free_retry_happens_only_once() {
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(["/bad"]),
        _ => After::Close,
    });
    let place = Place::new();
    place.crawl(&[&server.url("/"), "--retries", "0"]).exits(3);
    place.report().of("/bad").failed(None, "without sending a response").attempts(2);
}

#[test]
fn a_server_that_closes_after_each_response_without_announcing_it_is_crawled_whole() {
    let server = FaultServer::start(move |visit| {
        match visit.path.as_str() {
            "/" => visit.links((0..30).map(|n| format!("/{n}"))),
            _ => visit.page(GOOD),
        };
        After::Close // without a `Connection: close`
    });
    let place = Place::new();
    place.crawl(&[&server.url("/"), "--retries", "0"]).exits(0);
    assert_eq!(place.files().len(), 31);
}

/// Some servers send a 408 when a connection was idle for too long. It is not the response to the next
/// request.
#[test]
fn a_408_on_an_idle_connection_is_not_taken_for_the_next_response() {
    let timeout = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    late_bytes_are_not_taken_for_a_response("200 OK\r\nContent-Length: 5", "hello", timeout);
}

#[test]
fn a_server_that_fails_for_a_moment_is_asked_again_and_one_that_refuses_is_not() {
    let passing =
        ["408 Late", "425 Early", "429 Too Many Requests", "500 Oops", "502 Bad", "503 Busy", "504 Late", "599 x"];
    let lasting = ["400 Bad", "401 Who", "403 No", "404 No", "410 Gone", "501 Not Implemented", "505 Version"];
    for (status, attempts) in passing.map(|status| (status, 2)).into_iter().chain(lasting.map(|status| (status, 1))) {
        let met = meet(&["--retries", "1"], move |visit| visit.answer(status, "", "sorry"));
        let code = status[..3].parse::<u64>().unwrap();
        met.fails(code, &format!("the server answered {code}"), attempts);
    }
}

#[test]
fn a_port_without_a_listener_is_named_and_not_tried_again() {
    let port = tests::demo::free_port();
    let place = Place::new();
    let ran = place.crawl(&[&format!("http://127.0.0.1:{port}/"), "--retries", "20"]).exits(3);
    ran.says(&format!("127.0.0.1:{port}"));
    place.report().of("/").failed(None, &format!("cannot connect to \"127.0.0.1:{port}\": "));
    place.has_no_parts();
}

#[test]
fn a_name_that_does_not_resolve_is_named_and_not_tried_again() {
    let server = FaultServer::start(|visit| visit.page(GOOD));
    let place = Place::new();
    // That many retries would take longer than any run may.
    let ran = place.crawl(&["http://no-such-host.invalid/none", &server.url("/"), "--retries", "20"]).exits(3);
    ran.says("no-such-host.invalid");
    let report = place.report();
    report.of("/none").failed(None, "no-such-host.invalid");
    report.of("/").is_saved();
    assert_eq!(place.names(), ["index.html"]);
}
