//! Files that an earlier run has finished: `-c` and `-N` do not fetch them again.

use std::fs;
use std::sync::{Arc, Mutex};
use tests::demo::Place;
use tests::faults::{After, FaultServer, Visit};

/// A server with this script, and the values of this field in its requests.
fn watched(
    name: &'static str,
    script: impl Fn(&mut Visit<'_>) -> After + Send + Sync + 'static,
) -> (FaultServer, Arc<Mutex<Vec<Option<String>>>>) {
    let values = Arc::<Mutex<Vec<_>>>::default();
    let seen = values.clone();
    let server = FaultServer::start(move |visit| {
        seen.lock().unwrap().push(visit.header(name).map(str::to_owned));
        script(visit)
    });
    (server, values)
}

const TEXT: &str = "0123456789";

/// Answers with the file, or with the requested range of it.
fn ranges(visit: &mut Visit<'_>, file: &str) -> After {
    let first = visit.header("Range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let total = file.len();
    match first {
        Some(first) if first >= total => {
            visit.answer("416 Range Not Satisfiable", &format!("Content-Range: bytes */{total}\r\n"), "")
        }
        Some(first) => {
            let range = format!("Content-Range: bytes {first}-{}/{total}\r\n", total - 1);
            visit.answer("206 Partial Content", &range, &file[first..])
        }
        None => visit.answer("200 OK", "", file),
    }
}

#[test]
fn a_finished_file_is_not_fetched_again() {
    type Script = fn(&mut Visit<'_>) -> After;
    // A server with ranges answers 416. One without ranges sends the whole file, and its length is enough to compare.
    let scripts: [(Script, u64); 2] =
        [(|visit| ranges(visit, TEXT), 416), (|visit| visit.answer("200 OK", "", TEXT), 200)];
    for (script, status) in scripts {
        let (place, (server, asked)) = (Place::new(), watched("Range", script));
        fs::write(place.path("file"), "ABCDEFGHIJ").unwrap(); // of the same size, to check that it is kept
        let url = server.url("/file");
        place.run(&["download", "-c", &url, "--report", "report.jsonl"]).exits(0).says("1 file saved");
        assert_eq!(fs::read_to_string(place.path("file")).unwrap(), "ABCDEFGHIJ");
        assert_eq!(*asked.lock().unwrap(), [Some("bytes=10-".to_owned())]);
        place.report().of("/file").is_saved().attempts(1);
        assert_eq!(place.report().of("/file").number("status"), Some(status));
        // Without -c it is fetched.
        place.run(&["download", &url]).exits(0);
        assert_eq!(fs::read_to_string(place.path("file")).unwrap(), TEXT);
    }
}

/// The new file replaces the old one, and contains no bytes of it.
#[test]
fn a_file_of_another_size_is_fetched_again() {
    type Script = fn(&mut Visit<'_>) -> After;
    let scripts: [Script; 5] = [
        |visit| ranges(visit, TEXT),
        |visit| visit.answer("200 OK", "", TEXT),
        |visit| {
            visit.send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{TEXT}\r\n0\r\n\r\n"));
            After::Next
        },
        |visit| match visit.header("Range") {
            Some(_) => visit.answer("416 Range Not Satisfiable", "", ""),
            None => visit.answer("200 OK", "", TEXT),
        },
        |visit| match visit.header("Range") {
            Some(_) => visit.answer("206 Partial Content", "", "nonsense"),
            None => visit.answer("200 OK", "", TEXT),
        },
    ];
    for (number, script) in scripts.into_iter().enumerate() {
        for (there, segments) in [("ABC", "1"), ("ABCDEFGHIJKLM", "1"), ("ABC", "4"), ("", "1")] {
            let (place, server) = (Place::new(), FaultServer::start(script));
            fs::write(place.path("file"), there).unwrap();
            place.run(&["download", "-c", "-s", segments, &server.url("/file")]).exits(0);
            assert_eq!(fs::read_to_string(place.path("file")).unwrap(), TEXT, "server {number}, {there:?}");
            assert!(server.requests().len() <= 2);
        }
    }
}

#[test]
fn an_error_leaves_the_file_as_it_is() {
    for status in ["404 Not Found", "403 Forbidden", "500 Internal Server Error"] {
        let (place, server) = (Place::new(), FaultServer::start(move |visit| visit.answer(status, "", "gone")));
        fs::write(place.path("file"), TEXT).unwrap();
        place.run(&["download", "-c", "--retries", "0", &server.url("/file")]).exits(3);
        assert_eq!(fs::read_to_string(place.path("file")).unwrap(), TEXT);
    }
}

#[test]
fn a_finished_file_with_another_checksum_is_fetched_again() {
    let sum = format!("sha256:{}", demo::engine::sha256(TEXT.as_bytes()));
    let (place, (server, asked)) = (Place::new(), watched("Range", |visit| ranges(visit, TEXT)));
    fs::write(place.path("file"), "ABCDEFGHIJ").unwrap();
    for expected in [None, Some("bytes=10-".to_owned())] {
        place.run(&["download", "-c", "--checksum", &sum, &server.url("/file")]).exits(0);
        assert_eq!(fs::read_to_string(place.path("file")).unwrap(), TEXT);
        assert_eq!(asked.lock().unwrap().pop(), Some(expected));
    }
}

/// A server that sends ETags and no times.
fn tagged(visit: &mut Visit<'_>) -> After {
    match visit.header("If-None-Match") {
        Some("W/\"one\"") => visit.answer("304 Not Modified", "ETag: W/\"one\"\r\n", ""),
        _ => visit.answer("200 OK", "Content-Type: text/html\r\nETag: W/\"one\"\r\n", "<a href=/two>"),
    }
}

/// Whether the file system of the tests has extended attributes.
fn has_attributes(place: &Place) -> bool {
    let file = fs::File::create(place.path("attributes")).unwrap();
    let set = rustix::fs::fsetxattr(&file, "user.x", b"x", rustix::fs::XattrFlags::empty());
    fs::remove_file(place.path("attributes")).unwrap();
    set.is_ok()
}

#[test]
fn an_etag_is_kept_with_the_file_and_sent_again() {
    let (place, (server, asked)) = (Place::new(), watched("If-None-Match", tagged));
    let url = server.url("/one");
    let has_attributes = has_attributes(&place);
    let tag = Some("W/\"one\"".to_owned()).filter(|_| has_attributes);
    place.crawl(&[&url]).exits(0);
    assert_eq!(*asked.lock().unwrap(), [None, None]);
    place.crawl(&["-N", &url]).exits(0);
    // The links of a page that is still current are followed.
    assert_eq!(asked.lock().unwrap().split_off(2), [tag.clone(), tag.clone()]);
    assert_eq!(place.report().of("/one").is_saved().number("status"), Some(if has_attributes { 304 } else { 200 }));
    assert_eq!(place.names(), ["one", "two"]);
    // The file has changed now.
    let file = place.path(&format!("download/127.0.0.1_{}/one@", server.port()));
    fs::write(&file, "longer than what was saved").unwrap();
    place.crawl(&["-N", &url]).exits(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "<a href=/two>");
}

/// If the server sends a time, only the time is compared.
#[test]
fn a_time_from_the_server_takes_precedence_over_its_etag() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let (place, (server, tags)) = (
        Place::new(),
        watched("If-None-Match", move |visit| match visit.header("If-Modified-Since") {
            Some(since) => {
                assert_eq!(since, date);
                visit.answer("304 Not Modified", "", "")
            }
            None => visit.answer("200 OK", &format!("ETag: \"one\"\r\nLast-Modified: {date}\r\n"), TEXT),
        }),
    );
    for _ in 0..2 {
        place.run(&["download", "-N", &server.url("/file")]).exits(0);
    }
    assert_eq!(*tags.lock().unwrap(), [None, None]);
}
