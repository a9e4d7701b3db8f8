//! The fair mutex in every interleaving of two threads.

use std::sync::Arc;
use tests::model::loom::thread;
use tests::model::shim; // instead of src/shim.rs
use tests::model::{Drops, Tracked, block_on, every_interleaving, poll_once_and_drop};

#[path = "../src/fair.rs"]
mod fair;

#[test]
fn one_thread_at_a_time_has_the_value() {
    every_interleaving(|| {
        let drops = Drops::new();
        let mutex = Arc::new(fair::Mutex::new(Tracked::new(&drops)));
        let other = thread::spawn({
            let mutex = mutex.clone();
            move || block_on(async { mutex.lock().await.touch() })
        });
        block_on(async { mutex.lock().await.touch() });
        other.join().unwrap();
        drop(mutex);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_lock_handed_to_a_dropped_wait_goes_to_the_next_one() {
    every_interleaving(|| {
        let mutex = Arc::new(fair::Mutex::new(0));
        let goes = thread::spawn({
            let mutex = mutex.clone();
            move || drop(poll_once_and_drop(mutex.lock()))
        });
        drop(block_on(mutex.lock()));
        goes.join().unwrap();
        *block_on(mutex.lock()) += 1;
    });
}
