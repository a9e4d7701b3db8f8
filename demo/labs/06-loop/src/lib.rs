#![doc = include_str!("../README.md")]
// The pictures of the chapter have attributes such as `screen=15`, which rustdoc does not know.
#![allow(rustdoc::invalid_codeblock_attributes)]

use executor::yield_now;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

/// How often a task may yield in a test. A task that has yielded more often has kept others from running.
pub const MOST_YIELDS: usize = 5_000;

/// Yields for ever: the task that awaits this is queued again at the end of each of its polls.
///
/// # Panics
/// After [`MOST_YIELDS`] polls, so that a test ends in which no other task runs. `waits` says who waits for what.
pub async fn yield_for_ever(mut in_each_poll: impl FnMut(), waits: &str) {
    for _ in 0..MOST_YIELDS {
        in_each_poll();
        yield_now().await;
    }
    panic!("a task has yielded {MOST_YIELDS} times, and {waits}");
}

/// Counts the polls of `future`.
pub async fn counting_polls<F: Future>(future: F, polls: &AtomicUsize) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        polls.fetch_add(1, Ordering::Relaxed);
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(output),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
