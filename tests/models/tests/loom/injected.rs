//! The injection queue: other threads push tasks, the thread of the runtime takes them, and one push wakes it.

use super::kit::{Drops, every_interleaving, interleavings_with, polled};
use crate::run_queue::{InjectionQueue, RunQueue};
use crate::task::{Runnable, Schedule, spawn_with};
use loom::sync::Arc as LoomArc;
use loom::thread;
use std::sync::{Arc, Mutex as StdMutex};
use std::task::{Context, Poll};

struct Nowhere;

impl Schedule for Nowhere {
    fn schedule(self: &Arc<Self>, _: Runnable) {
        unreachable!("these tasks are not woken");
    }
}

/// The numbers of tasks in the order in which they ran. Loom sees none of it.
type Order = Arc<StdMutex<Vec<usize>>>;

/// Pushes tasks with these numbers. Returns how many of the pushes have to wake the thread.
fn push(injected: &InjectionQueue, drops: &LoomArc<Drops>, order: &Order, numbers: &[usize]) -> usize {
    let push_one = |number: &usize| {
        let (order, number) = (order.clone(), *number);
        let ready = move |_: &mut Context<'_>| {
            order.lock().unwrap().push(number);
            Poll::Ready(())
        };
        let (task, handle) = spawn_with(polled(drops, ready), Arc::new(Nowhere));
        drop(handle);
        injected.push(task)
    };
    numbers.iter().map(push_one).filter(|told| *told).count()
}

/// Starts a thread for each list, which pushes its tasks.
fn pushers<const N: usize>(
    injected: &LoomArc<InjectionQueue>,
    drops: &LoomArc<Drops>,
    order: &Order,
    lists: [&'static [usize]; N],
) -> [thread::JoinHandle<usize>; N] {
    lists.map(|numbers| {
        let (injected, drops, order) = (injected.clone(), drops.clone(), order.clone());
        thread::spawn(move || push(&injected, &drops, &order, numbers))
    })
}

fn join_all<const N: usize>(pushers: [thread::JoinHandle<usize>; N]) -> usize {
    pushers.into_iter().map(|pusher| pusher.join().unwrap()).sum()
}

/// Takes and runs all tasks of the queue.
fn run(queue: &RunQueue) -> usize {
    let mut count = 0;
    while let Some(task) = queue.pop() {
        assert!(task.run().is_none());
        count += 1;
    }
    assert_eq!(queue.len(), 0);
    count
}

// Invariants 1 and 6: two threads push while a third takes. No task is lost or taken twice, the run of a task sees what
// the thread that pushed it wrote before, and no push has to wake a thread that is awake.
#[test]
fn two_pushes_during_a_take_lose_no_task() {
    every_interleaving(|| {
        let injected = LoomArc::new(InjectionQueue::new());
        let drops = Drops::new();
        let pushers = pushers(&injected, &drops, &Order::default(), [&[1], &[2]]);
        let queue = RunQueue::default();
        injected.take(&queue);
        let mut count = run(&queue);
        let told = join_all(pushers);
        injected.take(&queue);
        count += run(&queue);
        assert_eq!(
            (count, told, drops.count()),
            (2, 0, 2),
            "two tasks were pushed to a thread that does not park: tasks run, pushes that unpark it, futures dropped"
        );
    });
}

// Invariants 1 and 6: the same while the thread parks. Exactly one push has to wake it if it is parked, and none if it
// is not.
#[test]
fn one_of_two_pushes_wakes_a_parked_thread() {
    every_interleaving(|| {
        let injected = LoomArc::new(InjectionQueue::new());
        let drops = Drops::new();
        let pushers = pushers(&injected, &drops, &Order::default(), [&[1], &[2]]);
        let sleeps = injected.park();
        let told = join_all(pushers);
        assert_eq!(
            told,
            usize::from(sleeps),
            "exactly one push must unpark the thread if it is parked, and none if not"
        );
        let queue = RunQueue::default();
        injected.take(&queue);
        assert_eq!(run(&queue), 2, "two tasks were pushed, and each must run once");
        assert!(injected.park(), "it is empty and awake again");
        injected.take(&queue);
        assert_eq!((run(&queue), drops.count()), (0, 2));
    });
}

// Invariants 1 and 6: a thread parks, is woken by one push or by a timer, takes, and parks again. No push goes
// unnoticed in either park, and at most one push ends each.
#[test]
fn each_park_is_ended_by_at_most_one_push() {
    interleavings_with(2, || {
        let injected = LoomArc::new(InjectionQueue::new());
        let drops = Drops::new();
        let pushers = pushers(&injected, &drops, &Order::default(), [&[1, 2], &[3]]);
        let queue = RunQueue::default();
        let first = injected.park();
        injected.take(&queue);
        let taken = run(&queue);
        let second = injected.park();
        let told = join_all(pushers);
        injected.take(&queue);
        let left = run(&queue);
        assert_eq!((taken + left, drops.count()), (3, 3), "three tasks were pushed: tasks run, futures dropped");
        let noticed = usize::from(first && taken > 0) + usize::from(second && left > 0);
        assert_eq!(told, noticed, "pushes that unpark the thread, and parks during which a task was pushed");
    });
}

// Invariant 7: the oldest task comes first. Tasks of two threads may mix; those of one stay in their order, also across
// two takes.
#[test]
fn tasks_are_taken_oldest_first() {
    interleavings_with(3, || {
        let injected = LoomArc::new(InjectionQueue::new());
        let drops = Drops::new();
        let order = Order::default();
        let pushers = pushers(&injected, &drops, &order, [&[11, 12]]);
        push(&injected, &drops, &order, &[1, 2]);
        let queue = RunQueue::default();
        injected.take(&queue);
        run(&queue);
        push(&injected, &drops, &order, &[3]);
        join_all(pushers);
        injected.take(&queue);
        run(&queue);
        let order = order.lock().unwrap();
        let of = |tens: usize| order.iter().copied().filter(|number| number / 10 == tens).collect::<Vec<_>>();
        assert_eq!((of(0), of(1)), (vec![1, 2, 3], vec![11, 12]), "the tasks of one thread stay in their order");
        assert_eq!(drops.count(), 5);
    });
}

// Invariant 2: tasks that were not taken are dropped with the queue.
#[test]
fn a_dropped_queue_drops_its_tasks() {
    every_interleaving(|| {
        let injected = LoomArc::new(InjectionQueue::new());
        let drops = Drops::new();
        let pushers = pushers(&injected, &drops, &Order::default(), [&[1], &[2]]);
        join_all(pushers);
        let queue = RunQueue::default();
        injected.take(&queue);
        assert_eq!(queue.len(), 2);
        drop(queue);
        assert_eq!(drops.count(), 2);
    });
}
