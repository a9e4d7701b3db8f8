//! `demo serve`: requests that are refused.

use std::io::{Read, Write};
use tests::demo::{Place, Serving};

/// Checks that the server refused with a message and still serves others.
#[track_caller]
fn refuses(serving: &Serving, request: impl AsRef<[u8]>, status: u16) -> tests::demo::Answer {
    let answer = serving.raw(request);
    assert_eq!(answer.status, status, "{}", answer.head);
    let length: usize = answer.field("content-length").expect("a length").parse().unwrap();
    assert_eq!(answer.body.len(), length, "the body is as long as promised: {}", answer.head);
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(serving.get("/size/1").status, 200);
    answer
}

#[test]
fn rubbish_is_answered_with_400() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    for request in [
        "rubbish\r\n\r\n",
        "GET\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/nine\r\n\r\n",
        "GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        // A proxy in front of the server might use one of them and the server the other (RFC 9112, 6.1).
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
    ] {
        refuses(&serving, request, 400);
    }
    // TLS to a port without TLS.
    refuses(&serving, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03rubbish\r\n\r\n", 400);
}

#[test]
fn http_1_1_without_a_host_is_answered_with_400() {
    let place = Place::new();
    refuses(&Serving::start(&place, &[]), "GET / HTTP/1.1\r\n\r\n", 400);
}

#[test]
fn a_request_in_the_form_for_proxies_is_answered_too() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", serving.url("/size/1"));
    let answer = serving.raw(request);
    assert_eq!((answer.status, answer.body.len()), (200, 1)); // RFC 9112, 3.2.2
}

#[test]
fn other_methods_are_answered_with_405_and_the_allowed_methods() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
        let answer = refuses(&serving, request, 405);
        assert_eq!(answer.field("allow"), Some("GET, HEAD"), "{}", answer.head); // RFC 9110, 15.5.6
    }
}

#[test]
fn a_huge_head_is_answered_with_431() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    refuses(&serving, format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(100_000)), 431);
    refuses(&serving, format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: x\r\n".repeat(1000)), 431);
    refuses(&serving, format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100_000)), 431);
}

#[test]
fn a_huge_body_is_answered_with_413() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let head = "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n";
    refuses(&serving, format!("{head}{}", "x".repeat(200_000)), 413);
}

#[test]
fn a_bad_chunk_in_a_request_affects_only_its_own_connection() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let mut stream = serving.connect();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(serving.get("/size/1").status, 200);
    assert!(!serving.running.stderr().contains("panicked"), "{}", serving.running.stderr());
}
