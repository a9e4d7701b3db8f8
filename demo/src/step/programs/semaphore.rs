//! Three tasks, two permits: the third one waits until a permit is handed over.

use executor::sync::Semaphore;
use executor::time::{Duration, sleep};
use executor::{join_all, named};
use std::sync::Arc;

pub(super) async fn main() {
    let tables = Arc::new(Semaphore::new(2));
    let guests = ["Ann", "Bob", "Cleo"].map(|name| named(name).spawn(eat(tables.clone())));
    for guest in join_all(guests).await {
        guest.expect("a guest leaves content");
    }
}

async fn eat(tables: Arc<Semaphore>) {
    let _table = tables.acquire().await;
    sleep(Duration::from_millis(100)).await;
}
