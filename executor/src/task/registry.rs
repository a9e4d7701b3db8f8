//! A list of tasks that holds no reference to them: each is in it until it finishes.
//!
//! For executors whose tasks lie in no slab that would find them: see `custom.rs`.

use super::cell::{Header, TaskId, TaskRef};
use super::join::Canceller;
use super::waker::Runnable;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[derive(Default)]
pub(crate) struct Registry {
    tasks: Mutex<BTreeMap<TaskId, Entry>>,
}

struct Entry {
    /// There as long as this is in the list: the future's reference is given up only after `remove`.
    header: NonNull<Header>,
    spawned: Instant,
}

// SAFETY: what is behind the pointer is only looked at, under the lock, through a `Canceller`, which any thread may have.
unsafe impl Send for Entry {}

impl Registry {
    /// Puts a task in that was just made. [`Schedule::finished`](super::Schedule::finished) has to take it out again.
    pub(crate) fn add(&self, task: &Runnable) {
        self.lock().insert(task.task().id(), Entry { header: task.header(), spawned: Instant::now() });
    }

    /// Takes a task out that has finished.
    pub(crate) fn remove(&self, task: TaskRef<'_>) {
        self.lock().remove(&task.id());
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The tasks that are not over, in the order of their numbers, each with the time of its spawn.
    pub(crate) fn tasks(&self) -> Vec<(Canceller, Instant)> {
        let tasks = self.lock();
        // SAFETY: they are in the list, so they are there.
        tasks.values().filter_map(|task| Some((unsafe { Canceller::of_listed(task.header) }?, task.spawned))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, Entry>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
