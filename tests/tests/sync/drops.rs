//! Waits that are dropped, wherever they are: nothing is lost, nothing is left, and the next one gets it.

use super::kit::{Alive, Line, at_once, each_may_go, hand, waiting};
use executor::sync::{
    Barrier, BroadcastError, Condvar, Event, Mutex, RecvError, RwLock, Semaphore, TryRecvError, broadcast, channel,
    oneshot, unbounded, watch,
};
use futures_lite::StreamExt;
use std::sync::Arc;

// ---- those who stand in line, one served after the other ----

#[test]
fn permits() {
    let line = || {
        let semaphore = Arc::new(Semaphore::new(0));
        let (joined, given, left) = (semaphore.clone(), semaphore.clone(), semaphore);
        Line {
            join: Box::new(move || {
                let semaphore = joined.clone();
                Box::pin(async move { semaphore.acquire().await.forget() })
            }),
            give: Box::new(move |_| given.add_permits(1)),
            left: Box::new(move || {
                let all = left.available_permits();
                (0..all).map(|_| left.try_acquire().expect("nobody waits").forget()).collect()
            }),
        }
    };
    each_may_go(line, |_| (), true);
}

#[test]
fn many_permits_at_once() {
    let line = || {
        let semaphore = Arc::new(Semaphore::new(0));
        let (joined, given, left) = (semaphore.clone(), semaphore.clone(), semaphore);
        Line {
            join: Box::new(move || {
                let semaphore = joined.clone();
                Box::pin(async move { semaphore.acquire_many(3).await.forget() })
            }),
            give: Box::new(move |_| {
                given.add_permits(2);
                given.add_permits(1);
            }),
            left: Box::new(move || {
                let permits = left.available_permits();
                let all = left.try_acquire_many(permits).expect("nobody waits");
                all.forget();
                assert_eq!(permits % 3, 0);
                vec![(); permits / 3]
            }),
        }
    };
    each_may_go(line, |_| (), true);
}

#[test]
fn messages_received() {
    for capacity in [0, 1, 3, usize::MAX] {
        let line = || {
            let (tx, rx) = channel(capacity);
            let joined = rx.clone();
            Line {
                join: Box::new(move || {
                    let rx = joined.clone();
                    Box::pin(async move { rx.recv().await })
                }),
                give: Box::new(move |number| tx.try_send(number).unwrap()),
                left: Box::new(move || std::iter::from_fn(|| rx.try_recv().ok()).map(Ok).collect()),
            }
        };
        each_may_go(line, Ok, true);
    }
}

#[test]
fn messages_of_a_stream() {
    // Each has a receiver of its own, which goes with its place in line.
    for capacity in [0, 1, 3, usize::MAX] {
        let line = || {
            let (tx, rx) = channel(capacity);
            let joined = rx.clone();
            Line {
                join: Box::new(move || {
                    let mut rx = joined.clone();
                    Box::pin(async move { rx.next().await })
                }),
                give: Box::new(move |number| tx.try_send(number).unwrap()),
                left: Box::new(move || std::iter::from_fn(|| rx.try_recv().ok()).map(Some).collect()),
            }
        };
        each_may_go(line, Some, true);
    }
}

#[test]
fn notices_of_a_condition() {
    let line = || {
        let shared = Arc::new((Mutex::new(()), Condvar::new()));
        let (joined, given, left) = (shared.clone(), shared.clone(), shared);
        Line {
            join: Box::new(move || {
                let shared = joined.clone();
                Box::pin(async move { drop(shared.1.wait(shared.0.lock().await).await) })
            }),
            give: Box::new(move |_| given.1.notify_one()),
            left: Box::new(move || {
                assert!(left.0.try_lock().is_some(), "somebody is gone with the lock");
                let waits = waiting(async { drop(left.1.wait(left.0.lock().await).await) });
                drop(waits);
                vec![]
            }),
        }
    };
    each_may_go(line, |_| (), false);
}

#[test]
fn the_right_to_send() {
    // Who wants to send gets room, which whoever receives gives. A message of one who goes is dropped, unless it was
    // sent already: then it is received, in its place.
    for capacity in [0, 1, 2] {
        for place in 0..3 {
            for polls in 0..3 {
                for served in [false, true] {
                    let which = format!("room for {capacity}, {place} goes after {polls} polls, served: {served}");
                    let alive = Alive::default();
                    let (tx, rx) = channel(capacity);
                    (0..capacity).for_each(|n| tx.try_send(alive.token(n)).unwrap());
                    let mut three: Vec<_> = (0..3).map(|at| hand(tx.send(alive.token(capacity + at)))).collect();
                    for (at, send) in three.iter_mut().enumerate() {
                        let polls = if at == place { polls } else { 1 };
                        (0..polls).for_each(|_| assert!(send.poll().is_pending(), "{which}"));
                    }
                    let mut received: Vec<usize> = vec![];
                    let in_line: Vec<_> = (0..3).filter(|at| *at != place || polls > 0).collect();
                    if served {
                        let before = in_line.iter().position(|at| *at == place).map_or(0, |before| before + 1);
                        received.extend((0..before).map(|_| rx.try_recv().unwrap().0));
                    }
                    let was_sent = three[place].was_woken();
                    assert_eq!(was_sent, served && polls > 0, "{which}");
                    drop(three.remove(place));
                    received.extend(std::iter::from_fn(|| rx.try_recv().ok()).map(|token| token.0));
                    let all = (0..capacity + 3).filter(|n| *n != capacity + place || was_sent);
                    assert_eq!(received, all.collect::<Vec<_>>(), "{which}");
                    three.iter_mut().for_each(|send| assert_eq!(send.served(), Ok(()), "{which}"));
                    assert_eq!((alive.count(), alive.drops()), (0, capacity + 3), "{which}");
                }
            }
        }
    }
}

#[test]
fn a_sender_that_gets_its_message_back_may_go_instead() {
    let alive = Alive::default();
    let (tx, rx) = channel(0);
    let mut three: Vec<_> = (0..3).map(|n| waiting(tx.send(alive.token(n)))).collect();
    rx.close();
    assert!(three.iter().all(|send| send.was_woken()));
    drop(three.remove(1));
    assert_eq!((alive.count(), alive.drops()), (2, 1));
    assert_eq!(three.iter_mut().map(|send| send.served().unwrap_err().0.0).collect::<Vec<_>>(), [0, 2]);
    assert_eq!((alive.count(), alive.drops()), (0, 3));
}

// ---- locks: the one that is handed over ----

#[test]
fn a_mutex_passes_by_whoever_went() {
    for place in 0..3 {
        for polls in 0..3 {
            for handed_over in [false, true] {
                let which = format!("{place} goes after {polls} polls, handed over: {handed_over}");
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
                assert!(mutex.try_lock().is_some(), "{which}: nobody has it");
                let all: Vec<_> = (0..3).filter(|at| *at != place).collect();
                assert_eq!(mutex.into_inner(), all, "{which}");
            }
        }
    }
}

#[test]
fn readers_go_on_when_the_writer_before_them_went() {
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
fn a_lock_handed_to_a_reader_or_a_writer_that_went_goes_on() {
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
fn who_wants_much_and_goes_lets_the_next_pass() {
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
fn many_permits_handed_to_one_who_went_serve_many() {
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

// ---- conditions, at each of their waits ----

#[test]
fn a_notice_for_one_who_waits_for_the_mutex_and_goes_is_the_next_ones() {
    // It was notified, and wants the mutex: as not polled, as waiting for it, as having it.
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
                assert_eq!(mutex.try_lock().is_none(), polls > 0, "it was handed over if it had asked for it");
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
fn a_notice_for_all_is_not_handed_on() {
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
        assert!(!after.was_woken(), "it was not there when all were told");
    }
}

#[test]
fn a_notice_is_not_handed_on_by_one_who_had_its_turn() {
    let (mutex, changed) = (Mutex::new(()), Condvar::new());
    let wait = || async { drop(changed.wait(mutex.lock().await).await) };
    let (mut one, two) = (waiting(wait()), waiting(wait()));
    changed.notify_one();
    one.served();
    drop(one);
    assert!(!two.was_woken());
    drop(two); // and one who was not notified has nothing to hand on
    let three = waiting(wait());
    assert!(!three.was_woken());
}

#[test]
fn a_wait_for_a_condition_that_is_dropped_while_it_locks_first_leaves_nothing() {
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

// ---- those who are all told at once ----

#[test]
fn who_waits_for_an_event_may_go_at_any_time() {
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
fn who_goes_before_all_are_at_a_barrier_is_not_one_of_them() {
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
fn who_goes_after_all_were_at_a_barrier_was_one_of_them() {
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
fn a_broadcast_given_to_one_who_goes_is_there_when_it_asks_again() {
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
fn a_receiver_of_a_broadcast_that_goes_while_it_is_served_keeps_nothing() {
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
fn who_watches_may_go_at_any_time() {
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
fn waiting_for_the_end_of_a_oneshot_may_be_given_up() {
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
fn a_oneshot_receiver_may_go_at_any_time() {
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

// ---- messages that come back ----

#[test]
fn messages_handed_to_receivers_who_go_keep_their_order() {
    for capacity in [0, 1, 3, usize::MAX] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let (tx, rx) = channel(capacity);
            let mut three = [0; 3].map(|_| Some(waiting(rx.recv())));
            (0..3).for_each(|n| tx.try_send(n).unwrap());
            let sends = (3..5).map(|n| tx.try_send(n)).filter(Result::is_ok).count();
            order.iter().for_each(|at| three[*at] = None);
            let received: Vec<_> = std::iter::from_fn(|| rx.try_recv().ok()).collect();
            assert_eq!(received, (0..3 + sends).collect::<Vec<_>>(), "room for {capacity}, dropped in order {order:?}");
        }
    }
}

#[test]
fn a_message_that_came_back_is_before_those_of_senders_who_wait() {
    let (tx, rx) = channel(0);
    let goes = waiting(rx.recv());
    tx.try_send(0).unwrap();
    let mut sends = waiting(tx.send(1));
    drop(goes);
    assert_eq!((tx.len(), tx.try_send(9).is_err(), sends.was_woken()), (1, true, false));
    assert_eq!(rx.try_recv(), Ok(0));
    assert!(!sends.was_woken(), "a rendezvous has no room");
    assert_eq!(at_once(rx.recv()), Ok(1));
    sends.served().unwrap();
}

#[test]
fn a_message_that_came_back_to_a_closed_channel_is_still_received() {
    let (tx, rx) = unbounded();
    let (goes, mut stays) = (waiting(rx.recv()), waiting(rx.recv()));
    tx.try_send(0).unwrap();
    drop(tx);
    assert_eq!(stays.served(), Err(RecvError));
    drop(goes);
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(0), Err(TryRecvError::Closed)));
}

#[test]
fn the_last_receiver_goes_with_what_was_handed_to_it() {
    let alive = Alive::default();
    let (tx, rx) = unbounded();
    let wait = waiting(async move { rx.recv().await });
    tx.try_send(alive.token(0)).unwrap();
    tx.try_send(alive.token(1)).unwrap();
    drop(wait);
    assert_eq!((alive.count(), alive.drops(), tx.is_closed()), (0, 2, true));
    let (tx, mut rx) = unbounded();
    waiting(rx.next()).leave_in_line();
    tx.try_send(alive.token(2)).unwrap();
    drop(rx);
    assert_eq!((alive.count(), alive.drops(), tx.is_closed()), (0, 3, true));
}
