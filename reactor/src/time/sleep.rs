//! [`Sleep`]: the leaf future over one timer.

use super::{Duration, Instant, after};
use crate::budget::{self, Deferral};
use crate::reactor::Shared;
use crate::{Handle, leaf};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// Waits for `duration`, counted from this call.
///
/// Outside a runtime, as in `block_on(sleep(…))`, there is no clock yet: then the duration is counted from the first
/// poll. A duration that is too long for the clock means a century.
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
    let state = Handle::with_current(|reactor| match reactor {
        Some(reactor) => State::Until(after(reactor.now(), duration)),
        None => State::For(duration),
    });
    Sleep { state, location: Location::caller() }
}

/// Waits until `deadline`, or not at all if that has passed.
///
/// # Panics, cancel safety
/// Same as [`sleep`].
///
/// ```
/// use reactor::time::{Duration, Instant, sleep_until};
/// let deadline = Instant::now() + Duration::from_secs(1);
/// assert_eq!(sleep_until(deadline).deadline(), Some(deadline));
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { state: State::Until(deadline), location: Location::caller() }
}

/// A future that is ready when its deadline has passed. Made by [`sleep`] and [`sleep_until`].
///
/// It is `Unpin` and allocates nothing. It sets its timer when it is first polled. If it is due by then, it takes part
/// in the [budget](crate::budget) of that poll.
#[must_use = "a Sleep does nothing until it is awaited"]
pub struct Sleep {
    state: State,
    /// Where it was created.
    location: &'static Location<'static>,
}

enum State {
    /// Not polled yet, and made outside a runtime: counted from the first poll.
    For(Duration),
    /// Not polled yet.
    Until(Instant),
    /// Its timer is set, or has fired.
    Set { deadline: Instant, key: u32, shared: Arc<Shared> },
    /// The deadline has passed: each poll is ready, within the budget.
    Due { deadline: Instant, deferral: Deferral },
}

impl Sleep {
    /// When it will be ready; `None` if it was made outside a runtime and not yet polled.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::For(_) => None,
            State::Until(deadline) | State::Set { deadline, .. } | State::Due { deadline, .. } => Some(deadline),
        }
    }

    /// Moves the deadline. A task that waits for this `Sleep` keeps waiting, until the new deadline; if that has
    /// passed, it is woken at once. A `Sleep` that was ready can be awaited again after this.
    ///
    /// ```
    /// # use reactor::time::{Duration, Instant, sleep};
    /// let mut sleep = sleep(Duration::from_secs(5));
    /// let earlier = Instant::now() + Duration::from_secs(1);
    /// sleep.reset(earlier);
    /// assert_eq!(sleep.deadline(), Some(earlier));
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        if let State::Set { deadline: current, key, shared } = &mut self.state
            && let Some((new_key, waker)) =
                shared.timers.reset(*key, shared.timers.tick(*current), deadline, self.location)
        {
            (*current, *key) = (deadline, new_key);
            waker.into_iter().for_each(Waker::wake);
            return;
        }
        self.state = State::Until(deadline); // its waker was called or removed
    }

    fn cancel(&mut self) {
        if let State::Set { deadline, key, shared } = &self.state {
            shared.timers.cancel(*key, shared.timers.tick(*deadline));
        }
    }

    fn check_open(&self, shared: &Shared) {
        assert!(
            !shared.timers.is_closed(),
            "a timer was awaited after its runtime had ended (made at {}): it would never fire",
            self.location
        );
    }

    /// The first poll: sets a timer of the current runtime.
    fn start(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(reactor) = Handle::current() else {
            panic!(
                "a timer was awaited on a thread without a runtime (made at {}): await it inside of \
                 executor::block_on(async {{ … }}); or, on an executor of your own, give its threads a reactor: \
                 let _entered = reactor.handle().enter()",
                self.location
            );
        };
        let deadline = match self.state {
            State::For(duration) => after(reactor.now(), duration),
            State::Until(deadline) | State::Set { deadline, .. } | State::Due { deadline, .. } => deadline,
        };
        let shared = reactor.0;
        self.check_open(&shared);
        let tick = shared.timers.tick(deadline);
        let set = match shared.timers.has_fired(tick) {
            true => None,
            false => shared.timers.set(tick, deadline, cx.waker().clone(), self.location),
        };
        // The runtime may have ended on its own thread meanwhile: then the timer would never fire.
        self.check_open(&shared);
        match set {
            Some(key) => {
                self.state = State::Set { deadline, key, shared };
                self.wait()
            }
            None => {
                self.state = State::Due { deadline, deferral: Deferral::default() };
                self.poll_due(cx)
            }
        }
    }

    /// The timer fired while this was pending, so it is ready whatever is left of the budget.
    fn fire(&mut self, deadline: Instant) -> Poll<()> {
        self.state = State::Due { deadline, deferral: Deferral::default() };
        budget::spend();
        Poll::Ready(())
    }

    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Due { deferral, .. } = &mut self.state {
            ready!(deferral.poll_proceed(cx));
            budget::spend();
        }
        Poll::Ready(())
    }

    fn wait(&self) -> Poll<()> {
        leaf::pending(|| {
            let left = self.deadline().map(|deadline| deadline.saturating_duration_since(super::now()));
            format!("sleep for another {:.1?} (made at {})", left.unwrap_or_default(), self.location)
        });
        Poll::Pending
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (deadline, key, shared) = match &self.state {
            State::Set { deadline, key, shared } => (*deadline, *key, shared),
            State::Due { .. } => return self.poll_due(cx),
            State::For(_) | State::Until(_) => return self.start(cx),
        };
        let tick = shared.timers.tick(deadline);
        if shared.timers.has_fired(tick) {
            return self.fire(deadline);
        }
        self.check_open(shared);
        match shared.timers.update(key, tick, cx.waker()) {
            true => self.wait(),
            false => self.fire(deadline),
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
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline())
            .field("made at", &self.location.to_string())
            .finish()
    }
}
