//! A run that is killed at any moment: the files it leaves, and how the next run continues.

use rustix::process::Signal;
use std::fs;
use tests::demo::{Place, Report};
use tests::faults::{After, FaultServer, Visit};

const PAGES: usize = 40;
/// More than is buffered before it is written.
const SIZE: usize = 300_000;

/// The bytes of a page, which differ from those of all others.
fn body(page: usize) -> Vec<u8> {
    (0..SIZE as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 ^ page as u8).collect()
}

/// Sends a page, or the requested rest of it, in two pieces.
fn page(visit: &mut Visit<'_>, number: usize) -> After {
    let first = visit.header("Range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let (first, tag, body): (usize, _, _) = (first.unwrap_or(0), format!("ETag: \"{number}\"\r\n"), body(number));
    let status = match first {
        0 => "200 OK\r\n".to_owned(),
        first => format!("206 Partial Content\r\nContent-Range: bytes {first}-{}/{SIZE}\r\n", SIZE - 1),
    };
    visit.send(format!("HTTP/1.1 {status}{tag}Content-Length: {}\r\n\r\n", SIZE - first));
    let (one, other) = body[first..].split_at((SIZE - first) / 2);
    visit.send(one);
    visit.send(other);
    After::Next
}

#[test]
fn runs_that_are_killed_leave_whole_files_and_the_next_run_completes_the_site() {
    let server = FaultServer::start(|visit| match visit.path.trim_start_matches('/').parse() {
        Ok(number) => page(visit, number),
        Err(_) => visit.links((0..PAGES).map(|number| number.to_string())),
    });
    let (place, url) = (Place::new(), server.url("/"));
    let folder = place.path(&format!("download/127.0.0.1_{}", server.port()));
    let is_whole = |number: usize| match fs::read(folder.join(format!("{number}@"))) {
        Ok(bytes) => Some(bytes == body(number)),
        Err(_) => None,
    };
    for requests in [1, 2, 9, 25, 38] {
        let before = server.requests().len();
        let running = place.start_crawl(&[&url, "-c", "-x", "4"]);
        server.until_requests(before + requests);
        running.signal(Signal::KILL);
        running.wait();
        assert!((0..PAGES).all(|number| is_whole(number) != Some(false)), "a half file has a name");
        let report = fs::read_to_string(place.path("report.jsonl")).unwrap_or_default();
        let lines = report.rfind('\n').map_or("", |end| &report[..=end]);
        let lines = Report::parse(lines);
        assert!(lines.0.iter().all(|line| line.text("error").is_none()), "{lines:?}");
    }
    place.crawl(&[&url, "-c"]).exits(0);
    assert!((0..PAGES).all(|number| is_whole(number) == Some(true)), "a page is lost");
    let report = place.report();
    for number in 0..PAGES {
        report.of(&format!("/{number}")).is_saved();
    }
    assert_eq!((report.0.len(), place.files().len()), (PAGES + 1, PAGES + 1));
    place.has_no_parts();
}
