//! Checks that a file follows the rules of the format of Chrome's traces; used by the tests of `--perfetto`.
//!
//! The format is described in "Trace Event Format", and in Perfetto's documentation of the part that it reads.

use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// A thread of a process.
type Track = (u64, u64);

/// The time in a field of an event, in nanoseconds.
pub fn at(event: &Value, field: &str) -> u64 {
    let microseconds = event[field].as_f64().unwrap_or_else(|| panic!("no {field} in {event}"));
    (microseconds * 1000.0).round() as u64
}

fn track(event: &Value) -> Track {
    let number = |field: &str| event[field].as_u64().unwrap_or_else(|| panic!("no {field} in {event}"));
    (number("pid"), number("tid"))
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_else(|| panic!("no {field} in {event}"))
}

fn of_kind<'a>(events: &'a [Value], kind: &'static str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["ph"] == kind)
}

/// The begin and the end of each slice, by thread.
pub fn slices(events: &[Value]) -> HashMap<Track, Vec<(u64, u64)>> {
    let mut slices: HashMap<Track, Vec<(u64, u64)>> = HashMap::new();
    for event in of_kind(events, "X") {
        let from = at(event, "ts");
        slices.entry(track(event)).or_default().push((from, from + at(event, "dur")));
    }
    slices
}

/// Checks that any reader of the format understands a file.
pub fn is_sound(events: &[Value]) {
    for event in events {
        let kind = text(event, "ph");
        assert!(["M", "X", "s", "f", "i"].contains(&kind), "{event}");
        assert!(!text(event, "name").is_empty(), "{event}");
    }
    all_have_names(events);
    no_time_goes_back(events);
    slices_do_not_cross(events);
    flows_lead_from_slice_to_slice(events);
}

/// Each process and each thread is named once, and no two processes share a thread: Perfetto identifies a thread by its
/// number.
fn all_have_names(events: &[Value]) {
    let named = |what: &str| -> Vec<Track> {
        let names = of_kind(events, "M").filter(|event| event["name"] == *what);
        names.inspect(|event| assert!(!text(&event["args"], "name").is_empty(), "{event}")).map(track).collect()
    };
    let (processes, threads) = (named("process_name"), named("thread_name"));
    let pids: HashSet<u64> = processes.iter().map(|(pid, _)| *pid).collect();
    let tids: HashSet<u64> = threads.iter().map(|(_, tid)| *tid).collect();
    assert_eq!((pids.len(), tids.len()), (processes.len(), threads.len()), "each once");
    for event in events.iter().filter(|event| event["ph"] != "M") {
        assert!(threads.contains(&track(event)) && pids.contains(&track(event).0), "nameless: {event}");
    }
}

fn no_time_goes_back(events: &[Value]) {
    let mut last: HashMap<Track, u64> = HashMap::new();
    for event in events.iter().filter(|event| event["ph"] != "M") {
        let (now, before) = (at(event, "ts"), last.entry(track(event)).or_default());
        assert!(*before <= now, "before {before}: {event}");
        *before = now;
    }
}

fn slices_do_not_cross(events: &[Value]) {
    for (track, slices) in slices(events) {
        let empty = slices.iter().find(|(from, to)| from == to);
        assert_eq!(empty, None, "nothing can be inside of a slice of no width: {track:?}");
        let crossing = slices.windows(2).find(|pair| pair[1].0 < pair[0].1);
        assert_eq!(crossing, None, "on {track:?}");
    }
}

/// Each id has a start and then a finish, both bound to the slice that encloses them. As a reader does, this binds them
/// in the order of the file, to the slice that was opened last.
fn flows_lead_from_slice_to_slice(events: &[Value]) {
    let mut around: HashMap<Track, (u64, u64, &str)> = HashMap::new();
    let mut starts: HashMap<&str, &Value> = HashMap::new();
    let mut finished: HashSet<&str> = HashSet::new();
    for event in events.iter().filter(|event| event["ph"] != "M") {
        let (kind, now) = (text(event, "ph"), at(event, "ts"));
        if kind == "X" {
            around.insert(track(event), (now, now + at(event, "dur"), text(event, "name")));
        }
        if kind == "s" || kind == "f" {
            let slice = around.get(&track(event));
            let is_inside = slice.is_some_and(|(from, to, _)| *from <= now && now < *to);
            assert!(is_inside, "{event} is not inside of {slice:?}");
            assert!(kind == "s" || slice.is_some_and(|(.., name)| *name == "poll"), "{event} leads to {slice:?}");
        }
        if kind == "s" {
            let before = starts.insert(text(event, "id"), event);
            assert!(before.is_none(), "{event} after {before:?}");
        }
        if kind == "f" {
            assert_eq!(event["bp"], "e", "without it, it leads to the next slice: {event}");
            let start = starts.get(text(event, "id")).unwrap_or_else(|| panic!("without a start: {event}"));
            assert_eq!((&start["name"], &start["cat"]), (&event["name"], &event["cat"]), "{event}");
            assert!(finished.insert(text(event, "id")), "finished twice: {event}");
        }
    }
    assert_eq!(starts.len(), finished.len(), "some have no finish");
}
