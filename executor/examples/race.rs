//! The first of several futures wins, and the result says which one it was.
//!
//! ```sh
//! cargo run -p executor --example race
//! ```

use executor::sync::channel;
use executor::time::{Duration, interval, sleep, timeout};
use executor::{Either, block_on, race, select, spawn};
use futures_lite::StreamExt;
use std::pin::pin;

async fn mirror(name: &str, millis: u64) -> String {
    sleep(Duration::from_millis(millis)).await;
    format!("the page, from {name}")
}

fn main() {
    block_on(async {
        let mirrors = [("Berlin", 300), ("Oslo", 50), ("Rome", 100)];
        let (which, page) = race(mirrors.map(|(name, millis)| mirror(name, millis))).await;
        println!("{} won: {page}", mirrors[which].0);

        // Two kinds of events in one loop. A future that continues in the next round is passed by reference.
        let (tx, rx) = channel(1);
        spawn(async move {
            sleep(Duration::from_millis(120)).await;
            tx.send("a message").await
        });
        let mut ticks = interval(Duration::from_millis(50));
        let mut message = pin!(rx.recv());
        loop {
            match select(message.as_mut(), ticks.next()).await {
                Either::First(message) => break println!("received: {}", message.unwrap()),
                Either::Second(_) => println!("tick"),
            }
        }

        println!("within 20 ms: {:?}", timeout(Duration::from_millis(20), mirror("Rome", 100)).await);
    });
}
