//! `demo top`: a real program that is observed, and pictures of a recording.
//!
//! The pictures are beside this file; after an intended change, `BLESS=1 cargo test -p tests --test step top` writes
//! them anew.

use demo::step::Program;
use demo::step::model::Phase;
use demo::top::Column;
use demo::top::draw::draw;
use demo::top::observed::{Observed, Status};
use demo::top::screen::Screen;
use executor::trace::{Event, Trace};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::KeyCode;
use rustix::process::Signal;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::time::Duration;
use std::{env, fs};
use tests::demo::{Place, Running, Serving, within_after_build};
use tests::eventually;

fn serve(place: &Place, variables: &[(&str, &str)]) -> Serving {
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    Serving::run(command.env("EXECUTOR_CONSOLE", "console").envs(variables.iter().copied()))
}

#[track_caller]
fn once(place: &Place) -> String {
    place.run(&["top", "--connect", "console", "--once"]).exits(0).stdout
}

/// The cells of the line with this in it.
#[track_caller]
fn line<'a>(text: &'a str, with: &str) -> Vec<&'a str> {
    let line = text.lines().find(|line| line.contains(with)).unwrap_or_else(|| panic!("no `{with}` in:\n{text}"));
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn a_running_program_is_shown_with_its_tasks_sockets_and_timers() {
    within_after_build(60, || {
        let place = Place::new();
        let server = serve(&place, &[]);
        assert_eq!(server.get("/ring/1").status, 200);
        let client = server.connect(); // sends nothing, so its task waits for a request
        let (address, own) = (server.address, client.local_addr().unwrap());
        let mut text = String::new();
        eventually("the connection is seen to wait", || {
            text = once(&place);
            text.contains(&format!("readable on the socket to {own}"))
        });
        assert!(text.starts_with("demo  running  "), "{text}");
        let listens = line(&text, &format!("readable on the listener at {address}"));
        assert_eq!(listens[2], "suspended", "{text}");
        assert_eq!(line(&text, &format!("the socket to {own}  "))[4].split(", ").nth(1), Some("to read"), "{text}");
        assert!(line(&text, "TIMER").contains(&"SET AT"), "{text}");
        // A task that has completed is gone.
        assert_eq!(text.matches("connection").count(), 3, "a task, at its socket and its timer: {text}");
        assert!(!text.contains("  completed"), "{text}");
    });
}

#[test]
fn the_times_of_an_idle_program_increase() {
    within_after_build(60, || {
        let place = Place::new();
        let _server = serve(&place, &[]);
        let mut observed = Observed::live();
        let stream = std::os::unix::net::UnixStream::connect(place.path("console")).unwrap();
        for line in std::io::BufRead::lines(std::io::BufReader::new(stream)) {
            // The first task may be in the middle of a poll.
            let waits =
                |observed: &Observed| observed.state().tasks.get(&1).is_some_and(|root| root.phase == Phase::Suspended);
            if observed.add_line(&line.unwrap()).unwrap() && waits(&observed) {
                break;
            }
        }
        let before = observed.now();
        eventually("it is later", || observed.now() > before + 5_000_000);
        let root = &observed.state().tasks[&1];
        assert!(observed.times(root)[2] >= 5_000_000, "a suspended task is suspended for longer and longer");
    });
}

#[test]
fn a_full_recorder_still_shows_all_live_tasks_as_suspended() {
    within_after_build(60, || {
        let place = Place::new();
        let server = serve(&place, &[("EXECUTOR_TRACE_EVENTS", "60")]);
        let client = server.connect();
        let own = client.local_addr().unwrap();
        eventually("the connection waits", || once(&place).contains(&format!("the socket to {own}")));
        (0..20).for_each(|_| assert_eq!(server.get("/ring/1").status, 200));
        let text = once(&place);
        assert!(text.lines().next().is_some_and(|first| first.ends_with(" events were dropped")), "{text}");
        let waits = line(&text, &format!("readable on the socket to {own}"));
        assert_eq!(waits[1..3], ["connection", "suspended"], "{text}");
        assert_eq!(line(&text, "SIGUSR1")[2], "suspended", "{text}");
    });
}

#[test]
fn a_program_that_ends_is_shown_as_ended() {
    let place = Place::new();
    let listener = UnixListener::bind(place.path("console")).unwrap();
    let top = place.start(&["top", "--connect", "console", "--once"]);
    let (mut console, _) = listener.accept().unwrap();
    writeln!(console, r#"{{"executor_trace":1,"program":"short","simulated":false,"dropped":0}}"#).unwrap();
    writeln!(console, r#"{{"at":0,"event":"run_begins"}}"#).unwrap();
    drop(console);
    assert!(top.wait().exits(0).stdout.starts_with("short  ended  0 alive, 0 completed"));
}

#[test]
fn a_path_that_is_no_console_is_an_error_that_says_what_to_do() {
    let place = Place::new();
    let top = |path: &str| place.run(&["top", "--connect", path, "--once"]);
    top("nowhere").exits(1).says("cannot connect to nowhere: No such file").says("EXECUTOR_CONSOLE=nowhere");
    drop(UnixListener::bind(place.path("left")).unwrap());
    top("left").exits(1).says("cannot connect to left: Connection refused");

    let listener = UnixListener::bind(place.path("other")).unwrap();
    let other = place.start(&["top", "--connect", "other", "--once"]);
    listener.accept().unwrap().0.write_all(b"220 mail ready\r\n").unwrap();
    other.wait().exits(1).says("demo: other: line 1 is not a line of a recording");
    let silent = place.start(&["top", "--connect", "other", "--once"]);
    drop(listener.accept().unwrap());
    silent.wait().exits(1).says("other sent no events");
    place.run(&["top"]).exits(2).says("--connect <SOCKET>|--replay <FILE>");
}

#[test]
fn a_recording_is_shown_at_its_end_and_at_a_given_time() {
    let place = Place::new();
    let mut record = place.command(&["step", "semaphore", "--lint"]);
    Running::start(record.env("EXECUTOR_TRACE", "run.jsonl")).wait().exits(0);
    let text = place.run(&["top", "--replay", "run.jsonl", "--once", "--sort", "suspended"]).exits(0).stdout;
    assert!(text.starts_with("demo  recorded  0 alive, 4 completed"), "{text}");
    let order: Vec<_> = text.lines().skip(3).take(4).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert!(order[0] == "main" && order[1] == "Cleo", "{text}");
    let text = place.run(&["top", "--replay", "run.jsonl", "--at", "50ms"]).exits(0).stdout;
    assert_eq!(line(&text, "Cleo")[2], "suspended", "{text}");
    assert!(line(&text, "Ann  ")[9].starts_with("sleep for another 100.0ms"), "{text}");
    assert_eq!(line(&text, "\"Bob\"  demo")[1], "50.0ms", "its timer is due then: {text}");
    place.run(&["top", "--replay", "none.jsonl"]).exits(1).says("none.jsonl: No such file");
    fs::write(place.path("broken.jsonl"), "{}\n").unwrap();
    place.run(&["top", "--replay", "broken.jsonl"]).exits(1).says("demo: broken.jsonl: line 1 is not a line");
}

/// The semaphore's program, in the middle of its run.
fn observed() -> Observed {
    let mut trace = Program::Semaphore.record().unwrap();
    trace.head.program = "program".into();
    // These line numbers change with every program that is added.
    trace.places.iter_mut().filter(|place| place.file.ends_with("mod.rs")).for_each(|place| place.line = 1);
    Observed::replay(trace, Some(Duration::from_millis(50)))
}

fn picture(screen: &mut Screen, observed: &Observed, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, screen, observed)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned() + "\n";
    let text: String = (0..height).map(row).collect();
    // How large a future is depends on the compiler.
    let Some((before, after)) = text.split_once("future of ") else { return text };
    format!("{before}future of some{}", after.trim_start_matches(char::is_numeric))
}

#[track_caller]
fn is_as_before(name: &str, picture: &str) {
    let path = format!("{}/tests/step/top/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if env::var_os("BLESS").is_some() {
        fs::write(&path, picture).unwrap();
    }
    let before = fs::read_to_string(&path).unwrap();
    assert!(picture == before, "{name} is now\n{picture}and was\n{before}BLESS=1 accepts it");
}

#[test]
fn the_tables_look_as_before_on_small_and_large_terminals() {
    let observed = observed();
    let mut screen = Screen::new(Column::Task);
    is_as_before("tasks-80x24", &picture(&mut screen, &observed, 80, 24));
    screen.press(KeyCode::Down.into(), &observed);
    is_as_before("tasks-120x40", &picture(&mut screen, &observed, 120, 40));
    screen.press(KeyCode::Char('2').into(), &observed);
    is_as_before("sockets-80x24", &picture(&mut screen, &observed, 80, 24));
    screen.press(KeyCode::Char('3').into(), &observed);
    is_as_before("timers-80x24", &picture(&mut screen, &observed, 80, 24));
    screen.press(KeyCode::Char('?').into(), &observed);
    is_as_before("help-80x24", &picture(&mut screen, &observed, 80, 24));
    assert!(!screen.press(KeyCode::Char('q').into(), &observed), "any key closes it");
    is_as_before("timers-80x24", &picture(&mut screen, &observed, 80, 24));
}

/// The semaphore's program while it runs, from its beginning to the event of this number.
fn running(events: usize) -> Observed {
    let mut trace = Program::Semaphore.record().unwrap();
    trace.head.simulated = false; // so that its time advances
    let mut file = Vec::new();
    Trace { records: trace.records[..events].to_vec(), ..trace }.write(&mut file).unwrap();
    let mut observed = Observed::live();
    String::from_utf8(file).unwrap().lines().for_each(|line| assert!(!observed.add_line(line).unwrap()));
    observed
}

#[test]
fn a_paused_view_does_not_change_and_an_ended_one_cannot_be_paused() {
    let (before, mut later) = (running(20), running(25));
    let mut screen = Screen::new(Column::Task);
    let first = |screen: &mut Screen, observed: &Observed| {
        let picture = picture(screen, observed, 80, 24);
        let (first, last) = (picture.lines().next().unwrap().to_owned(), picture.lines().last().unwrap().to_owned());
        (first, last)
    };
    let (running, keys) = first(&mut screen, &before);
    assert!(running.contains("  running  4 alive") && keys.contains("space pause"), "{running} {keys}");
    screen.press(KeyCode::Char(' ').into(), &before);
    let at_once = picture(&mut screen, &before, 80, 24);
    let time = before.now();
    eventually("time goes on", || before.now() > time + 20_000_000);
    assert_eq!(picture(&mut screen, &before, 80, 24), at_once);
    let (paused, keys) = first(&mut screen, &later);
    assert!(paused.contains("  paused  4 alive") && keys.contains("space resume"), "{paused} {keys}");
    later.end();
    let (both, _) = first(&mut screen, &later);
    assert!(both.contains("  paused, ended  4 alive"), "{both}");
    for _ in 0..2 {
        screen.press(KeyCode::Char(' ').into(), &later);
        let (ended, keys) = first(&mut screen, &later);
        assert!(ended.contains("  ended  ") && !keys.contains("space"), "{ended} {keys}");
    }
}

/// The first word after the number in the rows of the table, and the task whose details are shown.
fn seen(screen: &mut Screen, observed: &Observed) -> (Vec<String>, String) {
    let picture = picture(screen, observed, 80, 24);
    let rows = picture.lines().skip(3).take_while(|line| !line.is_empty() && !line.starts_with('─'));
    let names = rows.map(|row| row.split_whitespace().nth(1).unwrap_or_default().to_owned()).collect();
    let details = picture.lines().skip_while(|line| !line.starts_with('─')).nth(1).unwrap_or_default();
    (names, details.split(',').next().unwrap_or_default().to_owned())
}

#[test]
fn keys_sort_and_select() {
    let before = observed();
    let mut screen = Screen::new(Column::Task);
    let press = |screen: &mut Screen, key: char| assert!(!screen.press(KeyCode::Char(key).into(), &before));
    let (names, details) = seen(&mut screen, &before);
    assert_eq!((&names[..], &*details), (&["main", "Ann", "Bob", "Cleo"].map(String::from)[..], "task 1 \"main\""));
    press(&mut screen, 'j');
    press(&mut screen, 'r'); // the selected task stays selected wherever it moves
    let (names, details) = seen(&mut screen, &before);
    assert_eq!((&names[0], &*details), (&"Cleo".to_owned(), "task 2 \"Ann\""));
    press(&mut screen, 's');
    press(&mut screen, 'r');
    assert_eq!(seen(&mut screen, &before).0[..2], ["Ann", "Bob"].map(String::from));
    for (key, wanted) in
        [(KeyCode::End, "task 1 \"main\""), (KeyCode::Home, "task 2 \"Ann\""), (KeyCode::PageDown, "task 1 \"main\"")]
    {
        screen.press(key.into(), &before);
        assert_eq!(seen(&mut screen, &before).1, wanted);
    }
    assert!(screen.press(KeyCode::Char('q').into(), &before) && screen.press(KeyCode::Esc.into(), &before));
}

#[test]
fn a_key_that_has_no_effect_says_why() {
    let (observed, mut screen) = (observed(), Screen::new(Column::Task));
    for (keys, says) in [
        ("x", "`x` does nothing here: ? lists the keys"),
        ("k", "this is the first row"),
        (" ", "only a running program can be paused"),
        ("2s", "only the tasks can be sorted: 1 shows them"),
        ("j", "the table is empty"),
    ] {
        keys.chars().for_each(|key| assert!(!screen.press(KeyCode::Char(key).into(), &observed)));
        let picture = picture(&mut screen, &observed, 80, 24);
        assert_eq!(picture.lines().last().unwrap().trim(), says, "{picture}");
    }
}

#[test]
fn the_total_of_polls_is_the_sum_of_those_of_the_tasks() {
    let trace = Program::Cancel.record().unwrap();
    let begun = trace.records.iter().filter(|record| matches!(record.event, Event::PollBegins { .. })).count() as u64;
    let observed = Observed::replay(trace, None);
    let polls: u64 = observed.state().tasks.values().map(|task| task.polls).sum();
    assert_eq!((observed.totals().polls, polls), (begun - 1, begun - 1), "the one that is cancelled is only dropped");
}

#[test]
fn no_size_is_too_small() {
    let (observed, mut screen) = (observed(), Screen::new(Column::Running));
    for (width, height) in [(1, 1), (3, 2), (10, 5), (20, 8), (200, 60), (80, 3)] {
        picture(&mut screen, &observed, width, height);
    }
    for height in 5..10 {
        let small = picture(&mut screen, &observed, 80, height);
        assert!(small.starts_with(" program  recorded") && small.contains("main"), "{small}");
    }
}

#[test]
fn a_number_without_room_is_left_out_and_not_cut() {
    let (observed, mut screen) = (observed(), Screen::new(Column::Task));
    for width in 1..100 {
        let first = picture(&mut screen, &observed, width, 24).lines().next().unwrap_or_default().to_owned();
        let last = first.rsplit("  ").next().unwrap_or_default();
        let whole = ["/s", "%", "completed", "ms", "recorded"].iter().any(|end| last.ends_with(end));
        assert!(whole || first.len() < " program  recorded".len(), "{width}: {first}");
    }
}

#[test]
fn a_client_that_missed_events_discards_its_state() {
    let mut observed = Observed::live();
    let mut add = |line: &str| observed.add_line(line).unwrap();
    add(r#"{"executor_trace":1,"program":"p","simulated":true,"dropped":0}"#);
    add(r#"{"place":0,"file":"a.rs","line":1,"column":1}"#);
    add(r#"{"at":1,"event":"spawned","task":1,"place":0,"size":1}"#);
    add(r#"{"at":2,"event":"spawned","task":2,"place":0,"size":1}"#);
    add(r#"{"missed":10}"#); // the end of task 2 among them
    add(r#"{"at":1,"event":"spawned","task":1,"place":0,"size":1}"#);
    assert!(add(r#"{"now":9}"#));
    assert_eq!(observed.state().tasks.keys().collect::<Vec<_>>(), [&1]);
    assert_eq!((observed.now(), observed.trace().head.dropped, observed.status()), (9, 10, Status::Running));
}

#[test]
fn only_what_still_exists_is_kept_of_a_running_program() {
    let trace = Program::PingPong.record().unwrap();
    let mut file = Vec::new();
    Trace { records: trace.records[..trace.records.len() - 3].to_vec(), ..trace }.write(&mut file).unwrap();
    let mut observed = Observed::live();
    String::from_utf8(file).unwrap().lines().for_each(|line| assert!(!observed.add_line(line).unwrap()));
    assert!(observed.totals().completed >= 2 && observed.state().tasks.values().all(|task| !task.phase.is_completed()));
    assert!(observed.trace().records.is_empty());
}

#[test]
fn a_server_that_is_interrupted_ends_the_view() {
    within_after_build(60, || {
        let place = Place::new();
        let mut server = serve(&place, &[]);
        assert!(once(&place).starts_with("demo  running"));
        server.running.signal(Signal::INT);
        eventually("it ends", || server.running.is_over());
        place.run(&["top", "--connect", "console"]).exits(1).says("cannot connect to console");
    });
}
