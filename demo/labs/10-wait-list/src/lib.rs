#![doc = include_str!("../README.md")]
// The chapter marks excerpts of the source with `source=…`, which rustdoc does not know.
#![allow(rustdoc::invalid_codeblock_attributes)]

// What the tests of this lab share: a wait that is polled by hand.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};
use tests::kit::{Hand, hand};

/// A wait of a task, polled by hand. Its future is only dropped by [`give_up`](Waiter::give_up), or when it is ready.
///
/// So a test that does not drop a wait does not need `Node::leave_list`, and a failed test does not panic a second time
/// while it unwinds. The future's memory is never freed: a list that still points to a dropped node is wrong, but
/// what the test then sees is always the same.
pub struct Waiter<'a, T> {
    name: &'static str,
    hand: ManuallyDrop<Hand<'a, T>>,
}

impl<'a, T> Waiter<'a, T> {
    /// A wait that was not polled yet.
    pub fn new(name: &'static str, future: impl Future<Output = T> + 'a) -> Waiter<'a, T> {
        Waiter { name, hand: ManuallyDrop::new(hand(InPlace::new(future)).lenient()) }
    }

    /// A wait that was polled once.
    ///
    /// # Panics
    /// If this poll returned `Poll::Ready`.
    #[track_caller]
    pub fn waiting(name: &'static str, future: impl Future<Output = T> + 'a) -> Waiter<'a, T> {
        let mut waiter = Waiter::new(name, future);
        assert!(waiter.poll().is_pending(), "{name} has to wait, and its first poll returned `Poll::Ready`");
        assert!(waiter.wakers() > 0, "{name} waits, and its waker was not kept: a release cannot wake it");
        waiter
    }

    /// Polls it with a full budget.
    #[track_caller]
    pub fn poll(&mut self) -> Poll<T> {
        self.hand.poll()
    }

    /// Polls it with another waker.
    #[track_caller]
    pub fn poll_with_another_waker(&mut self) -> Poll<T> {
        self.hand.replace_waker();
        self.hand.poll()
    }

    /// Whether the waker of the last poll was called since that poll began.
    pub fn was_woken(&self) -> bool {
        self.hand.was_woken()
    }

    /// The number of its wakers that exist.
    pub fn wakers(&self) -> usize {
        self.hand.wakers()
    }

    /// The output of a wait that was woken.
    ///
    /// # Panics
    /// If it was not woken, or if its poll returns `Poll::Pending`.
    #[track_caller]
    pub fn gets(&mut self) -> T {
        assert!(self.was_woken(), "{} is the next one, and it was not woken", self.name);
        match self.poll() {
            Poll::Ready(got) => got,
            Poll::Pending => panic!("{} was woken, and its next poll returned `Poll::Pending`", self.name),
        }
    }

    /// Drops the future, and returns how many of its wakers exist after that.
    pub fn give_up(self) -> usize {
        ManuallyDrop::into_inner(self.hand).cancel()
    }
}

/// A future that is dropped in its memory, which is never freed.
struct InPlace<'a, F>(Pin<&'a mut ManuallyDrop<F>>);

impl<'a, F> InPlace<'a, F> {
    fn new(future: F) -> InPlace<'a, F>
    where
        F: 'a,
    {
        let leaked = Box::leak(Box::new(ManuallyDrop::new(future)));
        // SAFETY: the future stays in this memory, which is never freed or used for anything else.
        InPlace(unsafe { Pin::new_unchecked(leaked) })
    }
}

impl<F: Future> Future for InPlace<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future is pinned because its memory is.
        unsafe { self.0.as_mut().map_unchecked_mut(|future| &mut **future) }.poll(cx)
    }
}

impl<F> Drop for InPlace<'_, F> {
    fn drop(&mut self) {
        // SAFETY: the future is not moved, and not used after this.
        unsafe { ManuallyDrop::drop(self.0.as_mut().get_unchecked_mut()) };
    }
}
