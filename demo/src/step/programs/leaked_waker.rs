//! A leaked waker: the task leaves a waker in a list each time it is suspended, and nothing ever removes it.

use executor::time::{Duration, sleep};
use executor::{named, select};
use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// The wakers to call when there is news, which never comes.
static LISTENERS: Mutex<Vec<Waker>> = Mutex::new(Vec::new());

pub(super) async fn main() {
    let listens = named("listens").spawn(async {
        let news = poll_fn(|cx| -> Poll<()> {
            let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.push(cx.waker().clone()); // should be removed when this future is dropped
            Poll::Pending
        });
        select(news, sleep(Duration::from_millis(10))).await;
    });
    listens.await.expect("it only listens");
}
