//! What tasks share: locks and signals.
//!
//! ```sh
//! cargo run -p executor --example share
//! ```

use executor::sync::{Barrier, Condvar, Event, Mutex, RwLock};
use executor::{block_on, join_all, yield_now};

fn main() {
    block_on(async {
        // One task at a time, also across an await.
        let counter = Mutex::new(0);
        let add = async || {
            let mut counter = counter.lock().await;
            let before = *counter;
            yield_now().await;
            *counter = before + 1;
        };
        join_all((0..100).map(|_| add())).await;
        println!("counted: {}", *counter.lock().await);

        // Many readers, one writer.
        let settings = RwLock::new("old");
        let read = async |n: u32| println!("reader {n}: {}", *settings.read().await);
        read(1).await;
        *settings.write().await = "new";
        read(2).await;

        // Tasks that wait proceed when the event is set. Later waits return at once.
        let ready = Event::new();
        let waits = async || ready.wait().await;
        let sets = async || {
            println!("set");
            ready.set();
        };
        futures_lite::future::zip(waits(), sets()).await;
        waits().await;

        // Waits until a condition on a value holds.
        let (queue, filled) = (Mutex::new(Vec::new()), Condvar::new());
        let take = async || {
            let mut queue = filled.wait_while(queue.lock().await, |queue| queue.is_empty()).await;
            println!("taken: {:?}", queue.pop());
        };
        let put = async || {
            queue.lock().await.push("work");
            filled.notify_one();
        };
        futures_lite::future::zip(take(), put()).await;

        // No task proceeds before all have arrived.
        let barrier = Barrier::new(3);
        let arrive = async |n: u32| match barrier.wait().await {
            true => println!("{n} came last"),
            false => println!("{n} waited"),
        };
        join_all([1, 2, 3].map(&arrive)).await;
    });
}
