//! Every event of a run, in order, as an observer sees it: compared with `events.golden`.
//!
//! The program has two tasks besides the first: one sleeps, the other waits for it and is cancelled
//! in a second sleep. It runs on the virtual clock, so the list is the same in every run, to the nanosecond.
//! After an intended change, `BLESS=1 cargo test -p tests --test observe events` writes the file anew.

mod lines;

use executor::time::{Duration, now, sleep};
use executor::{JoinHandle, Runtime, TaskId, named, spawn_blocking, spawn_local, yield_now};
use lines::Lines;
use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

fn run() -> String {
    let lines = Arc::new(Lines::default());
    let runtime = Runtime::builder().virtual_clock().observer(lines.clone()).build().unwrap();
    runtime.block_on(async {
        let sleeper = named("sleeper").spawn(async {
            sleep(Duration::from_millis(30)).await;
            yield_now().await;
            7
        });
        let waiter = named("waiter").spawn(async move {
            assert_eq!(sleeper.await.unwrap(), 7);
            sleep(Duration::from_secs(3600)).await;
        });
        sleep(Duration::from_millis(50)).await;
        waiter.cancel();
        assert!(waiter.await.unwrap_err().is_cancelled());
    });
    lines.text()
}

#[test]
fn the_events_of_a_program_are_those_of_the_golden_file() {
    let events = run();
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/observe/events/events.golden");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(golden, &events).unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap();
    for (number, (is, was)) in events.lines().zip(expected.lines()).enumerate() {
        assert_eq!(is, was, "event {}; BLESS=1 accepts all that changed", number + 1);
    }
    assert_eq!(events.lines().count(), expected.lines().count());
}

#[test]
fn two_runs_have_the_same_events() {
    assert_eq!(run(), run());
}

#[test]
fn a_cancel_of_a_queued_or_running_task_is_observed_and_one_of_a_completed_task_is_not() {
    let lines = Arc::new(Lines::default());
    let runtime = Runtime::builder().virtual_clock().observer(lines.clone()).build().unwrap();
    runtime.block_on(async {
        let queued = spawn_local(pending::<()>());
        queued.cancel();
        let own: Rc<Cell<Option<JoinHandle<()>>>> = Rc::default();
        let running = own.clone();
        own.set(Some(spawn_local(async move {
            running.take().unwrap().cancel(); // in the middle of its poll
            pending().await
        })));
        yield_now().await;
        let over = spawn_local(async {});
        yield_now().await;
        over.cancel();
    });
    let text = lines.text();
    let cancelled: Vec<_> = text.lines().filter(|line| line.contains("cancelled by")).map(|line| line.trim()).collect();
    assert_eq!(cancelled, ["0ns task 2 cancelled by Task(task 1)", "0ns task 3 cancelled by Task(task 3)"], "{text}");
}

#[test]
fn a_blocking_call_is_observed_on_its_thread_while_the_virtual_clock_does_not_advance() {
    #[derive(Default)]
    struct Calls(Mutex<Vec<(&'static str, String)>>);
    impl Calls {
        fn push(&self, what: &'static str) {
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            self.0.lock().unwrap().push((what, thread));
        }
    }
    impl reactor::Observer for Calls {}
    impl executor::Observer for Calls {
        fn blocking_begins(&self, _: TaskId) {
            self.push("begins");
        }
        fn blocking_ends(&self, _: TaskId) {
            self.push("ends");
        }
    }
    let calls = Arc::new(Calls::default());
    let runtime = Runtime::builder().virtual_clock().observer(calls.clone()).build().unwrap();
    runtime.block_on(async {
        let (start, late) = (now(), named("late").spawn(sleep(Duration::from_secs(1))));
        assert_eq!(spawn_blocking(|| 5).await.unwrap(), 5);
        assert_eq!(now(), start, "the clock jumped over a call that was under way");
        late.await.unwrap();
    });
    let calls = calls.0.lock().unwrap();
    let names: Vec<_> = calls.iter().map(|(what, _)| *what).collect();
    assert_eq!(names, ["begins", "ends"]);
    assert!(calls.iter().all(|(_, thread)| thread.starts_with("executor-blocking-")), "{calls:?}");
}
