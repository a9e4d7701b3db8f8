//! A task that asks again and again instead of waiting, beside two that wait.
//!
//! ```sh
//! EXECUTOR_TRACE=run.jsonl cargo run -p lab-12 --example show
//! cargo run -- step --replay run.jsonl
//! ```

use executor::sync::Event;
use executor::time::{Duration, sleep};
use executor::{Runtime, named, yield_now};
use std::rc::Rc;

fn main() {
    // A deterministic runtime has no other threads, and its clock is simulated: each run has the same events.
    let runtime = Runtime::builder().deterministic(0).build().expect("no descriptor is needed");
    runtime.block_on(async {
        let opened = Rc::new(Event::new());

        // Is queued again at the end of each poll. It needs the thread twelve times to see one change.
        let asks = named("asks").spawn_local({
            let opened = opened.clone();
            async move {
                while !opened.is_set() {
                    yield_now().await;
                }
            }
        });
        // Is polled twice: when it begins to wait, and when the event is set.
        let waits = named("waits").spawn_local({
            let opened = opened.clone();
            async move { opened.wait().await }
        });

        for _ in 0..12 {
            yield_now().await; // stands for work of other tasks
        }
        opened.set();
        asks.await.expect("it returns");
        waits.await.expect("it returns");
        // The clock moves on only now: while a task is queued, no time passes.
        sleep(Duration::from_millis(1)).await;
        println!("opened");
    });
}
