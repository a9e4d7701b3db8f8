//! `demo serve`: the built-in site, and persistent connections.

use rustix::process::Signal;
use std::fs;
use std::io::{Read, Write};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};
use tests::demo::{Place, Serving};

#[test]
fn serve_prints_its_address_and_answers_there_until_ctrl_c() {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::new();
        let serving = Serving::start(&place, &[]);
        assert!(serving.running.stdout().contains("Ctrl-C"), "{}", serving.running.stdout());
        assert!(serving.get("/").text().contains("The built-in site"));
        let _idle = serving.connect(); // an idle connection does not delay the end
        serving.running.signal(signal);
        serving.running.wait().exits(if signal == Signal::INT { 130 } else { 143 });
    }
}

#[test]
fn serve_delays_each_answer_and_simultaneous_answers_share_the_delay() {
    let place = Place::new();
    let serving = Serving::start(&place, &["--delay", "100ms"]);
    let ready = Barrier::new(16);
    let start = Instant::now();
    thread::scope(|scope| {
        for n in 0..16 {
            let (serving, ready) = (&serving, &ready);
            scope.spawn(move || {
                ready.wait();
                let before = Instant::now();
                assert_eq!(serving.get(&format!("/ring/{}", n % 12)).status, 200);
                assert!(before.elapsed() >= Duration::from_millis(100), "it was not delayed");
            });
        }
    });
    // One after the other they take 1.6 s.
    assert!(start.elapsed() < Duration::from_millis(1200), "16 at once took {:?}", start.elapsed());
}

#[test]
fn a_crawl_of_a_slow_site_waits_for_many_pages_at_once() {
    let place = Place::new();
    let serving = Serving::start(&place, &["--delay", "100ms"]);
    let ran = place.crawl(&[&serving.url("/tree/"), "--no-parent"]).exits(0);
    assert_eq!(place.files().len(), 121);
    // 121 pages, 16 at once, take about ten rounds of 0.1 s; one at a time takes 12.1 s.
    assert!(ran.took < Duration::from_secs(8), "it took {:?}", ran.took);
}

#[test]
fn a_second_server_on_the_same_port_is_an_error_with_exit_code_1() {
    let place = Place::new();
    let first = Serving::start(&place, &[]);
    let address = first.address.to_string();
    let ran = place.run(&["serve", "--listen", &address]).exits(1);
    ran.says(&format!("cannot listen on {address}")).says("in use").says("--listen");
    assert_eq!(first.get("/").status, 200);
}

#[test]
fn a_directory_that_is_not_there_cannot_be_served() {
    let place = Place::new();
    place.run(&["serve", "--listen", "127.0.0.1:0", "--root", "nowhere"]).exits(1).says("cannot serve nowhere");
    fs::write(place.path("file"), "").unwrap();
    place.run(&["serve", "--listen", "127.0.0.1:0", "--root", "file"]).exits(1).says("cannot serve file");
}

/// The head of an answer without its date: a second may have passed since another answer.
pub(super) fn undated(answer: &tests::demo::Answer) -> String {
    answer.head.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    for path in ["/", "/size/0", "/size/1m", "/style.css", "/redirect/moved", "/none"] {
        let get = serving.get(path);
        let head = serving.raw(format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        assert_eq!((head.status, undated(&head)), (get.status, undated(&get)), "of {path}");
        assert_eq!(head.body, b"");
        assert_eq!(get.field("content-length").unwrap(), get.body.len().to_string(), "of {path}");
    }
}

/// Reads one answer with a length from a connection that stays open.
#[track_caller]
pub(super) fn one_answer(stream: &mut (impl Read + ?Sized)) -> (u16, Vec<u8>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).expect("a body");
    (status, body)
}

#[test]
fn a_connection_is_kept_for_further_requests_that_arrive_at_once_or_in_pieces() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let mut stream = serving.connect();
    for _ in 0..3 {
        stream.write_all(b"GET /size/1k HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(one_answer(&mut stream).1.len(), 1024);
    }
    // A missing page does not close the connection.
    stream.write_all(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(one_answer(&mut stream).0, 404);
    // Three at once, each with a body that GET does not use.
    stream.write_all(b"GET /size/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /size/1k HTTP/1.1\r\nHost: x\r\n\r\nGET /size/0 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!([1, 2, 3].map(|_| one_answer(&mut stream).1.len()), [1, 1024, 0]);
    for byte in b"GET /size/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(one_answer(&mut stream).1.len(), 1);
    stream.write_all(b"GET /size/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(one_answer(&mut stream).1.len(), 1);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed, as it was asked to");
    // HTTP/1.0 closes unless it is asked not to.
    let old = serving.raw("GET /size/1 HTTP/1.0\r\n\r\n");
    assert_eq!((old.status, old.body.len(), old.field("connection")), (200, 1, Some("close")));
}

/// HTTP/1.0 has no chunks, so such a client cannot read them.
#[test]
fn an_http_1_0_client_is_not_sent_chunks() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let answer = serving.raw("GET /framing/chunked HTTP/1.0\r\n\r\n");
    assert_eq!(answer.field("transfer-encoding"), None, "{}", answer.head);
    assert!(answer.text().starts_with("<!doctype html>"));
}
