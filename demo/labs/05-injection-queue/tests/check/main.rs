//! The tests of lab 5. The first ones use the injection queue alone. The others use a whole runtime on the backend
//! `Steps`: a test determines what other threads do during a park or right before it. Models in
//! `tests/models/tests/loom` check what happens if several threads use the queue at the same time.

// The tests do not call all functions of the files that are compiled here.
#![allow(dead_code, unused_imports)]

#[path = "../../../../../executor/src/schedule/run_queue.rs"]
mod run_queue;
#[path = "../../../../../executor/src/shim.rs"]
mod shim;
mod stack;
#[path = "../../../../../executor/src/task/mod.rs"]
mod task;

use executor::{Runtime, named, spawn, yield_now};
use lab_05::Signal;
use run_queue::{InjectionQueue, RunQueue};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use task::{Runnable, Schedule, spawn_with};
use tests::kit::{Log, Steps};

/// A scheduler for tasks that are not woken.
struct Nowhere;

impl Schedule for Nowhere {
    fn schedule(self: &Arc<Self>, _: Runnable) {
        unreachable!("these tasks are not woken");
    }
}

/// A queued task that writes its number to the log when it runs.
fn task(log: &Log<u32>, number: u32) -> Runnable {
    let log = log.clone();
    let (task, handle) = spawn_with(async move { log.push(number) }, Arc::new(Nowhere));
    drop(handle);
    task
}

/// Runs all tasks of the queue.
fn run(queue: &RunQueue) {
    while let Some(task) = queue.pop() {
        assert!(task.run().is_none(), "these tasks do not wait");
    }
}

/// Takes from `injected` and runs what was taken. Returns the numbers of the tasks that have run.
fn take_and_run(injected: &InjectionQueue, log: &Log<u32>) -> Vec<u32> {
    let queue = RunQueue::default();
    injected.take(&queue);
    run(&queue);
    log.take()
}

#[test]
fn a_pushed_task_is_taken_once() {
    let (injected, log) = (InjectionQueue::new(), Log::new());
    let unparks = injected.push(task(&log, 1));
    assert!(!unparks, "push returned true, but the thread is not parked");
    let first = take_and_run(&injected, &log);
    assert_eq!(first, [1], "task 1 was pushed, so the first take must move it to the run queue");
    let second = take_and_run(&injected, &log);
    assert_eq!(second, [0; 0], "task 1 was taken, so the second take must find nothing");
}

#[test]
fn tasks_are_taken_in_the_order_of_their_pushes() {
    let (injected, log) = (InjectionQueue::new(), Log::new());
    for number in 1..=4 {
        _ = injected.push(task(&log, number));
    }
    assert_eq!(take_and_run(&injected, &log), [1, 2, 3, 4], "the oldest task must come first, and none may be lost");
}

#[test]
fn taken_tasks_come_after_those_that_are_queued() {
    let (injected, log, queue) = (InjectionQueue::new(), Log::new(), RunQueue::default());
    queue.push(task(&log, 1));
    _ = injected.push(task(&log, 2));
    _ = injected.push(task(&log, 3));
    injected.take(&queue);
    assert_eq!(queue.len(), 3, "one task was queued and two were pushed");
    run(&queue);
    assert_eq!(log.take(), [1, 2, 3], "taken tasks go to the end of the run queue");
}

#[test]
fn a_thread_with_something_to_take_does_not_park() {
    let (injected, log) = (InjectionQueue::new(), Log::new());
    _ = injected.push(task(&log, 1));
    assert!(!injected.park(), "park returned true, but a task was pushed, and its push has not seen a parked thread");
    assert_eq!(take_and_run(&injected, &log), [1], "park must leave what was pushed");
    assert!(injected.park(), "park returned false, but there is nothing to take");
    _ = take_and_run(&injected, &log);
}

#[test]
fn only_the_first_push_has_to_unpark_the_thread() {
    let (injected, log) = (InjectionQueue::new(), Log::new());
    _ = injected.park();
    let unparks: Vec<bool> = (1..=3).map(|number| injected.push(task(&log, number))).collect();
    assert_eq!(
        unparks,
        [true, false, false],
        "the first of three pushes finds the thread parked, and it alone unparks it"
    );
    assert_eq!(take_and_run(&injected, &log), [1, 2, 3], "none of the three tasks may be lost");
}

#[test]
fn a_take_ends_the_park() {
    let (injected, log) = (InjectionQueue::new(), Log::new());
    _ = injected.park();
    assert_eq!(take_and_run(&injected, &log), [0; 0], "nothing was pushed");
    let unparks = injected.push(task(&log, 1));
    assert!(!unparks, "push returned true, but the thread has taken since it parked, so it is not parked any more");
    assert_eq!(take_and_run(&injected, &log), [1], "task 1 was pushed");
}

#[test]
fn a_wake_on_the_runtimes_own_thread_goes_to_its_run_queue() {
    let steps = Steps::new();
    let log = Log::new();
    steps.runtime().block_on(async {
        let signal = Signal::new();
        let waits = named("waits").spawn({
            let (signal, log) = (signal.clone(), log.clone());
            async move {
                signal.wait().await;
                log.push("the task that was woken first");
            }
        });
        yield_now().await; // "waits" is suspended now
        let other = named("other").spawn({
            let log = log.clone();
            async move {
                signal.set();
                yield_now().await;
                log.push("the task that was woken second");
            }
        });
        waits.await.unwrap();
        other.await.unwrap();
    });
    assert_eq!(
        log.take(),
        ["the task that was woken first", "the task that was woken second"],
        "a wake on the runtime's own thread must push the task to the run queue at once, in the order of the wakes"
    );
    assert_eq!(steps.notifies(), 0, "a wake on the runtime's own thread must not write to the notifier");
}

#[test]
fn a_wake_from_another_thread_while_this_one_runs_notifies_nothing() {
    let steps = Steps::new();
    steps.runtime().block_on(async {
        let signal = Signal::new();
        let waits = named("waits").spawn({
            let signal = signal.clone();
            async move { signal.wait().await }
        });
        yield_now().await; // "waits" is suspended now
        thread::spawn(move || signal.set()).join().expect("a wake does not panic"); // this thread is in a poll
        waits.await.unwrap();
    });
    assert_eq!(steps.notifies(), 0, "the thread was not parked, so the wake must not write to the notifier");
}

#[test]
fn a_wake_from_another_thread_ends_the_park() {
    let steps = Steps::new();
    let signal = Signal::new();
    steps.during_a_park({
        let signal = signal.clone();
        move || signal.set()
    });
    steps.runtime().block_on(signal.wait());
    assert_eq!(steps.notifies(), 1, "the thread was parked, so the wake must write to the notifier once");
}

#[test]
fn the_first_of_two_wakes_ends_the_park() {
    let steps = Steps::new();
    let signals = [Signal::new(), Signal::new()];
    steps.during_a_park({
        let signals = signals.clone();
        move || signals.iter().for_each(Signal::set)
    });
    steps.runtime().block_on(async move {
        let waits = signals.map(|signal| spawn(async move { signal.wait().await }));
        for wait in waits {
            wait.await.unwrap();
        }
    });
    assert_eq!(steps.notifies(), 1, "the first wake unparks the thread, so the second must not write to the notifier");
}

#[test]
fn a_wake_right_before_the_park_is_not_lost() {
    let steps = Steps::new();
    let signal = Signal::new();
    steps.runtime().block_on(async {
        steps.before_the_park({
            let signal = signal.clone();
            move || signal.set() // the thread has looked at the injection queue, and has not announced its park
        });
        signal.wait().await;
    });
    assert_eq!(steps.parks(), 0, "a task was pushed before the thread announced its park, so it must not park");
}

#[test]
fn a_wake_from_the_thread_of_another_runtime_goes_to_the_tasks_own_runtime() {
    let steps = Steps::new();
    let signal = Signal::new();
    steps.during_a_park({
        let signal = signal.clone();
        move || Steps::new().runtime().block_on(async move { signal.set() })
    });
    steps.runtime().block_on(signal.wait());
    assert_eq!(steps.notifies(), 1, "the task's own runtime was parked, so the wake must write to its notifier once");
}

#[test]
fn a_timer_ends_the_park() {
    let steps = Steps::new();
    steps.runtime().block_on(executor::time::sleep(Duration::from_secs(60)));
    assert_eq!(steps.parks(), 1, "the thread must park once, until the timer is due");
}

#[test]
fn a_deadlock_is_reported() {
    let steps = Steps::new();
    let runtime = steps.builder().detect_deadlock(true).build().unwrap();
    let run = catch_unwind(AssertUnwindSafe(|| runtime.block_on(std::future::pending::<()>())));
    let message = *run.expect_err("the task can never run").downcast::<String>().expect("a panic with a message");
    assert!(
        message.contains("deadlock: no task in this runtime can run"),
        "nothing can wake the task any more, so block_on must report a deadlock; it panicked with: {message}"
    );
}

#[test]
fn a_runtime_that_is_held_is_not_deadlocked() {
    let steps = Steps::new();
    let signal = Signal::new();
    let runtime = steps.builder().detect_deadlock(true).build().unwrap();
    runtime.block_on(async {
        let hold = reactor::Handle::current().expect("a runtime is current").hold();
        steps.during_a_park({
            let signal = signal.clone();
            move || {
                signal.set();
                drop(hold);
            }
        });
        signal.wait().await;
    });
}
