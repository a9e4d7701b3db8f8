//! A receive with a time limit loses a message in one order of events, and not in others.
//!
//! ```sh
//! EXECUTOR_TRACE=run.jsonl cargo run -p lab-11 --example show
//! cargo run -- step --replay run.jsonl
//! ```

use executor::sync::{Receiver, channel};
use executor::time::{Duration, sleep, timeout};
use executor::{Runtime, named};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Receives a message and then does something that takes two milliseconds, such as writing it to a file. If this future
/// is dropped in these two milliseconds, the message is lost: it is in no queue any more.
async fn receive(rx: &Receiver<u32>) -> Option<u32> {
    let message = rx.recv().await.ok()?;
    sleep(2 * MILLISECOND).await;
    Some(message)
}

fn main() {
    // The clock is simulated: it moves on when no task can run.
    let runtime = Runtime::builder().deterministic(0).build().expect("no descriptor is needed");
    runtime.block_on(async {
        let (tx, rx) = channel(4);
        // Sends after 3, 10 and 15 milliseconds.
        let sends = named("sends").spawn_local(async move {
            for (message, pause) in [(1, 3), (2, 7), (3, 5)] {
                sleep(pause * MILLISECOND).await;
                tx.send(message).await.expect("there is a receiver");
            }
        });
        let mut received = Vec::new();
        loop {
            match timeout(6 * MILLISECOND, receive(&rx)).await {
                Ok(Some(message)) => received.push(message),
                Ok(None) => break, // the sender is gone
                Err(_) => println!("no message was received for 6 ms"),
            }
        }
        sends.await.expect("it has sent all");
        println!("1, 2 and 3 were sent; received: {received:?}");
    });
}
