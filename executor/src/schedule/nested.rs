//! Dropping the futures of cancelled tasks at once, in the poll or the destructor that requests it.
//!
//! Used by the schedulers, for groups, whose tasks must not outlive them.

use super::run_queue::RunQueue;
use crate::task::{Canceller, Runnable};
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::iter;
use std::thread;

/// Each level takes about two kilobytes of stack in a debug build, plus what the destructors take.
const DEPTH: usize = 16;

/// The drops in progress on a thread, each inside a destructor that the previous one runs.
#[derive(Default)]
pub(super) struct NestedDrops {
    depth: Cell<usize>,
    /// Cancelled tasks that the outermost call runs in the end.
    left_over: RefCell<Vec<Canceller>>,
}

impl NestedDrops {
    /// Runs those of `tasks` that are cancelled and not shielded, the last one first. Such a run drops the future.
    /// `take` moves into `queue` the tasks that other threads have pushed, and `run` runs a task.
    ///
    /// A destructor may call this again. From a certain depth on, such a call leaves its tasks to the outermost one and
    /// returns `false`, so that futures which drop each other don't overflow the stack.
    pub(super) fn run(&self, tasks: Vec<Canceller>, queue: &RunQueue, take: impl Fn(), run: impl Fn(Runnable)) -> bool {
        let depth = self.depth.get();
        if depth == DEPTH {
            self.left_over.borrow_mut().extend(tasks);
            return false;
        }
        let _depth = Depth { drops: self, before: self.depth.replace(depth + 1) };
        run_all(&tasks, queue, &take, &run);
        if depth == 0 {
            // These runs may leave further tasks.
            let left_over = || Some(self.left_over.take()).filter(|tasks| !tasks.is_empty());
            while let Some(tasks) = left_over() {
                run_all(&tasks, queue, &take, &run);
            }
        }
        true
    }
}

/// Puts the depth back, whether the call returns or unwinds.
struct Depth<'a> {
    drops: &'a NestedDrops,
    before: usize,
}

impl Drop for Depth<'_> {
    fn drop(&mut self) {
        self.drops.depth.set(self.before);
    }
}

fn run_all(tasks: &[Canceller], queue: &RunQueue, take: impl Fn(), run: impl Fn(Runnable)) {
    // Sorted by address, so that a binary search finds the rank of a queued task.
    let mut ranks: Vec<_> = tasks.iter().enumerate().map(|(rank, task)| (task.address(), rank)).collect();
    ranks.sort_unstable();
    let rank = |task: &Runnable| {
        let found = ranks.binary_search_by_key(&task.header().addr().get(), |(address, _)| *address);
        let can_run = task.task().header().state.is_cancelled() && task.task().can_be_dropped();
        found.ok().filter(|_| can_run).map(|index| ranks[index].1)
    };
    while tasks.iter().any(|task| task.task().can_be_dropped()) {
        take();
        let queued = iter::from_fn(|| queue.pop());
        let (mut doomed, others): (Vec<_>, Vec<_>) = queued.partition(|task| rank(task).is_some());
        doomed.sort_by_cached_key(|task| Reverse(rank(task)));
        // A task that is in no queue was woken by another thread, which is about to push it.
        if doomed.is_empty() {
            thread::yield_now();
        }
        // Keep them in the queue: a destructor may drop another group that contains some of them.
        doomed.into_iter().chain(others).for_each(|task| queue.push(task));
        while let Some(task) = queue.pop() {
            if rank(&task).is_none() {
                queue.push_front(task);
                break;
            }
            run(task);
        }
    }
}
