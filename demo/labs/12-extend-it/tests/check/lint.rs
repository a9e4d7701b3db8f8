//! The lints, on recordings of small programs.

use executor::sync::{Semaphore, channel};
use executor::time::{Duration, sleep};
use executor::trace::{Event, Record, Recorder, Trace};
use executor::{Runtime, join_all, named, yield_now};
use lab_12::{Finding, never_waits, woken_after_the_end};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

/// The recording of a program.
fn recorded<F: Future<Output = ()>>(program: impl FnOnce() -> F) -> Trace {
    runs([program])
}

/// The recording of several runs, one after the other.
fn runs<F: Future<Output = ()>>(programs: impl IntoIterator<Item = impl FnOnce() -> F>) -> Trace {
    let recorder = Arc::new(Recorder::new());
    let runtime =
        Runtime::builder().deterministic(0).observer(recorder.clone()).build().expect("it needs no descriptor");
    programs.into_iter().for_each(|program| runtime.block_on(program()));
    recorder.trace()
}

/// A task that yields this many times.
async fn yields(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

/// Spawns a task named `restless` that yields, and waits for it.
async fn restless(times: usize) {
    named("restless").spawn_local(yields(times)).await.expect("it returns");
}

/// The number of a task, by its name.
#[track_caller]
fn task(trace: &Trace, wanted: &str) -> u64 {
    let found = trace.records.iter().find_map(|record| match &record.event {
        Event::Spawned { task, name, .. } if name.as_deref() == Some(wanted) => Some(*task),
        _ => None,
    });
    found.expect("the program spawns it")
}

/// The tasks of the findings.
fn tasks(findings: &[Finding]) -> Vec<u64> {
    findings.iter().map(|finding| finding.task).collect()
}

#[test]
fn a_task_that_never_waits_is_found() {
    let trace = recorded(|| restless(30));
    let restless = task(&trace, "restless");
    let findings = never_waits(&trace, 10);
    assert_eq!(
        tasks(&findings),
        [restless],
        "task {restless} was woken during 30 polls in a row; found for a limit of 10"
    );
    let polls = |upto: usize| {
        let ends = trace.records[..=upto]
            .iter()
            .filter(|record| matches!(record.event, Event::PollEnds { task, .. } if task == restless));
        ends.count()
    };
    assert_eq!(
        polls(findings[0].event),
        10,
        "the finding must be at the end of the tenth poll; it is at the end of poll"
    );
}

#[test]
fn tasks_that_wait_now_and_then_are_not_found() {
    let trace = recorded(|| async {
        let polite = named("polite").spawn_local(async {
            for _ in 0..10 {
                yields(9).await;
                sleep(Duration::from_millis(1)).await;
            }
        });
        let (tx, rx) = channel(1);
        let sends = named("sends").spawn_local(async move {
            for n in 0..50 {
                tx.send(n).await.expect("there is a receiver");
            }
        });
        while rx.recv().await.is_ok() {}
        polite.await.expect("it returns");
        sends.await.expect("it returns");
    });
    let findings = never_waits(&trace, 10);
    assert!(
        findings.is_empty(),
        "each task has waited after at most 9 polls, the limit is 10, and this was found: {findings:?}"
    );
    let first = tasks(&never_waits(&trace, 9)).first().copied();
    assert_eq!(first, Some(task(&trace, "polite")), "one task was woken during 9 polls in a row; found for that limit");
}

#[test]
fn a_task_is_reported_once() {
    let trace = recorded(|| async {
        let task = named("restless").spawn_local(async {
            for _ in 0..3 {
                yields(20).await;
                sleep(Duration::from_millis(1)).await;
            }
        });
        task.await.expect("it returns");
    });
    let findings = never_waits(&trace, 5);
    assert_eq!(findings.len(), 1, "one task did not wait, several times, and it is one mistake; found: {findings:?}");
}

#[test]
fn tasks_of_different_runs_are_different_tasks() {
    // Each run numbers its tasks from 1: the polls of task 2 of all runs are not in a row.
    let trace = runs((0..4).map(|_| || restless(4)));
    let findings = never_waits(&trace, 10);
    assert!(
        findings.is_empty(),
        "four runs have a task 2 that was woken during 4 polls each, and this was found: {findings:?}"
    );
    let trace = runs((0..2).map(|_| || restless(12)));
    let runs: Vec<_> = never_waits(&trace, 10).iter().map(|finding| finding.run).collect();
    assert_eq!(runs, [1, 2], "in each of two runs one task did not wait; the runs of the findings");
}

/// A run with tasks that return, panic and are cancelled while others wait for them.
fn ends() -> Trace {
    recorded(|| async {
        let semaphore = Rc::new(Semaphore::new(1));
        let waits = |semaphore: Rc<Semaphore>| async move { drop(semaphore.acquire().await) };
        let held = semaphore.acquire().await;
        let cancelled = named("cancelled").spawn_local(waits(semaphore.clone()));
        let returns = named("returns").spawn_local(waits(semaphore.clone()));
        let panics = named("panics").spawn_local(async { std::panic::resume_unwind(Box::new("on purpose")) });
        yields(2).await;
        drop(held);
        cancelled.cancel();
        assert!(cancelled.await.is_err());
        returns.await.expect("it returns");
        assert!(panics.await.map(|(): ()| ()).is_err());
        join_all((0..3).map(|_| sleep(Duration::from_millis(1)))).await;
    })
}

/// Adds a wake of this task at the end of the recording, as an executor with a mistake would.
fn wake_at_the_end(trace: &mut Trace, task: u64) {
    let last = trace.records.last().expect("it has events").clone();
    let event = Event::Woken { task, by: executor::trace::By::Thread("main".into()), chain: None };
    trace.records.push(Record { event, transition: None, ..last });
}

#[test]
fn a_wake_of_a_completed_task_is_found() {
    for name in ["returns", "panics", "cancelled"] {
        let mut trace = ends();
        let task = task(&trace, name);
        wake_at_the_end(&mut trace, task);
        wake_at_the_end(&mut trace, task);
        let (run, event) = (trace.records[0].run, trace.records.len() - 2);
        let expected = [Finding { runtime: 1, run, task, event }];
        let findings = woken_after_the_end(&trace);
        assert_eq!(
            findings, expected,
            "task {task} \"{name}\" had completed and was woken twice: one finding, at the first"
        );
    }
}

#[test]
fn wakes_before_the_end_are_not_found() {
    let findings = woken_after_the_end(&ends());
    assert!(findings.is_empty(), "no completed task was woken, and this was found: {findings:?}");
    let findings = woken_after_the_end(&runs((0..2).map(|_| || restless(3))));
    assert!(
        findings.is_empty(),
        "task 2 of run 1 has completed, task 2 of run 2 was woken, and these are two tasks; found: {findings:?}"
    );
}

#[test]
fn a_recording_without_its_beginning_is_read() {
    let mut trace = ends();
    trace.records.drain(..trace.records.len() / 2);
    trace.head.dropped = trace.records.len() as u64;
    let findings = [never_waits(&trace, 10), woken_after_the_end(&trace)].concat();
    assert!(findings.is_empty(), "the oldest events are missing, no task did wrong, and this was found: {findings:?}");
}
