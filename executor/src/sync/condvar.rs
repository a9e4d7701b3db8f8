//! [`Condvar`]: waiting until what a mutex guards has changed.

use super::mutex::MutexGuard;
use super::wait_list::{List, Monitor, Rule, State, Wakes};
use crate::shim::budget;
use std::fmt;
use std::future::poll_fn;
use std::mem::forget;
use std::pin::pin;

/// A condition of a value in a [`Mutex`](super::Mutex), for which tasks wait while others change it.
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
    /// How many of those who wait are still to be woken.
    pending: usize,
    /// As are all up to this number.
    released: u64,
    waiters: List<Notified>,
}

enum Notified {}

impl Rule for Notified {
    type State = Notices;
    /// Its number.
    type Want = u64;
    /// Whether it was meant for one, and is another's if this one is gone.
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
        state.pending += usize::from(for_one);
        None
    }
}

impl State for Notices {
    fn serve(&mut self, wakes: &mut Wakes) {
        while let Some(number) = self.waiters.first().filter(|_| !wakes.is_full()) {
            let for_one = *number > self.released;
            if for_one && self.pending == 0 {
                return;
            }
            self.pending -= usize::from(for_one);
            self.waiters.serve(for_one, wakes);
        }
        if self.waiters.is_empty() {
            self.pending = 0; // a notice that finds nobody is gone
        }
    }
}

impl Condvar {
    /// One that nobody waits for.
    #[track_caller]
    pub fn new() -> Condvar {
        Condvar(Monitor::new("condition", Notices::default()))
    }

    /// Unlocks the mutex, waits for a notice, and locks it again. There is no moment between the first two
    /// at which a notice could be missed.
    ///
    /// Somebody else may have locked the mutex first and changed what the notice was about: look again, or
    /// use [`wait_while`](Condvar::wait_while).
    ///
    /// # Cancel safety
    /// A notice that was meant for one waiter goes to the next if this is dropped before it is done.
    pub async fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let mutex = guard.mutex();
        let mut notified = pin!(self.0.wait::<Notified>(0));
        poll_fn(|cx| notified.as_mut().begin(cx)).await; // in line before the mutex is unlocked
        drop(guard);
        let for_one = notified.await;
        let pass_on = PassOn(self, for_one);
        let guard = mutex.lock().await;
        forget(pass_on);
        guard
    }

    /// As [`wait`](Condvar::wait), again and again, as long as the condition holds; not at all if it does not.
    ///
    /// # Cancel safety
    /// As [`wait`](Condvar::wait).
    pub async fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        budget::take().await; // there may be nothing to wait for, again and again
        while condition(&mut guard) {
            guard = self.wait(guard).await;
        }
        guard
    }

    /// Wakes the one who has waited longest, if anybody waits.
    pub fn notify_one(&self) {
        self.0.change(|notices, _| notices.pending += 1);
    }

    /// Wakes all who wait.
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

/// A notice whose waiter is gone before it has the mutex again.
struct PassOn<'a>(&'a Condvar, bool);

impl Drop for PassOn<'_> {
    fn drop(&mut self) {
        if self.1 {
            self.0.notify_one();
        }
    }
}
