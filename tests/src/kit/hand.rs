//! Polling by hand: a future, the wakers it was given, and what became of them.

use super::Counting;
use reactor::budget;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

/// A future that is polled by hand. Made by [`hand`].
///
/// Unless it is [lenient](Hand::lenient), it fails when one of its wakers still exists after the future completed or was
/// dropped.
pub struct Hand<'a, T> {
    future: Option<Pin<Box<dyn Future<Output = T> + 'a>>>,
    counting: Arc<Counting>,
    replaced: Vec<Arc<Counting>>,
    /// The wakes before the last poll.
    seen: usize,
    is_strict: bool,
}

/// A future to be polled by hand.
///
/// ```
/// use executor::sync::Semaphore;
/// use tests::kit::hand;
///
/// let semaphore = Semaphore::new(0);
/// let mut acquire = hand(semaphore.acquire());
/// assert!(acquire.poll().is_pending() && !acquire.was_woken());
/// semaphore.add_permits(1);
/// assert!(acquire.was_woken() && acquire.poll().is_ready());
/// ```
pub fn hand<'a, T>(future: impl Future<Output = T> + 'a) -> Hand<'a, T> {
    let (counting, replaced) = (Counting::new(), Vec::new());
    Hand { future: Some(Box::pin(future)), counting, replaced, seen: 0, is_strict: true }
}

/// A future that was polled once and returned `Poll::Pending`.
///
/// # Panics
/// If it is ready.
#[track_caller]
pub fn waiting<'a, T>(future: impl Future<Output = T> + 'a) -> Hand<'a, T> {
    let mut hand = hand(future);
    assert!(hand.poll().is_pending(), "it was to wait");
    hand
}

/// The output of a future that is ready at its first poll.
///
/// # Panics
/// If it is not.
///
/// ```
/// assert_eq!(tests::kit::at_once(async { 7 }), 7);
/// ```
#[track_caller]
pub fn at_once<'a, T>(future: impl Future<Output = T> + 'a) -> T {
    hand(future).ready()
}

impl<'a, T> Hand<'a, T> {
    /// Does not fail if a waker is kept. The test can check that itself: see [`wakers`](Hand::wakers).
    pub fn lenient(mut self) -> Hand<'a, T> {
        self.is_strict = false;
        self
    }

    /// Polls it with a full budget, as an executor does in a task's next poll.
    ///
    /// # Panics
    /// If it was ready before, or if it is ready now and one of its wakers was kept.
    #[track_caller]
    pub fn poll(&mut self) -> Poll<T> {
        budget::reset();
        let polled = self.poll_as_it_is();
        if polled.is_ready() {
            self.future = None;
            assert!(!self.is_strict || self.wakers() == 0, "the future completed, and a waker of it was kept");
        }
        polled
    }

    fn poll_as_it_is(&mut self) -> Poll<T> {
        self.seen = self.counting.wakes();
        let future = self.future.as_mut().expect("it was not ready before");
        future.as_mut().poll(&mut Context::from_waker(&self.counting.waker()))
    }

    /// Polls it once more; it must be ready.
    #[track_caller]
    pub fn ready(&mut self) -> T {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it was to be ready"),
        }
    }

    /// Its output. It must have been woken exactly once since the last poll.
    #[track_caller]
    pub fn served(&mut self) -> T {
        assert_eq!(self.counting.wakes() - self.seen, 1, "expected exactly one wake");
        self.ready()
    }

    /// Whether the waker of the last poll was called since that poll began.
    pub fn was_woken(&self) -> bool {
        self.counting.wakes() > self.seen
    }

    /// The number of its wakers that exist, including those that a later one replaced.
    pub fn wakers(&self) -> usize {
        let replaced: usize = self.replaced.iter().map(|counting| counting.wakers(1)).sum();
        replaced + self.counting.wakers(1)
    }

    /// Polls it from now on with another waker, as if it had moved to another task.
    pub fn replace_waker(&mut self) {
        self.seen = 0;
        self.replaced.push(std::mem::replace(&mut self.counting, Counting::new()));
    }

    /// Polls it with another waker. It must still wait, and keep that waker alone.
    #[track_caller]
    pub fn renew(&mut self) {
        self.replace_waker();
        assert!(self.poll().is_pending(), "it was to wait");
        assert_eq!((self.counting.wakers(1), self.wakers()), (1, 1), "it must keep one waker, the last one");
    }

    /// Drops the future and returns how many of its wakers exist after that.
    pub fn cancel(mut self) -> usize {
        self.future = None;
        self.is_strict = false;
        self.wakers()
    }

    /// Drops the future. What it polled stays and keeps the waker, as with the `next` of a stream.
    pub fn leave_in_line(self) {
        self.cancel();
    }

    /// Polls it as if its task had spent the budget of this poll. It must wake itself and return `Poll::Pending`.
    #[track_caller]
    pub fn poll_without_budget(&mut self) {
        budget::reset();
        (0..budget::OPERATIONS).for_each(|_| budget::spend());
        let polled = self.poll_as_it_is();
        assert!(polled.is_pending() && self.was_woken(), "expected it to wake itself and return Poll::Pending");
    }
}

impl<T> Drop for Hand<'_, T> {
    fn drop(&mut self) {
        self.future = None;
        if self.is_strict && !thread::panicking() {
            assert_eq!(self.wakers(), 0, "the future was dropped, and a waker of it was kept");
        }
    }
}
