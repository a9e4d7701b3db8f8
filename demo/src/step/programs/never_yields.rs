//! Never yielding: a hundred clients have sent requests before the clerk starts. So each await of the clerk is ready at
//! once, and no client runs until the last one has its answer.

use executor::sync::{OneshotSender, Sender, oneshot, unbounded};
use executor::{join_all, named, yield_now};
use std::thread;
use std::time::Duration;

pub(super) async fn main() {
    let (line, next) = unbounded::<OneshotSender<()>>();
    let clients: Vec<_> = (0..100).map(|_| executor::spawn(client(line.clone()))).collect();
    drop(line);
    yield_now().await; // now all clients are queued
    let clerk = named("clerk").spawn(async move {
        while let Ok(answer) = next.recv().await {
            thread::sleep(Duration::from_millis(2)); // some work
            let _gone = answer.send(());
            // should be here: yield_now().await
        }
    });
    clerk.await.expect("it only answers");
    join_all(clients).await;
}

async fn client(line: Sender<OneshotSender<()>>) {
    let (answer, answered) = oneshot();
    if line.send(answer).await.is_ok() {
        answered.await.expect("the clerk answers every client");
    }
}
