//! The budget: how many operations a task may do in one poll before other tasks run.
//!
//! A socket that is always ready never returns `Pending`, so its task would keep the thread forever. Each operation
//! that succeeds takes one unit of the poll's budget. When none is left, the next leaf future wakes its task and
//! returns `Pending`: the budget *defers* it to a later poll. Every other leaf does the same until the poll has ended,
//! so the poll does end, however its futures are combined.
//!
//! A leaf is deferred once. In a later poll it proceeds even if a sibling that was polled before it has spent the
//! budget again; otherwise a timer beside a busy loop would never fire. So a poll does at most [`OPERATIONS`]
//! operations, plus one for each leaf that was pending when it began.
//!
//! # Which polls are counted
//! The budget belongs to the thread, and is in one of two states:
//!
//! - **Counted.** An executor calls [`reset`] before each poll, or polls within [`enter`]. What is spent stays spent
//!   until the next poll. The tasks of the `executor` crate are always polled like that.
//! - **Not counted**, as on every thread at first: futures are polled by hand, or by an executor that knows nothing of
//!   budgets. A leaf can't tell these two apart. A poll by hand must return what is available; but a task must not
//!   starve the other tasks of such an executor. So leaves are deferred after 65,536 operations on the thread, a few
//!   milliseconds of work, until one of them is polled again or dropped: then that poll is over, and there is a new
//!   budget.
//!
//! A waker without data, such as [`Waker::noop`](std::task::Waker::noop), belongs to no task that could be polled
//! again. Its leaves are never deferred.
//!
//! # Polls inside of a poll
//! A `block_on` of another library inside a task polls again and again within one poll of that task, after the budget
//! is spent. After a thousand deferrals in one poll there is a new budget, so this is slow but makes progress. Where a
//! thread blocks on purpose, as in a blocking call, [`leave`] stops the counting.

use crate::leaf;
use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Operations a task may do in one poll.
pub const OPERATIONS: u8 = 128;

/// What a task whose budget is spent waits for.
pub const SPENT: &str = "its next poll, because the budget of this one is spent";

/// Operations before a deferral on a thread that is not counted.
const UNCOUNTED: u32 = 1 << 16;

/// The number of every poll that is not counted.
const NONE: u64 = 0;

/// The budget of a thread. One struct, so that access costs one look-up of a thread-local.
struct Budget {
    /// Operations that are left.
    left: Cell<u32>,
    /// The number of the current poll, or [`NONE`] if it is not counted.
    poll: Cell<u64>,
    /// A poll, and how many leaves were deferred in it.
    deferred: Cell<(u64, u32)>,
}

thread_local! {
    static BUDGET: Budget = const {
        Budget { left: Cell::new(UNCOUNTED), poll: Cell::new(NONE), deferred: Cell::new((NONE, 0)) }
    };
}

/// Gives the task that is about to be polled a full budget.
///
/// For executors: call it before each poll. It costs two stores. From then on polls on this thread are counted. If
/// futures are polled by hand on the same thread later, use [`enter`] instead.
///
/// ```
/// use std::{future::Future, pin::Pin, task::{Context, Poll}};
///
/// fn run_once(task: Pin<&mut dyn Future<Output = ()>>, cx: &mut Context<'_>) -> Poll<()> {
///     reactor::budget::reset();
///     task.poll(cx)
/// }
/// ```
#[inline]
pub fn reset() {
    BUDGET.with(|budget| {
        budget.left.set(OPERATIONS.into());
        budget.poll.set(budget.poll.get() + 1);
    });
}

/// Counts polls on this thread, with a full budget, until the guard is dropped. Then the previous budget is restored.
///
/// For executors: around a poll, around a poll inside a poll, or around many polls with [`reset`] before each.
///
/// ```
/// use reactor::budget;
/// use std::{future::Future, pin::Pin, task::{Context, Poll}};
///
/// fn run_once(task: Pin<&mut dyn Future<Output = ()>>, cx: &mut Context<'_>) -> Poll<()> {
///     let _counted = budget::enter();
///     task.poll(cx)
/// }
/// ```
#[inline]
pub fn enter() -> Entered {
    let before = Entered::now();
    reset();
    before
}

/// Stops counting on this thread until the guard is dropped. Then the previous budget is restored.
///
/// For code inside a task that blocks its thread on purpose, such as a blocking call: futures that are polled there, by
/// hand or by a `block_on`, do not belong to the task.
///
/// ```
/// use reactor::budget;
/// use std::task::{Context, Poll, Waker};
///
/// let waker = waker_fn::waker_fn(|| ());
/// let mut cx = Context::from_waker(&waker);
/// let _task = budget::enter();
/// (0..budget::OPERATIONS).for_each(|_| budget::spend());
/// assert!(budget::poll_proceed(&mut cx).is_pending());
/// let blocking = budget::leave();
/// assert!(budget::poll_proceed(&mut cx).is_ready());
/// drop(blocking);
/// assert!(budget::poll_proceed(&mut cx).is_pending());
/// ```
pub fn leave() -> Entered {
    let before = Entered::now();
    drop(Entered { left: UNCOUNTED, poll: NONE, not_send: PhantomData });
    before
}

/// Restores the previous budget of the thread when dropped. Made by [`enter`] and [`leave`].
#[must_use = "the budget is restored when this guard is dropped"]
#[derive(Debug)]
pub struct Entered {
    left: u32,
    poll: u64,
    /// The guard restores the budget of its own thread.
    not_send: PhantomData<*const ()>,
}

impl Entered {
    #[inline]
    fn now() -> Entered {
        BUDGET.with(|budget| Entered { left: budget.left.get(), poll: budget.poll.get(), not_send: PhantomData })
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        BUDGET.with(|budget| {
            budget.left.set(self.left);
            budget.poll.set(self.poll);
        });
    }
}

/// Whether this poll must do no further operation.
///
/// For futures that poll several others: check this after each of them, and if it is true, call [`poll_proceed`].
#[inline]
pub fn is_spent() -> bool {
    BUDGET.with(|budget| budget.left.get() == 0)
}

/// Takes one unit, for an operation that succeeded.
#[inline]
pub fn spend() {
    BUDGET.with(|budget| budget.left.set(budget.left.get().saturating_sub(1)));
}

/// Takes one unit if there is one.
///
/// For leaf futures whose operation is certain to succeed at once.
#[inline]
pub fn try_take() -> bool {
    BUDGET.with(|budget| {
        let left = budget.left.get().checked_sub(1);
        left.is_some_and(|left| {
            budget.left.set(left);
            true
        })
    })
}

/// Ready while the task may proceed. Otherwise its waker has been called, and the leaf must return `Pending`.
///
/// For leaf futures that keep no [`Deferral`]. Such a leaf may never proceed if one that is polled before it always
/// spends the budget.
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    Deferral::default().poll_proceed(cx)
}

/// Whether the budget has deferred a leaf future, and in which poll.
///
/// For leaf futures: keep one, call [`poll_proceed`](Deferral::poll_proceed) before an operation that may succeed at
/// once, and [`spend`] after it did. An operation that was pending in an earlier poll need not call it.
///
/// ```
/// use reactor::budget::{self, Deferral};
/// use std::{future::Future, pin::Pin, task::{Context, Poll, ready}};
///
/// /// Counts up; always ready.
/// struct Next<'a>(&'a mut u32, Deferral);
///
/// impl Future for Next<'_> {
///     type Output = u32;
///
///     fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
///         ready!(self.1.poll_proceed(cx));
///         budget::spend();
///         *self.0 += 1;
///         Poll::Ready(*self.0)
///     }
/// }
///
/// let _counted = budget::enter();
/// let (mut count, waker) = (0, waker_fn::waker_fn(|| ()));
/// let mut greedy = std::pin::pin!(async { loop { Next(&mut count, Deferral::default()).await; } });
/// assert!(greedy.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
/// # drop(greedy);
/// assert_eq!(count, budget::OPERATIONS.into());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deferral(u32);

impl Deferral {
    /// Ready while the task may proceed, or if the leaf was deferred in an earlier poll. Otherwise the waker has been
    /// called, and the leaf must return `Pending`.
    #[inline]
    pub fn poll_proceed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match is_spent() {
            false => {
                self.0 = 0;
                Poll::Ready(())
            }
            true => self.poll_deferred(cx),
        }
    }

    #[cold]
    fn poll_deferred(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Deferral::now();
        let is_counted = poll_number() != NONE;
        // On a thread that is not counted, a leaf that is polled again is in another poll.
        let was_deferred = self.0 != 0 && !(is_counted && *self == now);
        let proceeds = was_deferred || cx.waker().data().is_null();
        if proceeds && !is_counted {
            refill();
        }
        if proceeds || has_not_ended() {
            self.0 = 0;
            return Poll::Ready(());
        }
        *self = now;
        cx.waker().wake_by_ref();
        leaf::pending(|| SPENT.into());
        Poll::Pending
    }

    /// Call it when the leaf is dropped. If it was deferred on a thread that is not counted, it was polled by hand:
    /// there is no later poll that would renew the budget.
    pub fn end(self) {
        if self.0 != 0 && poll_number() == NONE {
            refill();
        }
    }

    /// A deferral in the current poll. The two low bits are set, so it is never 0.
    fn now() -> Deferral {
        Deferral((poll_number() as u32) << 2 | 0b11)
    }

    /// This value as a number: 0 if the leaf was not deferred, else one whose two low bits are set.
    #[doc(hidden)] // for leaves that must keep it in an atomic
    pub fn bits(self) -> u32 {
        self.0
    }

    #[doc(hidden)]
    pub fn from_bits(bits: u32) -> Deferral {
        Deferral(bits)
    }
}

/// The number of the current poll, or [`NONE`] if it is not counted.
fn poll_number() -> u64 {
    BUDGET.with(|budget| budget.poll.get())
}

/// Renews the budget without a new poll.
fn refill() {
    BUDGET.with(|budget| match budget.poll.get() {
        NONE => {
            budget.left.set(UNCOUNTED);
            budget.deferred.set((NONE, 0));
        }
        _ => reset(),
    });
}

/// Counts a deferral. If the poll has had so many that they evidently do not end it, renews the budget and returns
/// `true`.
///
/// A poll that awaits many futures at once has one deferral for each. On a thread that is not counted, each of them may
/// be a poll by hand that returns `Pending` although something is available, so the limit is low.
fn has_not_ended() -> bool {
    let now = poll_number();
    let limit = if now == NONE { 16 } else { 1024 };
    let deferred = BUDGET.with(|budget| {
        let (poll, before) = budget.deferred.get();
        let deferred = if poll == now { before + 1 } else { 1 };
        budget.deferred.set((now, deferred));
        deferred
    });
    if deferred > limit {
        refill();
    }
    deferred > limit
}

/// Takes one unit as soon as there is one.
///
/// For async functions whose operation completes at once: await this before it.
///
/// # Cancel safety
/// Dropping it takes nothing.
///
/// ```
/// async fn always_there() -> u32 {
///     reactor::budget::take().await;
///     7
/// }
/// ```
pub fn take() -> Take {
    Take(Deferral::default())
}

/// Takes one unit. Made by [`take`].
#[must_use = "futures do nothing until they are awaited"]
#[derive(Debug)]
pub struct Take(Deferral);

impl Future for Take {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.0.poll_proceed(cx));
        spend();
        Poll::Ready(())
    }
}
