//! Cancel and drop: a task is cancelled while it sleeps. Its future is dropped with its timer, and the permit that it
//! held is handed over to the next task.

use executor::named;
use executor::sync::Semaphore;
use executor::time::{Duration, sleep};
use std::sync::Arc;

pub(super) async fn main() {
    let door = Arc::new(Semaphore::new(1));
    let holds = named("holds").spawn(pass(door.clone()));
    let waits = named("waits").spawn(pass(door));
    sleep(Duration::from_millis(50)).await;
    holds.cancel_because("it takes too long");
    let error = holds.explained().await.expect_err("it was cancelled");
    assert!(error.to_string().contains("it takes too long"));
    waits.await.expect("the door is free by now");
}

async fn pass(door: Arc<Semaphore>) {
    let _key = door.acquire().await;
    sleep(Duration::from_secs(1)).await;
}
