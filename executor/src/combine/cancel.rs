//! Parts of a task that end early, and parts that must not: [`deadline`] and [`shield()`].
//!
//! A cancel drops a future at the `.await` where it is suspended. Most code can be dropped at any `.await`. Code that
//! cannot, such as "write the record, then its index", goes into a shield. A shield delays the cancel: it takes effect
//! at the first `.await` after the shield is down.
//!
//! Shields delay [`JoinHandle::cancel`](crate::JoinHandle::cancel), [`deadline`] and
//! [`task_group`](crate::task_group). They do not delay what simply drops a future, because a drop cannot wait:
//! `time::timeout`, `select`, and the end of the runtime.

use super::lent::{Lent, lend, with_lent};
use crate::task::{Scope, with_current};
use pin_project_lite::pin_project;
use reactor::time::{Duration, Elapsed, Instant, Sleep, after, now, sleep_until};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

thread_local! {
    /// The innermost scope inside the task that is being polled; unset outside of deadlines and groups.
    static INNERMOST: Lent<Arc<Scope>> = const { Lent::new() };
}

/// The innermost scope that is being polled on this thread: that of a deadline or a group, or else the task's.
pub(crate) fn current() -> Option<Arc<Scope>> {
    let innermost = with_lent(&INNERMOST, |scope| scope.cloned());
    innermost.or_else(|| {
        with_current(|task| {
            let scope = &task?.header().make_extras().scope;
            Some(scope.get_or_init(|| Scope::new(None, None)).clone())
        })
    })
}

/// Calls `poll` inside a scope. With `None`, `poll` runs outside of all scopes of deadlines and groups.
pub(crate) fn within<R>(scope: Option<&Arc<Scope>>, poll: impl FnOnce() -> R) -> R {
    lend(&INNERMOST, scope, poll)
}

/// Limits a part of a task to `duration`, counted from this call.
///
/// Like [`time::timeout`](crate::time::timeout), with two differences. Deadlines nest: [`time_left`] returns the time
/// until the earliest enclosing one. And a deadline does not cut off what is [shielded](shield()) inside it.
///
/// # Errors
/// [`Elapsed`] when the time has passed. The future is then dropped.
///
/// # Panics
/// When [`time::sleep`](crate::time::sleep) does, and when `future` does.
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
///             assert_eq!(time_left(), Some(Duration::from_secs(6))); // what the outer deadline leaves
///             sleep(Duration::from_secs(7)).await;
///         })
///         .await
///     })
///     .await;
///     assert!(answer.is_err()); // the outer deadline has passed
/// });
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn deadline<F: Future>(duration: Duration, future: F) -> Deadline<F> {
    deadline_at(after(now(), duration), future)
}

/// Like [`deadline`], but ends at a given instant.
#[track_caller]
pub fn deadline_at<F: Future>(at: Instant, future: F) -> Deadline<F> {
    Deadline { future, at, sleep: sleep_until(at), scope: None }
}

/// The time until the earliest enclosing deadline; zero if that has passed. `None` outside of deadlines.
pub fn time_left() -> Option<Duration> {
    let deadline = current()?.deadline()?;
    Some(deadline.saturating_duration_since(now()))
}

pin_project! {
    /// A future with a deadline. Created by [`deadline`] and [`deadline_at`].
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

/// Runs a part of a task to its end, even if the task or its group is cancelled meanwhile, or its deadline passes.
///
/// A cancel waits until the part is done, and takes effect at the task's next `.await`.
///
/// # Cancel safety
/// Dropping it drops `future`. [The module](self) lists what drops a future in spite of shields.
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
///                 sleep(Duration::from_millis(2)).await; // only half is written
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
    /// A future that a cancel does not cut off. Created by [`shield()`].
    #[must_use = "futures do nothing until they are awaited"]
    pub struct Shield<F> {
        #[pin]
        future: Option<F>,
        up: Up,
        made_at: &'static Location<'static>,
    }
}

/// The scope that the shield is up in, if it is up. Dropping this takes the shield down.
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
