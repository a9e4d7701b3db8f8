//! Recordings from an untrusted source: which files they may name, what they can do to the terminal and the page, and
//! the errors for files that are no recording.

use executor::trace::{Trace, TraceError};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use tests::demo::{Place, Ran, Running};

const SECRET: &str = "the-secret-of-this-machine";

/// A recording whose program ran in this directory and names these files.
fn naming(directory: &str, files: &[&str]) -> String {
    let mut lines = vec![
        json!({ "executor_trace": 2, "program": "stranger", "directory": directory, "simulated": false, "dropped": 0 }),
    ];
    for (number, file) in files.iter().enumerate() {
        lines.push(json!({ "place": number, "file": file, "line": 1, "column": 1 }));
    }
    for number in 0..files.len() {
        lines.push(
            json!({ "at": number, "run": 1, "event": "spawned", "task": number + 1, "place": number, "size": 1 }),
        );
    }
    as_lines(&lines)
}

/// `place` must be the first key of its line, as it is in a recording.
fn as_lines(lines: &[Value]) -> String {
    let line = |line: &Value| {
        let first = ["executor_trace", "at", "place", "chain"].into_iter().find(|key| line.get(key).is_some()).unwrap();
        let mut rest = line.as_object().unwrap().clone();
        let value = rest.remove(first).unwrap();
        let rest = Value::Object(rest).to_string();
        let rest = rest.strip_prefix('{').unwrap();
        let comma = if rest == "}" { "" } else { "," };
        format!("{{\"{first}\":{value}{comma}{rest}\n")
    };
    lines.iter().map(line).collect()
}

/// A folder `project`, the working directory according to the stranger's recording, and a secret file beside it.
fn place() -> Place {
    let place = Place::new();
    fs::create_dir_all(place.path("project/src")).unwrap();
    fs::write(place.path("project/src/main.rs"), "fn main() { /* its own source */ }\n").unwrap();
    fs::write(place.path("project/notes.txt"), SECRET).unwrap();
    fs::write(place.path("secret.rs"), SECRET).unwrap();
    place
}

/// The page of a recording, made in the folder `project`.
fn page(place: &Place, trace: &str, args: &[&str]) -> (String, Ran) {
    fs::write(place.path("run.jsonl"), trace).unwrap();
    let html = ["step", "--replay", "../run.jsonl", "--html", "../page.html"];
    let mut command = place.command(&[&html, args].concat());
    let ran = Running::start(command.current_dir(place.path("project"))).wait().exits(0);
    (fs::read_to_string(place.path("page.html")).unwrap(), ran)
}

#[test]
fn only_source_files_below_the_directory_of_the_program_are_read() {
    let place = place();
    let project = place.path("project").canonicalize().unwrap();
    for (link, to) in
        [("out.rs", "../secret.rs"), ("notes.rs", "notes.txt"), ("folder.rs", "src"), ("dangling.rs", "no")]
    {
        symlink(to, project.join(link)).unwrap();
    }
    rustix::fs::mkfifoat(rustix::fs::CWD, project.join("pipe.rs"), rustix::fs::Mode::RWXU).unwrap();
    fs::write(project.join("large.rs"), format!("// {SECRET}\n").repeat(100_000)).unwrap();
    fs::write(project.join("binary.rs"), [0xff, 0xfe, 0x00]).unwrap();
    let outside = place.path("secret.rs").to_str().unwrap().to_owned();
    let inside = project.join("src/main.rs").to_str().unwrap().to_owned();
    let dots = project.join("../secret.rs").to_str().unwrap().to_owned();
    let bad = [
        "/etc/passwd",
        "/etc/hostname",
        "/dev/zero",
        "/dev/stdin",
        "/proc/self/environ",
        "notes.txt",
        "../secret.rs",
        "src/../../secret.rs",
        "out.rs",
        "notes.rs",
        "folder.rs",
        "dangling.rs",
        "pipe.rs",
        "large.rs",
        "binary.rs",
        "no.rs",
        &outside,
        &dots,
        "",
        ".",
        "/",
        "src",
        "src\0.rs",
        "__proto__",
        "constructor",
    ];
    let good = ["src/main.rs", inside.as_str(), "project/src/main.rs"];
    let (page, ran) = page(&place, &naming(project.to_str().unwrap(), &[&bad[..], &good[..]].concat()), &[]);
    assert!(!page.contains(SECRET) && !page.contains("root:"), "{ran:?}");
    let data = data(&page);
    let embedded: Vec<_> = data["files"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = good.to_vec();
    expected.sort();
    assert_eq!(embedded, expected);
    assert_eq!(data["files"]["src/main.rs"][0]["lines"][0], "fn main() { /* its own source */ }");
    // What is left out is named on the page and on standard error.
    assert_eq!(data["left_out"]["/etc/passwd"], "it is not a Rust source file");
    assert!(data["left_out"]["large.rs"].as_str().unwrap().starts_with("it is larger than"), "{}", data["left_out"]);
    ran.says("source files of the recording are left out of the page").says("it is not a Rust source file");
}

/// The recording as the page has it.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"recording\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_directory_that_the_user_is_not_in_is_read_only_if_source_names_it() {
    let place = place();
    let top = place.path("").canonicalize().unwrap();
    fs::create_dir(top.join("other")).unwrap();
    fs::write(top.join("other/lib.rs"), SECRET).unwrap();
    let other = top.join("other").to_str().unwrap().to_owned();
    for directory in ["/", "", ".", "..", "/no/such/place", "/etc", top.to_str().unwrap(), &other] {
        let named = ["secret.rs", "other/lib.rs", "lib.rs", &format!("{other}/lib.rs"), "etc/passwd", "src/main.rs"];
        let (page, ran) = page(&place, &naming(directory, &named), &[]);
        assert!(!page.contains(SECRET), "{directory}: {ran:?}");
        assert_eq!(data(&page)["files"], json!({}), "{directory}");
    }
    let (_, ran) = page(&place, &naming(&other, &["lib.rs"]), &[]);
    ran.says(&format!(
        "the program ran in {other}, which is not below the current directory; pass --source {other} to read it"
    ));
    let (page, ran) = page(&place, &naming(&other, &["lib.rs", "../secret.rs"]), &["--source", "../other"]);
    assert_eq!(data(&page)["files"]["lib.rs"][0]["lines"][0], SECRET, "{ran:?}");
    assert!(data(&page)["files"].get("../secret.rs").is_none());
}

#[test]
fn no_text_of_a_recording_controls_the_terminal() {
    let place = Place::new();
    let evil = "evil\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\u{202e}end";
    let trace = [
        json!({ "executor_trace": 2, "program": evil, "directory": evil, "simulated": true, "dropped": 0 }),
        json!({ "place": 0, "file": format!("{evil}.rs"), "line": 1, "column": 1 }),
        json!({ "chain": 0, "frames": [{ "function": evil, "file": format!("{evil}.rs"), "line": 1 }] }),
        json!({ "at": 0, "run": 1, "event": "run_begins" }),
        json!({ "at": 1, "run": 1, "event": "spawned", "task": 1, "name": evil, "place": 0, "size": 9999 }),
        json!({ "at": 1, "run": 1, "event": "spawned", "task": 2, "name": evil, "place": 0, "size": 9999 }),
        json!({ "at": 2, "run": 1, "event": "poll_begins", "task": 1 }),
        json!({ "at": 2, "run": 1, "event": "waits", "task": 1, "waits": [{ "leaf": format!("readable on {evil}"), "chain": 0 }] }),
        json!({ "at": 3, "run": 1, "event": "poll_ends", "task": 1, "end": "pending" }),
        json!({ "at": 4, "run": 1, "event": "cancelled", "task": 1, "by": { "thread": evil }, "reason": evil }),
        json!({ "at": 5, "run": 1, "event": "panicked", "task": 2, "message": evil }),
        json!({ "at": 6, "run": 1, "event": "finished", "task": 2, "how": "panicked" }),
        json!({ "at": 7, "run": 1, "event": "output_dropped", "task": 2, "how": "panicked" }),
    ];
    fs::write(place.path("run.jsonl"), as_lines(&trace)).unwrap();
    let obeyed = |char: char| (char.is_control() && char != '\n') || char == '\u{202e}';
    for args in [
        &["step", "--replay", "run.jsonl", "--lint"][..],
        &["step", "--replay", "run.jsonl", "--html", "page.html"],
        &["step", "--replay", "run.jsonl", "--perfetto", "run.json"],
        &["top", "--replay", "run.jsonl", "--once"],
    ] {
        let ran = place.run(args);
        let printed = ran.stdout + &ran.stderr;
        assert!(!printed.contains(obeyed), "{args:?}: {printed:?}");
    }
    // The error for a line that is not one of a recording has no control sequence either.
    let bad = as_lines(&[trace[0].clone(), json!({ "at": 1, "event": evil })]);
    fs::write(place.path("run.jsonl"), bad).unwrap();
    for args in [["step", "--replay", "run.jsonl", "--lint"], ["top", "--replay", "run.jsonl", "--once"]] {
        let ran = place.run(&args).exits(1).says("line 2 is not a line of a recording");
        assert!(!ran.stderr.contains(obeyed), "{:?}", ran.stderr);
    }
}

#[test]
fn the_texts_of_a_recording_stay_texts_in_the_page() {
    let place = place();
    let evil = "</script><script>alert(1)</script><!--";
    let trace = [
        json!({ "executor_trace": 2, "program": evil, "directory": evil, "simulated": true, "dropped": 0 }),
        json!({ "place": 0, "file": "__proto__", "line": 1, "column": 1 }),
        json!({ "at": 1, "run": 1, "event": "spawned", "task": 1, "name": evil, "place": 0, "size": 1 }),
    ];
    let (page, _) = page(&place, &as_lines(&trace), &[]);
    assert!(!page.contains("<script>alert") && page.matches("</script>").count() == 2, "{page}");
    assert_eq!(data(&page)["head"]["program"], evil);
}

/// A recording with this line in it.
fn with(line: &str) -> String {
    let head = r#"{"executor_trace":2,"program":"p","simulated":false,"dropped":0}"#;
    let place = r#"{"place":0,"file":"a.rs","line":1,"column":1}"#;
    format!("{head}\n{place}\n{line}\n")
}

#[test]
fn a_line_that_is_not_of_a_recording_is_refused_with_its_number() {
    let deep = format!("{{\"at\":1,\"event\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for line in [
        r#"{"at":1,"run":-1,"event":"poll_begins","task":1}"#,
        r#"{"at":1,"run":4294967296,"event":"poll_begins","task":1}"#,
        r#"{"at":1,"run":1,"runtime":-7,"event":"poll_begins","task":1}"#,
        r#"{"at":1.5,"run":1,"event":"poll_begins","task":1}"#,
        r#"{"at":18446744073709551616,"run":1,"event":"poll_begins","task":1}"#,
        r#"{"at":1,"run":1,"event":"poll_begins"}"#,
        r#"{"at":1,"run":1,"event":"poll_begins","task":"1"}"#,
        r#"{"at":1,"run":1,"event":"poll_begins","task":null}"#,
        r#"{"run":1,"event":"poll_begins","task":1}"#,
        r#"{"at":1,"run":1}"#,
        r#"{"at":1,"run":1,"event":"spawned","task":1,"place":0}"#,
        r#"{"at":1,"run":1,"event":"woken","task":1,"by":{"nobody":1}}"#,
        r#"{"place":1}"#,
        r#"{"chain":0,"frames":[{}]}"#,
        r#"{"chain":0,"frames":7}"#,
        r#"{"missed":-1}"#,
        r#"{"now":"soon"}"#,
        &deep,
    ] {
        let error = Trace::read(with(line).as_bytes()).expect_err(line);
        let short = &line[..line.len().min(80)];
        assert!(matches!(error, TraceError::Line { line: 3, .. }), "{short}: {error}");
    }
}

#[test]
fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
    let place = Place::new();
    for args in [["step", "--replay", "/dev/zero", "--lint"], ["top", "--replay", "/dev/zero", "--once"]] {
        place.run(&args).exits(1).says("line 1 has more than 16777216 bytes: that is not a recording");
    }
}

#[test]
fn the_largest_numbers_are_read_without_an_overflow() {
    let (most, place) = (u64::MAX, place());
    let lines = [
        json!({ "executor_trace": 2, "program": "p", "simulated": false, "dropped": most }),
        json!({ "place": 0, "file": "a.rs", "line": u32::MAX, "column": u32::MAX }),
        json!({ "chain": 0, "frames": [{ "function": "f", "file": "a.rs", "line": u32::MAX }] }),
        json!({ "at": most, "run": u32::MAX, "runtime": u32::MAX, "event": "run_begins" }),
        json!({ "at": most, "run": u32::MAX, "event": "spawned", "task": most, "by": most, "place": 0, "size": most }),
        json!({ "at": 0, "run": u32::MAX, "event": "spawned", "task": most - 1, "place": 0, "size": most }),
        json!({ "at": 0, "run": u32::MAX, "event": "poll_begins", "task": most }),
        json!({ "at": 0, "run": u32::MAX, "event": "source_added", "source": most, "fd": i32::MIN }),
        json!({ "at": 0, "run": u32::MAX, "event": "source_waits", "source": most, "direction": "read" }),
        json!({ "at": most, "run": u32::MAX, "event": "waits", "task": most, "waits":
            [{ "leaf": "readable on x", "chain": 0, "times": u32::MAX }, { "leaf": "y", "chain": 0, "times": u32::MAX }] }),
        json!({ "at": most, "run": u32::MAX, "event": "timer_set", "timer": most, "deadline": most, "place": 0 }),
        json!({ "at": most, "run": u32::MAX, "event": "poll_ends", "task": most, "end": "pending" }),
        json!({ "at": 0, "run": u32::MAX, "event": "woken", "task": most, "by": { "task": most } }),
        json!({ "at": most, "run": u32::MAX, "event": "poll_begins", "task": most }),
        json!({ "at": 0, "run": u32::MAX, "event": "slow_poll", "task": most, "took": most }),
        json!({ "at": most, "run": 0, "event": "wait_begins", "timeout": most }),
        json!({ "at": 0, "run": 0, "event": "wait_ends", "sources": most, "timers": most }),
        json!({ "at": most, "run": u32::MAX, "event": "finished", "task": most, "how": "ready", "wakers": most }),
        json!({ "at": most, "run": u32::MAX, "event": "spawned", "task": 1u64 << 53, "place": 0, "size": 1 }),
        json!({ "at": most, "run": u32::MAX, "event": "spawned", "task": (1u64 << 53) + 1, "place": 0, "size": 1 }),
        json!({ "at": most, "run": u32::MAX, "event": "run_ends" }),
        json!({ "at": most, "run": u32::MAX, "event": "blocking_begins", "task": most - 2 }),
    ];
    let (page, _) = page(&place, &as_lines(&lines), &[]);
    // Numbers that a script cannot represent are strings, so that two tasks stay distinct.
    let values = data(&page)["values"].to_string();
    assert!(values.contains(&format!("\"{most}\"")) && values.contains(&format!("\"{}\"", most - 1)), "{values}");
    for args in [
        &["step", "--replay", "run.jsonl", "--lint"][..],
        &["step", "--replay", "run.jsonl", "--perfetto", "run.json"],
        &["top", "--replay", "run.jsonl", "--once"],
        &["top", "--replay", "run.jsonl", "--once", "--at", "1s"],
    ] {
        let ran = place.run(args);
        assert!(matches!(ran.status.code(), Some(0 | 3)), "{args:?}: {ran:?}");
    }
    let mut app = demo::step::tui::App::new(
        "p".into(),
        Trace::open(place.path("run.jsonl")).unwrap(),
        demo::step::Sources::new(None),
    );
    (0..=lines.len()).for_each(|position| app.seek(position));
    scripts_fold(&place, &page);
}

/// Folds the recording of a page with the page's own scripts, if a program that runs them is installed.
fn scripts_fold(place: &Place, page: &str) {
    let check = "\nconst history = new History(JSON.parse(require('fs').readFileSync('data.json', 'utf8')));
        for (const event of history.events) { plain(sentence(history, event)); history.stateAt(event.index); }
        if (new Set(history.lanes.map((lane) => lane.id)).size < 5) throw new Error('tasks were taken for one');";
    let html = concat!(env!("CARGO_MANIFEST_DIR"), "/../demo/src/step/html/");
    let script = |name: &str| fs::read_to_string(format!("{html}{name}")).unwrap();
    fs::write(place.path("data.json"), data(page).to_string()).unwrap();
    fs::write(place.path("fold.cjs"), script("history.js") + &script("words.js") + check).unwrap();
    if let Ok(ran) = Command::new("node").arg("fold.cjs").current_dir(place.path("")).output() {
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
}
