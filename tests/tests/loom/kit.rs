//! What the models share: a scheduler of one slot. The rest is in `tests::model`, for models outside of this crate, too.

use crate::task::{Finish, JoinHandle, Runnable, Schedule, TaskEvent, TaskRef, spawn_with};
use loom::sync::{Arc as LoomArc, Condvar, Mutex};
use std::future::Future;
use std::sync::Arc;
use tests::model::Spoiling;
pub(crate) use tests::model::{
    Bell, Drops, RingBy, Tracked, WakerPlace, every_interleaving, interleavings_with, poll_once_and_drop, polled,
};

#[global_allocator]
static ALLOCATOR: Spoiling = Spoiling;

/// Room for one ready task, as a task is never ready twice, and a bell to wait for it.
///
/// The task alone holds it, so that it goes with the task's memory: `freed` in it then notices
/// memory that is freed while another thread still uses it.
pub(crate) struct Slot {
    slot: LoomArc<Shared>,
    freed: Tracked,
    is_observed: bool,
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

// SAFETY: loom's cell is not Sync, so that it is noticed where it is shared; here that is the point.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Schedule for Slot {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        // Looks only, and the second when another thread may have run the task to its end already:
        // whoever frees it must come after both.
        self.freed.look();
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

    fn is_observed(&self) -> bool {
        self.is_observed
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
    /// How often it was told that nobody can wake the task any more.
    pub(crate) fn stranded(&self) -> usize {
        self.ready.lock().unwrap().stranded
    }

    fn put(&self, task: Runnable) {
        let before = self.ready.lock().unwrap().task.replace(task);
        assert!(before.is_none(), "a task was ready twice");
        self.bell.notify_one();
    }

    /// Runs the task once if it is ready. `false` if it is not.
    pub(crate) fn run_if_ready(&self) -> bool {
        let task = self.ready.lock().unwrap().task.take();
        let Some(task) = task else { return false };
        if let Some(again) = task.run() {
            self.put(again);
        }
        true
    }

    /// Runs the task whenever it is ready, until it is finished. Loom calls it a deadlock if it
    /// never is, which is what a lost wake looks like.
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
            if let Some(again) = task.and_then(Runnable::run) {
                self.put(again);
            }
        }
    }

    /// Drops the right to run, if the task is ready, which cancels it.
    pub(crate) fn drop_if_ready(&self) {
        let task = self.ready.lock().unwrap().task.take();
        drop(task);
    }
}

/// A task in its slot, queued; the slot; and what counts the end of its memory.
pub(crate) fn spawn<F>(future: F) -> (LoomArc<Shared>, JoinHandle<F::Output>, LoomArc<Drops>)
where
    F: Future<Output: Send> + Send + 'static,
{
    spawn_in(future, false)
}

/// As [`spawn`], of a task that somebody watches.
pub(crate) fn spawn_watched<F>(future: F) -> (LoomArc<Shared>, JoinHandle<F::Output>, LoomArc<Drops>)
where
    F: Future<Output: Send> + Send + 'static,
{
    spawn_in(future, true)
}

fn spawn_in<F>(future: F, is_observed: bool) -> (LoomArc<Shared>, JoinHandle<F::Output>, LoomArc<Drops>)
where
    F: Future<Output: Send> + Send + 'static,
{
    let slot = LoomArc::new(Shared { ready: Mutex::new(Ready::default()), bell: Condvar::new() });
    let freed = Drops::new();
    let scheduler = Arc::new(Slot { slot: slot.clone(), freed: Tracked::new(&freed), is_observed });
    let (task, handle) = spawn_with(future, scheduler);
    slot.put(task);
    (slot, handle, freed)
}

/// Polls a future again whenever it is woken. The waker is a new one each time if `new_each_time`.
pub(crate) fn block_on<F: Future>(future: F, new_each_time: bool) -> F::Output {
    match new_each_time {
        true => tests::model::block_on_moving(future),
        false => tests::model::block_on(future),
    }
}
