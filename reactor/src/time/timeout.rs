//! [`Timeout`]: a future with a deadline.

use super::{Duration, Instant, Sleep, sleep, sleep_until};
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The error of a [`timeout`]: the future did not finish in time and was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("the time limit has passed")]
pub struct Elapsed;

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> Self {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// Limits `future` to `duration`, counted from this call.
///
/// The future is polled before the timer: one that is ready is never too late. When the time has passed, the future
/// lives until the `Timeout` is dropped, which `.await` does at once.
///
/// # Errors
/// [`Elapsed`] when the time has passed.
///
/// # Panics
/// Same as [`sleep`], and when `future` does.
///
/// # Cancel safety
/// Dropping it drops `future`, and loses what that loses. It cancels the timer.
///
/// ```
/// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
/// # use kit::drive_simulated;
/// use reactor::time::{Duration, Elapsed, sleep, timeout};
///
/// drive_simulated(async {
///     let fast = timeout(Duration::from_secs(1), async { 7 }).await;
///     assert_eq!(fast, Ok(7));
///     let slow = timeout(Duration::from_secs(1), sleep(Duration::from_secs(2))).await;
///     assert_eq!(slow, Err(Elapsed));
/// });
/// ```
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout { future, sleep: sleep(duration) }
}

/// Like [`timeout`], with a deadline instead of a duration.
///
/// ```
/// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
/// # use kit::drive_simulated;
/// use reactor::time::{Duration, Elapsed, now, sleep, timeout_at};
///
/// drive_simulated(async {
///     let deadline = now() + Duration::from_secs(5);
///     assert_eq!(timeout_at(deadline, sleep(Duration::from_secs(3))).await, Ok(()));
///     assert_eq!(timeout_at(deadline, sleep(Duration::from_secs(3))).await, Err(Elapsed)); // 2 s were left
/// });
/// ```
#[track_caller]
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout { future, sleep: sleep_until(deadline) }
}

pin_project! {
    /// A future with a deadline. Made by [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "a Timeout does nothing until it is awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(this.sleep).poll(cx).map(|()| Err(Elapsed))
    }
}
