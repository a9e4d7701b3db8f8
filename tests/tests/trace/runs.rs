//! Recordings of several runs: each event names its run, and `step`, the lints, the page, Perfetto's file and `top` show
//! each run by itself.

use demo::step::lints::{Kind, lint};
use demo::step::model::{Phase, Run};
use demo::top::observed::Observed;
use executor::sync::oneshot;
use executor::time::{Duration, sleep};
use executor::trace::{By, Event, Record, Recorder, Trace};
use executor::{Runtime, spawn, spawn_blocking, yield_now};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use tests::demo::Place;
use tests::eventually;

fn runtime(recorder: &Arc<Recorder>) -> Runtime {
    Runtime::builder().observer(recorder.clone()).build().unwrap()
}

/// Spawns, sleeps and joins: tasks 1 and 2, a timer.
async fn sleeps() {
    let task = spawn(sleep(Duration::from_millis(1)));
    yield_now().await;
    task.await.unwrap();
}

fn runs(trace: &Trace) -> BTreeMap<u32, Vec<&Record>> {
    let mut runs = BTreeMap::<u32, Vec<&Record>>::new();
    trace.records.iter().for_each(|record| runs.entry(record.run).or_default().push(record));
    runs
}

/// Checks a run: it begins and ends once, and all events of a task are between its spawn and its end.
#[track_caller]
fn is_whole(records: &[&Record]) {
    let count = |event: &Event| records.iter().filter(|record| record.event == *event).count();
    assert_eq!((count(&Event::RunBegins), count(&Event::RunEnds)), (1, 1), "{records:#?}");
    let mut spawned = BTreeSet::new();
    for record in records {
        let Some(task) = record.event.task() else { continue };
        match record.event {
            Event::Spawned { .. } => assert!(spawned.insert(task), "{record:?} twice"),
            _ => assert!(spawned.contains(&task), "{record:?} before its spawn"),
        }
    }
    assert_eq!(spawned, BTreeSet::from([1, 2]));
}

/// Two runtimes on two threads that share a recorder and run at the same time; each runs twice.
fn at_the_same_time() -> Trace {
    let (recorder, both) = (Arc::new(Recorder::new()), Arc::new(Barrier::new(2)));
    let threads = [(); 2].map(|()| {
        let (recorder, both) = (recorder.clone(), both.clone());
        thread::spawn(move || {
            let runtime = runtime(&recorder);
            for _ in 0..2 {
                runtime.block_on(async {
                    both.wait();
                    sleeps().await;
                    both.wait();
                });
            }
        })
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    recorder.trace()
}

#[test]
fn each_record_names_its_run() {
    let recorder = Arc::new(Recorder::new());
    let runtime = runtime(&recorder);
    (0..3).for_each(|_| runtime.block_on(sleeps()));
    let trace = recorder.trace();
    assert_eq!(runs(&trace).into_keys().collect::<Vec<_>>(), [1, 2, 3]);
    runs(&trace).values().for_each(|records| is_whole(records));
    let mut file = Vec::new();
    trace.write(&mut file).unwrap();
    let text = String::from_utf8(file).unwrap();
    let events = || text.lines().filter(|line| line.contains("\"event\""));
    assert!(events().count() > 20 && events().all(|line| line.contains(",\"run\":")), "{text}");
    assert_eq!(Trace::read(text.as_bytes()).unwrap(), trace);
}

#[test]
fn two_runtimes_that_share_a_recorder_are_distinguished() {
    let trace = at_the_same_time();
    let runs = runs(&trace);
    assert_eq!(runs.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
    for records in runs.values() {
        is_whole(records);
        assert!(records.iter().all(|record| record.runtime == records[0].runtime));
    }
    let runtimes: BTreeSet<_> = runs.values().map(|records| records[0].runtime).collect();
    assert_eq!(runtimes, BTreeSet::from([1, 2]));
    // They ran at the same time, and each timer is set and fires in a runtime of its own.
    assert!(trace.records.windows(2).filter(|pair| pair[0].run != pair[1].run).count() > 4);
    let mut timers = BTreeSet::new();
    for record in &trace.records {
        match record.event {
            Event::TimerSet { timer, .. } => assert!(timers.insert((record.runtime, timer)), "{record:?}"),
            Event::TimerFired { timer } => assert!(timers.remove(&(record.runtime, timer)), "{record:?}"),
            _ => {}
        }
    }
    assert!(timers.is_empty());
}

/// A blocking call that outlives its run. When it ends, it wakes a task of the next run that has the same number.
fn outlived() -> Trace {
    let recorder = Arc::new(Recorder::new());
    let runtime = runtime(&recorder);
    let (ends, waits) = channel::<()>();
    let (wakes, woken) = oneshot::<()>();
    runtime.block_on(async {
        let (begun, begins) = oneshot::<()>();
        drop(spawn_blocking(move || {
            begun.send(()).unwrap();
            waits.recv().unwrap();
            wakes.send(()).unwrap();
        }));
        begins.await.unwrap();
    });
    runtime.block_on(async {
        let waits = spawn(async move { woken.await.unwrap() });
        yield_now().await;
        ends.send(()).unwrap();
        waits.await.unwrap();
    });
    let is_over = |record: &Record| record.run == 1 && matches!(record.event, Event::Freed { task: 2 });
    eventually("the call is freed", || recorder.trace().records.iter().any(is_over));
    recorder.trace()
}

#[test]
fn a_blocking_call_that_outlives_its_run_is_not_the_task_of_that_number_in_the_next() {
    let trace = outlived();
    let of = |run: u32, is_it: fn(&Event) -> bool| {
        trace.records.iter().filter(|record| record.run == run && is_it(&record.event)).count()
    };
    let is_finished = |event: &Event| matches!(event, Event::Finished { task: 2, .. });
    assert_eq!((of(1, is_finished), of(2, is_finished)), (1, 1));
    assert_eq!(of(2, |event| matches!(event, Event::BlockingEnds { .. })), 0);
    // The wake comes from a thread outside of the second run, not from task 2 of that run.
    let wake = trace.records.iter().find(|record| {
        record.run == 2 && matches!(&record.event, Event::Woken { task: 2, by: By::Thread(name), .. } if name.starts_with("executor-blocking"))
    });
    assert!(wake.is_some(), "{:#?}", trace.records);
    // In the model, each of the two tasks has its own state to its end.
    let mut run = Run::new(trace);
    let begins = run.trace.records.iter().rposition(|record| record.event == Event::RunBegins).unwrap();
    run.seek(begins + 1);
    assert_eq!(run.runs().get(1).unwrap().tasks[&2].phase, Phase::Blocking);
    run.seek(usize::MAX);
    assert_eq!(run.runs().get(1).unwrap().tasks[&2].phase, Phase::Returned);
    assert_eq!(run.runs().get(2).unwrap().tasks[&2].phase, Phase::Returned);
    assert_eq!(lint(&run.trace), []);
}

#[test]
fn a_full_recorder_keeps_the_beginning_of_each_run() {
    let recorder = Arc::new(Recorder::new().with_limit(40));
    let both = Arc::new(Barrier::new(2));
    let idle = {
        let (recorder, both) = (recorder.clone(), both.clone());
        thread::spawn(move || {
            runtime(&recorder).block_on(async {
                let _waits = executor::named("waits").spawn(std::future::pending::<()>());
                yield_now().await;
                both.wait();
                both.wait();
            })
        })
    };
    both.wait();
    for _ in 0..2 {
        runtime(&recorder).block_on(async {
            for _ in 0..50 {
                yield_now().await;
            }
        });
    }
    let trace = recorder.trace();
    both.wait();
    idle.join().unwrap();
    let is_kept = |record: &Record| record.run == 1 && matches!(record.event, Event::Spawned { task: 2, .. });
    assert!(trace.head.dropped > 0 && trace.records.iter().any(is_kept), "{:#?}", trace.records);
}

#[test]
fn virtual_clocks_continue_at_the_time_of_the_recording() {
    let recorder = Arc::new(Recorder::new());
    for _ in 0..3 {
        let runtime = Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
        runtime.block_on(sleep(Duration::from_secs(3600)));
    }
    let trace = recorder.trace();
    assert!(trace.records.is_sorted_by_key(|record| record.at));
    let hours = trace.records.last().unwrap().at / 3_600_000_000_000;
    assert_eq!(hours, 3, "each run has taken its hour");
    for record in &trace.records {
        if let Event::TimerSet { deadline, .. } = record.event {
            assert!((3_600_000_000_000..3_602_000_000_000).contains(&(deadline - record.at)), "{record:?}");
        }
    }
}

#[test]
fn a_recording_of_version_1_is_read_with_a_run_for_each_that_begins() {
    let text = r#"{"executor_trace":1,"program":"p","simulated":false,"dropped":0}
{"place":0,"file":"a.rs","line":1,"column":1}
{"at":0,"event":"run_begins"}
{"at":1,"event":"spawned","task":1,"place":0,"size":1}
{"at":2,"event":"run_ends"}
{"at":3,"event":"run_begins"}
{"at":4,"event":"spawned","task":1,"place":0,"size":1}
"#;
    let trace = Trace::read(text.as_bytes()).unwrap();
    assert_eq!(trace.records.iter().map(|record| record.run).collect::<Vec<_>>(), [1, 1, 1, 2, 2]);
    assert!(trace.records.iter().all(|record| record.runtime == 1));
}

/// Two runs at the same time, in each of which task 2 panics and is not joined.
fn two_that_fail() -> (Place, PathBuf) {
    let (recorder, both) = (Arc::new(Recorder::new()), Arc::new(Barrier::new(2)));
    let threads = [(); 2].map(|()| {
        let (recorder, both) = (recorder.clone(), both.clone());
        thread::spawn(move || {
            runtime(&recorder).block_on(async {
                both.wait();
                drop(spawn(async { panic!("on purpose") }));
                yield_now().await;
                both.wait();
            })
        })
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let place = Place::new();
    let path = place.path("run.jsonl");
    recorder.save(&path).unwrap();
    (place, path)
}

#[test]
fn findings_name_their_run() {
    let (place, path) = two_that_fail();
    let findings = lint(&Trace::open(path).unwrap());
    assert_eq!(findings.len(), 1, "both are spawned at one place: {findings:#?}");
    assert_eq!((findings[0].kind, findings[0].task, findings[0].others.len()), (Kind::Unjoined, 2, 1));
    let said = place.run(&["step", "--replay", "run.jsonl", "--lint"]).exits(3).stdout;
    assert!(said.contains(&format!(", run {}, unobserved panic: task 2", findings[0].run)), "{said}");
}

#[test]
fn top_shows_the_tasks_of_all_runs_with_their_numbers() {
    let (place, path) = two_that_fail();
    let text = place.run(&["top", "--replay", "run.jsonl", "--once"]).exits(0).stdout;
    let rows =
        |run: &str, task: &str| text.lines().filter(|line| line.split_whitespace().take(2).eq([run, task])).count();
    assert!(text.contains("RUN") && text.contains("0 alive, 4 completed"), "{text}");
    assert_eq!([("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")].map(|(run, task)| rows(run, task)), [1; 4], "{text}");
    let watched = Observed::replay(Trace::open(path).unwrap(), None);
    assert_eq!(watched.runs().all().map(|state| state.tasks.len()).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn the_stepper_names_the_run_of_each_event() {
    let (place, path) = two_that_fail();
    let trace = Trace::open(&path).unwrap();
    let words = demo::step::words::Words::new(&trace);
    for number in 0..trace.records.len() {
        let sentence = words.sentence(&trace, number);
        assert!(sentence.starts_with(&format!("run {}: ", trace.records[number].run)), "{sentence}");
    }
    drop(place);
}

#[test]
fn in_perfetto_each_run_is_a_process() {
    let (place, _) = two_that_fail();
    place.run(&["step", "--replay", "run.jsonl", "--perfetto", "run.json"]).exits(0);
    let file: serde_json::Value = serde_json::from_reader(File::open(place.path("run.json")).unwrap()).unwrap();
    let events = file["traceEvents"].as_array().unwrap();
    let polls = |pid: u64| events.iter().filter(|event| event["pid"] == pid && event["name"] == "poll").count();
    assert!(polls(1) >= 3 && polls(2) >= 3, "{events:#?}");
    let named = events.iter().filter(|event| event["name"] == "process_name");
    let names: BTreeSet<_> = named.map(|event| event["args"]["name"].to_string()).collect();
    assert!(names.len() == 2 && names.iter().any(|name| name.ends_with(", run 2\"")), "{names:?}");
}

#[test]
fn the_scripts_of_the_page_keep_runs_apart() {
    let (place, _) = two_that_fail();
    place.run(&["step", "--replay", "run.jsonl", "--html", "page.html"]).exits(0);
    let page = std::fs::read_to_string(place.path("page.html")).unwrap();
    let data = page.split_once("id=\"recording\">").unwrap().1.split_once("</script>").unwrap().0;
    let html = concat!(env!("CARGO_MANIFEST_DIR"), "/../demo/src/step/html/");
    let script = |name: &str| std::fs::read_to_string(format!("{html}{name}")).unwrap();
    let check = "
        const history = new History(JSON.parse(require('fs').readFileSync('data.json', 'utf8')));
        const is = (what, it) => { if (!it) throw new Error(what); };
        is('two runs', history.runs.length === 2 && history.lanes.length === 4);
        is('a reactor each', history.rows.filter((row) => row.kind === 'reactor').length === 2);
        for (const { index, run, lane, running } of history.events) {
          const state = history.stateAt(index);
          const all = [...state.alive, ...state.queue, ...[state.running, lane, running].filter(Boolean)];
          is(`only tasks of its run at ${index}`, all.every((lane) => lane.run === run - 1));
          const cause = history.causeOf(history.events[index]);
          is(`a cause in its run at ${index}`, cause < 0 || history.events[cause].run === run);
        }";
    std::fs::write(place.path("data.json"), data).unwrap();
    std::fs::write(place.path("check.cjs"), script("history.js") + &script("words.js") + check).unwrap();
    // Without node, only the tests in a browser check this.
    if let Ok(ran) = std::process::Command::new("node").arg("check.cjs").current_dir(place.path("")).output() {
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
}
