//! A lost wake: the first task awaits a future that drops its waker, so nothing can ever wake it. Only the timeout
//! ends it.

use executor::named;
use executor::time::{Duration, sleep, timeout};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

pub(super) async fn main() {
    let is_done = Arc::new(AtomicBool::new(false));
    let waits = named("waits").spawn({
        let is_done = is_done.clone();
        poll_fn(move |cx| match is_done.load(Ordering::Relaxed) {
            true => Poll::Ready(()),
            false => {
                drop(cx.waker().clone()); // should be stored where `sets` finds it
                Poll::Pending
            }
        })
    });
    let sets = named("sets").spawn(async move {
        sleep(Duration::from_millis(100)).await;
        is_done.store(true, Ordering::Relaxed); // … and be called here
    });
    sets.await.expect("it only sets a flag");
    assert!(timeout(Duration::from_secs(1), waits).await.is_err(), "nothing can wake it");
}
