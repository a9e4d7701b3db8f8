//! [`Condvar`]: waits until what a mutex guards has changed.

use super::mutex::MutexGuard;
use super::wait_list::{List, Monitor, Rule, State, Wakes};
use crate::shim::budget;
use std::fmt;
use std::future::poll_fn;
use std::mem::forget;
use std::pin::pin;

/// A condition on the value in a [`Mutex`](super::Mutex): tasks wait for it, while others change the value.
///
/// ```
/// use executor::{spawn, sync::{Condvar, Mutex}};
/// use std::sync::Arc;
///
/// executor::block_on(async {
///     let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
///     let consumer = spawn({
///         let shared = shared.clone();
///         async move {
///             let (queue, filled) = &*shared;
///             let mut queue = filled.wait_while(queue.lock().await, |queue| queue.is_empty()).await;
///             queue.pop()
///         }
///     });
///     let (queue, filled) = &*shared;
///     queue.lock().await.push("work");
///     filled.notify_one();
///     assert_eq!(consumer.await.unwrap(), Some("work"));
/// });
/// ```
pub struct Condvar(Monitor<Notices>);

#[derive(Default)]
struct Notices {
    /// The number of notices for one waiter that have not been handed over yet.
    undelivered: usize,
    /// Waiters up to this ticket are woken, by `notify_all`.
    released: u64,
    waiters: List<Notified>,
}

enum Notified {}

impl Rule for Notified {
    type State = Notices;
    /// Its ticket.
    type Want = u64;
    /// Whether the notice was for one waiter. Such a notice goes to the next waiter if this one is dropped.
    type Got = bool;
    const WAIT: &'static str = "wait for";

    fn waiters(state: &mut Notices) -> &mut List<Notified> {
        &mut state.waiters
    }

    fn arrive(_: &mut Notices, _: &mut u64, _: &mut Wakes) -> Option<bool> {
        None
    }

    fn waits(number: &mut u64, ticket: u64) {
        *number = ticket;
    }

    fn give_back(state: &mut Notices, _: &mut u64, for_one: bool) -> Option<bool> {
        state.undelivered += usize::from(for_one);
        None
    }
}

impl State for Notices {
    fn hand_over(&mut self, wakes: &mut Wakes) {
        while let Some(number) = self.waiters.first().filter(|_| !wakes.is_full()) {
            let for_one = *number > self.released;
            if for_one && self.undelivered == 0 {
                return;
            }
            self.undelivered -= usize::from(for_one);
            self.waiters.hand_over(for_one, wakes);
        }
        if self.waiters.is_empty() {
            self.undelivered = 0; // a notice without a waiter is lost
        }
    }
}

impl Condvar {
    /// Creates a condition variable without waiters.
    #[track_caller]
    pub fn new() -> Condvar {
        Condvar(Monitor::new("condition", Notices::default()))
    }

    /// Unlocks the mutex, waits for a notice, and locks the mutex again. No notice is missed between the unlock and the
    /// wait.
    ///
    /// Another task may have locked the mutex first and changed the value since the notice: check the condition again,
    /// or use [`wait_while`](Condvar::wait_while).
    ///
    /// # Cancel safety
    /// If it is dropped before it completes, a notice for one waiter goes to the next one.
    pub async fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let mutex = guard.mutex();
        let mut notified = pin!(self.0.wait::<Notified>(0));
        poll_fn(|cx| notified.as_mut().begin(cx)).await; // enters the list before the mutex is unlocked
        drop(guard);
        let for_one = notified.await;
        let pass_on = PassOn(self, for_one);
        let guard = mutex.lock().await;
        forget(pass_on);
        guard
    }

    /// Calls [`wait`](Condvar::wait) again and again while the condition holds. Returns at once if it does not hold.
    ///
    /// # Cancel safety
    /// As [`wait`](Condvar::wait).
    pub async fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        budget::take().await; // a loop of calls that never wait must end its poll, too
        while condition(&mut guard) {
            guard = self.wait(guard).await;
        }
        guard
    }

    /// Wakes the waiter that has waited longest, if there is one.
    pub fn notify_one(&self) {
        self.0.change(|notices, _| notices.undelivered += 1);
    }

    /// Wakes all waiters.
    pub fn notify_all(&self) {
        self.0.change(|notices, _| notices.released = notices.waiters.last_ticket());
    }
}

impl Default for Condvar {
    #[track_caller]
    fn default() -> Self {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Passes a notice on if its waiter is dropped before it has locked the mutex again.
struct PassOn<'a>(&'a Condvar, bool);

impl Drop for PassOn<'_> {
    fn drop(&mut self) {
        if self.1 {
            self.0.notify_one();
        }
    }
}
