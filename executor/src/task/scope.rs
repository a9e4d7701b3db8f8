//! [`Scope`]: a part of a program that may be cancelled as a whole, and what in it is shielded from that.
//!
//! Scopes form a tree: a task is one, as is a deadline and a task group, in another one. Who cancels a
//! scope asks it first: while something in it is shielded, the end has to wait, and whoever brings it leaves
//! a waker to be called when the last shield is gone.
//!
//! Used by `cell.rs`, which asks before it drops a cancelled future, and by `cancel.rs` and `group.rs`.

use reactor::panics::FirstPanic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

pub(crate) struct Scope {
    parent: Option<Arc<Scope>>,
    /// When it will be cancelled, at the latest.
    deadline: Option<Instant>,
    shields: Mutex<Shields>,
}

#[derive(Default)]
struct Shields {
    count: usize,
    /// They hold nobody up any more.
    pierced: bool,
    /// Whoever wants to cancel the scope and could not.
    waiting: Option<Waker>,
}

impl Drop for Scope {
    /// Frees the scopes that only this one kept, in a loop: as the destructor of its field, each would free the next in a
    /// call of its own, and a long chain would overflow the stack.
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

    /// The earliest deadline of this and all that it lies in.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Whether something in here is shielded: then the waker is called when nothing is any more.
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

    /// From now on, shields in here are not asked for: whoever ends this can't wait.
    pub(crate) fn pierce(&self) {
        self.lock().pierced = true;
    }

    /// A shield for something in here goes up.
    pub(crate) fn shield(&self) {
        self.chain().for_each(|scope| scope.lock().count += 1);
    }

    /// It comes down: ends that had to wait may come.
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

    /// This one and all that it lies in.
    fn chain(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |scope| scope.parent.as_deref())
    }

    fn lock(&self) -> MutexGuard<'_, Shields> {
        self.shields.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
