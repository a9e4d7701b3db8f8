//! One task that awaits three pages at once, on a simulated clock.
//!
//! Record it: `EXECUTOR_TRACE=run.jsonl cargo run -p lab-02 --example show`.
//! Step through it: `cargo run -p demo -- step --replay run.jsonl`.

use executor::time::{Duration, sleep};
use executor::{Runtime, join_all, named};

/// A page of a server that needs this time.
async fn page(milliseconds: u64) -> u64 {
    sleep(Duration::from_millis(milliseconds)).await;
    milliseconds
}

fn main() {
    let runtime = Runtime::builder().deterministic(0).build().expect("a simulated runtime needs no descriptors");
    let pages = runtime.block_on(async {
        // The three futures are not tasks: they are inside the task "pages", which polls them.
        let pages = named("pages").spawn(join_all([page(3), page(1), page(2)]));
        pages.await.expect("no page panics")
    });
    println!("in the order of the futures: {pages:?}");
}
