//! The seeded order of a deterministic run, and the hosts of its tasks.
//!
//! A task belongs to the host of the task that spawned it. When a host crashes, its tasks are cancelled; what it runs
//! after a restart belongs to a new incarnation of the host.
//!
//! Used by `monitor.rs`, where the reactor has a simulated network.

use crate::task::{Canceller, Runnable, TaskId};
use reactor::backend::{Host, Network};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::Location;

pub(crate) struct Simulated {
    network: Network,
    /// The tasks that belong to a host.
    tasks: RefCell<BTreeMap<TaskId, (Host, Canceller)>>,
    /// A task was spawned after its host had crashed: by a destructor, or by the code that made it crash.
    is_late: Cell<bool>,
}

impl Simulated {
    pub(crate) fn new(network: &Network) -> Simulated {
        Simulated { network: network.clone(), tasks: RefCell::default(), is_late: Cell::new(false) }
    }

    /// Puts queued tasks into an order that depends on the seed alone.
    pub(crate) fn shuffle(&self, ready: &mut [Runnable]) {
        // R. Durstenfeld, "Algorithm 235: Random permutation", 1964.
        for last in (1..ready.len()).rev() {
            ready.swap(last, self.network.random_below(last as u64 + 1) as usize);
        }
    }

    /// A task was spawned. It belongs to the current host.
    pub(crate) fn spawned(&self, task: Canceller) {
        if let Some(host) = Host::current() {
            self.is_late.set(self.is_late.get() || host.has_crashed());
            self.tasks.borrow_mut().insert(task.task().id(), (host, task));
        }
    }

    pub(crate) fn finished(&self, task: TaskId) {
        let gone = self.tasks.borrow_mut().remove(&task);
        drop(gone); // after the borrow: this may be the last reference
    }

    /// How many tasks belong to a host.
    #[cfg(test)]
    pub(super) fn on_hosts(&self) -> usize {
        self.tasks.borrow().len()
    }

    /// Runs a task on its host, or on none. If a host crashes in that poll, its tasks are cancelled before another task
    /// runs.
    pub(crate) fn run<R>(&self, task: TaskId, run: impl FnOnce() -> R) -> R {
        let host = self.tasks.borrow().get(&task).map(|(host, _)| host.clone());
        let entered = host.map_or_else(Host::leave, |host| host.enter());
        let result = run();
        drop(entered);
        self.end_crashed();
        result
    }

    /// Cancels the tasks of the hosts that have crashed since the last call.
    pub(crate) fn end_crashed(&self) {
        if !self.network.take_crashed() && !self.is_late.take() {
            return;
        }
        let tasks: Vec<(Host, Canceller)> = {
            let tasks = self.tasks.borrow();
            tasks.values().filter(|(host, _)| host.has_crashed()).cloned().collect()
        };
        for (host, task) in tasks {
            task.end_at(Location::caller(), &format!("its host \"{}\" has crashed", host.name()));
        }
    }
}
