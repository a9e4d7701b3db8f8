//! Waking itself: one task checks in each poll whether the other is done. It works, but keeps a processor busy.

use executor::named;
use executor::time::{Duration, sleep};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

pub(super) async fn main() {
    let is_done = Arc::new(AtomicBool::new(false));
    let asks = named("asks").spawn({
        let is_done = is_done.clone();
        poll_fn(move |cx| match is_done.load(Ordering::Relaxed) {
            true => Poll::Ready(()),
            false => {
                cx.waker().wake_by_ref(); // polled again at once: `sets` should call it instead
                Poll::Pending
            }
        })
    });
    let sets = named("sets").spawn(async move {
        sleep(Duration::from_millis(50)).await;
        is_done.store(true, Ordering::Relaxed);
    });
    sets.await.expect("it only sets a flag");
    asks.await.expect("it only checks");
}
