//! Content codings: bodies that are coded, requested or not.

use super::meet;
use std::io::Write;
use std::process::Stdio;
use tests::demo::{Place, Program, Running};
use tests::faults::{After, FaultServer, Visit};
use tests::replies::{GZIP, HELLO};

/// Answers with a body in a coding.
fn coded(coding: &'static str, body: &'static [u8]) -> impl Fn(&mut Visit<'_>) -> After + Send + Sync + 'static {
    move |visit| visit.answer("200 OK", &format!("Content-Encoding: {coding}\r\n"), body)
}

#[test]
fn codings_are_requested_and_decoded_and_the_report_has_the_size_of_the_file() {
    let met = meet(&["--retries", "0"], |visit| {
        let accepted = visit.header("Accept-Encoding").unwrap_or_default().to_owned();
        assert_eq!(accepted, "gzip, deflate, br, zstd");
        coded("gzip", GZIP)(visit)
    });
    met.saves(HELLO, 1);
}

/// `http/decode/tests.rs` tests each coding. This test checks that the links of a coded page are found.
#[test]
fn the_links_of_a_coded_page_are_followed() {
    let Some(gzip) = Program::find("gzip") else { return };
    let mut child = gzip.command().arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"<html><a href=/next>n</a>").unwrap();
    let page = child.wait_with_output().unwrap().stdout;
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.answer("200 OK", "Content-Type: text/html\r\nContent-Encoding: gzip\r\n", &page),
        _ => visit.page("next"),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/")]).exits(0);
    assert_eq!(place.names(), ["index.html", "next"]);
    assert_eq!(place.files()["index.html"], b"<html><a href=/next>n</a>");
}

#[test]
fn a_coding_that_cannot_be_decoded_is_an_error_that_names_it() {
    meet(&[], coded("compress", b"x")).fails(200, "the content coding `compress` is not supported", 1);
    meet(&[], coded("gzip, sdch", b"x")).fails(200, "the content coding `sdch` is not supported", 1);
    meet(&[], coded("gzip", b"<p>plain")).fails(200, "the body is not valid gzip data", 1);
    // The coding of a page that is not saved does not matter.
    let met = meet(&[], |visit| visit.answer("404 No", "Content-Encoding: x\r\n", "x"));
    met.fails(404, "the server answered 404", 1);
}

#[test]
fn a_coded_body_without_its_end_is_incomplete_and_tried_again() {
    meet(&["--retries", "1"], coded("gzip", &GZIP[..GZIP.len() - 1])).fails(200, "inside its gzip data", 2);
}

#[test]
fn a_coded_file_is_saved_as_it_is() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links(["/a.tar.gz", "/typed"]),
        "/typed" => visit.answer("200 OK", "Content-Type: application/gzip\r\nContent-Encoding: gzip\r\n", GZIP),
        _ => visit.answer("200 OK", "Content-Type: application/x-tar\r\nContent-Encoding: gzip\r\n", GZIP),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/")]).exits(0);
    for name in ["a.tar.gz", "typed"] {
        assert_eq!(place.files()[name], GZIP, "{name}");
    }
}

#[test]
fn a_status_without_a_body_has_nothing_to_decode() {
    let met = meet(&["--retries", "0"], |visit| {
        visit.send("HTTP/1.1 204 None\r\nContent-Encoding: gzip\r\n\r\n");
        visit.stall()
    });
    met.saves("", 1);
    meet(&["--retries", "0"], coded("gzip", b"")).saves("", 1);
}

/// 20,000,000 zeros in br: each megabyte of them takes two bytes.
const BOMB: &[u8] =
    b"\xcb\xff\xff\x3f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x8f\xff\xff\x7f\xf0\x4f\x00\xc4\x61\x11\x80\xee\xfd\
    \x5f\xfe\xb3\xc4\xe0\x9f\x00\x88\xc3\x02\x00\x5d\x92\x18";

#[test]
fn a_decompression_bomb_stops_at_the_ratio_limit_or_at_the_size_limit() {
    meet(&[], coded("br", BOMB)).fails(200, "the body expands to more than 1000 times its size", 1);
    meet(&["--max-size", "500k"], coded("br", BOMB)).fails(200, "the body is larger than the limit of", 1);
}

/// The lines compress by a factor of 300, which is below the limit on the ratio. They expand up to the size limit, in a
/// program that may use less memory than that.
#[test]
fn a_body_that_expands_is_never_held_in_memory() {
    let Some(gzip) = Program::find("gzip") else { return };
    let mut child = gzip.command().arg("-c9").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut lines) = (child.stdin.take().unwrap(), Vec::new());
    let writing = std::thread::spawn(move || {
        (0..2_000_000_u32).for_each(|n| lines.extend(format!("a line like the one before {:03}\n", n / 1000).bytes()));
        stdin.write_all(&lines).unwrap();
    });
    let body = child.wait_with_output().unwrap().stdout;
    writing.join().unwrap();
    let server = FaultServer::start(move |visit| visit.answer("200 OK", "Content-Encoding: gzip\r\n", &body));
    let place = Place::new();
    // In KiB. Without a body, the program takes a quarter of this.
    let script = "ulimit -d 40000 && exec \"$@\"";
    let args = ["crawl", "--report", "report.jsonl", "--max-size", "50M", &server.url("/x")];
    let ran = Running::start(&mut place.shell(script, &args)).wait();
    ran.exits(3).says("the body is larger than the limit of 47.7 MiB");
    place.has_no_parts();
}
