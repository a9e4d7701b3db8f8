//! Tasks, through the public face: invariants 1 to 4, 7 and 9, and what 10 promises of them.
//!
//! They are: (1) a wake is never lost and never runs a task twice; (2) a future is dropped once, on
//! the right thread, at its end; (3) `cancel` works at any moment, and the handle resolves after the
//! drop; (4) a panic reaches whoever joins and nobody else; (7) no task starves the rest; (9) wakers
//! outlive everything. The interleavings that a stress loop only hopes to meet are in `loom.rs`.

mod strict;

use executor::net::UnixStream;
use executor::task::{Finish, Runnable, Schedule, TaskRef, spawn_with};
use executor::time::{Duration, Instant, now, sleep};
use executor::{JoinError, JoinHandle, Runtime, named, spawn, spawn_blocking, spawn_local, yield_now};
use futures_lite::future::{pending, poll_fn, poll_once};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use strict::block_on;
use tests::kit::Guarded;
use tests::{Counting, Log, OnDrop, dropped_on, eventually, poll_with, within};

/// Pending for ever; leaves a waker in the log at each poll.
async fn park(wakers: Log<Waker>) {
    poll_fn(|cx| {
        wakers.push(cx.waker().clone());
        Poll::Pending
    })
    .await
}

/// What a panic said.
fn message<T>(caught: Result<T, Box<dyn std::any::Any + Send>>) -> String {
    let payload = caught.map(drop).expect_err("it was to panic");
    let literal = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal.or_else(|| payload.downcast_ref::<String>().cloned()).expect("the payload is a message")
}

fn panic_message<T>(joined: Result<T, JoinError>) -> String {
    match joined.map(drop) {
        Err(JoinError::Panicked(panic)) => panic.message().expect("the payload is a message").to_owned(),
        other => panic!("it was to panic: {other:?}"),
    }
}

/// A flag that a destructor or a poll may set.
fn flag() -> (Rc<Cell<bool>>, Rc<Cell<bool>>) {
    let flag = Rc::new(Cell::new(false));
    (flag.clone(), flag)
}

// ---- cancelling (invariant 3) ----

#[test]
fn a_task_cancelled_while_queued_is_dropped_without_a_poll() {
    block_on(async {
        let (polled, poll) = flag();
        let drops = Log::new();
        let task = spawn_local({
            let dropped = dropped_on(&drops);
            async move {
                let _dropped = dropped;
                poll.set(true);
            }
        });
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!polled.get());
        assert_eq!(drops.take(), [thread::current().id()]);
    });
}

#[test]
fn a_task_that_cancels_itself_ends_at_its_next_await() {
    block_on(async {
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let steps = Log::new();
        let task = spawn_local({
            let (own, steps) = (own.clone(), steps.clone());
            async move {
                let _dropped = OnDrop::new(|| steps.push("dropped"));
                own.borrow().as_ref().unwrap().cancel();
                steps.push("cancelled");
                yield_now().await;
                steps.push("never");
            }
        });
        *own.borrow_mut() = Some(task);
        yield_now().await;
        yield_now().await;
        let task = own.borrow_mut().take().unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(steps.take(), ["cancelled", "dropped"]);
    });
}

#[test]
fn a_task_that_cancels_itself_and_finishes_in_the_same_poll_is_finished() {
    block_on(async {
        let own: Rc<RefCell<Option<JoinHandle<i32>>>> = Rc::default();
        let task = spawn_local({
            let own = own.clone();
            async move {
                own.borrow().as_ref().unwrap().cancel();
                7
            }
        });
        *own.borrow_mut() = Some(task);
        yield_now().await;
        let task = own.borrow_mut().take().unwrap();
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn a_sleeping_task_is_cancelled_where_it_waits() {
    block_on(async {
        let drops = Log::new();
        let wakers = Log::new();
        let task = spawn({
            let (dropped, wakers) = (dropped_on(&drops), wakers.clone());
            async move {
                let _dropped = dropped;
                park(wakers).await;
            }
        });
        yield_now().await;
        assert_eq!(wakers.len(), 1);
        task.cancel();
        task.cancel(); // asking twice is asking once
        assert_eq!(drops.len(), 0, "a future is dropped by its runner, not inside of `cancel`");
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(drops.len(), 1);
        assert_eq!(wakers.len(), 1, "it was polled after it was cancelled");
    });
}

#[test]
fn a_finished_task_stays_finished_when_it_is_cancelled() {
    block_on(async {
        let task = spawn(async { 5 });
        yield_now().await;
        assert!(task.is_finished());
        task.cancel();
        assert_eq!(task.await.unwrap(), 5);
    });
}

#[test]
fn a_local_task_cancelled_from_another_thread_is_dropped_at_home() {
    within(20, || {
        let home = thread::current().id();
        block_on(async move {
            let drops = Log::new();
            let local = Rc::new(dropped_on(&drops)); // must not leave this thread
            let task = spawn_local(async move {
                let _local = local;
                pending::<()>().await;
            });
            yield_now().await;
            let task = spawn_blocking(move || {
                task.cancel();
                task
            });
            assert!(task.await.unwrap().await.unwrap_err().is_cancelled());
            assert_eq!(drops.take(), [home]);
        });
    });
}

#[test]
fn a_handle_resolves_after_the_futures_destructor_ran() {
    // Whether it finishes, is cancelled or panics.
    for how in ["ready", "cancelled", "panicked"] {
        block_on(async {
            let steps = Log::new();
            let task = spawn({
                let steps = steps.clone();
                async move {
                    let _dropped = OnDrop::new(move || steps.push("dropped"));
                    yield_now().await;
                    match how {
                        "ready" => yield_now().await,
                        "cancelled" => pending().await,
                        _ => panic!("on purpose"),
                    }
                }
            });
            let joiner = spawn({
                let steps = steps.clone();
                async move {
                    let mut task = task;
                    assert!(poll_once(&mut task).await.is_none());
                    if how == "cancelled" {
                        task.cancel();
                    }
                    let joined = task.await;
                    steps.push("joined");
                    joined
                }
            });
            let joined = joiner.await.unwrap();
            assert_eq!(steps.take(), ["dropped", "joined"], "{how}");
            let as_it_should = match joined {
                Ok(()) => how == "ready",
                Err(JoinError::Cancelled) => how == "cancelled",
                Err(JoinError::Panicked(_)) => how == "panicked",
            };
            assert!(as_it_should, "{how}");
        });
    }
}

#[test]
fn a_dropped_handle_lets_its_task_go_on_and_the_output_is_dropped_once() {
    block_on(async {
        let steps = Log::new();
        for drop_at in ["queued", "waiting", "finished"] {
            let task = spawn({
                let steps = steps.clone();
                async move {
                    yield_now().await;
                    yield_now().await;
                    steps.push("ran");
                    OnDrop::new(move || steps.push("output dropped"))
                }
            });
            for _ in 0..["queued", "waiting", "finished"].iter().position(|at| *at == drop_at).unwrap() * 2 {
                yield_now().await;
            }
            drop(task);
            for _ in 0..4 {
                yield_now().await;
            }
            assert_eq!(steps.take(), ["ran", "output dropped"], "dropped while {drop_at}");
        }
    });
}

#[test]
fn a_handle_may_be_awaited_by_one_task_after_another() {
    // The waker that it was given last is the one that counts.
    block_on(async {
        let (send, receive) = async_channel::bounded::<()>(1);
        let mut task = spawn(async move { receive.recv().await.unwrap() });
        let first = spawn(async move {
            assert!(poll_once(&mut task).await.is_none());
            Some(task)
        });
        let task = first.await.unwrap().unwrap();
        let second = spawn(async move { task.await.unwrap() });
        yield_now().await;
        send.send(()).await.unwrap();
        second.await.unwrap();
    });
}

#[test]
fn a_handle_may_be_awaited_outside_of_any_runtime() {
    within(20, || {
        let (give, take) = mpsc::channel();
        let runtime = thread::spawn(move || {
            // Only the other thread wakes anything in here, which is a deadlock until it does.
            executor::block_on(async move {
                let (send, receive) = async_channel::bounded::<()>(1);
                give.send((spawn(async move { receive.recv().await.map(|()| 3) }), send)).unwrap();
                pending::<()>().await;
            })
        });
        let (mut task, send) = take.recv().unwrap();
        let counting = Counting::new();
        assert!(poll_with(&counting.waker(), &mut task).is_pending());
        send.send_blocking(()).unwrap();
        assert_eq!(futures_lite::future::block_on(task).unwrap().unwrap(), 3);
        drop(runtime); // it waits for ever, on its own
    });
}

#[test]
fn awaiting_a_handle_again_is_a_panic_that_says_so() {
    block_on(async {
        let mut task = spawn(async { 1 });
        assert_eq!((&mut task).await.unwrap(), 1);
        let again = catch_unwind(AssertUnwindSafe(|| poll_with(Waker::noop(), &mut task)));
        assert!(message(again).contains("awaited again"));
    });
}

// ---- the end of a runtime (invariant 2) ----

#[test]
fn tasks_that_are_left_are_dropped_once_on_this_thread_before_block_on_returns() {
    within(20, || {
        let drops = Log::new();
        let wakers = Log::new();
        let (send, receive) = async_channel::bounded::<()>(1);
        block_on(async {
            let waiting: [Pin<Box<dyn Future<Output = ()> + Send>>; 5] = [
                Box::pin(sleep(Duration::from_secs(3600))),
                Box::pin(async move { receive.recv().await.unwrap() }),
                Box::pin(park(wakers.clone())),
                Box::pin(async {
                    loop {
                        yield_now().await;
                    }
                }),
                Box::pin(async { drop(spawn(pending::<()>()).await) }),
            ];
            for future in waiting {
                let dropped = dropped_on(&drops);
                drop(spawn(async move {
                    let _dropped = dropped;
                    future.await;
                }));
            }
            yield_now().await;
            yield_now().await;
            let dropped = dropped_on(&drops);
            drop(spawn_local(async move { drop(dropped) })); // still queued when block_on ends
            assert_eq!(drops.len(), 0);
        });
        assert_eq!(drops.take(), [thread::current().id(); 6]);
        for waker in wakers.take() {
            waker.wake();
        }
        assert!(send.try_send(()).is_err(), "the receiver is gone");
        assert_eq!(drops.len(), 0);
    });
}

#[test]
fn a_task_that_is_left_may_borrow_what_the_first_future_does_not_own() {
    // The future of block_on itself may borrow; it is dropped before block_on returns, also when
    // it is kept alive by nothing but a waker.
    let text = String::from("borrowed");
    let wakers = Log::new();
    let length = block_on(async {
        poll_fn(|cx| {
            wakers.push(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
        let view: &str = &text;
        yield_now().await;
        view.len()
    });
    drop(text);
    assert_eq!(length, 8);
    wakers.take().into_iter().for_each(Waker::wake);
}

#[test]
fn tasks_spawned_by_destructors_during_the_end_are_ended_as_well() {
    /// A task that waits for ever, and whose destructor leaves another such, so many times.
    fn leave(generations: usize, drops: Log<thread::ThreadId>) {
        let dropped = OnDrop::new(move || {
            drops.push(thread::current().id());
            if generations > 1 {
                leave(generations - 1, drops);
            }
        });
        drop(spawn(async move {
            let _dropped = dropped;
            pending::<()>().await;
        }));
    }
    within(20, || {
        let drops = Log::new();
        block_on(async {
            leave(6, drops.clone());
            yield_now().await;
        });
        assert_eq!(drops.take(), [thread::current().id(); 6]);
    });
}

#[test]
fn a_task_spawned_by_a_destructor_that_never_stops_yielding_does_not_hold_up_the_end() {
    let polls = Arc::new(AtomicUsize::new(0));
    block_on(async {
        let polls = polls.clone();
        drop(spawn(async move {
            let _spawns = OnDrop::new(move || {
                drop(spawn(async move {
                    // So many are as good as for ever.
                    while polls.fetch_add(1, Ordering::Relaxed) < 100_000 {
                        yield_now().await;
                    }
                }));
            });
            pending::<()>().await;
        }));
        yield_now().await;
    });
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls < 1000, "it was run {polls} times before it was cancelled");
}

#[test]
fn a_destructor_may_wake_cancel_and_spawn_blocking_during_the_end() {
    within(20, || {
        let wakers = Log::new();
        let called = Arc::new(AtomicBool::new(false));
        block_on(async {
            for _ in 0..3 {
                let other = spawn(park(wakers.clone()));
                let (wakers, called) = (wakers.clone(), called.clone());
                drop(spawn(async move {
                    let _acts = OnDrop::new(move || {
                        other.cancel();
                        wakers.take().into_iter().for_each(Waker::wake);
                        spawn_blocking(move || called.store(true, Ordering::SeqCst)).cancel();
                    });
                    pending::<()>().await;
                }));
            }
            yield_now().await;
        });
        wakers.take().into_iter().for_each(Waker::wake);
    });
}

#[test]
fn a_runtime_runs_one_future_after_another() {
    within(20, || {
        let runtime = Runtime::builder().build().unwrap();
        let wakers = Log::new();
        for round in 0..100 {
            let got = runtime.block_on(async {
                drop(spawn(park(wakers.clone())));
                let task = spawn(async move { round });
                let waker_of_the_last_round = wakers.take();
                thread::spawn(move || waker_of_the_last_round.into_iter().for_each(Waker::wake));
                sleep(Duration::from_micros(10)).await;
                task.await.unwrap()
            });
            assert_eq!(got, round);
        }
    });
}

// ---- panics (invariant 4) ----

#[test]
fn a_panic_reaches_the_joiner_and_the_others_go_on() {
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
fn a_panic_nobody_joins_reaches_nobody() {
    block_on(async {
        drop(spawn(async { panic!("unheard") }));
        yield_now().await;
        yield_now().await;
    });
}

fn panics_on_drop(text: &'static str) -> OnDrop<impl FnOnce() + Send> {
    OnDrop::new(move || panic!("{text}"))
}

#[test]
fn a_panic_in_a_futures_destructor_is_the_tasks_own() {
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
            assert_eq!(drops.len(), 1, "the other field is dropped all the same");
        }
    });
}

#[test]
fn a_panic_in_an_outputs_destructor_disturbs_nobody() {
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
fn a_panic_in_the_first_future_comes_out_with_its_payload_after_all_destructors_ran() {
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
fn a_runtime_goes_on_after_a_panic() {
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
    assert!(text.contains("from inside of a runtime") && text.contains(".await"), "{text}");
    assert!(text.contains("tasks.rs"), "it names the place: {text}");
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
        assert!(text.contains("tasks.rs"), "it names the place: {text}");
    }
}

#[test]
fn a_runtime_that_runs_elsewhere_is_busy() {
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

// ---- wakers (invariants 1 and 9) ----

#[test]
fn a_waker_outlives_its_runtime() {
    within(20, || {
        let wakers = Log::new();
        let drops = Log::new();
        block_on(async {
            let (dropped, wakers) = (dropped_on(&drops), wakers.clone());
            drop(spawn(async move {
                let _dropped = dropped;
                park(wakers).await;
            }));
            yield_now().await;
        });
        assert_eq!(drops.len(), 1, "the future went with its runtime, not with its waker");
        let waker = wakers.take().remove(0);
        let clone = waker.clone();
        assert!(waker.will_wake(&clone));
        waker.wake_by_ref();
        waker.wake_by_ref(); // twice
        waker.wake();
        thread::spawn(move || {
            clone.wake_by_ref();
            drop(clone); // the last one, on another thread
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_wake_from_inside_another_runtime_runs_the_task_at_home() {
    within(20, || {
        let (give, take) = mpsc::channel::<Waker>();
        let other =
            thread::spawn(move || block_on(async move { spawn(async move { take.recv().unwrap().wake() }).await }));
        let home = thread::current().id();
        executor::block_on(async {
            let mut polls = 0;
            let local = spawn_local(poll_fn(move |cx| {
                assert_eq!(thread::current().id(), home);
                polls += 1;
                if polls == 1 {
                    give.send(cx.waker().clone()).unwrap();
                    return Poll::Pending;
                }
                Poll::Ready(())
            }));
            local.await.unwrap();
        });
        other.join().unwrap().unwrap();
    });
}

#[test]
fn two_wakes_before_a_poll_are_one_poll() {
    block_on(async {
        let wakers = Log::new();
        drop(spawn(park(wakers.clone())));
        yield_now().await;
        let waker = wakers.take().remove(0);
        for _ in 0..3 {
            waker.wake_by_ref();
        }
        waker.wake();
        yield_now().await;
        yield_now().await;
        assert_eq!(wakers.len(), 1);
    });
}

#[test]
fn a_wake_during_the_poll_leads_to_another_poll() {
    block_on(async {
        let polls = Rc::new(Cell::new(0));
        let task = spawn_local({
            let polls = polls.clone();
            poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                cx.waker().wake_by_ref();
                let by_value = cx.waker().clone();
                by_value.wake();
                if polls.get() == 3 { Poll::Ready(()) } else { Poll::Pending }
            })
        });
        task.await.unwrap();
        assert_eq!(polls.get(), 3);
    });
}

#[test]
fn a_finished_task_is_never_polled_again() {
    block_on(async {
        let kept: Log<Waker> = Log::new();
        let task = spawn({
            let kept = kept.clone();
            let mut over = false;
            poll_fn(move |cx| {
                assert!(!over, "polled after it was ready");
                over = true;
                kept.push(cx.waker().clone());
                cx.waker().wake_by_ref(); // as it finishes
                Poll::Ready(())
            })
        });
        task.await.unwrap();
        kept.take().into_iter().for_each(Waker::wake);
        yield_now().await;
        yield_now().await;
    });
}

#[test]
fn a_destructor_may_wake_its_own_task() {
    block_on(async {
        for cancel in [false, true] {
            let wakers = Log::new();
            let task = spawn({
                let wakers = wakers.clone();
                async move {
                    let _wakes = OnDrop::new({
                        let wakers = wakers.clone();
                        move || wakers.take().into_iter().for_each(Waker::wake)
                    });
                    poll_once(park(wakers)).await;
                    if cancel {
                        pending::<()>().await;
                    }
                }
            });
            yield_now().await;
            task.cancel();
            assert_eq!(task.await.is_ok(), !cancel);
            yield_now().await;
        }
    });
}

#[test]
fn the_last_waker_frees_the_task_wherever_it_is_dropped() {
    struct Nowhere(#[allow(dead_code)] OnDrop<Box<dyn FnOnce() + Send + Sync>>);
    impl Schedule for Nowhere {
        fn schedule(self: &Arc<Self>, task: Runnable) {
            drop(task.run());
        }
    }
    let freed = Log::new();
    let drops = Log::new();
    let scheduler = Arc::new(Nowhere(OnDrop::new(Box::new({
        let freed = freed.clone();
        move || freed.push(thread::current().id())
    }))));
    let wakers = Log::new();
    let (task, handle) = spawn_with(
        {
            let (wakers, dropped) = (wakers.clone(), dropped_on(&drops));
            async move {
                let _dropped = dropped;
                poll_once(park(wakers)).await;
            }
        },
        scheduler, // the task's reference is the only one
    );
    assert!(task.run().is_none());
    drop(handle);
    assert_eq!((drops.len(), freed.len()), (1, 0), "the future goes at its end, the memory with the last waker");
    let waker = wakers.take().remove(0);
    let other = thread::spawn(move || drop(waker));
    let other_id = other.thread().id();
    other.join().unwrap();
    assert_eq!(freed.take(), [other_id]);
}

#[test]
fn wakes_from_other_threads_while_the_runtime_ends_are_safe() {
    within(60, || {
        for round in 0..300 {
            let drops = Log::new();
            let wakers = Log::new();
            let stop = Arc::new(AtomicBool::new(false));
            let start = Arc::new(Barrier::new(3));
            let wakes: Vec<_> = (0..2)
                .map(|_| {
                    let (wakers, stop, start) = (wakers.clone(), stop.clone(), start.clone());
                    thread::spawn(move || {
                        start.wait();
                        let kept: Vec<Waker> = wakers.take();
                        while !stop.load(Ordering::Relaxed) {
                            kept.iter().for_each(Waker::wake_by_ref);
                        }
                    })
                })
                .collect();
            block_on(async {
                for _ in 0..20 {
                    let (dropped, wakers) = (dropped_on(&drops), wakers.clone());
                    let mut first = true;
                    let parked = poll_fn(move |cx| {
                        if std::mem::take(&mut first) {
                            wakers.push(cx.waker().clone());
                        }
                        Poll::<()>::Pending
                    });
                    drop(spawn(async move {
                        let _dropped = dropped;
                        parked.await;
                    }));
                }
                yield_now().await;
                start.wait();
                for _ in 0..round % 7 {
                    yield_now().await;
                }
            });
            assert_eq!(drops.take(), [thread::current().id(); 20]);
            stop.store(true, Ordering::Relaxed);
            wakes.into_iter().for_each(|thread| thread.join().unwrap());
        }
    });
}

#[test]
fn no_wake_of_a_storm_from_four_threads_is_lost() {
    // Each thread writes a number and wakes, and goes on when the task has answered it: the first
    // wake that is lost stops the test.
    within(60, || {
        const ROUNDS: usize = 10_000;
        #[derive(Default)]
        struct Line {
            asked: AtomicUsize,
            answered: AtomicUsize,
            waker: Mutex<Option<Waker>>,
        }
        let lines: Vec<Arc<Line>> = (0..4).map(|_| Arc::default()).collect();
        let askers: Vec<_> = lines
            .iter()
            .cloned()
            .map(|line| {
                thread::spawn(move || {
                    for round in 1..=ROUNDS {
                        line.asked.store(round, Ordering::Release);
                        if let Some(waker) = &*line.waker.lock().unwrap() {
                            waker.wake_by_ref();
                        }
                        while line.answered.load(Ordering::Acquire) < round {
                            std::hint::spin_loop();
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        executor::block_on(async {
            let tasks: Vec<_> = lines
                .into_iter()
                .map(|line| {
                    spawn(poll_fn(move |cx| {
                        line.waker.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
                        let asked = line.asked.load(Ordering::Acquire);
                        line.answered.store(asked, Ordering::Release);
                        if asked == ROUNDS { Poll::Ready(()) } else { Poll::Pending }
                    }))
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        askers.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_storm_of_wakes_at_one_task_ends_with_a_poll_that_sees_the_last() {
    within(60, || {
        const EACH: usize = 50_000;
        let counted = Arc::new(AtomicUsize::new(0));
        let (give, take) = mpsc::channel::<Waker>();
        let start = Arc::new(Barrier::new(4));
        let threads = thread::spawn({
            let counted = counted.clone();
            move || {
                let waker = take.recv().unwrap();
                let wakes: Vec<_> = (0..4)
                    .map(|_| {
                        let (waker, counted, start) = (waker.clone(), counted.clone(), start.clone());
                        thread::spawn(move || {
                            start.wait();
                            for _ in 0..EACH {
                                counted.fetch_add(1, Ordering::Relaxed); // the wake itself orders it
                                waker.wake_by_ref();
                            }
                        })
                    })
                    .collect();
                wakes.into_iter().for_each(|thread| thread.join().unwrap());
            }
        });
        let mut given = false;
        executor::block_on(poll_fn(|cx| {
            if !std::mem::replace(&mut given, true) {
                give.send(cx.waker().clone()).unwrap();
            }
            if counted.load(Ordering::Relaxed) == 4 * EACH { Poll::Ready(()) } else { Poll::Pending }
        }));
        threads.join().unwrap();
    });
}

// ---- order and fairness (invariant 7) ----

#[test]
fn tasks_run_in_the_order_in_which_they_became_ready() {
    block_on(async {
        let order = Log::new();
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                let order = order.clone();
                spawn(async move {
                    order.push((0, n));
                    yield_now().await;
                    order.push((1, n));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let expected: Vec<_> = (0..2).flat_map(|round| (0..50).map(move |n| (round, n))).collect();
        assert_eq!(order.take(), expected);
    });
}

#[test]
fn what_becomes_ready_during_a_pass_runs_in_the_next() {
    block_on(async {
        let order = Log::new();
        let spawns = spawn({
            let order = order.clone();
            async move {
                order.push("a");
                let child = spawn({
                    let order = order.clone();
                    async move { order.push("child of a") }
                });
                child.await.unwrap();
            }
        });
        let other = spawn({
            let order = order.clone();
            async move { order.push("b") }
        });
        spawns.await.unwrap();
        other.await.unwrap();
        assert_eq!(order.take(), ["a", "b", "child of a"]);
    });
}

/// A task that is ready again at once, always.
fn busy() -> JoinHandle<()> {
    spawn(async {
        loop {
            yield_now().await;
        }
    })
}

#[test]
fn a_task_that_always_wakes_itself_does_not_starve_a_timer() {
    within(20, || {
        block_on(async {
            let busy = busy();
            let start = Instant::now();
            sleep(Duration::from_millis(5)).await;
            assert!(start.elapsed() >= Duration::from_millis(5));
            busy.cancel();
        });
    });
}

#[test]
fn a_task_that_always_wakes_itself_does_not_starve_a_socket() {
    within(20, || {
        block_on(async {
            let busy = busy();
            let (mut theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
            let ours = UnixStream::from_std(ours).unwrap();
            let reader = spawn(async move { ours.read(&mut [0; 8]).await.unwrap() });
            for _ in 0..200 {
                yield_now().await;
            }
            theirs.write_all(b"x").unwrap();
            assert_eq!(reader.await.unwrap(), 1);
            busy.cancel();
        });
    });
}

#[test]
fn a_task_that_always_wakes_itself_does_not_starve_another_thread() {
    within(20, || {
        block_on(async {
            let busy = busy();
            let (give, take) = mpsc::channel::<Waker>();
            let thread = thread::spawn(move || take.recv().unwrap().wake());
            let mut polls = 0;
            let waits = spawn(poll_fn(move |cx| {
                polls += 1;
                if polls == 1 {
                    give.send(cx.waker().clone()).unwrap();
                    return Poll::Pending;
                }
                Poll::Ready(()) // nobody but the thread can have woken it
            }));
            waits.await.unwrap();
            busy.cancel();
            thread.join().unwrap();
        });
    });
}

#[test]
fn many_tasks_that_always_wake_themselves_do_not_starve_a_timer() {
    within(20, || {
        block_on(async {
            let all: Vec<_> = (0..1000).map(|_| busy()).collect();
            let start = Instant::now();
            sleep(Duration::from_millis(5)).await;
            let late = start.elapsed() - Duration::from_millis(5);
            // A pass of a thousand polls lies between two looks at the timers, not more.
            assert!(late < Duration::from_millis(100), "{late:?} late");
            all.iter().for_each(JoinHandle::cancel);
        });
    });
}

// ---- blocking calls ----

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
                        meet.wait(); // nobody passes unless so many run at once
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
            // The thread is idle a moment after its call is joined, so a call may just miss it.
            sleep(Duration::from_millis(1)).await;
            spawn_blocking(|| ()).await.unwrap();
        }
        let threads = tests::thread_names().into_iter().filter(|name| name.starts_with("executor-block")).count();
        assert!((1..10).contains(&threads), "{threads} threads for one call after the other");
    });
}

#[test]
fn an_idle_thread_is_used_again() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--exact", "idle_thread_child", "--ignored"]).output().unwrap();
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
            let output = spawn_blocking(|| panics_on_drop("the output nobody took"));
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
fn a_blocking_call_that_has_begun_ends_as_it_ends() {
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
        // It returned though the first call goes on.
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
fn a_virtual_clock_stands_still_while_a_blocking_call_is_under_way() {
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

// ---- what a task is called ----

#[test]
fn tasks_are_numbered_in_the_order_of_their_spawning_and_say_what_they_are() {
    block_on(async {
        let first = spawn(pending::<()>());
        let second = named("second").spawn(pending::<()>());
        assert_eq!((first.id().0, second.id().0), (2, 3));
        assert_eq!((first.name(), second.name()), (None, Some("second")));
        let text = format!("{second:?}");
        assert!(text.starts_with("task 3 `second` (queued, spawned at ") && text.contains("tasks.rs:"), "{text}");
        yield_now().await;
        assert!(format!("{first:?}").contains("(suspended"));
        first.cancel();
        assert!(format!("{first:?}").contains("(queued"));
        yield_now().await;
        assert!(format!("{first:?}").contains("(cancelled"));
    });
}

// ---- a student's executor (the seam `Schedule`) ----

/// Several threads that take tasks from one queue.
#[derive(Default)]
struct Shared {
    ready: Mutex<VecDeque<Runnable>>,
    work: Condvar,
    over: AtomicBool,
    finished: [AtomicUsize; 3],
}

impl Schedule for Shared {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        self.ready.lock().unwrap().push_back(task);
        self.work.notify_one();
    }

    fn finished(self: &Arc<Self>, _: TaskRef<'_>, how: Finish) {
        self.finished[how as usize].fetch_add(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn spawn<F>(self: &Arc<Self>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (task, handle) = spawn_with(future, self.clone());
        self.schedule(task);
        handle
    }

    fn work(self: &Arc<Self>) {
        loop {
            let mut ready = self.ready.lock().unwrap();
            let task = loop {
                match ready.pop_front() {
                    Some(task) => break task,
                    None if self.over.load(Ordering::SeqCst) => return,
                    None => ready = self.work.wait(ready).unwrap(),
                }
            };
            drop(ready);
            if let Some(again) = task.run() {
                self.schedule(again);
            }
        }
    }

    /// Runs `future` while `threads` threads do the work.
    fn run<F>(threads: usize, make: impl FnOnce(Arc<Shared>) -> F) -> Arc<Shared>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let shared = Arc::new(Shared::default());
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || shared.work())
            })
            .collect();
        futures_lite::future::block_on(shared.spawn(make(shared.clone()))).unwrap();
        shared.over.store(true, Ordering::SeqCst);
        drop(shared.ready.lock().unwrap());
        shared.work.notify_all();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        shared
    }
}

#[test]
fn a_students_executor_with_several_threads_runs_the_same_tasks() {
    within(60, || {
        const TASKS: usize = 200;
        const MESSAGES: usize = 100;
        let drops = Arc::new(AtomicUsize::new(0));
        let shared = Shared::run(4, {
            let drops = drops.clone();
            move |shared| async move {
                // A ring: each task passes on what it gets, one more each time.
                let channels: Vec<_> = (0..TASKS).map(|_| async_channel::bounded::<usize>(2)).collect();
                let tasks: Vec<_> = (0..TASKS)
                    .map(|n| {
                        let (receive, send) = (channels[n].1.clone(), channels[(n + 1) % TASKS].0.clone());
                        let passes = async move {
                            for _ in 0..MESSAGES {
                                let message = receive.recv().await.unwrap();
                                yield_now().await;
                                send.send(message + 1).await.unwrap();
                            }
                        };
                        shared.spawn(Guarded::new(passes, &drops))
                    })
                    .collect();
                for (send, _) in channels.iter().step_by(TASKS / 10) {
                    send.send(0).await.unwrap(); // ten messages go round and round
                }
                // Each task has passed on `MESSAGES` when all have made `MESSAGES / 10` rounds.
                for task in tasks {
                    task.await.unwrap();
                }
                let mut left = 0;
                for (_, receive) in &channels {
                    while let Ok(message) = receive.try_recv() {
                        left += 1;
                        assert!(message >= MESSAGES / 10 * TASKS - TASKS, "{message}");
                    }
                }
                assert_eq!(left, 10);
            }
        });
        assert_eq!(drops.load(Ordering::SeqCst), TASKS);
        assert_eq!(shared.finished[Finish::Ready as usize].load(Ordering::SeqCst), TASKS + 1);
    });
}

#[test]
fn wakes_cancels_and_joins_from_all_threads_at_once_end_every_task_once() {
    within(60, || {
        const TASKS: usize = 5000;
        let drops = Arc::new(AtomicUsize::new(0));
        let shared = Shared::run(4, {
            let drops = drops.clone();
            move |shared| async move {
                let wakers: Log<Waker> = Log::new();
                let mut joining = Vec::new();
                for n in 0..TASKS {
                    let mut polls = 0;
                    let kept = wakers.clone();
                    let task = poll_fn(move |cx| {
                        polls += 1;
                        kept.push(cx.waker().clone());
                        match n % 5 {
                            0 if polls == 3 => panic!("on purpose"),
                            1 if polls == 3 => Poll::Ready(n),
                            2 => Poll::Ready(n),
                            _ => Poll::Pending,
                        }
                    });
                    let task = shared.spawn(Guarded::new(task, &drops));
                    joining.push(shared.spawn(async move {
                        let mut task = task;
                        if n % 3 == 0
                            && let Some(joined) = poll_once(&mut task).await
                        {
                            return Some(joined);
                        }
                        if n % 5 >= 3 {
                            task.cancel();
                        }
                        if n % 7 == 6 {
                            return None; // dropped: detached
                        }
                        Some(task.await)
                    }));
                    if n % 4 == 0 {
                        wakers.take().into_iter().for_each(Waker::wake);
                    }
                }
                let wakes = shared.spawn({
                    let wakers = wakers.clone();
                    async move {
                        loop {
                            wakers.take().into_iter().for_each(Waker::wake);
                            yield_now().await;
                        }
                    }
                });
                for (n, joining) in joining.into_iter().enumerate() {
                    let Some(joined) = joining.await.unwrap() else { continue };
                    match joined {
                        Ok(output) => assert!(output == n && matches!(n % 5, 1 | 2)),
                        Err(JoinError::Cancelled) => assert!(n % 5 >= 3),
                        Err(JoinError::Panicked(_)) => assert_eq!(n % 5, 0),
                    }
                }
                while drops.load(Ordering::SeqCst) < TASKS {
                    yield_now().await; // the detached ones
                }
                wakes.cancel();
                assert!(wakes.await.unwrap_err().is_cancelled());
                wakers.take().into_iter().for_each(Waker::wake);
            }
        });
        assert_eq!(drops.load(Ordering::SeqCst), TASKS);
        assert_eq!(shared.finished.iter().map(|n| n.load(Ordering::SeqCst)).sum::<usize>(), 2 * TASKS + 2);
    });
}

#[test]
fn a_runnable_that_is_dropped_cancels_its_task_on_this_thread() {
    let drops = Log::new();
    let dropped = dropped_on(&drops);
    let (task, handle) = spawn_with(
        async move {
            let _dropped = dropped;
            pending::<()>().await;
        },
        Arc::new(Shared::default()),
    );
    let thread = thread::spawn(move || drop(task));
    let id = thread.thread().id();
    thread.join().unwrap();
    assert_eq!(drops.take(), [id]);
    assert!(futures_lite::future::block_on(handle).unwrap_err().is_cancelled());
}

#[test]
fn all_of_this_passes_over_poll_too() {
    strict::pass_over_poll(&[]);
}
