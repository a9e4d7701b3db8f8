//! Two tasks and a ball: a send hands it over to the task that waits to receive it.

use executor::named;
use executor::sync::{Receiver, Sender, channel};

pub(super) async fn main() {
    let (to_ping, at_ping) = channel(0);
    let (to_pong, at_pong) = channel(0);
    let pong = named("pong").spawn(play(at_pong, to_ping.clone()));
    let ping = named("ping").spawn(play(at_ping, to_pong));
    to_ping.send(3).await.expect("ping is there");
    drop(to_ping);
    let hits = (ping.await, pong.await);
    assert!(hits.0.is_ok() && hits.1.is_ok());
}

/// Returns the ball until it has no hits left.
async fn play(from: Receiver<u32>, to: Sender<u32>) {
    while let Ok(hits_left) = from.recv().await {
        if hits_left == 0 || to.send(hits_left - 1).await.is_err() {
            return;
        }
    }
}
