//! On an interrupt, cancels the tasks that have not completed. Each one reports who cancelled it and why.
//!
//! ```sh
//! cargo run -p executor --example cancel
//! ```

use executor::time::{Duration, sleep};
use executor::{block_on, named, tasks};

async fn work(seconds: u64) -> String {
    sleep(Duration::from_millis(100 * seconds)).await;
    format!("done after {seconds} s (simulated by tenths of a second)")
}

fn main() {
    block_on(async {
        let work = [1, 10, 15].map(|seconds| named(format!("{seconds} s")).spawn(work(seconds)));
        sleep(Duration::from_millis(150)).await;
        println!("Suppose that the user presses Ctrl-C now. The tasks:");
        print!("{}", tasks());
        for task in &work {
            task.cancel_because("the user has pressed Ctrl-C");
        }
        for task in work {
            match task.explained().await {
                Ok(output) => println!("{output}"),
                Err(error) => println!("{error}"),
            }
        }
    });
}
