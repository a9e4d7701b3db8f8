//! A task that waits for a message, and another one that sends it, on a simulated clock.
//!
//! Record it: `EXECUTOR_TRACE=run.jsonl cargo run -p lab-03 --example show`.
//! Step through it: `cargo run -p demo -- step --replay run.jsonl`; `m` shows the state words.

use executor::sync::oneshot;
use executor::{Runtime, named, yield_now};

fn main() {
    let runtime = Runtime::builder().deterministic(0).build().expect("a simulated runtime needs no descriptors");
    let page = runtime.block_on(async {
        let (give, take) = oneshot();
        // The first poll leaves a clone of the task's waker in the channel, and the task is suspended.
        let reader = named("reader").spawn(async move { take.await.expect("the sender sends") });
        let network = named("network").spawn(async move {
            yield_now().await;
            // The send takes the waker out of the channel and calls it. That gives up its reference.
            give.send("the page").expect("the receiver waits");
        });
        network.await.expect("it does not panic");
        reader.await.expect("it does not panic")
    });
    println!("reader: {page}");
}
