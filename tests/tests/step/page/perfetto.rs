//! The file for Perfetto.

use super::chrome::{at, is_sound, slices};
use super::{crawl, dropped_in_a_poll, two_runs};
use executor::trace::{Event, Trace};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fmt::Write;
use tests::demo::Place;

fn perfetto(place: &Place, trace: &Trace) -> Vec<Value> {
    trace.write(std::fs::File::create(place.path("run.jsonl")).unwrap()).unwrap();
    place.run(&["step", "--replay", "run.jsonl", "--perfetto", "run.json"]).exits(0);
    chrome_events(place)
}

/// What was written into `run.json`.
fn chrome_events(place: &Place) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path("run.json")).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let Value::Array(events) = file["traceEvents"].take() else { panic!("no events in {text}") };
    events
}

#[test]
fn the_file_for_perfetto_follows_the_rules_of_its_format() {
    let place = Place::new();
    for program in ["two-sleeps", "cancel", "semaphore", "blocked", "downloads", "lost-wake", "unjoined"] {
        place.run(&["step", program, "--perfetto", "run.json"]).exits(0);
        is_sound(&chrome_events(&place));
    }
    is_sound(&perfetto(&place, &two_runs()));
    is_sound(&perfetto(&place, &dropped_in_a_poll()));
    // A program that is killed leaves a recording that may end after any event.
    let mut trace = dropped_in_a_poll();
    while trace.records.pop().is_some() {
        is_sound(&perfetto(&place, &trace));
    }
}

#[test]
fn perfetto_shows_every_poll_and_every_wake_leads_from_a_slice_to_a_poll() {
    let place = Place::new();
    let trace = crawl(&place);
    let events = perfetto(&place, &trace);
    is_sound(&events);
    let count = |wanted: fn(&Event) -> bool| trace.records.iter().filter(|record| wanted(&record.event)).count();
    let polls = events.iter().filter(|event| event["ph"] == "X" && event["name"] == "poll").count();
    assert_eq!(polls, count(|event| matches!(event, Event::PollBegins { .. })));
    let calls = |event: &&Value| event["name"].as_str().is_some_and(|name| name.starts_with("blocking call,"));
    assert_eq!(events.iter().filter(calls).count(), count(|event| matches!(event, Event::BlockingBegins { .. })));

    let starts: HashSet<(u64, u64)> = slices(&events)
        .iter()
        .flat_map(|((_, thread), slices)| slices.iter().map(|(from, _)| (*thread, *from)))
        .collect();
    let flows: Vec<&Value> = events.iter().filter(|event| event["ph"] == "f").collect();
    assert!(flows.len() > 500, "{}", flows.len());
    for flow in flows {
        assert!(starts.contains(&(flow["tid"].as_u64().unwrap(), at(flow, "ts"))), "a poll begins with {flow}");
    }
}

#[test]
fn perfettos_threads_show_what_each_task_does_at_any_time() {
    let place = Place::new();
    place.run(&["step", "cancel", "--perfetto", "run.json"]).exits(0);
    let events = &chrome_events(&place);
    let names = events.iter().filter(|event| event["name"] == "thread_name");
    let names: Vec<_> = names.map(|event| (&event["tid"], event["args"]["name"].as_str().unwrap())).collect();
    let all: Vec<_> = names.iter().map(|(_, name)| *name).collect();
    assert_eq!(all, ["the reactor", "task 1 \"main\"", "task 2 \"holds\"", "task 3 \"waits\""]);

    // One slice after the other, without a gap, from the spawn to the end.
    let mut told = String::new();
    for (thread, name) in &names[1..] {
        let slices = events.iter().filter(|event| event["ph"] == "X" && event["tid"] == **thread);
        let slices: Vec<_> = slices.collect();
        let end = |slice: &Value| at(slice, "ts") + at(slice, "dur");
        let gap = slices.windows(2).find(|pair| end(pair[0]) != at(pair[1], "ts"));
        assert_eq!(gap, None, "of {name}");
        for slice in slices {
            let ms = (at(slice, "dur") + 500_000) / 1_000_000;
            writeln!(told, "{name}: {} for {ms} ms", slice["name"].as_str().unwrap()).unwrap();
        }
    }
    let waits = "task 3 \"waits\": queued for 0 ms\ntask 3 \"waits\": poll for 0 ms\ntask 3 \"waits\": acquire on the \
                 semaphore made at demo/src/step/programs/cancel.rs:10:25 for 50 ms\n";
    assert!(told.contains(waits), "{told}");
    let cancelled = events.iter().find(|event| event["name"] == "cancelled").unwrap();
    assert_eq!(cancelled["args"], json!({ "by": "task 1", "reason": "it takes too long" }));
}
