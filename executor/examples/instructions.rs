//! The cost of a task, for a tool that counts instructions. Spawns and joins a task that yields once, as many times as
//! the argument says.
//!
//! ```sh
//! cargo build --release -p executor --example instructions
//! valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null target/release/examples/instructions 10000
//! ```

use executor::time::Duration;
use executor::{Runtime, spawn, yield_now};

fn main() {
    let times = std::env::args().nth(1).map_or(10_000, |times| times.parse().expect("the argument is a number"));
    // Under such a tool every poll is slow, and the instructions of the report would be counted too.
    let runtime = Runtime::builder().slow_poll(Duration::MAX).build().expect("the runtime starts");
    let sum = runtime.block_on(async {
        let mut sum = 0;
        for number in 0..times {
            let task = spawn(async move {
                yield_now().await;
                number
            });
            sum += task.await.expect("the task returns");
        }
        sum
    });
    println!("{times} tasks returned numbers whose sum is {sum}");
}
