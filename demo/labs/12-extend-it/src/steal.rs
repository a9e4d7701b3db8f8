//! The queues of a work-stealing scheduler, and where its workers wait. The whole file is yours: add what you need.
//!
//! It names no task, thread or atomic of the standard library: the tests also compile it for the model checker.

use crate::shim::{Condvar, Mutex};
use std::collections::VecDeque;

/// After this many tasks, a worker looks at the injection queue before its own, so that tasks of its own that are queued
/// again and again do not starve the injected ones.
const OWN_IN_A_ROW: usize = 32;

/// A queue for each worker, and one for the tasks that other threads push.
pub struct Queues<T> {
    workers: Vec<Mutex<Worker<T>>>,
    injected: Mutex<VecDeque<T>>,
    parking: Mutex<Parking>,
    /// Notified when a parked worker must look at the queues again.
    unpark: Condvar,
}

/// The queue of a worker. Other workers steal from it.
struct Worker<T> {
    tasks: VecDeque<T>,
    /// The number of tasks that the worker has taken from here since it last looked at the injection queue.
    taken: usize,
}

struct Parking {
    /// The number of workers that are parked.
    parked: usize,
    /// No more tasks come from outside.
    is_over: bool,
}

impl<T> Queues<T> {
    /// Empty queues for this many workers.
    pub fn new(workers: usize) -> Queues<T> {
        let worker = || Mutex::new(Worker { tasks: VecDeque::new(), taken: 0 });
        Queues {
            workers: (0..workers).map(|_| worker()).collect(),
            injected: Mutex::new(VecDeque::new()),
            parking: Mutex::new(Parking { parked: 0, is_over: false }),
            unpark: Condvar::new(),
        }
    }

    /// Adds a task at the end of the queue of a worker, which is the calling thread; or, if the caller is no worker, at
    /// the end of the injection queue. Then unparks a worker, if one is parked.
    pub fn push(&self, worker: Option<usize>, task: T) {
        match worker {
            Some(worker) => self.workers[worker].lock().unwrap().tasks.push_back(task),
            None => self.injected.lock().unwrap().push_back(task),
        }
        // A worker that parks looks at the queues under this lock: either it finds the task, or it is counted here.
        if self.parking.lock().unwrap().parked > 0 {
            self.unpark.notify_one();
        }
    }

    /// Takes a task for a worker, without waiting: the first one of its own queue, or of the injection queue, or one
    /// that it [steals](Queues::steal). After `OWN_IN_A_ROW` tasks of its own, the injection queue comes first.
    pub fn next(&self, worker: usize) -> Option<T> {
        let from_own = || {
            let mut own = self.workers[worker].lock().unwrap();
            own.taken += 1;
            own.tasks.pop_front()
        };
        let from_injected = || {
            self.workers[worker].lock().unwrap().taken = 0;
            self.injected.lock().unwrap().pop_front()
        };
        let own_first = self.workers[worker].lock().unwrap().taken < OWN_IN_A_ROW;
        let task = if own_first { from_own().or_else(from_injected) } else { from_injected().or_else(from_own) };
        task.or_else(|| self.steal(worker))
    }

    /// Takes the older half of the tasks of another worker, rounded up: the first one that has any. Returns the first
    /// task, and adds the rest to the queue of `thief`.
    pub fn steal(&self, thief: usize) -> Option<T> {
        let count = self.workers.len();
        for victim in (1..count).map(|distance| (thief + distance) % count) {
            // The lock of the victim is released before the thief's own is taken: two thieves that steal from each
            // other would wait for each other for ever.
            let mut stolen: VecDeque<T> = {
                let tasks = &mut self.workers[victim].lock().unwrap().tasks;
                let half = tasks.len().div_ceil(2);
                tasks.drain(..half).collect()
            };
            if let Some(first) = stolen.pop_front() {
                self.workers[thief].lock().unwrap().tasks.append(&mut stolen);
                return Some(first);
            }
        }
        None
    }

    /// Waits until there may be a task. Returns `false` when the [end](Queues::end) has come and all queues are empty.
    pub fn park(&self) -> bool {
        let mut parking = self.parking.lock().unwrap();
        if !self.is_empty() {
            return true;
        }
        if parking.is_over {
            return false;
        }
        parking.parked += 1;
        parking = self.unpark.wait(parking).unwrap();
        parking.parked -= 1;
        true
    }

    /// No more tasks come from outside: unparks all workers.
    pub fn end(&self) {
        self.parking.lock().unwrap().is_over = true;
        self.unpark.notify_all();
    }

    /// Whether all queues are empty.
    pub fn is_empty(&self) -> bool {
        let no_injected = self.injected.lock().unwrap().is_empty();
        no_injected && self.workers.iter().all(|worker| worker.lock().unwrap().tasks.is_empty())
    }
}
