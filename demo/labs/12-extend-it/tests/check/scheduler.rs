//! The whole scheduler, on threads.

use executor::{spawn, yield_now};
use lab_12::block_on;
use std::future::Future;
use tests::conformance::{Executor, schedule};

struct Stealing(usize);

impl Executor for Stealing {
    fn block_on<F: Future<Output: Send> + Send + 'static>(&self, future: F) -> F::Output {
        block_on(self.0, None, future)
    }
}

#[test]
fn a_task_that_was_woken_during_its_poll_runs_again() {
    let results = block_on(1, None, async {
        let tasks: Vec<_> = (0..3)
            .map(|number| {
                spawn(async move {
                    yield_now().await; // wakes the task during its poll
                    yield_now().await;
                    number
                })
            })
            .collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.ok());
        }
        results
    });
    assert_eq!(
        results,
        [Some(0), Some(1), Some(2)],
        "three tasks yield twice and then return a number; a task without a number was dropped when it had yielded"
    );
}

#[test]
fn the_scheduler_conforms_on_one_worker() {
    schedule(|| Stealing(1));
}

#[test]
fn the_scheduler_conforms_on_four_workers() {
    schedule(|| Stealing(4));
}
