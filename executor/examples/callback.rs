//! A callback that is called when a task completes, and the task's result.
//!
//! ```sh
//! cargo run -p executor --example callback
//! ```

use executor::time::{Duration, sleep};
use executor::{block_on, named};

async fn work(millis: u64) -> String {
    println!("waiting for {millis} ms");
    sleep(Duration::from_millis(millis)).await;
    format!("done after {millis} ms")
}

fn main() {
    block_on(async {
        let task = named("worker").spawn(work(50));
        task.on_done(|task, how| {
            println!("callback: task {} \"{}\" has completed: {how:?}", task.id(), task.name().unwrap())
        });
        println!("result: {}", task.await.unwrap());

        let failing = named("failing").spawn(async { panic!("no luck today") });
        failing.on_done(|task, how| println!("callback: task {} has completed: {how:?}", task.id()));
        println!("result: {}", failing.explained().await.map(|()| "none").unwrap_err());
    });
}
