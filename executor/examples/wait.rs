//! Waits until one of several tasks is done, or has failed, or all are done. The unfinished ones are returned.
//!
//! ```sh
//! cargo run -p executor --example wait
//! ```

use executor::time::{Duration, sleep};
use executor::{JoinHandle, Until, block_on, spawn, wait};

async fn work(tenths: u64) -> u64 {
    sleep(Duration::from_millis(100 * tenths)).await;
    assert!(tenths != 2, "200 ms is an unlucky time");
    tenths
}

fn main() {
    block_on(async {
        let tasks: Vec<JoinHandle<u64>> = [3, 1, 2].map(|tenths| spawn(work(tenths))).into();

        let first = wait(tasks, Until::FirstDone).await;
        println!("first done: {:?}; still pending: {}", first.done[0], first.pending.len());

        let tasks = first.pending.into_iter().map(|(_, task)| task);
        let failed = wait(tasks, Until::FirstError).await;
        println!("first error: {:?}; still pending: {}", failed.done.last().unwrap().1, failed.pending.len());

        let tasks = failed.pending.into_iter().map(|(_, task)| task);
        let all = wait(tasks, Until::AllDone).await;
        println!("all done: {:?}", all.done);
    });
}
