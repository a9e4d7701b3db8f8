//! A blocking call inside a task delays every other task, and the runtime reports it. On another thread it delays none.
//!
//! ```sh
//! cargo run -p executor --example blocking
//! ```

use executor::time::{Duration, Instant};
use executor::{block_on, named, spawn, spawn_blocking};
use std::thread;

/// Wrong: no other task runs on this thread meanwhile.
async fn index_1() -> &'static str {
    thread::sleep(Duration::from_millis(300));
    "index 1"
}

/// Right: another thread blocks.
async fn index_1_on_a_thread() -> &'static str {
    let text = spawn_blocking(|| {
        thread::sleep(Duration::from_millis(300));
        "index 1"
    });
    text.await.expect("the call neither panics nor is cancelled")
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
