//! All tasks of a scheduler, whether queued or waiting: a doubly linked list through the tasks.
//!
//! It is how a runtime finds the tasks that are left when it ends. It belongs to one thread.

use super::cell::{Header, cancel};
use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A task's neighbours. Only its list touches them.
#[derive(Default)]
pub(crate) struct Links {
    before: Option<NonNull<Header>>,
    after: Option<NonNull<Header>>,
}

/// Invariant: every task in it has a future, and so its reference, until it is removed.
#[derive(Default)]
pub(crate) struct TaskList {
    first: Cell<Option<NonNull<Header>>>,
    not_send: PhantomData<*const ()>,
}

impl TaskList {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.get().is_none()
    }

    /// # Safety
    /// The task is in no list, and stays alive until `remove`.
    pub(crate) unsafe fn insert(&self, task: NonNull<Header>) {
        let first = self.first.replace(Some(task));
        // SAFETY: tasks in the list are alive, and their links are touched by this thread only.
        unsafe {
            task.as_ref().links.with_mut(|links| (*links).after = first);
            if let Some(first) = first {
                first.as_ref().links.with_mut(|links| (*links).before = Some(task));
            }
        }
    }

    /// # Safety
    /// The task is in this list.
    pub(crate) unsafe fn remove(&self, task: NonNull<Header>) {
        // SAFETY: as in `insert`.
        unsafe {
            let Links { before, after } = task.as_ref().links.with_mut(|links| std::mem::take(&mut *links));
            match before {
                None => self.first.set(after),
                Some(before) => before.as_ref().links.with_mut(|links| (*links).after = after),
            }
            if let Some(after) = after {
                after.as_ref().links.with_mut(|links| (*links).before = before);
            }
        }
    }

    /// Cancels every task in it; those that were not queued get scheduled.
    pub(crate) fn cancel_all(&self) {
        let mut next = self.first.get();
        while let Some(task) = next {
            // SAFETY: as in `insert`. `cancel` only schedules, so nothing is removed meanwhile.
            unsafe {
                next = task.as_ref().links.with(|links| (*links).after);
                cancel(task);
            }
        }
    }
}
