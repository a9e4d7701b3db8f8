//! A mutex with a line of wakers: an unlock opens the lock, and wakes the first one in the line.
//!
//! A woken waiter competes with newcomers, so the lock is not fair. And a waiter does not know whether its waker is
//! still in the line, so a wait must be polled only when it was woken, and must not be dropped: otherwise a wake is
//! lost.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex as Lock;
use std::task::{Poll, Waker};

/// An unfair mutex: see the head of this module.
pub struct Mutex<T> {
    state: Lock<State>,
    value: UnsafeCell<T>,
    /// A typical mistake: each waiter replaces the one before.
    keeps_last_waker_only: bool,
}

#[derive(Default)]
struct State {
    is_locked: bool,
    line: VecDeque<Waker>,
}

// SAFETY: there is one guard at a time, and only it leads to the value.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub fn new(value: T) -> Mutex<T> {
        Mutex { state: Lock::default(), value: UnsafeCell::new(value), keeps_last_waker_only: false }
    }

    /// An unlocked mutex, with a mistake in it.
    pub fn wrong(value: T) -> Mutex<T> {
        Mutex { keeps_last_waker_only: true, ..Mutex::new(value) }
    }

    /// Waits for the lock.
    pub async fn lock(&self) -> Guard<'_, T> {
        poll_fn(|cx| {
            let mut state = self.state.lock().unwrap();
            if !state.is_locked {
                state.is_locked = true;
                return Poll::Ready(Guard(self));
            }
            if self.keeps_last_waker_only {
                state.line.clear();
            }
            state.line.push_back(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// Unlocks when it is dropped.
pub struct Guard<'a, T>(&'a Mutex<T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: there is one guard at a time.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap();
        state.is_locked = false;
        let first = state.line.pop_front();
        drop(state); // a waker may do anything
        first.into_iter().for_each(Waker::wake);
    }
}
