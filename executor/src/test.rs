//! For tests: the same program under many seeds, on a simulated network.
//!
//! [`explore`] runs a test on [deterministic](crate::Builder::deterministic) runtimes, each with another seed: another
//! order of what could happen in any order. If a run fails, its seed repeats it.
//!
//! A deterministic runtime needs no operating system, so these tests also run under Miri, sockets included: it finds
//! undefined behaviour in a program's own `unsafe` code, in every order that the seeds reach. Take few seeds, since a
//! run takes about a hundred times as long:
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

/// What repeats the run with one seed.
const VARIABLE: &str = "EXECUTOR_SEED";

/// Runs a test under the seeds 0, 1, 2 and so on, `runs` of them.
///
/// Each run has a world of its own: a [deterministic](crate::Builder::deterministic) runtime, whose [`Network`] is
/// given to the closure: what the run uses has to be made in there. With `EXECUTOR_SEED` in the environment there is
/// one run, with that seed. A run that fails is made once more, recorded, and the [recording](crate::trace) saved in
/// the directory for temporary files; if it does not fail again, that is said.
///
/// # Panics
/// When a run does, or can't go on (a deadlock): with its seed, what it said, and the command that repeats it. When
/// `EXECUTOR_SEED` is no number.
///
/// A run fails when a wake is lost: when a suspended task's last waker is dropped without waking it; or when a
/// suspended task makes progress in a poll though it was not woken, so that a future's condition came true and its
/// waker was not called. The run polls its suspended tasks to find out: at a deadlock, at its end, and after 1, 2, 4,
/// 8, … seconds of its clock. The failure says which task it was, where it was suspended, and what became of its waker.
///
/// A run fails as well when a task panics that nobody joins, so that nobody would ever hear of it: one that was
/// detached, or whose handle is dropped after it has panicked. Whoever expects a panic awaits the handle. A handle that
/// is dropped with a task that the end of the run cancels is none of those: that task might have joined it.
///
/// Two tasks add 1 to the same number, and await in between. That goes well as long as the first is through before the
/// second begins, as it happens to be on any other runtime:
///
/// ```should_panic
/// use executor::test::explore;
/// use executor::{spawn_local, yield_now};
/// use std::{cell::Cell, rc::Rc};
///
/// async fn add_one(number: Rc<Cell<u32>>) {
///     let before = number.get();
///     yield_now().await; // as a request to a database
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
        let Err(said) = run_once(seed, None, &test) else { continue };
        // A failed run is repeated with a recorder. Only the repetition also notes where tasks were suspended.
        let recorder = Arc::new(Recorder::new());
        match run_once(seed, Some(recorder.clone()), &test) {
            Err(said) => fail(seed, &said, Location::caller(), Some(&recorder)),
            Ok(()) => fail(seed, &said, Location::caller(), None),
        }
    }
}

/// One run in a world of its own; if it fails, what it said.
#[track_caller]
fn run_once<F: Future<Output = ()>>(
    seed: u64,
    recorder: Option<Arc<Recorder>>,
    test: impl Fn(Network) -> F,
) -> Result<(), String> {
    let strictness = Strictness { stranded: true, chains: recorder.is_some() };
    let unheard = Arc::new(Unheard::default());
    let observer: Arc<dyn Observer> = match recorder {
        Some(recorder) => Arc::new((recorder, unheard.clone())),
        None => unheard.clone(),
    };
    let runtime = Runtime::builder().deterministic(seed).strict(Some(strictness)).observer(observer).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => panic!("executor::test::explore could not make a runtime: {error}"),
    };
    let network = runtime.network().expect("a deterministic runtime has a network");
    let run = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async { test(network).await })));
    let unheard = unheard.lock().first.take();
    match (run.map_err(|panic| Panic::new(panic).to_string()), unheard) {
        (Err(said), Some(unheard)) => Err(format!("{said}\nbesides, {unheard}")),
        (Ok(()), Some(said)) | (Err(said), None) => Err(said),
        (Ok(()), None) => Ok(()),
    }
}

/// Watches a run for the panics of which nobody hears: those of tasks whose output nobody takes.
#[derive(Default)]
struct Unheard(Mutex<Panics>);

#[derive(Default)]
struct Panics {
    /// The task of the test itself, which is the first one.
    root: Option<TaskId>,
    /// It is over, and the tasks that are left are being cancelled.
    is_ending: bool,
    /// What those that have panicked said, of which somebody may still hear.
    said: BTreeMap<TaskId, String>,
    /// What the first of those said of which nobody has heard.
    first: Option<String>,
}

impl Unheard {
    fn lock(&self) -> MutexGuard<'_, Panics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReactorObserver for Unheard {}

impl Observer for Unheard {
    fn task_spawned(&self, task: TaskRef<'_>, _: Option<TaskId>) {
        self.lock().root.get_or_insert(task.id());
    }

    fn task_panicked(&self, task: TaskRef<'_>, message: Option<&str>) {
        let message = message.unwrap_or(task::NO_MESSAGE);
        let text = format!("{} panicked, and nobody joined it: {message}", task.info());
        let mut panics = self.lock();
        match panics.is_ending {
            false => _ = panics.said.insert(task.id(), text),
            true => _ = panics.first.get_or_insert(text), // by then, nobody is polled who could join it
        }
    }

    fn task_finished(&self, task: TaskRef<'_>, _: Finish) {
        let mut panics = self.lock();
        panics.is_ending |= panics.root == Some(task.id());
    }

    fn output_dropped(&self, task: TaskRef<'_>, _: Finish) {
        let mut panics = self.lock();
        // What goes at the end is a handle whose owner might have gone on to join it.
        if let Some(text) = panics.said.remove(&task.id()).filter(|_| !panics.is_ending) {
            panics.first.get_or_insert(text);
        }
    }
}

#[track_caller]
fn wanted_seed() -> Option<u64> {
    match env::var(VARIABLE) {
        Ok(text) => match text.parse() {
            Ok(seed) => Some(seed),
            Err(_) => panic!("{VARIABLE} is `{text}`, which is no seed: write a number, as {VARIABLE}=17"),
        },
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => panic!("{VARIABLE} is no seed: write a number, as {VARIABLE}=17"),
    }
}

/// Tells of a run that has failed, and of its recording; without, it has not failed again.
#[track_caller]
fn fail(seed: u64, said: &str, place: &Location<'_>, recorder: Option<&Arc<Recorder>>) -> ! {
    let Some(recorder) = recorder else {
        panic!(
            "seed {seed} fails (explored at {place}): {said}\nit did not fail when it was made once more: something in it \
             does not come from the seed. Use executor::time::now() for the system's clock, \
             executor::test::network().random() for random numbers, spawn_blocking for threads; make all that a run \
             uses inside of the closure; and don't go through a HashMap in its order"
        )
    };
    // The test's name is its thread's, unless tests run on the first thread.
    let thread = thread::current();
    let name = thread.name().filter(|name| *name != "main").unwrap_or_default();
    let file = env::temp_dir().join(format!("executor-{}-{seed}.jsonl", name.replace("::", "-")));
    let saved = match recorder.save(&file) {
        Ok(()) => format!("step through it: demo step --replay {}", file.display()),
        Err(error) => format!("it could not be recorded in {}: {error}", file.display()),
    };
    let command = format!("{VARIABLE}={seed} cargo test {name}");
    let command = command.trim_end();
    panic!("seed {seed} fails (explored at {place}): {said}\nrepeat it: {command}\n{saved}");
}

/// The network of the runtime on this thread.
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
        "there is no simulated network on this thread: call it from inside of executor::test::explore, or of a runtime \
         made with Runtime::builder().deterministic(seed)",
    )
}
