//! What RFC 9110 and RFC 9112 say about responses, as rows of tables: the bytes of a response, and the result. All
//! rows of a table are pages of one crawl.

use super::GOOD;
use std::fs;
use std::time::Duration;
use tests::demo::Place;
use tests::faults::{After, FaultServer};
use tests::replies::Outcome::{self, Fails, Leads, Saved};
use tests::replies::{GZIP, HELLO};

/// What a server does after it has sent a response.
#[derive(Clone, Copy)]
enum Then {
    /// It waits for the next request, so the end of the body must be found before the connection ends.
    Stays,
    /// It closes the connection.
    Closes,
}
use Then::{Closes, Stays};

/// A response, and its result.
type Row = (Vec<u8>, Then, Outcome);

/// A row with this whole response.
fn row(response: impl AsRef<[u8]>, then: Then, outcome: Outcome) -> Row {
    (response.as_ref().to_vec(), then, outcome)
}

/// A row with these lines after `HTTP/1.1`, and a body.
fn answer(head: &str, body: &[u8], then: Then, outcome: Outcome) -> Row {
    row([format!("HTTP/1.1 {head}\r\n\r\n").as_bytes(), body].concat(), then, outcome)
}

/// A response of five bytes with these fields, in one of which a line may be folded.
fn hello(fields: &str, outcome: Outcome) -> Row {
    answer(&format!("200 OK\r\n{fields}"), b"hello", Stays, outcome)
}

const FIVE: Outcome = Saved(b"hello");
const CHUNKS: &[u8] = b"5\r\nhello\r\n0\r\n\r\n";

/// Crawls all rows at once, and checks each result.
#[track_caller]
fn check(rows: Vec<Row>) {
    let path = |number: usize| format!("/row/{number}");
    let (served, links) = (rows.clone(), (0..rows.len()).map(path).collect::<Vec<_>>());
    let server = FaultServer::start(move |visit| match links.iter().position(|link| *link == visit.path) {
        Some(number) => {
            let (response, then, _) = &served[number];
            visit.send(response);
            match then {
                Stays => After::Next,
                Closes => After::Close,
            }
        }
        None if visit.path == "/" => visit.links(links.iter().map(String::as_str).chain(["/good"])),
        None => visit.page(GOOD),
    });
    let place = Place::new();
    let args = ["--retries", "0", "--header-timeout", "2s", "--idle-timeout", "2s", &server.url("/")];
    let ran = place.crawl(&args);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert!(ran.took < Duration::from_secs(15), "it took {:?}", ran.took);
    let (report, mut wrong) = (place.report(), Vec::new());
    for (number, (response, _, expected)) in rows.iter().enumerate() {
        let line = report.of(&path(number));
        let saved = line.text("path").map(|path| fs::read(place.path("download").join(path)).unwrap());
        let (led, error) = (line.text("final_url"), line.text("error"));
        let is_right = match expected {
            Saved(bytes) => error.is_none() && led.is_none() && saved.as_deref() == Some(*bytes),
            Leads(to) => error.is_none() && led.is_some_and(|led| led.ends_with(to)),
            Fails(why) => saved.is_none() && error.is_some_and(|error| error.contains(why)),
        };
        if !is_right {
            let (response, saved) = (String::from_utf8_lossy(response), saved.as_deref().map(String::from_utf8_lossy));
            wrong
                .push(format!("{response:?}\n  is not {expected:?}: saved {saved:?}, led to {led:?}, error {error:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    report.of("/good").is_saved();
    place.has_no_parts();
}

#[test]
fn transfer_codings_decide_where_a_body_ends() {
    let chunks = |codings: &str| answer(&format!("200 OK\r\n{codings}"), CHUNKS, Stays, FIVE);
    let fails = |codings: &str, why| answer(&format!("200 OK\r\n{codings}"), CHUNKS, Closes, Fails(why));
    let gzip_in_chunks = [format!("{:x}\r\n", GZIP.len()).as_bytes(), GZIP, b"\r\n0\r\n\r\n"].concat();
    let to_close = |codings: &str, body, outcome| answer(&format!("200 OK\r\n{codings}"), body, Closes, outcome);
    check(vec![
        chunks("Transfer-Encoding: CHUNKED"),
        chunks("Transfer-Encoding: , chunked ,"),
        chunks("Transfer-Encoding: identity, chunked"),
        chunks("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
        chunks("Transfer-Encoding:\r\n chunked"),
        chunks("Transfer-Encoding\t: chunked"),
        // RFC 9112, 6.1: chunked is applied once, so a proxy repeated the field.
        chunks("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        chunks("Transfer-Encoding: chunked, chunked"),
        chunks("Transfer-Encoding: chunked\r\nContent-Length: nonsense"),
        chunks("Transfer-Encoding: chunked\r\nContent-Length: 3\r\nContent-Length: 4"),
        chunks("Transfer-Encoding: chunked\r\nTrailer: X\r\nTE: trailers"),
        answer("200 OK\r\nTransfer-Encoding: gzip, chunked", &gzip_in_chunks, Stays, Saved(HELLO)),
        answer(
            "200 OK\r\nTransfer-Encoding: X-GZip\r\nTransfer-Encoding: chunked",
            &gzip_in_chunks,
            Stays,
            Saved(HELLO),
        ),
        row([b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNKS].concat(), Closes, FIVE),
        to_close("Transfer-Encoding: gzip", GZIP, Saved(HELLO)),
        to_close("Transfer-Encoding: gzip\r\nContent-Length: 3", GZIP, Saved(HELLO)),
        to_close("Transfer-Encoding: identity", b"hello", FIVE),
        to_close("Transfer-Encoding:", b"hello", FIVE),
        hello("Transfer-Encoding: identity\r\nContent-Length: 5", FIVE),
        fails("Transfer-Encoding: chunked, gzip", "chunked is not the last transfer coding"),
        fails("Transfer-Encoding: chunked, gzip, chunked", "chunked is not the last transfer coding"),
        fails("Transfer-Encoding: chunked, identity, x", "chunked is not the last transfer coding"),
        fails("Transfer-Encoding: compress, chunked", "unknown transfer coding `compress`"),
        fails("Transfer-Encoding: x", "unknown transfer coding `x`"),
        fails("Transfer-Encoding: chunked;q=1", "unknown transfer coding `chunked;q=1`"),
        fails("Transfer-Encoding: \u{e4}", "a field that delimits the body is not text"),
        fails("Transfer-Encoding: gzip, chunked", "not valid gzip data"),
    ]);
}

#[test]
fn a_length_is_digits_however_the_field_is_written() {
    let fails = |fields: &str, why| answer(&format!("200 OK\r\n{fields}"), b"hello", Closes, Fails(why));
    check(vec![
        hello("Content-Length: 5   ", FIVE),
        hello("Content-Length:5\t", FIVE),
        hello("Content-Length: 005", FIVE),
        hello("content-length : 5", FIVE),
        hello("Content-Length:\r\n\t5", FIVE),
        hello("Content-Length: 5\r\n ", FIVE),
        hello("Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 5, 05", FIVE),
        hello("Content-Length: 5\r\nConnection: close, keep-alive", FIVE),
        hello("Content-Length: 5\r\nUpgrade: h2c\r\nConnection: Upgrade", FIVE),
        answer("200 OK\nContent-Length: 5", b"hello", Stays, FIVE),
        row("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", Stays, FIVE),
        row("HTTP/1.1 200 OK   \r\nContent-Length: 5\r\n\r\nhello", Stays, FIVE),
        row("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", Stays, FIVE),
        row("HTTP/1.0 200 OK\r\n\r\nhello", Closes, FIVE),
        row("HTTP/1.1 200 OK\r\n\r\n", Closes, Saved(b"")),
        fails("Content-Length: 5\r\n 6", "is not a size"),
        fails("Content-Length: 5\r5", "is not a size"),
        fails("Content-Length: 5;x", "is not a size"),
        fails("Content-Length: 5,", "is not a size"),
        fails("Content-Length: five", "is not a size"),
        fails("Content-Length: \u{665}", "is not text"),
        fails("Content-Length: 6", "incomplete"),
        // A carriage return alone ends no line, so there is no field and no end of the head.
        row("HTTP/1.1 200 OK\rContent-Length: 5\r\rhello", Closes, Fails("incomplete")),
        row("HTTP/1.1 200 OK\r\n", Closes, Fails("incomplete")),
        row("HTTP/1.1 200 OK", Closes, Fails("incomplete")),
        row("\r\n", Closes, Fails("incomplete")),
        row("", Closes, Fails("without sending a response")),
        row(" HTTP/1.1 200 OK\r\n\r\n", Closes, Fails("does not begin with HTTP/")),
        row("HTTP/3.1 200 OK\r\n\r\n", Closes, Fails("version")),
        row("HTTP/1.1 20 OK\r\n\r\n", Closes, Fails("status code")),
        row("HTTP/1.1 0200 OK\r\n\r\n", Closes, Fails("status code")),
        row("HTTP/1.1 ２００ OK\r\n\r\n", Closes, Fails("status code")),
    ]);
}

#[test]
fn a_status_means_what_rfc_9110_says() {
    let empty = |status: &str, outcome| answer(&format!("{status}\r\nContent-Length: 0"), b"", Stays, outcome);
    let early = |status: &str| {
        row(format!("HTTP/1.1 {status}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), Stays, FIVE)
    };
    let to = |status: &str, to: &str, path| {
        answer(&format!("{status}\r\nLocation: {to}\r\nContent-Length: 0"), b"", Stays, Leads(path))
    };
    check(vec![
        early("100 Continue"),
        early("102 Processing\r\nContent-Length: 7"),
        early("103 Early Hints\r\nLink: </x>; rel=preload\r\nTransfer-Encoding: chunked"),
        early("199 Whatever"),
        row("HTTP/1.1 100 Continue\r\n\r\n", Closes, Fails("without sending a response")),
        row("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", Stays, Fails("unrequested")),
        empty("201 Created", Saved(b"")),
        hello("Content-Length: 5\r\nContent-Range: bytes 0-4/10", FIVE),
        answer("203 Non-Authoritative\r\nContent-Length: 5", b"hello", Stays, FIVE),
        answer("204 No Content\r\nContent-Length: 5", b"", Stays, Saved(b"")),
        answer("205 Reset Content\r\nContent-Length: 0", b"", Stays, Saved(b"")),
        answer("205 Reset Content\r\nTransfer-Encoding: chunked", b"0\r\n\r\n", Stays, Saved(b"")),
        answer("205 Reset Content", b"", Closes, Saved(b"")),
        answer("299 Future\r\nContent-Length: 5", b"hello", Stays, FIVE),
        to("300 Multiple Choices", "/300", "/300"),
        to("301 Moved", "http:/301", "/301"),
        to("302 Found", "302?q#f", "/row/302?q"),
        to("303 See Other", "./303", "/row/303"),
        to("307 Temporary", "?307", "?307"),
        to("308 Permanent", "/a/../308", "/308"),
        to("302 Found", "\r\n /folded", "/folded"),
        answer("304 Not Modified\r\nContent-Length: 5", b"", Stays, Fails("no range and no condition")),
        empty("400 Bad Request", Fails("answered 400")),
        empty("401 Unauthorized\r\nWWW-Authenticate: Basic realm=x, Digest nonce=\"", Fails("answered 401")),
        empty("402 Payment Required", Fails("answered 402")),
        empty("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic", Fails("answered 407")),
        empty("417 Expectation Failed", Fails("answered 417")),
        empty("426 Upgrade Required\r\nUpgrade: h2c", Fails("answered 426")),
        empty("451 For Legal Reasons", Fails("answered 451")),
        empty("499 Unknown", Fails("answered 499")),
        empty("511 Network Authentication Required", Fails("answered 511")),
        empty("600 Beyond", Fails("answered 600")),
        empty("999 Beyond", Fails("answered 999")),
    ]);
}

#[test]
fn an_unrequested_part_is_the_page_only_if_it_is_the_whole_body() {
    let part = |range: &str, outcome| {
        let head = format!("206 Partial Content\r\nContent-Range:{range}\r\nContent-Length: 5");
        answer(&head, b"hello", Stays, outcome)
    };
    check(vec![
        part(" bytes 0-4/5", FIVE),
        part("\r\n bytes 0-4/5", FIVE),
        part(" BYTES 0-4/5 ", FIVE),
        part(" bytes 0-4/6", Fails("incomplete")),
        part(" bytes 1-5/6", Fails("incomplete")),
        part(" bytes 0-4/*", Fails("incomplete")),
        part(" bytes 4-0/5", Fails("incomplete")),
        part(" bytes */5", Fails("incomplete")),
        part(" bytes 0-/5", Fails("incomplete")),
        part(" bytes -5/5", Fails("incomplete")),
        part(" bytes 0-4", Fails("incomplete")),
        part(" bytes 0-5/6", Fails("incomplete")),
        part(" pages 0-4/5", Fails("incomplete")),
        part(" bytes 0-18446744073709551615/18446744073709551616", Fails("incomplete")),
        part(" nonsense", Fails("incomplete")),
        part("", Fails("incomplete")),
        part(" bytes 0-4/5\r\nContent-Type: multipart/byteranges; boundary=x", FIVE),
    ]);
}
