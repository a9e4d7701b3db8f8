//! Fields of responses that decide what the downloader does, however they are written: folded, in older formats, wrong.

use super::{GOOD, meet};
use std::fs;
use std::time::{Duration, UNIX_EPOCH};
use tests::demo::Place;
use tests::faults::{After, FaultServer};
use tests::replies::{GZIP, HELLO};

/// RFC 9112, 5.2: a fold is a space, and spaces at the ends of a value are not part of it (RFC 9110, 5.5).
#[test]
fn each_field_that_is_read_may_be_folded() {
    let server = FaultServer::start(|visit| match (visit.path.as_str(), visit.header("cookie")) {
        ("/", _) => {
            let fields = "Content-Type:\r\n text/html;\r\n\tcharset=utf-8\r\nSet-Cookie:\r\n a=b;\r\n Path=/\r\n";
            visit.answer("200 OK", fields, "<a href=gzip>g</a> <a href=busy>b</a> <a href=hop>h</a>")
        }
        ("/gzip", Some("a=b")) => visit.answer("200 OK", "Content-Encoding:\r\n gzip\r\n \r\n", GZIP),
        ("/busy", _) if visit.attempt == 1 => visit.answer("503 Busy", "Retry-After:\r\n 0\r\n", ""),
        ("/hop", _) => visit.answer("302 Found", "Location:\r\n\t/there\r\n \r\n", ""),
        ("/busy" | "/there", _) => visit.answer("200 OK", "Connection:\r\n close\r\n", GOOD),
        _ => visit.answer("404 Not Found", "", ""),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/")]).exits(0);
    assert_eq!(place.names(), ["busy", "gzip", "index.html", "there"]);
    assert_eq!(place.files()["gzip"], HELLO);
}

/// RFC 9110, 5.6.7: two formats are obsolete, and must be understood.
#[test]
fn a_file_has_the_time_that_the_server_says_in_each_format() {
    const TIME: Duration = Duration::from_secs(784_111_777);
    for (date, is_known) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", true),
        ("\r\n Sun, 06 Nov 1994 08:49:37 GMT \r\n ", true),
        ("Sunday, 06-Nov-94 08:49:37 GMT", true),
        ("Sun Nov  6 08:49:37 1994", true),
        ("Sun, 06 Nov 1994 08:49:37 +0000", false),
        ("1994-11-06", false),
        ("0", false),
        ("Thu, 01 Jan 1600 00:00:00 GMT", false),
        ("Fri, 31 Dec 9999 23:59:59 GMT", false),
    ] {
        let server =
            FaultServer::start(move |visit| visit.answer("200 OK", &format!("Last-Modified:{date}\r\n"), HELLO));
        let place = Place::new();
        place.run(&["download", &server.url("/file")]).exits(0);
        let file = place.path("file");
        assert_eq!(fs::read(&file).unwrap(), HELLO, "{date:?}");
        let modified = fs::metadata(file).unwrap().modified().unwrap();
        assert_eq!(modified == UNIX_EPOCH + TIME, is_known, "{date:?}: {modified:?}");
    }
}

/// If the time cannot be parsed, the request to a busy host is retried as after any error. No wait is endless.
#[test]
fn an_invalid_retry_after_is_ignored_and_one_in_the_past_is_over() {
    for wait in ["-1", "1.5", "soon", "", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "0", "000"] {
        let met = meet(&["--retries", "1"], move |visit| match visit.attempt {
            1 => visit.answer("429 Too Many Requests", &format!("Retry-After: {wait}\r\n"), "sorry"),
            _ => visit.page(HELLO),
        });
        met.saves(HELLO, 2);
    }
}

/// RFC 9110, 13.1.5: a weak validator does not say that two bodies have the same bytes.
#[test]
fn a_body_with_a_weak_validator_is_requested_again_as_a_whole() {
    for validator in
        ["ETag: W/\"a\"\r\n", "ETag: w/\"a\"\r\n", "ETag: a\r\n", "ETag:\r\n", "Last-Modified: yesterday\r\n"]
    {
        let server = FaultServer::start(move |visit| {
            assert_eq!((visit.header("Range"), visit.header("If-Range")), (None, None), "{validator:?}");
            match visit.attempt {
                1 => {
                    visit.send(format!("HTTP/1.1 200 OK\r\n{validator}Content-Length: 600000\r\n\r\n"));
                    visit.send(vec![b'x'; 400_000]);
                    After::Close
                }
                _ => visit.answer("200 OK", validator, HELLO),
            }
        });
        let place = Place::new();
        place.run(&["download", "-c", &server.url("/file")]).exits(0);
        assert_eq!(fs::read(place.path("file")).unwrap(), HELLO, "{validator:?}");
    }
}

/// Each wrong form of a range, for a body of 600,000 bytes of which 400,000 were received.
#[test]
fn a_part_with_another_range_is_not_appended() {
    for range in [
        "bytes 0-199999/600000",
        "bytes 400001-599999/600000",
        "bytes 400000-599999/600001",
        "bytes 400000-600000/600000",
        "bytes 599999-400000/600000",
        "bytes 400000-/600000",
        "bytes -200000/600000",
        "bytes */600000",
        "bytes 400000-599999",
        "pages 400000-599999/600000",
        "400000-599999/600000",
        "bytes 400000-18446744073709551615/*",
        "bytes 400000-99999999999999999999/*",
        "",
    ] {
        let server = FaultServer::start(move |visit| match (visit.attempt, visit.header("Range")) {
            (1, None) => {
                visit.send("HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 600000\r\n\r\n");
                visit.send(vec![b'x'; 400_000]);
                After::Close
            }
            (2, Some("bytes=400000-")) => {
                let fields = format!("ETag: \"a\"\r\nContent-Range: {range}\r\n");
                visit.answer("206 Partial Content", &fields, vec![b'y'; 200_000])
            }
            (_, range) => {
                assert_eq!(range, None);
                visit.answer("200 OK", "ETag: \"a\"\r\n", HELLO)
            }
        });
        let place = Place::new();
        place.run(&["download", "-c", "--max-size", "1G", &server.url("/file")]).exits(0);
        assert_eq!(fs::read(place.path("file")).unwrap(), HELLO, "{range:?}");
        assert_eq!(server.requests().len(), 3, "{range:?}");
    }
}

/// RFC 9110, 15.4.5: a 304 has no body whatever its fields say. Bytes after it are not read as the next response.
#[test]
fn a_304_has_no_body_whatever_its_fields_say() {
    const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";
    for (fields, after) in [
        ("Content-Length: 15\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", ""),
        ("Content-Encoding: gzip\r\nContent-Length: 15\r\n", ""),
        ("Content-Length: 15\r\n", EVIL),
        ("", EVIL),
    ] {
        let server = FaultServer::start(move |visit| match (visit.path.as_str(), visit.header("If-Modified-Since")) {
            ("/", None) => visit.links(["/next"]),
            ("/", Some(_)) => {
                visit.send(format!("HTTP/1.1 304 Not Modified\r\nContent-Type: text/html\r\n{fields}\r\n{after}"));
                After::Next
            }
            (_, Some(_)) => visit.answer("304 Not Modified", "", ""),
            _ => visit.page(GOOD),
        });
        let place = Place::new();
        for _ in 0..2 {
            place.crawl(&["-N", "--retries", "0", "--header-timeout", "2s", &server.url("/")]).exits(0);
            assert_eq!(place.files()["next"], GOOD.as_bytes(), "{fields:?} {after:?}");
        }
        assert_eq!(place.report().of("/").number("status"), Some(304));
    }
}
