//! A leaked waker: the task leaves one in a list each time it waits, and nobody ever takes it out.

use executor::time::{Duration, sleep};
use executor::{named, select};
use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Who wants to hear of news. There are none.
static LISTENERS: Mutex<Vec<Waker>> = Mutex::new(Vec::new());

pub(super) async fn main() {
    let listens = named("listens").spawn(async {
        let news = poll_fn(|cx| -> Poll<()> {
            let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.push(cx.waker().clone()); // should be taken out when this future is dropped
            Poll::Pending
        });
        select(news, sleep(Duration::from_millis(10))).await;
    });
    listens.await.expect("it only listens");
}
