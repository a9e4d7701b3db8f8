//! Semaphore, mutex and read-write lock.

use super::kit::{at_once, panic_text, waiting};
use executor::sync::{Mutex, RwLock, Semaphore};
use std::sync::Arc;

// ---- semaphore ----

#[test]
fn a_semaphore_hands_out_its_permits_and_takes_them_back() {
    let semaphore = Semaphore::new(3);
    let one = at_once(semaphore.acquire());
    let two = at_once(semaphore.acquire_many(2));
    assert_eq!((one.permits(), two.permits(), semaphore.available_permits()), (1, 2, 0));
    let mut waits = waiting(semaphore.acquire());
    drop(two);
    let third = waits.served();
    assert_eq!(semaphore.available_permits(), 1);
    drop((one, third));
    assert_eq!(semaphore.available_permits(), 3);
}

#[test]
fn a_failed_try_acquire_changes_nothing() {
    let semaphore = Semaphore::new(2);
    let held = semaphore.try_acquire_many(2).unwrap();
    assert!(semaphore.try_acquire().is_none());
    assert!(semaphore.try_acquire_many(usize::MAX).is_none());
    assert_eq!(semaphore.available_permits(), 0);
    drop(held);
    assert!(semaphore.try_acquire_many(3).is_none());
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn a_semaphore_can_begin_without_permits() {
    let semaphore = Semaphore::new(0);
    assert!(semaphore.try_acquire().is_none());
    let mut waits = waiting(semaphore.acquire_many(3));
    semaphore.add_permits(2);
    assert!(!waits.was_woken());
    assert_eq!(semaphore.available_permits(), 2, "they come all at once");
    semaphore.add_permits(2);
    drop(waits.served());
    assert_eq!(semaphore.available_permits(), 4);
}

#[test]
fn acquiring_zero_permits_completes_at_once_unless_a_task_waits() {
    let semaphore = Semaphore::new(0);
    assert_eq!(at_once(semaphore.acquire_many(0)).permits(), 0);
    assert!(semaphore.try_acquire_many(0).is_some());
    let waits = waiting(semaphore.acquire());
    let mut none = waiting(semaphore.acquire_many(0));
    assert!(semaphore.try_acquire_many(0).is_none());
    drop(waits);
    drop(none.served());
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn a_forgotten_permit_is_not_returned() {
    let semaphore = Semaphore::new(3);
    at_once(semaphore.acquire_many(2)).forget();
    assert_eq!(semaphore.available_permits(), 1);
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn an_owned_permit_keeps_its_semaphore_and_returns_to_it() {
    let semaphore = Arc::new(Semaphore::new(1));
    let permit = at_once(semaphore.acquire_owned());
    assert_eq!((semaphore.available_permits(), Arc::strong_count(&semaphore)), (0, 2));
    let mut waits = waiting(semaphore.acquire_owned());
    drop(permit);
    drop(waits.served());
    assert_eq!((semaphore.available_permits(), Arc::strong_count(&semaphore)), (1, 1));
    drop(waiting(async { semaphore.acquire_many(2).await.forget() }));
    assert_eq!((semaphore.available_permits(), Arc::strong_count(&semaphore)), (1, 1));
}

#[test]
fn adding_more_permits_than_can_be_counted_panics_and_loses_none() {
    let semaphore = Semaphore::new(usize::MAX);
    assert!(panic_text(|| semaphore.add_permits(1)).contains("exceed the maximum number of permits"));
    assert_eq!(semaphore.available_permits(), usize::MAX);
    let all = at_once(semaphore.acquire_many(usize::MAX));
    let mut waits = waiting(semaphore.acquire());
    drop(all);
    drop(waits.served());
    assert_eq!(semaphore.available_permits(), usize::MAX);
}

#[test]
fn returning_a_handed_over_permit_beyond_the_maximum_panics_too() {
    let semaphore = Semaphore::new(0);
    let waits = waiting(semaphore.acquire());
    semaphore.add_permits(1);
    assert!(waits.was_woken());
    semaphore.add_permits(usize::MAX);
    assert!(panic_text(|| drop(waits)).contains("exceed the maximum number of permits"));
    assert_eq!(semaphore.available_permits(), usize::MAX);
}

// ---- mutex ----

#[test]
fn a_mutex_is_locked_by_one_task_at_a_time() {
    let mut mutex = Mutex::new(1);
    {
        let mut guard = at_once(mutex.lock());
        *guard += 1;
        assert!(mutex.try_lock().is_none());
        assert!(mutex.try_lock().is_none(), "trying must not unlock it");
        let mut waits = waiting(mutex.lock());
        drop(guard);
        assert!(mutex.try_lock().is_none(), "it is the next one's already");
        let mut guard = waits.served();
        *guard += 1;
    }
    *mutex.get_mut() += 1;
    assert_eq!(*mutex.try_lock().unwrap(), 4);
    assert_eq!(mutex.into_inner(), 4);
}

#[test]
fn debug_output_of_a_locked_mutex_does_not_unlock_it() {
    let mutex = Mutex::new(7);
    assert_eq!(format!("{mutex:?}"), "Mutex { value: 7 }");
    let guard = at_once(mutex.lock());
    assert_eq!(format!("{mutex:?} {guard:?}"), "Mutex { value: <locked> } 7");
    assert!(mutex.try_lock().is_none());
    drop(guard);
    assert!(mutex.try_lock().is_some());
}

#[test]
fn an_owned_guard_keeps_its_mutex() {
    let mutex = Arc::new(Mutex::<Vec<i32>>::default());
    let mut guard = at_once(mutex.lock_owned());
    let weak = Arc::downgrade(&mutex);
    let mut waits = waiting(async { mutex.lock_owned().await });
    guard.push(1);
    assert_eq!(format!("{guard:?}"), "[1]");
    drop(guard);
    let guard = waits.served();
    drop(waits);
    drop(mutex);
    assert_eq!((weak.strong_count(), guard[0]), (1, 1));
    drop(guard);
    assert_eq!(weak.strong_count(), 0);
}

#[test]
fn a_panic_does_not_poison_a_mutex() {
    let mutex = Mutex::new(0);
    let text = panic_text(|| {
        let mut guard = at_once(mutex.lock());
        *guard = 7;
        panic!("half way");
    });
    assert_eq!((text.as_str(), *mutex.try_lock().expect("unlocked by the panic")), ("half way", 7));
}

#[test]
fn a_mutex_may_hold_an_unsized_value() {
    let mutex: &Mutex<[i32]> = &Mutex::new([1, 2]);
    at_once(mutex.lock())[0] = 5;
    assert_eq!(*at_once(mutex.lock()), [5, 2]);
    let lock: &RwLock<dyn std::fmt::Debug> = &RwLock::new("text");
    assert_eq!(format!("{:?} {lock:?}", at_once(lock.read())), "\"text\" RwLock { value: \"text\" }");
}

// ---- read-write lock ----

#[test]
fn a_read_write_lock_has_many_readers_or_one_writer() {
    let mut lock = RwLock::new(1);
    {
        let (one, other) = (at_once(lock.read()), lock.try_read().unwrap());
        assert_eq!((*one, *other), (1, 1));
        assert!(lock.try_write().is_none());
        assert!(lock.try_write().is_none(), "trying must not let it in");
        let mut writer = waiting(lock.write());
        drop(one);
        assert!(!writer.was_woken());
        drop(other);
        let mut guard = writer.served();
        *guard += 1;
        assert!(lock.try_read().is_none() && lock.try_write().is_none());
        assert!(lock.try_read().is_none(), "trying must not let it in");
        let (mut one, mut other) = (waiting(lock.read()), waiting(lock.read()));
        drop(guard);
        assert_eq!((*one.served(), *other.served()), (2, 2));
    }
    *lock.get_mut() += 1;
    assert!(lock.try_write().is_some(), "all have gone");
    assert_eq!(lock.into_inner(), 3);
}

#[test]
fn a_downgraded_write_guard_admits_readers_and_no_writer() {
    let lock = RwLock::new(1);
    let mut guard = at_once(lock.write());
    *guard = 2;
    let mut first = waiting(lock.read());
    let reads = guard.downgrade();
    let joined = first.served();
    assert_eq!((*reads, *joined), (2, 2));
    assert!(lock.try_read().is_some());
    let mut writer = waiting(lock.write());
    drop(joined);
    assert!(!writer.was_woken(), "one still reads");
    drop(reads);
    drop(writer.served());
    drop(lock.try_write().unwrap().downgrade());
    assert!(lock.try_write().is_some(), "what was taken came back");
}

#[test]
fn debug_output_of_a_locked_read_write_lock_does_not_unlock_it() {
    let lock = RwLock::new(7);
    let reads = at_once(lock.read());
    assert_eq!(format!("{lock:?} {reads:?}"), "RwLock { value: 7 } 7");
    drop(reads);
    let writes = at_once(lock.write());
    assert_eq!(format!("{lock:?} {writes:?}"), "RwLock { value: <locked> } 7");
    assert!(lock.try_read().is_none());
    drop(writes);
    assert!(lock.try_write().is_some());
}

#[test]
fn a_panic_does_not_poison_a_read_write_lock() {
    let lock = RwLock::new(0);
    panic_text(|| {
        let mut guard = at_once(lock.write());
        *guard = 7;
        panic!("half way");
    });
    panic_text(|| {
        let _guard = at_once(lock.read());
        panic!("half way");
    });
    assert_eq!(*lock.try_write().expect("unlocked by the panic"), 7);
}
