//! How many operations a task may do in one poll before it has to let the others run.
//!
//! A socket that is always ready never returns `Pending` by itself, so its task would keep the thread for ever.
//! Each operation that succeeds takes one unit of the poll's budget. When none is left, the next leaf future wakes its
//! task and returns `Pending`: the budget *defers* it to a later poll. So does every other leaf until that poll has
//! ended, so the poll does end, however its futures are combined.
//!
//! A leaf is deferred once. In a later poll it goes on even if a sibling that is polled before it has spent the budget
//! again; otherwise a timer beside a busy loop would never fire. So a poll does at most [`OPERATIONS`] operations, plus
//! one for each leaf that was pending when it began.
//!
//! # Who counts
//! The budget belongs to the thread, and is in one of two states:
//!
//! - **Counted.** An executor calls [`reset`] before each poll, or polls within [`enter`]. What is spent stays spent
//!   until the next poll. The tasks of the `executor` crate are always polled like that.
//! - **Not counted**, as on every thread at first: futures are polled by hand, or by an executor that knows nothing of
//!   budgets. A leaf can't tell these two apart. A poll by hand has to return what is there; but nothing may starve the
//!   other tasks of such an executor. So leaves are deferred there after 65,536 operations on the thread, a few
//!   milliseconds of work, until one of them is polled again or dropped: then that poll is over, and there is a new
//!   budget.
//!
//! A waker without data, as [`Waker::noop`](std::task::Waker::noop), stands for no task that could be polled again.
//! Its leaves are never deferred.
//!
//! # Polls inside of a poll
//! A `block_on` of another library inside of a task polls again and again within one poll of that task, in which no
//! budget is left. After a thousand deferrals in one poll there is a new one, so this is slow but goes on. Where a
//! thread blocks on purpose, as in a blocking call, [`leave`] stops counting.

use crate::leaf;
use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Operations a task may do in one poll.
pub const OPERATIONS: u8 = 128;

/// What a task waits for that has none left.
pub const SPENT: &str = "its next turn, as the budget of this one is spent";

/// Operations on a thread where nobody counts.
const UNCOUNTED: u32 = 1 << 16;

/// The number of the poll where nobody counts.
const NONE: u64 = 0;

/// What a thread knows of budgets. In one piece, so that to reach it costs no more than to reach one of the words.
struct Budget {
    /// Operations that may still be done.
    left: Cell<u32>,
    /// The number of the poll that is counted, or [`NONE`].
    poll: Cell<u64>,
    /// A poll, and how many leaves were deferred in it.
    deferred: Cell<(u64, u32)>,
}

thread_local! {
    static BUDGET: Budget = const {
        Budget { left: Cell::new(UNCOUNTED), poll: Cell::new(NONE), deferred: Cell::new((NONE, 0)) }
    };
}

/// Gives the task that is about to be polled its full budget.
///
/// For executors: call it before each poll. It costs two stores. From then on polls on this thread are counted; where
/// polls by hand follow on the same thread, use [`enter`] instead.
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

/// Counts what is polled on this thread, with a full budget, until the guard is dropped. Then the budget is what it
/// was.
///
/// For executors: around a poll, around a poll inside of a poll, or, with [`reset`] before each, around many.
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

/// Stops counting on this thread until the guard is dropped. Then the budget is what it was.
///
/// For code that runs inside of a task and blocks its thread on purpose, as a blocking call: futures that are polled
/// there, by hand or by a `block_on`, do not belong to the task.
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

/// Restores the budget that this thread had before. Made by [`enter`] and [`leave`].
#[must_use = "the budget is restored when this guard is dropped"]
#[derive(Debug)]
pub struct Entered {
    left: u32,
    poll: u64,
    /// It restores the thread on which it was made.
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

/// Whether this poll may do no further operation.
///
/// For futures that poll several others: poll one, and ask whether to [proceed](poll_proceed) when this is true.
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
/// For leaf futures: the short way where the operation is sure to succeed at once.
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

/// Ready while the task may go on; otherwise its waker has been called and the leaf should return `Pending`.
///
/// For leaf futures that keep no [`Deferral`]: such a leaf may never go on if one that is polled before it always
/// spends the budget.
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    Deferral::default().poll_proceed(cx)
}

/// Whether, and in which poll, the budget deferred a leaf.
///
/// For leaf futures: keep one, ask it before an operation that may succeed at once, and [`spend`] when it did. An
/// operation that was pending in an earlier poll needn't ask.
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
    /// Ready while the task may go on, and if the leaf was deferred in an earlier poll; otherwise the waker has been
    /// called and the leaf should return `Pending`.
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
        // Where nobody counts, a leaf that is polled again is in another poll.
        let was_deferred = self.0 != 0 && !(is_counted && *self == now);
        let goes_on = was_deferred || cx.waker().data().is_null();
        if goes_on && !is_counted {
            refill();
        }
        if goes_on || has_not_ended() {
            self.0 = 0;
            return Poll::Ready(());
        }
        *self = now;
        cx.waker().wake_by_ref();
        leaf::pending(|| SPENT.into());
        Poll::Pending
    }

    /// The leaf is dropped. Where nobody counts and it was deferred, that was a poll by hand: nobody polls it again.
    pub fn end(self) {
        if self.0 != 0 && poll_number() == NONE {
            refill();
        }
    }

    /// In this poll. The two low bits are set, so it is never 0.
    fn now() -> Deferral {
        Deferral((poll_number() as u32) << 2 | 0b11)
    }

    /// A number that stands for it: 0 if it was not deferred, else one whose two low bits are set.
    #[doc(hidden)] // for leaves that have to keep it in an atomic
    pub fn bits(self) -> u32 {
        self.0
    }

    #[doc(hidden)]
    pub fn from_bits(bits: u32) -> Deferral {
        Deferral(bits)
    }
}

/// The number of the poll that is counted, or [`NONE`].
fn poll_number() -> u64 {
    BUDGET.with(|budget| budget.poll.get())
}

/// A new budget, though no executor says that a new poll has begun.
fn refill() {
    BUDGET.with(|budget| match budget.poll.get() {
        NONE => {
            budget.left.set(UNCOUNTED);
            budget.deferred.set((NONE, 0));
        }
        _ => reset(),
    });
}

/// Counts a deferral. Returns whether the poll has had so many that they evidently do not end it; it then gets a new
/// budget.
///
/// A poll that awaits many futures at once has a deferral for each. Where nobody counts, each may be a poll by hand
/// that returns nothing although something is there, so there are few.
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
/// For async functions whose own operation is done at once: await it first.
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
