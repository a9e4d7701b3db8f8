//! [`Sleep`]: the leaf future over one timer.

use super::{Duration, Instant, after};
use crate::Handle;
use crate::reactor::Shared;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Waits for `duration`, counted from this call.
///
/// Outside of a runtime, as in `block_on(sleep(…))`, there is no clock yet to count by: then it is
/// counted from the first poll. A duration too long for the clock means a century.
///
/// # Panics
/// When polled on a thread without a runtime, or after its runtime has ended.
///
/// # Cancel safety
/// Dropping it cancels the timer; nothing else is lost.
///
/// ```
/// # mod kit { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drive/mod.rs")); }
/// # use kit::drive;
/// use reactor::time::{Duration, now, sleep};
///
/// drive(async {
///     let start = now();
///     sleep(Duration::from_millis(5)).await;
///     assert!(now() - start >= Duration::from_millis(5));
/// });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let due = Handle::with_current(|reactor| match reactor {
        Some(reactor) => Due::At(after(reactor.now(), duration)),
        None => Due::In(duration),
    });
    Sleep { due, timer: None, place: Location::caller() }
}

/// Waits until `deadline`, or not at all if that has passed.
///
/// # Panics, cancel safety
/// As [`sleep`].
///
/// ```
/// use reactor::time::{Duration, Instant, sleep_until};
/// let deadline = Instant::now() + Duration::from_secs(1);
/// assert_eq!(sleep_until(deadline).deadline(), Some(deadline));
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { due: Due::At(deadline), timer: None, place: Location::caller() }
}

/// A future that is ready when its deadline has come. Made by [`sleep`] and [`sleep_until`].
///
/// It is `Unpin`, allocates nothing and takes its place in the timer queue when it is first polled.
#[must_use = "a Sleep does nothing until it is awaited"]
pub struct Sleep {
    due: Due,
    /// Its place in a queue, once it was polled.
    timer: Option<Timer>,
    place: &'static Location<'static>,
}

#[derive(Clone, Copy)]
enum Due {
    At(Instant),
    /// Counted from the first poll: there was no clock when it was made.
    In(Duration),
}

struct Timer {
    shared: Arc<Shared>,
    tick: u64,
    key: usize,
}

impl Sleep {
    /// When it will be ready; `None` if it was made outside of a runtime and not yet polled.
    pub fn deadline(&self) -> Option<Instant> {
        match self.due {
            Due::At(deadline) => Some(deadline),
            Due::In(_) => None,
        }
    }

    /// Moves the deadline. A `Sleep` that was ready already can be awaited again after this.
    ///
    /// ```
    /// # use reactor::time::{Duration, Instant, sleep};
    /// let mut sleep = sleep(Duration::from_secs(5));
    /// let earlier = Instant::now() + Duration::from_secs(1);
    /// sleep.reset(earlier);
    /// assert_eq!(sleep.deadline(), Some(earlier));
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.cancel();
        self.due = Due::At(deadline);
    }

    fn cancel(&mut self) {
        if let Some(Timer { shared, tick, key }) = self.timer.take() {
            shared.cancel_timer(key, tick);
        }
    }

    /// The first poll: takes a place in the queue of this thread's runtime.
    fn start(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(Handle(shared)) = Handle::current() else {
            panic!(
                "a timer was awaited on a thread without a runtime (made at {}): await it inside of \
                 executor::block_on(async {{ … }})",
                self.place
            );
        };
        let deadline = match self.due {
            Due::At(deadline) => deadline,
            Due::In(duration) => after(shared.now(), duration),
        };
        self.due = Due::At(deadline);
        let tick = shared.tick(deadline);
        if shared.has_fired(tick) {
            return Poll::Ready(());
        }
        match shared.set_timer(tick, deadline, cx.waker().clone(), self.place) {
            None => Poll::Ready(()),
            Some(key) => {
                self.timer = Some(Timer { shared, tick, key });
                Poll::Pending
            }
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(Timer { shared, tick, key }) = &self.timer else { return self.start(cx) };
        if shared.has_fired(*tick) {
            return Poll::Ready(());
        }
        assert!(
            !shared.is_closed(),
            "a timer was awaited after its runtime had ended (made at {}): it would never fire",
            self.place
        );
        match shared.update_timer(*key, *tick, cx.waker()) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline()).field("made at", &self.place.to_string()).finish()
    }
}
