//! A student's semaphore, right and wrong.

use super::breaks;
use executor::sync;
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use tests::conformance::{self, local_semaphore, semaphore};

/// A mistake that the semaphore may have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bug {
    Nothing,
    /// A release wakes no waiter.
    ForgetsToWake,
    /// A permit that was handed to a waiter is lost when that waiter is dropped.
    LosesHandedPermit,
    /// A permit that was handed to a waiter that is dropped is free again, and no waiter is woken for it.
    WakesNoWaiterForReturned,
    /// A permit that was handed over counts as free, too.
    GrantsTwice,
    /// The semaphore has one permit more than was asked for.
    OneTooMany,
    /// The last waiter in line is not woken.
    WakesAllButOne,
    /// A dropped waiter stays in line.
    KeepsDroppedWaiters,
    /// A waiter that is polled again with another waker keeps the first one.
    KeepsFirstWaker,
    /// A waiter wakes itself.
    Spins,
}

/// Hands permits over, in the order in which they were asked for.
struct Own {
    bug: Bug,
    state: Mutex<State>,
}

struct State {
    free: usize,
    line: VecDeque<Arc<Waiter>>,
}

#[derive(Default)]
struct Waiter {
    has_permit: Mutex<bool>,
    waker: Mutex<Option<Waker>>,
}

struct Permit<'a>(&'a Own);

impl Own {
    fn new(bug: Bug, permits: usize) -> Own {
        let free = if bug == Bug::OneTooMany { permits + 1 } else { permits };
        Own { bug, state: Mutex::new(State { free, line: VecDeque::new() }) }
    }

    async fn acquire(&self) -> Permit<'_> {
        let mut wait = Wait { semaphore: self, waiter: None };
        poll_fn(|cx| {
            let mut state = self.state.lock().unwrap();
            match &wait.waiter {
                Some(waiter) => {
                    if std::mem::take(&mut *waiter.has_permit.lock().unwrap()) {
                        drop(state);
                        wait.waiter = None;
                        return Poll::Ready(Permit(self));
                    }
                    if self.bug != Bug::KeepsFirstWaker {
                        *waiter.waker.lock().unwrap() = Some(cx.waker().clone());
                    }
                }
                None if state.free > 0 && state.line.is_empty() => {
                    state.free -= 1;
                    return Poll::Ready(Permit(self));
                }
                None => {
                    let waiter = Arc::new(Waiter::default());
                    *waiter.waker.lock().unwrap() = Some(cx.waker().clone());
                    state.line.push_back(waiter.clone());
                    wait.waiter = Some(waiter);
                }
            }
            if self.bug == Bug::Spins {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await
    }

    fn release(&self) {
        let mut state = self.state.lock().unwrap();
        state.free += 1;
        if self.bug == Bug::WakesAllButOne && state.line.len() == 1 {
            return;
        }
        while state.free > 0 {
            let Some(waiter) = state.line.pop_front() else { return };
            if self.bug != Bug::GrantsTwice {
                state.free -= 1;
            }
            *waiter.has_permit.lock().unwrap() = true;
            let waker = waiter.waker.lock().unwrap().take();
            drop(state);
            if let Some(waker) = waker.filter(|_| self.bug != Bug::ForgetsToWake) {
                waker.wake();
            }
            if self.bug == Bug::GrantsTwice {
                return;
            }
            state = self.state.lock().unwrap();
        }
    }
}

/// A wait, which leaves the line when it is dropped.
struct Wait<'a> {
    semaphore: &'a Own,
    waiter: Option<Arc<Waiter>>,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        let bug = self.semaphore.bug;
        let mut state = self.semaphore.state.lock().unwrap();
        if bug != Bug::KeepsDroppedWaiters {
            state.line.retain(|other| !Arc::ptr_eq(other, &waiter));
        }
        let has_permit = *waiter.has_permit.lock().unwrap();
        match bug {
            Bug::WakesNoWaiterForReturned if has_permit => state.free += 1,
            Bug::LosesHandedPermit => {}
            _ if has_permit => {
                drop(state);
                self.semaphore.release();
            }
            _ => {}
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl conformance::Semaphore for Own {
    type Permit<'a> = Permit<'a>;

    async fn acquire(&self) -> Permit<'_> {
        Own::acquire(self).await
    }
}

fn check(bug: Bug) {
    semaphore(move |permits| Own::new(bug, permits));
}

#[test]
fn the_executors_semaphore_conforms() {
    semaphore(sync::Semaphore::new);
}

#[test]
fn a_students_semaphore_conforms() {
    check(Bug::Nothing);
}

/// A semaphore that can't leave its thread.
struct Local(Own, Rc<Cell<()>>);

impl conformance::Semaphore for Local {
    type Permit<'a> = Permit<'a>;

    async fn acquire(&self) -> Permit<'_> {
        self.1.take();
        self.0.acquire().await
    }
}

#[test]
fn a_semaphore_that_stays_on_its_thread_conforms_and_is_checked() {
    local_semaphore(|permits| Local(Own::new(Bug::Nothing, permits), Rc::default()));
    let wrong = |permits| Local(Own::new(Bug::ForgetsToWake, permits), Rc::default());
    breaks("a release wakes a waiter", || local_semaphore(wrong));
}

#[test]
fn a_semaphore_whose_release_wakes_no_waiter_does_not_conform() {
    breaks("a release wakes a waiter", || check(Bug::ForgetsToWake));
}

#[test]
fn a_semaphore_that_loses_the_permit_of_a_dropped_waiter_does_not_conform() {
    breaks("", || check(Bug::LosesHandedPermit));
}

#[test]
fn a_semaphore_that_wakes_no_waiter_for_a_returned_permit_does_not_conform() {
    breaks("", || check(Bug::WakesNoWaiterForReturned));
}

#[test]
fn a_semaphore_that_grants_a_permit_twice_does_not_conform() {
    breaks("there are never more holders than permits", || check(Bug::GrantsTwice));
}

#[test]
fn a_semaphore_with_one_permit_too_many_does_not_conform() {
    breaks("there are never more holders than permits", || check(Bug::OneTooMany));
}

#[test]
fn a_semaphore_that_wakes_all_waiters_but_one_does_not_conform() {
    breaks("a release wakes a waiter", || check(Bug::WakesAllButOne));
}

#[test]
fn a_semaphore_that_keeps_a_dropped_waiter_in_line_does_not_conform() {
    breaks("", || check(Bug::KeepsDroppedWaiters));
}

#[test]
fn a_semaphore_that_keeps_the_first_waker_of_a_wait_does_not_conform() {
    breaks("", || check(Bug::KeepsFirstWaker));
}

#[test]
fn a_semaphore_whose_waits_spin_does_not_conform() {
    breaks("a wait does not wake itself", || check(Bug::Spins));
}
