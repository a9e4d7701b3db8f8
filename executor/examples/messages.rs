//! Channels: each message to one receiver, a single message, each message to all receivers, the newest value.
//!
//! ```sh
//! cargo run -p executor --example messages
//! ```

use executor::sync::{OneshotSender, broadcast, channel, oneshot, watch};
use executor::{block_on, join_all, spawn, yield_now};

fn main() {
    block_on(async {
        // Two workers take turns. The channel has room for one message, so the producer is never far ahead.
        let (tx, rx) = channel(1);
        let worker = |name: &'static str| {
            let rx = rx.clone();
            spawn(async move {
                while let Ok(job) = rx.recv().await {
                    println!("{name} has job {job}");
                    yield_now().await;
                }
            })
        };
        let workers = [worker("ann"), worker("bob")];
        for job in 1..=4 {
            tx.send(job).await.unwrap();
        }
        drop(tx); // the workers finish what is left and end
        join_all(workers).await;

        // A request that carries the sender for its answer.
        let (requests, inbox) = channel(0);
        spawn(async move {
            while let Ok((number, reply)) = inbox.recv().await {
                let reply: OneshotSender<i32> = reply;
                let _receiver_dropped = reply.send(number * number);
            }
        });
        let (reply, answer) = oneshot();
        requests.send((12, reply)).await.unwrap();
        println!("12² = {}", answer.await.unwrap());

        // Each message goes to all receivers.
        let (tx, first) = broadcast(8);
        let listeners = [first, tx.subscribe()].map(|mut news| {
            spawn(async move {
                while let Ok(text) = news.recv().await {
                    println!("received: {text}");
                }
            })
        });
        tx.send("doors open").unwrap();
        drop(tx);
        join_all(listeners).await;

        // Only the newest value matters.
        let (tx, mut rx) = watch(0);
        let follows = spawn(async move { rx.wait_for(|percent| *percent >= 100).await.map(|percent| *percent) });
        for percent in [10, 60, 100] {
            tx.send(percent).unwrap();
            yield_now().await;
        }
        println!("loaded: {:?} %", follows.await.unwrap());
    });
}
