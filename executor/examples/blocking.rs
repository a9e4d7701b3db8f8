//! A call that blocks, inside of a task, holds everything up; the runtime notices. Given to a thread it does not.
//!
//! ```sh
//! cargo run -p executor --example blocking
//! ```

use executor::time::{Duration, Instant};
use executor::{block_on, named, spawn, spawn_blocking};
use std::thread;

/// Wrong: nothing else runs on this thread meanwhile.
async fn index_1() -> &'static str {
    thread::sleep(Duration::from_millis(300));
    "index 1"
}

/// Right: it is another thread that blocks.
async fn index_1_on_a_thread() -> &'static str {
    let text = spawn_blocking(|| {
        thread::sleep(Duration::from_millis(300));
        "index 1"
    });
    text.await.expect("it neither panics nor is cancelled")
}

async fn index_2() -> &'static str {
    "index 2"
}

fn main() {
    block_on(async {
        let start = Instant::now();
        let (one, two) = (named("index 1").spawn(index_1()), spawn(index_2()));
        println!("{} after {} tenths of a second", two.await.unwrap(), start.elapsed().as_millis() / 100);
        println!("{} after {} tenths of a second", one.await.unwrap(), start.elapsed().as_millis() / 100);

        let start = Instant::now();
        let (one, two) = (spawn(index_1_on_a_thread()), spawn(index_2()));
        println!("{} after {} tenths of a second", two.await.unwrap(), start.elapsed().as_millis() / 100);
        println!("{} after {} tenths of a second", one.await.unwrap(), start.elapsed().as_millis() / 100);
    });
}
