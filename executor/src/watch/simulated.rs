//! What a deterministic runtime does besides: it runs tasks in a seeded order, and each on its simulated host.
//!
//! A task belongs to the host in whose task it was spawned. When a host crashes its tasks are ended, as they
//! would be with the machine; what it runs when it is started again belongs to another life of the same host.
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
    /// One of them was spawned when its host had crashed already: by a destructor, or by whoever had it crash.
    is_late: Cell<bool>,
}

impl Simulated {
    pub(crate) fn new(network: &Network) -> Simulated {
        Simulated { network: network.clone(), tasks: RefCell::default(), is_late: Cell::new(false) }
    }

    /// Puts tasks that are ready into an order that depends on the seed alone.
    pub(crate) fn shuffle(&self, ready: &mut [Runnable]) {
        // R. Durstenfeld, "Algorithm 235: Random permutation", 1964.
        for last in (1..ready.len()).rev() {
            ready.swap(last, self.network.random_below(last as u64 + 1) as usize);
        }
    }

    /// A task was spawned: by a task of the same host.
    pub(crate) fn spawned(&self, task: Canceller) {
        if let Some(host) = Host::current() {
            self.is_late.set(self.is_late.get() || host.has_crashed());
            self.tasks.borrow_mut().insert(task.task().id(), (host, task));
        }
    }

    pub(crate) fn finished(&self, task: TaskId) {
        let gone = self.tasks.borrow_mut().remove(&task);
        drop(gone); // with the borrow over: it may have been the last reference
    }

    /// How many tasks belong to a host.
    #[cfg(test)]
    pub(super) fn on_hosts(&self) -> usize {
        self.tasks.borrow().len()
    }

    /// Runs a task on its host, or on none. What has crashed in it is over before anything else runs.
    pub(crate) fn run<R>(&self, task: TaskId, run: impl FnOnce() -> R) -> R {
        let host = self.tasks.borrow().get(&task).map(|(host, _)| host.clone());
        let entered = host.map_or_else(Host::leave, |host| host.enter());
        let result = run();
        drop(entered);
        self.end_crashed();
        result
    }

    /// Ends the tasks of the hosts that have crashed since this was called last.
    pub(crate) fn end_crashed(&self) {
        if !self.network.take_crashed() && !self.is_late.take() {
            return;
        }
        let tasks: Vec<(Host, Canceller)> = {
            let tasks = self.tasks.borrow();
            tasks.values().filter(|(host, _)| host.has_crashed()).cloned().collect()
        };
        for (host, task) in tasks {
            task.end_at(Location::caller(), &format!("its host `{}` has crashed", host.name()));
        }
    }
}
