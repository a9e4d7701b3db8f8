//! What the models share: a scheduler of one slot, and a process for each model. The rest is in the library `models`,
//! which models outside of this crate use too.

use crate::task::StateWord;
use crate::task::{Finish, JoinHandle, Runnable, Schedule, TaskEvent, TaskRef, spawn_with};
use loom::sync::{Arc as LoomArc, Condvar, Mutex};
use models::Spoiling;
use models::steps::{self, note};
pub(crate) use models::{Bell, Drops, RingBy, Tracked, WakerPlace, poll_once_and_drop, polled};
use std::cell::Cell;
use std::future::Future;
use std::process::Command;
use std::sync::Arc;
use std::{env, thread};

#[global_allocator]
static ALLOCATOR: Spoiling = Spoiling;

/// As [`models::every_interleaving`], in a process of its own.
pub(crate) fn every_interleaving(body: impl Fn() + Sync + Send + 'static) {
    if has_own_process() {
        steps::describe(describe);
        models::every_interleaving(body);
    }
}

/// As [`models::interleavings_with`], in a process of its own.
pub(crate) fn interleavings_with(preemptions: usize, body: impl Fn() + Sync + Send + 'static) {
    if has_own_process() {
        steps::describe(describe);
        models::interleavings_with(preemptions, body);
    }
}

/// The words of the checked files: state words by their names, readiness words by their two parts.
fn describe(file: &str, word: u64) -> Option<String> {
    match file.rsplit('/').next()? {
        "state.rs" => {
            // The lowest bits have names, the highest 27 count polls, and the rest counts references.
            let bits = StateWord::all_names().count();
            let word = StateWord::from_parts(word & ((1 << bits) - 1), word >> bits, word >> 37).to_string();
            word.rsplit_once(", ").map(|(without_polls, _)| without_polls.to_owned())
        }
        "readiness.rs" => Some(format!("{:#04x}, {} reports", word & 0xff, word >> 8)),
        _ => None,
    }
}

/// Whether the test that calls this has a process of its own. If not, starts one for the whole test and waits for it.
///
/// Loom maps and unmaps a stack for each thread of each interleaving. Two models in one process would slow each other
/// down there.
fn has_own_process() -> bool {
    const OWN_PROCESS: &str = "MODELS_OWN_PROCESS";
    thread_local! {
        static HAS_RUN: Cell<bool> = const { Cell::new(false) };
    }
    let this = thread::current();
    // A test has a thread with its name, unless only one test runs at a time.
    let Some(test) = this.name().filter(|name| *name != "main") else { return true };
    if env::var_os(OWN_PROCESS).is_some() {
        return true;
    }
    if HAS_RUN.replace(true) {
        return false; // the test's second model, which the process has run as well
    }
    let mut process = Command::new(env::current_exe().expect("a test knows its own path"));
    let output = process
        .args([test, "--exact", "--include-ignored", "--nocapture"])
        .env(OWN_PROCESS, "")
        .output()
        .expect("a test can be run");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
    false
}

/// A scheduler with room for one queued task, because a task is never queued twice, and a bell to wait for it.
///
/// Only the task holds it, so it is dropped with the task's memory. With `freed`, loom reports memory that is freed
/// while another thread still uses it.
pub(crate) struct Slot {
    slot: LoomArc<Shared>,
    freed: Tracked,
    is_watched: bool,
}

pub(crate) struct Shared {
    ready: Mutex<Ready>,
    bell: Condvar,
}

#[derive(Default)]
struct Ready {
    task: Option<Runnable>,
    finished: bool,
    stranded: usize,
}

// SAFETY: loom's cell is not Sync, but here it is shared on purpose: loom checks each access.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Schedule for Slot {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        // Two shared accesses. At the second one, another thread may have run the task to its end already, but the
        // memory must be freed after both.
        self.freed.look();
        note("queues the task");
        self.slot.put(task);
        self.freed.look();
    }

    fn finished(self: &Arc<Self>, _: TaskRef<'_>, _: Finish) {
        let mut ready = self.slot.ready.lock().unwrap();
        assert!(!ready.finished, "finished twice");
        ready.finished = true;
        drop(ready);
        self.slot.bell.notify_one();
    }

    fn is_watched(&self) -> bool {
        self.is_watched
    }

    fn happened(self: &Arc<Self>, _: TaskRef<'_>, what: TaskEvent<'_>) {
        self.freed.look();
        if let TaskEvent::Stranded { lost } = what {
            assert!(lost, "each poll here leaves a waker");
            self.slot.ready.lock().unwrap().stranded += 1;
        }
    }
}

impl Shared {
    /// How often the task was reported as stranded.
    pub(crate) fn stranded(&self) -> usize {
        self.ready.lock().unwrap().stranded
    }

    fn put(&self, task: Runnable) {
        let before = self.ready.lock().unwrap().task.replace(task);
        assert!(before.is_none(), "a task was ready twice");
        self.bell.notify_one();
    }

    /// Runs the task once if it is queued. Returns `false` if it is not.
    pub(crate) fn run_if_ready(&self) -> bool {
        let task = self.ready.lock().unwrap().task.take();
        let Some(task) = task else { return false };
        note("runs the task");
        if let Some(again) = task.run() {
            self.put(again);
        }
        true
    }

    /// Runs the task whenever it is queued, until it has completed. If a wake is lost, the task never completes, and
    /// loom reports a deadlock.
    pub(crate) fn run_to_the_end(&self) {
        loop {
            let mut ready = self.ready.lock().unwrap();
            while ready.task.is_none() {
                if ready.finished {
                    return;
                }
                ready = self.bell.wait(ready).unwrap();
            }
            let task = ready.task.take();
            drop(ready);
            note("runs the task");
            if let Some(again) = task.and_then(Runnable::run) {
                self.put(again);
            }
        }
    }

    /// Drops the right to run if the task is queued, which cancels it.
    pub(crate) fn drop_if_ready(&self) {
        let task = self.ready.lock().unwrap().task.take();
        drop(task);
    }
}

/// Spawns a task, which is queued in a slot. Returns the slot, the handle, and a counter that counts when the memory is
/// freed.
pub(crate) fn spawn<F>(future: F) -> (LoomArc<Shared>, JoinHandle<F::Output>, LoomArc<Drops>)
where
    F: Future<Output: Send> + Send + 'static,
{
    spawn_in(future, false)
}

/// As [`spawn`], for an observed task.
pub(crate) fn spawn_watched<F>(future: F) -> (LoomArc<Shared>, JoinHandle<F::Output>, LoomArc<Drops>)
where
    F: Future<Output: Send> + Send + 'static,
{
    spawn_in(future, true)
}

fn spawn_in<F>(future: F, is_watched: bool) -> (LoomArc<Shared>, JoinHandle<F::Output>, LoomArc<Drops>)
where
    F: Future<Output: Send> + Send + 'static,
{
    let slot = LoomArc::new(Shared { ready: Mutex::new(Ready::default()), bell: Condvar::new() });
    let freed = Drops::new();
    let scheduler = Arc::new(Slot { slot: slot.clone(), freed: Tracked::new(&freed), is_watched });
    let (task, handle) = spawn_with(future, scheduler);
    slot.put(task);
    (slot, handle, freed)
}

/// Polls a future again whenever it is woken. The waker is a new one each time if `new_each_time`.
pub(crate) fn block_on<F: Future>(future: F, new_each_time: bool) -> F::Output {
    match new_each_time {
        true => models::block_on_moving(future),
        false => models::block_on(future),
    }
}
