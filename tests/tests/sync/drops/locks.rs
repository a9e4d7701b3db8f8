//! Waits for a lock or for many permits, which are handed to one waiter.

use crate::kit::{hand, waiting};
use executor::sync::{Mutex, RwLock, Semaphore};

#[test]
fn a_mutex_skips_a_dropped_wait() {
    for place in 0..3 {
        for polls in 0..3 {
            for handed_over in [false, true] {
                let which = format!("wait {place} is dropped after {polls} polls, handed over: {handed_over}");
                let mutex = Mutex::new(vec![]);
                let held = mutex.try_lock().unwrap();
                let mut three: Vec<_> = (0..3).map(|at| (at, hand(mutex.lock()))).collect();
                for (at, lock) in &mut three {
                    let polls = if *at == place { polls } else { 1 };
                    (0..polls).for_each(|_| assert!(lock.poll().is_pending()));
                }
                let mut held = Some(held);
                if handed_over && polls > 0 {
                    drop(held.take());
                    for _ in 0..place {
                        let (at, mut lock) = three.remove(0);
                        lock.served().push(at);
                    }
                    assert!(three[0].1.was_woken(), "{which}");
                }
                three.retain(|(at, _)| *at != place);
                drop(held);
                for (at, mut lock) in three {
                    lock.served().push(at);
                }
                assert!(mutex.try_lock().is_some(), "{which}: it is unlocked");
                let all: Vec<_> = (0..3).filter(|at| *at != place).collect();
                assert_eq!(mutex.into_inner(), all, "{which}");
            }
        }
    }
}

#[test]
fn readers_continue_when_the_writer_before_them_is_dropped() {
    for renewed in [false, true] {
        let lock = RwLock::new(());
        let reads = lock.try_read().unwrap();
        let mut writer = waiting(lock.write());
        let (mut one, mut other) = (waiting(lock.read()), waiting(lock.read()));
        if renewed {
            writer.renew();
        }
        drop(writer);
        drop((one.served(), other.served()));
        drop(reads);
        assert!(lock.try_write().is_some());
    }
}

#[test]
fn a_lock_handed_to_a_dropped_reader_or_writer_goes_to_the_next_one() {
    let lock = RwLock::new(());
    let held = lock.try_write().unwrap();
    let (goes, mut next, mut last) = (waiting(lock.write()), waiting(lock.read()), waiting(lock.write()));
    drop(held);
    assert!(goes.was_woken() && !next.was_woken());
    drop(goes);
    assert!(next.was_woken() && !last.was_woken());
    drop(next.ready());
    drop(last.served());

    let held = lock.try_write().unwrap();
    let (goes, also, mut last) = (waiting(lock.read()), waiting(lock.read()), waiting(lock.write()));
    drop(held);
    drop(goes);
    assert!(!last.was_woken());
    drop(also);
    drop(last.served());
    assert!(lock.try_write().is_some());
}

#[test]
fn a_dropped_wait_for_many_permits_lets_the_next_one_pass() {
    let semaphore = Semaphore::new(2);
    let much = waiting(semaphore.acquire_many(3));
    let (mut one, mut two) = (waiting(semaphore.acquire()), waiting(semaphore.acquire_many(2)));
    assert!(semaphore.try_acquire().is_none());
    drop(much);
    let permit = one.served();
    assert!(!two.was_woken(), "there is one left");
    drop(permit);
    drop(two.served());
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn many_permits_handed_to_a_dropped_wait_go_to_several_waiters() {
    let semaphore = Semaphore::new(0);
    let much = waiting(semaphore.acquire_many(3));
    let mut rest: Vec<_> = (0..4).map(|_| waiting(semaphore.acquire())).collect();
    semaphore.add_permits(3);
    assert!(much.was_woken() && !rest[0].was_woken());
    drop(much);
    let permits: Vec<_> = rest.iter_mut().take(3).map(|wait| wait.served()).collect();
    assert!(!rest[3].was_woken());
    drop(permits);
    drop(rest[3].served());
    assert_eq!(semaphore.available_permits(), 3);
}
