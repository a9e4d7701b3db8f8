//! All tasks of a scheduler, without a reference to any of them: in its slabs, or in a [`Registry`].
//!
//! For the schedulers, which list their tasks, and end them when they end.

use super::canceller::Canceller;
use super::header::Header;
use super::id::{TaskId, TaskRef};
use super::slab::Slabs;
use super::waker::{Runnable, cancel, wake};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

impl<S> Slabs<S> {
    /// Cancels every task, shielded or not. Suspended tasks are queued. With `in_order`, the tasks are cancelled in the
    /// order of their numbers.
    pub(crate) fn cancel_all(&self, in_order: bool) {
        let mut tasks = Vec::new();
        self.for_each(|task| tasks.push(task));
        // SAFETY: the tasks exist; `cancel` and `wake` only schedule, so no slab is freed meanwhile.
        unsafe {
            if in_order {
                tasks.sort_by_key(|task| TaskRef::new(*task).id());
            }
            for task in tasks {
                task.as_ref().pierce_shields();
                cancel(task);
                wake(task); // for a task that was cancelled before and waits for its shields
            }
        }
    }

    /// All tasks that have not completed.
    pub(crate) fn tasks(&self) -> Vec<Canceller> {
        let mut tasks = Vec::new();
        // SAFETY: the tasks exist.
        self.for_each(|task| tasks.push(unsafe { Canceller::of(task) }));
        tasks
    }
}

/// The tasks of a scheduler that has no slabs: each from its spawn until it finishes.
#[derive(Default)]
pub(crate) struct Registry {
    tasks: Mutex<BTreeMap<TaskId, Entry>>,
}

struct Entry {
    /// Exists as long as this entry: the future's reference is given up only after `remove`.
    header: NonNull<Header>,
    spawned: Instant,
}

// SAFETY: what is behind the pointer is only reached under the lock, through a `Canceller`, which any thread may have.
unsafe impl Send for Entry {}

impl Registry {
    /// Adds a task that was just made. [`Schedule::finished`](super::Schedule::finished) has to remove it.
    pub(crate) fn add(&self, task: &Runnable) {
        self.lock().insert(task.task().id(), Entry { header: task.header(), spawned: Instant::now() });
    }

    /// Removes a task that has finished.
    pub(crate) fn remove(&self, task: TaskRef<'_>) {
        self.lock().remove(&task.id());
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The tasks that have not completed, in the order of their numbers, each with the time of its spawn.
    pub(crate) fn tasks(&self) -> Vec<(Canceller, Instant)> {
        let tasks = self.lock();
        // SAFETY: an entry's task exists.
        tasks
            .values()
            .filter_map(|task| Some((unsafe { Canceller::of_registered(task.header) }?, task.spawned)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, Entry>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
