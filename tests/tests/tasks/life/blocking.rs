//! Blocking calls and the threads that make them.

use super::{panic_message, panics_on_drop};
use executor::time::{Duration, now, sleep};
use executor::{Runtime, spawn, spawn_blocking, yield_now};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use tests::strict::block_on;
use tests::{Log, dropped_on, eventually, within};

/// The number of this thread in /proc.
fn thread_number() -> String {
    std::fs::read_link("/proc/thread-self").unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

fn thread_is_alive(number: &str) -> bool {
    std::path::Path::new("/proc/self/task").join(number).exists()
}

#[test]
fn as_many_blocking_calls_as_allowed_run_at_once_and_no_more() {
    within(20, || {
        const LIMIT: usize = 3;
        let runtime = Runtime::builder().blocking_threads(LIMIT).build().unwrap();
        runtime.block_on(async {
            let running = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
            let meet = Arc::new(Barrier::new(LIMIT));
            let calls: Vec<_> = (0..8 * LIMIT)
                .map(|_| {
                    let (running, meet) = (running.clone(), meet.clone());
                    spawn_blocking(move || {
                        let now = running.0.fetch_add(1, Ordering::SeqCst) + 1;
                        running.1.fetch_max(now, Ordering::SeqCst);
                        meet.wait(); // returns only if this many calls run at once
                        running.0.fetch_sub(1, Ordering::SeqCst);
                        thread_number()
                    })
                })
                .collect();
            let mut threads = std::collections::HashSet::new();
            for call in calls {
                threads.insert(call.await.unwrap());
            }
            assert!(running.1.load(Ordering::SeqCst) <= LIMIT);
            assert_eq!(threads.len(), LIMIT);
        });
    });
}

/// Runs in a process of its own, whose threads can be counted.
#[test]
#[ignore = "the test below runs it"]
fn idle_thread_child() {
    block_on(async {
        let name = spawn_blocking(|| thread::current().name().map(str::to_owned)).await.unwrap();
        assert_eq!(name.as_deref(), Some("executor-blocking-1"));
        for _ in 0..20 {
            // The thread becomes idle a moment after its call is joined, so a call made at once may not find it.
            sleep(Duration::from_millis(1)).await;
            spawn_blocking(|| ()).await.unwrap();
        }
        let threads = tests::thread_names().into_iter().filter(|name| name.starts_with("executor-block")).count();
        assert!((1..10).contains(&threads), "{threads} threads for one call after the other");
    });
}

#[test]
fn an_idle_thread_is_used_again() {
    let child = tests::alone::test(module_path!(), "idle_thread_child").output().unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn threads_end_when_they_were_idle_for_long_enough_and_when_the_runtime_ends() {
    within(60, || {
        let runtime = Runtime::builder().blocking_keep_alive(Duration::from_millis(20)).build().unwrap();
        runtime.block_on(async {
            let meet = Arc::new(Barrier::new(5));
            let calls: Vec<_> = (0..5)
                .map(|_| {
                    let meet = meet.clone();
                    spawn_blocking(move || {
                        meet.wait();
                        thread_number()
                    })
                })
                .collect();
            for call in calls {
                let number = call.await.unwrap();
                eventually("the end of an idle thread", || !thread_is_alive(&number));
            }
            assert!(spawn_blocking(|| ()).await.is_ok(), "and another one is started on demand");
        });
        let runtime = Runtime::builder().blocking_keep_alive(Duration::from_secs(3600)).build().unwrap();
        let number = runtime.block_on(async { spawn_blocking(thread_number).await.unwrap() });
        eventually("the end of the runtime's threads", || !thread_is_alive(&number));
    });
}

#[test]
fn a_panic_in_a_blocking_call_is_joined_and_costs_no_thread() {
    within(20, || {
        let runtime = Runtime::builder().blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let call = spawn_blocking(|| -> () { panic!("in the call") });
            assert_eq!(panic_message(call.await), "in the call");
            let output = spawn_blocking(|| panics_on_drop("the output that was not taken"));
            drop(output);
            assert_eq!(spawn_blocking(|| 4).await.unwrap(), 4);
        });
    });
}

#[test]
fn a_blocking_call_cancelled_before_it_began_is_never_made() {
    within(20, || {
        let runtime = Runtime::builder().blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (release, released) = mpsc::channel::<()>();
            let first = spawn_blocking(move || released.recv().unwrap());
            let called = Arc::new(AtomicBool::new(false));
            let drops = Log::new();
            let second = spawn_blocking({
                let (called, dropped) = (called.clone(), dropped_on(&drops));
                move || {
                    called.store(true, Ordering::SeqCst);
                    drop(dropped);
                }
            });
            second.cancel();
            release.send(()).unwrap();
            assert!(second.await.unwrap_err().is_cancelled());
            assert!(!called.load(Ordering::SeqCst));
            assert_eq!(drops.len(), 1, "the call is dropped before its handle resolves");
            first.await.unwrap();
        });
    });
}

#[test]
fn a_blocking_call_that_has_begun_is_not_cancelled() {
    within(20, || {
        block_on(async {
            let (began, has_begun) = async_channel::bounded(1);
            let (release, released) = mpsc::channel::<()>();
            let call = spawn_blocking(move || {
                began.send_blocking(()).unwrap();
                released.recv().unwrap();
                6
            });
            has_begun.recv().await.unwrap();
            call.cancel();
            release.send(()).unwrap();
            assert_eq!(call.await.unwrap(), 6);
        });
    });
}

#[test]
fn the_end_of_a_runtime_cancels_the_calls_that_wait_and_leaves_those_that_run() {
    within(20, || {
        let (release, released) = mpsc::channel::<()>();
        let drops = Log::new();
        let ran = Log::new();
        let runtime = Runtime::builder().blocking_threads(1).build().unwrap();
        let handles = runtime.block_on(async {
            let (began, has_begun) = async_channel::bounded(1);
            let first = spawn_blocking({
                let ran = ran.clone();
                move || {
                    began.send_blocking(()).unwrap();
                    released.recv().unwrap();
                    ran.push("first");
                }
            });
            has_begun.recv().await.unwrap();
            let waiting: Vec<_> = (0..3)
                .map(|_| {
                    let (dropped, ran) = (dropped_on(&drops), ran.clone());
                    spawn_blocking(move || {
                        let _dropped = dropped;
                        ran.push("a call that had not begun");
                    })
                })
                .collect();
            (first, waiting)
        });
        // `block_on` has returned although the first call still runs.
        assert_eq!(drops.len(), 3, "calls that had not begun are dropped before block_on returns");
        for waiting in handles.1 {
            assert!(futures_lite::future::block_on(waiting).unwrap_err().is_cancelled());
        }
        release.send(()).unwrap();
        futures_lite::future::block_on(handles.0).unwrap();
        assert_eq!(ran.take(), ["first"]);
    });
}

#[test]
fn a_virtual_clock_does_not_advance_during_a_blocking_call() {
    within(20, || {
        let runtime = Runtime::builder().virtual_clock().build().unwrap();
        runtime.block_on(async {
            let start = now();
            let timer = spawn(async { sleep(Duration::from_secs(1)).await });
            let call = spawn_blocking(|| thread::sleep(Duration::from_millis(20)));
            yield_now().await;
            call.await.unwrap();
            assert_eq!(now(), start);
            timer.await.unwrap();
            assert_eq!(now(), start + Duration::from_secs(1));
        });
    });
}
