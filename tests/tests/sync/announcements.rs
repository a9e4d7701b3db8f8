//! Oneshot, broadcast and watch.

use super::kit::{Alive, at_once, hand, panic_text, waiting};
use executor::sync::{BroadcastError, RecvError, SendError, broadcast, oneshot, watch};
use std::cell::Cell;
use std::sync::Arc;

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
fn the_receiver_of_a_oneshot_gets_an_error_if_the_sender_was_dropped() {
    let (tx, rx) = oneshot::<u32>();
    let mut waits = waiting(rx);
    drop(tx);
    assert_eq!(waits.served(), Err(RecvError));
    let (tx, rx) = oneshot::<u32>();
    drop(tx);
    assert_eq!(at_once(rx), Err(RecvError));
}

#[test]
fn a_oneshot_message_without_a_receiver_is_returned_and_closed_resolves() {
    let (mut tx, rx) = oneshot();
    let mut closed = waiting(tx.closed());
    drop(rx);
    closed.served();
    drop(closed);
    at_once(tx.closed());
    assert_eq!(tx.send(7), Err(7));
}

#[test]
fn a_oneshot_receiver_can_be_moved_after_a_dropped_wait() {
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
fn a_broadcast_reaches_every_receiver() {
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
fn a_slow_receiver_gets_the_number_of_messages_that_it_missed() {
    let (tx, mut rx) = broadcast(2);
    (0..5).for_each(|n| assert_eq!(tx.send(n), Ok(1)));
    assert_eq!(at_once(rx.recv()), Err(BroadcastError::Missed(3)));
    assert_eq!((at_once(rx.recv()), at_once(rx.recv())), (Ok(3), Ok(4)));
    // A message that was handed to a dropped wait can be missed, too.
    let served = waiting(rx.recv());
    tx.send(5).unwrap();
    assert!(served.was_woken());
    drop(served);
    tx.send(6).unwrap();
    tx.send(7).unwrap();
    assert_eq!((at_once(rx.recv()), at_once(rx.recv())), (Err(BroadcastError::Missed(1)), Ok(6)));
}

#[test]
fn a_broadcast_without_receivers_returns_the_message() {
    let alive = Alive::default();
    let (tx, rx) = broadcast(2);
    tx.send(Arc::new(alive.token(1))).unwrap();
    drop(rx);
    assert_eq!((alive.count(), tx.receivers()), (0, 0), "a message that can no longer be received is dropped");
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
fn a_full_broadcast_drops_its_oldest_message_and_each_message_once() {
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
fn a_watch_receiver_gets_the_newest_value() {
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
    assert!(hand(third.changed()).poll().is_pending(), "it has seen the current value");
    let mut fourth = second.clone();
    assert_eq!(at_once(fourth.changed()), Ok(()), "a clone has seen what the other has");
}

#[test]
fn a_change_announced_to_a_dropped_wait_is_announced_again() {
    let (tx, mut rx) = watch(1);
    let served = waiting(rx.changed());
    tx.send(2).unwrap();
    assert!(served.was_woken());
    drop(served);
    assert_eq!(at_once(rx.changed()), Ok(()));
    assert!(hand(rx.changed()).poll().is_pending());
}

#[test]
fn wait_for_returns_when_its_condition_holds() {
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
fn a_watched_value_without_receivers_is_returned() {
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
fn modify_changes_a_copy_and_starts_again_if_the_value_has_changed_meanwhile() {
    let (tx, mut rx) = watch(vec![1]);
    let before = rx.get();
    let calls = Cell::new(0);
    tx.modify(|list| {
        if calls.replace(calls.get() + 1) == 0 {
            tx.send(vec![2]).unwrap(); // another change in between
        }
        list.push(9);
    });
    assert_eq!((&*before, &*rx.get(), calls.get()), (&vec![1], &vec![2, 9], 2));
    assert_eq!(at_once(rx.changed()), Ok(()));
}
