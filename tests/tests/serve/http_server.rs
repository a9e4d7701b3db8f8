//! The HTTP side of `demo serve`: what RFC 9110 and 9112 require, and the cost of clients.
//!
//! Each request is sent byte for byte, so that no client library corrects it.

use std::io::{Read, Write};
use std::time::{Duration, Instant};
use tests::demo::{Place, Serving};
use tests::eventually;

/// Sends each request on a connection of its own, and checks that it is answered with this status and that the
/// connection is closed after a complete answer.
#[track_caller]
fn each_is_answered(status: u16, requests: &[&str]) {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    for request in requests {
        let answer = serving.raw(request);
        assert_eq!(answer.status, status, "{request:?}: {}", answer.head);
        assert_eq!(answer.field("connection"), Some("close"), "{request:?}");
        assert_eq!(answer.field("content-length"), Some(&*answer.body.len().to_string()), "{request:?}");
        assert!(answer.field("date").is_some(), "{request:?}: {}", answer.head);
    }
    assert_eq!(serving.get("/size/1").status, 200);
}

#[test]
fn a_request_with_two_hosts_no_host_or_a_malformed_one_is_400() {
    each_is_answered(
        400,
        &[
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
            "GET http://x/ HTTP/1.1\r\n\r\n",
            "GET http://x/ HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: user@x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: http://x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x:port\r\n\r\n",
            "GET / HTTP/1.0\r\nHost: [::1\r\n\r\n",
        ],
    );
}

#[test]
fn fields_that_other_parsers_may_read_differently_are_400() {
    each_is_answered(
        400,
        &[
            "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET / http/1.1\r\nHost: x\r\n\r\n",
            "GET x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        ],
    );
}

#[test]
fn a_body_whose_end_other_parsers_may_see_elsewhere_is_400() {
    let chunked = "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    each_is_answered(
        400,
        &[
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\nab",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na",
            &format!("{chunked}1;a\nb\r\nx\r\n0\r\n\r\n"),
            &format!("{chunked}1;a\n\r\nx\r\n0\r\n\r\n"),
            &format!("{chunked}1\nx\r\n0\r\n\r\n"),
            &format!("{chunked}1;a\rb\r\nx\r\n0\r\n\r\n"),
            &format!("{chunked}1\r\nx\n0\r\n\r\n"),
            &format!("{chunked}0x1\r\nx\r\n0\r\n\r\n"),
        ],
    );
}

#[test]
fn an_unknown_transfer_coding_is_501() {
    each_is_answered(
        501,
        &[
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: magic\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: magic\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ],
    );
}

#[test]
fn another_major_version_is_505() {
    each_is_answered(
        505,
        &[
            "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
            "GET / HTTP/0.9\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", // how HTTP/2 begins
        ],
    );
}

/// Reads one answer with a length from a connection that stays open. Returns its head and body.
#[track_caller]
fn one_answer(stream: &mut impl Read) -> (String, Vec<u8>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("a head is text");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().expect("a length is a number")];
    stream.read_exact(&mut body).expect("a body");
    (head, body)
}

#[test]
fn a_later_minor_version_is_served_as_1_1_and_kept() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let mut stream = serving.connect();
    for version in ["1.2", "1.9", "1.1"] {
        stream.write_all(format!("GET /size/1 HTTP/{version}\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
        let (head, body) = one_answer(&mut stream);
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("connection: keep-alive"), "{version}: {head}");
        assert_eq!(body.len(), 1);
    }
    assert_eq!(serving.raw("GET / HTTP/1.2\r\nConnection: close\r\n\r\n").status, 400, "it needs a host as well");
}

#[test]
fn http_1_0_with_a_transfer_coding_is_answered_and_closed() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let smuggled = "GET /size/1k HTTP/1.0\r\n\r\n";
    let request = "GET /size/1 HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = serving.raw(format!("{request}{smuggled}"));
    assert_eq!((answer.status, answer.field("connection"), answer.body.len()), (200, Some("close"), 1));
}

#[test]
fn every_answer_has_the_date_in_the_form_of_rfc_9110() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    for path in ["/", "/none", "/redirect/moved", "/framing/chunked", "/framing/close", "/size/1m"] {
        let answer = serving.get(path);
        let date = answer.field("date").unwrap_or_else(|| panic!("no date: {}", answer.head));
        let form = date.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
        let form = String::from_utf8(form.collect()).unwrap();
        assert!(form.len() == 29 && form[3..].starts_with(", 00 ") && form.ends_with(" 0000 00:00:00 GMT"), "{date}");
    }
}

#[test]
fn the_host_of_an_absolute_url_overrides_the_field() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let request = "GET http://named.example/redirect/temporary HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = serving.raw(request);
    assert_eq!(answer.field("location"), Some("http://named.example/redirect/landing"));
}

#[test]
fn a_method_is_refused_before_the_body_arrives() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(serving.raw(request).status, 405);
}

#[test]
fn a_connection_above_the_limit_is_answered_with_503() {
    let place = Place::new();
    let serving = Serving::start(&place, &["--connections", "3"]);
    let mut served: Vec<_> = (0..3).map(|_| serving.connect()).collect();
    for stream in &mut served {
        stream.write_all(b"GET /size/1 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        one_answer(stream);
    }
    for _ in 0..200 {
        let answer = serving.get("/size/1");
        assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")), "{}", answer.head);
    }
    served[0].write_all(b"GET /size/1 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(one_answer(&mut served[0]).1.len(), 1, "those that are served go on");
    served.pop();
    eventually("there is room again", || serving.get("/size/1").status == 200);
}

/// The resident memory of a program in bytes, on systems that report it: the present value (`VmRSS:`) or the peak
/// (`VmHWM:`).
fn memory(serving: &Serving, which: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.running.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(which))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().unwrap() * 1024)
}

#[test]
fn an_idle_connection_takes_almost_no_memory() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    assert_eq!(serving.get("/").status, 200);
    let before = memory(&serving, "VmRSS:");
    let mut waiting: Vec<_> = (0..400).map(|_| serving.connect()).collect();
    for stream in &mut waiting[..200] {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        one_answer(stream);
    }
    assert_eq!(serving.get("/").status, 200);
    if let (Some(before), Some(after)) = (before, memory(&serving, "VmRSS:")) {
        assert!(after < before + 400 * 3500, "from {before} to {after} bytes");
    }
}

/// Such clients neither take much memory nor delay other clients.
#[test]
fn clients_that_do_not_read_do_not_affect_others() {
    let place = Place::new();
    std::fs::create_dir(place.path("root")).unwrap();
    std::fs::write(place.path("root/large"), vec![b'x'; 20 << 20]).unwrap();
    std::fs::write(place.path("root/small"), "small").unwrap();
    let serving = Serving::start(&place, &["--root", "root"]);
    assert_eq!(serving.get("/small").status, 200);
    let before = memory(&serving, "VmHWM:");
    let mut lazy: Vec<_> = (0..200).map(|_| serving.connect()).collect();
    for stream in &mut lazy {
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    let start = Instant::now();
    for _ in 0..20 {
        assert_eq!(serving.get("/small").text(), "small");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "20 small files took {:?}", start.elapsed());
    // Wait until each answer has begun.
    for stream in &mut lazy {
        stream.read_exact(&mut [0; 15]).unwrap();
    }
    if let (Some(before), Some(after)) = (before, memory(&serving, "VmHWM:")) {
        assert!(after < before + (24 << 20), "from {before} to {after} bytes");
    }
    // A client that reads late still gets the whole file.
    let mut rest = Vec::new();
    let mut last = lazy.pop().unwrap();
    last.shutdown(std::net::Shutdown::Write).unwrap();
    drop(lazy);
    last.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.iter().filter(|byte| **byte == b'x').count(), 20 << 20);
}
