//! Two tasks, of which one returns and one panics, and a third that joins both.
//!
//! Record it with `EXECUTOR_TRACE=FILE`, and step through the recording. Look at what happens between the last poll of
//! a task and the next poll of task 1, which awaits it.

use executor::time::{Duration, sleep};
use executor::{JoinError, Runtime, named};

fn main() {
    let runtime = Runtime::builder().deterministic(0).build().expect("a simulation needs no system");
    runtime.block_on(async {
        let works = named("works").spawn(async {
            sleep(Duration::from_millis(1)).await;
            7
        });
        let fails = named("fails").spawn(async {
            sleep(Duration::from_millis(2)).await;
            panic!("no luck");
        });

        // Task 1 is suspended until "works" has completed, and takes its output.
        assert_eq!(works.await.expect("it returns"), 7);

        // The panic of "fails" ends that task alone. Its message is in the error that its handle returns.
        let error: JoinError = fails.await.expect_err("it panics");
        assert_eq!(error.to_string(), "the task panicked: no luck");
    });
}
