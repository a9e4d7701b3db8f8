//! The workers that wait for a page, in the order in which they came.
//!
//! Only the first of them takes pages and sets a timer. When it has taken a page it leaves the line, and the next
//! worker becomes the first. A worker that was woken stays in the line until it has taken a page or is dropped, so a
//! wake is never lost.

use executor::time::Instant;
use std::collections::BTreeMap;
use std::task::Waker;

#[derive(Default)]
pub struct Line {
    /// The waker of each worker, by ticket. A worker that was woken has none until it is polled.
    waiters: BTreeMap<u64, Option<Waker>>,
    tickets: u64,
    /// The time that the first waits for.
    pub timer: Option<Instant>,
}

impl Line {
    /// Whether a worker with this ticket, or without one, may take a page.
    pub fn is_turn(&self, ticket: Option<u64>) -> bool {
        match (self.waiters.keys().next(), ticket) {
            (Some(first), Some(ticket)) => *first == ticket,
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// Lets a worker wait, at the end of the line if it has no ticket yet. Returns its ticket.
    pub fn wait(&mut self, ticket: Option<u64>, waker: &Waker) -> u64 {
        let ticket = ticket.unwrap_or_else(|| {
            self.tickets += 1;
            self.tickets
        });
        let slot = self.waiters.entry(ticket).or_default();
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
        ticket
    }

    /// Removes a worker.
    pub fn leave(&mut self, ticket: u64) {
        if self.is_turn(Some(ticket)) {
            self.timer = None;
        }
        self.waiters.remove(&ticket);
    }

    /// The waker of the first, if it was not woken yet.
    pub fn first(&mut self) -> Option<Waker> {
        self.waiters.values_mut().next()?.take()
    }

    /// The wakers of all that were not woken yet.
    pub fn all(&mut self) -> Vec<Waker> {
        self.waiters.values_mut().filter_map(Option::take).collect()
    }
}
