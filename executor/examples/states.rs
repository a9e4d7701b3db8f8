//! The states of a task: queued, running, suspended, completed. The printed form of a task contains its spawn location.
//!
//! ```sh
//! cargo run -p executor --example states
//! ```

use executor::task::TaskState;
use executor::time::{Duration, sleep};
use executor::{block_on, named, spawn, tasks, yield_now};

async fn work(millis: u64) -> String {
    // A task that lists the tasks sees itself as running.
    let running = tasks().iter().any(|task| task.state == TaskState::Running && task.task.id.0 == 2);
    println!("  in its first poll, task 2 is running: {running}");
    sleep(Duration::from_millis(millis)).await;
    format!("done after {millis} ms")
}

fn main() {
    block_on(async {
        let task = named("worker").spawn(work(50));
        println!("{task:?}"); // task 2 "worker" (queued, spawned at …)
        yield_now().await;
        println!("{task:?}");
        let mut task = task;
        let output = (&mut task).await.unwrap();
        println!("{task:?}: {output}");

        let endless = spawn(std::future::pending::<()>());
        endless.cancel();
        yield_now().await;
        println!("{endless:?}");
    });
}
