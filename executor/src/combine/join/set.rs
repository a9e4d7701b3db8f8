//! Futures that are polled together, each only when it was woken itself.
//!
//! If every wake polled all children, a thousand children would be polled up to a million times until they are done.
//! Here each child has its own waker, which adds the child's number to a queue and then wakes the parent. The queue has
//! room for all children from the start, so a wake never allocates.
//!
//! The children share the budget of one poll: when it is spent, no further child is polled. At least one child is
//! polled each time, in the order of the queue, so each of them gets its turn.
//!
//! Used by the files beside it.

use reactor::panics::wake_all;
use reactor::{budget, leaf};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

pub(super) struct Set<F> {
    /// Pinned: a child is not moved until it is done, and is dropped in place.
    children: Pin<Box<[Option<F>]>>,
    wakers: Box<[Arc<Child>]>,
    /// The round in which each child was polled last. A round ends when a poll of the set is pending.
    polled_in: Box<[u32]>,
    round: u32,
    shared: Arc<Mutex<Woken>>,
    left: usize,
}

#[derive(Default)]
struct Woken {
    /// The children to poll, each at most once.
    queue: VecDeque<u32>,
    parent: Option<Waker>,
}

struct Child {
    number: u32,
    is_queued: AtomicBool,
    shared: Arc<Mutex<Woken>>,
}

impl Wake for Child {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut woken = lock(&self.shared);
        woken.queue.push_back(self.number);
        let parent = woken.parent.take();
        drop(woken);
        wake_all(parent);
    }
}

fn lock(woken: &Mutex<Woken>) -> MutexGuard<'_, Woken> {
    woken.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<F: Future> Set<F> {
    pub(super) fn new(futures: impl IntoIterator<Item = F>) -> Set<F> {
        let children: Box<[_]> = futures.into_iter().map(Some).collect();
        let left = children.len();
        let numbers = 0..u32::try_from(left).expect("at most 2³² - 1 futures can be awaited together");
        let shared = Arc::new(Mutex::new(Woken { queue: numbers.clone().collect(), parent: None }));
        let child = |number| Arc::new(Child { number, is_queued: AtomicBool::new(true), shared: shared.clone() });
        let polled_in = vec![0; left].into();
        Set { wakers: numbers.map(child).collect(), children: children.into(), polled_in, round: 1, shared, left }
    }

    /// The number of children that are not done.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Returns the next output, with its child's number; `None` when all children are done.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, F::Output)>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if leaf::is_asked() {
            return self.poll_all(cx);
        }
        let mut polled = 0;
        while let Some(number) = self.next_woken() {
            polled += 1;
            // Reads what it replaces: the poll must see what was written before a wake that found the flag set.
            self.wakers[number].is_queued.swap(false, Ordering::AcqRel);
            if let Poll::Ready(output) = self.poll_child(number) {
                return Poll::Ready(Some((number, output)));
            }
            if budget::is_spent() && budget::poll_proceed(cx).is_pending() {
                break;
            }
        }
        self.round = self.round.wrapping_add(1);
        self.wait(cx);
        if self.left > polled {
            leaf::pending(|| format!("{} more of the futures that are awaited together", self.left - polled));
        }
        Poll::Pending
    }

    /// Polls all children, because the await chain of each one was requested.
    #[cold]
    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, F::Output)>> {
        let done = (0..self.children.len()).find_map(|number| match self.poll_child(number) {
            Poll::Ready(output) => Some((number, output)),
            Poll::Pending => None,
        });
        self.wait(cx);
        done.map_or(Poll::Pending, |done| Poll::Ready(Some(done)))
    }

    /// Takes the next child that was woken. `None` if there is none, or if it was polled in this round already: a child
    /// that yields lets other tasks run, and one that always wakes itself does not keep the thread.
    fn next_woken(&mut self) -> Option<usize> {
        let mut woken = lock(&self.shared);
        let number = *woken.queue.front()? as usize;
        if std::mem::replace(&mut self.polled_in[number], self.round) == self.round {
            return None;
        }
        woken.queue.pop_front();
        Some(number)
    }

    /// Makes the next wake of a child wake the parent. Wakes the parent at once if woken children are left.
    fn wait(&self, cx: &mut Context<'_>) {
        let mut replaced = None; // dropped outside the lock
        let mut woken = lock(&self.shared);
        let is_woken = !woken.queue.is_empty();
        if !is_woken && !woken.parent.as_ref().is_some_and(|parent| parent.will_wake(cx.waker())) {
            replaced = woken.parent.replace(cx.waker().clone());
        }
        drop(woken);
        drop(replaced);
        if is_woken {
            cx.waker().wake_by_ref();
        }
    }

    /// Polls a child. Returns `Pending` for one that was done before.
    fn poll_child(&mut self, number: usize) -> Poll<F::Output> {
        // SAFETY: the projection pins one child of the pinned slice, and nothing moves a child.
        let mut child = unsafe { self.children.as_mut().map_unchecked_mut(|children| &mut children[number]) };
        let Some(future) = child.as_mut().as_pin_mut() else { return Poll::Pending };
        let waker = Waker::from(self.wakers[number].clone());
        let polled = future.poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            child.set(None);
            self.left -= 1;
        }
        polled
    }

    /// The children that are not done.
    pub(super) fn into_left(self) -> impl Iterator<Item = (usize, F)>
    where
        F: Unpin,
    {
        let children = Pin::into_inner(self.children).into_vec().into_iter().enumerate();
        children.filter_map(|(number, child)| Some((number, child?)))
    }
}
