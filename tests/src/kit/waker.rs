//! Wakers for tests: one that counts, one that calls a closure.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Counts the wakes, and through the `Arc` the wakers that exist.
///
/// ```
/// use tests::kit::Counting;
///
/// let counting = Counting::new();
/// let waker = counting.waker();
/// waker.wake_by_ref();
/// assert_eq!((counting.wakes(), counting.wakers(1)), (1, 1));
/// drop(waker);
/// assert_eq!((counting.wakes(), counting.wakers(1)), (1, 0));
/// ```
#[derive(Default)]
pub struct Counting(AtomicUsize);

impl Counting {
    /// A counter at zero.
    pub fn new() -> Arc<Counting> {
        Arc::default()
    }

    /// A waker that counts here.
    pub fn waker(self: &Arc<Self>) -> Waker {
        self.clone().into()
    }

    /// The number of wakes so far.
    pub fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// The number of wakers that exist, besides `ours` references to the counter itself.
    pub fn wakers(self: &Arc<Self>, ours: usize) -> usize {
        Arc::strong_count(self) - ours
    }
}

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that calls a closure.
///
/// ```
/// let log = tests::kit::Log::new();
/// tests::kit::waker_fn({ let log = log.clone(); move || log.push("woken") }).wake();
/// assert_eq!(log.take(), ["woken"]);
/// ```
pub fn waker_fn(f: impl Fn() + Send + Sync + 'static) -> Waker {
    struct Call<F>(F);
    impl<F: Fn() + Send + Sync + 'static> Wake for Call<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }
    Arc::new(Call(f)).into()
}

/// Polls a future once, with that waker.
///
/// ```
/// use std::task::{Poll, Waker};
///
/// let mut future = std::future::ready(7);
/// assert_eq!(tests::kit::poll_with(Waker::noop(), &mut future), Poll::Ready(7));
/// ```
pub fn poll_with<F: Future + Unpin>(waker: &Waker, future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}
