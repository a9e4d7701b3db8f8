//! A lost wake fails every test that can detect it, and is reported everywhere else.
//!
//! The primitives in this file are wrong: each forgets a wake in another way. The library's primitives never do.

use demo::step::lints::{Kind, lint};
use executor::sync::unbounded;
use executor::test::explore;
use executor::time::{Duration, interval, sleep};
use executor::trace::{Event, Recorder, Trace};
use executor::{Runtime, block_on, named, spawn, spawn_local, tasks, yield_now};
use futures_lite::StreamExt;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use tests::within;

/// A flag whose `set` forgets to wake.
#[derive(Default)]
struct Flag {
    is_set: AtomicBool,
    waiters: Mutex<Vec<Waker>>,
}

impl Flag {
    async fn wait(&self) {
        poll_fn(|cx| match self.is_set.load(Ordering::SeqCst) {
            true => Poll::Ready(()),
            false => {
                self.waiters.lock().unwrap().push(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    fn set_without_a_wake(&self) {
        self.is_set.store(true, Ordering::SeqCst);
    }
}

/// A queue whose `push` forgets to wake.
#[derive(Default)]
struct Queue {
    items: Mutex<VecDeque<u32>>,
    waiter: Mutex<Option<Waker>>,
}

impl Queue {
    async fn pop(&self) -> u32 {
        poll_fn(|cx| match self.items.lock().unwrap().pop_front() {
            Some(item) => Poll::Ready(item),
            None => {
                *self.waiter.lock().unwrap() = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

/// The message of a run that fails.
#[track_caller]
fn failure(run: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(run)).expect_err("the run must fail");
    *payload.downcast::<String>().expect("a message")
}

/// The ways to run a test that fail on a lost wake.
const WAYS: [&str; 4] = ["explore", "deterministic", "detect_deadlock", "virtual and detect_deadlock"];

fn run<F: Future<Output = ()>>(way: &str, test: impl Fn() -> F) {
    let builder = Runtime::builder();
    let builder = match way {
        "explore" => return explore(20, |_| test()),
        "deterministic" => builder.deterministic(7),
        "detect_deadlock" => builder.detect_deadlock(true),
        _ => builder.virtual_clock().detect_deadlock(true),
    };
    builder.build().unwrap().block_on(test());
}

/// Checks that the test fails with a lost wake of this task, in each way.
#[track_caller]
fn is_lost<F: Future<Output = ()>>(task: &str, says: &[&str], test: impl Fn() -> F + Copy) {
    for way in WAYS {
        let text = failure(|| run(way, test));
        assert!(text.contains(&format!("lost wake: task {task}")), "{way}: {text}");
        for wanted in says {
            assert!(text.contains(wanted), "{way}: no `{wanted}` in {text}");
        }
    }
}

async fn waits_for_a_flag() {
    let flag = Arc::new(Flag::default());
    let waits = named("waits").spawn({
        let flag = flag.clone();
        async move { flag.wait().await }
    });
    let sets = spawn(async move {
        sleep(Duration::from_millis(1)).await; // in any order, the task waits by now
        flag.set_without_a_wake();
    });
    sets.await.unwrap();
    waits.await.unwrap();
}

#[test]
fn a_flag_that_does_not_wake_fails_with_a_report_of_the_task_its_location_and_its_waker() {
    let says = [
        "made progress when it was polled without having been woken",
        "observe::lost_wakes::Flag::wait at tests/tests/observe/lost_wakes.rs:",
        "it had a waker that was not called",
        "(spawned at tests/tests/observe/lost_wakes.rs:",
    ];
    is_lost("2 \"waits\"", &says, waits_for_a_flag);
}

#[test]
fn a_lost_wake_of_a_task_that_continues_to_another_await_is_found() {
    // Another await, a yield or a spawn shows that the task continued.
    is_lost("2 ", &[], || async {
        let flag = Rc::new(Flag::default());
        let (sender, receiver) = unbounded();
        let waits = flag.clone();
        spawn_local(async move {
            waits.wait().await;
            sender.send(()).await.unwrap();
            pending::<()>().await;
        });
        sleep(Duration::from_millis(1)).await; // in any order, the task waits by now
        flag.set_without_a_wake();
        receiver.recv().await.unwrap();
    });
    is_lost("2 ", &[], || async {
        let flag = Rc::new(Flag::default());
        let waits = flag.clone();
        let task = spawn_local(async move {
            waits.wait().await;
            yield_now().await;
        });
        sleep(Duration::from_millis(1)).await; // in any order, the task waits by now
        flag.set_without_a_wake();
        task.await.unwrap();
    });
    is_lost("2 ", &[], || async {
        let flag = Rc::new(Flag::default());
        let waits = flag.clone();
        let task = spawn_local(async move {
            waits.wait().await;
            spawn(async {}).await.unwrap();
        });
        sleep(Duration::from_millis(1)).await; // in any order, the task waits by now
        flag.set_without_a_wake();
        task.await.unwrap();
    });
}

#[test]
fn a_lost_wake_of_a_detached_task_is_found_at_the_end_of_the_run() {
    is_lost("2 \"detached\"", &["it had a waker that was not called"], || async {
        let flag = Rc::new(Flag::default());
        let waits = flag.clone();
        drop(named("detached").spawn_local(async move { waits.wait().await }));
        sleep(Duration::from_millis(1)).await; // in any order, the task waits by now
        flag.set_without_a_wake();
    });
}

#[test]
fn a_lost_wake_is_found_while_a_timer_keeps_other_tasks_running() {
    for way in ["explore", "deterministic"] {
        let text = failure(|| {
            run(way, || async {
                let flag = Rc::new(Flag::default());
                spawn(async {
                    let mut ticks = interval(Duration::from_millis(50));
                    while ticks.next().await.is_some() {}
                });
                let waits = flag.clone();
                let waits = spawn_local(async move { waits.wait().await });
                sleep(Duration::from_millis(10)).await;
                flag.set_without_a_wake();
                waits.await.unwrap();
            })
        });
        assert!(text.contains("lost wake: task 3 "), "{way}: {text}");
    }
}

#[test]
fn a_queue_whose_consumer_is_stuck_fails_in_each_way() {
    // Its consumer takes the item and waits at the same line. That cannot be distinguished from a condition that does
    // not hold, but a run that cannot continue fails in either case.
    for way in WAYS {
        let text = failure(|| {
            run(way, || async {
                let queue = Rc::new(Queue::default());
                let takes = queue.clone();
                let consumer = spawn_local(async move {
                    loop {
                        takes.pop().await;
                    }
                });
                sleep(Duration::from_millis(1)).await; // in any order, the task waits by now
                queue.items.lock().unwrap().push_back(1);
                consumer.await.unwrap();
            })
        });
        assert!(text.contains("deadlock: ") || text.contains("lost wake: "), "{way}: {text}");
    }
}

/// A mutex that keeps only the waker of its last waiter.
#[derive(Default)]
struct LastOnly {
    is_locked: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

impl LastOnly {
    async fn lock(&self) {
        poll_fn(|cx| {
            if !self.is_locked.replace(true) {
                return Poll::Ready(());
            }
            *self.waiter.borrow_mut() = Some(cx.waker().clone()); // drops the waker of the waiter before
            Poll::Pending
        })
        .await
    }

    fn unlock(&self) {
        self.is_locked.set(false);
        self.waiter.take().into_iter().for_each(Waker::wake);
    }
}

async fn four_tasks_lock() {
    let mutex = Rc::new(LastOnly::default());
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let mutex = mutex.clone();
            spawn_local(async move {
                mutex.lock().await;
                yield_now().await;
                mutex.unlock();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn a_mutex_that_keeps_the_last_waker_only_fails_and_the_report_names_the_line_that_dropped_it() {
    let says = [
        "its last waker was dropped by task ",
        " in observe::lost_wakes::LastOnly::lock at tests/tests/observe/lost_wakes.rs:",
    ];
    is_lost("", &says, four_tasks_lock);
}

#[test]
fn explore_fails_at_once_when_the_last_waker_of_a_suspended_task_is_dropped() {
    let steps = AtomicUsize::new(0);
    let text = failure(|| {
        explore(1, |_| async {
            steps.store(0, Ordering::Relaxed);
            let kept = Rc::new(RefCell::new(None));
            let keeps = kept.clone();
            spawn_local(poll_fn(move |cx| {
                *keeps.borrow_mut() = Some(cx.waker().clone());
                Poll::<()>::Pending
            }));
            yield_now().await;
            drop(kept.take());
            loop {
                steps.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(1)).await;
            }
        })
    });
    assert!(text.contains("is suspended, and its last waker was dropped without waking it"), "{text}");
    assert_eq!(steps.into_inner(), 1, "it went on");
}

#[test]
fn a_task_that_never_left_a_waker_and_a_condition_that_never_holds_are_no_lost_wakes() {
    explore(5, |_| async {
        let never = spawn(pending::<()>());
        yield_now().await;
        sleep(Duration::from_secs(3)).await;
        never.cancel();
        never.await.unwrap_err();
        spawn(pending::<()>()); // left to the end of the run
        spawn_local(poll_fn({
            let kept = Rc::new(RefCell::new(Vec::new()));
            move |cx| {
                kept.borrow_mut().push(cx.waker().clone());
                Poll::<()>::Pending
            }
        }));
        yield_now().await;
    });
    for way in WAYS {
        let text = failure(|| {
            run(way, || async {
                let kept = Rc::new(RefCell::new(Vec::new()));
                let keeps = kept.clone();
                let wait = poll_fn(move |cx| {
                    keeps.borrow_mut().push(cx.waker().clone());
                    Poll::<()>::Pending
                });
                spawn_local(wait).await.unwrap();
            })
        });
        assert!(text.contains("deadlock: ") && !text.contains("lost wake"), "{way}: {text}");
    }
}

#[test]
fn a_wake_that_another_thread_is_about_to_make_is_not_lost() {
    within(20, || {
        for _ in 0..20 {
            let flag = Arc::new(Flag::default());
            let polls = Arc::new(AtomicUsize::new(0));
            let runtime = Runtime::builder().detect_deadlock(true).build().unwrap();
            let (changed, changes) = std::sync::mpsc::channel();
            let other = std::thread::spawn({
                let (flag, polls) = (flag.clone(), polls.clone());
                move || {
                    changes.recv().unwrap();
                    // Meanwhile no task is queued, and the runtime polls this one for its await chain.
                    tests::eventually("the second poll", || polls.load(Ordering::SeqCst) > 1);
                    flag.waiters.lock().unwrap().drain(..).for_each(Waker::wake);
                }
            });
            runtime.block_on(async {
                let mut wait = std::pin::pin!(flag.wait());
                poll_fn(|cx| {
                    let is_first = polls.fetch_add(1, Ordering::SeqCst) == 0;
                    let polled = wait.as_mut().poll(cx);
                    if is_first {
                        // The other thread sets the flag right after this poll, and wakes late.
                        flag.set_without_a_wake();
                        changed.send(()).unwrap();
                    }
                    polled
                })
                .await
            });
            other.join().unwrap();
        }
    });
}

fn recorded<F: Future<Output = ()>>(future: F) -> Trace {
    let recorder = Arc::new(Recorder::new());
    Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap().block_on(future);
    recorder.trace()
}

#[test]
fn a_task_dump_reports_the_lost_wake_that_it_finds() {
    let trace = recorded(async {
        let flag = Rc::new(Flag::default());
        let waits = flag.clone();
        let waits = named("waits").spawn_local(async move { waits.wait().await });
        let fine = named("fine").spawn(pending::<()>());
        yield_now().await;
        assert!(tasks().iter().all(|task| !task.lost_wake));
        flag.set_without_a_wake();
        let dump = tasks();
        assert!(dump[1].lost_wake && !dump[2].lost_wake, "{dump}");
        assert!(
            dump.to_string().contains("made progress when it was polled for this list: its wake was lost"),
            "{dump}"
        );
        waits.await.unwrap();
        fine.cancel();
    });
    let events: Vec<_> = trace.records.iter().map(|record| &record.event).collect();
    assert_eq!(events.iter().filter(|event| matches!(event, Event::LostWake { task: 2 })).count(), 1);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Asked { task: 2 })).count(), 2);
    let findings = lint(&trace);
    let [finding] = &findings[..] else { panic!("{findings:#?}") };
    assert_eq!((finding.kind, finding.task), (Kind::LostWake, 2));
    assert!(finding.text.contains("made progress in a poll without a wake"), "{}", finding.text);
}

#[test]
fn a_dump_in_a_run_that_fails_on_lost_wakes_fails_it() {
    let text = failure(|| {
        explore(1, |_| async {
            let flag = Rc::new(Flag::default());
            let waits = flag.clone();
            let waits = spawn_local(async move { waits.wait().await });
            sleep(Duration::from_millis(1)).await; // in any order, the task waits by now
            flag.set_without_a_wake();
            tasks();
            waits.await.unwrap();
        })
    });
    assert!(text.contains("lost wake: task 2 "), "{text}");
}

#[test]
fn the_finding_for_a_lost_wake_points_at_the_line_that_dropped_the_waker() {
    let findings = lint(&recorded(async {
        let tasks = executor::time::timeout(Duration::from_secs(1), four_tasks_lock());
        tasks.await.unwrap_err();
    }));
    let finding = findings.iter().find(|finding| finding.kind == Kind::LostWake).expect("a lost wake");
    assert!(
        finding.text.contains(", in observe::lost_wakes::LastOnly::lock at tests/tests/observe/lost_wakes.rs:"),
        "{}",
        finding.text
    );
}

#[test]
#[ignore = "a test below runs it"]
fn plain_child() {
    block_on(waits_for_a_flag());
    println!("it went on");
}

#[test]
fn plain_block_on_reports_the_lost_wake() {
    let output = tests::alone::test(module_path!(), "plain_child").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("executor: lost wake: task 2 \"waits\" (spawned at tests/tests/observe/lost_wakes.rs:"),
        "{text}"
    );
    assert!(text.contains("it went on") && !text.contains("no task in this runtime can run"), "{text}");
}

#[test]
fn a_lost_wake_of_one_run_does_not_fail_the_next() {
    let runtime = Runtime::builder().virtual_clock().detect_deadlock(true).build().unwrap();
    let fails = || {
        runtime.block_on(async {
            let flag = Rc::new(Flag::default());
            let waits = flag.clone();
            drop(spawn_local(async move { waits.wait().await }));
            sleep(Duration::from_millis(1)).await;
            flag.set_without_a_wake();
            tasks(); // finds the lost wake
            panic!("on its own account");
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(fails)).is_err());
    assert_eq!(runtime.block_on(async { spawn(async { 7 }).await.unwrap() }), 7);
}
