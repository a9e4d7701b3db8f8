//! Never woken: the future returns pending and leaves no waker.

use executor::named;
use executor::time::{Duration, sleep};
use std::future::poll_fn;
use std::task::Poll;

pub(super) async fn main() {
    let _waits = named("waits").spawn(poll_fn(|_cx| -> Poll<()> {
        Poll::Pending // should store `cx.waker().clone()` first
    }));
    sleep(Duration::from_millis(100)).await;
}
