//! [`Scope`]: a part of a program that can be cancelled as a whole, and the shields in it that delay that.
//!
//! Scopes form a tree: a task, a deadline and a task group each have one, which lies in another. Before a scope is
//! cancelled, its shields are checked: while there is one, the cancel has to wait, and leaves a waker to be called when
//! the last shield is gone.
//!
//! Knows nothing of tasks. Used by the header, which checks it before a cancelled future is dropped, and by deadlines
//! and groups.

use reactor::panics::FirstPanic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

pub(crate) struct Scope {
    parent: Option<Arc<Scope>>,
    /// When the scope is cancelled, at the latest.
    deadline: Option<Instant>,
    shields: Mutex<Shields>,
}

#[derive(Default)]
struct Shields {
    count: usize,
    /// Whether shields have no effect any more.
    pierced: bool,
    /// The waker of a cancel that waits for the shields.
    waiting: Option<Waker>,
}

impl Drop for Scope {
    /// Frees the scopes that only this one kept, in a loop. If each destructor freed the next scope by dropping its
    /// field, a long chain would overflow the stack.
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some(scope) = parent {
            parent = Arc::into_inner(scope).and_then(|mut scope| scope.parent.take());
        }
    }
}

impl Scope {
    pub(crate) fn new(parent: Option<Arc<Scope>>, deadline: Option<Instant>) -> Arc<Scope> {
        let earlier = parent.as_ref().and_then(|parent| parent.deadline);
        let deadline = deadline.into_iter().chain(earlier).min();
        Arc::new(Scope { parent, deadline, shields: Mutex::default() })
    }

    /// The earliest deadline of this scope and those that contain it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether there is a shield in this scope. If so, the waker is called when the last one is gone.
    pub(crate) fn is_shielded(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut shields = self.lock();
        if shields.count == 0 || shields.pierced {
            return false;
        }
        let replaced = shields.waiting.replace(waker);
        drop(shields);
        drop(replaced);
        true
    }

    pub(crate) fn has_shields(&self) -> bool {
        let shields = self.lock();
        shields.count > 0 && !shields.pierced
    }

    /// From now on, shields in this scope have no effect: the scope is ending and cannot wait.
    pub(crate) fn pierce(&self) {
        self.lock().pierced = true;
    }

    /// Puts up a shield in this scope.
    pub(crate) fn shield(&self) {
        self.chain().for_each(|scope| scope.lock().count += 1);
    }

    /// Takes a shield down. Wakes the cancels that waited for the last one.
    pub(crate) fn unshield(&self) {
        let mut calls = FirstPanic::default();
        for scope in self.chain() {
            let mut shields = scope.lock();
            shields.count -= 1;
            let waiting = if shields.count == 0 { shields.waiting.take() } else { None };
            drop(shields);
            waiting.into_iter().for_each(|waker| calls.catch(|| waker.wake()));
        }
    }

    /// This scope and those that contain it, the innermost first.
    fn chain(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |scope| scope.parent.as_deref())
    }

    fn lock(&self) -> MutexGuard<'_, Shields> {
        self.shields.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
