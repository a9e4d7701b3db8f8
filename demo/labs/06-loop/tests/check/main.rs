//! The tests of lab 6. The first ones use the run queue alone, the others the loop of a whole runtime. Its backend is
//! `tests::kit::Steps`: its clock moves only when the test or a wait moves it, and it counts what the loop does.

// The tests do not call all functions of the files that are compiled here.
#![allow(dead_code, unused_imports)]

#[path = "../../../../../executor/src/schedule/run_queue.rs"]
mod run_queue;
#[path = "../../../../../executor/src/shim.rs"]
mod shim;
mod stack;
#[path = "../../../../../executor/src/task/mod.rs"]
mod task;

use executor::sync::{oneshot, unbounded};
use executor::time::{Duration, now, sleep};
use executor::{Runtime, named, spawn, yield_now};
use lab_06::{counting_polls, yield_for_ever};
use run_queue::RunQueue;
use std::collections::BTreeSet;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
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

/// Runs all tasks of the queue, and returns their numbers.
fn run(queue: &RunQueue, log: &Log<u32>) -> Vec<u32> {
    while let Some(task) = queue.pop() {
        assert!(task.run().is_none(), "these tasks do not wait");
    }
    log.take()
}

#[test]
fn tasks_leave_the_queue_in_the_order_in_which_they_came() {
    let (queue, log) = (RunQueue::default(), Log::new());
    (1..=4).for_each(|number| queue.push(task(&log, number)));
    assert_eq!(run(&queue, &log), [1, 2, 3, 4], "the task that was pushed first must run first");
}

#[test]
fn the_length_is_the_number_of_queued_tasks() {
    let (queue, log) = (RunQueue::default(), Log::new());
    let mut lengths = Vec::new();
    queue.push(task(&log, 1));
    lengths.push(queue.len());
    queue.push_front(task(&log, 2));
    lengths.push(queue.len());
    let popped = queue.pop();
    lengths.push(queue.len());
    assert_eq!(lengths, [1, 2, 1], "the lengths after a push, a push to the front, and a pop");
    drop((popped, queue));
}

#[test]
fn a_task_that_is_pushed_to_the_front_is_the_next_one() {
    let (queue, log) = (RunQueue::default(), Log::new());
    queue.push_front(task(&log, 2));
    queue.push(task(&log, 3));
    queue.push_front(task(&log, 1));
    assert_eq!(run(&queue, &log), [1, 2, 3], "task 2 came first, 3 was pushed behind it, and 1 in front of it");
}

#[test]
fn a_queue_that_was_emptied_can_be_used_again() {
    let (queue, log) = (RunQueue::default(), Log::new());
    queue.push(task(&log, 1));
    let first = queue.pop().expect("a task was pushed"); // kept: its memory must stay until the test has failed
    assert!(queue.pop().is_none(), "the queue had one task, and a second pop has found another one");
    queue.push(task(&log, 2));
    assert_eq!(run(&queue, &log), [2], "task 2 was pushed to a queue that had been emptied, and must run");
    drop(first);
}

/// Spawns tasks that write their names and yield, and returns what they have written.
fn order_of(runtime: &Runtime, names: &[&'static str], rounds: usize) -> Vec<&'static str> {
    let log = Log::new();
    runtime.block_on(async {
        let tasks: Vec<_> = names
            .iter()
            .map(|name| {
                let (log, name) = (log.clone(), *name);
                named(name).spawn(async move {
                    for _ in 0..rounds {
                        log.push(name);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    log.take()
}

#[test]
fn tasks_that_yield_take_turns() {
    let order = order_of(&Steps::new().runtime(), &["a", "b", "c"], 3);
    assert_eq!(
        order,
        ["a", "b", "c", "a", "b", "c", "a", "b", "c"],
        "a task that yields must go to the end of the queue, behind those that have not run in this pass"
    );
}

#[test]
fn a_task_that_wakes_itself_is_polled_once_in_a_pass() {
    let steps = Steps::new();
    let log = Log::new();
    steps.runtime().block_on(async {
        named("wakes itself").spawn({
            let log = log.clone();
            poll_fn(move |cx| {
                log.push("itself");
                cx.waker().wake_by_ref();
                std::task::Poll::<()>::Pending
            })
        });
        let (sender, receiver) = oneshot();
        let other = named("other").spawn({
            let log = log.clone();
            async move {
                log.push("other");
                sender.send(()).unwrap();
            }
        });
        receiver.await.unwrap();
        other.await.unwrap();
    });
    let order = log.take();
    assert_eq!(
        order[..3],
        ["itself", "other", "itself"],
        "each queued task must run once before one of them runs again"
    );
}

#[test]
fn block_on_returns_as_soon_as_its_future_is_done() {
    let polls = Arc::new(AtomicUsize::new(0));
    Steps::new().runtime().block_on(async {
        let (sender, receiver) = oneshot();
        named("behind").spawn({
            let polls = polls.clone();
            let yields = async move {
                sender.send(()).unwrap(); // queues the main task …
                yield_now().await; // … and then this one, behind it
                pending::<()>().await;
            };
            async move { counting_polls(yields, &polls).await }
        });
        receiver.await.unwrap();
    });
    let polls = polls.load(Ordering::Relaxed);
    assert_eq!(polls, 1, "the future of block_on had returned, and another task was polled after that");
}

#[test]
fn a_task_that_yields_for_ever_does_not_delay_a_timer() {
    let steps = Steps::new();
    let polls = Arc::new(AtomicUsize::new(0));
    steps.runtime().block_on(async {
        let yields = yield_for_ever(
            {
                let (steps, polls) = (steps.clone(), polls.clone());
                move || {
                    steps.pass_time(Duration::from_millis(1)); // each poll takes a millisecond
                    polls.fetch_add(1, Ordering::Relaxed);
                }
            },
            "a timer of 100 ms has not fired, although each poll took 1 ms",
        );
        let yields = named("yields").spawn(yields);
        first_of(sleep(Duration::from_millis(100)), yields).await;
    });
    let polls = polls.load(Ordering::Relaxed);
    assert!(
        (100..=180).contains(&polls),
        "a timer of 100 ms fired after {polls} polls of 1 ms each; the reactor must be polled after every 64 polls"
    );
}

/// Awaits the first of two futures; a panic of the task `other` fails the test.
async fn first_of(first: impl Future<Output = ()>, other: executor::JoinHandle<()>) {
    let (mut first, mut other) = (std::pin::pin!(first), std::pin::pin!(other));
    poll_fn(|cx| {
        if let std::task::Poll::Ready(output) = other.as_mut().poll(cx) {
            match output {
                Ok(()) => unreachable!("the other task does not return"),
                Err(error) => panic!("{error}"),
            }
        }
        first.as_mut().poll(cx)
    })
    .await;
}

#[test]
fn the_reactor_is_polled_after_every_64_polls() {
    let steps = Steps::new();
    steps.runtime().block_on(async {
        named("sleeps").spawn(sleep(Duration::from_secs(1))); // otherwise the reactor has nothing to wait for
        for _ in 0..640 {
            yield_now().await;
        }
    });
    let polls = steps.polls();
    assert!(
        (9..=11).contains(&polls),
        "640 polls of a task, and {polls} of the reactor, each a system call; the reactor must be polled every 64 polls"
    );
}

#[test]
fn a_reactor_without_sources_and_timers_is_not_polled() {
    let steps = Steps::new();
    steps.runtime().block_on(async {
        for _ in 0..640 {
            yield_now().await;
        }
    });
    assert_eq!(steps.polls(), 0, "nothing is registered with the reactor, so the loop must not poll it");
}

#[test]
fn a_task_that_yields_for_ever_does_not_delay_a_wake_from_another_thread() {
    let steps = Steps::new();
    let polls = Arc::new(AtomicUsize::new(0));
    steps.runtime().block_on(async {
        let (sender, receiver) = oneshot();
        let waits = named("waits").spawn(async move { receiver.await.unwrap() });
        yield_now().await; // "waits" is suspended now
        let count = polls.clone();
        let yields = yield_for_ever(
            move || _ = count.fetch_add(1, Ordering::Relaxed),
            "a task that another thread has woken has not run",
        );
        let yields = named("yields").spawn(yields);
        let sends = thread::spawn(move || sender.send(()).unwrap());
        sends.join().expect("it only sends"); // "waits" is in the injection queue now
        first_of(async { waits.await.unwrap() }, yields).await;
    });
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls <= 5, "another thread has woken a task, which ran only after {polls} polls of a task that yields");
}

#[test]
fn an_idle_runtime_parks_until_its_timer() {
    let steps = Steps::new();
    steps.runtime().block_on(async {
        let start = now();
        for _ in 0..10 {
            sleep(Duration::from_secs(60)).await;
        }
        assert_eq!(now() - start, Duration::from_secs(600), "ten timers of a minute take ten minutes");
    });
    assert_eq!(
        (steps.parks(), steps.polls()),
        (10, 0),
        "ten timers need ten parks, and no polls of the reactor beside them (parks, polls)"
    );
}

#[test]
fn each_poll_has_a_full_budget() {
    const MESSAGES: usize = 1280;
    let polls = Arc::new(AtomicUsize::new(0));
    Steps::new().runtime().block_on(async {
        let (sender, receiver) = unbounded();
        for message in 0..MESSAGES {
            sender.send(message).await.unwrap();
        }
        let receives = spawn({
            let polls = polls.clone();
            let all = async move {
                for _ in 0..MESSAGES {
                    receiver.recv().await.unwrap();
                }
            };
            async move { counting_polls(all, &polls).await }
        });
        receives.await.unwrap();
    });
    let polls = polls.load(Ordering::Relaxed);
    assert!(
        (10..=12).contains(&polls),
        "{MESSAGES} messages were received in {polls} polls; a poll has a budget of 128 operations, so 10 are enough"
    );
}

#[test]
fn a_deterministic_runtime_takes_the_order_from_its_seed() {
    let names = ["a", "b", "c", "d"];
    let orders: Vec<_> =
        (0..8).map(|seed| order_of(&Runtime::builder().deterministic(seed).build().unwrap(), &names, 1)).collect();
    let different: BTreeSet<_> = orders.iter().collect();
    assert!(different.len() > 1, "eight seeds lead to the same order, {:?}; each pass must be shuffled", orders[0]);
    let again = order_of(&Runtime::builder().deterministic(0).build().unwrap(), &names, 1);
    assert_eq!(orders[0], again, "the same seed must lead to the same order");
}
