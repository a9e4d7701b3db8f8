//! Invariant 4: a panic reaches the task that joins, and no other. Misuse panics with the line to write instead.

use super::{message, panic_message, panics_on_drop};
use executor::{JoinError, JoinHandle, Runtime, named, spawn, spawn_blocking, spawn_local, yield_now};
use futures_lite::future::pending;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread;
use tests::strict::block_on;
use tests::{Log, dropped_on, within};

// ---- panics (invariant 4) ----

#[test]
fn a_panic_reaches_the_task_that_joins_and_the_others_continue() {
    block_on(async {
        let other = spawn(async {
            for _ in 0..10 {
                yield_now().await;
            }
            "well"
        });
        let task = spawn(async { panic!("number {}", 7) });
        let error = task.await.unwrap_err();
        assert!(error.is_panic() && error.to_string() == "the task panicked: number 7", "{error}");
        assert_eq!(other.await.unwrap(), "well");
        let task: JoinHandle<()> = spawn(async { panic_any(42u8) });
        let Err(JoinError::Panicked(panic)) = task.await else { panic!("it was to panic") };
        assert_eq!(panic.into_inner().downcast_ref(), Some(&42u8));
    });
}

#[test]
fn an_unobserved_panic_reaches_no_other_task() {
    block_on(async {
        drop(spawn(async { panic!("unheard") }));
        yield_now().await;
        yield_now().await;
    });
}

#[test]
fn a_panic_in_a_futures_destructor_is_a_panic_of_its_task() {
    block_on(async {
        for cancel in [false, true] {
            let drops = Log::new();
            let (panics, dropped) = (panics_on_drop("in the destructor"), dropped_on(&drops));
            // A hand-written future: an async block would drop its locals before it is ready.
            struct Fields<A, B>(A, B, bool);
            impl<A, B> Future for Fields<A, B> {
                type Output = i32;
                fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<i32> {
                    if self.2 { Poll::Pending } else { Poll::Ready(1) }
                }
            }
            let task = spawn(Fields(panics, dropped, cancel));
            yield_now().await;
            task.cancel();
            assert_eq!(panic_message(task.await), "in the destructor");
            assert_eq!(drops.len(), 1, "the other field is dropped, too");
        }
    });
}

#[test]
fn a_panic_in_an_outputs_destructor_affects_no_other_task() {
    block_on(async {
        let detached = spawn(async { panics_on_drop("detached") });
        drop(detached);
        let finished = spawn(async { panics_on_drop("finished") });
        yield_now().await;
        assert!(finished.is_finished());
        drop(finished);
        let both = spawn(async { (panics_on_drop("first"), 5) });
        drop(both);
        yield_now().await;
        assert_eq!(spawn(async { 5 }).await.unwrap(), 5);
    });
}

#[test]
fn a_panic_in_the_first_future_leaves_block_on_after_all_destructors_ran() {
    #[derive(Debug, PartialEq)]
    struct Payload(u32);
    let drops = Log::new();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        block_on(async {
            for waits in [true, false] {
                let dropped = dropped_on(&drops);
                drop(spawn(async move {
                    let _dropped = dropped;
                    pending::<()>().await;
                }));
                if waits {
                    yield_now().await;
                }
            }
            let _own = dropped_on(&drops);
            panic_any(Payload(9));
        })
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&Payload(9)));
    assert_eq!(drops.take(), [thread::current().id(); 3]);
    assert_eq!(block_on(async { 1 }), 1, "the thread is as it was");
}

#[test]
fn panics_in_the_destructors_of_tasks_that_are_left_do_not_leave_block_on() {
    let leave_two = || {
        for _ in 0..2 {
            let panics = panics_on_drop("at the end");
            drop(spawn(async move {
                let _panics = panics;
                pending::<()>().await;
            }));
        }
    };
    let output = block_on(async {
        leave_two();
        yield_now().await;
        3
    });
    assert_eq!(output, 3);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        block_on(async {
            leave_two();
            yield_now().await;
            panic!("the first future");
        })
    }));
    assert_eq!(message::<()>(caught), "the first future");
}

#[test]
fn a_runtime_can_be_used_again_after_a_panic() {
    let runtime = Runtime::builder().build().unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { panic!("once") })));
    assert_eq!(message::<()>(caught), "once");
    assert_eq!(runtime.block_on(async { spawn(async { 2 }).await.unwrap() }), 2);
}

// ---- misuse says what to do instead ----

#[test]
fn a_nested_block_on_panics_and_says_what_to_write() {
    let text = block_on(async {
        let task = spawn(async { block_on(async { 1 }) });
        panic_message(task.await)
    });
    assert!(text.contains("inside a runtime") && text.contains(".await"), "{text}");
    assert!(text.contains(file!()), "it names the location: {text}");
}

#[test]
fn spawning_outside_of_a_runtime_panics_and_says_what_to_write() {
    let spawns: [(&str, fn()); 4] = [
        ("executor::spawn ", || drop(spawn(async {}))),
        ("executor::spawn", || drop(spawn_local(async {}))),
        ("executor::spawn_blocking", || drop(spawn_blocking(|| ()))),
        ("executor::spawn", || drop(named("a").spawn(async {}))),
    ];
    for (name, spawns) in spawns {
        let text = message(catch_unwind(spawns));
        assert!(text.contains(name) && text.contains("executor::block_on(async {"), "{text}");
        assert!(text.contains(file!()), "it names the location: {text}");
    }
}

#[test]
fn a_runtime_cannot_run_on_two_threads_at_once() {
    within(20, || {
        let runtime = Arc::new(Runtime::builder().build().unwrap());
        let (started, has_started) = mpsc::channel();
        let (send, receive) = async_channel::bounded::<()>(1);
        let other = thread::spawn({
            let runtime = runtime.clone();
            move || {
                runtime.block_on(async {
                    started.send(()).unwrap();
                    receive.recv().await.unwrap();
                })
            }
        });
        has_started.recv().unwrap();
        let text = message(catch_unwind(AssertUnwindSafe(|| runtime.block_on(async {}))));
        assert!(text.contains("runs on another thread"), "{text}");
        send.send_blocking(()).unwrap();
        other.join().unwrap();
        runtime.block_on(async {});
    });
}
