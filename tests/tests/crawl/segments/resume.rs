//! Segments of a run that was killed or interrupted, and how a later run resumes them.

use super::kit::{Asked, LENGTH, Server, body, good, has_saved, part};
use rustix::process::Signal;
use std::fs;
use std::path::PathBuf;
use tests::demo::{Place, Running};
use tests::eventually;

/// The description beside the part.
fn description(place: &Place) -> Option<PathBuf> {
    let runs = fs::read_dir(place.path("download/.parts")).ok()?.flatten();
    let mut files = runs.flat_map(|run| fs::read_dir(run.path()).into_iter().flatten().flatten());
    files.find(|file| file.path().extension().is_some_and(|extension| extension == "json")).map(|file| file.path())
}

/// The ranges that the description notes.
fn noted(place: &Place) -> Vec<(u64, u64)> {
    let text = description(place).and_then(|path| fs::read(path).ok()).unwrap_or_default();
    let description: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    serde_json::from_value(description["ranges"].clone()).unwrap_or_default()
}

fn args<'a>(segments: &'a str, url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["download", "-s", segments, "-P", "download", "--report", "report.jsonl", url], more].concat()
}

/// Starts a slow download and waits until ranges of each of the segments are noted.
fn started(place: &Place, server: &Server) -> Running {
    let running = place.start(&args("4", &server.url(), &["--limit-rate", "2M"]));
    eventually("four ranges are noted", || noted(place).len() == 4);
    running
}

#[test]
fn a_killed_run_is_resumed_with_any_number_of_segments() {
    for segments in ["1", "3", "8", "crawl"] {
        let (place, server) = (Place::new(), Server::start(good));
        let running = started(&place, &server);
        running.signal(Signal::KILL);
        running.wait();
        let (kept, before) = (noted(&place), server.asked().len());
        let url = server.url();
        match segments {
            // A crawl accepts codings, but requests the rest of a part without one.
            "crawl" => drop(place.crawl(&["-c", &url]).exits(0)),
            segments => drop(place.run(&args(segments, &url, &["-c"])).exits(0)),
        }
        let file = place.files().into_values().next().unwrap();
        assert!(file == body(0), "{segments} segments");
        place.has_no_parts();
        // Ranges in the note are not requested again.
        let asked: Vec<_> = server.asked().split_off(before).into_iter().map(|asked| asked.range.unwrap()).collect();
        let overlaps = |(a, b): &(u64, u64)| kept.iter().any(|(first, end)| a < end && first < b);
        assert!(!asked.iter().any(overlaps), "{kept:?} is there, {asked:?} was requested");
        let received: u64 = kept.iter().map(|(first, end)| end - first).sum();
        assert_eq!(place.report().of("/file.bin").number("bytes"), Some(LENGTH - received));
    }
}

/// The state after a power failure that lost what was not on the disk. Bytes that are not in the note may be wrong.
#[test]
fn bytes_that_are_not_noted_are_received_again() {
    let (place, server) = (Place::new(), Server::start(good));
    let running = started(&place, &server);
    running.signal(Signal::KILL);
    running.wait();
    let (kept, path) = (noted(&place), description(&place).unwrap().with_extension(""));
    let mut file = fs::read(&path).unwrap();
    for (position, byte) in file.iter_mut().enumerate() {
        if !kept.iter().any(|(first, end)| (*first..*end).contains(&(position as u64))) {
            *byte = 0;
        }
    }
    fs::write(&path, file).unwrap();
    place.run(&args("4", &server.url(), &["-c"])).exits(0);
    has_saved(&place, 0);
}

/// A note that claims more than the file has was not written by this program.
#[test]
fn a_note_that_cannot_be_true_is_not_believed() {
    for note in ["[[0, 99999999]]", "[[5, 3]]", "[[\"a\", 3]]", "[[-1, 3]]", "{}", "["] {
        let (place, server) = (Place::new(), Server::start(good));
        let running = started(&place, &server);
        running.signal(Signal::KILL);
        running.wait();
        let path = description(&place).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let (before, _) = text.split_once("\"ranges\":").unwrap();
        fs::write(&path, format!("{before}\"ranges\":{note}}}")).unwrap();
        place.run(&args("4", &server.url(), &["-c"])).exits(0);
        has_saved(&place, 0);
    }
}

#[test]
fn an_interrupt_keeps_what_every_segment_has() {
    let (place, server) = (Place::new(), Server::start(good));
    let mut running = started(&place, &server);
    running.signal(Signal::INT);
    running.until_it_says("interrupted");
    running.signal(Signal::INT);
    running.wait().exits(130).says("1 unfinished file kept; resume with -c");
    let kept: u64 = noted(&place).iter().map(|(first, end)| end - first).sum();
    place.run(&args("4", &server.url(), &["-c"])).exits(0);
    has_saved(&place, 0);
    assert_eq!(place.report().of("/file.bin").number("bytes"), Some(LENGTH - kept));
}

/// The part of an earlier version is useless.
#[test]
fn a_file_that_has_changed_since_is_received_anew() {
    let place = Place::new();
    let server = Server::start(|visit, asked| match asked.number {
        0..4 => good(visit, asked),
        _ => visit.answer("200 OK", "Accept-Ranges: bytes\r\nETag: \"two\"\r\n", body(1)),
    });
    let running = started(&place, &server);
    running.signal(Signal::KILL);
    running.wait();
    let url = server.url();
    place.run(&args("4", &url, &["-c", "-x", "1"])).exits(0);
    has_saved(&place, 1);
}

/// A part that one connection has received continues in segments.
#[test]
fn a_part_from_its_beginning_continues_in_segments() {
    let place = Place::new();
    let server = Server::start(|visit, asked| match asked.number {
        0 => {
            part(visit, asked, 3_000_000);
            visit.stall()
        }
        _ => good(visit, asked),
    });
    let url = server.url();
    place.run(&args("1", &url, &["--idle-timeout", "300ms", "--retries", "0"])).exits(3);
    place.run(&args("3", &url, &["-c"])).exits(0);
    has_saved(&place, 0);
    let mut ranges: Vec<_> = server.asked().into_iter().filter_map(|Asked { range, .. }| range).collect();
    ranges.sort_unstable();
    assert_eq!((ranges.len(), ranges[0].0, ranges[2].1), (3, 3_000_000, LENGTH));
}
