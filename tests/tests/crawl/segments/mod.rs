//! `demo download -s`: a large file in segments, from good servers and from bad ones.
//!
//! Alone: `cargo test -p tests --test crawl segments`.

mod answers;
mod kit;
mod resume;

use kit::{Asked, LENGTH, Server, download, good, has_saved, part};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tests::demo::{Place, Serving};
use tests::faults::{After, FaultServer, Visit};

#[test]
fn each_segment_is_requested_once() {
    for (segments, requests) in [("1", 1), ("2", 2), ("4", 4), ("8", 8), ("64", 8)] {
        let (place, server) = (Place::new(), Server::start(good));
        download(&place, &server, segments, &[]);
        has_saved(&place, 0);
        let mut ranges: Vec<_> = server.asked().into_iter().filter_map(|asked| asked.range).collect();
        ranges.sort_unstable();
        assert_eq!(ranges.len() + 1, requests, "{ranges:?}");
        assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0), "{ranges:?}");
        assert!(ranges.iter().all(|(first, end)| end - first >= 1024 * 1024), "{ranges:?}");
        assert!(ranges.last().is_none_or(|last| last.1 == LENGTH));
        let report = place.report();
        report.of("/file.bin").is_saved().attempts(requests as u64);
        assert_eq!(report.of("/file.bin").number("bytes"), Some(LENGTH));
    }
}

#[test]
fn no_more_connections_are_used_than_the_host_may_have() {
    // The first response is the whole file. Its connection is closed where the next segment begins, and replaced.
    for (most, requests, connections) in [(1, 1, 1), (3, 8, 4)] {
        let (place, server) = (Place::new(), Server::start(good));
        download(&place, &server, "8", &["-x", &most.to_string()]);
        has_saved(&place, 0);
        assert_eq!(server.asked().len(), requests);
        assert_eq!(server.server.connections(), connections);
    }
    // Several files share the connections. No segment takes the place of a file.
    let server = FaultServer::start(move |visit| visit.answer("200 OK", kit::FIELDS, &kit::body(0)[..3_000_000]));
    let place = Place::new();
    let urls: Vec<String> = (0..6).map(|file| server.url(&format!("/{file}"))).collect();
    let mut args = vec!["download", "-s", "2", "-x", "2", "-P", "download"];
    args.extend(urls.iter().map(String::as_str));
    place.run(&args).exits(0);
    assert!(place.files().values().all(|file| file == &kit::body(0)[..3_000_000]));
}

/// The first request for the second segment breaks half way.
#[test]
fn a_segment_that_breaks_continues_where_it_stopped() {
    type Break = fn(&mut Visit<'_>) -> After;
    let breaks: [Break; 3] = [|_| After::Close, |visit| visit.reset(), |visit| visit.stall()];
    for (number, breaks) in breaks.into_iter().enumerate() {
        let place = Place::new();
        let broken = Arc::new(Mutex::new(None));
        let (breaking, half) = (broken.clone(), LENGTH / 8);
        let server = Server::start(move |visit, asked| {
            let is_first = asked.range.is_some() && *breaking.lock().unwrap().get_or_insert(asked) == asked;
            if !is_first {
                return good(visit, asked);
            }
            part(visit, asked, half);
            breaks(visit)
        });
        download(&place, &server, "4", &["--idle-timeout", "300ms"]);
        has_saved(&place, 0);
        let first = broken.lock().unwrap().and_then(|asked: Asked| asked.range).unwrap();
        let asked = server.asked();
        assert_eq!(asked.len(), 5, "{number}: {asked:?}");
        let again = asked[4].range.unwrap();
        assert_eq!(again.1, first.1);
        // A reset may discard bytes that were on their way.
        let expected = if number == 1 { first.0..=first.0 + half } else { first.0 + half..=first.0 + half };
        assert!(expected.contains(&again.0), "{number}: {asked:?}");
    }
}

#[test]
fn the_first_response_may_break_too() {
    let place = Place::new();
    let server = Server::start(|visit, asked| match asked.number {
        0 => {
            part(visit, asked, 1_000_000);
            After::Close
        }
        _ => good(visit, asked),
    });
    download(&place, &server, "4", &[]);
    has_saved(&place, 0);
    let asked = server.asked();
    assert_eq!(asked.len(), 5);
    assert!(asked.contains(&Asked { number: 4, range: Some((1_000_000, 2_250_000)) }), "{asked:?}");
}

/// The download fails in the end, and the received bytes are kept.
#[test]
fn a_segment_is_retried_as_often_as_a_page() {
    let place = Place::new();
    let server = Server::start(|visit, asked| match asked.range {
        Some((first, _)) if first > LENGTH * 3 / 4 - 10 => {
            part(visit, asked, 100);
            After::Close
        }
        _ => good(visit, asked),
    });
    let url = server.url();
    let ran = place.run(&["download", "-s", "4", "--retries", "2", "-P", "download", &url]).exits(3);
    ran.says("the response is incomplete").says("1 unfinished file kept; resume with -c");
    let last: Vec<u64> = server.asked().iter().filter_map(|asked| Some(asked.range?.0)).collect();
    let last: Vec<u64> = last.into_iter().filter(|first| *first > LENGTH * 3 / 4 - 10).collect();
    assert_eq!(last, [0, 100, 200].map(|later| last[0] + later));
}

#[test]
fn a_checksum_is_that_of_the_whole_file() {
    let sum = format!("sha256:{}", demo::engine::sha256(kit::body(0)));
    let (place, server) = (Place::new(), Server::start(good));
    download(&place, &server, "4", &["--checksum", &sum]);
    has_saved(&place, 0);
    let place = Place::new();
    let url = server.url();
    let wrong = format!("sha256:{}", "0".repeat(64));
    place.run(&["download", "-s", "4", "--checksum", &wrong, &url]).exits(3).says("its checksum is");
    assert!(!place.path("file.bin").exists() && !place.path(".parts").exists());
}

#[test]
fn time_and_rate_limits_apply_to_the_whole_file() {
    let place = Place::new();
    let server = Server::start(|visit, asked| match asked.range {
        Some((first, _)) if first > LENGTH / 2 => {
            part(visit, asked, 100);
            visit.stall()
        }
        _ => good(visit, asked),
    });
    let url = server.url();
    let ran = place.run(&["download", "-s", "4", "--max-time", "700ms", &url]).exits(3);
    ran.says("the request took longer than 700ms in total").says("1 unfinished file kept");
    let (place, server) = (Place::new(), Server::start(good));
    let start = std::time::Instant::now();
    download(&place, &server, "4", &["--limit-rate", "9M"]);
    has_saved(&place, 0);
    assert!(start.elapsed() >= Duration::from_millis(900), "it took {:?}", start.elapsed());
}

#[test]
fn several_large_files_and_standard_output_work_too() {
    let place = Place::new();
    fs::create_dir(place.path("served")).unwrap();
    fs::write(place.path("served/a.bin"), kit::body(0)).unwrap();
    fs::write(place.path("served/b.bin"), kit::body(1)).unwrap();
    // A file that changed within this second has a weak validator.
    for name in ["served/a.bin", "served/b.bin"] {
        fs::File::options().append(true).open(place.path(name)).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    let serving = Serving::start(&place, &["served"]);
    let (a, b) = (serving.url("/a.bin"), serving.url("/b.bin"));
    let out = fs::File::create(place.path("out")).unwrap();
    let mut command = place.command(&["download", "-s", "3", "--output", "-", &a, &b]);
    assert!(command.stdout(out).status().unwrap().success());
    assert!(fs::read(place.path("out")).unwrap() == [kit::body(0), kit::body(1)].concat());
}
