//! The tasks that are queued: the run queue of a thread, and the injection queue that all other threads push to.
//!
//! Both are linked through the task headers, so a wake never allocates. One link is enough: a task is in at most one
//! queue, once, because its state word gives out one [`Runnable`] at a time.
//!
//! Used by `single.rs`.

use crate::shim::{AtomicPtr, Ordering};
use crate::task::{Header, Runnable};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// A first-in, first-out queue of one thread.
#[derive(Default)]
pub(crate) struct RunQueue {
    first: Cell<Option<NonNull<Header>>>,
    last: Cell<Option<NonNull<Header>>>,
    length: Cell<usize>,
}

impl RunQueue {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.length.get()
    }

    #[inline]
    pub(crate) fn push(&self, task: Runnable) {
        let task = task.into_header();
        // SAFETY: the holder of the right to run a task owns its link, and the task exists until it has run.
        unsafe {
            task.as_ref().next.with_mut(|next| *next = None);
            match self.last.replace(Some(task)) {
                None => self.first.set(Some(task)),
                Some(last) => last.as_ref().next.with_mut(|next| *next = Some(task)),
            }
        }
        self.length.set(self.length.get() + 1);
    }

    /// Pushes a task to the head of the queue: the next [`pop`](RunQueue::pop) returns it.
    pub(crate) fn push_front(&self, task: Runnable) {
        let task = task.into_header();
        let first = self.first.replace(Some(task));
        // SAFETY: as in `push`.
        unsafe { task.as_ref().next.with_mut(|next| *next = first) };
        if first.is_none() {
            self.last.set(Some(task));
        }
        self.length.set(self.length.get() + 1);
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Runnable> {
        let task = self.first.get()?;
        // SAFETY: as in `push`; this returns the right to run that `push` or `push_front` stored.
        let (next, task) = unsafe { (task.as_ref().next.with(|next| *next), Runnable::from_header(task)) };
        self.first.set(next);
        if next.is_none() {
            self.last.set(None);
        }
        self.length.set(self.length.get() - 1);
        Some(task)
    }
}

impl Drop for RunQueue {
    fn drop(&mut self) {
        while let Some(task) = self.pop() {
            drop(task);
        }
    }
}

/// The injection queue: tasks that other threads have woken, for one thread to take. It also says whether that thread
/// is parked, so that only the push that finds it parked has to unpark it.
///
/// ```text
///                  push                park
///     tasks  ◄──────────────  empty  ───────►  PARKED
///     ▲   └────── take ──────►▲  └◄─── take ─────┘ │
///     └──────────────── push, which unparks ───────┘
/// ```
///
/// The algorithm is the stack of R. K. Treiber, "Systems Programming: Coping with Parallelism", 1986. It has no ABA
/// problem here: the consumer takes all entries at once.
pub(crate) struct InjectionQueue {
    /// The task pushed last, or null, or [`PARKED`].
    head: AtomicPtr<Header>,
}

/// Not the address of a task: those are aligned to more than one byte.
const PARKED: *mut Header = ptr::without_provenance_mut(1);

impl InjectionQueue {
    pub(crate) fn new() -> InjectionQueue {
        InjectionQueue { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Pushes a task. Returns whether the thread is parked: then this caller alone has to unpark it.
    #[must_use]
    pub(crate) fn push(&self, task: Runnable) -> bool {
        let task = task.into_header();
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let next = if head == PARKED { None } else { NonNull::new(head) };
            // SAFETY: the holder of the right to run a task owns its link, and the task exists until it has run.
            unsafe { task.as_ref().next.with_mut(|link| *link = next) };
            // Release: the thread that takes the task sees the link, and what was written before the wake.
            match self.head.compare_exchange_weak(head, task.as_ptr(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return head == PARKED,
                Err(changed) => head = changed,
            }
        }
    }

    /// Announces that the thread is about to park. `false` if there is something to take.
    pub(crate) fn park(&self) -> bool {
        self.head.compare_exchange(ptr::null_mut(), PARKED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Moves all tasks to `queue`, in the order of their pushes. The thread no longer counts as parked.
    pub(crate) fn take(&self, queue: &RunQueue) {
        if self.head.load(Ordering::Relaxed).is_null() {
            return;
        }
        let head = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        let mut newest_first = if head == PARKED { None } else { NonNull::new(head) };
        let mut oldest_first = None;
        while let Some(task) = newest_first {
            // SAFETY: the rights to run that were pushed are ours now, and the links with them.
            newest_first = unsafe { task.as_ref().next.with_mut(|next| std::mem::replace(&mut *next, oldest_first)) };
            oldest_first = Some(task);
        }
        while let Some(task) = oldest_first {
            // SAFETY: as above; each right goes on to the queue.
            let runnable = unsafe {
                oldest_first = task.as_ref().next.with(|next| *next);
                Runnable::from_header(task)
            };
            queue.push(runnable);
        }
    }
}
