//! `demo ways`: the same download in six ways, run as its users do.

use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};
use tests::demo::Place;

const WAYS: [&str; 6] = ["blocking", "processes", "threads", "busy", "callbacks", "coroutines"];

fn rows(place: &Place, args: &[&str]) -> Vec<Value> {
    let args = [&["ways", "--format", "json"], args].concat();
    serde_json::from_str(&place.run(&args).exits(0).stdout).unwrap()
}

fn row<'a>(rows: &'a [Value], way: &str) -> &'a Value {
    rows.iter().find(|row| row["way"] == way).unwrap_or_else(|| panic!("{way} is missing in {rows:?}"))
}

#[test]
fn all_ways_download_the_same_bytes_and_the_concurrent_ones_are_faster() {
    let rows = rows(&Place::new(), &["--pages", "20", "--delay", "50ms"]);
    assert_eq!(rows.iter().map(|row| row["way"].as_str().unwrap()).collect::<Vec<_>>(), WAYS);
    for row in &rows {
        assert_eq!((&row["bytes"], &row["digest"]), (&rows[0]["bytes"], &rows[0]["digest"]), "{row}");
        assert!(row["bytes"].as_u64().unwrap() > 20 * 100, "{row}");
    }
    let blocking = row(&rows, "blocking");
    assert!(blocking["seconds"].as_f64().unwrap() >= 20.0 * 0.05);
    assert_eq!(blocking["times_faster"], 1.0);
    // On an idle machine, ten at once are ten times as fast, and all twenty are twenty times as fast.
    for (way, times) in [("processes", 2.0), ("threads", 4.0), ("busy", 5.0), ("callbacks", 5.0), ("coroutines", 5.0)] {
        assert!(row(&rows, way)["times_faster"].as_f64().unwrap() > times, "{way}: {rows:?}");
    }
    if cfg!(target_os = "linux") {
        let counts = |way: &str| (row(&rows, way)["threads"].as_u64(), row(&rows, way)["processes"].as_u64());
        assert_eq!(counts("blocking"), (Some(1), Some(1)));
        assert_eq!(counts("threads"), (Some(11), Some(1)));
        assert_eq!(counts("processes"), (Some(11), Some(11)));
        assert_eq!(counts("coroutines"), (Some(1), Some(1)));
    }
}

#[test]
fn busy_polling_uses_processor_time_and_the_event_loops_do_not() {
    let ways = ["--way", "busy", "--way", "callbacks", "--way", "coroutines"];
    let rows = rows(&Place::new(), &[&["--delay", "500ms"], &ways[..]].concat());
    let cpu = |way: &str| row(&rows, way)["cpu_seconds"].as_f64().unwrap();
    assert!(cpu("busy") > 0.1, "{rows:?}");
    assert!(cpu("callbacks") < 0.1 && cpu("coroutines") < 0.1, "{rows:?}");
    assert_eq!(row(&rows, "busy")["times_faster"], Value::Null, "`blocking` did not run");
}

#[test]
fn with_unpooled_each_page_has_a_thread_of_its_own() {
    let args = ["--pages", "30", "--delay", "100ms", "--way", "threads", "--unpooled"];
    let rows = rows(&Place::new(), &args);
    assert!(row(&rows, "threads")["seconds"].as_f64().unwrap() < 3.0 * 0.1 + 1.0);
    if cfg!(target_os = "linux") {
        assert_eq!(row(&rows, "threads")["threads"], 31);
    }
}

#[test]
fn a_thousand_pages_are_fetched_at_once() {
    let args = ["--pages", "1000", "--delay", "10ms", "--way", "callbacks", "--way", "coroutines"];
    let rows = rows(&Place::new(), &args);
    assert_eq!(rows[0]["bytes"], rows[1]["bytes"]);
}

#[test]
fn csv_has_a_header_and_one_line_for_each_row() {
    let args = ["ways", "--format", "csv", "--delay", "0s", "--pages", "1,2", "--runs", "2", "--way", "threads"];
    let output = Place::new().run(&args).exits(0).stdout;
    let lines: Vec<Vec<&str>> = output.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0][..4], ["way", "pages", "seconds", "times_faster"]);
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{output}");
    assert_eq!((lines[1][..2].to_vec(), lines[2][..2].to_vec()), (vec!["threads", "1"], vec!["threads", "2"]));
}

#[test]
fn the_table_fits_a_narrow_terminal_and_the_chart_has_axes() {
    let place = Place::new();
    let output = place.run(&["ways", "--delay", "20ms", "--pages", "2,4", "--chart", "ways.svg"]).exits(0).stdout;
    for way in WAYS {
        assert_eq!(output.lines().filter(|line| line.starts_with(way)).count(), 2, "{output}");
    }
    let widest = output.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{output}");
    let chart = fs::read_to_string(place.path("ways.svg")).unwrap();
    assert!(chart.starts_with("<svg") && chart.trim_end().ends_with("</svg>"));
    for text in WAYS.iter().chain(&["time, seconds", "processor time, seconds", "2 pages", "4 pages"]) {
        assert!(chart.contains(text), "{text} is missing");
    }
}

#[test]
fn wrong_options_are_refused_with_what_to_write_instead() {
    let place = Place::new();
    place.run(&["ways", "--pages", "10,none"]).exits(2).says("10,80,1000");
    place.run(&["ways", "--pages", "0"]).exits(2).says("from 1 to 10000");
    place.run(&["ways", "--way", "magic"]).exits(2).says("coroutines");
    let ran = place.run(&["ways", "--way", "threads", "--delay", "0s", "--chart", "no/such/folder.svg"]).exits(1);
    ran.says("no/such/folder.svg");
}

#[test]
fn a_killed_run_leaves_no_server_behind() {
    if !cfg!(target_os = "linux") {
        return println!("skipped: the children of a process are found in /proc");
    }
    let running = Place::new().start(&["ways", "--delay", "30s", "--way", "callbacks"]);
    let id = running.id();
    let until = |what: &str, mut holds: Box<dyn FnMut() -> bool>| {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::sleep(Duration::from_millis(5)); // between two checks
        }
    };
    let children = move || {
        let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    until("it starts a server and a way", Box::new(move || children().len() == 2));
    let server = children().remove(0);
    running.signal(Signal::KILL);
    until("the server ends", Box::new(move || !fs::exists(format!("/proc/{server}")).unwrap()));
}
