//! Two tasks that each hold the lock that the other one wants. No task can run any more, and the runtime reports it.
//!
//! ```sh
//! cargo run -p executor --example deadlock
//! ```

use executor::sync::Mutex;
use executor::{Runtime, join_all, named, yield_now};
use std::sync::Arc;

async fn transfer(from: Arc<Mutex<i32>>, to: Arc<Mutex<i32>>) {
    let mut from = from.lock().await;
    yield_now().await;
    let mut to = to.lock().await;
    *from -= 1;
    *to += 1;
}

fn main() -> std::io::Result<()> {
    // Without this option, the runtime would print the report after a second and go on waiting.
    let runtime = Runtime::builder().detect_deadlock(true).build()?;
    runtime.block_on(async {
        let (ann, bob) = (Arc::new(Mutex::new(10)), Arc::new(Mutex::new(10)));
        let one = named("ann to bob").spawn(transfer(ann.clone(), bob.clone()));
        let other = named("bob to ann").spawn(transfer(bob, ann));
        join_all([one, other]).await;
    });
    Ok(())
}
