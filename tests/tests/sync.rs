//! Locks, signals and channels, through the public face: what their docs say, and what nobody should notice.
//!
//! Here is what each of them promises; in `sync/`: waits that are dropped wherever they are (`drops.rs`), who
//! comes first (`fairness.rs`), more waiters than are woken at once and wakers that do what they like
//! (`rounds.rs`), models to compare with (`models.rs`), real threads (`stress.rs`), and what must not compile or
//! break (`soundness.rs`). The interleavings that threads only hope to meet are in `loom/sync.rs`.

#[path = "sync/drops.rs"]
mod drops;
#[path = "sync/fairness.rs"]
mod fairness;
#[path = "sync/kit.rs"]
mod kit;
#[path = "sync/models.rs"]
mod models;
#[path = "sync/rounds.rs"]
mod rounds;
#[path = "sync/soundness.rs"]
mod soundness;
#[path = "sync/stress.rs"]
mod stress;

use executor::sync::{
    Barrier, BroadcastError, Condvar, Event, Mutex, RecvError, RwLock, Semaphore, SendError, TryRecvError,
    TrySendError, broadcast, channel, oneshot, unbounded, watch,
};
use executor::{Runtime, block_on, join_all, spawn, spawn_local};
use futures_lite::{StreamExt, future::poll_once};
use kit::{Alive, Hand, at_once, hand, panic_text, waiting};
use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;

/// The file that the primitives below are made in, as their texts name it.
const HERE: &str = file!();

// ---- semaphore ----

#[test]
fn a_semaphore_hands_out_what_it_has_and_gets_it_back() {
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
fn a_permit_tried_for_in_vain_is_none_that_comes_back() {
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
fn a_semaphore_may_begin_with_none_as_more_can_be_added() {
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
fn no_permits_are_had_at_once_unless_somebody_waits() {
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
fn a_forgotten_permit_never_comes_back() {
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
fn more_permits_than_can_be_counted_are_a_panic_and_none_is_lost() {
    let semaphore = Semaphore::new(usize::MAX);
    assert!(panic_text(|| semaphore.add_permits(1)).contains("more permits than can be counted"));
    assert_eq!(semaphore.available_permits(), usize::MAX);
    let all = at_once(semaphore.acquire_many(usize::MAX));
    let mut waits = waiting(semaphore.acquire());
    drop(all);
    drop(waits.served());
    assert_eq!(semaphore.available_permits(), usize::MAX);
}

#[test]
fn a_permit_handed_over_that_comes_back_to_too_many_is_the_same_panic() {
    let semaphore = Semaphore::new(0);
    let waits = waiting(semaphore.acquire());
    semaphore.add_permits(1);
    assert!(waits.was_woken());
    semaphore.add_permits(usize::MAX);
    assert!(panic_text(|| drop(waits)).contains("more permits than can be counted"));
    assert_eq!(semaphore.available_permits(), usize::MAX);
}

// ---- mutex ----

#[test]
fn a_mutex_is_had_by_one_at_a_time() {
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
fn looking_at_a_locked_mutex_does_not_unlock_it() {
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
fn a_mutex_may_hold_what_has_no_size() {
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
fn a_writer_that_only_reads_from_now_on_lets_readers_join_and_writers_not() {
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
fn looking_at_a_locked_read_write_lock_does_not_unlock_it() {
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

// ---- event ----

#[test]
fn an_event_stays_set_until_it_is_cleared() {
    let event = Event::default();
    assert!(!event.is_set());
    let (mut one, mut other) = (waiting(event.wait()), waiting(event.wait()));
    event.set();
    assert!(event.is_set());
    event.set(); // twice is once
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
fn who_waited_when_an_event_was_set_goes_on_although_it_was_cleared() {
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
fn a_condition_wakes_one_or_all_and_they_have_the_mutex_again() {
    let (mutex, changed) = (Mutex::new(0), Condvar::default());
    let wait = || async { *changed.wait(mutex.lock().await).await };
    let (mut first, mut second, mut third) = (waiting(wait()), waiting(wait()), waiting(wait()));
    assert!(mutex.try_lock().is_some(), "who waits has unlocked it");
    changed.notify_one();
    assert!(!second.was_woken() && !third.was_woken());
    *mutex.try_lock().unwrap() = 1;
    assert_eq!(first.served(), 1);
    changed.notify_all();
    let guard = at_once(mutex.lock());
    assert!(second.poll().is_pending(), "somebody else has the mutex");
    drop(guard);
    assert_eq!((second.ready(), third.ready()), (1, 1));
}

#[test]
fn a_notice_that_finds_nobody_is_gone() {
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
fn waiting_while_something_holds_does_not_wait_if_it_does_not() {
    let (mutex, changed) = (Mutex::new(2), Condvar::new());
    assert_eq!(*at_once(async { changed.wait_while(mutex.lock().await, |left| *left > 2).await }), 2);
    let mut waits = waiting(async { changed.wait_while(mutex.lock().await, |left| *left > 0).await });
    changed.notify_one();
    assert!(waits.poll().is_pending(), "it still holds");
    *mutex.try_lock().unwrap() = 0;
    assert!(!waits.was_woken(), "nobody said so");
    changed.notify_one();
    assert_eq!(*waits.served(), 0);
}

#[test]
fn no_notice_is_missed_between_unlocking_and_waiting() {
    // Whoever gets the mutex that a waiter unlocks finds it in line already.
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
fn a_barrier_lets_all_go_when_the_last_one_comes_and_can_be_used_again() {
    let barrier = Barrier::new(3);
    for _ in 0..3 {
        let (mut one, mut other) = (waiting(barrier.wait()), waiting(barrier.wait()));
        assert!(one.poll().is_pending());
        assert!(at_once(barrier.wait()), "who comes last leads");
        assert!(!one.served() && !other.served());
    }
}

#[test]
fn at_a_barrier_for_none_or_one_nobody_waits() {
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
    // Before the first one has noticed, the next round begins.
    let mut next = waiting(barrier.wait());
    assert!(!first.served());
    assert!(next.poll().is_pending());
    assert!(at_once(barrier.wait()));
    assert!(!next.served());
}

#[test]
fn who_leaves_a_barrier_in_its_second_round_lets_nobody_through() {
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

// ---- channel ----

#[test]
fn a_channel_has_room_for_so_many_and_keeps_their_order() {
    let (tx, rx) = channel(2);
    assert_eq!((tx.capacity(), rx.capacity(), tx.len(), rx.is_empty()), (Some(2), Some(2), 0, true));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(at_once(tx.send(1)), Ok(()));
    assert_eq!(tx.try_send(2), Ok(()));
    assert_eq!(tx.try_send(9), Err(TrySendError::Full(9)));
    assert_eq!((tx.len(), rx.len(), tx.is_empty()), (2, 2, false));
    let (mut third, mut fourth) = (waiting(tx.send(3)), waiting(tx.send(4)));
    assert_eq!(rx.len(), 2, "who waits has not sent");
    assert_eq!(at_once(rx.recv()), Ok(1));
    assert_eq!(third.served(), Ok(()));
    assert!(!fourth.was_woken());
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(fourth.served(), Ok(()));
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(3), Ok(4), Err(TryRecvError::Empty)]);
}

#[test]
fn each_message_reaches_the_receiver_who_has_waited_longest() {
    let (tx, rx) = unbounded();
    let other = rx.clone();
    let (mut one, mut two, mut three) = (waiting(rx.recv()), waiting(other.recv()), waiting(rx.recv()));
    (0..2).for_each(|n| tx.try_send(n).unwrap());
    assert_eq!(rx.len(), 0, "they were handed over");
    assert_eq!((two.served(), one.served()), (Ok(1), Ok(0)));
    assert!(!three.was_woken());
    at_once(tx.send(2)).unwrap();
    assert_eq!(three.served(), Ok(2));
}

#[test]
fn an_unbounded_channel_never_waits() {
    let (tx, rx) = unbounded();
    for n in 0..1000 {
        at_once(tx.send(n)).unwrap();
    }
    assert_eq!((tx.capacity(), tx.len()), (None, 1000));
    assert!((0..1000).all(|n| rx.try_recv() == Ok(n)));
    assert_eq!(channel::<()>(usize::MAX).0.capacity(), None);
}

#[test]
fn a_rendezvous_needs_both_at_once() {
    let (tx, rx) = channel(0);
    assert_eq!(
        (tx.capacity(), tx.try_send(1), rx.try_recv()),
        (Some(0), Err(TrySendError::Full(1)), Err(TryRecvError::Empty))
    );
    // Who sends waits for who receives,
    let (mut one, mut two) = (waiting(tx.send(1)), waiting(tx.send(2)));
    assert_eq!(at_once(rx.recv()), Ok(1));
    assert_eq!(one.served(), Ok(()));
    assert!(!two.was_woken());
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(two.served(), Ok(()));
    // and the other way round.
    let (mut one, mut two) = (waiting(rx.recv()), waiting(rx.recv()));
    assert_eq!(tx.try_send(3), Ok(()));
    assert_eq!(at_once(tx.send(4)), Ok(()));
    assert_eq!(tx.try_send(5), Err(TrySendError::Full(5)));
    assert_eq!((one.served(), two.served(), rx.len()), (Ok(3), Ok(4), 0));
}

#[test]
fn a_closed_channel_gives_what_is_left_and_takes_nothing() {
    for from_the_sender in [true, false] {
        let (tx, rx) = channel(2);
        at_once(tx.send(1)).unwrap();
        at_once(tx.send(2)).unwrap();
        let mut waits = waiting(tx.send(3));
        assert!(!tx.is_closed());
        assert!(if from_the_sender { tx.close() } else { rx.close() });
        assert!(!tx.close() && !rx.close(), "only the first one closed it");
        assert!(tx.is_closed() && rx.is_closed());
        assert_eq!(waits.served(), Err(SendError(3)));
        assert_eq!(tx.try_send(4), Err(TrySendError::Closed(4)));
        assert_eq!(at_once(tx.send(5)), Err(SendError(5)));
        assert_eq!((rx.len(), at_once(rx.recv()), rx.try_recv()), (2, Ok(1), Ok(2)));
        assert_eq!((at_once(rx.recv()), rx.try_recv()), (Err(RecvError), Err(TryRecvError::Closed)));
    }
}

#[test]
fn closing_reaches_all_who_wait_on_both_sides() {
    for capacity in [0, 1, usize::MAX] {
        let (tx, rx) = channel::<u32>(capacity);
        let mut receivers = [waiting(rx.recv()), waiting(rx.recv())];
        tx.close();
        receivers.iter_mut().for_each(|receiver| assert_eq!(receiver.served(), Err(RecvError)));
    }
    for capacity in [0, 1] {
        let (tx, rx) = channel(capacity);
        (0..capacity).for_each(|_| tx.try_send(9).unwrap());
        let mut senders = [waiting(tx.send(1)), waiting(tx.send(2))];
        rx.close();
        assert_eq!(senders.each_mut().map(|sender| sender.served()), [Err(SendError(1)), Err(SendError(2))]);
    }
}

#[test]
fn a_channel_is_closed_when_the_last_of_one_side_is_gone() {
    let (tx, rx) = channel(1);
    let second = tx.clone();
    let mut waits = waiting(rx.recv());
    drop(tx);
    assert!(!waits.was_woken() && !rx.is_closed());
    second.try_send(1).unwrap();
    assert_eq!(waits.served(), Ok(1));
    drop(waits);
    let mut waits = waiting(rx.recv());
    drop(second);
    assert_eq!(waits.served(), Err(RecvError));

    let (tx, rx) = channel(1);
    let second = rx.clone();
    tx.try_send(1).unwrap();
    let mut waits = waiting(tx.send(2));
    drop(rx);
    assert!(!waits.was_woken() && !tx.is_closed());
    drop(second);
    assert_eq!(waits.served(), Err(SendError(2)));
    assert!(tx.is_closed());
    assert_eq!(tx.len(), 0, "what nobody will ever take is dropped");
}

#[test]
fn messages_that_nobody_will_take_are_dropped_with_the_last_receiver() {
    let alive = Alive::default();
    let (tx, rx) = unbounded();
    (0..3).for_each(|n| tx.try_send(alive.token(n)).unwrap());
    drop(rx.try_recv());
    let other = rx.clone();
    drop(rx);
    assert_eq!(alive.count(), 2);
    drop(other);
    assert_eq!((alive.count(), alive.drops()), (0, 3), "although a sender is left");
    assert!(tx.try_send(alive.token(3)).is_err());
    assert_eq!(alive.count(), 0);
}

#[test]
fn an_error_gives_the_message_back() {
    let alive = Alive::default();
    let (tx, rx) = channel(1);
    tx.try_send(alive.token(1)).unwrap();
    assert_eq!(tx.try_send(alive.token(2)).unwrap_err().into_inner().0, 2);
    drop(rx);
    assert_eq!(tx.try_send(alive.token(3)).unwrap_err().into_inner().0, 3);
    assert_eq!(at_once(tx.send(alive.token(4))).unwrap_err().0.0, 4);
    assert_eq!((alive.count(), alive.drops()), (0, 4));
    let texts = [
        format!("{:?}", SendError(1)),
        format!("{:?}", TrySendError::Full(1)),
        format!("{:?}", TrySendError::Closed(1)),
    ];
    assert_eq!(texts, ["SendError(..)", "Full(..)", "Closed(..)"]);
}

// ---- the receiver as a stream ----

#[test]
fn a_receiver_is_a_stream_that_ends_when_the_channel_is_closed_and_empty() {
    let (tx, mut rx) = channel(2);
    let mut next = waiting(rx.next());
    tx.try_send(1).unwrap();
    assert_eq!(next.served(), Some(1));
    drop(next);
    tx.try_send(2).unwrap();
    tx.try_send(3).unwrap();
    tx.close();
    assert_eq!((at_once(rx.next()), at_once(rx.next()), at_once(rx.next())), (Some(2), Some(3), None));
    assert_eq!(at_once(rx.next()), None, "it stays at its end");
}

#[test]
fn a_stream_that_waits_keeps_its_place_in_line() {
    let (tx, mut rx) = unbounded();
    let other = rx.clone();
    waiting(rx.next()).leave_in_line();
    let mut behind = waiting(other.recv());
    tx.try_send(1).unwrap();
    assert!(!behind.was_woken());
    assert_eq!(at_once(rx.next()), Some(1));
    tx.try_send(2).unwrap();
    assert_eq!(behind.served(), Ok(2));
}

#[test]
fn what_was_handed_to_a_stream_is_there_for_its_receiver() {
    let (tx, mut rx) = unbounded();
    waiting(rx.next()).leave_in_line();
    tx.try_send(1).unwrap();
    tx.try_send(2).unwrap();
    assert_eq!((at_once(rx.recv()), rx.try_recv(), rx.try_recv()), (Ok(1), Ok(2), Err(TryRecvError::Empty)));
    waiting(rx.next()).leave_in_line();
    tx.try_send(3).unwrap();
    assert_eq!(rx.try_recv(), Ok(3));
    waiting(rx.next()).leave_in_line();
    let mut waits = waiting(rx.recv());
    tx.try_send(3).unwrap();
    assert_eq!(waits.served(), Ok(3));
    drop(waits);
    tx.try_send(4).unwrap();
    assert_eq!(at_once(rx.next()), Some(4));
}

#[test]
fn a_stream_in_line_goes_with_its_receiver() {
    let (tx, rx) = unbounded();
    let (mut one, mut two) = (rx.clone(), rx.clone());
    let kept = [waiting(async { one.next().await }), waiting(async { two.next().await })];
    tx.try_send(1).unwrap();
    kept.into_iter().for_each(Hand::leave_in_line);
    drop(one); // with what it was given
    tx.try_send(2).unwrap();
    assert_eq!(at_once(two.next()), Some(1));
    drop(two);
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(2), Err(TryRecvError::Empty)));
}

// ---- oneshot ----

#[test]
fn a_oneshot_is_received_once() {
    let (tx, mut rx) = oneshot();
    let mut waits = waiting(&mut rx);
    assert_eq!(tx.send(7), Ok(()));
    assert_eq!(waits.served(), Ok(7));
    drop(waits);
    assert_eq!(at_once(&mut rx), Err(RecvError), "there was one message");
    let (tx, rx) = oneshot();
    tx.send(7).unwrap();
    assert_eq!(at_once(rx), Ok(7));
}

#[test]
fn a_oneshot_whose_sender_was_dropped_is_an_error() {
    let (tx, rx) = oneshot::<u32>();
    let mut waits = waiting(rx);
    drop(tx);
    assert_eq!(waits.served(), Err(RecvError));
    let (tx, rx) = oneshot::<u32>();
    drop(tx);
    assert_eq!(at_once(rx), Err(RecvError));
}

#[test]
fn a_oneshot_nobody_waits_for_comes_back_and_its_sender_is_told() {
    let (mut tx, rx) = oneshot();
    let mut closed = waiting(tx.closed());
    drop(rx);
    closed.served();
    drop(closed);
    at_once(tx.closed());
    assert_eq!(tx.send(7), Err(7));
}

#[test]
fn awaiting_a_oneshot_may_be_given_up_and_the_receiver_moved() {
    let alive = Alive::default();
    let (tx, mut rx) = oneshot();
    waiting(&mut rx).leave_in_line();
    let mut rx = Box::new(rx);
    waiting(&mut *rx).leave_in_line();
    tx.send(alive.token(1)).unwrap();
    assert_eq!(alive.count(), 1);
    let rx = *rx;
    assert_eq!(at_once(rx).unwrap().0, 1);
    assert_eq!((alive.count(), alive.drops()), (0, 1));
}

#[test]
fn a_oneshot_that_was_sent_and_not_received_is_dropped_with_its_receiver() {
    for polled in [false, true] {
        let alive = Alive::default();
        let (tx, rx) = oneshot();
        let mut wait = hand(rx);
        if polled {
            assert!(wait.poll().is_pending());
        }
        tx.send(alive.token(1)).unwrap();
        assert_eq!(alive.count(), 1);
        drop(wait);
        assert_eq!((alive.count(), alive.drops()), (0, 1), "polled: {polled}");
    }
}

// ---- broadcast ----

#[test]
fn a_broadcast_reaches_every_receiver_there_is() {
    let (tx, mut one) = broadcast(4);
    assert_eq!(tx.send(1), Ok(1));
    let mut two = tx.subscribe();
    assert_eq!((tx.send(2), tx.receivers()), (Ok(2), 2));
    assert_eq!((at_once(one.recv()), at_once(one.recv()), at_once(two.recv())), (Ok(1), Ok(2), Ok(2)));
    let (mut waits, mut also) = (waiting(one.recv()), waiting(two.recv()));
    tx.send(3).unwrap();
    assert_eq!((waits.served(), also.served()), (Ok(3), Ok(3)));
}

#[test]
fn a_slow_receiver_is_told_how_many_it_missed() {
    let (tx, mut rx) = broadcast(2);
    (0..5).for_each(|n| assert_eq!(tx.send(n), Ok(1)));
    assert_eq!(at_once(rx.recv()), Err(BroadcastError::Missed(3)));
    assert_eq!((at_once(rx.recv()), at_once(rx.recv())), (Ok(3), Ok(4)));
    // Also while it waited, and was given one that it did not take.
    let served = waiting(rx.recv());
    tx.send(5).unwrap();
    assert!(served.was_woken());
    drop(served);
    tx.send(6).unwrap();
    tx.send(7).unwrap();
    assert_eq!((at_once(rx.recv()), at_once(rx.recv())), (Err(BroadcastError::Missed(1)), Ok(6)));
}

#[test]
fn a_broadcast_without_receivers_gives_the_message_back() {
    let alive = Alive::default();
    let (tx, rx) = broadcast(2);
    tx.send(Arc::new(alive.token(1))).unwrap();
    drop(rx);
    assert_eq!((alive.count(), tx.receivers()), (0, 0), "what nobody will ever take is dropped");
    assert_eq!(tx.send(Arc::new(alive.token(2))).unwrap_err().0.0, 2);
    let mut late = tx.subscribe();
    tx.send(Arc::new(alive.token(3))).unwrap();
    assert_eq!(at_once(late.recv()).unwrap().0, 3);
}

#[test]
fn a_broadcast_ends_when_the_last_sender_is_gone_and_all_is_received() {
    let (tx, mut rx) = broadcast(2);
    let other = tx.clone();
    drop(tx);
    other.send(1).unwrap();
    let mut late = other.subscribe();
    let mut waits = waiting(late.recv());
    drop(other);
    assert_eq!(waits.served(), Err(BroadcastError::Closed));
    assert_eq!((at_once(rx.recv()), at_once(rx.recv())), (Ok(1), Err(BroadcastError::Closed)));
    assert_eq!(at_once(rx.recv()), Err(BroadcastError::Closed));
}

#[test]
fn a_broadcast_forgets_the_oldest_and_nothing_twice() {
    let alive = Alive::default();
    let (tx, rx) = broadcast(1);
    for n in 0..5 {
        tx.send(Arc::new(alive.token(n))).unwrap();
        assert_eq!((alive.count(), alive.drops()), (1, n));
    }
    drop((tx, rx));
    assert_eq!((alive.count(), alive.drops()), (0, 5));
    assert!(panic_text(|| broadcast::<()>(0)).contains("give at least 1"));
}

// ---- watch ----

#[test]
fn a_watched_value_is_the_newest() {
    let (tx, mut rx) = watch(1);
    let mut second = rx.clone();
    assert_eq!((*tx.get(), *rx.get()), (1, 1));
    assert!(hand(rx.changed()).poll().is_pending(), "it has seen the first one");
    let (mut one, mut other) = (waiting(rx.changed()), waiting(second.changed()));
    tx.send(2).unwrap();
    assert_eq!((one.served(), other.served()), (Ok(()), Ok(())));
    drop((one, other));
    tx.send(3).unwrap();
    tx.send(4).unwrap();
    assert_eq!((at_once(rx.changed()), *rx.get()), (Ok(()), 4));
    assert!(hand(rx.changed()).poll().is_pending(), "two changes were announced at once");
    let mut third = tx.subscribe();
    assert!(hand(third.changed()).poll().is_pending(), "it has seen the present one");
    let mut fourth = second.clone();
    assert_eq!(at_once(fourth.changed()), Ok(()), "a clone has seen what the other has");
}

#[test]
fn a_change_announced_to_one_who_goes_is_announced_again() {
    let (tx, mut rx) = watch(1);
    let served = waiting(rx.changed());
    tx.send(2).unwrap();
    assert!(served.was_woken());
    drop(served);
    assert_eq!(at_once(rx.changed()), Ok(()));
    assert!(hand(rx.changed()).poll().is_pending());
}

#[test]
fn waiting_for_a_value_is_over_when_it_is_as_it_should_be() {
    let (tx, mut rx) = watch(1);
    assert_eq!(at_once(rx.wait_for(|n| *n == 1)).map(|n| *n), Ok(1));
    let mut waits = waiting(rx.wait_for(|n| *n >= 3));
    tx.send(2).unwrap();
    assert!(waits.poll().is_pending());
    tx.modify(|n| *n += 1);
    assert_eq!(waits.served().map(|n| *n), Ok(3));
    drop(waits);
    assert!(hand(rx.changed()).poll().is_pending(), "it has seen that one");
    tx.send(3).unwrap();
    assert!(at_once(rx.wait_for(|n| *n == 3)).is_ok());
    assert!(hand(rx.changed()).poll().is_pending(), "also if it did not have to wait");
    drop(tx);
    assert_eq!(at_once(rx.wait_for(|n| *n == 3)).map(|n| *n), Ok(3), "also if there is no sender");
    assert_eq!(at_once(rx.wait_for(|n| *n == 4)), Err(RecvError));
}

#[test]
fn a_watch_ends_with_its_sender() {
    let (tx, mut rx) = watch(1);
    let mut waits = waiting(rx.changed());
    drop(tx);
    assert_eq!(waits.served(), Err(RecvError));
    drop(waits);
    assert_eq!((at_once(rx.changed()), *rx.get()), (Err(RecvError), 1));
    let (tx, mut rx) = watch(1);
    tx.send(2).unwrap();
    drop(tx);
    assert_eq!((at_once(rx.changed()), at_once(rx.changed()), *rx.get()), (Ok(()), Err(RecvError), 2));
}

#[test]
fn a_watched_value_nobody_follows_comes_back() {
    let (tx, rx) = watch(1);
    let other = rx.clone();
    drop(rx);
    assert_eq!(tx.send(2), Ok(()));
    drop(other);
    assert_eq!((tx.send(3), *tx.get()), (Err(SendError(3)), 2));
    tx.modify(|n| *n = 4);
    let rx = tx.subscribe();
    assert_eq!((*rx.get(), tx.send(5)), (4, Ok(())));
    assert_eq!(*rx.get(), 5);
}

#[test]
fn a_watched_value_is_changed_by_a_copy() {
    let (tx, mut rx) = watch(vec![1]);
    let before = rx.get();
    let calls = Cell::new(0);
    tx.modify(|list| {
        if calls.replace(calls.get() + 1) == 0 {
            tx.send(vec![2]).unwrap(); // somebody else comes between
        }
        list.push(9);
    });
    assert_eq!((&*before, &*rx.get(), calls.get()), (&vec![1], &vec![2, 9], 2));
    assert_eq!(at_once(rx.changed()), Ok(()));
}

// ---- what they say of themselves ----

#[test]
fn each_says_what_it_is_and_where_it_was_made() {
    let at = |line: u32, column: u32| format!("made at {HERE}:{line}:{column}");
    let (semaphore, line) = (Semaphore::new(2), line!());
    assert_eq!(format!("{semaphore:?}"), format!("the semaphore {} (2 available)", at(line, 30)));
    let permit = format!("{:?}", semaphore.try_acquire().unwrap());
    assert!(permit.contains("(1 available)") && permit.contains("permits: 1"), "{permit}");
    let (event, line) = (Event::new(), line!());
    assert_eq!(format!("{event:?}"), format!("the event {} (not set)", at(line, 26)));
    event.set();
    assert_eq!(format!("{event:?}"), format!("the event {} (set)", at(line, 26)));
    let (changed, line) = (Condvar::new(), line!());
    assert_eq!(format!("{changed:?}"), format!("the condition {}", at(line, 28)));
    let (barrier, line) = (Barrier::new(3), line!());
    let _waits = waiting(barrier.wait());
    assert_eq!(format!("{barrier:?}"), format!("the barrier {} (1 of 3 have arrived)", at(line, 28)));
    let ((tx, rx), line) = (channel(1), line!());
    tx.try_send(1).unwrap();
    assert_eq!(format!("{tx:?}"), format!("Sender of the channel {} (1 message)", at(line, 29)));
    rx.close();
    assert_eq!(format!("{rx:?}"), format!("Receiver of the channel {} (closed, 1 message)", at(line, 29)));
    let ((tx, _), line) = (unbounded::<()>(), line!());
    assert_eq!(format!("{tx:?}"), format!("Sender of the channel {} (closed, 0 messages)", at(line, 28)));
    let ((tx, rx), line) = (oneshot::<()>(), line!());
    let place = at(line, 29);
    assert_eq!(
        format!("{tx:?}, {rx:?}"),
        format!("Sender of the oneshot channel {place}, Receiver of the oneshot channel {place}")
    );
    let ((tx, rx), line) = (broadcast::<()>(1), line!());
    let place = at(line, 29);
    assert_eq!(
        format!("{tx:?}, {rx:?}"),
        format!("Sender of the broadcast channel {place}, Receiver of the broadcast channel {place}")
    );
    let ((tx, rx), line) = (watch(1), line!());
    let place = at(line, 29);
    assert_eq!(
        format!("{tx:?}, {rx:?}"),
        format!("Sender of the watched value {place}, Receiver of the watched value {place}")
    );
    let (event, line) = (Event::default(), line!());
    assert!(format!("{event:?}").contains(&at(line, 26)), "also if it was made by default");
}

/// What is said of a future that nobody will ever wake.
fn why_it_waits(future: impl Future<Output = ()>) -> String {
    let runtime = Runtime::builder().detect_deadlock(true).build().unwrap();
    panic_text(|| runtime.block_on(future))
}

#[test]
fn who_waits_for_ever_is_told_for_what() {
    let said = |kind: &str, wait: Pin<Box<dyn Future<Output = ()>>>| {
        let text = why_it_waits(wait);
        let place = format!("{kind} made at {HERE}:");
        assert!(text.contains(&place), "`{place}` is not in:\n{text}");
    };
    said("acquire on the semaphore", Box::pin(async { drop(Semaphore::new(0).acquire().await) }));
    said(
        "acquire on the mutex",
        Box::pin(async {
            let mutex = Mutex::new(());
            let _guard = mutex.lock().await;
            drop(mutex.lock().await);
        }),
    );
    said(
        "acquire on the read-write lock",
        Box::pin(async {
            let lock = RwLock::new(());
            let _guard = lock.read().await;
            drop(lock.write().await);
        }),
    );
    said("wait for the event", Box::pin(async { Event::new().wait().await }));
    said(
        "wait for the condition",
        Box::pin(async {
            let mutex = Mutex::new(());
            drop(Condvar::new().wait(mutex.lock().await).await);
        }),
    );
    said("wait for the others at the barrier", Box::pin(async { assert!(Barrier::new(2).wait().await) }));
    said(
        "receive on the channel",
        Box::pin(async {
            let (_tx, rx) = channel::<()>(1);
            rx.recv().await.unwrap();
        }),
    );
    said(
        "receive on the channel",
        Box::pin(async {
            let (_tx, mut rx) = unbounded::<()>();
            rx.next().await;
        }),
    );
    said(
        "send on the channel",
        Box::pin(async {
            let (tx, _rx) = channel(0);
            tx.send(()).await.unwrap();
        }),
    );
    said(
        "receive on the oneshot channel",
        Box::pin(async {
            let (_tx, rx) = oneshot::<()>();
            rx.await.unwrap();
        }),
    );
    said(
        "wait for the close of the oneshot channel",
        Box::pin(async {
            let (mut tx, _rx) = oneshot::<()>();
            tx.closed().await;
        }),
    );
    said(
        "receive on the broadcast channel",
        Box::pin(async {
            let (_tx, mut rx) = broadcast::<()>(1);
            rx.recv().await.unwrap();
        }),
    );
    said(
        "wait for a change of the watched value",
        Box::pin(async {
            let (_tx, mut rx) = watch(());
            rx.changed().await.unwrap();
        }),
    );
}

// ---- in tasks ----

/// Runs a test; if a wake was lost, it ends with the list of who still waits for what.
fn run<F: Future>(test: F) -> F::Output {
    Runtime::builder().virtual_clock().detect_deadlock(true).build().unwrap().block_on(test)
}

#[test]
fn work_goes_through_a_chain_of_channels_of_any_size() {
    for capacity in [0, 1, 2, 7, usize::MAX] {
        let sum = run(async move {
            let (first, mut rx) = channel(capacity);
            for _ in 0..5 {
                let (tx, next) = channel(capacity);
                spawn(async move {
                    while let Some(n) = rx.next().await {
                        tx.send(n + 1).await.unwrap();
                    }
                });
                rx = next;
            }
            spawn(async move {
                for n in 0..500u64 {
                    first.send(n).await.unwrap();
                }
            });
            let mut before = None;
            let mut sum = 0;
            while let Ok(n) = rx.recv().await {
                assert!(before.replace(n) < Some(n), "they come in order");
                sum += n;
            }
            sum
        });
        assert_eq!(sum, 500 * 499 / 2 + 500 * 5, "with room for {capacity}");
    }
}

#[test]
fn tasks_meet_in_all_ways() {
    run(async {
        let start = Arc::new(Barrier::new(8));
        let doors = Arc::new(Semaphore::new(2));
        let book = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let over = Arc::new(Event::new());
        let rules = Arc::new(RwLock::new(0));
        let guests = (0..8).map(|n| {
            let (start, doors, book, over, rules) =
                (start.clone(), doors.clone(), book.clone(), over.clone(), rules.clone());
            spawn(async move {
                let leads = start.wait().await;
                for _ in 0..20 {
                    let _door = doors.acquire().await;
                    *rules.write().await += 1;
                    executor::yield_now().await;
                }
                book.0.lock().await.push(n);
                book.1.notify_one();
                over.wait().await;
                assert_eq!(*rules.read().await, 160);
                leads
            })
        });
        let guests: Vec<_> = guests.collect();
        let mut names = book.1.wait_while(book.0.lock().await, |names| names.len() < 8).await;
        names.sort();
        assert_eq!(*names, [0, 1, 2, 3, 4, 5, 6, 7]);
        over.set();
        let leaders = join_all(guests).await.into_iter().filter(|leads| *leads.as_ref().unwrap()).count();
        assert_eq!(leaders, 1);
    });
}

#[test]
fn messages_need_not_be_sent_between_threads() {
    run(async {
        let (tx, rx) = channel::<Rc<i32>>(1);
        let task = spawn_local(async move {
            let mut all = Vec::new();
            while let Ok(n) = rx.recv().await {
                all.push(*n);
            }
            all
        });
        for n in 0..3 {
            tx.send(Rc::new(n)).await.unwrap();
        }
        drop(tx);
        assert_eq!(task.await.unwrap(), [0, 1, 2]);
    });
}

#[test]
fn a_task_that_is_cancelled_while_it_waits_leaves_nothing() {
    run(async {
        let mutex = Arc::new(Mutex::new(0));
        let held = mutex.lock().await;
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                spawn({
                    let mutex = mutex.clone();
                    async move { *mutex.lock().await += 1 }
                })
            })
            .collect();
        executor::yield_now().await;
        tasks[1].cancel();
        drop(held);
        tasks[0].cancel(); // it has the mutex, and was not polled
        let ended = join_all(tasks).await;
        assert_eq!(ended.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(*mutex.try_lock().unwrap(), 1);
    });
}

#[test]
fn a_wait_may_be_polled_once_and_given_up_in_place() {
    block_on(async {
        let semaphore = Semaphore::new(0);
        assert!(poll_once(semaphore.acquire()).await.is_none());
        let mut pinned = pin!(semaphore.acquire());
        assert!(poll_once(pinned.as_mut()).await.is_none());
        semaphore.add_permits(1);
        drop(pinned.await);
        assert_eq!(semaphore.available_permits(), 1);
    });
}
