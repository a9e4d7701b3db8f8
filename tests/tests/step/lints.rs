//! The lints over a recording: each program with a mistake has one finding, and no other program has any.
//!
//! A thread that the system preempts for a tenth of a second cannot be distinguished from one that is blocked. So
//! programs on the system's clock are run again if they have such a finding: a real mistake shows in each run.

use demo::step::Program;
use demo::step::lints::{Finding, Kind, Lines, lint, lint_live};
use executor::sync::unbounded;
use executor::time::{Duration, sleep, timeout};
use executor::trace::{Event, Record, Recorder, Trace};
use executor::{Runtime, spawn, yield_now};
use std::future::{Future, pending, poll_fn};
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tests::demo::{Place, executor_examples};
use tests::kit::Recording;

/// The maximum number of runs of one program.
const RUNS: usize = 20;

/// The findings of the first run that has only findings of the `wanted` kinds, or else of the last run.
fn found(run: impl Fn() -> Vec<Finding>, wanted: &[Kind]) -> Vec<Finding> {
    let is_as_wanted = |findings: &Vec<Finding>| findings.iter().all(|finding| wanted.contains(&finding.kind));
    (1..RUNS).map(|_| run()).find(is_as_wanted).unwrap_or_else(run)
}

fn of_program(program: Program) -> Vec<Finding> {
    lint(&program.record().expect("the system gives a runtime"))
}

/// Records a future on a virtual clock.
fn recorded<F: Future>(future: F) -> Trace {
    let recorder = Arc::new(Recorder::new());
    let runtime = Runtime::builder().virtual_clock().observer(recorder.clone()).slow_poll(Duration::MAX).build();
    runtime.unwrap().block_on(future);
    recorder.trace()
}

/// Checks that this is the only finding in the program, and that its text contains the task, the lines where the task
/// was spawned or waits, and `says`.
#[track_caller]
fn only(program: Program, kind: Kind, task: &str, lines: &[u32], says: &str) {
    let findings = found(|| of_program(program), &[kind]);
    let [finding] = &findings[..] else { panic!("{program:?}: {findings:#?}") };
    assert_eq!(finding.kind, kind, "{finding:#?}");
    let (file, _) = program.source();
    let places = lines.iter().map(|line| format!("{file}:{line}"));
    for wanted in places.chain([task, says].map(str::to_owned)) {
        assert!(finding.text.contains(&wanted), "`{wanted}` is not in {finding:#?}");
    }
}

#[test]
fn each_program_with_a_mistake_has_a_finding() {
    only(Program::Blocked, Kind::Blocked, "task 3 \"wrong\"", &[14, 16], "blocked the thread for");
    only(Program::NeverYields, Kind::NeverYields, "\"clerk\"", &[14, 15], "Await yield_now()");
    only(Program::SelfWake, Kind::SelfWake, "task 2 \"asks\"", &[12], "100 polls in a row");
    only(Program::NeverWoken, Kind::NeverWoken, "task 2 \"waits\"", &[9], "left no waker");
    only(Program::LostWake, Kind::LostWake, "task 2 \"waits\"", &[13, 18], "its last waker was dropped");
    only(Program::LeakedWaker, Kind::LeakedWaker, "task 2 \"listens\"", &[13, 19], "2 wakers of it still exist");
    only(Program::LargeFuture, Kind::LargeFuture, "task 2 \"reads\"", &[7], "Vec");
    only(Program::Unjoined, Kind::Unjoined, "task 2 \"fails\"", &[7], "panicked (a number: ParseIntError");
}

#[test]
fn a_finding_names_the_line_at_fault() {
    for (program, line) in [(Program::Blocked, 16), (Program::LostWake, 18)] {
        let findings = found(|| of_program(program), &[Kind::Blocked, Kind::LostWake]);
        let [finding] = &findings[..] else { panic!("{program:?}: {findings:#?}") };
        assert_eq!(finding.at, Some(Lines::one(program.source().0, line)), "{finding:#?}");
    }
}

#[test]
fn a_finding_is_at_the_event_at_which_it_shows() {
    let trace = Program::LostWake.record().unwrap();
    let [finding] = &lint(&trace)[..] else { panic!() };
    // The drop of the waker names the line; the task is stranded only when the poll ends.
    assert!(matches!(trace.records[finding.event].event, Event::WakerDropped { task: 2, .. }));
    assert!(
        finding.text.contains("in demo::step::programs::lost_wake::main at demo/src/step/programs/lost_wake.rs:18")
    );
    assert_eq!(finding.task, 2);
}

#[test]
fn times_are_not_judged_in_a_program_that_was_stopped_between_its_events() {
    let blocks = Program::Blocked.record().unwrap();
    assert!(!lint(&blocks).is_empty() && lint_live(&blocks).is_empty());
    let loses = Program::LostWake.record().unwrap();
    assert!(loses.head.simulated && lint_live(&loses) == lint(&loses));
}

#[test]
fn programs_without_a_mistake_have_no_finding() {
    let good = [Program::TwoSleeps, Program::PingPong, Program::Semaphore, Program::Cancel, Program::Downloads];
    for program in good {
        let findings = found(|| of_program(program), &[]);
        assert!(findings.is_empty(), "{program:?}: {findings:#?}");
    }
}

/// What `demo step --replay --lint` finds in a recording of this command.
fn replayed(place: &Place, command: &mut Command) -> String {
    let ran = command.env("EXECUTOR_TRACE", place.path("run.jsonl")).env("RUST_BACKTRACE", "0").output();
    ran.expect("it can be started");
    place.run(&["step", "--replay", "run.jsonl", "--lint"]).stdout
}

#[track_caller]
fn nothing_is_wrong(name: &str, run: impl Fn() -> String) {
    let said = (0..RUNS).map(|_| run()).find(|said| said.starts_with("nothing wrong was found in "));
    assert!(said.is_some(), "{name}: {}", run());
}

#[test]
fn a_crawl_has_no_finding() {
    let place = Place::new();
    nothing_is_wrong("crawl", || replayed(&place, &mut place.command(&["-q"])));
}

#[test]
fn the_executors_examples_have_no_finding_except_the_one_that_blocks() {
    let place = Place::new();
    let examples = ["callback", "cancel", "completed", "deadlock", "download", "gather", "group", "hello", "locals"];
    for name in examples.into_iter().chain(["messages", "race", "share", "states", "wait"]) {
        nothing_is_wrong(name, || replayed(&place, &mut Command::new(executor_examples().join(name))));
    }
    let said = replayed(&place, &mut Command::new(executor_examples().join("blocking")));
    assert!(said.contains(", blocked: task 2 \"index 1\" (spawned at"), "{said}");
}

#[test]
fn the_command_line_prints_lines_of_at_most_80_columns_and_exits_with_3() {
    let place = Place::new();
    let wrong = place.run(&["step", "never-woken", "--lint"]).exits(3).stdout;
    assert!(wrong.starts_with("event 9, never woken: task 2 \"waits\" (spawned at"), "{wrong}");
    assert!(wrong.lines().count() > 2 && wrong.lines().all(|line| line.len() <= 80), "{wrong}");
    let right = place.run(&["step", "two-sleeps", "--lint"]).exits(0).stdout;
    assert!(right.starts_with("nothing wrong was found in ") && right.ends_with(" events of 3 tasks\n"), "{right}");
}

#[test]
fn tasks_of_one_spawn_location_share_a_finding() {
    let trace = recorded(async {
        for _ in 0..100 {
            spawn(pending::<()>());
        }
        sleep(Duration::from_secs(1)).await;
    });
    let findings = lint(&trace);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let text = &findings[0].text;
    assert!(text.starts_with("task 2 (") && text.contains("The same holds for 99 other tasks spawned at "), "{text}");
}

#[test]
fn a_waker_that_is_dropped_before_the_end_is_no_leak() {
    let wakers = Arc::new(std::sync::Mutex::new(Vec::new()));
    let trace = recorded(async {
        let kept = wakers.clone();
        let leaves = spawn(async move {
            let mut polled = false;
            poll_fn(|cx| {
                kept.lock().unwrap().push(cx.waker().clone());
                cx.waker().wake_by_ref();
                if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        });
        leaves.await.unwrap();
        wakers.lock().unwrap().clear(); // the task has completed, and now its memory is freed
    });
    assert_eq!(lint(&trace), []);
}

#[test]
fn two_runs_of_a_runtime_are_distinguished() {
    let recorder = Arc::new(Recorder::new());
    let runtime = Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    runtime.block_on(async { timeout(Duration::from_secs(1), spawn(pending::<()>())).await.unwrap_err() });
    runtime.block_on(async { spawn(async { sleep(Duration::from_secs(1)).await }).await.unwrap() });
    let findings = lint(&recorder.trace());
    assert_eq!(findings.len(), 1, "{findings:#?}"); // it is in the first run, not about task 2 of the second
    runtime.block_on(async {
        spawn(pending::<()>());
        yield_now().await;
    });
    assert_eq!(lint(&recorder.trace()).len(), 2, "task 2 of the third run is another one");
}

#[test]
fn a_task_that_waits_to_be_cancelled_has_no_finding() {
    let trace = recorded(async {
        let waits = spawn(pending::<()>());
        yield_now().await;
        waits.cancel();
        waits.await.unwrap_err();
    });
    assert_eq!(lint(&trace), []);
}

#[test]
fn a_task_that_yields_often_or_sends_many_messages_has_no_finding() {
    let trace = recorded(async {
        for _ in 0..50 {
            yield_now().await;
        }
        let (sender, receiver) = unbounded();
        let fills = spawn(async move {
            for n in 0..20_000 {
                sender.send(n).await.unwrap(); // its budget makes it yield more than a hundred times
            }
        });
        fills.await.unwrap();
        while receiver.recv().await.is_ok() {}
    });
    assert_eq!(lint(&trace), []);
}

#[test]
fn a_task_that_yields_between_pieces_of_work_has_no_finding() {
    let findings = found(
        || {
            let recorder = Arc::new(Recorder::new());
            let runtime = Runtime::builder().observer(recorder.clone()).build().unwrap();
            runtime.block_on(async {
                for n in 0..250 {
                    if n % 50 == 0 {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    yield_now().await;
                }
            });
            lint(&recorder.trace())
        },
        &[],
    );
    assert_eq!(findings, []);
}

#[test]
fn a_panic_that_takes_long_to_print_is_no_blocked_thread() {
    let mut trace = Program::Blocked.record().unwrap();
    let end = lint(&trace)[0].event;
    let panicked = Event::Panicked { task: 3, message: None };
    trace.records.insert(end, Record { event: panicked, ..trace.records[end].clone() });
    assert!(!lint(&trace).iter().any(|finding| finding.task == 3));
}

#[test]
fn a_task_that_only_yields_has_a_finding() {
    let trace = recorded(async {
        for _ in 0..150 {
            yield_now().await;
        }
    });
    let findings = lint(&trace);
    assert_eq!(findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::SelfWake], "{findings:#?}");
}

#[test]
fn a_lost_wake_is_found_though_the_task_continues_when_a_task_dump_polls_it() {
    let trace = recorded(async {
        let mut polled = false;
        let waits = spawn(poll_fn(move |cx| match polled {
            true => Poll::Ready(()),
            false => {
                polled = true;
                drop(cx.waker().clone());
                Poll::Pending
            }
        }));
        yield_now().await;
        println!("{}", executor::tasks()); // polls the task for its await chain
        waits.await.unwrap();
    });
    let findings = lint(&trace);
    assert_eq!(findings.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::LostWake], "{findings:#?}");
}

#[test]
fn an_executor_without_an_observer_is_recorded_by_the_kit() {
    let recording = Recording::new("an executor of its own");
    let wakes_itself = poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    });
    let drops_its_waker = poll_fn(|cx| {
        drop(cx.waker().clone());
        Poll::<()>::Pending
    });
    // The executor polls each task once, and then it ends.
    let mut first = Box::pin(recording.task("first", wakes_itself));
    let mut second = Box::pin(recording.task("second", drops_its_waker));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut cx).is_pending() && second.as_mut().poll(&mut cx).is_pending());
    recording.run_ends();
    let mut file = Vec::new();
    recording.trace().write(&mut file).unwrap();
    let found: Vec<_> =
        lint(&Trace::read(&*file).unwrap()).into_iter().map(|finding| (finding.kind, finding.task)).collect();
    assert!(found.contains(&(Kind::NeverPolled, 1)) && found.contains(&(Kind::NeverWoken, 2)), "{found:?}");
    assert_eq!(found.len(), 2, "{found:?}");
}
