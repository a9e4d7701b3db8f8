//! Channels, and the receiver as a stream.

use super::kit::{Alive, Hand, at_once, waiting};
use executor::sync::{RecvError, SendError, TryRecvError, TrySendError, channel, unbounded};
use futures_lite::StreamExt;

// ---- channel ----

#[test]
fn a_channel_holds_as_many_messages_as_its_capacity_in_order() {
    let (tx, rx) = channel(2);
    assert_eq!((tx.capacity(), rx.capacity(), tx.len(), rx.is_empty()), (Some(2), Some(2), 0, true));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(at_once(tx.send(1)), Ok(()));
    assert_eq!(tx.try_send(2), Ok(()));
    assert_eq!(tx.try_send(9), Err(TrySendError::Full(9)));
    assert_eq!((tx.len(), rx.len(), tx.is_empty()), (2, 2, false));
    let (mut third, mut fourth) = (waiting(tx.send(3)), waiting(tx.send(4)));
    assert_eq!(rx.len(), 2, "the waiting send is not counted");
    assert_eq!(at_once(rx.recv()), Ok(1));
    assert_eq!(third.served(), Ok(()));
    assert!(!fourth.was_woken());
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(fourth.served(), Ok(()));
    assert_eq!([rx.try_recv(), rx.try_recv(), rx.try_recv()], [Ok(3), Ok(4), Err(TryRecvError::Empty)]);
}

#[test]
fn each_message_reaches_the_receiver_that_has_waited_longest() {
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
fn a_send_to_an_unbounded_channel_never_waits() {
    let (tx, rx) = unbounded();
    for n in 0..1000 {
        at_once(tx.send(n)).unwrap();
    }
    assert_eq!((tx.capacity(), tx.len()), (None, 1000));
    assert!((0..1000).all(|n| rx.try_recv() == Ok(n)));
    assert_eq!(channel::<()>(usize::MAX).0.capacity(), None);
}

#[test]
fn a_rendezvous_needs_a_sender_and_a_receiver_at_once() {
    let (tx, rx) = channel(0);
    assert_eq!(
        (tx.capacity(), tx.try_send(1), rx.try_recv()),
        (Some(0), Err(TrySendError::Full(1)), Err(TryRecvError::Empty))
    );
    // A send waits for a receive,
    let (mut one, mut two) = (waiting(tx.send(1)), waiting(tx.send(2)));
    assert_eq!(at_once(rx.recv()), Ok(1));
    assert_eq!(one.served(), Ok(()));
    assert!(!two.was_woken());
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(two.served(), Ok(()));
    // and a receive waits for a send.
    let (mut one, mut two) = (waiting(rx.recv()), waiting(rx.recv()));
    assert_eq!(tx.try_send(3), Ok(()));
    assert_eq!(at_once(tx.send(4)), Ok(()));
    assert_eq!(tx.try_send(5), Err(TrySendError::Full(5)));
    assert_eq!((one.served(), two.served(), rx.len()), (Ok(3), Ok(4), 0));
}

#[test]
fn a_closed_channel_returns_what_is_left_and_refuses_new_messages() {
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
fn closing_wakes_all_waiters_on_both_sides() {
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
fn a_channel_is_closed_when_the_last_handle_of_one_side_is_dropped() {
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
    assert_eq!(tx.len(), 0, "messages that can no longer be received are dropped");
}

#[test]
fn messages_that_are_left_are_dropped_with_the_last_receiver() {
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
fn an_error_returns_the_message() {
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
fn a_stream_that_waits_keeps_its_position_in_line() {
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
fn a_message_handed_to_a_stream_can_be_received_in_any_way() {
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
fn a_stream_leaves_the_line_when_its_receiver_is_dropped() {
    let (tx, rx) = unbounded();
    let (mut one, mut two) = (rx.clone(), rx.clone());
    let kept = [waiting(async { one.next().await }), waiting(async { two.next().await })];
    tx.try_send(1).unwrap();
    kept.into_iter().for_each(Hand::leave_in_line);
    drop(one); // with the message that was handed to it
    tx.try_send(2).unwrap();
    assert_eq!(at_once(two.next()), Some(1));
    drop(two);
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(2), Err(TryRecvError::Empty)));
}
