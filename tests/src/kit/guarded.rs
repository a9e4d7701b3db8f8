//! A future that notices what an executor must never do to it.

use super::OnDrop;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// A future that panics when two threads poll it at once, when it is polled after it was ready, and when it is dropped
/// during a poll. It counts how often it is dropped.
///
/// For tests of executors: wrap each task's future.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering::SeqCst}};
/// use tests::kit::Guarded;
///
/// let drops = Arc::new(AtomicUsize::new(0));
/// let task = Guarded::new(async { 7 }, &drops);
/// assert_eq!(executor::block_on(task), 7);
/// assert_eq!(drops.load(SeqCst), 1);
/// ```
pub struct Guarded<F> {
    inner: Pin<Box<F>>,
    is_polled: Arc<AtomicBool>,
    is_over: bool,
    drops: Arc<AtomicUsize>,
}

impl<F: Future> Guarded<F> {
    /// Wraps `inner`; each drop of the result adds one to `drops`.
    pub fn new(inner: F, drops: &Arc<AtomicUsize>) -> Guarded<F> {
        Guarded { inner: Box::pin(inner), is_polled: Arc::default(), is_over: false, drops: drops.clone() }
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        assert!(!self.is_polled.swap(true, Ordering::SeqCst), "two threads poll one task");
        assert!(!self.is_over, "polled after it was ready");
        let is_polled = self.is_polled.clone();
        let _over = OnDrop::new(|| is_polled.store(false, Ordering::SeqCst)); // also if it panics
        let poll = self.inner.as_mut().poll(cx);
        self.is_over = poll.is_ready();
        poll
    }
}

impl<F> Drop for Guarded<F> {
    fn drop(&mut self) {
        assert!(!self.is_polled.load(Ordering::SeqCst), "dropped during a poll");
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}
