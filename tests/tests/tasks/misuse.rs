//! Misuse of the runtime, and its use in unusual code: destructors, thread-locals, nested scopes.
//!
//! A panic names the line of the program to change, task-locals and guards work wherever safe code can reach them, and
//! large futures need a bounded number of copies on the stack.

use executor::sync::{Semaphore, broadcast};
use executor::test::network;
use executor::time::{Duration, interval, sleep};
use executor::trace::Recorder;
use executor::{Runtime, Until, block_on, shield, spawn, spawn_blocking, spawn_local, task_group, task_local, wait};
use executor::{named, race, tasks, yield_now};
use futures_lite::future::{pending, poll_once};
use reactor::backend::Link;
use reactor::{Handle, Reactor};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Waker};
use std::{env, thread};
use tests::{OnDrop, within};

task_local! {
    static USER: &'static str;
    static COUNT: Cell<u32>;
}

thread_local! {
    /// The location of the last panic of this thread, and its message.
    static PANIC: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

fn message_of(info: &std::panic::PanicHookInfo<'_>) -> String {
    let literal = info.payload().downcast_ref::<&str>().map(|message| (*message).to_owned());
    literal.or_else(|| info.payload().downcast_ref().cloned()).unwrap_or_default()
}

/// The location of the panic of the body, and its message.
fn panic_of(body: impl FnOnce()) -> (String, String) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = message_of(info);
            let place = info.location().map(|place| place.to_string()).unwrap_or_default();
            let _ = PANIC.try_with(|panic| panic.replace(Some((place, message))));
            before(info);
        }));
    });
    PANIC.take();
    assert!(catch_unwind(AssertUnwindSafe(body)).is_err());
    PANIC.take().expect("the hook was called")
}

/// Checks that the panic is at a line of this file, or that its message names one.
#[track_caller]
fn panics(what: &str, body: impl FnOnce()) {
    let (place, message) = panic_of(body);
    let file = file!();
    assert!(place.contains(file) || message.contains(&format!("{file}:")), "{what}: at {place}: {message}");
}

fn deterministic<F: Future<Output = ()>>(body: impl FnOnce() -> F) {
    Runtime::builder().deterministic(1).build().unwrap().block_on(async { body().await });
}

fn poll_twice<F: Future>(future: F) {
    let (mut future, mut cx) = (Box::pin(future), Context::from_waker(Waker::noop()));
    assert!(future.as_mut().poll(&mut cx).is_ready());
    let _ = future.as_mut().poll(&mut cx);
}

#[test]
fn a_call_that_cannot_work_panics_with_its_line() {
    panics("a task-local outside of its scope", || USER.with(|_| ()));
    panics("a copy of a task-local", || _ = USER.get());
    panics("spawn", || drop(spawn(async {})));
    panics("spawn_local", || drop(spawn_local(async {})));
    panics("named spawn", || drop(named("a").spawn(async {})));
    panics("named spawn_local", || drop(named("a").spawn_local(async {})));
    panics("spawn_blocking", || drop(spawn_blocking(|| ())));
    panics("named spawn_blocking", || drop(named("a").spawn_blocking(|| ())));
    panics("interval", || drop(interval(Duration::ZERO)));
    panics("broadcast", || drop(broadcast::<u8>(0)));
    panics("blocking_threads", || drop(Runtime::builder().blocking_threads(0)));
    panics("a recorder of nothing", || drop(Recorder::new().with_limit(0)));
    panics("block_on in block_on", || block_on(async { block_on(async {}) }));
    panics("too many permits", || Semaphore::new(usize::MAX).add_permits(1));
    panics("no network", || drop(network()));
    panics("a host named as an address", || deterministic(|| async { drop(network().host("10.0.0.1")) }));
    panics("a host cut off from itself", || {
        deterministic(|| async { network().partition(&network().host("a"), &network().host("a")) });
    });
    panics("a link that can't be", || {
        let link = Link { loss: 2.0, ..Link::default() };
        deterministic(|| async move { network().set_link(&network().host("a"), &network().host("b"), link) });
    });
    panics("the descriptor of a simulated socket", || {
        deterministic(|| async {
            let listener = executor::net::TcpListener::bind("10.0.0.1:80").await.unwrap();
            let _ = listener.get_ref();
        });
    });
    panics("a runtime that runs already", || {
        let runtime = Runtime::builder().build().unwrap();
        thread::scope(|scope| {
            let (runs, running) = std::sync::mpsc::channel();
            let (stop, stopped) = executor::sync::oneshot();
            let runtime = &runtime;
            scope.spawn(move || {
                runtime.block_on(async move {
                    runs.send(()).unwrap();
                    let _ = stopped.await;
                })
            });
            running.recv().unwrap();
            let _stop = OnDrop::new(move || _ = stop.send(()));
            runtime.block_on(async {});
        });
    });
}

#[test]
fn a_poll_that_cannot_work_panics_with_the_line_that_made_the_future() {
    panics("a handle that was awaited before", || {
        block_on(async {
            let mut task = spawn(async {});
            (&mut task).await.unwrap();
            (&mut task).await.unwrap();
        });
    });
    panics("sleep", || futures_lite::future::block_on(sleep(Duration::from_millis(1))));
    panics("a group's task", || {
        drop(poll_once_outside(task_group::<(), (), _, _>(|group| async move {
            group.spawn(async { Ok(()) });
            Ok(())
        })))
    });
    panics("a shield", || poll_twice(shield(async {})));
    panics("wait", || poll_twice(wait([std::future::ready(Ok::<(), ()>(()))], Until::AllDone)));
    panics("what runs on a host of another network", || {
        let other = Runtime::builder().deterministic(1).build().unwrap();
        let elsewhere = other.network().unwrap().host("a").run(async {});
        let _ = poll_once_outside(elsewhere);
    });
}

fn poll_once_outside<F: Future>(future: F) -> Option<F::Output> {
    futures_lite::future::block_on(poll_once(future))
}

#[test]
fn try_join_all_and_race_do_not_panic_if_they_are_polled_after_their_end() {
    let mut all = executor::try_join_all([std::future::ready(Err::<(), _>(1))]);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut all).poll(&mut cx).is_ready());
    let _ = Pin::new(&mut all).poll(&mut cx);
    let mut first = race([std::future::ready(1)]);
    assert!(Pin::new(&mut first).poll(&mut cx).is_ready());
    let _ = Pin::new(&mut first).poll(&mut cx);
}

#[test]
fn other_tasks_can_be_listed_polled_and_dropped_while_a_task_local_is_borrowed() {
    within(20, || {
        block_on(async {
            let sleeps = || async {
                sleep(Duration::from_millis(20)).await;
                "well"
            };
            let bystander = spawn(USER.scope("bob", sleeps()));
            yield_now().await;
            let asks = async {
                USER.with(|user| {
                    assert_eq!((*user, tasks().len()), ("ann", 2));
                    // A scope that is polled for the first time, one that is dropped in the middle, and one that ends.
                    let mut inner = Box::pin(USER.scope("eve", async {
                        assert_eq!(USER.get(), "eve");
                        pending::<()>().await
                    }));
                    assert!(inner.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                    assert_eq!(USER.get(), "ann");
                    drop(inner);
                    let joe = USER.scope("joe", async { USER.with(|user| assert_eq!(*user, "joe")) });
                    assert!(poll_once_outside(joe).is_some());
                    assert_eq!((*user, USER.get()), ("ann", "ann"));
                    // A panic in a scope restores the outer value.
                    let panics = async { USER.with(|_| std::panic::resume_unwind(Box::new("on purpose"))) };
                    let mut panics = Box::pin(USER.scope("max", panics));
                    let poll = || panics.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
                    assert_eq!((*user, USER.get()), ("ann", "ann"));
                });
            };
            USER.scope("ann", asks).await;
            assert_eq!(bystander.await.unwrap(), "well");
        });
    });
}

#[test]
fn a_group_can_be_dropped_while_a_task_local_is_borrowed() {
    block_on(async {
        let seen = std::rc::Rc::new(RefCell::new(Vec::new()));
        let inside = seen.clone();
        let group = task_group(|group| async move {
            group.spawn_local::<(), _>(USER.scope("bob", async move {
                let _sees = OnDrop::new(move || inside.borrow_mut().push(USER.get()));
                pending().await
            }));
            pending::<Result<(), ()>>().await
        });
        let mut group = Box::pin(group);
        assert!(poll_once(&mut group).await.is_none());
        yield_now().await;
        USER.scope("ann", async move { USER.with(|_| drop(group)) }).await;
        assert_eq!(*seen.borrow(), ["bob"]);
    });
}

#[test]
fn a_task_local_may_hold_a_value_that_is_not_sync() {
    block_on(async {
        let counts = async {
            COUNT.with(|count| count.set(count.get() + 1));
            yield_now().await;
            COUNT.with(Cell::get)
        };
        assert_eq!(spawn(COUNT.scope(Cell::new(1), counts)).await.unwrap(), 2);
    });
}

/// A thread-local whose destructor calls a function.
struct AtExit(Cell<Option<fn()>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        self.0.take().inspect(|at_exit| at_exit());
    }
}

thread_local! {
    static AT_EXIT: AtExit = const { AtExit(Cell::new(None)) };
}

/// Calls a function in the destructor of a thread-local, after the other thread-locals of its thread are destroyed.
fn at_exit_of_a_thread(at_exit: fn()) {
    thread_local! {
        static DONE: Cell<Option<std::sync::mpsc::Sender<()>>> = const { Cell::new(None) };
    }
    let (done, is_done) = std::sync::mpsc::channel();
    let thread = thread::spawn(move || {
        // Registered first, and so destroyed last.
        AT_EXIT.with(|exit| exit.0.set(Some(at_exit)));
        DONE.set(Some(done));
        block_on(USER.scope("ann", async {
            executor::deadline(Duration::from_secs(60), yield_now()).await.unwrap();
            task_group(|group| async move { Ok::<_, ()>(group.spawn(async { Ok(()) })) }).await.unwrap();
        }));
    });
    thread.join().unwrap();
    assert!(is_done.recv().is_err());
}

#[test]
fn a_destructor_of_a_thread_local_may_use_task_locals_and_run_a_runtime() {
    at_exit_of_a_thread(|| {
        assert_eq!(USER.try_with(|_| ()), None);
        assert!(poll_once_outside(USER.scope("bob", async { assert_eq!(USER.get(), "bob") })).is_some());
        assert!(Handle::current().is_none());
        block_on(USER.scope("joe", async {
            executor::deadline(Duration::from_secs(60), sleep(Duration::from_millis(1))).await.unwrap();
            let group = task_group(|group| async move {
                group.spawn(async { Ok(()) });
                Ok::<_, ()>(USER.get())
            });
            assert_eq!(group.await.unwrap(), "joe");
            shield(spawn(async { tasks().len() })).await.unwrap();
            assert!(chains_and_calls().await);
        }));
        deterministic(|| async {
            let server = network().host("a");
            server.run(async { yield_now().await }).await.unwrap();
        });
    });
}

/// Drops a chain of handles, and makes a blocking call.
async fn chains_and_calls() -> bool {
    let mut last = Ok(None);
    for _ in 0..100 {
        let output = last;
        last = Ok::<_, ()>(Some(Box::new(spawn(async move { _ = output })) as Box<dyn Send>));
    }
    spawn_blocking(|| true).await.unwrap()
}

#[test]
fn guards_of_an_entered_reactor_may_be_dropped_in_any_order() {
    let reactors: Vec<_> = (0..3).map(|_| Reactor::new().unwrap()).collect();
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let mut guards: Vec<_> = reactors.iter().map(|reactor| Some(reactor.handle().enter())).collect();
        for dropped in order {
            guards[dropped] = None;
            let newest = guards.iter().rposition(Option::is_some);
            let expected = newest.map(|newest| reactors[newest].handle());
            assert_eq!(Handle::current(), expected, "{order:?} after {dropped}");
        }
    }
}

#[test]
fn a_reactor_that_is_gone_is_current_only_while_its_guard_is_there() {
    let (first, second) = (Reactor::new().unwrap(), Reactor::new().unwrap());
    let entered_first = first.handle().enter();
    let entered_second = second.handle().enter();
    drop(entered_first);
    drop(first);
    drop(entered_second);
    assert_eq!(Handle::current(), None);
    // A guard that outlives its `block_on` changes nothing for the next one.
    let guard = block_on(async { second.handle().enter() });
    assert_eq!(Handle::current(), Some(second.handle()));
    block_on(async { assert_ne!(Handle::current(), Some(second.handle())) });
    drop(guard);
    assert_eq!(Handle::current(), None);
}

#[test]
fn guards_of_an_entered_host_may_be_dropped_in_any_order() {
    use reactor::backend::Host;
    let runtime = Runtime::builder().deterministic(1).build().unwrap();
    let network = runtime.network().unwrap();
    let (a, b) = (network.host("a"), network.host("b"));
    let (entered_a, left, entered_b) = (a.enter(), Host::leave(), b.enter());
    drop(left);
    drop(entered_b);
    assert_eq!(Host::current(), Some(a));
    drop(entered_a);
    assert_eq!(Host::current(), None);
}

const LARGE: usize = 128 << 10;

/// A value that makes a future or a call as large as this.
fn large() -> [u8; LARGE] {
    std::hint::black_box([1; LARGE])
}

/// Each way to pass a large future, by name.
const WAYS: [(&str, fn()); 8] = [
    ("block_on", || {
        let held = large();
        block_on(async move {
            yield_now().await;
            std::hint::black_box(&held);
        });
    }),
    ("Runtime::block_on", || {
        let (runtime, held) = (Runtime::builder().build().unwrap(), large());
        runtime.block_on(async move {
            yield_now().await;
            std::hint::black_box(&held);
        });
    }),
    ("spawn", || {
        in_a_task(|| {
            let held = large();
            drop(spawn(async move {
                yield_now().await;
                std::hint::black_box(&held);
            }));
        })
    }),
    ("spawn_local", || {
        in_a_task(|| {
            let held = large();
            drop(spawn_local(async move {
                yield_now().await;
                std::hint::black_box(&held);
            }));
        })
    }),
    ("named spawn", || {
        in_a_task(|| {
            let held = large();
            drop(named("large").spawn(async move {
                yield_now().await;
                std::hint::black_box(&held);
            }));
        })
    }),
    ("spawn_blocking", || {
        in_a_task(|| {
            let held = large();
            drop(spawn_blocking(move || {
                std::hint::black_box(&held);
            }));
        })
    }),
    ("TaskGroup::spawn", || {
        in_a_task(|| {
            let group = GROUP.take().unwrap();
            let held = large();
            drop(group.spawn(async move {
                yield_now().await;
                std::hint::black_box(&held);
                Ok(())
            }));
        })
    }),
    ("none", || {
        std::hint::black_box(large());
    }),
];

thread_local! {
    static GROUP: Cell<Option<executor::TaskGroup<()>>> = const { Cell::new(None) };
}

fn in_a_task(body: fn()) {
    block_on(async {
        let group = task_group(|group| async move {
            GROUP.set(Some(group));
            body();
            Ok(())
        });
        group.await.unwrap();
    });
}

#[test]
#[ignore = "another test runs it as a program of its own, as it may overflow its stack"]
fn child_hands_a_large_future_over() {
    let (way, copies) = (env::var("WAY").unwrap(), env::var("COPIES").unwrap().parse::<usize>().unwrap());
    let (_, run) = *WAYS.iter().find(|(name, _)| *name == way).unwrap();
    let size = copies * LARGE + (128 << 10);
    thread::Builder::new().stack_size(size).spawn(run).unwrap().join().unwrap();
}

/// How many copies of a large future the stack must have room for if the future is passed in this way.
fn copies_for(way: &str) -> usize {
    let fits = |copies: usize| {
        let mut child = tests::alone::test(module_path!(), "child_hands_a_large_future_over");
        child
            .arg("--test-threads=1")
            .env("WAY", way)
            .env("COPIES", copies.to_string())
            .output()
            .unwrap()
            .status
            .success()
    };
    (1..40).find(|copies| fits(*copies)).expect("forty copies are enough")
}

/// A build without optimizations copies the array, the future that is made of it, the argument, and the value that is
/// written into the cell.
#[test]
fn a_large_future_is_copied_to_the_stack_only_a_few_times() {
    let alone = copies_for("none");
    for (way, _) in &WAYS[..WAYS.len() - 1] {
        let copies = copies_for(way);
        // A wrapper around the future or the call costs two copies, and so does each function that passes it on by
        // value.
        let most = if way.contains("spawn") && !way.contains("TaskGroup") && *way != "spawn_blocking" { 2 } else { 6 };
        assert!(copies <= alone + most, "{way}: {copies} copies, {alone} of which it takes to make the array");
    }
}
