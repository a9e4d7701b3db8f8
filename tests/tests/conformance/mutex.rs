//! A student's mutex, right and wrong.

use super::{breaks, breaks_on_threads};
use executor::sync;
use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, Mutex as Std};
use std::task::{Context, Poll, Waker};
use std::thread;
use tests::conformance::{self, local_mutex, mutex};

/// A mistake that the mutex may have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bug {
    Nothing,
    /// A release wakes no waiter.
    ForgetsToWake,
    /// Each wait replaces the waker of the one before.
    KeepsOneWaker,
    /// A lock that was handed to a waiter is lost when the waiter is dropped.
    LosesWhatWasGiven,
    /// A dropped waiter stays in line, and its waker with it.
    KeepsDroppedWaiters,
    /// A wait keeps the waker of its first poll.
    KeepsFirstWaker,
    /// A release opens the lock for all, so a newcomer may lock it before the woken waiter.
    LetsNewcomersIn,
    /// The newest waiter gets the lock first.
    LastInFirstOut,
    /// A release hands the lock to the first waiter and opens it as well.
    GivesTwice,
    /// A waiter wakes itself in each poll.
    Spins,
    /// A holder that panics does not unlock.
    StaysLockedAtPanic,
    /// Two threads may lock it at once.
    Races,
    /// Another thread may unlock between the attempt to lock and the registration in line.
    QueuesLate,
}

/// A fair mutex: a release hands the lock to the first waiter.
struct Own<const CANCEL_SAFE: bool = true, const FAIR: bool = true> {
    bug: Bug,
    state: Std<State>,
    value: UnsafeCell<u64>,
}

#[derive(Default)]
struct State {
    is_locked: bool,
    line: VecDeque<Arc<Waiter>>,
}

struct Waiter(Std<(bool, Option<Waker>)>);

// SAFETY: there is one guard at a time (but for the bugs that the suites are to find), and the value goes with it.
unsafe impl<const C: bool, const F: bool> Sync for Own<C, F> {}

impl<const C: bool, const F: bool> Own<C, F> {
    fn new(bug: Bug) -> Self {
        Own { bug, state: Std::default(), value: UnsafeCell::new(0) }
    }

    fn unlock(&self) {
        let mut state = self.state.lock().unwrap();
        let waiter = match self.bug {
            Bug::LastInFirstOut => state.line.pop_back(),
            _ => state.line.pop_front(),
        };
        let Some(waiter) = waiter else {
            state.is_locked = false;
            return;
        };
        let mut waiter = waiter.0.lock().unwrap();
        match self.bug {
            Bug::LetsNewcomersIn | Bug::GivesTwice => state.is_locked = false,
            _ => {}
        }
        waiter.0 = true;
        let waker = waiter.1.take();
        drop((state, waiter));
        match self.bug {
            Bug::ForgetsToWake => {}
            _ => waker.into_iter().for_each(Waker::wake),
        }
    }
}

struct Lock<'a, const C: bool, const F: bool> {
    mutex: &'a Own<C, F>,
    waiter: Option<Arc<Waiter>>,
}

impl<'a, const C: bool, const F: bool> Future for Lock<'a, C, F> {
    type Output = Guard<'a, C, F>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (mutex, bug) = (self.mutex, self.mutex.bug);
        let mut state = mutex.state.lock().unwrap();
        if let Some(waiter) = self.waiter.clone() {
            let mut waiter = waiter.0.lock().unwrap();
            if waiter.0 && bug == Bug::LetsNewcomersIn {
                waiter.0 = false;
                if state.is_locked {
                    waiter.1 = Some(cx.waker().clone());
                    state.line.push_back(self.waiter.clone().unwrap());
                    return Poll::Pending;
                }
                state.is_locked = true;
                waiter.0 = true;
            }
            if waiter.0 {
                self.waiter = None;
                return Poll::Ready(Guard(mutex));
            }
            if bug != Bug::KeepsFirstWaker {
                waiter.1 = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        if !state.is_locked {
            if bug == Bug::Races {
                drop(state);
                thread::yield_now();
                state = mutex.state.lock().unwrap();
            }
            state.is_locked = true;
            return Poll::Ready(Guard(mutex));
        }
        match bug {
            Bug::QueuesLate => {
                drop(state);
                thread::yield_now();
                state = mutex.state.lock().unwrap();
            }
            Bug::Spins => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Bug::KeepsOneWaker => state.line.clear(),
            _ => {}
        }
        let waiter = Arc::new(Waiter(Std::new((false, Some(cx.waker().clone())))));
        state.line.push_back(waiter.clone());
        self.waiter = Some(waiter);
        Poll::Pending
    }
}

impl<const C: bool, const F: bool> Drop for Lock<'_, C, F> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        let mut state = self.mutex.state.lock().unwrap();
        if self.mutex.bug != Bug::KeepsDroppedWaiters {
            state.line.retain(|other| !Arc::ptr_eq(other, &waiter));
        }
        drop(state);
        let was_given = waiter.0.lock().unwrap().0;
        if was_given && self.mutex.bug != Bug::LosesWhatWasGiven {
            self.mutex.unlock();
        }
    }
}

struct Guard<'a, const C: bool, const F: bool>(&'a Own<C, F>);

impl<const C: bool, const F: bool> Deref for Guard<'_, C, F> {
    type Target = u64;

    fn deref(&self) -> &u64 {
        // SAFETY: there is one guard at a time.
        unsafe { &*self.0.value.get() }
    }
}

impl<const C: bool, const F: bool> DerefMut for Guard<'_, C, F> {
    fn deref_mut(&mut self) -> &mut u64 {
        // SAFETY: as above.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<const C: bool, const F: bool> Drop for Guard<'_, C, F> {
    fn drop(&mut self) {
        if self.0.bug == Bug::StaysLockedAtPanic && thread::panicking() {
            return;
        }
        self.0.unlock();
    }
}

impl<const CANCEL_SAFE: bool, const FAIR: bool> conformance::Mutex for Own<CANCEL_SAFE, FAIR> {
    type Guard<'a> = Guard<'a, CANCEL_SAFE, FAIR>;

    const CANCEL_SAFE: bool = CANCEL_SAFE;
    const FAIR: bool = FAIR;

    async fn lock(&self) -> Guard<'_, CANCEL_SAFE, FAIR> {
        Lock { mutex: self, waiter: None }.await
    }
}

fn check(bug: Bug) {
    mutex(move || Own::<true, true>::new(bug));
}

#[test]
fn the_executors_mutex_conforms() {
    mutex(|| sync::Mutex::new(0));
}

#[test]
fn a_students_fair_mutex_conforms() {
    check(Bug::Nothing);
    local_mutex(|| Own::<true, true>::new(Bug::Nothing));
}

#[test]
fn a_mutex_whose_unlock_wakes_no_waiter_does_not_conform() {
    breaks("a release wakes a waiter", || check(Bug::ForgetsToWake));
}

#[test]
fn a_mutex_that_keeps_only_the_last_waiter_does_not_conform() {
    breaks("a release wakes a waiter", || check(Bug::KeepsOneWaker));
}

#[test]
fn a_mutex_that_loses_the_lock_of_a_dropped_waiter_does_not_conform() {
    breaks("", || check(Bug::LosesWhatWasGiven));
}

#[test]
fn a_mutex_that_keeps_a_dropped_waiter_in_line_does_not_conform() {
    breaks("", || check(Bug::KeepsDroppedWaiters));
}

#[test]
fn a_mutex_that_calls_the_waker_of_the_first_poll_does_not_conform() {
    breaks("a release wakes a waiter", || check(Bug::KeepsFirstWaker));
}

#[test]
fn newcomers_that_overtake_a_woken_waiter_are_found() {
    breaks("the waiter that has waited longest is first", || check(Bug::LetsNewcomersIn));
}

#[test]
fn a_last_in_first_out_mutex_conforms_only_if_it_promises_no_order() {
    breaks("the waiter that has waited longest is first", || check(Bug::LastInFirstOut));
    mutex(|| Own::<true, false>::new(Bug::LastInFirstOut)); // this one promises no order
}

#[test]
fn a_mutex_that_hands_the_lock_over_and_opens_it_does_not_conform() {
    breaks("there are never more holders than permits", || check(Bug::GivesTwice));
}

#[test]
fn a_mutex_whose_waits_spin_does_not_conform() {
    breaks("a wait does not wake itself", || check(Bug::Spins));
}

#[test]
fn a_mutex_that_stays_locked_when_its_holder_panics_does_not_conform() {
    breaks("", || check(Bug::StaysLockedAtPanic));
}

#[test]
fn a_mutex_that_two_threads_can_lock_at_once_does_not_conform() {
    breaks_on_threads("there are never more holders than permits", || check(Bug::Races));
}

#[test]
fn a_mutex_whose_unlock_can_miss_a_waiter_that_enters_the_line_does_not_conform() {
    breaks_on_threads("each wait comes to an end", || check(Bug::QueuesLate));
}
