//! Waits for what wakes all waiters at once: events, barriers, broadcasts, watched values, the end of a oneshot.

use crate::kit::{Alive, at_once, hand, waiting};
use executor::sync::{Barrier, BroadcastError, Event, broadcast, oneshot, watch};
use std::sync::Arc;

#[test]
fn a_wait_for_an_event_can_be_dropped_at_any_time() {
    for place in 0..3 {
        for polls in 0..3 {
            for set in [false, true] {
                let event = Event::new();
                let mut three: Vec<_> = (0..3).map(|_| hand(event.wait())).collect();
                for (at, wait) in three.iter_mut().enumerate() {
                    let polls = if at == place { polls } else { 1 };
                    (0..polls).for_each(|_| assert!(wait.poll().is_pending()));
                }
                if set {
                    event.set();
                    event.clear();
                }
                drop(three.remove(place));
                event.set();
                three.iter_mut().for_each(|wait| wait.served());
            }
        }
    }
}

#[test]
fn a_wait_dropped_before_a_barrier_opens_does_not_count() {
    for place in 0..3 {
        for polls in 0..3 {
            let barrier = Barrier::new(4);
            let mut three: Vec<_> = (0..3).map(|_| hand(barrier.wait())).collect();
            for (at, wait) in three.iter_mut().enumerate() {
                let polls = if at == place { polls } else { 1 };
                (0..polls).for_each(|_| assert!(wait.poll().is_pending()));
            }
            drop(three.remove(place));
            let mut third = waiting(barrier.wait());
            assert!(at_once(barrier.wait()), "{place} after {polls}");
            three.iter_mut().for_each(|wait| assert!(!wait.served()));
            assert!(!third.served());
            assert!(format!("{barrier:?}").ends_with("(0 of 4 have arrived)"));
        }
    }
}

#[test]
fn a_wait_dropped_after_a_barrier_opened_has_counted() {
    for place in 0..2 {
        let barrier = Barrier::new(3);
        let mut two = vec![waiting(barrier.wait()), waiting(barrier.wait())];
        assert!(at_once(barrier.wait()));
        let mut next = waiting(barrier.wait());
        drop(two.remove(place));
        assert!(!two[0].served());
        assert!(format!("{barrier:?}").ends_with("(1 of 3 have arrived)"), "{barrier:?}");
        let mut last = waiting(barrier.wait());
        assert!(at_once(barrier.wait()));
        assert!(!next.served() && !last.served());
    }
}

#[test]
fn a_broadcast_handed_to_a_dropped_receive_is_received_by_the_next_one() {
    for polls in 0..3 {
        for sent in [false, true] {
            let alive = Alive::default();
            let (tx, mut goes) = broadcast(2);
            let (mut before, mut after) = (tx.subscribe(), tx.subscribe());
            let mut first = waiting(before.recv());
            let mut wait = hand(goes.recv());
            (0..polls).for_each(|_| assert!(wait.poll().is_pending()));
            let mut last = waiting(after.recv());
            if sent {
                tx.send(Arc::new(alive.token(0))).unwrap();
            }
            drop(wait);
            tx.send(Arc::new(alive.token(1))).unwrap();
            let first_number = usize::from(!sent);
            assert_eq!((first.served().unwrap().0, last.served().unwrap().0), (first_number, first_number));
            drop((first, last));
            for number in first_number..2 {
                assert_eq!(at_once(goes.recv()).unwrap().0, number);
            }
            assert!(hand(goes.recv()).poll().is_pending());
            drop((tx, goes, before, after));
            assert_eq!(alive.count(), 0);
        }
    }
}

#[test]
fn a_broadcast_receiver_that_is_dropped_with_a_handed_over_message_keeps_none() {
    let alive = Alive::default();
    let (tx, rx) = broadcast(1);
    let mut rest = tx.subscribe();
    let wait = waiting(async move {
        let mut rx = rx;
        rx.recv().await
    });
    tx.send(Arc::new(alive.token(0))).unwrap();
    tx.send(Arc::new(alive.token(1))).unwrap();
    assert_eq!(alive.count(), 2, "the first one was handed over");
    drop(wait);
    assert_eq!((alive.count(), tx.receivers()), (1, 1));
    assert_eq!(at_once(rest.recv()).unwrap_err(), BroadcastError::Missed(1));
}

#[test]
fn a_wait_for_a_change_can_be_dropped_at_any_time() {
    for polls in 0..3 {
        for sent in [false, true] {
            let (tx, mut rx) = watch(0);
            let mut other = rx.clone();
            let mut wait = hand(rx.changed());
            (0..polls).for_each(|_| assert!(wait.poll().is_pending()));
            let mut behind = waiting(other.changed());
            if sent {
                tx.send(1).unwrap();
            }
            drop(wait);
            tx.send(2).unwrap();
            assert_eq!(behind.served(), Ok(()));
            assert_eq!((at_once(rx.changed()), *rx.get()), (Ok(()), 2));
            let wait = waiting(rx.wait_for(|n| *n == 3));
            drop(wait);
            tx.send(3).unwrap();
            assert_eq!(at_once(rx.wait_for(|n| *n == 3)).map(|n| *n), Ok(3));
        }
    }
}

#[test]
fn a_wait_for_the_end_of_a_oneshot_can_be_dropped_at_any_time() {
    for polls in 0..3 {
        for gone in [false, true] {
            let (mut tx, rx) = oneshot::<u32>();
            let mut rx = Some(rx);
            let mut closed = hand(tx.closed());
            (0..polls).for_each(|_| assert!(closed.poll().is_pending()));
            if gone {
                rx = None;
            }
            drop(closed);
            drop(rx);
            at_once(tx.closed());
        }
    }
}

#[test]
fn a_oneshot_receiver_can_be_dropped_at_any_time() {
    for polls in 0..3 {
        for sent in [None, Some(false), Some(true)] {
            let alive = Alive::default();
            let (tx, rx) = oneshot();
            let mut tx = Some(tx);
            let mut wait = hand(rx);
            (0..polls).for_each(|_| assert!(wait.poll().is_pending()));
            match sent {
                Some(true) => tx.take().unwrap().send(alive.token(1)).unwrap(),
                Some(false) => tx = None,
                None => {}
            }
            drop(wait);
            assert_eq!((alive.count(), alive.drops()), (0, usize::from(sent == Some(true))));
            if let Some(tx) = tx {
                assert_eq!(tx.send(alive.token(2)).unwrap_err().0, 2);
            }
        }
    }
}
