//! A permit is handed over to a task that is cancelled before it takes the permit. The next task in line gets it.
//!
//! ```sh
//! EXECUTOR_TRACE=run.jsonl cargo run -p lab-10 --example show
//! cargo run -- step --replay run.jsonl
//! ```

use executor::sync::Semaphore;
use executor::{Runtime, named, yield_now};
use std::rc::Rc;

/// Waits for the permit, prints, and releases the permit.
async fn work(semaphore: Rc<Semaphore>, name: &'static str) {
    let _permit = semaphore.acquire().await;
    println!("{name} has the permit");
}

fn main() {
    // A deterministic runtime has no other threads, and its clock is simulated: each run has the same events.
    let runtime = Runtime::builder().deterministic(0).build().expect("no descriptor is needed");
    runtime.block_on(async {
        let semaphore = Rc::new(Semaphore::new(1));
        let permit = semaphore.acquire().await;

        // Two yields each, in which the spawned task runs, finds no permit and enters its node into the list.
        let first = named("first").spawn_local(work(semaphore.clone(), "first"));
        yield_now().await;
        yield_now().await;
        let second = named("second").spawn_local(work(semaphore.clone(), "second"));
        yield_now().await;
        yield_now().await;

        // Hands the permit over to "first", which is woken and queued.
        drop(permit);
        // "first" does not run any more. Its future is dropped, and with it the wait that holds the permit.
        first.cancel();
        first.await.expect_err("it was cancelled");

        second.await.expect("it has run to its end");
        println!("available permits at the end: {}", semaphore.available_permits());
    });
}
