//! The queues of the work-stealing scheduler, on one thread; and under the model checker, which also finds a thread that
//! waits for ever.

use crate::steal;
use lab_12::Queues;
use models::loom::thread;
use std::sync::Arc;

/// The tasks that a worker takes until it finds none.
fn all(queues: &Queues<u32>, worker: usize) -> Vec<u32> {
    std::iter::from_fn(|| queues.next(worker)).take(1000).collect()
}

#[test]
fn a_worker_runs_its_tasks_in_order() {
    let queues = Queues::new(1);
    (1..=3).for_each(|task| queues.push(Some(0), task));
    assert_eq!(all(&queues, 0), [1, 2, 3], "a worker has pushed the tasks 1, 2 and 3; it takes them in this order");
}

#[test]
fn a_task_from_outside_is_found_by_each_worker() {
    for worker in 0..3 {
        let queues = Queues::new(3);
        queues.push(None, 7);
        assert_eq!(queues.next(worker), Some(7), "worker {worker} must find the task that another thread has pushed");
        assert_eq!(queues.next(worker), None, "the only task was taken, and worker {worker} found one more");
    }
}

#[test]
fn an_idle_worker_steals_the_older_half() {
    // From each other worker, in a round of three.
    for (thief, victim) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
        let queues = Queues::new(3);
        (1..=5).for_each(|task| queues.push(Some(victim), task));
        let first = queues.next(thief);
        assert_eq!(
            first,
            Some(1),
            "worker {victim} has five tasks; worker {thief} has none and must take the oldest one"
        );
        assert_eq!(
            queues.next(victim),
            Some(4),
            "worker {thief} has stolen the older half of five tasks, which is three; worker {victim} goes on with the fourth"
        );
        let rest = all(&queues, thief);
        assert_eq!(rest, [2, 3, 5], "worker {thief} runs what it has stolen, in order, and then steals the last one");
    }
}

#[test]
fn tasks_from_outside_are_not_starved() {
    let queues = Queues::new(1);
    queues.push(Some(0), 1);
    queues.push(Some(0), 2);
    queues.push(None, 7);
    // The tasks 1 and 2 are woken in each of their polls.
    for _ in 0..100 {
        match queues.next(0) {
            Some(7) => return,
            Some(task) => queues.push(Some(0), task),
            None => break,
        }
    }
    panic!("a worker has taken 100 tasks of its own queue, and the task in the injection queue still waits");
}

#[test]
fn a_task_that_is_pushed_while_a_worker_parks_is_run() {
    models::every_interleaving(|| {
        let queues = Arc::new(steal::Queues::new(1));
        let pushes = thread::spawn({
            let queues = queues.clone();
            move || queues.push(None, 7)
        });
        let task = loop {
            match queues.next(0) {
                Some(task) => break task,
                None => assert!(queues.park(), "`park` returned false although the end has not come"),
            }
        };
        assert_eq!(task, 7);
        pushes.join().unwrap();
    });
}

#[test]
fn two_workers_take_each_task_once() {
    models::interleavings_with(3, || {
        let queues = Arc::new(steal::Queues::new(2));
        for task in 1..=2 {
            queues.push(Some(0), task);
            queues.push(Some(1), 10 * task);
        }
        let take = |queues: Arc<steal::Queues<u32>>, worker| {
            move || std::iter::from_fn(|| queues.next(worker)).collect::<Vec<_>>()
        };
        let other = thread::spawn(take(queues.clone(), 1));
        let mut taken = take(queues.clone(), 0)();
        taken.extend(other.join().unwrap());
        // What was on its way between two queues while both looked.
        taken.extend(take(queues.clone(), 0)());
        taken.sort_unstable();
        assert_eq!(
            taken,
            [1, 2, 10, 20],
            "two workers have taken these tasks; each of 1, 2, 10 and 20 must be there once"
        );
    });
}

#[test]
fn the_end_unparks_every_worker() {
    models::interleavings_with(3, || {
        let queues = Arc::new(steal::Queues::<u32>::new(2));
        let works = |queues: Arc<steal::Queues<u32>>| move || while queues.park() {};
        let workers = [thread::spawn(works(queues.clone())), thread::spawn(works(queues.clone()))];
        queues.end();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}

#[test]
fn what_is_queued_at_the_end_is_still_run() {
    let queues = Queues::new(2);
    queues.push(None, 1);
    queues.end();
    assert!(queues.park(), "a task is queued, and `park` returned false: the task would never be dropped");
    assert_eq!(queues.next(1), Some(1));
    assert!(!queues.park(), "the end has come and no task is queued, and `park` returned true: the worker never ends");
}
