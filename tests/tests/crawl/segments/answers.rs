//! Servers that do not send the segments that were requested. The file always has the bytes of one version.

use super::kit::{Asked, FIELDS, LENGTH, Server, body, download, good, has_saved, part};
use tests::demo::Place;
use tests::faults::{After, FaultServer, Visit};

/// Fields of a file that is never requested in segments.
#[test]
fn a_file_without_ranges_or_a_strong_validator_comes_over_one_connection() {
    for fields in [
        "Accept-Ranges: bytes\r\n",
        "Accept-Ranges: bytes\r\nETag: W/\"one\"\r\n",
        "Accept-Ranges: bytes\r\nETag: one\r\n",
        "Accept-Ranges: bytes\r\nLast-Modified: Mon, 01 Jan 2035 00:00:00 GMT\r\n",
        "ETag: \"one\"\r\n",
        "Accept-Ranges: none\r\nETag: \"one\"\r\n",
        "Accept-Ranges: bytes\r\nETag: \"one\"\r\nContent-Encoding: gzip\r\n",
    ] {
        let (place, server) = (Place::new(), FaultServer::start(|visit| visit.answer("200 OK", fields, body(0))));
        let exit = if fields.contains("gzip") { 3 } else { 0 };
        place.run(&["download", "-s", "4", "-P", "download", &server.url("/file.bin")]).exits(exit);
        if exit == 0 {
            has_saved(&place, 0);
        }
        assert_eq!(server.requests().len(), 1, "{fields}");
    }
}

#[test]
fn a_body_without_a_length_comes_over_one_connection() {
    let place = Place::new();
    let server = Server::start(|visit, _| {
        visit.send(format!("HTTP/1.1 200 OK\r\n{FIELDS}Transfer-Encoding: chunked\r\n\r\n{LENGTH:x}\r\n"));
        visit.send(body(0));
        visit.send("\r\n0\r\n\r\n");
        After::Next
    });
    download(&place, &server, "4", &[]);
    has_saved(&place, 0);
    assert_eq!(server.asked().len(), 1);
}

/// An answer to a request for a segment.
type Script = fn(&mut Visit<'_>, (u64, u64)) -> After;

fn with_range(visit: &mut Visit<'_>, range: &str, body: &[u8]) -> After {
    visit.answer("206 Partial Content", &format!("{FIELDS}Content-Range: {range}\r\n"), body)
}

/// The server sends the bytes of another version, so none of them may get into the file.
#[test]
fn an_answer_that_is_not_the_segment_is_never_used() {
    let wrong: [Script; 14] = [
        |visit, _| visit.answer("200 OK", FIELDS, body(1)),
        |visit, _| visit.answer("200 OK", "Accept-Ranges: bytes\r\nETag: \"two\"\r\n", body(1)),
        |visit, (first, end)| {
            let fields = format!("ETag: \"two\"\r\nContent-Range: bytes {first}-{}/{LENGTH}\r\n", end - 1);
            visit.answer("206 Partial Content", &fields, &body(1)[first as usize..end as usize])
        },
        |visit, (first, end)| {
            let fields = format!("ETag: W/\"one\"\r\nContent-Range: bytes {first}-{}/{LENGTH}\r\n", end - 1);
            visit.answer("206 Partial Content", &fields, &body(1)[first as usize..end as usize])
        },
        |visit, (first, end)| {
            let range = format!("bytes {}-{}/{LENGTH}", first - 1, end - 1);
            with_range(visit, &range, &body(1)[first as usize - 1..end as usize])
        },
        |visit, (first, end)| {
            let range = format!("bytes {}-{}/{LENGTH}", first + 1, end - 1);
            with_range(visit, &range, &body(1)[first as usize + 1..end as usize])
        },
        |visit, (first, _)| {
            with_range(visit, &format!("bytes {first}-{}/{LENGTH}", LENGTH - 1 + 5), &body(1)[first as usize..])
        },
        |visit, (first, end)| {
            let range = format!("bytes {first}-{end}/{}", LENGTH + 1);
            with_range(visit, &range, &[body(1), b"x"].concat()[first as usize..=end as usize])
        },
        |visit, (first, end)| {
            let range = format!("bytes {first}-{}/{}", end - 1, LENGTH + 1);
            with_range(visit, &range, &body(1)[first as usize..end as usize])
        },
        |visit, (first, end)| {
            let range = format!("bytes {first}-{}/{LENGTH}", end - 1);
            with_range(visit, &range, &body(1)[first as usize..end as usize - 1])
        },
        |visit, (first, end)| visit.answer("206 Partial Content", FIELDS, &body(1)[first as usize..end as usize]),
        |visit, _| visit.answer("416 Range Not Satisfiable", &format!("Content-Range: bytes */{LENGTH}\r\n"), ""),
        |visit, _| visit.answer("412 Precondition Failed", "", ""),
        |visit, _| visit.answer("404 Not Found", "", ""),
    ];
    for (number, wrong) in wrong.into_iter().enumerate() {
        let place = Place::new();
        // The first response has all bytes, and the connection is not closed before they have arrived.
        let server = Server::start(move |visit, asked| match asked.range {
            Some(range) => wrong(visit, range),
            None => good(visit, asked),
        });
        download(&place, &server, "4", &[]);
        println!("answer {number}: {:?}", server.asked());
        has_saved(&place, 0);
        let whole = server.asked().iter().filter(|asked| asked.range.is_none()).count();
        assert_eq!(whole, 1, "answer {number}: the bytes of the first response were of use");
    }
}

/// The first response breaks after the file has changed, so all of the new version is needed.
#[test]
fn a_file_that_changes_is_requested_again() {
    for segments in ["2", "4", "8"] {
        let place = Place::new();
        let server = Server::start(|visit, asked| match (asked.number, asked.range) {
            (0, _) => {
                part(visit, asked, 1_500_000);
                After::Close
            }
            _ => visit.answer("200 OK", "Accept-Ranges: bytes\r\nETag: \"two\"\r\n", body(1)),
        });
        let url = server.url();
        place.run(&["download", "-s", segments, "-P", "download", &url]).exits(0);
        has_saved(&place, 1);
    }
}

/// After the change, the earlier segments are useless.
#[test]
fn a_file_that_changes_between_the_segments_is_never_mixed() {
    for changes in 1..6 {
        let place = Place::new();
        let server = Server::start(move |visit, asked| match (asked.number < changes, asked.number) {
            (true, 0) => {
                part(visit, asked, 500_000);
                After::Close
            }
            (true, _) => good(visit, asked),
            (false, _) => visit.answer("200 OK", "Accept-Ranges: bytes\r\nETag: \"two\"\r\n", body(1)),
        });
        let url = server.url();
        place.run(&["download", "-s", "4", "-P", "download", &url]).exits(0);
        // The fifth request completes the first version.
        has_saved(&place, u8::from(changes < 5));
    }
}

/// The first response is enough, and nothing is received twice.
#[test]
fn a_server_that_refuses_further_connections_loses_nothing() {
    let refusals: [Script; 6] = [
        |visit, _| visit.answer("503 Service Unavailable", "", ""),
        |visit, _| visit.answer("429 Too Many Requests", "Retry-After: 1\r\n", ""),
        |visit, _| visit.answer("500 Internal Server Error", "", ""),
        |visit, _| visit.reset(),
        |_, _| After::Close,
        |visit, _| {
            visit.send("SSH-2.0-x\r\n");
            After::Close
        },
    ];
    for (number, refuses) in refusals.into_iter().enumerate() {
        let place = Place::new();
        let server = Server::start(move |visit, asked| match asked.range {
            Some(range) => refuses(visit, range),
            None => good(visit, asked),
        });
        download(&place, &server, "4", &[]);
        has_saved(&place, 0);
        assert_eq!(place.report().of("/file.bin").number("bytes"), Some(LENGTH), "refusal {number}");
        assert!(server.asked().len() <= 7, "refusal {number}: {:?}", server.asked());
    }
}

/// Two connections are served, and the others are refused.
#[test]
fn the_connections_that_are_served_do_the_work_of_those_that_are_not() {
    let place = Place::new();
    let server = Server::start(|visit, asked: Asked| match asked.number {
        1 | 3 | 5 => visit.answer("503 Service Unavailable", "", ""),
        _ => good(visit, asked),
    });
    download(&place, &server, "4", &[]);
    has_saved(&place, 0);
    assert_eq!(place.report().of("/file.bin").number("bytes"), Some(LENGTH));
}

/// The server sends fewer bytes than were requested, which is allowed.
#[test]
fn a_segment_may_come_in_several_answers() {
    let place = Place::new();
    let server = Server::start(|visit, asked| match asked.range {
        Some((first, end)) => good(visit, Asked { range: Some((first, end.min(first + 700_000))), ..asked }),
        None => good(visit, asked),
    });
    download(&place, &server, "3", &[]);
    has_saved(&place, 0);
    assert_eq!(place.report().of("/file.bin").number("bytes"), Some(LENGTH));
}
