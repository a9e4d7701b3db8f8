//! Waits for a condition that are dropped while they wait for the notice or for the mutex.

use crate::kit::{hand, waiting};
use executor::sync::{Condvar, Mutex};

#[test]
fn a_notice_for_a_wait_that_is_dropped_while_it_waits_for_the_mutex_goes_to_the_next_one() {
    // The wait was notified. It was not polled since, is in line for the mutex, or the mutex was handed to it.
    for polls in 0..2 {
        for unlocked in [false, true] {
            let (mutex, changed) = (Mutex::new(()), Condvar::new());
            let wait = || async { drop(changed.wait(mutex.lock().await).await) };
            let (mut goes, mut next, last) = (waiting(wait()), waiting(wait()), waiting(wait()));
            let mut held = Some(mutex.try_lock().unwrap());
            changed.notify_one();
            assert!(goes.was_woken() && !next.was_woken());
            (0..polls).for_each(|_| assert!(goes.poll().is_pending()));
            if unlocked {
                held = None;
                assert_eq!(mutex.try_lock().is_none(), polls > 0, "it was handed over if the wait was in line");
            }
            drop(goes);
            drop(held);
            next.served();
            assert!(!last.was_woken());
            assert!(mutex.try_lock().is_some());
        }
    }
}

#[test]
fn notify_all_is_not_passed_on_by_a_dropped_wait() {
    let (mutex, changed) = (Mutex::new(()), Condvar::new());
    let wait = || async { drop(changed.wait(mutex.lock().await).await) };
    for polled in [false, true] {
        let mut goes = waiting(wait());
        changed.notify_all();
        let after = waiting(wait());
        let held = mutex.try_lock().unwrap();
        if polled {
            assert!(goes.poll().is_pending());
        }
        drop(goes);
        drop(held);
        assert!(!after.was_woken(), "it was not in line at `notify_all`");
    }
}

#[test]
fn a_notice_is_not_passed_on_by_a_wait_that_has_completed() {
    let (mutex, changed) = (Mutex::new(()), Condvar::new());
    let wait = || async { drop(changed.wait(mutex.lock().await).await) };
    let (mut one, two) = (waiting(wait()), waiting(wait()));
    changed.notify_one();
    one.served();
    drop(one);
    assert!(!two.was_woken());
    drop(two); // a wait that was not notified has no notice to pass on
    let three = waiting(wait());
    assert!(!three.was_woken());
}

#[test]
fn a_wait_for_a_condition_that_is_dropped_while_it_locks_leaves_nothing_behind() {
    let (mutex, changed) = (Mutex::new(()), Condvar::new());
    let wait = || async { drop(changed.wait(mutex.lock().await).await) };
    let held = mutex.try_lock().unwrap();
    let (goes, also) = (waiting(wait()), hand(wait()));
    drop(goes);
    drop(also);
    drop(held);
    changed.notify_one();
    let waits = waiting(wait());
    drop(waits);
    assert!(mutex.try_lock().is_some());
}
