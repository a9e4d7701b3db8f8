//! A binary of its own, because a mistake here aborts the whole process: foreign code that panics where the runtime
//! calls it, in wakers, in destructors, and again when the payload of its panic is dropped.
//!
//! Everything else that is to be called is called, and no panic starts while another one unwinds.

use executor::net::UnixStream;
use executor::sync::{Barrier, Condvar, Event, Mutex, Semaphore, broadcast, channel, oneshot, unbounded, watch};
use executor::time::{Duration, Sleep, sleep};
use executor::{JoinError, Runtime, deadline, shield, spawn, spawn_blocking, spawn_local, task_group, yield_now};
use futures_lite::AsyncRead;
use futures_lite::future::{pending, poll_once};
use reactor::Reactor;
use reactor::backend::Simulation;
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use tests::{Counting, Log, OnDrop, poll_with, waker_fn, within};

/// The payload of those panics. Dropping it panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        resume_unwind(Box::new("a payload was dropped"));
    }
}

/// Panics without a message on standard error.
fn explode() {
    resume_unwind(Box::new(Bomb));
}

fn bomb() -> Waker {
    waker_fn(explode)
}

/// Calls `f`, which must unwind with the first panic, that of `explode`, and not with a later one.
#[track_caller]
fn explodes(f: impl FnOnce()) {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("the panic of a waker was lost");
    assert!(panic.is::<Bomb>(), "another panic came up");
    forget(panic);
}

/// Calls `f` while a panic unwinds the stack.
fn while_unwinding(f: impl FnOnce()) {
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _calls = OnDrop::new(f);
        resume_unwind(Box::new("unwinds"));
    }));
    assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"unwinds"));
}

fn simulated() -> Reactor {
    Reactor::with(Box::new(Simulation::new()), None)
}

/// Futures that wait, some of them with a waker that panics. `counting` counts the wakes of the others.
struct Waiting<F> {
    futures: Vec<Pin<Box<F>>>,
    counting: Arc<Counting>,
}

const WAITERS: usize = 40;
/// Positions in the first batch of wakers, in the middle, and in the last batch.
const BOMBS: [usize; 5] = [0, 1, 15, 20, 39];

impl<F: Future> Waiting<F> {
    fn new(mut future: impl FnMut(usize) -> F) -> Waiting<F> {
        let counting = Counting::new();
        let futures = (0..WAITERS).map(|n| {
            let counts = counting.waker();
            // Each waker is distinct, because a source keeps only one of the wakers that wake the same task.
            let waker = if BOMBS.contains(&n) { bomb() } else { waker_fn(move || counts.wake_by_ref()) };
            reactor::budget::reset();
            let mut future = Box::pin(future(n));
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            future
        });
        Waiting { futures: futures.collect(), counting }
    }

    #[track_caller]
    fn all_were_woken(self, what: &str) {
        assert_eq!(self.counting.wakes(), WAITERS - BOMBS.len(), "{what}");
        for mut future in self.futures {
            reactor::budget::reset();
            assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready(), "{what}");
        }
    }
}

// ---- the reactor ----

#[test]
fn all_timers_that_fire_together_wake() {
    let mut reactor = simulated();
    let _entered = reactor.handle().enter();
    let waiting = Waiting::new(|n| sleep(Duration::from_nanos(1 + n as u64 % 2)));
    explodes(|| while reactor.turn(None).unwrap() > 0 {});
    explodes(|| while reactor.turn(None).unwrap() > 0 {});
    waiting.all_were_woken("timers");
    assert_eq!(reactor::cause::current(), None);
}

#[test]
fn all_waiters_at_a_source_wake() {
    let mut reactor = Reactor::new().unwrap();
    let _entered = reactor.handle().enter();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let waiting = Waiting::new(|_| ours.readable());
    let pollers = Waiting::new(|_| {
        let mut ours = ours.clone();
        poll_fn(move |cx| Pin::new(&mut ours).poll_read(cx, &mut [0]))
    });
    drop(theirs);
    explodes(|| while reactor.turn(None).unwrap() > 0 {});
    waiting.all_were_woken("readable");
    pollers.all_were_woken("pollers");
}

#[test]
fn a_sweep_calls_all_pollers() {
    let mut reactor = Reactor::new().unwrap();
    let _entered = reactor.handle().enter();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let pollers = Waiting::new(|_| {
        let mut ours = ours.clone();
        poll_fn(move |cx| Pin::new(&mut ours).poll_read(cx, &mut [0]))
    });
    explodes(|| _ = reactor.turn(None)); // a sweep is due: the source has room for fewer pollers
    assert_eq!(pollers.counting.wakes(), WAITERS - BOMBS.len());
    drop(theirs);
    explodes(|| while reactor.turn(Some(Duration::ZERO)).unwrap() > 0 {}); // the pollers were not forgotten yet
}

#[test]
fn all_waiters_at_a_reactor_that_ends_wake() {
    for unwinding in [false, true] {
        let reactor = Reactor::new().unwrap();
        let _entered = reactor.handle().enter();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let waiting = Waiting::new(|_| ours.readable());
        let timers = Waiting::new(|_| sleep(Duration::from_secs(60)));
        match unwinding {
            true => while_unwinding(|| drop(reactor)),
            false => explodes(|| drop(reactor)),
        }
        assert_eq!(timers.counting.wakes(), WAITERS - BOMBS.len());
        waiting.all_were_woken("sources");
    }
}

#[test]
fn a_runtime_resumes_the_first_panic_of_a_timers_waker_and_can_be_used_again() {
    let runtime = Runtime::builder().virtual_clock().build().unwrap();
    let dropped = Log::new();
    explodes(|| {
        runtime.block_on(async {
            let log = dropped.clone();
            let left = OnDrop::new(move || log.push("a task"));
            spawn_local(async move {
                pending::<()>().await;
                drop(left)
            });
            let mut timers: Vec<Sleep> = (0..3).map(|_| sleep(Duration::from_secs(1))).collect();
            timers.iter_mut().for_each(|timer| assert!(poll_with(&bomb(), timer).is_pending()));
            sleep(Duration::from_secs(2)).await;
        });
    });
    assert_eq!(dropped.take(), ["a task"]);
    runtime.block_on(sleep(Duration::from_secs(1)));
}

// ---- what tasks share ----

#[test]
fn all_waiters_at_a_primitive_wake() {
    let event = Event::new();
    let waiting = Waiting::new(|_| event.wait());
    explodes(|| event.set());
    waiting.all_were_woken("event");

    let semaphore = Semaphore::new(0);
    let waiting = Waiting::new(|_| async { semaphore.acquire().await.forget() });
    explodes(|| semaphore.add_permits(WAITERS));
    waiting.all_were_woken("semaphore");

    let (tx, rx) = watch(0);
    let waiting = Waiting::new(|_| {
        let mut rx = rx.clone();
        async move { rx.changed().await }
    });
    explodes(|| tx.send(1).unwrap());
    waiting.all_were_woken("watch");
    let waiting = Waiting::new(|_| {
        let mut rx = tx.subscribe();
        async move { rx.changed().await }
    });
    explodes(|| drop(tx));
    waiting.all_were_woken("watch without a sender");

    let (tx, _rx) = broadcast(4);
    let waiting = Waiting::new(|_| {
        let mut rx = tx.subscribe();
        async move { rx.recv().await }
    });
    explodes(|| _ = tx.send(7));
    waiting.all_were_woken("broadcast");
    let waiting = Waiting::new(|_| {
        let mut rx = tx.subscribe();
        async move { rx.recv().await }
    });
    explodes(|| drop(tx));
    waiting.all_were_woken("broadcast without a sender");

    let (tx, rx) = unbounded::<u8>();
    let waiting = Waiting::new(|_| rx.recv());
    explodes(|| drop(tx));
    waiting.all_were_woken("channel without a sender");
    let (tx, rx) = channel(1);
    tx.try_send(0).unwrap();
    let waiting = Waiting::new(|n| tx.send(n));
    explodes(|| drop(rx));
    waiting.all_were_woken("channel without a receiver");

    let barrier = Barrier::new(WAITERS + 1);
    let waiting = Waiting::new(|_| barrier.wait());
    explodes(|| assert!(poll_with(Waker::noop(), &mut Box::pin(barrier.wait())).is_ready()));
    waiting.all_were_woken("barrier");
}

#[test]
fn all_waiters_for_a_condition_wake() {
    let (mutex, condition) = (Mutex::new(()), Condvar::new());
    let waiting = Waiting::new(|_| async {
        let guard = mutex.try_lock().expect("the one before has unlocked it");
        drop(condition.wait(guard).await);
    });
    explodes(|| condition.notify_all());
    waiting.all_were_woken("condition");
}

#[test]
fn what_is_handed_over_while_a_panic_unwinds_arrives_and_nothing_aborts() {
    let mutex = Mutex::new(0);
    let guard = mutex.try_lock().unwrap();
    let mut next = Box::pin(mutex.lock());
    assert!(poll_with(&bomb(), &mut next).is_pending());
    while_unwinding(|| drop(guard));
    assert!(poll_with(Waker::noop(), &mut next).is_ready(), "it was not handed over");

    let semaphore = Semaphore::new(1);
    let permit = semaphore.try_acquire().unwrap();
    let (mut given, last) = (Box::pin(semaphore.acquire()), Box::pin(semaphore.acquire()));
    let mut last = last;
    assert!(poll_with(Waker::noop(), &mut given).is_pending());
    assert!(poll_with(&bomb(), &mut last).is_pending());
    drop(permit);
    while_unwinding(|| drop(given)); // it goes to the next
    assert!(poll_with(Waker::noop(), &mut last).is_ready());

    let (tx, rx) = oneshot::<u8>();
    let mut received = Box::pin(rx);
    assert!(poll_with(&bomb(), &mut received).is_pending());
    while_unwinding(|| drop(tx));
    assert!(poll_with(Waker::noop(), &mut received).is_ready());

    let event = Event::new();
    let waiting = Waiting::new(|_| event.wait());
    while_unwinding(|| event.set());
    waiting.all_were_woken("event");
}

// ---- tasks ----

#[test]
fn a_join_waker_and_callbacks_that_panic_hinder_no_other_callback_or_task() {
    executor::block_on(async {
        let (called, dropped) = (Log::new(), Log::new());
        for detach in [false, true] {
            let output = OnDrop::new({
                let dropped = dropped.clone();
                move || dropped.push("the output")
            });
            let mut task = spawn(async move { output });
            for n in 0..3 {
                let called = called.clone();
                task.on_done(move |_, _| {
                    called.push(n);
                    explode();
                });
            }
            assert!(poll_with(&bomb(), &mut task).is_pending());
            let left = spawn(async { 7 });
            if detach {
                drop(task);
                yield_now().await;
            } else {
                yield_now().await;
                assert!(task.is_finished());
                drop(task.await.unwrap());
            }
            assert_eq!((called.take(), dropped.take(), left.await.unwrap()), (vec![0, 1, 2], vec!["the output"], 7));
        }
    });
}

#[test]
fn panics_in_the_drop_of_payloads_and_outputs_do_not_leave_the_runtime() {
    executor::block_on(async {
        // Payloads and outputs that are not taken.
        drop(spawn(async { Bomb }));
        drop(spawn(async { explode() }));
        let bomb = Bomb;
        drop(
            spawn_local(async move {
                pending::<()>().await;
                drop(bomb)
            })
            .cancel_on_drop(),
        );
        yield_now().await;
        // A payload and an output that exist when their handles are dropped.
        let (output, panics) = (spawn(async { Bomb }), spawn(async { explode() }));
        yield_now().await;
        assert!(output.is_finished() && panics.is_finished());
        drop(output);
        drop(panics);
        // Errors that are dropped, also while a panic unwinds.
        let error = spawn(async { explode() }).await.unwrap_err();
        assert!(error.is_panic());
        drop(error);
        let error = spawn(async { explode() }).await.unwrap_err();
        while_unwinding(|| drop(error));
        let error = spawn(async { explode() }).explained().await.unwrap_err();
        assert!(error.to_string().ends_with("panicked: a payload that is not text"), "{error}");
        drop(error);
        // The payload can still be taken.
        match spawn(async { explode() }).await {
            Err(JoinError::Panicked(panic)) => forget(panic.into_inner().downcast::<Bomb>().expect("the payload")),
            other => panic!("{other:?}"),
        }
        let failed = task_group(|group| async move {
            group.spawn(async {
                explode();
                Ok(())
            });
            group.spawn(async {
                let _bomb = Bomb;
                pending::<Result<(), ()>>().await
            });
            pending::<Result<(), ()>>().await
        });
        assert!(failed.await.is_err_and(|error| error.task().is_some()));
    });
}

#[test]
fn a_runtime_ends_all_tasks_whose_destructors_panic() {
    let dropped = Log::new();
    executor::block_on(async {
        for n in 0..20 {
            let left = (
                OnDrop::new({
                    let dropped = dropped.clone();
                    move || dropped.push(n)
                }),
                Bomb,
            );
            spawn_local(async move {
                pending::<()>().await;
                drop(left)
            });
        }
        yield_now().await;
    });
    assert_eq!(dropped.take().len(), 20);
}

#[test]
fn a_thread_of_the_pool_survives_panics() {
    within(60, || {
        let runtime = Runtime::builder().blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (go, wait) = mpsc::channel::<()>();
            let mut first = spawn_blocking(move || wait.recv().unwrap());
            first.on_done(|_, _| explode());
            assert!(poll_with(&bomb(), &mut first).is_pending());
            drop(spawn_blocking(explode)); // its panic is dropped
            drop(spawn_blocking(|| Bomb)); // its output is dropped
            let last = spawn_blocking(|| 7);
            go.send(()).unwrap();
            assert_eq!(last.await.unwrap(), 7, "on the same thread");
            first.await.unwrap();
        });
    });
}

#[test]
fn all_waiters_for_the_end_of_a_shield_wake() {
    Runtime::builder().virtual_clock().build().unwrap().block_on(async {
        let (is_done, counting) = (Cell::new(false), Counting::new());
        let shielded = shield(poll_fn(|_| if is_done.get() { Poll::Ready(()) } else { Poll::Pending }));
        let mut inner = Box::pin(deadline(Duration::ZERO, async {
            shielded.await;
            pending::<()>().await;
        }));
        let waker = bomb();
        let mut outer = Box::pin(deadline(Duration::ZERO, poll_fn(|_| poll_with(&waker, &mut inner))));
        // Both deadlines have passed and wait for the shield: the inner one with a waker that panics, which is called
        // first.
        assert!(poll_with(&counting.waker(), &mut outer).is_pending());
        is_done.set(true);
        explodes(|| _ = poll_with(Waker::noop(), &mut outer));
        assert_eq!(counting.wakes(), 1);
    });
}

#[test]
fn a_host_that_crashes_ends_all_that_runs_on_it() {
    Runtime::builder().deterministic(1).build().unwrap().block_on(async {
        let network = reactor::Handle::current().unwrap().network().unwrap().clone();
        let server = network.host("server");
        let waiting = Waiting::new(|_| server.run(pending::<()>()));
        explodes(|| server.crash());
        waiting.all_were_woken("runs");
    });
}

#[test]
fn a_waker_that_panics_makes_only_the_task_that_calls_it_panic() {
    executor::block_on(async {
        let event = Arc::new(Event::new());
        let waiting = Waiting::new(|_| {
            let event = event.clone();
            async move { event.wait().await }
        });
        let sets = spawn({
            let event = event.clone();
            async move { event.set() }
        });
        assert!(sets.await.is_err_and(|error| error.is_panic()));
        waiting.all_were_woken("event");
        assert_eq!(poll_once(event.wait()).await, Some(()));
    });
}
