//! `watch`: a version that was announced or read is not announced again, and a newer one always is.

use executor::sync::{BroadcastError, Condvar, Event, Mutex, broadcast, watch};
use executor::{block_on, spawn, spawn_local, yield_now};
use futures_lite::future::poll_once;
use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use tests::within;

#[test]
fn changes_between_the_wake_and_the_poll_are_one_change() {
    for sends in 1..=40 {
        block_on(async {
            let (tx, mut rx) = watch(0);
            let reader = spawn(async move {
                let mut seen = vec![];
                while rx.changed().await.is_ok() {
                    seen.push(*rx.get());
                }
                seen
            });
            yield_now().await; // it waits
            (1..=sends).for_each(|n| tx.send(n).unwrap());
            yield_now().await;
            (1..=sends).for_each(|n| tx.modify(|value| *value = 100 * n));
            yield_now().await;
            drop(tx);
            assert_eq!(reader.await.unwrap(), [sends, 100 * sends]);
        });
    }
}

#[test]
fn changes_before_the_poll_are_one_change_to_a_receiver_that_reads_nothing() {
    block_on(async {
        let (tx, mut rx) = watch(0);
        let changes = spawn(async move {
            let mut changes = 0;
            while rx.changed().await.is_ok() {
                changes += 1;
            }
            changes
        });
        for _ in 0..3 {
            yield_now().await;
            (1..=5).for_each(|n| tx.send(n).unwrap());
        }
        yield_now().await;
        drop(tx);
        assert_eq!(changes.await.unwrap(), 3);
    });
}

#[test]
fn a_version_that_was_read_after_an_announcement_is_not_announced() {
    block_on(async {
        let (tx, mut rx) = watch(0);
        tx.send(1).unwrap();
        rx.changed().await.unwrap();
        tx.send(2).unwrap(); // between the announcement and the read
        assert_eq!(*rx.get(), 2);
        assert_eq!(poll_once(rx.changed()).await, None);
        tx.send(3).unwrap();
        assert_eq!(*rx.get(), 3); // a second read
        assert_eq!(poll_once(rx.changed()).await, None);
        let mut other = rx.clone(); // has seen the same versions
        assert_eq!(poll_once(other.changed()).await, None);
        tx.send(4).unwrap();
        assert_eq!(poll_once(rx.changed()).await, Some(Ok(())));
        assert_eq!(*other.get(), 4);
        assert_eq!(poll_once(other.changed()).await, None);
        tx.send(5).unwrap();
        drop(tx);
        assert_eq!((rx.changed().await.is_ok(), rx.changed().await.is_ok()), (true, false));
    });
}

#[test]
fn reading_before_the_first_wait_marks_nothing_as_seen() {
    block_on(async {
        let (tx, mut rx) = watch(0);
        tx.send(1).unwrap();
        assert_eq!((*rx.get(), *rx.get()), (1, 1));
        assert_eq!(poll_once(rx.changed()).await, Some(Ok(())));
        assert_eq!(poll_once(rx.changed()).await, None);
    });
}

#[test]
fn a_wait_that_is_dropped_with_its_announcement_has_seen_nothing() {
    block_on(async {
        let (tx, mut rx) = watch(0);
        {
            let mut changed = pin!(rx.changed());
            assert_eq!(poll_once(changed.as_mut()).await, None);
            (1..=3).for_each(|n| tx.send(n).unwrap());
        }
        assert_eq!(poll_once(rx.changed()).await, Some(Ok(())));
        assert_eq!((*rx.get(), poll_once(rx.changed()).await), (3, None));
    });
}

#[test]
fn a_receiver_on_another_thread_never_sees_an_older_version_and_sees_the_last_one() {
    within(60, || {
        let (tx, mut rx) = watch(0u32);
        let reader = thread::spawn(move || {
            block_on(async {
                let (mut last, mut times) = (0, 0u32);
                while rx.changed().await.is_ok() {
                    let value = *rx.get();
                    assert!(value > last, "{value} was announced after {last} was read");
                    (last, times) = (value, times + 1);
                }
                (last, times)
            })
        });
        const LAST: u32 = 200_000;
        (1..=LAST).for_each(|n| tx.send(n).unwrap());
        drop(tx);
        let (last, times) = reader.join().unwrap();
        assert!(last == LAST && times <= LAST, "{times} announcements, {last} was the last");
    });
}

// ---- other primitives ----

#[test]
fn messages_a_broadcast_receiver_missed_are_counted_once() {
    block_on(async {
        let (tx, mut rx) = broadcast(2);
        let reader = spawn(async move {
            let mut got = vec![];
            loop {
                match rx.recv().await {
                    Err(BroadcastError::Closed) => return got,
                    next => got.push(next),
                }
            }
        });
        yield_now().await; // it waits: the first message is handed over, and can't be missed any more
        (1..=6).for_each(|n| assert!(tx.send(n).is_ok()));
        yield_now().await;
        (7..=8).for_each(|n| assert!(tx.send(n).is_ok()));
        drop(tx);
        let expected = [Ok(1), Err(BroadcastError::Missed(3)), Ok(5), Ok(6), Ok(7), Ok(8)];
        assert_eq!(reader.await.unwrap(), expected);
    });
}

#[test]
fn an_event_that_is_set_many_times_in_one_poll_ends_each_wait_once() {
    block_on(async {
        let (event, log) = (Rc::new(Event::new()), Rc::new(RefCell::new(0)));
        let waits = spawn_local({
            let (event, log) = (event.clone(), log.clone());
            async move {
                loop {
                    event.wait().await;
                    *log.borrow_mut() += 1;
                    event.clear();
                }
            }
        });
        for n in 1..=3 {
            yield_now().await;
            for _ in 0..5 {
                event.set();
                event.clear();
            }
            yield_now().await;
            assert_eq!(*log.borrow(), n);
        }
        waits.cancel();
    });
}

#[test]
fn notices_of_a_condvar_wake_no_waiter_twice() {
    block_on(async {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let waits = spawn({
            let shared = shared.clone();
            async move {
                let mut wakes = 0;
                let mut guard = shared.0.lock().await;
                while *guard < 3 {
                    guard = shared.1.wait(guard).await;
                    wakes += 1;
                }
                wakes
            }
        });
        for _ in 0..3 {
            yield_now().await;
            *shared.0.lock().await += 1;
            for _ in 0..5 {
                shared.1.notify_one(); // the first one finds the waiter, the others find no waiter
                shared.1.notify_all();
            }
            yield_now().await;
            yield_now().await;
        }
        assert_eq!(waits.await.unwrap(), 3);
    });
}
