//! A task that yields for ever beside one that sleeps and one that computes: what a pass is, and when the reactor is
//! polled. `EXECUTOR_TRACE=run.jsonl cargo run -p lab-06 --example show` records the run.

use executor::time::{Duration, sleep};
use executor::{named, yield_now};
use tests::kit::Steps;

fn main() {
    // The clock of this backend moves only where the program says so: every run is the same.
    let steps = Steps::new();
    steps.runtime().block_on(async {
        let clock = steps.clone();
        let busy = named("busy").spawn(async move {
            for _ in 0..100 {
                clock.pass_time(Duration::from_millis(1)); // stands for a millisecond of work
                yield_now().await;
            }
        });
        let sleeps = named("sleeps").spawn(sleep(Duration::from_millis(10)));
        sleeps.await.expect("it does not panic");
        println!("the timer has fired after {} poll(s) of the reactor", steps.polls());
        busy.cancel();
    });
}
