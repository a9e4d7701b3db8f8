//! An async fn awaits another one. Calling an async fn runs nothing yet: its future runs when it is awaited or spawned.
//!
//! ```sh
//! cargo run -p executor --example hello
//! ```

use executor::block_on;
use executor::time::{Duration, sleep};

async fn compute(x: i32, y: i32) -> i32 {
    println!("computing {x} + {y} …");
    sleep(Duration::from_millis(100)).await; // other tasks, if there are any, run meanwhile
    x + y
}

async fn print_sum(x: i32, y: i32) {
    let sum = compute(x, y).await;
    println!("{x} + {y} = {sum}");
}

fn main() {
    let future = print_sum(1, 2);
    println!("nothing has happened so far");
    block_on(future);
}
