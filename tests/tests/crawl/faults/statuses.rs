//! Statuses that do not fit the request, and redirects whose target is not a clean reference.

use super::{GOOD, meet};
use tests::faults::{After, Visit};

#[test]
fn an_unrequested_part_is_incomplete_unless_it_is_the_whole_body() {
    let part = |range: &'static str, body: &'static str| {
        meet(&["--retries", "1"], move |visit| visit.answer("206 Partial Content", range, body))
    };
    part("Content-Range: bytes 0-4/10\r\n", "01234").fails(206, "incomplete", 2);
    part("Content-Range: bytes 0-4/*\r\n", "01234").fails(206, "incomplete", 2);
    part("", "01234").fails(206, "incomplete", 2);
    part("Content-Range: bytes 0-4/5\r\n", "01234").saves("01234", 1);
    // It claims to be the whole body, and is not.
    part("Content-Range: bytes 0-9/10\r\n", "01234").fails(206, "incomplete", 2);
}

#[test]
fn a_content_range_in_an_ordinary_response_is_ignored() {
    let met = meet(&[], |visit| visit.answer("200 OK", "Content-Range: bytes 0-4/10\r\n", "01234"));
    met.saves("01234", 1);
}

#[test]
fn responses_to_a_range_or_a_condition_are_errors_if_the_request_had_none() {
    for status in ["304 Not Modified", "412 Precondition Failed", "416 Range Not Satisfiable"] {
        let met = meet(&["--retries", "0"], move |visit| {
            visit.send(format!("HTTP/1.1 {status}\r\n\r\n"));
            After::Close
        });
        let code = status[..3].parse::<u64>().unwrap();
        met.fails(code, "though the request had no range and no condition", 1);
    }
}

#[test]
fn a_location_in_any_encoding_is_followed() {
    for (location, path) in [
        (&b"/sch\xf6n"[..], "/sch%F6n"),
        ("/schön".as_bytes(), "/sch%C3%B6n"),
        (b"/a b", "/a%20b"),
        (b"a%20b#part", "/a%20b"),
        (b"\r\n /folded", "/folded"),
        (b"\r\nLocation: /second", "/second"),
    ] {
        let served = move |visit: &mut Visit<'_>| match visit.path.as_str() {
            "/bad" => {
                visit.send([b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: ", location, b"\r\n\r\n"].concat());
                After::Next
            }
            there if there == path => visit.page(GOOD),
            _ => visit.answer("404 Not Found", "", ""),
        };
        let met = meet(&["--retries", "0"], served);
        met.others_are_well(0);
        met.bad().is_saved();
        let to = met.bad().text("final_url");
        assert!(to.is_some_and(|to| to.ends_with(path)), "{:?} led to {to:?}", String::from_utf8_lossy(location));
    }
}

#[test]
fn an_empty_location_counts_as_none() {
    let met = meet(&[], |visit| visit.answer("302 Found", "Location: \r\n", ""));
    met.others_are_well(0);
    assert_eq!((met.bad().text("error"), met.bad().text("final_url")), (None, None));
}
