//! Who is ready, in what order: a queue for the thread that runs, and an inbox for all others.
//!
//! Both are linked through the tasks themselves, so a wake never allocates. One link is enough,
//! since a task is in at most one queue at most once: its state word hands out the right to put it
//! there.

use crate::shim::{AtomicPtr, Ordering};
use crate::task::{Header, Runnable};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// First in, first out. It belongs to one thread.
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
        // SAFETY: whoever holds the right to run a task owns its link, and keeps it alive.
        unsafe {
            task.as_ref().next.with_mut(|next| *next = None);
            match self.last.replace(Some(task)) {
                None => self.first.set(Some(task)),
                Some(last) => last.as_ref().next.with_mut(|next| *next = Some(task)),
            }
        }
        self.length.set(self.length.get() + 1);
    }

    /// Puts a task at the head of the queue, where [`pop`](RunQueue::pop) finds it next.
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
        // SAFETY: as in `push`; the right to run that was put in comes out again.
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

/// Tasks that were woken on other threads, for the one thread that takes them out; and whether
/// that thread sleeps, so that only who finds it asleep has to wake it.
///
/// ```text
///            push: link, swap in          push: as before, and the pusher wakes the thread
///   tasks ◄──────────────────────  empty  ◄── sleep ──►  SLEEPING
///     └──────────── take ────────────►└──────── take ───────┘
/// ```
///
/// A stack after R. K. Treiber, "Systems Programming: Coping with Parallelism", 1986; without its
/// ABA problem, as all are taken at once.
pub(crate) struct Inbox {
    /// The task pushed last, or null, or [`SLEEPING`].
    head: AtomicPtr<Header>,
}

/// No task has this address: they are aligned to more than one byte.
const SLEEPING: *mut Header = ptr::without_provenance_mut(1);

impl Inbox {
    pub(crate) fn new() -> Inbox {
        Inbox { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Puts a task in. `true` if the thread sleeps: then the caller, and nobody else, has to wake it.
    #[must_use]
    pub(crate) fn push(&self, task: Runnable) -> bool {
        let task = task.into_header();
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let next = if head == SLEEPING { None } else { NonNull::new(head) };
            // SAFETY: whoever holds the right to run a task owns its link, and keeps it alive.
            unsafe { task.as_ref().next.with_mut(|link| *link = next) };
            // Release: the thread that takes the task sees the link, and all before the wake.
            match self.head.compare_exchange_weak(head, task.as_ptr(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return head == SLEEPING,
                Err(changed) => head = changed,
            }
        }
    }

    /// Announces that the thread is about to sleep. `false` if there is something to take.
    pub(crate) fn sleep(&self) -> bool {
        self.head.compare_exchange(ptr::null_mut(), SLEEPING, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Moves all tasks to `queue`, the longest waiting first; the thread is awake again.
    pub(crate) fn take(&self, queue: &RunQueue) {
        if self.head.load(Ordering::Relaxed).is_null() {
            return;
        }
        let head = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        let mut newest_first = if head == SLEEPING { None } else { NonNull::new(head) };
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
