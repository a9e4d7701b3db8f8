//! For tests: runs the same program under many seeds, on a simulated network.
//!
//! [`explore`] runs a test on [deterministic](crate::Builder::deterministic) runtimes, each with a different seed.
//! Where events may happen in any order, the seed chooses the order. A run that fails is repeated by its seed.
//!
//! A deterministic runtime needs no operating system, so these tests also run under Miri, sockets included. Miri then
//! finds undefined behaviour in a program's own `unsafe` code, in every order that the seeds reach. A run takes about a
//! hundred times as long under Miri, so use few seeds there:
//!
//! ```sh
//! rustup toolchain install nightly --component miri,rust-src
//! MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test
//! ```
//!
//! ```
//! # use executor::test::explore;
//! explore(if cfg!(miri) { 3 } else { 100 }, |_network| async { executor::yield_now().await });
//! ```

pub use reactor::backend::{Crashed, Host, Link, Network, Run};

use crate::task::{Finish, Panic, TaskId, TaskRef};
use crate::trace::Recorder;
use crate::watch::Strictness;
use crate::watch::observer::{Observer, ReactorObserver};
use crate::{Runtime, task};
use std::collections::BTreeMap;
use std::env::{self, VarError};
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The environment variable that selects a seed.
const VARIABLE: &str = "EXECUTOR_SEED";

/// Runs a test `runs` times, under the seeds 0, 1, 2 and so on.
///
/// Each run has a [deterministic](crate::Builder::deterministic) runtime of its own. The closure is passed the
/// runtime's [`Network`], and must create everything that the run uses. If `EXECUTOR_SEED` is set in the environment,
/// there is a single run with that seed. A run that fails is repeated once with a recorder, and its
/// [recording](crate::trace) is saved in the directory for temporary files.
///
/// # Panics
/// If a run fails: with its seed, its panic message, and the command that repeats it. The panic also says if the
/// repetition did not fail. If `EXECUTOR_SEED` is not a number.
///
/// A run fails if
///
/// - the test panics;
/// - it deadlocks;
/// - a wake is lost: a suspended task's last waker is dropped without waking it; or a suspended task makes progress in
///   a poll without having been woken, so a future's condition held and its waker had not been called. To find such
///   tasks, the run polls its suspended tasks at a deadlock, at its end, and after 1, 2, 4, 8, … seconds of its clock.
///   The failure names the task, its await chain, and what happened to its waker;
/// - a panic is unobserved: a task panics and is never joined, because its handle was dropped before or after that. A
///   test that expects a task to panic awaits its handle. If the handle is owned by a task that the end of the
///   run cancels, dropping it does not count, since that task might have awaited it.
///
/// In the following test, two tasks add 1 to the same number, with an await between reading and writing it. The test
/// passes if the first task finishes before the second begins, which is always the case on other runtimes:
///
/// ```should_panic
/// use executor::test::explore;
/// use executor::{spawn_local, yield_now};
/// use std::{cell::Cell, rc::Rc};
///
/// async fn add_one(number: Rc<Cell<u32>>) {
///     let before = number.get();
///     yield_now().await; // stands for a request to a database
///     number.set(before + 1);
/// }
///
/// explore(1000, |_network| async {
///     let number = Rc::new(Cell::new(0));
///     let first = spawn_local(add_one(number.clone()));
///     yield_now().await;
///     let second = spawn_local(add_one(number.clone()));
///     first.await.unwrap();
///     second.await.unwrap();
///     assert_eq!(number.get(), 2, "an update was lost");
/// });
/// // panics: seed 0 fails (explored at src/main.rs:11:1): … an update was lost …
/// //         repeat it: EXECUTOR_SEED=0 cargo test lost_update
/// //         step through it: demo step --replay /tmp/executor-lost_update-0.jsonl
/// ```
#[track_caller]
pub fn explore<F: Future<Output = ()>>(runs: u64, test: impl Fn(Network) -> F) {
    let (first, runs) = wanted_seed().map_or((0, runs), |seed| (seed, 1));
    for seed in (first..=u64::MAX).take(usize::try_from(runs).unwrap_or(usize::MAX)) {
        let Err(message) = run_once(seed, None, &test) else { continue };
        // A failed run is repeated with a recorder. Only the repetition also finds await chains.
        let recorder = Arc::new(Recorder::new());
        match run_once(seed, Some(recorder.clone()), &test) {
            Err(message) => fail(seed, &message, Location::caller(), Some(&recorder)),
            Ok(()) => fail(seed, &message, Location::caller(), None),
        }
    }
}

/// Runs the test once, on a new runtime. Returns the message of the failure if it fails.
#[track_caller]
fn run_once<F: Future<Output = ()>>(
    seed: u64,
    recorder: Option<Arc<Recorder>>,
    test: impl Fn(Network) -> F,
) -> Result<(), String> {
    let strictness = Strictness { stranded: true, chains: recorder.is_some() };
    let panics = Arc::new(UnobservedPanics::default());
    let observer: Arc<dyn Observer> = match recorder {
        Some(recorder) => Arc::new((recorder, panics.clone())),
        None => panics.clone(),
    };
    let runtime = Runtime::builder().deterministic(seed).strict(Some(strictness)).observer(observer).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => panic!("executor::test::explore cannot build a runtime: {error}"),
    };
    let network = runtime.network().expect("a deterministic runtime has a network");
    let run = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { test(network).await })));
    let unobserved = panics.lock().first.take();
    match (run.map_err(|panic| Panic::new(panic).to_string()), unobserved) {
        (Err(message), Some(unobserved)) => Err(format!("{message}\nalso, {unobserved}")),
        (Ok(()), Some(message)) | (Err(message), None) => Err(message),
        (Ok(()), None) => Ok(()),
    }
}

/// Observes a run and finds unobserved panics: those of tasks whose output is not taken.
#[derive(Default)]
struct UnobservedPanics(Mutex<Panics>);

#[derive(Default)]
struct Panics {
    /// The task of the test itself, which is spawned first.
    root: Option<TaskId>,
    /// The root task has completed, and the remaining tasks are being cancelled.
    is_ending: bool,
    /// The panicked tasks that may still be joined, each with its message.
    open: BTreeMap<TaskId, String>,
    /// The message of the first unobserved panic.
    first: Option<String>,
}

impl UnobservedPanics {
    fn lock(&self) -> MutexGuard<'_, Panics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReactorObserver for UnobservedPanics {}

impl Observer for UnobservedPanics {
    fn task_spawned(&self, task: TaskRef<'_>, _: Option<TaskId>) {
        self.lock().root.get_or_insert(task.id());
    }

    fn task_panicked(&self, task: TaskRef<'_>, message: Option<&str>) {
        let message = message.unwrap_or(task::NO_MESSAGE);
        let text = format!("{} panicked and was never joined: {message}", task.info());
        let mut panics = self.lock();
        match panics.is_ending {
            false => _ = panics.open.insert(task.id(), text),
            true => _ = panics.first.get_or_insert(text), // no task that could join it is polled any more
        }
    }

    fn task_finished(&self, task: TaskRef<'_>, _: Finish) {
        let mut panics = self.lock();
        panics.is_ending |= panics.root == Some(task.id());
    }

    fn output_dropped(&self, task: TaskRef<'_>, _: Finish) {
        let mut panics = self.lock();
        // At the end of the run, the task that owned the handle was cancelled and might have joined this one.
        if let Some(text) = panics.open.remove(&task.id()).filter(|_| !panics.is_ending) {
            panics.first.get_or_insert(text);
        }
    }
}

#[track_caller]
fn wanted_seed() -> Option<u64> {
    match env::var(VARIABLE) {
        Ok(text) => match text.parse() {
            Ok(seed) => Some(seed),
            Err(_) => panic!("{VARIABLE} is `{text}`, which is not a seed: write a number, such as {VARIABLE}=17"),
        },
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => panic!("{VARIABLE} is not a seed: write a number, such as {VARIABLE}=17"),
    }
}

/// Panics because of a run that failed, and saves its recording. `recorder` is `None` if the repetition did not fail.
#[track_caller]
fn fail(seed: u64, message: &str, location: &Location<'_>, recorder: Option<&Arc<Recorder>>) -> ! {
    let Some(recorder) = recorder else {
        panic!(
            "seed {seed} fails (explored at {location}): {message}\nthe run did not fail when it was repeated: \
             something in it does not come from the seed. Use executor::time::now() instead of the system's clock, \
             executor::test::network().random() for random numbers, and spawn_blocking instead of threads; create \
             everything that a run uses inside the closure; and do not depend on the order of a HashMap"
        )
    };
    // A test's thread has the test's name, unless tests run on the main thread.
    let thread = thread::current();
    let name = thread.name().filter(|name| *name != "main").unwrap_or_default();
    let file = env::temp_dir().join(format!("executor-{}-{seed}.jsonl", name.replace("::", "-")));
    let saved = match recorder.save(&file) {
        Ok(()) => format!("step through it: demo step --replay {}", file.display()),
        Err(error) => format!("cannot save the recording to {}: {error}", file.display()),
    };
    let command = format!("{VARIABLE}={seed} cargo test {name}");
    let command = command.trim_end();
    panic!("seed {seed} fails (explored at {location}): {message}\nrepeat it: {command}\n{saved}");
}

/// Returns the simulated network of the current runtime.
///
/// # Panics
/// On a thread without a [deterministic](crate::Builder::deterministic) runtime.
///
/// ```
/// use executor::test::{explore, network};
///
/// explore(1, |given| async move { assert!(network() == given) });
/// ```
#[track_caller]
pub fn network() -> Network {
    Network::current().expect(
        "there is no simulated network on this thread: call executor::test::network() inside executor::test::explore, \
         or on a runtime built with Runtime::builder().deterministic(seed)",
    )
}
