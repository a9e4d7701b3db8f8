//! Deadlocks.

use super::{LIMIT, LONG, SHOWN, hold_the_thread, ms, pending_announced, reported};
use executor::net::TcpListener;
use executor::sync::{Semaphore, channel};
use executor::time::{Duration, Instant, sleep};
use executor::{Runtime, block_on, join_all, named, spawn, spawn_blocking, spawn_local, tasks, yield_now};
use futures_lite::future::{pending, poll_fn};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use tests::{Log, OnDrop, within};

fn detecting() -> Runtime {
    Runtime::builder().detect_deadlock(true).build().unwrap()
}

#[test]
fn with_detect_deadlock_a_deadlock_panics_at_once_with_the_task_dump() {
    within(20, || {
        for is_virtual in [false, true] {
            let builder = Runtime::builder().detect_deadlock(true);
            let runtime = if is_virtual { builder.virtual_clock() } else { builder }.build().unwrap();
            let drops = Log::new();
            let start = Instant::now();
            let caught = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async {
                    let door = Semaphore::new(1);
                    let _first = door.acquire().await;
                    let dropped = OnDrop::new(|| drops.push(()));
                    named("bystander").spawn(pending_announced());
                    let _second = door.acquire().await;
                    drop(dropped);
                })
            }));
            assert!(start.elapsed() < Duration::from_millis(900) || cfg!(debug_assertions));
            let text = *caught.unwrap_err().downcast::<String>().unwrap();
            assert!(text.starts_with("deadlock: no task in this runtime can run"), "{text}");
            assert!(text.contains(" 2 tasks\ntask 1 (suspended, "), "{text}");
            assert!(
                text.contains(
                    "\n    waits for: acquire on the semaphore made at tests/tests/observe/dump/deadlocks.rs:"
                ),
                "{text}"
            );
            assert!(text.contains("\ntask 2 \"bystander\" ("), "{text}");
            assert_eq!(drops.len(), 1);
            assert_eq!(runtime.block_on(async { 7 }), 7, "the runtime goes on");
        }
    });
}

#[test]
fn a_wait_that_can_still_end_is_no_deadlock() {
    within(30, || {
        // A timer.
        detecting().block_on(sleep(ms(20)));
        // A socket.
        detecting().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let connects = thread::spawn(move || {
                thread::sleep(ms(50));
                std::net::TcpStream::connect(address).unwrap()
            });
            listener.accept().await.unwrap();
            connects.join().unwrap();
        });
        // A blocking call.
        detecting().block_on(async { spawn_blocking(|| thread::sleep(ms(50))).await.unwrap() });
        // A hold, and another thread that wakes.
        detecting().block_on(async {
            let hold = reactor::Handle::current().unwrap().hold();
            let (tx, rx) = channel::<u32>(1);
            let thread = thread::spawn(move || {
                let _hold = hold;
                thread::sleep(ms(50));
                futures_lite::future::block_on(tx.send(5)).unwrap();
                drop(tx);
            });
            assert_eq!(rx.recv().await, Ok(5));
            thread.join().unwrap();
        });
        // Threads that wake all the time.
        for _ in 0..200 {
            detecting().block_on(async {
                let hold = reactor::Handle::current().unwrap().hold();
                let (tx, rx) = channel::<u32>(1);
                let thread = thread::spawn(move || {
                    futures_lite::future::block_on(tx.send(5)).unwrap();
                    drop(hold);
                });
                assert_eq!(rx.recv().await, Ok(5));
                thread.join().unwrap();
            });
        }
    });
}

#[test]
fn a_deadlock_that_begins_with_the_end_of_a_blocking_call_is_a_panic_as_well() {
    within(10, || {
        let caught = catch_unwind(|| {
            detecting().block_on(async {
                drop(spawn_blocking(|| thread::sleep(ms(50))));
                pending::<()>().await;
            });
        });
        assert!(caught.is_err());
    });
}

#[test]
#[ignore = "a test below runs it"]
fn deadlock_child() {
    let waker = Log::new();
    let woken = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            tests::eventually("the waker", || !waker.is_empty());
            thread::sleep(ms(3_200)); // long enough for two reports
            woken.store(true, Ordering::Relaxed);
            waker.take().into_iter().for_each(std::task::Waker::wake);
        });
        block_on(async {
            named("stuck").spawn(pending_announced());
            let wait = poll_fn(|cx| {
                reactor::leaf::pending(|| "another thread".into());
                waker.push(cx.waker().clone());
                if woken.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
            });
            wait.await;
            println!("it went on");
        });
    });
}

#[test]
fn a_deadlock_is_printed_once_after_a_second() {
    let text = super::child(module_path!(), "deadlock_child");
    assert_eq!(text.matches("executor: no task in this runtime can run").count(), 1, "{text}");
    assert!(text.contains(" 2 tasks\ntask 1 (suspended, "), "{text}");
    assert!(text.contains("    waits for: another thread\n"), "{text}");
    assert!(text.contains("\"stuck\" (") && text.contains("    waits for: something of its own\n"), "{text}");
}

#[test]
#[ignore = "a test below runs it"]
fn no_deadlock_child() {
    // All wait at once, each for longer than a second.
    fn waits(what: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
        thread::spawn(what)
    }
    let all = [
        waits(|| block_on(sleep(ms(1_300)))),
        waits(|| block_on(async { spawn_blocking(|| thread::sleep(ms(1_300))).await.unwrap() })),
        waits(|| {
            block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let connects = thread::spawn(move || {
                    thread::sleep(ms(1_300));
                    std::net::TcpStream::connect(address).unwrap()
                });
                listener.accept().await.unwrap();
                connects.join().unwrap();
            });
        }),
        // Another thread wakes in time, twice.
        waits(|| {
            block_on(async {
                let (tx, rx) = channel::<u32>(1);
                let thread = thread::spawn(move || {
                    for n in 0..2 {
                        thread::sleep(ms(700));
                        futures_lite::future::block_on(tx.send(n)).unwrap();
                    }
                });
                assert_eq!((rx.recv().await, rx.recv().await), (Ok(0), Ok(1)));
                thread.join().unwrap();
            });
        }),
        // With a hold from the start, with a hold after a while, and with notifications only.
        waits(|| held(0, 1_300, false)),
        waits(|| held(500, 800, false)),
        waits(|| held(0, 0, true)),
    ];
    all.into_iter().for_each(|thread| thread.join().unwrap());

    fn held(before: u64, with: u64, notified: bool) {
        block_on(async {
            let (tx, rx) = channel::<u32>(1);
            let handle = reactor::Handle::current().unwrap();
            let first = (before == 0 && !notified).then(|| handle.hold());
            let thread = thread::spawn(move || {
                thread::sleep(ms(before));
                let _hold = first.or_else(|| (!notified).then(|| handle.hold()));
                thread::sleep(ms(with));
                for _ in 0..if notified { 8 } else { 0 } {
                    thread::sleep(ms(100));
                    handle.notify();
                }
                futures_lite::future::block_on(tx.send(1)).unwrap();
            });
            assert_eq!(rx.recv().await, Ok(1));
            thread.join().unwrap();
        });
    }
}

#[test]
fn no_deadlock_is_printed_while_a_wait_can_still_end() {
    let text = super::child(module_path!(), "no_deadlock_child");
    assert!(!text.contains("executor: "), "{text}");
}

#[test]
fn a_wake_during_the_task_dump_is_no_deadlock() {
    within(30, || {
        // Another thread wakes the first task while the task dump polls the second for its await chain.
        let (waker, is_asked) = (Arc::new(Mutex::new(None::<std::task::Waker>)), Arc::new(AtomicBool::new(false)));
        let wakes = thread::spawn({
            let (waker, is_asked) = (waker.clone(), is_asked.clone());
            move || {
                tests::eventually("the second task is asked", || is_asked.load(Ordering::SeqCst));
                waker.lock().unwrap().take().unwrap().wake();
            }
        });
        let is_woken = waker.clone();
        detecting().block_on(async {
            let mut polls = 0;
            spawn(poll_fn(move |_| {
                polls += 1;
                if polls > 1 {
                    is_asked.store(true, Ordering::SeqCst);
                    tests::eventually("the wake", || is_woken.lock().unwrap().is_none());
                }
                Poll::<()>::Pending
            }));
            let mut is_first = true;
            poll_fn(|cx| {
                let mut waker = waker.lock().unwrap();
                if std::mem::take(&mut is_first) {
                    *waker = Some(cx.waker().clone());
                }
                if waker.is_none() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await
        });
        wakes.join().unwrap();
    });
}

#[test]
fn a_set_that_a_task_dump_polls_first_is_woken_later() {
    Runtime::builder().virtual_clock().build().unwrap().block_on(async {
        let goes_on = Rc::new(Cell::new(false));
        let (sender, receiver) = channel::<u32>(1);
        let flag = goes_on.clone();
        let task = spawn_local(async move {
            poll_fn(|_| if flag.get() { Poll::Ready(()) } else { Poll::Pending }).await;
            join_all([receiver.recv()]).await
        });
        yield_now().await;
        goes_on.set(true); // and no task is woken
        tasks();
        yield_now().await;
        sender.send(7).await.unwrap();
        for _ in 0..5 {
            yield_now().await;
        }
        assert!(task.is_finished());
        assert_eq!(task.await.unwrap(), [Ok(7)]);
    });
}

#[test]
fn a_listener_is_not_shown_the_leaf_futures_that_it_announces_itself() {
    let shown = RefCell::new(Vec::new());
    let mut listener = |what: String| {
        reactor::leaf::pending(|| "from the listener".into());
        shown.borrow_mut().push(what);
    };
    reactor::leaf::listen(&mut listener, || {
        reactor::leaf::pending(|| "first".into());
        reactor::leaf::pending(|| "second".into());
        let mut other = Vec::new();
        reactor::leaf::listen(&mut |what| other.push(what), || reactor::leaf::pending(|| "inner".into()));
        assert_eq!(other, ["inner"]);
        reactor::leaf::pending(|| "third".into());
    });
    assert!(!reactor::leaf::is_asked());
    assert_eq!(shown.into_inner(), ["first", "second", "third"]);
}

#[test]
#[ignore = "a test below runs it"]
fn flood_child() {
    let runtime = Runtime::builder().slow_poll(ms(LIMIT)).build().unwrap();
    runtime.block_on(async {
        // Many polls in one tick of the clock, so the clock is not read for each of them.
        for _ in 0..20_000 {
            spawn(async {});
        }
        named("drowned").spawn(async { hold_the_thread(LONG) });
        for _ in 0..20_000 {
            spawn(async {});
        }
        // After a tick, each poll is timed again.
        spawn(async { hold_the_thread(20) });
        for _ in 0..40 {
            spawn(async {});
        }
        named("exact").spawn(async { hold_the_thread(LONG) });
        yield_now().await;
    });
}

#[test]
fn a_slow_poll_among_many_quick_ones_is_reported_with_at_most_those_around_it() {
    // A busy machine preempts tasks, which makes them slow, and the clock ticks among the quick ones. Then the child
    // runs again. A wrong report would appear in each run.
    let finds_fault = || catch_unwind(|| flood_is_reported(&super::child(module_path!(), "flood_child"))).is_err();
    if (0..4).all(|_| finds_fault()) {
        flood_is_reported(&super::child(module_path!(), "flood_child"));
    }
}

#[track_caller]
fn flood_is_reported(text: &str) {
    // On a busy machine other tasks are slow too: the one that spawns them, or a preempted one.
    let is_meant = |line: &&str| line.contains(" \"drowned\" ") || line.contains(" \"exact\" ");
    let is_of_flood = |line: &&str| line.starts_with("executor: ") && is_meant(line);
    let lines: Vec<_> = text.lines().filter(is_of_flood).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[1].starts_with("executor: task ") && lines[1].contains(" \"exact\" (spawned at "), "{text}");
    assert!(lines[0].contains(" \"drowned\" (spawned at tests/tests/observe/dump/deadlocks.rs:"), "{text}");
    assert!(lines.iter().all(|line| reported(line).is_some_and(|took| took >= SHOWN)), "{text}");
    assert!(lines[0].matches("(spawned at ").count() <= 3, "the places of the quick ones are two: {text}");
}
