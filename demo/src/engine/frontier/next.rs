//! [`Next`]: the leaf future that waits for a page.

use super::{Claim, Frontier};
use executor::leaf;
use executor::time::{Sleep, sleep_until};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Waits for a page. Made by [`Frontier::next`].
///
/// # Cancel safety
/// Dropping it loses no page: the next worker in the line takes what this one was woken for.
pub struct Next<'a> {
    frontier: &'a Frontier,
    /// Its ticket in the line, once it waits.
    ticket: Option<u64>,
    /// Set by the first in the line, if a page may begin later.
    timer: Option<Sleep>,
}

impl<'a> Next<'a> {
    pub fn new(frontier: &'a Frontier) -> Next<'a> {
        Next { frontier, ticket: None, timer: None }
    }

    fn leave(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.frontier.line.borrow_mut().leave(ticket);
        }
        self.frontier.wake();
    }
}

impl<'a> Future for Next<'a> {
    type Output = Option<Claim<'a>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let (mut state, mut line) = (this.frontier.state.borrow_mut(), this.frontier.line.borrow_mut());
            let is_over = state.is_over();
            let is_turn = line.is_turn(this.ticket);
            let taken = if is_turn && !is_over { state.take() } else { None };
            if is_over || taken.is_some() {
                drop((state, line));
                this.leave();
                return Poll::Ready(taken.map(|taken| Claim::new(this.frontier, taken)));
            }
            this.ticket = Some(line.wait(this.ticket, cx.waker()));
            let start = state.next_start().filter(|_| is_turn);
            if is_turn {
                line.timer = start;
            }
            drop((state, line));
            let Some(start) = start else {
                this.timer = None;
                leaf::pending(|| "a page to fetch".into());
                return Poll::Pending;
            };
            // Polls the timer instead of comparing `now()` with `start`: between two turns of the reactor, `start` may
            // pass before the wake for it.
            let timer = this.timer.get_or_insert_with(|| sleep_until(start));
            if timer.deadline() != Some(start) {
                timer.reset(start);
            }
            if Pin::new(timer).poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.timer = None;
            this.frontier.state.borrow_mut().advance();
        }
    }
}

impl Drop for Next<'_> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.leave();
        }
    }
}
