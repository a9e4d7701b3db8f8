//! Event, condition and barrier.

use super::kit::{at_once, waiting};
use executor::sync::{Barrier, Condvar, Event, Mutex};

// ---- event ----

#[test]
fn an_event_stays_set_until_it_is_cleared() {
    let event = Event::default();
    assert!(!event.is_set());
    let (mut one, mut other) = (waiting(event.wait()), waiting(event.wait()));
    event.set();
    assert!(event.is_set());
    event.set(); // a second `set` has no effect
    one.served();
    other.served();
    at_once(event.wait());
    event.clear();
    event.clear();
    assert!(!event.is_set());
    let mut waits = waiting(event.wait());
    assert!(waits.poll().is_pending());
    event.set();
    waits.served();
}

#[test]
fn a_waiter_continues_after_an_event_that_was_set_and_cleared_at_once() {
    let event = Event::new();
    let mut before = waiting(event.wait());
    event.set();
    event.clear();
    let mut after = waiting(event.wait());
    before.served();
    assert!(after.poll().is_pending());
    event.set();
    after.served();
}

// ---- condition ----

#[test]
fn a_condvar_wakes_one_or_all_waiters_and_they_lock_the_mutex_again() {
    let (mutex, changed) = (Mutex::new(0), Condvar::default());
    let wait = || async { *changed.wait(mutex.lock().await).await };
    let (mut first, mut second, mut third) = (waiting(wait()), waiting(wait()), waiting(wait()));
    assert!(mutex.try_lock().is_some(), "the waiter has unlocked it");
    changed.notify_one();
    assert!(!second.was_woken() && !third.was_woken());
    *mutex.try_lock().unwrap() = 1;
    assert_eq!(first.served(), 1);
    changed.notify_all();
    let guard = at_once(mutex.lock());
    assert!(second.poll().is_pending(), "another task has the mutex");
    drop(guard);
    assert_eq!((second.ready(), third.ready()), (1, 1));
}

#[test]
fn a_notice_without_a_waiter_is_not_kept() {
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    changed.notify_one();
    changed.notify_all();
    let mut waits = waiting(async { drop(changed.wait(mutex.lock().await).await) });
    assert!(waits.poll().is_pending());
    changed.notify_one();
    waits.served();
    changed.notify_one();
    let wait = || async { drop(changed.wait(mutex.lock().await).await) };
    let (mut one, other) = (waiting(wait()), waiting(wait()));
    changed.notify_one();
    one.served();
    assert!(!other.was_woken(), "nor is it there for the one after the next");
}

#[test]
fn wait_while_returns_at_once_if_the_condition_does_not_hold() {
    let (mutex, changed) = (Mutex::new(2), Condvar::new());
    assert_eq!(*at_once(async { changed.wait_while(mutex.lock().await, |left| *left > 2).await }), 2);
    let mut waits = waiting(async { changed.wait_while(mutex.lock().await, |left| *left > 0).await });
    changed.notify_one();
    assert!(waits.poll().is_pending(), "it still holds");
    *mutex.try_lock().unwrap() = 0;
    assert!(!waits.was_woken(), "there was no notice");
    changed.notify_one();
    assert_eq!(*waits.served(), 0);
}

#[test]
fn no_notice_is_missed_between_unlocking_and_waiting() {
    // A waiter enters the line before it unlocks the mutex, so the task that locks it next can notify it.
    let (mutex, changed) = (Mutex::new(false), Condvar::new());
    let guard = at_once(mutex.lock());
    let mut waits = waiting(async { *changed.wait(mutex.lock().await).await });
    let mut tells = waiting(async {
        *mutex.lock().await = true;
        changed.notify_one();
    });
    drop(guard);
    assert!(waits.poll().is_pending());
    tells.served();
    assert!(waits.served());
}

// ---- barrier ----

#[test]
fn a_barrier_opens_when_the_last_task_arrives_and_can_be_used_again() {
    let barrier = Barrier::new(3);
    for _ in 0..3 {
        let (mut one, mut other) = (waiting(barrier.wait()), waiting(barrier.wait()));
        assert!(one.poll().is_pending());
        assert!(at_once(barrier.wait()), "the last to arrive leads");
        assert!(!one.served() && !other.served());
    }
}

#[test]
fn a_barrier_for_zero_or_one_never_waits() {
    for size in [0, 1] {
        let barrier = Barrier::new(size);
        assert!(at_once(barrier.wait()) && at_once(barrier.wait()), "for {size}");
    }
    let barrier = Barrier::new(usize::MAX);
    let _waits = (waiting(barrier.wait()), waiting(barrier.wait()));
}

#[test]
fn the_next_round_at_a_barrier_does_not_mix_with_the_last_one() {
    let barrier = Barrier::new(2);
    let mut first = waiting(barrier.wait());
    assert!(at_once(barrier.wait()));
    // The next round begins before the first waiter is polled again.
    let mut next = waiting(barrier.wait());
    assert!(!first.served());
    assert!(next.poll().is_pending());
    assert!(at_once(barrier.wait()));
    assert!(!next.served());
}

#[test]
fn a_wait_dropped_in_the_second_round_of_a_barrier_does_not_open_it() {
    let barrier = Barrier::new(3);
    let first = [waiting(barrier.wait()), waiting(barrier.wait())];
    assert!(at_once(barrier.wait()));
    drop(first);
    let (mut stays, goes) = (waiting(barrier.wait()), waiting(barrier.wait()));
    drop(goes);
    assert!(!stays.was_woken());
    let mut second = waiting(barrier.wait());
    assert!(at_once(barrier.wait()));
    assert!(!stays.served() && !second.served());
}
