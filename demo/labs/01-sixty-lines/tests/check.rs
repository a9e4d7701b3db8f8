//! The tests of lab 1. Each has an executor of its own; with EXECUTOR_TRACE=FILE, it leaves a recording of its tasks.

use lab_01::executor::{Executor, Queue, waker};
use lab_01::switch::Switch;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{self, AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, Once};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use tests::kit::{OnDrop, Recording};

/// Runs a test on a thread of its own, so that one that hangs fails. The thread has the same name in all tests, so the
/// code that is tested cannot depend on the test.
#[track_caller]
fn test(body: impl FnOnce(&Recording) + Send + 'static) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let (done, is_done) = channel();
    let runner = thread::Builder::new().name("test".to_owned()).spawn(move || {
        body(&Recording::new(&name));
        done.send(())
    });
    if let Err(RecvTimeoutError::Timeout) = is_done.recv_timeout(Duration::from_secs(4)) {
        panic!(
            "run() has not returned after 4 s: either it goes on although the queue is empty, or the thread waits for a \
             lock that it holds itself (the queue must not stay locked while a task is polled)"
        );
    }
    if let Err(panic) = runner.expect("the system gives a thread").join() {
        resume_unwind(panic);
    }
}

/// A future that counts its polls and calls `poll` in each, with the number of the poll, from 1.
fn counted<F: FnMut(u32, &mut Context<'_>) -> Poll<()>>(
    polls: &Rc<Cell<u32>>,
    mut poll: F,
) -> impl Future<Output = ()> + use<F> {
    let polls = polls.clone();
    poll_fn(move |cx| {
        polls.set(polls.get() + 1);
        assert!(polls.get() < 100, "a task was polled 100 times, although it was woken twice at most");
        poll(polls.get(), cx)
    })
}

#[test]
fn the_queue_returns_the_numbers_in_the_order_of_the_pushes() {
    test(|_| {
        let queue = Queue::default();
        [3, 1, 2].into_iter().for_each(|number| queue.push(number)); // first, because it is the first task of the lab
        let popped: Vec<u64> = std::iter::from_fn(|| queue.pop()).take(9).collect();
        assert_eq!(popped, [3, 1, 2], "3, 1 and 2 were pushed; pop() must return the first one first, each once");
        assert_eq!(queue.pop(), None, "the queue is empty, and pop() returned a number");
    });
}

#[test]
fn a_waker_queues_its_task_once() {
    test(|_| {
        let (queue, is_queued) = (Arc::new(Queue::default()), Arc::new(AtomicBool::new(false)));
        let queued = || std::iter::from_fn(|| queue.pop()).take(9).collect::<Vec<u64>>();
        let waker = waker(7, is_queued.clone(), queue.clone());
        assert!(queued().is_empty(), "the waker of task 7 was made and not called; the queue must be empty");
        waker.wake_by_ref();
        waker.wake_by_ref();
        let clone = waker.clone();
        clone.wake();
        assert_eq!(queued(), [7], "task 7 was woken three times before its poll; the queue must hold it once");
        assert!(is_queued.load(Ordering::SeqCst), "task 7 was woken; its flag `is_queued` must be true");
        is_queued.store(false, Ordering::SeqCst); // as run() does when it polls the task
        waker.wake();
        assert_eq!(queued(), [7], "task 7 was woken again after its poll had begun; it must be queued again");
    });
}

#[test]
fn a_task_is_polled_by_run_and_not_by_spawn() {
    test(|recording| {
        let (executor, polls) = (Executor::new(), Rc::new(Cell::new(0)));
        for _ in 0..3 {
            executor.spawn(recording.task("returns", counted(&polls, |_, _| Poll::Ready(()))));
        }
        assert_eq!(polls.get(), 0, "spawn() polled a task; it must only queue it");
        executor.run();
        assert_eq!(polls.get(), 3, "three tasks were spawned; run() must poll each of them once");
    });
}

#[test]
fn a_suspended_task_is_polled_only_after_a_wake() {
    test(|recording| {
        let (executor, polls, place) = (Executor::new(), Rc::new(Cell::new(0)), Rc::new(RefCell::new(None)));
        let left = place.clone();
        executor.spawn(recording.task(
            "waits",
            counted(&polls, move |poll, cx| {
                left.replace(Some(cx.waker().clone()));
                if poll == 2 { Poll::Ready(()) } else { Poll::Pending }
            }),
        ));
        executor.run();
        assert_eq!(polls.get(), 1, "the task returned Pending and was not woken; it must be polled once");
        executor.run();
        assert_eq!(polls.get(), 1, "the task was not woken between two calls of run(); it must not be polled again");
        let waker: Waker = place.take().expect("the poll has left a waker");
        waker.wake();
        executor.run();
        assert_eq!(polls.get(), 2, "the task was woken while it was suspended; run() must poll it a second time");
    });
}

#[test]
fn a_wake_during_a_poll_leads_to_another_poll() {
    test(|recording| {
        let (executor, polls) = (Executor::new(), Rc::new(Cell::new(0)));
        let body = counted(&polls, |poll, cx| {
            if poll == 1 {
                cx.waker().wake_by_ref();
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        });
        executor.spawn(recording.task("wakes itself", body));
        executor.run();
        assert_eq!(polls.get(), 2, "the task was woken during its first poll; it must be polled two times in all");
    });
}

#[test]
fn run_returns_how_many_tasks_are_stuck() {
    test(|recording| {
        let (executor, switches) = (Executor::new(), [Switch::default(), Switch::default()]);
        assert_eq!(executor.run(), 0, "there are no tasks; run() must return 0");
        executor.spawn(recording.task("returns", async {}));
        for switch in &switches {
            executor.spawn(recording.task("waits", switch.wait()));
        }
        assert_eq!(executor.run(), 2, "one task completed and two wait; run() must return 2");
        switches[0].turn_on();
        assert_eq!(executor.run(), 1, "one of two waiting tasks was woken and completed; run() must return 1");
        switches[1].turn_on();
        assert_eq!(executor.run(), 0, "all tasks have completed; run() must return 0");
    });
}

#[test]
fn a_completed_future_is_dropped_before_the_next_task_is_polled() {
    test(|recording| {
        let (executor, drops) = (Executor::new(), Rc::new(Cell::new(0)));
        let inside = OnDrop::new({
            let drops = drops.clone();
            move || drops.set(drops.get() + 1)
        });
        let keeps = poll_fn(move |_| {
            let _inside = &inside;
            Poll::Ready(())
        });
        executor.spawn(recording.task("completes", keeps));
        let seen = drops.clone();
        executor.spawn(recording.task("looks", async move {
            assert_eq!(
                seen.get(),
                1,
                "a task has completed, and the next one is polled; its future must be dropped by now"
            );
        }));
        executor.run();
        assert_eq!(drops.get(), 1, "the future of a completed task must be dropped once");
    });
}

#[test]
fn a_task_may_spawn_a_task() {
    test(|recording| {
        let (executor, polls) = (Rc::new(Executor::new()), Rc::new(Cell::new(0)));
        let child = recording.task("child", counted(&polls, |_, _| Poll::Ready(())));
        let parent = {
            let executor = executor.clone();
            async move { executor.spawn(child) }
        };
        executor.spawn(recording.task("parent", parent));
        runs(&executor, "a task called spawn() in its poll, which must be possible");
        assert_eq!(polls.get(), 1, "a task spawned another one during its poll; run() must poll that one, too");
    });
}

#[test]
fn the_drop_of_a_future_may_spawn_a_task() {
    test(|recording| {
        let (executor, polls) = (Rc::new(Executor::new()), Rc::new(Cell::new(0)));
        let child = recording.task("child", counted(&polls, |_, _| Poll::Ready(())));
        let on_drop = OnDrop::new({
            let executor = executor.clone();
            move || executor.spawn(child)
        });
        let keeps = poll_fn(move |_| {
            let _on_drop = &on_drop;
            Poll::Ready(())
        });
        executor.spawn(recording.task("completes", keeps));
        runs(&executor, "a completed future called spawn() in its drop, which must be possible");
        assert_eq!(polls.get(), 1, "the drop of a future spawned a task; run() must poll that one, too");
    });
}

thread_local! {
    /// Whether a panic of this thread is expected, and must not be printed.
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Calls `run`. If it panics, the test fails with a message that says what the program did.
fn runs(executor: &Executor, what: &str) -> usize {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                hook(info);
            }
        }));
    });
    IS_QUIET.set(true);
    let ran = catch_unwind(AssertUnwindSafe(|| executor.run()));
    IS_QUIET.set(false);
    ran.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned())).unwrap_or_default();
        panic!("{what}, and run() panicked: {said}")
    })
}

#[test]
fn a_wake_after_the_end_of_a_task_does_nothing() {
    test(|recording| {
        let (executor, place) = (Executor::new(), Arc::new(Mutex::new(None::<Waker>)));
        let left = place.clone();
        let body = poll_fn(move |cx| {
            let before = left.lock().unwrap().replace(cx.waker().clone());
            assert!(before.is_none(), "a completed task was woken, and was polled again");
            Poll::Ready(())
        });
        executor.spawn(recording.task("completes", body));
        executor.run();
        let waker = place.lock().unwrap().clone().expect("the poll has left a waker");
        waker.wake_by_ref();
        let stuck = runs(&executor, "a completed task was woken, which must do nothing");
        assert_eq!(stuck, 0, "a completed task was woken; no task is left, so run() must return 0");
        drop(executor);
        waker.wake(); // a waker may outlive the executor
    });
}

#[test]
fn tasks_take_turns_in_the_order_of_their_wakes() {
    test(|recording| {
        let (executor, log) = (Executor::new(), Rc::new(RefCell::new(String::new())));
        for name in ["a", "b", "c"] {
            let log = log.clone();
            let mut polls = 0;
            let body = poll_fn(move |cx| {
                log.borrow_mut().push_str(name);
                polls += 1;
                cx.waker().wake_by_ref();
                if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
            });
            executor.spawn(recording.task(name, body));
        }
        executor.run();
        assert_eq!(
            *log.borrow(),
            "abcabcabc",
            "three tasks wake themselves in each poll; a woken task must go to the end of the queue"
        );
    });
}

#[test]
fn a_task_can_be_woken_on_another_thread() {
    test(|recording| {
        let (executor, switch) = (Executor::new(), Switch::default());
        executor.spawn(recording.task("waits", switch.wait()));
        assert_eq!(executor.run(), 1, "one task waits; run() must return 1");
        thread::spawn(move || switch.turn_on()).join().expect("turn_on() returns");
        assert_eq!(executor.run(), 0, "another thread has woken the task; run() must poll it and return 0");
    });
}
