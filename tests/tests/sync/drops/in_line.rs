//! Waits for permits, messages and notices, which go to one waiter after the other.

use crate::kit::{Alive, Boxed, Line, each_may_be_dropped, hand, waiting};
use executor::sync::{Condvar, Mutex, Receiver, Semaphore, channel};
use futures_lite::StreamExt;
use std::fmt;
use std::sync::Arc;

#[test]
fn a_permit_handed_to_a_dropped_wait_goes_to_the_next_one() {
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
                (0..all).map(|_| left.try_acquire().expect("no task waits").forget()).collect()
            }),
        }
    };
    each_may_be_dropped(line, |_| (), true);
}

#[test]
fn the_permits_handed_to_a_dropped_wait_for_many_go_to_the_next_one() {
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
                let all = left.try_acquire_many(permits).expect("no task waits");
                all.forget();
                assert_eq!(permits % 3, 0);
                vec![(); permits / 3]
            }),
        }
    };
    each_may_be_dropped(line, |_| (), true);
}

/// Drops each of three receives, at each capacity of their channel.
#[track_caller]
fn each_receive_may_be_dropped<T: PartialEq + fmt::Debug + 'static>(
    receive: fn(Receiver<usize>) -> Boxed<T>,
    output: fn(usize) -> T,
) {
    for capacity in [0, 1, 3, usize::MAX] {
        let line = || {
            let (tx, rx) = channel(capacity);
            let joined = rx.clone();
            Line {
                join: Box::new(move || receive(joined.clone())),
                give: Box::new(move |number| tx.try_send(number).unwrap()),
                left: Box::new(move || std::iter::from_fn(|| rx.try_recv().ok()).map(output).collect()),
            }
        };
        each_may_be_dropped(line, output, true);
    }
}

#[test]
fn a_message_handed_to_a_dropped_receive_goes_to_the_next_one() {
    each_receive_may_be_dropped(|rx| Box::pin(async move { rx.recv().await }), Ok);
}

/// Each wait has its own receiver, which is dropped with its position in line.
#[test]
fn a_message_handed_to_a_dropped_stream_goes_to_the_next_one() {
    each_receive_may_be_dropped(|mut rx| Box::pin(async move { rx.next().await }), Some);
}

#[test]
fn a_notice_handed_to_a_dropped_wait_goes_to_the_next_one() {
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
                assert!(left.0.try_lock().is_some(), "a dropped wait keeps the lock");
                let waits = waiting(async { drop(left.1.wait(left.0.lock().await).await) });
                drop(waits);
                vec![]
            }),
        }
    };
    each_may_be_dropped(line, |_| (), false);
}

#[test]
fn room_handed_to_a_dropped_send_goes_to_the_next_one() {
    // A receive hands room to a send. A dropped send drops its message, unless it has sent it before; then the message
    // is received in order.
    for capacity in [0, 1, 2] {
        for place in 0..3 {
            for polls in 0..3 {
                for served in [false, true] {
                    let which =
                        format!("capacity {capacity}, send {place} is dropped after {polls} polls, served: {served}");
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
fn a_send_can_be_dropped_with_the_message_that_was_returned_to_it() {
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
