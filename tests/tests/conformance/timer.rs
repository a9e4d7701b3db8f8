//! A student's timer, right and wrong: a list of sleeps, and a task that wakes those that are due.

use super::breaks;
use executor::spawn_local;
use executor::sync::Event;
use executor::time::{Duration, Instant, now, timeout};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use tests::conformance::{self, Sleeps, timer};

/// A mistake that the timer may have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bug {
    Nothing,
    /// Half a millisecond early.
    Early,
    /// Each poll after the first is ready, even before the deadline.
    BelievesEachPoll,
    /// Five milliseconds late.
    Late,
    /// Of several sleeps that are due at once, only one is woken.
    WakesOne,
    /// The list never wakes a sleep that is reset.
    ForgetsReset,
    /// The list keeps the old deadline of a sleep that is reset.
    IgnoresReset,
    /// The driver is not notified of an earlier deadline.
    SleepsThrough,
    /// A dropped sleep stays in the list.
    KeepsWaker,
    /// A sleep keeps the waker of its first poll.
    KeepsFirstWaker,
    /// A sleep wakes itself in each poll.
    Spins,
}

struct Own {
    bug: Bug,
    list: Rc<List>,
}

#[derive(Default)]
struct List {
    sleeps: RefCell<Vec<Entry>>,
    changed: Event,
    made: RefCell<usize>,
}

struct Entry {
    id: usize,
    deadline: Instant,
    waker: Waker,
}

impl Own {
    fn new(bug: Bug) -> Own {
        let list = Rc::<List>::default();
        spawn_local(drive(bug, list.clone()));
        Own { bug, list }
    }

    fn deadline(&self, time: Duration) -> Instant {
        let time = match self.bug {
            Bug::Early => time.saturating_sub(Duration::from_micros(500)),
            Bug::Late => time.saturating_add(Duration::from_millis(5)),
            _ => time,
        };
        now().checked_add(time).unwrap_or_else(|| now() + Duration::from_secs(1 << 30))
    }
}

/// Wakes the sleeps that are due.
async fn drive(bug: Bug, list: Rc<List>) {
    loop {
        let next = list.sleeps.borrow().iter().map(|entry| entry.deadline).min();
        let next = next.map_or(Duration::MAX, |next| next.saturating_duration_since(now()));
        let _changed = timeout(next, list.changed.wait()).await;
        list.changed.clear();
        let due = |entry: &mut Entry| entry.deadline <= now();
        let mut due: Vec<Entry> = list.sleeps.borrow_mut().extract_if(.., due).collect();
        if bug == Bug::WakesOne {
            due.truncate(1);
        }
        due.into_iter().for_each(|entry| entry.waker.wake());
    }
}

struct Sleep {
    bug: Bug,
    list: Rc<List>,
    id: usize,
    deadline: Instant,
    polls: usize,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.polls += 1;
        let mut sleeps = self.list.sleeps.borrow_mut();
        let at = sleeps.iter().position(|entry| entry.id == self.id);
        if self.deadline <= now() || self.bug == Bug::BelievesEachPoll && self.polls > 1 {
            at.map(|at| sleeps.swap_remove(at));
            return Poll::Ready(());
        }
        match (self.bug, at) {
            (Bug::Spins, _) => cx.waker().wake_by_ref(),
            (Bug::KeepsFirstWaker, Some(_)) => {}
            (_, Some(at)) => sleeps[at].waker = cx.waker().clone(),
            (_, None) => {
                let (id, deadline, waker) = (self.id, self.deadline, cx.waker().clone());
                let earliest = sleeps.iter().map(|entry| entry.deadline).min();
                sleeps.push(Entry { id, deadline, waker });
                if self.bug != Bug::SleepsThrough || earliest.is_none() {
                    self.list.changed.set();
                }
            }
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if self.bug != Bug::KeepsWaker {
            self.list.sleeps.borrow_mut().retain(|entry| entry.id != self.id);
        }
    }
}

impl conformance::Timer for Own {
    type Sleep = Sleep;

    fn sleep(&self, time: Duration) -> Sleep {
        *self.list.made.borrow_mut() += 1;
        let id = *self.list.made.borrow();
        Sleep { bug: self.bug, list: self.list.clone(), id, deadline: self.deadline(time), polls: 0 }
    }

    fn reset(&self, mut sleep: Pin<&mut Sleep>, time: Duration) {
        sleep.deadline = self.deadline(time);
        let mut sleeps = self.list.sleeps.borrow_mut();
        match self.bug {
            Bug::ForgetsReset => {
                for entry in sleeps.iter_mut().filter(|entry| entry.id == sleep.id) {
                    entry.deadline = now() + Duration::from_secs(1 << 30);
                }
            }
            Bug::IgnoresReset => {}
            _ => sleeps.retain(|entry| entry.id != sleep.id),
        }
    }
}

fn check(bug: Bug) {
    timer(move || Own::new(bug));
}

#[test]
fn the_executors_sleep_conforms() {
    timer(|| Sleeps);
}

#[test]
fn a_students_timer_conforms() {
    check(Bug::Nothing);
}

#[test]
fn a_timer_that_is_early_does_not_conform() {
    breaks("a timer is never early", || check(Bug::Early));
}

#[test]
fn a_timer_that_is_ready_whenever_it_is_polled_again_does_not_conform() {
    breaks("a timer is never early", || check(Bug::BelievesEachPoll));
}

#[test]
fn a_timer_that_is_late_does_not_conform() {
    breaks("a timer wakes its task when its time has come", || check(Bug::Late));
}

#[test]
fn a_timer_that_wakes_only_one_of_the_sleeps_that_are_due_does_not_conform() {
    breaks("a timer wakes its task when its time has come", || check(Bug::WakesOne));
}

#[test]
fn a_timer_that_never_fires_after_a_reset_does_not_conform() {
    breaks("a timer wakes its task when its time has come", || check(Bug::ForgetsReset));
}

#[test]
fn a_timer_that_keeps_its_old_deadline_after_a_reset_does_not_conform() {
    breaks("a timer wakes its task when its time has come", || check(Bug::IgnoresReset));
}

#[test]
fn a_timer_that_sleeps_through_an_earlier_deadline_does_not_conform() {
    breaks("a timer wakes its task when its time has come", || check(Bug::SleepsThrough));
}

#[test]
fn a_timer_that_keeps_the_waker_of_a_dropped_sleep_does_not_conform() {
    breaks("a wait that is over leaves no waker behind", || check(Bug::KeepsWaker));
}

#[test]
fn a_timer_that_calls_the_waker_of_the_first_poll_does_not_conform() {
    breaks("a timer wakes its task when its time has come", || check(Bug::KeepsFirstWaker));
}

#[test]
fn a_timer_that_spins_does_not_conform() {
    breaks("a wait does not wake itself", || check(Bug::Spins));
}

/// A timer with a thread for each sleep, on the system's clock.
struct Threads;

struct Threaded(Arc<Mutex<(bool, Option<Waker>)>>);

impl Future for Threaded {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if state.0 {
            state.1 = None;
            return Poll::Ready(());
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Threaded {
    fn drop(&mut self) {
        self.0.lock().unwrap().1 = None;
    }
}

impl conformance::Timer for Threads {
    type Sleep = Threaded;

    const RESETS: bool = false;
    const VIRTUAL: bool = false;

    fn sleep(&self, time: Duration) -> Threaded {
        let state = Arc::<Mutex<(bool, Option<Waker>)>>::default();
        if time < Duration::from_secs(1) {
            let state = state.clone();
            thread::spawn(move || {
                thread::sleep(time);
                let mut state = state.lock().unwrap();
                state.0 = true;
                let waker = state.1.take();
                drop(state);
                waker.into_iter().for_each(Waker::wake);
            });
        }
        Threaded(state)
    }

    fn reset(&self, _: Pin<&mut Threaded>, _: Duration) {
        unreachable!("it can't be reset")
    }
}

#[test]
fn a_timer_with_threads_of_its_own_conforms() {
    timer(|| Threads);
}
