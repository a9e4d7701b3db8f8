//! Deterministic runtimes: the same seed gives the same events, other seeds give other orders, and `explore` reports
//! the seed of a failure.
//!
//! Alone: `cargo test -p tests --test simulate deterministic`.

#[path = "../observe/events/lines.rs"]
mod lines;

use executor::net::{TcpListener, TcpStream};
use executor::sync::channel;
use executor::test::{Link, Network, explore, network};
use executor::time::{Duration, now, sleep};
use executor::trace::{Event, Record, Recorder, Trace};
use executor::{Runtime, named, spawn, spawn_blocking, spawn_local, yield_now};
use futures_lite::future::{pending, poll_fn};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use lines::Lines;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::thread;
use tests::{OnDrop, within};

// ---- repeatable runs ----------------------------------------------------------------------------

/// Clients, a server, blocking calls, lost packets and a crash: everything that depends on a choice of the seed.
async fn program(network: Network) {
    network.set_default_link(Link { jitter: Duration::from_millis(3), loss: 0.05, ..Link::default() });
    let server = network.host("server");
    let serving = named("server").spawn_local(server.run(async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            named("connection").spawn_local(async move {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {}
            });
        }
    }));
    let group = executor::task_group(async |group: executor::TaskGroup<std::io::Error>| {
        for number in 0..20 {
            let host = network.host(&format!("client {number}"));
            group.spawn_local(async move { host.run(client(number)).await.unwrap() });
        }
        Ok(())
    });
    let _lost = group.await;
    server.crash();
    serving.await.unwrap().unwrap_err();
}

async fn client(number: u8) -> std::io::Result<()> {
    let mut stream = executor::net::connect(("server", 80)).await?;
    for _ in 0..5 {
        stream.write_all(&[number]).await?;
        stream.read_exact(&mut [0]).await?;
        spawn_blocking(|| {}).await?;
    }
    Ok(())
}

fn events(seed: u64) -> String {
    let lines = Arc::new(Lines::default());
    let runtime = Runtime::builder().deterministic(seed).observer(lines.clone()).build().unwrap();
    runtime.block_on(program(runtime.network().unwrap()));
    lines.text()
}

#[test]
fn the_events_depend_on_the_seed() {
    let first = events(1);
    assert!(first.lines().count() > 500 && first.contains("source"), "{first}");
    for (number, (is, was)) in events(1).lines().zip(first.lines()).enumerate() {
        assert_eq!(is, was, "event {}", number + 1);
    }
    assert_eq!(events(1), first);
    assert_ne!(events(2), first);
}

#[test]
fn another_process_has_the_same_events() {
    const VARIABLE: &str = "TESTS_PRINT_EVENTS";
    if std::env::var_os(VARIABLE).is_some() {
        println!("{}", events(3));
        return;
    }
    let run = || {
        let mut this = tests::alone::test(module_path!(), "another_process_has_the_same_events");
        let output = this.env(VARIABLE, "").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .filter(|line| line.contains("task") || line.contains("source"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let first = run();
    assert!(first.len() > 500, "{first:#?}");
    assert_eq!(first, run());
}

// ---- the order ---------------------------------------------------------------------------------

#[test]
fn all_orders_are_found_and_each_queued_task_runs_once_in_a_pass() {
    let orders: Rc<RefCell<BTreeSet<Vec<u32>>>> = Rc::default();
    explore(200, |_| {
        let orders = orders.clone();
        async move {
            let order: Rc<RefCell<Vec<u32>>> = Rc::default();
            let task = |number| {
                let order = order.clone();
                spawn_local(async move {
                    for _ in 0..3 {
                        order.borrow_mut().push(number);
                        yield_now().await;
                    }
                })
            };
            for task in [0, 1, 2, 3].map(task) {
                task.await.unwrap();
            }
            for turn in order.borrow().chunks(4) {
                assert_eq!(turn.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2, 3]), "{order:?}");
                orders.borrow_mut().insert(turn.to_vec());
            }
        }
    });
    assert_eq!(orders.borrow().len(), 24, "not all permutations of four");
}

#[test]
fn blocking_calls_run_on_this_thread_in_the_order_of_the_seed_and_take_no_time() {
    let firsts: Rc<RefCell<BTreeSet<u32>>> = Rc::default();
    explore(50, |_| {
        let firsts = firsts.clone();
        async move {
            let (here, start) = (thread::current().id(), now());
            let (sent, received) = executor::sync::unbounded();
            let calls = [1, 2, 3].map(|number| {
                let sent = sent.clone();
                spawn_blocking(move || {
                    assert_eq!(thread::current().id(), here);
                    sent.try_send(number).unwrap();
                    // As on a thread of the pool, where no runtime is current.
                    assert!(catch_unwind(|| spawn(async {})).is_err());
                    number
                })
            });
            for (call, number) in calls.into_iter().zip(1..) {
                assert_eq!(call.await.unwrap(), number);
            }
            let first = received.recv().await.unwrap();
            firsts.borrow_mut().insert(first);
            assert_eq!(now(), start);
            let cancelled = spawn_blocking(|| unreachable!("it was cancelled before it began"));
            cancelled.cancel();
            assert!(cancelled.await.unwrap_err().is_cancelled());
            let panicked = spawn_blocking(|| std::panic::resume_unwind(Box::new("quietly"))).await;
            assert!(panicked.is_err_and(|error: executor::JoinError| error.is_panic()));
        }
    });
    assert_eq!(*firsts.borrow(), BTreeSet::from([1, 2, 3]));
}

#[test]
fn tasks_are_on_the_host_that_spawned_them() {
    explore(10, |network| async move {
        let host = network.host("a");
        let address = host.run(async {
            let bind = || async { TcpListener::bind(([10, 0, 0, 2], 0)).await.is_ok() };
            let spawned = spawn_local(async move { (bind().await, spawn_local(bind()).await.unwrap()) });
            spawned.await.unwrap()
        });
        assert_eq!(address.await, Ok((true, true)));
        assert!(TcpListener::bind(([10, 0, 0, 2], 0)).await.is_err());
    });
}

#[test]
fn a_task_dump_polls_tasks_in_the_order_of_spawning_whatever_their_size() {
    explore(1, |_| async {
        let asked: Rc<RefCell<Vec<usize>>> = Rc::default();
        async fn waits<const SIZE: usize>(asked: Rc<RefCell<Vec<usize>>>) {
            let room = [0_u8; SIZE];
            poll_fn(|_| {
                asked.borrow_mut().push(room.len());
                Poll::<()>::Pending
            })
            .await;
        }
        spawn_local(waits::<3000>(asked.clone()));
        spawn_local(waits::<10>(asked.clone()));
        spawn_local(waits::<500>(asked.clone()));
        sleep(Duration::from_millis(1)).await;
        asked.take();
        executor::tasks();
        assert_eq!(*asked.borrow(), [3000, 10, 500]);
    });
}

// ---- explore -----------------------------------------------------------------------------------

/// A race: an update is lost if the second task adds before the first.
async fn lost_update(_: Network) {
    let number = Rc::new(Cell::new(0));
    let add_one = |number: Rc<Cell<u32>>| async move {
        let before = number.get();
        yield_now().await;
        number.set(before + 1);
    };
    let first = spawn_local(add_one(number.clone()));
    yield_now().await;
    let second = spawn_local(add_one(number.clone()));
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(number.get(), 2, "an update was lost");
}

/// Whether the run of a seed passes.
fn passes(seed: u64) -> bool {
    let runtime = Runtime::builder().deterministic(seed).build().unwrap();
    let network = runtime.network().unwrap();
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(lost_update(network)))).is_ok()
}

/// The message of a run that fails.
fn message(run: impl FnOnce() + Send + 'static) -> String {
    let panic = within(60, || catch_unwind(AssertUnwindSafe(run)).expect_err("no seed fails"));
    panic.downcast_ref::<String>().expect("a message").clone()
}

fn seed_in(message: &str) -> u64 {
    let seed = message.strip_prefix("seed ").and_then(|rest| rest.split(' ').next());
    seed.and_then(|seed| seed.parse().ok()).expect(message)
}

/// Set in a child process. Tests that depend on the environment run in one, as all threads of a process share it.
const CHILD: &str = "TESTS_EXPLORE";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

fn run_child(name: &str, seed: &str) -> (bool, String) {
    let mut this = tests::alone::test(module_path!(), name);
    this.env(CHILD, "").env("EXECUTOR_SEED", seed).env("RUST_BACKTRACE", "0");
    let output = this.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn explore_finds_a_race_and_its_seed_repeats_it() {
    if is_child() {
        return explore(1000, lost_update);
    }
    let told = message(|| explore(1000, lost_update));
    let seed = seed_in(&told);
    assert!((0..seed).all(passes) && !passes(seed), "{told}");
    assert!(told.contains("an update was lost") && told.contains("deterministic.rs:"), "{told}");
    let name = "explore_finds_a_race_and_its_seed_repeats_it";
    assert!(told.contains(&format!("EXECUTOR_SEED={seed} cargo test deterministic::{name}")), "{told}");

    let (passed, printed) = run_child(name, &seed.to_string());
    assert!(!passed && printed.contains(&format!("seed {seed} fails")), "{printed}");
    let fine = (0..1000).find(|seed| passes(*seed)).expect("in some orders it goes well");
    let (passed, printed) = run_child(name, &fine.to_string());
    assert!(passed, "{printed}");
    let (passed, printed) = run_child(name, "seventeen");
    assert!(!passed && printed.contains("EXECUTOR_SEED is `seventeen`"), "{printed}");
}

/// Runs `f` without the output of the panic hook.
fn panics(message: &'static str) {
    resume_unwind(Box::new(message))
}

#[test]
fn an_unobserved_panic_fails_the_run() {
    let told = message(|| {
        explore(100, |_| async {
            let is_first = Rc::new(Cell::new(true));
            for number in [1, 2] {
                let is_first = is_first.clone();
                drop(named("detached").spawn_local(async move {
                    if !is_first.replace(false) && number == 1 {
                        panics("the second came first");
                    }
                }));
            }
            sleep(Duration::from_secs(1)).await;
        });
    });
    let said = "\"detached\" (spawned at tests/tests/simulate/deterministic.rs:";
    assert!(told.contains(said) && told.contains(") panicked and was never joined: the second came first\n"), "{told}");
    let again = format!("repeat it: EXECUTOR_SEED={} cargo test", seed_in(&told));
    assert!(told.contains(&again) && told.contains("demo step --replay"), "{told}");

    let unheard: [(&str, fn()); 4] = [
        ("a call", || {
            explore(1, |_| async {
                drop(spawn_blocking(|| panics("a call")));
                sleep(Duration::from_secs(1)).await;
            });
        }),
        ("kept to the end", || {
            explore(1, |_| async {
                let _kept = spawn_local(async { panics("kept to the end") });
                sleep(Duration::from_secs(1)).await;
            });
        }),
        ("a destructor", || {
            explore(1, |_| async {
                let destructor = OnDrop::new(|| panics("a destructor"));
                spawn_local(async move {
                    let _destructor = destructor;
                    pending::<()>().await;
                });
                yield_now().await;
                yield_now().await;
            });
        }),
        ("the test itself\nalso, task 2", || {
            explore(1, |_| async {
                spawn_local(async { panics("and a task") });
                sleep(Duration::from_secs(1)).await;
                panics("the test itself");
            });
        }),
    ];
    for (what, run) in unheard {
        let told = message(run);
        assert!(told.contains(what) && told.contains("panicked and was never joined"), "{what}: {told}");
    }
}

#[test]
fn an_observed_panic_does_not_fail_the_run() {
    explore(20, |_| async {
        let task = || spawn_local(async { panics("observed") });
        assert!(task().await.is_err() && task().explained().await.is_err());
        let late = task();
        sleep(Duration::from_secs(1)).await;
        assert!(late.cancel_on_drop().await.is_err());
        assert!(spawn_blocking(|| panics("observed")).await.is_err());
        // The run may end between a panic and the poll that would observe it.
        spawn_local(async move {
            loop {
                task().await.unwrap_err();
            }
        });
        yield_now().await; // it has spawned a task that panics
        yield_now().await; // with half of the seeds, that task has panicked
    });
}

#[test]
fn a_failing_run_is_recorded_to_be_stepped_through() {
    let told = message(|| explore(1000, lost_update));
    let file = told.split_once("demo step --replay ").expect("it says where").1.trim();
    assert!(file.ends_with(&format!("a_failing_run_is_recorded_to_be_stepped_through-{}.jsonl", seed_in(&told))));
    let trace = Trace::open(file).unwrap();
    let panicked = |record: &Record| {
        matches!(&record.event, Event::Panicked { message: Some(words), .. }
        if words.contains("an update was lost"))
    };
    assert!(trace.head.simulated && trace.records.iter().any(panicked), "{told}");
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_failure_that_its_seed_does_not_repeat_is_reported_as_such() {
    let told = message(|| {
        let runs = Cell::new(0);
        explore(3, |_| {
            runs.set(runs.get() + 1);
            let is_bad = runs.get() == 2; // which does not depend on the seed
            async move { assert!(!is_bad, "it went wrong") }
        });
    });
    assert!(told.starts_with("seed 1 fails") && told.contains("it went wrong"), "{told}");
    assert!(told.contains("does not come from the seed") && !told.contains("--replay"), "{told}");
}

#[test]
fn the_same_seed_is_recorded_byte_for_byte() {
    let record = |seed| {
        let recorder = Arc::new(Recorder::new());
        let runtime = Runtime::builder().deterministic(seed).observer(recorder.clone()).build().unwrap();
        let network = runtime.network().unwrap();
        let _may_fail = catch_unwind(AssertUnwindSafe(|| runtime.block_on(program(network))));
        let mut file = Vec::new();
        recorder.trace().write(&mut file).unwrap();
        file
    };
    assert_eq!(record(7), record(7));
    assert!((0..20).any(|seed| record(seed) != record(7)));
}

#[test]
fn a_deadlock_fails_the_run_and_names_the_suspended_tasks() {
    let told = message(|| {
        explore(3, |network| async move {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            network.host("idle");
            listener.accept().await.unwrap();
        });
    });
    assert!(told.contains("deadlock") && told.contains("readable on the listener at 0.0.0.0:80"), "{told}");
    let told = message(|| {
        explore(3, |_| async {
            let (_sender, receiver) = channel::<()>(1);
            receiver.recv().await.unwrap();
        });
    });
    assert!(told.contains("deadlock"), "{told}");
}

#[test]
fn a_deadlock_is_found_after_a_last_event_that_wakes_no_task() {
    let told = message(|| {
        explore(1, |network| async move {
            let host = network.host("server");
            let listener = host.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
            let client = TcpStream::connect((host.address(), 80)).await.unwrap();
            drop((client, listener.accept().await.unwrap())); // the last event goes to an end that is dropped
            let _never = listener.accept().await;
        });
    });
    assert!(told.contains("deadlock") && told.contains("the listener at 0.0.0.0:80"), "{told}");
}

#[test]
fn a_wait_that_ends_after_a_partition_is_no_deadlock_and_one_that_never_ends_is() {
    explore(1, |network| async move {
        let (a, b) = (network.host("a"), network.host("main"));
        let listener = a.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
        network.partition(&a, &b);
        let healing = spawn_local(async move {
            sleep(Duration::from_secs(60)).await;
            network.heal(&a, &b);
        });
        let client = spawn_local(TcpStream::connect("10.0.0.2:80"));
        listener.accept().await.unwrap();
        client.await.unwrap().unwrap();
        healing.await.unwrap();
    });
    let told = message(|| {
        explore(1, |network| async move {
            let (a, b) = (network.host("a"), network.host("main"));
            let listener = a.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
            let client = TcpStream::connect("10.0.0.2:80").await.unwrap();
            listener.accept().await.unwrap().0.write(b"x").await.unwrap();
            network.partition(&a, &b);
            client.read(&mut [0]).await.unwrap();
        });
    });
    assert!(told.contains("deadlock"), "{told}");
}

#[test]
fn each_run_has_its_own_network_and_clock() {
    let worlds = Rc::new(AtomicU64::new(0));
    explore(5, |given| {
        let worlds = worlds.clone();
        async move {
            assert!(network() == given && given.lookup("left behind").is_none());
            given.host("left behind");
            worlds.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_eq!(worlds.load(Ordering::Relaxed), 5);
    assert!(catch_unwind(network).is_err());
}
