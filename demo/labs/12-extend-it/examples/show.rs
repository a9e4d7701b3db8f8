//! A task that asks again and again instead of waiting, beside others that wait.
//!
//! ```sh
//! EXECUTOR_TRACE=run.jsonl cargo run -p lab-12 --example show
//! cargo run -- step --replay run.jsonl
//! ```

use executor::sync::{Event, channel};
use executor::time::{Duration, sleep};
use executor::{Runtime, named, yield_now};
use std::rc::Rc;

fn main() {
    // A deterministic runtime has no other threads, and its clock is simulated: each run has the same events.
    let runtime = Runtime::builder().deterministic(0).build().expect("no descriptor is needed");
    runtime.block_on(async {
        let opened = Rc::new(Event::new());

        // Is queued again at the end of each poll, until it sees the one change.
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
        // Receives six messages, and is suspended between them.
        let (tx, rx) = channel(0);
        let works = named("works").spawn_local(async move { while rx.recv().await.is_ok() {} });

        for message in 0..6 {
            tx.send(message).await.expect("there is a receiver");
        }
        drop(tx);
        works.await.expect("it returns");
        opened.set();
        asks.await.expect("it returns");
        waits.await.expect("it returns");
        // The clock moves on only now: while a task is queued, no time passes.
        sleep(Duration::from_millis(1)).await;
        println!("opened");
    });
}
