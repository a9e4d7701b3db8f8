//! Servers that misbehave, and what the downloader makes of them: a test a row of the table of such
//! servers, and then what may go wrong on our side of the wire.
//!
//! Alone: `cargo test -p tests --test faults`. It needs nothing but the loopback; the test of a full
//! disk mounts a small one, and is skipped where that is not allowed.
//!
//! Each test of the first part is the same crawl: `/` links to `/bad`, which is what the test is about,
//! and to `/good`, which is not answered before `/bad` was asked for. Whatever happens at `/bad`, the
//! others must be saved, nothing unfinished may be left, and the exit code and the report say what
//! happened.

use rustix::process::{Signal, geteuid};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};
use std::process::Command;
use std::time::Duration;
use tests::demo::{Line, Place, Program, Ran, Report};
use tests::eventually;
use tests::faults::{After, FaultServer, Gate, Visit};

const GOOD: &str = "<p>a good page";

/// What came of a crawl of `/`, which links to `/bad` and to `/good`.
struct Met {
    ran: Ran,
    place: Place,
    report: Report,
    server: FaultServer,
}

/// Crawls a server that is good at `/` and `/good`, and everywhere else as the script says.
#[track_caller]
fn meet(args: &[&str], bad: impl Fn(&mut Visit<'_>) -> After + Send + Sync + 'static) -> Met {
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(["/bad", "/good"]),
        "/good" => {
            visit.until_requested("/bad"); // so it is served meanwhile
            visit.page(GOOD)
        }
        _ => bad(visit),
    });
    let place = Place::new();
    let ran = place.crawl(&[&[&*server.url("/")], args].concat());
    let report = place.report();
    Met { ran, place, report, server }
}

impl Met {
    /// The line of the report about `/bad`.
    #[track_caller]
    fn bad(&self) -> &Line {
        self.report.of("/bad")
    }

    /// What must hold whatever `/bad` does.
    #[track_caller]
    fn others_are_well(&self, code: i32) {
        let Ran { status, stderr, took, .. } = &self.ran;
        assert_eq!(status.code(), Some(code), "the report says {:#?}\nand the program:\n{stderr}", self.report);
        assert!(*took < Duration::from_secs(15), "it took {took:?}");
        for path in ["/", "/good"] {
            self.report.of(path).is_saved().attempts(1);
        }
        assert_eq!(self.place.files()["good"], GOOD.as_bytes());
        self.place.has_no_parts();
    }

    /// `/bad` failed, and left no file.
    #[track_caller]
    fn fails(self, status: impl Into<Option<u64>>, error: &str, attempts: u64) -> Met {
        self.others_are_well(3);
        self.bad().failed(status.into(), error).attempts(attempts);
        assert!(self.ran.stderr.contains(error), "the person is not told `{error}`:\n{}", self.ran.stderr);
        assert_eq!(self.place.names(), ["good", "index.html"]);
        self
    }

    /// `/bad` was saved, with these bytes.
    #[track_caller]
    fn saves(self, body: impl AsRef<[u8]>, attempts: u64) -> Met {
        self.others_are_well(0);
        self.bad().is_saved().attempts(attempts);
        assert_eq!(self.place.names(), ["bad", "good", "index.html"]);
        let (saved, body) = (&self.place.files()["bad"], body.as_ref());
        assert!(saved == body, "saved {} bytes where {} were sent", saved.len(), body.len());
        assert_eq!(self.bad().number("bytes"), Some(body.len() as u64));
        self
    }

    /// On which connection a path was asked for, the first time.
    #[track_caller]
    fn connection_of(&self, path: &str) -> usize {
        let requests = self.server.requests();
        requests.iter().find(|request| request.path == path).expect("it was requested").connection
    }
}

// ---- heads -------------------------------------------------------------------------------------

#[test]
fn a_head_that_drips_in_is_given_up_at_the_deadline() {
    let met = meet(&["--header-timeout", "800ms", "--retries", "0"], |visit| {
        for byte in b"HTTP/1.1 200 OK\r\nX: ".iter().copied().chain(std::iter::repeat(b'x')) {
            // The pace is the point: each byte comes long before the deadline, the last one never.
            std::thread::sleep(Duration::from_millis(20));
            if !visit.send([byte]) {
                break;
            }
        }
        After::Close
    });
    met.fails(None, "waiting for the response's head took longer than 800ms", 1);
}

#[test]
fn a_server_that_says_nothing_is_given_up_at_the_deadline_and_tried_again() {
    let met = meet(&["--header-timeout", "800ms", "--retries", "1"], |visit| visit.stall());
    met.fails(None, "waiting for the response's head took longer than 800ms", 2);
}

#[test]
fn a_head_of_2_mb_is_refused_by_a_limit_with_a_name() {
    let met = meet(&[], |visit| {
        visit.send(format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(2 << 20)));
        After::Close
    });
    met.fails(None, "the response's head is larger than the limit of 64", 1);
}

#[test]
fn a_head_of_5000_fields_is_refused_by_a_limit_with_a_name() {
    let met = meet(&[], |visit| {
        visit.send(format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X: x\r\n".repeat(5000)));
        After::Close
    });
    met.fails(None, "more fields than the limit of 256", 1);
}

#[test]
fn an_endless_head_is_refused_while_it_comes() {
    let met = meet(&[], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nX: ");
        visit.send_for_ever("x".repeat(1000));
        After::Close
    });
    met.fails(None, "limit of 64", 1);
}

#[test]
fn an_endless_run_of_100_continue_ends_at_a_cap() {
    let met = meet(&[], |visit| {
        visit.send_for_ever("HTTP/1.1 100 Continue\r\n\r\n".repeat(100));
        After::Close
    });
    met.fails(None, "more than 16 informational", 1);
}

#[test]
fn a_few_informational_responses_are_passed_over() {
    let met = meet(&["--retries", "0"], |visit| {
        visit.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
        visit.page("after all")
    });
    met.saves("after all", 1);
}

#[test]
fn an_answer_without_a_status_line_is_an_error() {
    for answer in ["<html>hello", "hello\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0\0"] {
        let met = meet(&[], move |visit| {
            visit.send(answer);
            After::Close
        });
        met.fails(None, "not a valid HTTP response", 1);
    }
}

#[test]
fn an_end_inside_of_the_head_is_incomplete_and_tried_again() {
    let met = meet(&["--retries", "1"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Le");
        After::Close
    });
    met.fails(None, "incomplete", 2);
}

// ---- bodies: their length ----------------------------------------------------------------------

#[test]
fn a_body_that_stalls_is_given_up_at_the_idle_timeout_and_tried_again() {
    let met = meet(&["--idle-timeout", "800ms", "--retries", "1"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        visit.stall()
    });
    met.fails(200, "waiting for more of the body took longer than 800ms", 2);
}

#[test]
fn a_large_body_that_stalls_leaves_no_part_of_it() {
    let met = meet(&["--idle-timeout", "800ms", "--retries", "0"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n");
        visit.send(vec![b'x'; 1_000_000]); // more than is kept in memory
        visit.stall()
    });
    met.fails(200, "waiting for more of the body took longer than 800ms", 1);
}

#[test]
fn a_body_that_is_slow_but_never_idle_is_saved() {
    let met = meet(&["--idle-timeout", "5s", "--header-timeout", "800ms", "--retries", "0"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n");
        for _ in 0..40 {
            // All of it takes longer than a head may.
            std::thread::sleep(Duration::from_millis(30));
            visit.send("x");
        }
        After::Next
    });
    met.saves("x".repeat(40), 1);
}

#[test]
fn an_endless_body_stops_at_the_size_cap_while_it_streams() {
    for framing in ["", "Transfer-Encoding: chunked\r\n", "Content-Length: 9000000000000\r\n"] {
        let chunked = framing.starts_with("Transfer");
        let sent = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = sent.clone();
        let met = meet(&["--max-size", "1M"], move |visit| {
            visit.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n"));
            let data = "x".repeat(0x4000);
            let pieces = visit.send_for_ever(if chunked { format!("4000\r\n{data}\r\n") } else { data });
            count.store(pieces * 0x4000, std::sync::atomic::Ordering::SeqCst);
            After::Close
        });
        let met = met.fails(200, "the body is larger than the limit of ", 1);
        drop(met.server); // its threads have counted now
        let sent = sent.load(std::sync::atomic::Ordering::SeqCst);
        // What the sockets' buffers hold comes on top of it.
        assert!(sent < 32_000_000, "{sent} bytes were taken from `{framing}`");
    }
}

#[test]
fn a_body_as_large_as_the_cap_is_saved_and_one_byte_more_is_not() {
    let sized = |size: usize| meet(&["--max-size", "100k"], move |visit| visit.page("x".repeat(size)));
    sized(100_000).saves("x".repeat(100_000), 1);
    sized(100_001).fails(200, "the body is larger than the limit of ", 1);
}

#[test]
fn a_body_shorter_than_promised_is_incomplete_and_tried_again() {
    let met = meet(&["--retries", "1"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
        After::Close
    });
    met.fails(200, "incomplete", 2);
}

#[test]
fn a_body_that_is_short_only_once_is_saved_whole() {
    let met = meet(&["--retries", "1"], |visit| match visit.attempt {
        1 => {
            visit.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
            After::Close
        }
        _ => visit.page("1234567890"),
    });
    met.saves("1234567890", 2);
}

#[test]
fn a_body_longer_than_promised_is_cut_there_and_its_connection_not_used_again() {
    // One page at a time: `/good` would come over the same connection.
    let met = meet(&["-j", "1", "--retries", "0"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more");
        visit.stall()
    });
    let met = met.saves("hello", 1);
    assert_ne!(met.connection_of("/bad"), met.connection_of("/good"));
}

const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";

/// Extra bytes need not come at once. If they come after the connection was laid aside, whoever uses
/// it next must not take them for the answer to its own request.
#[track_caller]
fn late_bytes_are_nobodys_answer(status: &'static str, body: &'static str, extra: &'static str) {
    let (aside, late) = (Gate::default(), Gate::default());
    let (is_aside, is_late) = (aside.clone(), late);
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(["/bad", "/aside"]),
        // Is answered, laid aside, and gets more.
        "/bad" => {
            visit.until_requested("/aside");
            visit.send(format!("HTTP/1.1 {status}\r\n\r\n{body}"));
            visit.until_open(&is_aside);
            visit.send(extra);
            visit.open(&is_late);
            visit.until_requested("/end");
            After::Close
        }
        // Keeps the crawl going meanwhile, on a connection that can't be used again.
        "/aside" => {
            visit.until_open(&is_late);
            visit.answer("200 OK", "Connection: close\r\nContent-Type: text/html\r\n", "<a href=/next>");
            After::Close
        }
        "/next" => visit.links(["/end"]),
        _ => visit.page(GOOD),
    });
    let place = Place::new();
    let mut running = place.start_crawl(&[&server.url("/"), "-v", "--header-timeout", "2s", "--retries", "1"]);
    running.until_it_says("/bad");
    server.open(&aside); // the line is printed when the connection was laid aside
    let ran = running.wait();
    let files = place.files();
    for (name, bytes) in &files {
        assert_ne!(bytes, b"EVIL", "`{name}` got what belonged to nobody; report: {:#?}", place.report());
    }
    ran.exits(0);
    assert_eq!(files["end"], GOOD.as_bytes());
}

#[test]
fn bytes_that_come_after_a_body_was_complete_are_nobodys_answer() {
    late_bytes_are_nobodys_answer("200 OK\r\nContent-Length: 5", "hello", EVIL);
}

#[test]
fn a_body_that_comes_after_a_204_is_nobodys_answer() {
    late_bytes_are_nobodys_answer("204 No Content", "", EVIL);
}

#[test]
fn two_different_lengths_are_an_error() {
    for lengths in ["Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5, 6"] {
        let met = meet(&[], move |visit| {
            visit.send(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nhello!"));
            After::Close
        });
        met.fails(None, "two different lengths", 1);
    }
}

#[test]
fn a_negative_or_absurd_length_is_an_error() {
    for length in ["-5", "+5", "5x", "0x5", "", "18446744073709551616", "99999999999999999999999999"] {
        let met = meet(&[], move |visit| {
            visit.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello"));
            After::Close
        });
        met.fails(None, "is not a size", 1);
    }
}

/// A number that can be one, and still never the size of a page: the limit says so at once, without
/// the body being fetched up to it.
#[test]
fn a_length_beyond_the_size_cap_is_refused_before_the_body_comes() {
    for length in ["18446744073709551615", "9223372036854775807", "1000001"] {
        let met = meet(&["--max-size", "1M", "--idle-timeout", "2s", "--retries", "0"], move |visit| {
            visit.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello"));
            visit.stall()
        });
        met.fails(200, "larger than the limit", 1);
    }
}

#[test]
fn of_a_length_and_chunks_the_chunks_win_and_the_connection_is_not_used_again() {
    let met = meet(&["-j", "1", "--retries", "0"], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n");
        visit.send("5\r\nhello\r\n0\r\n\r\n");
        visit.stall()
    });
    let met = met.saves("hello", 1);
    assert_ne!(met.connection_of("/bad"), met.connection_of("/good"));
}

#[test]
fn a_body_with_204_is_ignored_and_its_connection_not_used_again() {
    for fields in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        let met = meet(&["-j", "1", "--retries", "0"], move |visit| {
            visit.send(format!("HTTP/1.1 204 No Content\r\n{fields}\r\n5\r\nhello\r\n0\r\n\r\n"));
            visit.stall()
        });
        let met = met.saves("", 1);
        assert_eq!(met.bad().number("status"), Some(204));
        assert_ne!(met.connection_of("/bad"), met.connection_of("/good"));
    }
}

// ---- bodies: chunks ----------------------------------------------------------------------------

/// Answers with a chunked body, as it is given.
fn chunks(body: &'static str) -> impl Fn(&mut Visit<'_>) -> After + Send + Sync {
    move |visit| {
        visit.send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        After::Close
    }
}

#[test]
fn a_bad_chunk_size_is_an_error() {
    for body in ["xyz\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "\r\nhello", "fffffffffffffffff\r\nhello"] {
        meet(&[], chunks(body)).fails(200, "chunk", 1);
    }
}

#[test]
fn a_chunk_longer_than_its_size_is_an_error() {
    meet(&[], chunks("3\r\nhello\r\n0\r\n\r\n")).fails(200, "a chunk is longer than its size", 1);
}

#[test]
fn a_chunk_size_without_an_end_is_an_error() {
    let met = meet(&[], |visit| {
        visit.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;");
        visit.send_for_ever("x".repeat(1000));
        After::Close
    });
    met.fails(200, "not a valid HTTP response", 1);
}

#[test]
fn an_end_inside_of_the_chunks_is_incomplete_and_tried_again() {
    for body in ["a\r\nhello", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\nX: y\r\n"] {
        meet(&["--retries", "1"], chunks(body)).fails(200, "incomplete", 2);
    }
}

#[test]
fn trailers_are_passed_over() {
    meet(&["--retries", "0"], chunks("5\r\nhello\r\n0\r\nX: y\r\nZ: z\r\n\r\n")).saves("hello", 1);
}

/// Bare line feeds are not HTTP, and some servers send them. A success or an error, as long as it is of
/// that page alone.
#[test]
fn chunks_ended_by_bare_line_feeds_concern_their_own_page_alone() {
    for body in ["5\r\nhello\r\n0\r\n\n", "5\r\nhello\r\n0\r\nX: y\n\n", "5\r\nhello\r\n0\n\n", "5\nhello\n0\n\n"] {
        let met = meet(&["--retries", "0"], chunks(body));
        let code = if met.ran.status.success() { 0 } else { 3 };
        met.others_are_well(code);
    }
}

// ---- connections -------------------------------------------------------------------------------

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
    // The reset may overtake the head, then there is no status: only that it failed, twice, is certain.
    let met = meet(&["--retries", "1"], broken);
    met.others_are_well(3);
    met.bad().attempts(2);
    assert_eq!(met.place.names(), ["good", "index.html"]);
}

/// As [`meet`], but `/` closes its connection, so that `/bad` comes over one that nobody has used.
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
    let ran = place.crawl(&[&[&*server.url("/")], args].concat());
    (ran, place)
}

#[test]
fn a_close_before_any_reply_on_a_fresh_connection_counts_as_an_attempt() {
    for (retries, attempts) in [("0", 1), ("1", 2)] {
        let (ran, place) = meet_afresh(&["--retries", retries], |_| After::Close);
        ran.exits(3).says("without a reply");
        place.report().of("/bad").failed(None, "closed the connection without a reply").attempts(attempts);
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
fn the_free_try_is_free_once() {
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(["/bad"]),
        _ => After::Close,
    });
    let place = Place::new();
    place.crawl(&[&server.url("/"), "--retries", "0"]).exits(3);
    place.report().of("/bad").failed(None, "without a reply").attempts(2);
}

#[test]
fn a_server_that_closes_after_each_response_without_a_word_is_crawled_whole() {
    let server = FaultServer::start(move |visit| {
        match visit.path.as_str() {
            "/" => visit.links((0..30).map(|n| format!("/{n}"))),
            _ => visit.page(GOOD),
        };
        After::Close // and it never said `Connection: close`
    });
    let place = Place::new();
    place.crawl(&[&server.url("/"), "--retries", "0"]).exits(0);
    assert_eq!(place.files().len(), 31);
}

/// Some servers say so when a connection was idle for too long. The next page is not the one that
/// timed out.
#[test]
fn a_408_on_an_idle_connection_is_nobodys_answer() {
    let timeout = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    late_bytes_are_nobodys_answer("200 OK\r\nContent-Length: 5", "hello", timeout);
}

#[test]
fn a_server_that_fails_for_a_moment_is_asked_again_and_one_that_refuses_is_not() {
    for (status, attempts) in
        [("503 Service Unavailable", 2), ("429 Too Many Requests", 2), ("500 Oops", 1), ("404 No", 1)]
    {
        let met = meet(&["--retries", "1"], move |visit| visit.answer(status, "", "sorry"));
        let code = status[..3].parse::<u64>().unwrap();
        met.fails(code, &format!("the server answered {code}"), attempts);
    }
}

#[test]
fn a_port_that_nobody_listens_at_is_not_tried_again_and_named() {
    let port = tests::demo::free_port();
    let place = Place::new();
    let ran = place.crawl(&[&format!("http://127.0.0.1:{port}/"), "--retries", "20"]).exits(3);
    ran.says(&format!("127.0.0.1:{port}"));
    place.report().of("/").failed(None, &format!("cannot connect to `127.0.0.1:{port}`: "));
    place.has_no_parts();
}

#[test]
fn a_name_that_does_not_resolve_is_not_tried_again_and_named() {
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

// ---- redirects ---------------------------------------------------------------------------------

#[test]
fn a_circle_of_redirects_ends_at_the_first_url_seen_twice() {
    let met = meet(&[], |visit| match visit.path.as_str() {
        "/bad" => visit.redirect("/worse"),
        "/worse" => visit.redirect("/worst"),
        _ => visit.redirect("/bad"),
    });
    let met = met.fails(302, "a cycle of redirects", 3);
    for path in ["/bad", "/worse", "/worst"] {
        assert_eq!(met.server.hits(path), 1, "requests of {path}");
    }
    meet(&[], |visit| visit.redirect("/bad")).fails(302, "a cycle of redirects", 1);
    meet(&[], |visit| visit.redirect("bad#again")).fails(302, "a cycle of redirects", 1);
}

/// The pages of a circle may each be linked as well. Then none of them is saved, and that is a failure:
/// a run that ends with 0 has it all.
#[test]
fn a_circle_of_redirects_is_a_failure_also_if_each_of_it_is_linked() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links(["/a", "/b"]),
        "/a" => visit.redirect("/b"),
        _ => visit.redirect("/a"),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/")]).exits(3).says("cycle");
}

#[test]
fn redirects_without_an_end_stop_at_a_limit() {
    let endless = |visit: &mut Visit<'_>| {
        let n: u32 = visit.path.trim_start_matches("/bad").parse().unwrap_or(0);
        visit.redirect(&format!("/bad{}", n + 1))
    };
    meet(&["--max-redirects", "4"], endless).fails(302, "more than 4 redirects", 5);
    meet(&["--max-redirects", "0"], endless).fails(302, "more than 0 redirects", 1);
}

#[test]
fn a_redirect_to_anything_but_http_is_refused() {
    for (to, named) in [
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("FILE:/etc/passwd", "file:///etc/passwd"),
        ("https://127.0.0.1/", "https://127.0.0.1/"),
        ("ftp://127.0.0.1/", "ftp://127.0.0.1/"),
        ("data:text/html,x", "data:"),
        ("javascript:alert(1)", "javascript:"),
    ] {
        meet(&[], move |visit| visit.redirect(to)).fails(302, named, 1);
    }
}

#[test]
fn a_redirect_to_what_is_no_url_is_an_error() {
    for to in ["http://", "http://[::1", "http://a b/", "//:80:80/"] {
        meet(&[], move |visit| visit.redirect(to)).fails(302, "is not a URL", 1);
    }
}

#[test]
fn a_302_without_a_location_is_reported_as_it_is() {
    let met = meet(&[], |visit| visit.answer("302 Found", "", "<p>nowhere to go"));
    met.others_are_well(0);
    met.bad().attempts(1);
    assert_eq!(met.bad().number("status"), Some(302));
    assert_eq!((met.bad().text("error"), met.bad().text("final_url"), met.bad().text("path")), (None, None, None));
}

/// A `Location` in UTF-8 is not HTTP either, but common, and what browsers and curl follow.
#[test]
fn a_location_that_is_not_ascii_is_followed() {
    let met = meet(&[], |visit| match visit.path.as_str() {
        "/bad" => visit.redirect("/schön"),
        "/sch%C3%B6n" => visit.page(GOOD),
        _ => visit.answer("404 Not Found", "", ""),
    });
    met.others_are_well(0);
    met.bad().is_saved();
    assert!(met.bad().text("final_url").is_some_and(|url| url.ends_with("/sch%C3%B6n")), "{:?}", met.bad());
}

#[test]
fn a_redirect_that_leads_away_from_a_start_page_is_followed_and_from_others_is_not() {
    let elsewhere = FaultServer::start(|visit| visit.page("<p>elsewhere"));
    let (to, away) = (elsewhere.url("/"), elsewhere.url("/away"));
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/start" => visit.redirect(&to),
        "/other" => visit.links(["/leads-out"]),
        _ => visit.redirect(&away),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/start")]).exits(0);
    assert_eq!(elsewhere.hits("/"), 1);
    let place = Place::new();
    place.crawl(&[&server.url("/other")]).exits(0);
    assert_eq!(elsewhere.hits("/away"), 0);
    assert_eq!(place.names(), ["other"]);
}

// ---- names and links ---------------------------------------------------------------------------

#[test]
fn whatever_a_page_is_called_its_file_is_below_the_output_folder() {
    let long = "x".repeat(300);
    let umlauts = "%C3%BC".repeat(300);
    let named: Vec<String> = [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/group",
        "/..%2f..%2f..%2fetc%2fpasswd",
        "/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/..%5c..%5cetc%5cpasswd",
        "/..\\..\\etc\\hosts",
        "/....//....//etc/passwd",
        "/%252e%252e%252fetc%252fpasswd",
        "/%2fetc%2fpasswd",
        "/%2Fetc/passwd",
        "/.//etc//passwd",
        "/C:/windows/win.ini",
        "/C%3A%5Cwindows",
        "/CON",
        "/con.txt",
        "/aux/nul.html",
        "/com1.tar.gz",
        "/%FF%FE",
        "/%C3",
        "/a%00b",
        "/%00",
        "/line%0d%0abreak",
        "/%1b%5b31mred",
        "/.parts",
        "/.parts/0",
        "/~",
        "/name.",
        "/name%20",
        "/...",
        "/%20",
        "/*%3F%7C%3C%3E%22",
        "/q?../../etc/passwd",
        "/q?/etc/passwd",
        "/q?%2e%2e%2f",
        "/d/?..",
    ]
    .map(String::from)
    .into_iter()
    .chain([
        format!("/{long}"),
        format!("/{long}y"),
        format!("/{long}.html"),
        format!("/{long}/{long}"),
        format!("/{umlauts}"),
        format!("/q?{long}"),
        format!("/x.{long}"),
    ])
    .collect();
    let links = named.clone();
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(&links),
        path => {
            let body = format!("the page {path}");
            visit.answer("200 OK", "Content-Disposition: attachment; filename=\"../../evil\"\r\n", body)
        }
    });
    let place = Place::new();
    place.crawl(&[&server.url("/")]).exits(0);

    let outside: BTreeSet<_> =
        fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(outside, BTreeSet::from(["download".to_owned(), "report.jsonl".to_owned()]));
    let report = place.report();
    assert_eq!(report.0.len(), 1 + named.len(), "each link is another page: {:#?}", report.urls());
    let mut files = BTreeSet::new();
    for line in &report.0 {
        let path = Path::new(line.is_saved().text("path").unwrap());
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{line:?}");
        assert!(path.components().all(|part| part.as_os_str().len() <= 255), "{line:?}");
        assert!(!path.to_str().unwrap().contains(|c: char| c.is_control() || "\\:*?\"<>|".contains(c)), "{line:?}");
        let saved = fs::read_to_string(place.path("download").join(path)).unwrap();
        if line.path_of_url() != "/" {
            assert_eq!(saved, format!("the page {}", line.path_of_url()));
        }
        assert!(files.insert(path.to_owned()), "two pages in one file: {line:?}");
    }
    place.has_no_parts();
}

#[test]
fn a_path_longer_than_a_system_takes_concerns_its_own_page_alone() {
    let met = meet(&[], |visit| match visit.path.as_str() {
        "/bad" => visit.redirect(&"/a-rather-long-name".repeat(400)), // 7600 bytes
        _ => visit.page("deep"),
    });
    let code = if met.ran.status.success() { 0 } else { 3 };
    met.others_are_well(code);
    if code == 0 {
        assert_eq!(fs::read(met.place.path("download").join(met.bad().text("path").unwrap())).unwrap(), b"deep");
    }
}

#[test]
fn a_symbolic_link_that_leads_out_is_never_written_through() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links(["/folder/x", "/absolute/x", "/file", "/dangling", "/good"]),
        _ => visit.page("written by the crawl"),
    });
    let place = Place::new();
    let ours = place.path("download").join(format!("127.0.0.1_{}", server.port()));
    let outside = place.path("outside");
    fs::create_dir_all(&ours).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    symlink("../../outside", ours.join("folder")).unwrap();
    symlink(&outside, ours.join("absolute")).unwrap();
    symlink("../../outside/file", ours.join("file")).unwrap();
    symlink("../../outside/new", ours.join("dangling")).unwrap();

    let ran = place.crawl(&[&server.url("/")]);
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "precious");
    let there: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, ["file"], "something was written outside");
    // What can't be saved without leaving is a failure; what can is saved in place of the link.
    ran.exits(3);
    let report = place.report();
    report.of("/folder/x").failed(Some(200), "cannot save it");
    report.of("/absolute/x").failed(Some(200), "cannot save it");
    for path in ["/file", "/dangling", "/good"] {
        report.of(path).is_saved();
        assert_eq!(fs::read_to_string(ours.join(&path[1..])).unwrap(), "written by the crawl");
    }
    place.has_no_parts();
}

#[test]
fn a_folder_for_parts_that_is_a_symbolic_link_leading_out_is_refused() {
    let server = FaultServer::start(|visit| visit.page("x".repeat(1_000_000)));
    let place = Place::new();
    fs::create_dir_all(place.path("download")).unwrap();
    fs::create_dir(place.path("outside")).unwrap();
    symlink("../outside", place.path("download/.parts")).unwrap();
    place.crawl(&[&server.url("/")]).exits(1).says("cannot save under download");
    assert_eq!(fs::read_dir(place.path("outside")).unwrap().count(), 0);
    assert_eq!(server.requests().len(), 0, "it is seen before anything is fetched");
}

#[test]
fn a_page_beside_a_folder_of_its_name_and_pages_that_differ_in_the_query_are_files_of_their_own() {
    for links in [["/a", "/a/b", "/x?1", "/x?2"], ["/x?2", "/a/b", "/x?1", "/a"]] {
        let server = FaultServer::start(move |visit| match visit.path.as_str() {
            "/" => visit.links(links),
            path => {
                let body = format!("the page {path}");
                visit.page(body)
            }
        });
        for jobs in ["1", "8"] {
            let place = Place::new();
            place.crawl(&[&server.url("/"), "-j", jobs]).exits(0);
            let (report, mut files) = (place.report(), BTreeSet::new());
            for link in links {
                let path = report.of(link).is_saved().text("path").unwrap();
                assert_eq!(fs::read_to_string(place.path("download").join(path)).unwrap(), format!("the page {link}"));
                files.insert(path);
            }
            assert_eq!(files.len(), 4);
        }
    }
}

/// A crawl into the folder of an earlier one brings it up to date, whatever the order in which pages
/// come this time.
#[test]
fn a_second_crawl_into_the_same_folder_is_as_good_as_the_first() {
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        // The server is asked in the order of the links.
        "/" => match visit.attempt {
            1 => visit.links(["/a", "/a/b", "/c/d", "/c"]),
            _ => visit.links(["/a/b", "/a", "/c", "/c/d"]),
        },
        path => {
            let body = format!("the page {path}");
            visit.page(body)
        }
    });
    let place = Place::new();
    for run in 1..=3 {
        let ran = place.crawl(&[&server.url("/"), "-j", "1"]);
        let report = place.report();
        assert_eq!(ran.status.code(), Some(0), "run {run}: {}", ran.stderr);
        for link in ["/a", "/a/b", "/c/d", "/c"] {
            let path = report.of(link).is_saved().text("path").unwrap();
            assert_eq!(fs::read_to_string(place.path("download").join(path)).unwrap(), format!("the page {link}"));
        }
        // What an earlier run saved was replaced: nobody could tell a stale copy from a page.
        assert_eq!(place.names().len(), 5, "run {run}: {:?}", place.names());
    }
}

#[test]
fn a_page_that_is_linked_in_twenty_spellings_is_fetched_once() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/a/b" => {
            let host = visit.header("Host").expect("a request names the host");
            let port = host.rsplit_once(':').expect("and the port").1.to_owned();
            let absolute = |host: &str| format!("{host}:{port}/a/c");
            visit.links(
                [
                    "c",
                    "./c",
                    "../a/c",
                    "/a/c",
                    "c#x",
                    "c#",
                    "c?",
                    "c?#x",
                    "%63",
                    "/%61/c",
                    "/a/./c",
                    "/a/b/../c",
                    "/x/../a/c",
                    "././././c",
                    "/a/%2e/c",
                    "/a/b/%2E%2E/c",
                    "/../a/c",
                    " c\n",
                    "c\t",
                ]
                .map(String::from)
                .into_iter()
                .chain(
                    ["http://127.0.0.1", "HTTP://127.0.0.1", "//127.0.0.1", "http://127.1", "http://0x7f000001"]
                        .map(absolute),
                ),
            )
        }
        _ => visit.page(GOOD),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/a/b")]).exits(0);
    let paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/a/b", "/a/c"]);
    assert_eq!(place.report().urls(), ["/a/b", "/a/c"]);
    assert_eq!(place.names(), ["a/b", "a/c"]);
}

/// Every page of it links to two that nobody has seen.
fn maze() -> FaultServer {
    FaultServer::start(|visit| {
        let n: u64 = visit.path.trim_start_matches("/maze/").parse().unwrap_or(0);
        visit.links([2 * n + 1, 2 * n + 2].map(|n| n.to_string()))
    })
}

#[test]
fn an_endless_maze_ends_at_the_depth_limit() {
    let (maze, place) = (maze(), Place::new());
    place.crawl(&[&maze.url("/maze/0"), "--depth", "5"]).exits(0);
    assert_eq!((maze.requests().len(), place.files().len(), place.report().0.len()), (63, 63, 63));
    assert_eq!(place.report().0.iter().map(|line| line.number("depth").unwrap()).max(), Some(5));
}

#[test]
fn an_endless_maze_ends_at_the_page_limit() {
    for jobs in ["1", "64"] {
        let (maze, place) = (maze(), Place::new());
        let ran = place.crawl(&[&maze.url("/maze/0"), "--depth", "inf", "--max-pages", "40", "-j", jobs]).exits(0);
        assert_eq!((maze.requests().len(), place.files().len(), place.report().0.len()), (40, 40, 40));
        ran.says("known and not fetched");
    }
}

// ---- on this side of the wire ------------------------------------------------------------------

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
    // Only when descriptors have run out do the pages come.
    running.until_it_says("no file descriptor is left");
    server.open(&slow);
    running.wait().exits(0);
    let (report, files) = (place.report(), place.files());
    assert_eq!((report.0.len(), files.len()), (81, 81));
    for n in 0..80 {
        let path = place.path(&format!("download/{host}_{}/{n}", server.port()));
        assert_eq!(fs::read_to_string(path).unwrap(), format!("the page /{n}"));
    }
    place.has_no_parts();
}

#[test]
fn with_few_descriptors_a_slow_server_is_crawled_whole() {
    few_descriptors_and_a_slow_server_at("127.0.0.1");
}

/// The resolver needs descriptors too, and does not say that it had none.
#[test]
fn with_few_descriptors_a_slow_server_that_has_a_name_is_crawled_whole() {
    few_descriptors_and_a_slow_server_at("localhost");
}

/// Both ends of each connection are in one process: what one end has taken the other must not lack.
#[test]
fn with_few_descriptors_the_site_that_comes_along_is_crawled_whole() {
    for descriptors in [24, 32, 48] {
        let place = Place::new();
        // Where one waited for the other until a timeout, the page would have failed.
        let crawl = place.start_crawl_with_descriptors(descriptors, &["-j", "64", "-x", "64", "--retries", "0"]);
        crawl.wait().exits(0).says("enough file descriptors for");
        place.has_no_parts();
        assert_eq!((place.names().len(), place.report().0.len()), (166, 172), "{:?}", place.names());
    }
}

#[test]
fn with_too_few_descriptors_for_a_single_page_it_says_so_and_ends() {
    let server = FaultServer::start(|visit| visit.page(GOOD));
    // Some of these are too few to begin, some for a connection, some for a file.
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

/// A crawl of two servers, for which there are too few descriptors: when none is left, a start page of
/// the first, `/hop`, redirects to the second. Of all others of the first, 40, none is saved.
///
/// `hop_at_the_end` lets these be done before.
#[track_caller]
fn hop_without_a_descriptor(hop_at_the_end: bool, fields: &'static str) {
    let second = FaultServer::start(|visit| visit.page(GOOD));
    let (slow, hop, to) = (Gate::default(), Gate::default(), second.url("/second"));
    let (is_slow, is_hop) = (slow.clone(), hop.clone());
    let first = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links((0..40).map(|n| format!("/{n}"))),
        "/hop" => {
            visit.until_open(&is_hop);
            visit.redirect(&to)
        }
        _ => {
            visit.until_open(&is_slow);
            visit.answer("302 Found", &format!("Location: /\r\n{fields}"), "")
        }
    });
    let place = Place::new();
    let args = ["-v", "-j", "64", "-x", "64", &first.url("/"), &first.url("/hop")];
    let mut running = place.start_crawl_with_descriptors(24, &args);
    running.until_it_says("no file descriptor is left");
    if hop_at_the_end {
        first.open(&slow);
        eventually("all others are done", || running.stderr().matches(" -> ").count() >= 40);
        first.open(&hop);
    } else {
        first.open(&hop);
        // The hop was made, and did not find a descriptor.
        let before = running.stderr().len();
        eventually("it has none for the hop", || running.stderr()[before..].contains("no file descriptor is left"));
        first.open(&slow);
    }
    running.wait().exits(0);
    place.report().of("/hop").is_saved();
    assert_eq!((place.report().0.len(), second.hits("/second")), (42, 1));
}

/// Connections that are kept for a server which has nothing left to fetch must not keep others from
/// being crawled.
#[test]
fn with_few_descriptors_idle_connections_to_one_server_make_room_for_another() {
    hop_without_a_descriptor(true, "");
}

/// A page that was put back is fetched as if it were the first time, its redirects too.
#[test]
fn with_few_descriptors_what_a_redirect_leads_to_is_not_lost() {
    hop_without_a_descriptor(false, "Connection: close\r\n");
}

#[test]
fn a_full_disk_ends_the_crawl_and_is_named() {
    let Some(mount) = Program::find("mount").filter(|_| Program::find("umount").is_some()) else { return };
    if !geteuid().is_root() {
        println!("skipped: only root may mount a small disk");
        return;
    }
    let place = Place::new();
    let disk = place.path("download");
    fs::create_dir(&disk).unwrap();
    let mut command = mount.command();
    let mounted = command.args(["-t", "tmpfs", "-o", "size=200k", "tmpfs"]).arg(&disk).output().unwrap();
    if !mounted.status.success() {
        println!("skipped: mounting a small disk is not allowed here");
        return;
    }
    struct Unmount(std::path::PathBuf);
    impl Drop for Unmount {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg(&self.0).status();
        }
    }
    let _unmount = Unmount(disk);
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links(["/small", "/large", "/after"]),
        "/large" => visit.page("x".repeat(1_000_000)),
        _ => visit.page(GOOD),
    });
    let ran = place.crawl(&[&server.url("/"), "-j", "1"]).exits(1);
    ran.says("cannot save under download").says("No space left").says("-P");
    assert_eq!(place.names(), ["index.html", "small"], "what was complete stays, what was not is gone");
    assert_eq!(server.hits("/after"), 0, "nothing new is begun on a full disk");
    place.report().of("/small").is_saved();
    place.has_no_parts();
}

#[test]
fn a_folder_that_cannot_be_written_is_named_before_anything_is_fetched() {
    let server = FaultServer::start(|visit| visit.page(GOOD));
    let place = Place::new();
    let ran = place.crawl(&[&server.url("/"), "-P", "/proc/x"]).exits(1);
    ran.says("cannot save under /proc/x").says("-P");
    fs::write(place.path("file"), "").unwrap();
    place.crawl(&[&server.url("/"), "-P", "file"]).exits(1).says("cannot save under file");
    assert_eq!(server.requests().len(), 0);
}

/// A site of 20 pages of which the first two are under way, and the gate that they wait for.
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
fn an_interrupt_lets_the_pages_under_way_finish_and_begins_no_other() {
    for signal in [Signal::INT, Signal::TERM] {
        let (server, gate) = two_of_twenty();
        let place = Place::new();
        let mut running = place.start_crawl(&[&server.url("/"), "-j", "2"]);
        server.until_requests(3);
        running.signal(signal);
        running.until_it_says("interrupted: finishing the 2 pages in progress");
        server.open(&gate);
        let ran = running.wait().exits(130);
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
        let parts = place.path("download/.parts");
        eventually("what is kept in memory of both has gone to the disk", || {
            let sizes =
                fs::read_dir(&parts).into_iter().flatten().flatten().map(|part| part.metadata().map_or(0, |m| m.len()));
            sizes.filter(|size| *size >= 256 * 1024).count() == 2
        });
        running.signal(Signal::INT);
        running.until_it_says("interrupted");
        let before = std::time::Instant::now();
        running.signal(second);
        let ran = running.wait().exits(130);
        assert!(before.elapsed() < Duration::from_secs(5), "at once, not after {:?}", before.elapsed());
        ran.says("1 page saved under download").says("18 pages known and not fetched");
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
    // One may have been on its way when the signal came.
    assert!(server.requests().len() <= 3, "{} requests", server.requests().len());
    assert_eq!(place.report().urls(), ["/"]);
}

/// Where the two workers stand that read from a server that stalls.
const WORKER_STANDS: [&str; 5] = [
    "` (pending, ",
    "\n    demo::crawl::worker at demo/src/crawl/mod.rs:",
    "demo::http::buffer::Buffer::fill at demo/src/http/buffer.rs:",
    "waits for: readable on the socket to 127.0.0.1:",
    "waits for: sleep for another ",
];

#[test]
fn asked_by_a_signal_it_prints_where_every_task_stands_and_goes_on() {
    let server = FaultServer::start(|visit| visit.stall());
    for signal in [Signal::USR1, Signal::QUIT] {
        let place = Place::new();
        let before = server.requests().len();
        let mut running = place.start_crawl(&[&server.url("/")]);
        server.until_requests(before + 1);
        running.signal(signal);
        for text in WORKER_STANDS {
            running.until_it_says(text);
        }
        running.until_it_says("`progress` (pending");
        running.until_it_says("waits for: a page to fetch");
        running.signal(Signal::INT);
        running.until_it_says("interrupted");
        running.signal(Signal::INT);
        running.wait().exits(130);
    }
}

#[test]
fn interrupted_with_v_it_prints_where_every_task_stands_and_without_does_not() {
    let server = FaultServer::start(|visit| visit.stall());
    for verbose in [true, false] {
        let place = Place::new();
        let before = server.requests().len();
        let options: &[&str] = if verbose { &["-v"] } else { &[] };
        let mut running = place.start_crawl(&[options, &[&server.url("/")]].concat());
        server.until_requests(before + 1);
        running.signal(Signal::INT);
        running.until_it_says("interrupted: finishing the 1 page in progress");
        running.signal(Signal::INT);
        let ran = running.wait().exits(130);
        for text in WORKER_STANDS {
            assert_eq!(ran.stderr.contains(text), verbose, "{text}: {}", ran.stderr);
        }
    }
}
