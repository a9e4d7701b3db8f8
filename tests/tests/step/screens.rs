//! The screens of the stepper, and its keys.
//!
//! The screens are compared with the files in `screens/`; after an intended change,
//! `BLESS=1 cargo test -p tests --test step screens` writes them anew.

use demo::step::model::Run;
use demo::step::tui::{App, Live, draw};
use demo::step::words::Words;
use demo::step::{Program, Sources};
use executor::Runtime;
use executor::time::sleep;
use executor::trace::{Event, Recorder, Trace};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::demo::{Place, Running};
use tests::eventually;

/// The screen after these keys.
fn screen(app: &mut App, (width, height): (u16, u16), keys: &str) -> String {
    for key in keys.chars() {
        let code = match key {
            '→' => KeyCode::Right,
            '←' => KeyCode::Left,
            '↓' => KeyCode::Down,
            '↑' => KeyCode::Up,
            '⇟' => KeyCode::PageDown,
            '⇞' => KeyCode::PageUp,
            '⏎' => KeyCode::Enter,
            other => KeyCode::Char(other),
        };
        app.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    let unquoted =
        |line: &str| line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap_or(line).to_owned();
    terminal.backend().to_string().lines().map(|line| format!("{}\n", unquoted(line).trim_end())).collect()
}

fn app(program: Program) -> App {
    App::new(program.title(), program.record().unwrap(), Sources::new(None))
}

fn is_golden(name: &str, screen: &str) {
    let file: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "tests", "step", "screens", &format!("{name}.txt")].iter().collect();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, screen).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(screen == expected, "{name} is now:\n{screen}\nand was:\n{expected}\nBLESS=1 accepts it");
}

#[test]
fn the_screens_are_those_of_the_golden_files() {
    is_golden("first", &screen(&mut app(Program::PingPong), (80, 24), ""));
    is_golden("wake", &screen(&mut app(Program::PingPong), (80, 24), "www"));
    is_golden("help", &screen(&mut app(Program::PingPong), (80, 24), "?"));
    is_golden("timers", &screen(&mut app(Program::TwoSleeps), (120, 40), "r"));
    is_golden("semaphore", &screen(&mut app(Program::Semaphore), (200, 60), "ww"));
    is_golden("cancel", &screen(&mut app(Program::Cancel), (120, 40), "/cancels⏎"));
    is_golden("findings", &screen(&mut app(Program::LostWake), (80, 24), "i"));
}

/// The lines of a screen without the pane of the runtime's code, and the lines of that pane.
fn without_code(screen: &str) -> (String, String) {
    let start = screen.lines().position(|line| line.starts_with("┌ executor/") || line.starts_with("┌ reactor/"));
    let start = start.unwrap_or_else(|| panic!("no code in {screen}"));
    let length = screen.lines().skip(start).position(|line| line.starts_with('└')).unwrap();
    let is_code = |number: usize| (start..=start + length).contains(&number);
    let part = |code: bool| {
        let lines = screen.lines().enumerate().filter(|(number, _)| is_code(*number) == code);
        lines.map(|(_, line)| format!("{line}\n")).collect()
    };
    (part(false), part(true))
}

#[test]
fn m_shows_the_code_of_the_runtime_with_the_words_and_the_queues() {
    let program = screen(&mut app(Program::PingPong), (80, 24), "ww");
    for (name, program, size, keys, title, marked) in [
        (
            "runtime-wake",
            Program::PingPong,
            (80, 24),
            "mww",
            "┌ executor/src/task/state.rs · State::wake · with waker::wake, Single::schedule",
            "let before = self.0.fetch_or(NOTIFIED, Ordering::AcqRel);",
        ),
        (
            "runtime-spawn",
            Program::PingPong,
            (80, 24),
            "m→→→",
            "┌ executor/src/task/state.rs · State::new · with Core::spawn, RunQueue::push ",
            "State(AtomicU64::new(",
        ),
        (
            "runtime-finish",
            Program::Cancel,
            (120, 40),
            "m/is dropped⏎",
            "┌ executor/src/task/state.rs · State::complete · with TaskCell::finish ",
            "self.0.fetch_update(",
        ),
        (
            "runtime-timer",
            Program::TwoSleeps,
            (120, 40),
            "m/is set⏎",
            "┌ reactor/src/time/queue.rs · TimerQueue::put · with queue::slot_from, TimerQueue::insert, Timers::set ",
            "self.slot_of(",
        ),
    ] {
        let (rest, code) = without_code(&screen(&mut app(program), size, keys));
        is_golden(name, &rest);
        assert!(code.starts_with(title), "{code}");
        assert!(code.lines().any(|line| line.contains('▶') && line.contains(marked)), "{code}");
    }
    let mut app = app(Program::PingPong);
    assert_eq!(screen(&mut app, (80, 24), "mwwm"), program, "and back");
    let wide = screen(&mut app, (200, 60), "m");
    assert!(wide.contains(" tasks ") && wide.contains("┌ the state word of task 2 \"pong\" "), "{wide}");
    assert!(
        wide.contains("── single.rs · Single::schedule") && wide.contains("── run_queue.rs · RunQueue::push"),
        "{wide}"
    );
}

#[test]
fn a_recording_without_words_is_shown_with_code() {
    let mut trace = Program::PingPong.record().unwrap();
    trace.records.iter_mut().for_each(|record| record.transition = None);
    let shown = screen(&mut App::new("old".into(), trace, Sources::new(None)), (80, 24), "mww");
    assert!(shown.contains("fetch_or(NOTIFIED") && shown.contains("does not contain state words"), "{shown}");
}

#[test]
fn no_screen_is_too_small() {
    for size in [(1, 1), (1, 2), (10, 3), (20, 5), (20, 10), (40, 12), (79, 23), (500, 200), (200, 6)] {
        screen(&mut app(Program::Semaphore), size, "ww?");
        screen(&mut app(Program::LostWake), size, "i");
        screen(&mut app(Program::Semaphore), size, "mww");
    }
}

#[test]
fn the_smallest_screens_keep_the_title_and_the_event() {
    for height in 2..24 {
        let seen = screen(&mut app(Program::Semaphore), (80, height), "ww");
        let mut lines = seen.lines();
        assert!(lines.next().unwrap().contains("event 25 of 57"), "{seen}");
        assert!(lines.next().unwrap().contains("timer 2 wakes task 3 \"Bob\""), "{seen}");
        // Each frame has content.
        assert!(!seen.contains("┘└") || seen.contains("›  3 Bob"), "{seen}");
        assert_eq!(height > 2, seen.contains("←→ event"), "{seen}");
    }
    let small = screen(&mut app(Program::Semaphore), (20, 5), "ww");
    assert_eq!(small, "event 25 of 57 · at\ntimer 2 wakes task 3\n\"Bob\"\n\n ←→ event  p poll\n");
    let narrow = screen(&mut app(Program::Semaphore), (40, 20), "ww");
    assert!(narrow.contains("›  3 Bob queued │"), "{narrow}");
    let help = screen(&mut app(Program::Semaphore), (20, 5), "?");
    assert!(help.contains("keys") && help.contains("→ ←"), "{help}");
}

#[test]
fn the_end_of_a_long_name_and_the_position_are_shown() {
    let name = format!("{}/run.jsonl", "long".repeat(40));
    let mut app = App::new(name, Program::PingPong.record().unwrap(), Sources::new(None));
    let title = screen(&mut app, (80, 24), "").lines().next().unwrap().to_owned();
    assert!(title.starts_with('…') && title.ends_with("long/run.jsonl event 1 of 46 · at 0"), "{title}");
}

/// Two tasks without a waker, with two spawn locations.
fn stranded_twice() -> Trace {
    let recorder = Arc::new(Recorder::new());
    let runtime = Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    runtime.block_on(async {
        executor::named("first").spawn(pending::<()>());
        executor::named("second").spawn(pending::<()>());
        sleep(Duration::from_millis(1)).await;
    });
    recorder.trace()
}

#[test]
fn the_list_of_findings_leads_to_their_events() {
    let right = screen(&mut app(Program::PingPong), (80, 24), "");
    assert!(!right.contains("finding"), "{right}");
    assert!(screen(&mut app(Program::PingPong), (80, 24), "i").contains("Nothing wrong was found in this run."));

    let mut app = App::new("twice".into(), stranded_twice(), Sources::new(None));
    let title = |screen: &str| screen.lines().next().unwrap().to_owned();
    let start = screen(&mut app, (80, 24), "");
    assert!(title(&start).ends_with(" · 2 findings: i"), "{start}");
    let row = |screen: &str, task: &str| {
        let row = screen.lines().find(|line| line.contains(&format!("never woken  {task}"))).map(str::to_owned);
        row.unwrap_or_else(|| panic!("no {task} in {screen}"))
    };
    let list = screen(&mut app, (80, 24), "i");
    assert!(
        row(&list, "task 2 \"first\"").contains("screens.rs:")
            && row(&list, "task 3 \"second").contains(" is suspended")
    );
    assert!(list.contains("┌ never woken, at event 10 "), "{list}");
    assert!(screen(&mut app, (80, 24), "↓↓").contains("task 3 \"second\" (spawned at "), "the last one stays chosen");
    let gone = screen(&mut app, (80, 24), "⏎");
    assert!(gone.contains("task 3 \"second\" is suspended, and left no waker") && !gone.contains("┌ never"), "{gone}");
    assert_eq!(screen(&mut app, (80, 24), "b"), start, "and back");
    // The list begins with the next finding, and other keys only close it.
    assert!(screen(&mut app, (80, 24), "Gi").contains("task 3 \"second\" (spawned at "));
    assert!(screen(&mut app, (80, 24), "↑").contains("task 2 \"first\" (spawned at "));
    assert!(!screen(&mut app, (80, 24), "q").contains("┌ never") && !app.over);
}

#[test]
fn the_view_follows_a_cause_and_returns() {
    let mut app = app(Program::PingPong);
    let wake = screen(&mut app, (80, 24), "www");
    let cause = screen(&mut app, (80, 24), "c");
    assert!(cause.lines().nth(1).unwrap().contains("is polled"), "{cause}");
    assert_eq!(screen(&mut app, (80, 24), "b"), wake);
    assert_eq!(screen(&mut app, (80, 24), "→←"), wake);
}

#[test]
fn a_search_goes_forward_and_back_and_says_when_there_is_no_further_match() {
    let mut app = app(Program::PingPong);
    let second = |screen: String| screen.lines().nth(1).unwrap_or_default().to_owned();
    let first = second(screen(&mut app, (80, 24), "/is handed⏎"));
    assert!(first.contains("is handed"), "{first}");
    let next = second(screen(&mut app, (80, 24), "n"));
    assert!(next.contains("is handed"), "{next}");
    assert_eq!(second(screen(&mut app, (80, 24), "N")), first);
    assert!(second(screen(&mut app, (80, 24), "/nowhere at all⏎")).contains("no later event contains"));
}

#[test]
fn breakpoints_stop_at_tasks_lines_and_kinds() {
    for (breakpoint, at) in [("task 3", "ping"), ("ping_pong.rs:20", "ping_pong.rs:20"), ("timer set", "breakpoint")] {
        let mut app = app(Program::PingPong);
        let typed = format!("B{}⏎f", breakpoint);
        let screen = screen(&mut app, (80, 24), &typed);
        assert!(screen.lines().nth(1).unwrap().contains(at), "{breakpoint}: {screen}");
    }
    let mut app = app(Program::PingPong);
    assert!(screen(&mut app, (80, 24), "f").contains("there is no breakpoint"));
    // `pong.rs` is another file.
    assert!(screen(&mut app, (80, 24), "Bpong.rs:20⏎f").contains("no event matches a breakpoint"));
    screen(&mut app, (80, 24), "Bpong.rs:20⏎");
    // Without a text, the breakpoint is at the selected task.
    assert!(screen(&mut app, (80, 24), "wB").contains("Enter: task 1"));
    assert!(screen(&mut app, (80, 24), "⏎").contains("breakpoint at task 1"));
}

#[test]
fn a_timer_that_fires_and_a_source_that_is_ready_show_the_task_that_waits_for_them() {
    let mut napping = app(Program::Semaphore);
    let fires = screen(&mut napping, (80, 24), "wc");
    assert!(fires.contains("timer 1 fires") && fires.contains("›  2 Ann"), "{fires}");
    assert!(fires.contains("semaphore.rs:18 · suspended here"), "{fires}");
    let mut loading = app(Program::Downloads);
    let ready = screen(&mut loading, (120, 40), "/source 3 is ready⏎");
    assert!(ready.contains("›  4 page 2") && ready.contains("downloads.rs:39 · suspended here"), "{ready}");
}

#[test]
fn a_cancelled_task_is_not_shown_as_continuing() {
    let mut app = app(Program::Cancel);
    let dropped = screen(&mut app, (80, 24), "wwc");
    assert!(
        dropped.lines().nth(1).unwrap().contains("task 2 \"holds\" is run once more, to drop its future"),
        "{dropped}"
    );
    assert!(
        dropped.contains("2 holds            1 running ✗") && dropped.contains("cancel.rs:22 · was suspended"),
        "{dropped}"
    );
    let over = screen(&mut app, (80, 24), "/\"holds\" completes⏎");
    assert!(over.contains("2 holds            1 cancelled"), "it was not polled again: {over}");
}

#[test]
fn a_task_that_is_shielded_is_polled_until_its_shield_is_gone() {
    let recorder = Arc::new(Recorder::new());
    let runtime = Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    runtime.block_on(async {
        let saves = executor::named("saves").spawn(async {
            executor::shield(sleep(Duration::from_millis(1))).await;
            sleep(Duration::from_secs(1)).await;
        });
        executor::yield_now().await;
        saves.cancel();
        saves.await.unwrap_err();
    });
    let mut trace = recorder.trace();
    let begins = |trace: &Trace| {
        let numbers = (0..trace.records.len()).filter(|n| trace.records[*n].event == Event::PollBegins { task: 2 });
        numbers.collect::<Vec<_>>()
    };
    let all = begins(&trace);
    let said = |trace: &Trace, number: usize| Words::new(trace).sentence(trace, number);
    let (last, polls) = all.split_last().unwrap();
    assert!(polls.len() > 1, "the first of them, and one at least while it is shielded: {all:?}");
    polls.iter().for_each(|poll| assert_eq!(said(&trace, *poll), "task 2 \"saves\" is polled"));
    assert_eq!(said(&trace, *last), "task 2 \"saves\" is run once more, to drop its future: it was cancelled");
    let mut run = Run::new(trace.clone());
    let dropping = |run: &mut Run, position: usize| {
        run.seek(position);
        run.is_dropping(2)
    };
    assert_eq!(
        polls.iter().map(|poll| dropping(&mut run, poll + 1)).collect::<Vec<_>>(),
        vec![Some(false); polls.len()]
    );
    assert_eq!(dropping(&mut run, last + 1), Some(true));
    run.seek(usize::MAX);
    assert_eq!(run.state().tasks[&2].polls, polls.len() as u64);
    // This is unknown while the program has not ended.
    trace.records.truncate(last + 1);
    assert_eq!(dropping(&mut Run::new(trace.clone()), last + 1), None);
    assert!(said(&trace, *last).contains("its future is dropped unless it is shielded"));
}

#[test]
fn a_name_that_is_cut_ends_with_an_ellipsis() {
    let tasks = screen(&mut app(Program::NeverYields), (80, 24), "/\"clerk\" wakes⏎");
    assert!(tasks.contains("  3 never_yields…  "), "{tasks}");
}

#[test]
fn playing_stops_at_breakpoints_and_at_the_end() {
    let mut app = app(Program::PingPong);
    screen(&mut app, (80, 24), " ");
    (0..1_000).for_each(|_| app.tick());
    let end = screen(&mut app, (80, 24), "");
    assert!(end.contains("event 46 of 46") && !end.contains("playing"), "{end}");
}

#[test]
fn a_key_that_has_no_effect_says_why() {
    let mut app = app(Program::PingPong);
    for (keys, says) in [
        ("t", "there is no task yet"),
        ("n", "there is no text to search for"),
        ("/⏎", "there is no text to search for"),
        ("z", "`z` does nothing here"),
        ("g", "this is the first event"),
        ("GG", "this is the last event"),
        ("g↑", "there is no task above this one"),
        ("+", "space plays 10 events a second"),
        ("-", "space plays 5 events a second"),
        ("⇞", "there is no earlier event"),
        ("G⇟", "there is no further event"),
    ] {
        assert!(screen(&mut app, (80, 24), keys).lines().nth(1).unwrap().contains(says), "{keys}");
    }
    screen(&mut app, (80, 24), " ");
    app.tick();
    assert!(screen(&mut app, (80, 24), "").contains("there is no further event"));
    app.key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::CONTROL));
    assert!(!app.over, "it is another key");
    // An empty text repeats the search.
    let first = screen(&mut app, (80, 24), "g/is handed⏎");
    assert_ne!(screen(&mut app, (80, 24), "/⏎"), first);
}

/// The screen after these keys, each of which may let the program run until it stops.
fn live_screen(app: &mut App, keys: &str) -> String {
    let settle = |app: &mut App| {
        eventually("the program stops", || {
            app.catch_up();
            !app.is_under_way()
        });
    };
    settle(app);
    for key in keys.chars() {
        screen(app, (80, 24), &key.to_string());
        settle(app);
    }
    screen(app, (80, 24), "")
}

#[test]
fn a_running_program_stops_at_the_breakpoint_and_not_after_it() {
    let mut app = App::live("cancel".into(), Live::start(Program::Cancel), Sources::new(None));
    let mut stopped = live_screen(&mut app, "Bcancelled⏎f");
    eventually("it stops", || {
        app.tick();
        stopped = live_screen(&mut app, "");
        !stopped.contains("playing")
    });
    assert!(stopped.contains("event 21 of 21+") && stopped.contains("too long ●"), "{stopped}");
}

#[test]
fn the_findings_so_far_of_a_running_program_are_listed() {
    let mut app = App::live("never-woken".into(), Live::start(Program::NeverWoken), Sources::new(None));
    let before = live_screen(&mut app, "i");
    assert!(before.contains("Nothing wrong was found in this run so far."), "{before}");
    let ten = live_screen(&mut app, "q⇟");
    assert!(ten.contains("event 11 of 11+ · at 0 · 1 finding: i"), "{ten}");
    let list = live_screen(&mut app, "i");
    assert!(list.contains(" 1 finding so far ") && list.contains("left no waker"), "{list}");
    assert!(live_screen(&mut app, "⏎").contains("event 9 of 11+"));
    assert!(live_screen(&mut app, "/nowhere⏎").contains("no later event contains `nowhere` so far"));
    let end = live_screen(&mut app, "⇟⇟⇟⇟⇟⇟⇟");
    assert!(end.contains("the program has ended") || end.contains("there is no further event"), "{end}");
}

#[test]
fn a_recording_of_eighty_thousand_events_opens_and_jumps_to_its_end_at_once() {
    // A crawl of a thousand pages has about as many events.
    let place = Place::new();
    let file = place.path("run.jsonl");
    Running::start(place.command(&["-q"]).env("EXECUTOR_TRACE", &file)).wait().exits(0);
    let mut trace = Trace::open(&file).unwrap();
    let once = trace.records.clone();
    while trace.records.len() < 80_000 {
        trace.records.extend(once.iter().cloned());
    }
    trace.write(std::fs::File::create(&file).unwrap()).unwrap();

    let start = Instant::now();
    let mut app = App::new("crawl".into(), Trace::open(&file).unwrap(), Sources::new(None));
    screen(&mut app, (80, 24), "");
    let opened = start.elapsed();
    screen(&mut app, (80, 24), "G←");
    println!("opened after {opened:?}, at the end after {:?}", start.elapsed());
    // An optimized build takes less than a tenth of a second for each; this one is not, and other tests run beside it.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
