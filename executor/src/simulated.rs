//! What a deterministic runtime does besides: it runs tasks in a seeded order, and each on its simulated host.
//!
//! A task belongs to the host in whose task it was spawned. When a host crashes its tasks are ended, as they
//! would be with the machine.
//!
//! Used by `single.rs`, where the reactor has a simulated network.

use crate::run_queue::RunQueue;
use crate::task::{Canceller, Runnable, TaskId};
use reactor::backend::{Host, Network};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::Location;

pub(crate) struct Simulated {
    network: Network,
    /// The tasks that belong to a host.
    tasks: RefCell<BTreeMap<TaskId, (Host, Canceller)>>,
}

impl Simulated {
    pub(crate) fn new(network: &Network) -> Simulated {
        Simulated { network: network.clone(), tasks: RefCell::default() }
    }

    /// Puts those that are ready into an order that only the seed knows.
    pub(crate) fn shuffle(&self, queue: &RunQueue) {
        let mut ready: Vec<Runnable> = std::iter::from_fn(|| queue.pop()).collect();
        // R. Durstenfeld, "Algorithm 235: Random permutation", 1964.
        for last in (1..ready.len()).rev() {
            ready.swap(last, self.network.random_below(last as u64 + 1) as usize);
        }
        ready.into_iter().for_each(|task| queue.push(task));
    }

    /// A task was spawned: by a task of the same host.
    pub(crate) fn spawned(&self, task: Canceller) {
        if let Some(host) = Host::current() {
            self.tasks.borrow_mut().insert(task.task().id(), (host, task));
        }
    }

    pub(crate) fn finished(&self, task: TaskId) {
        let gone = self.tasks.borrow_mut().remove(&task);
        drop(gone); // with the borrow over: it may have been the last reference
    }

    /// Runs a task on its host; then ends the tasks of the hosts that have crashed in it.
    pub(crate) fn run<R>(&self, task: TaskId, run: impl FnOnce() -> R) -> R {
        let host = self.tasks.borrow().get(&task).map(|(host, _)| host.clone());
        let entered = host.map(|host| host.enter());
        let result = run();
        drop(entered);
        for host in self.network.take_crashed() {
            self.end_tasks(&host);
        }
        result
    }

    fn end_tasks(&self, host: &Host) {
        let tasks: Vec<Canceller> = {
            let tasks = self.tasks.borrow();
            tasks.values().filter(|(of, _)| of == host).map(|(_, task)| task.clone()).collect()
        };
        let reason = format!("its host `{}` has crashed", host.name());
        tasks.iter().for_each(|task| task.end_at(Location::caller(), &reason));
    }
}

#[cfg(test)]
mod tests {
    use crate::single::with_core;
    use crate::test::explore;
    use crate::{spawn_local, yield_now};

    #[test]
    fn a_task_that_is_over_is_forgotten() {
        let tasks = || with_core(|core| core.unwrap().simulated.as_ref().unwrap().tasks.borrow().len());
        explore(1, |network| async move {
            let running = network.host("a").run(async {
                let waits = spawn_local(yield_now());
                assert_eq!(tasks(), 1);
                waits.await.unwrap();
            });
            running.await.unwrap();
            assert_eq!(tasks(), 0);
        });
    }
}
