//! Messages that return to a channel because the receiver that they were handed to is dropped.

use crate::kit::{Alive, at_once, waiting};
use executor::sync::{RecvError, TryRecvError, channel, unbounded};
use futures_lite::StreamExt;

#[test]
fn messages_handed_to_dropped_receives_keep_their_order() {
    for capacity in [0, 1, 3, usize::MAX] {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let (tx, rx) = channel(capacity);
            let mut three = [0; 3].map(|_| Some(waiting(rx.recv())));
            (0..3).for_each(|n| tx.try_send(n).unwrap());
            let sends = (3..5).map(|n| tx.try_send(n)).filter(Result::is_ok).count();
            order.iter().for_each(|at| three[*at] = None);
            let received: Vec<_> = std::iter::from_fn(|| rx.try_recv().ok()).collect();
            assert_eq!(received, (0..3 + sends).collect::<Vec<_>>(), "capacity {capacity}, dropped in order {order:?}");
        }
    }
}

#[test]
fn a_returned_message_precedes_those_of_waiting_senders() {
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
fn a_message_returned_to_a_closed_channel_is_still_received() {
    let (tx, rx) = unbounded();
    let (goes, mut stays) = (waiting(rx.recv()), waiting(rx.recv()));
    tx.try_send(0).unwrap();
    drop(tx);
    assert_eq!(stays.served(), Err(RecvError));
    drop(goes);
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(0), Err(TryRecvError::Closed)));
}

#[test]
fn the_last_receiver_drops_the_message_that_was_handed_to_it() {
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
