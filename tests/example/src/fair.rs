//! A mutex with a line of waiters: an unlock hands the lock to the first one in the line, and only then wakes it.
//!
//! Newcomers queue up behind it, so they get the lock in the order in which they came. A wait that is dropped leaves
//! the line; if the lock was handed to it, it hands the lock to the next one.

use crate::shim::Mutex as Lock;
use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A fair mutex: see the head of this module.
pub struct Mutex<T> {
    state: Lock<State>,
    value: UnsafeCell<T>,
}

#[derive(Default)]
struct State {
    is_locked: bool,
    next_ticket: u64,
    line: VecDeque<(u64, Waker)>,
    /// The ticket that the lock was handed to, until its wait takes it.
    handed_to: Option<u64>,
}

// SAFETY: there is one guard at a time, and only it leads to the value.
unsafe impl<T: Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub fn new(value: T) -> Mutex<T> {
        Mutex { state: Lock::new(State::default()), value: UnsafeCell::new(value) }
    }

    /// Waits for the lock.
    pub fn lock(&self) -> Wait<'_, T> {
        Wait { mutex: self, ticket: None }
    }

    fn unlock(&self) {
        let mut state = self.state.lock().unwrap();
        let first = state.line.pop_front();
        state.is_locked = first.is_some();
        state.handed_to = first.as_ref().map(|(ticket, _)| *ticket);
        drop(state); // a waker may do anything
        first.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// Made by [`Mutex::lock`].
pub struct Wait<'a, T> {
    mutex: &'a Mutex<T>,
    /// Set while the wait is in line, or the lock was handed to it.
    ticket: Option<u64>,
}

impl<'a, T> Future for Wait<'a, T> {
    type Output = Guard<'a, T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Guard<'a, T>> {
        let mutex = self.mutex;
        let mut state = mutex.state.lock().unwrap();
        let state = &mut *state;
        match self.ticket {
            None if !state.is_locked => {
                state.is_locked = true;
                Poll::Ready(Guard(mutex))
            }
            None => {
                self.ticket = Some(state.next_ticket);
                state.line.push_back((state.next_ticket, cx.waker().clone()));
                state.next_ticket += 1;
                Poll::Pending
            }
            Some(ticket) if state.handed_to == Some(ticket) => {
                state.handed_to = None;
                self.ticket = None;
                Poll::Ready(Guard(mutex))
            }
            Some(ticket) => {
                let mut line = state.line.iter_mut();
                if let Some((_, waker)) = line.find(|(other, _)| *other == ticket) {
                    waker.clone_from(cx.waker()); // the waker of the last poll is called
                }
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Wait<'_, T> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut state = self.mutex.state.lock().unwrap();
        if state.handed_to == Some(ticket) {
            drop(state);
            self.mutex.unlock();
        } else {
            state.line.retain(|(other, _)| *other != ticket);
        }
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
        self.0.unlock();
    }
}
