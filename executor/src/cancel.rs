//! Parts of a task that end early, and parts that must not: [`deadline`] and [`shield()`].
//!
//! A cancel drops a future at the await where it stands. Most can be dropped anywhere. For what can not,
//! as "write the record, then its index", there is the shield: whoever wants to end something in which
//! a shield is up waits until it is down, and the end comes at the next await after that.
//!
//! Who asks for shields: [`JoinHandle::cancel`](crate::JoinHandle::cancel), [`deadline`] and
//! [`task_group`](crate::task_group). Who does not: `time::timeout`, `select` and whatever else just drops a
//! future, since a drop can't wait; and the end of the runtime.

use crate::lent::{Lent, lend, with_lent};
use crate::task::{Scope, with_current};
use pin_project_lite::pin_project;
use reactor::time::{Duration, Elapsed, Instant, Sleep, after, now, sleep_until};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

thread_local! {
    /// The innermost scope that is polled, below the task itself.
    static INNERMOST: Lent<Arc<Scope>> = const { Lent::new() };
}

/// The innermost scope that is polled on this thread: that of a deadline or a group, or the task's.
pub(crate) fn current() -> Option<Arc<Scope>> {
    let innermost = with_lent(&INNERMOST, |scope| scope.cloned());
    innermost.or_else(|| {
        with_current(|task| {
            let scope = &task?.header().make_extras().scope;
            Some(scope.get_or_init(|| Scope::new(None, None)).clone())
        })
    })
}

/// Calls `poll` inside of a scope; or, without one, as the outermost of what is polled on this thread.
pub(crate) fn within<R>(scope: Option<&Arc<Scope>>, poll: impl FnOnce() -> R) -> R {
    lend(&INNERMOST, scope, poll)
}

/// Gives a part of a task so much time, counted from this call.
///
/// As [`time::timeout`](crate::time::timeout), and more: deadlines nest, so that [`time_left`] is what
/// the strictest around leaves; and what is [shielded](shield()) inside is not cut off.
///
/// # Errors
/// [`Elapsed`] when the time has passed. The future has been dropped then.
///
/// # Panics
/// As [`time::sleep`](crate::time::sleep), and when `future` does.
///
/// # Cancel safety
/// Dropping it drops `future`.
///
/// ```
/// use executor::time::{Duration, sleep};
/// use executor::{Runtime, deadline, time_left};
///
/// let runtime = Runtime::builder().virtual_clock().build()?;
/// runtime.block_on(async {
///     let answer = deadline(Duration::from_secs(10), async {
///         sleep(Duration::from_secs(4)).await;
///         deadline(Duration::from_secs(60), async {
///             assert_eq!(time_left(), Some(Duration::from_secs(6))); // what the outer one leaves
///             sleep(Duration::from_secs(7)).await;
///         })
///         .await
///     })
///     .await;
///     assert!(answer.is_err()); // the outer one
/// });
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn deadline<F: Future>(duration: Duration, future: F) -> Deadline<F> {
    deadline_at(after(now(), duration), future)
}

/// As [`deadline`], until a moment that is given.
#[track_caller]
pub fn deadline_at<F: Future>(at: Instant, future: F) -> Deadline<F> {
    Deadline { future, at, sleep: sleep_until(at), scope: None }
}

/// How much time the strictest deadline leaves that this is in; none if there is one and it has passed.
/// `None` if there is no deadline.
pub fn time_left() -> Option<Duration> {
    let deadline = current()?.deadline()?;
    Some(deadline.saturating_duration_since(now()))
}

pin_project! {
    /// A future with a deadline. Made by [`deadline`] and [`deadline_at`].
    #[must_use = "futures do nothing until they are awaited"]
    pub struct Deadline<F> {
        #[pin]
        future: F,
        at: Instant,
        sleep: Sleep,
        scope: Option<Arc<Scope>>,
    }
}

impl<F: Future> Future for Deadline<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let scope = this.scope.get_or_insert_with(|| Scope::new(current(), Some(*this.at)));
        if let Poll::Ready(output) = within(Some(scope), || this.future.poll(cx)) {
            return Poll::Ready(Ok(output));
        }
        match Pin::new(this.sleep).poll(cx) {
            Poll::Ready(()) if !scope.is_shielded(cx.waker()) => Poll::Ready(Err(Elapsed)),
            _ => Poll::Pending,
        }
    }
}

/// Runs a part of a task to its end, whoever wants to cancel the task, its group or its deadline meanwhile.
///
/// They wait until it is done; then the task is cancelled at its next `.await`.
///
/// # Cancel safety
/// Dropping it drops `future`: see the top of `cancel.rs` for who does that all the same.
///
/// ```
/// use executor::{shield, spawn_local, time::{Duration, sleep}};
/// use std::{cell::Cell, rc::Rc};
///
/// executor::block_on(async {
///     let written = Rc::new(Cell::new(0));
///     let task = spawn_local({
///         let written = written.clone();
///         async move {
///             shield(async {
///                 written.set(1);
///                 sleep(Duration::from_millis(2)).await; // half of it is written
///                 written.set(2);
///             })
///             .await;
///             sleep(Duration::from_secs(60)).await; // cancelled here
///             written.set(3);
///         }
///     });
///     executor::yield_now().await;
///     task.cancel();
///     assert!(task.await.unwrap_err().is_cancelled());
///     assert_eq!(written.get(), 2);
/// });
/// ```
#[track_caller]
pub fn shield<F: Future>(future: F) -> Shield<F> {
    Shield { future: Some(future), up: Up(None), made_at: Location::caller() }
}

pin_project! {
    /// A future that is not cut off. Made by [`shield()`].
    #[must_use = "futures do nothing until they are awaited"]
    pub struct Shield<F> {
        #[pin]
        future: Option<F>,
        up: Up,
        made_at: &'static Location<'static>,
    }
}

/// Where the shield is up. It comes down when this is dropped.
struct Up(Option<Arc<Scope>>);

impl Drop for Up {
    fn drop(&mut self) {
        if let Some(scope) = self.0.take() {
            scope.unshield();
        }
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if this.up.0.is_none() {
            this.up.0 = current();
            this.up.0.iter().for_each(|scope| scope.shield());
        }
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            panic!("a Shield was polled after it was ready (made at {}): await it once", this.made_at)
        };
        let output = std::task::ready!(future.poll(cx));
        this.future.set(None); // while the shield is still up
        *this.up = Up(None);
        Poll::Ready(output)
    }
}
