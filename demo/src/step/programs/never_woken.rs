//! Never woken: the future goes pending and leaves its waker with nobody.

use executor::named;
use executor::time::{Duration, sleep};
use std::future::poll_fn;
use std::task::Poll;

pub(super) async fn main() {
    let _waits = named("waits").spawn(poll_fn(|_cx| -> Poll<()> {
        Poll::Pending // and who is to wake it?
    }));
    sleep(Duration::from_millis(100)).await;
}
