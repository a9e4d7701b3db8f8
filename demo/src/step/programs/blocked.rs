//! A blocked executor: one task makes a call that blocks, and another task, which should tick every 10 ms, cannot run.

use executor::time::{Duration, interval, sleep};
use executor::{named, spawn_blocking};
use futures_lite::StreamExt;

pub(super) async fn main() {
    let ticks = named("ticks").spawn(async {
        let mut ticks = interval(Duration::from_millis(10));
        for _ in 0..4 {
            ticks.next().await;
        }
    });
    let wrong = named("wrong").spawn(async {
        sleep(Duration::from_millis(5)).await;
        compute(); // blocks the thread: no other task runs meanwhile
        sleep(Duration::from_millis(5)).await;
    });
    wrong.await.expect("it does not panic");
    let right = named("right").spawn(async {
        spawn_blocking(compute).await.expect("it does not panic"); // on a thread of the pool
    });
    right.await.expect("it does not panic");
    ticks.await.expect("it does not panic");
}

/// Work that takes 150 ms without an await.
fn compute() {
    std::thread::sleep(Duration::from_millis(150));
}
