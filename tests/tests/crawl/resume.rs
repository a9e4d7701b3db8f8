//! Interrupted downloads, and what a later attempt or run makes of them.

use rustix::process::Signal;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::demo::Place;
use tests::eventually;
use tests::faults::{After, FaultServer, Gate, Visit};

const LENGTH: usize = 1_000_000;

/// Bytes without repetition. Another version has other bytes.
fn body(version: u8) -> Vec<u8> {
    (0..LENGTH as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 ^ version).collect()
}

/// Range and If-Range of a request.
type Asked = (Option<String>, Option<String>);

/// A server of one file. It sends the first half and then runs the script. It sends a requested range if it has the
/// version that `If-Range` names.
struct Server {
    server: FaultServer,
    /// The range and the condition of each request.
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// The validators of the server's version, each with its end of line.
const TAGGED: &str = "ETag: \"one\"\r\n";
const DATED: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

impl Server {
    fn start(validator: &'static str, half: impl Fn(&mut Visit<'_>) -> After + Send + Sync + 'static) -> Server {
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let asking = asked.clone();
        let server = FaultServer::start(move |visit| {
            let field = |name| visit.header(name).map(str::to_owned);
            let (range, condition) = (field("Range"), field("If-Range"));
            asking.lock().unwrap().push((range.clone(), condition.clone()));
            let current = validator.split_once(": ").map(|(_, value)| value.trim_end());
            let first =
                range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
            match first {
                Some(first) if condition.as_deref() == current && first < LENGTH => {
                    let range = format!("{validator}Content-Range: bytes {first}-{}/{LENGTH}\r\n", LENGTH - 1);
                    visit.answer("206 Partial Content", &range, &body(0)[first..])
                }
                Some(first) if condition.as_deref() == current && first >= LENGTH => {
                    visit.answer("416 Range Not Satisfiable", &format!("Content-Range: bytes */{LENGTH}\r\n"), "")
                }
                _ => {
                    visit.send(format!("HTTP/1.1 200 OK\r\n{validator}Content-Length: {LENGTH}\r\n\r\n"));
                    visit.send(&body(0)[..LENGTH / 2]);
                    half(visit)
                }
            }
        });
        Server { server, asked }
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.asked.lock().unwrap().iter().map(|(range, _)| range.clone()).collect()
    }

    fn url(&self) -> String {
        self.server.url("/file.bin")
    }
}

/// Kills a run that has received half of the file, and waits until that is on the disk.
fn killed_half_way(place: &Place, server: &Server) {
    let running = place.start_crawl(&[&server.url()]);
    eventually("a part is on the disk", || place.parts().into_values().any(|size| size >= 256 * 1024));
    running.signal(Signal::KILL);
    running.wait();
    assert_eq!(place.files().keys().filter(|name| !name.starts_with(".parts")).count(), 0, "no half file has a name");
}

fn stall(visit: &mut Visit<'_>) -> After {
    visit.stall()
}

#[test]
fn a_killed_run_is_resumed_with_c() {
    for validator in [TAGGED, DATED] {
        let (place, server) = (Place::new(), Server::start(validator, stall));
        killed_half_way(&place, &server);
        let there = place.parts().into_values().next().unwrap();
        place.crawl(&["-c", &server.url()]).exits(0);
        assert_eq!(server.ranges(), [None, Some(format!("bytes={there}-"))]);
        assert!(place.files()["file.bin"] == body(0));
        let report = place.report();
        report.of("/file.bin").is_saved().attempts(1);
        assert_eq!(report.of("/file.bin").number("bytes"), Some(LENGTH as u64 - there));
        place.has_no_parts();
    }
}

#[test]
fn a_part_outlives_runs_without_c_until_its_url_is_fetched() {
    let (place, server) = (Place::new(), Server::start(TAGGED, stall));
    let other = FaultServer::start(|visit| visit.page("another page"));
    killed_half_way(&place, &server);
    place.crawl(&[&other.url("/")]).exits(0).says("1 unfinished file kept; resume with -c");
    let ran = place.crawl(&[&server.url(), "--idle-timeout", "200ms", "--retries", "0"]);
    assert_eq!(server.ranges(), [None, None], "without -c it begins again");
    ran.exits(3).says("1 unfinished file kept");
    place.crawl(&["-c", &server.url()]).exits(0);
    assert!(place.files()["file.bin"] == body(0));
    place.has_no_parts();
}

#[test]
fn without_a_validator_a_download_begins_again_and_leftovers_are_removed() {
    let gate = Gate::default();
    let (place, opened) = (Place::new(), gate.clone());
    let server = Server::start("", move |visit| {
        if visit.until_open(&opened) {
            visit.send(&body(0)[LENGTH / 2..]);
        }
        After::Next
    });
    killed_half_way(&place, &server);
    server.server.open(&gate);
    place.crawl(&["-c", &server.url()]).exits(0);
    assert_eq!(server.ranges(), [None, None]);
    assert!(place.files()["file.bin"] == body(0));
    place.has_no_parts();
}

#[test]
fn a_retry_in_the_same_run_asks_for_the_rest() {
    for broken in [stall as fn(&mut Visit<'_>) -> After, |_| After::Close, |visit| visit.reset()] {
        let (place, server) = (Place::new(), Server::start(TAGGED, broken));
        place.crawl(&[&server.url(), "--idle-timeout", "300ms"]).exits(0);
        let ranges = server.ranges();
        assert_eq!(ranges.len(), 2, "{ranges:?}");
        // A reset may discard bytes that were on their way.
        let first =
            ranges[1].as_deref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        assert!(first.is_some_and(|first: usize| (1..=LENGTH / 2).contains(&first)), "{ranges:?}");
        assert!(place.files()["file.bin"] == body(0));
        place.has_no_parts();
    }
}

/// Each answer to a request for the rest does not fit the part: it is another range or version, or an error.
#[test]
fn an_answer_that_does_not_continue_the_part_is_never_appended() {
    let whole = |visit: &mut Visit<'_>| visit.answer("200 OK", "ETag: \"two\"\r\n", body(1));
    type Answer = fn(&mut Visit<'_>) -> After;
    let answers: [Answer; 6] = [
        |visit| visit.answer("200 OK", "ETag: \"two\"\r\n", body(1)),
        |visit| visit.answer("206 Partial Content", "Content-Range: bytes 0-9/1000000\r\n", &body(0)[..10]),
        |visit| visit.answer("206 Partial Content", "", &body(1)[500_000..]),
        |visit| {
            let fields = "ETag: \"two\"\r\nContent-Range: bytes 500000-999999/1000000\r\n";
            visit.answer("206 Partial Content", fields, &body(1)[500_000..])
        },
        |visit| visit.answer("416 Range Not Satisfiable", "Content-Range: bytes */7\r\n", ""),
        |visit| visit.answer("412 Precondition Failed", "", ""),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        let server = FaultServer::start(move |visit| match visit.attempt {
            1 => {
                visit.send(format!("HTTP/1.1 200 OK\r\nETag: \"one\"\r\nContent-Length: {LENGTH}\r\n\r\n"));
                visit.send(&body(0)[..LENGTH / 2]);
                After::Close
            }
            2 => {
                assert_eq!((visit.header("Range"), visit.header("If-Range")), (Some("bytes=500000-"), Some("\"one\"")));
                answer(visit)
            }
            _ => {
                assert_eq!(visit.header("Range"), None);
                whole(visit)
            }
        });
        let place = Place::new();
        place.crawl(&[&server.url("/file.bin")]).exits(0);
        assert!(place.files()["file.bin"] == body(1), "answer {number} was mixed with another version");
        assert_eq!(server.requests().len(), if number == 0 { 2 } else { 3 });
        place.has_no_parts();
    }
}

#[test]
fn a_part_that_was_complete_is_saved_when_the_server_says_416() {
    let place = Place::new();
    let server = Server::start(TAGGED, |visit| {
        visit.send(&body(0)[LENGTH / 2..]);
        After::Next
    });
    // A directory is in the way of the file, so the complete part is kept.
    let folder = place.path(&format!("download/127.0.0.1_{}/file.bin", server.server.port()));
    fs::create_dir_all(&folder).unwrap();
    place.crawl(&[&server.url()]).exits(3).says("is a directory, and");
    assert_eq!(place.parts().into_values().collect::<Vec<_>>(), [LENGTH as u64]);
    fs::remove_dir(&folder).unwrap();
    place.crawl(&["-c", &server.url()]).exits(0);
    assert_eq!(server.ranges(), [None, Some(format!("bytes={LENGTH}-"))]);
    assert!(place.files()["file.bin"] == body(0));
    place.has_no_parts();
}

#[test]
fn a_resumed_body_is_not_larger_than_the_limit() {
    let server = FaultServer::start(|visit| match visit.attempt {
        1 => {
            visit.send(format!("HTTP/1.1 200 OK\r\n{TAGGED}Transfer-Encoding: chunked\r\n\r\n7A120\r\n"));
            visit.send(&body(0)[..LENGTH / 2]);
            After::Close
        }
        _ => {
            let range = format!("{TAGGED}Content-Range: bytes {}-{}/*\r\n", LENGTH / 2, LENGTH - 1);
            visit.answer("206 Partial Content", &range, &body(0)[LENGTH / 2..])
        }
    });
    let place = Place::new();
    let ran = place.crawl(&[&server.url("/file.bin"), "--max-size", "900k"]).exits(3);
    ran.says("the body is larger than the limit of");
    assert_eq!(server.requests().len(), 2);
}

/// The sidecar of a part says which body it belongs to. The folder is untrusted.
#[test]
fn a_part_whose_validator_no_request_can_carry_is_not_resumed() {
    let gate = Gate::default();
    let (place, opened) = (Place::new(), gate.clone());
    let server = Server::start(TAGGED, move |visit| {
        if visit.until_open(&opened) {
            visit.send(&body(0)[LENGTH / 2..]);
        }
        After::Next
    });
    killed_half_way(&place, &server);
    let run = fs::read_dir(place.path("download/.parts")).unwrap().next().unwrap().unwrap().path();
    let sidecar = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let sidecar = sidecar.into_iter().find(|path| path.extension().is_some_and(|json| json == "json")).unwrap();
    let text = fs::read_to_string(&sidecar).unwrap();
    fs::write(&sidecar, text.replace(r#"\"one\""#, r#"\"one\"\r\nX-Evil: y"#)).unwrap();
    assert_ne!(fs::read_to_string(&sidecar).unwrap(), text);
    server.server.open(&gate);
    place.crawl(&["-c", &server.url()]).exits(0);
    assert_eq!(server.ranges(), [None, None]);
    assert!(place.files()["file.bin"] == body(0));
    place.has_no_parts();
}

/// The part is useless after an error that another attempt would meet, too.
#[test]
fn a_body_that_is_not_http_is_not_kept() {
    let server = FaultServer::start(|visit| {
        visit.send(format!("HTTP/1.1 200 OK\r\n{TAGGED}Transfer-Encoding: chunked\r\n\r\n61A80\r\n"));
        visit.send(&body(0)[..400_000]);
        visit.send("\r\nnonsense\r\n");
        After::Close
    });
    let place = Place::new();
    place.crawl(&[&server.url("/file.bin")]).exits(3);
    assert_eq!(place.parts().len(), 0);
    place.has_no_parts();
}

#[test]
fn an_interrupt_keeps_what_can_be_resumed() {
    let (place, server) = (Place::new(), Server::start(TAGGED, stall));
    let mut running = place.start_crawl(&[&server.url()]);
    eventually("a part is on the disk", || place.parts().into_values().any(|size| size >= 256 * 1024));
    running.signal(Signal::INT);
    running.until_it_says("interrupted");
    running.signal(Signal::INT);
    running.wait().exits(130).says("1 unfinished file kept; resume with -c");
    // The part has all received bytes, not only those that were written before the interrupt.
    assert_eq!(place.parts().into_values().collect::<Vec<_>>(), [LENGTH as u64 / 2]);
    place.crawl(&["-c", &server.url()]).exits(0);
    assert!(place.files()["file.bin"] == body(0));
    place.has_no_parts();
}

#[test]
fn one_sigterm_ends_the_program_in_bounded_time() {
    let (place, server) = (Place::new(), Server::start(TAGGED, stall));
    let running = place.start_crawl(&[&server.url()]);
    eventually("a part is on the disk", || place.parts().into_values().any(|size| size >= 256 * 1024));
    let before = std::time::Instant::now();
    running.signal(Signal::TERM);
    running.wait().exits(143).says("at most 5s").says("stopping 1 page in progress").says("1 unfinished file kept");
    let took = before.elapsed();
    assert!(took >= Duration::from_secs(4) && took < Duration::from_secs(20), "it took {took:?}");
}

/// The other run finds the first one's parts, and must neither remove nor resume them.
#[test]
fn two_runs_in_one_folder_keep_off_each_others_parts() {
    let gate = Gate::default();
    let (place, opened) = (Place::new(), gate.clone());
    let server = Server::start(TAGGED, move |visit| {
        if visit.until_open(&opened) {
            visit.send(&body(0)[LENGTH / 2..]);
        }
        After::Next
    });
    let first = place.start_crawl(&[&server.url(), "-P", "download"]);
    eventually("a part is on the disk", || place.parts().into_values().any(|size| size >= 256 * 1024));
    let parts = place.parts();
    let other = FaultServer::start(|visit| visit.page("another page"));
    place.run(&["crawl", "-c", &other.url("/")]).exits(0);
    // The first run may have written more since.
    assert!(place.parts().keys().eq(parts.keys()) && place.parts().values().ge(parts.values()));
    let second = place.start(&["crawl", "-c", &server.url()]);
    server.server.until_requests(2);
    server.server.open(&gate);
    second.wait().exits(0);
    first.wait().exits(0);
    assert_eq!(server.ranges(), [None, None]);
    let saved = place.path(&format!("download/127.0.0.1_{}/file.bin", server.server.port()));
    assert!(fs::read(saved).unwrap() == body(0));
    place.has_no_parts();
}
