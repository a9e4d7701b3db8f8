//! A blocked executor: one task calls what blocks, and the other one, which wants to tick each 10 ms, stands still.

use executor::time::{Duration, interval};
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
        compute(); // holds the thread up: nothing else runs meanwhile
    });
    wrong.await.expect("it ends");
    let right = named("right").spawn(async {
        spawn_blocking(compute).await.expect("it ends"); // on a thread of its own
    });
    right.await.expect("it ends");
    ticks.await.expect("it ends");
}

/// Some work that takes 150 ms and lets nobody else run.
fn compute() {
    std::thread::sleep(Duration::from_millis(150));
}
