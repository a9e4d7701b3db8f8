//! The suite for channels. The whole file is yours: add functions as you need them.

use crate::{Receiver, Sender};

/// Checks that a channel keeps the rules of [`Sender`]. `make` makes one with room for the given number of messages.
///
/// # Panics
/// If the channel breaks a rule, in an order of events that the suite tries.
pub fn channel_suite<S: Sender, R: Receiver>(make: impl Fn(usize) -> (S, R) + Copy) {
    use executor::test::explore;
    use executor::time::{Duration, timeout};
    use executor::{spawn_local, yield_now};
    use std::task::Poll;
    use tests::kit::{Dice, at_once, hand, waiting};

    a_full_channel_lets_a_send_wait(make);
    the_end_is_seen(make);
    the_last_waker_is_called(make);
    a_dropped_receive_loses_nothing(make);
    dropped_sends_send_nothing_and_pass_the_wake_on(make);
    room_for_two_serves_two(make);
    tasks_in_any_order(make);

    fn a_full_channel_lets_a_send_wait<S: Sender, R: Receiver>(make: impl Fn(usize) -> (S, R)) {
        for capacity in 1..4 {
            let (tx, rx) = make(capacity);
            for n in 0..capacity as u64 {
                assert_eq!(at_once(tx.send(n)), Ok(()), "room: there is room for message {n}");
            }
            let mut send = hand(tx.send(capacity as u64));
            assert!(send.poll().is_pending(), "room: a message was sent into a full channel");
            assert_eq!(at_once(rx.recv()), Some(0), "order: the first message arrives first");
            assert!(send.was_woken(), "wakes: there is room, and the send that waits was not woken");
            assert_eq!(send.ready(), Ok(()));
            for n in 1..=capacity as u64 {
                assert_eq!(at_once(rx.recv()), Some(n), "order: message {n} is the next one");
            }
        }
    }

    fn the_end_is_seen<S: Sender, R: Receiver>(make: impl Fn(usize) -> (S, R)) {
        let (tx, rx) = make(2);
        at_once(tx.send(1)).expect("there is a receiver");
        let other = tx.clone();
        drop(tx);
        assert_eq!(at_once(rx.recv()), Some(1));
        let mut receive = waiting(rx.recv());
        assert!(!receive.was_woken(), "the end: one sender is left");
        drop(other);
        assert!(receive.was_woken(), "the end: the last sender is gone, and the receive was not woken");
        assert_eq!(receive.ready(), None);

        let (tx, rx) = make(2);
        at_once(tx.send(1)).expect("there is a receiver");
        drop(tx);
        assert_eq!(at_once(rx.recv()), Some(1), "the end: what is left is received first");
        assert_eq!(at_once(rx.recv()), None);

        let (tx, rx) = make(1);
        at_once(tx.send(1)).expect("there is a receiver");
        let mut sends = [waiting(tx.send(2)), waiting(tx.send(3))];
        drop(rx);
        for (send, message) in sends.iter_mut().zip([2, 3]) {
            assert!(send.was_woken(), "the end: the receiver is gone, and a send was not woken");
            assert_eq!(send.ready(), Err(message), "the end: the send returns its message");
        }
        assert_eq!(at_once(tx.send(4)), Err(4));
    }

    fn the_last_waker_is_called<S: Sender, R: Receiver>(make: impl Fn(usize) -> (S, R)) {
        let (tx, rx) = make(1);
        let mut receive = waiting(rx.recv());
        receive.replace_waker();
        assert!(receive.poll().is_pending(), "there: no message was sent");
        at_once(tx.send(1)).expect("there is a receiver");
        assert!(receive.was_woken(), "wakes: the receive was polled with another waker, which was not called");
        assert_eq!(receive.ready(), Some(1));

        at_once(tx.send(2)).expect("there is a receiver");
        let mut send = waiting(tx.send(3));
        send.replace_waker();
        assert!(send.poll().is_pending(), "room: the channel is full");
        assert_eq!(at_once(rx.recv()), Some(2));
        assert!(send.was_woken(), "wakes: the send was polled with another waker, which was not called");
        assert_eq!(send.ready(), Ok(()));
    }

    fn a_dropped_receive_loses_nothing<S: Sender, R: Receiver>(make: impl Fn(usize) -> (S, R)) {
        let (tx, rx) = make(1);
        let receive = waiting(rx.recv());
        at_once(tx.send(1)).expect("there is a receiver");
        assert!(receive.was_woken());
        drop(receive);
        let mut again = hand(rx.recv());
        assert!(again.poll() == Poll::Ready(Some(1)), "drops: a dropped receive has lost a message");
    }

    fn dropped_sends_send_nothing_and_pass_the_wake_on<S: Sender, R: Receiver>(make: impl Fn(usize) -> (S, R)) {
        let (tx, rx) = make(1);
        at_once(tx.send(1)).expect("there is a receiver");
        let (first, second, third) = (waiting(tx.send(2)), waiting(tx.send(3)), waiting(tx.send(4)));
        drop(first);
        assert_eq!(at_once(rx.recv()), Some(1));
        // A channel need not be fair: either of the two may be the one that is woken.
        let (woken, mut other) = if second.was_woken() { (second, third) } else { (third, second) };
        assert!(woken.was_woken(), "wakes: there is room, and no send was woken");
        drop(woken);
        // The channel may have taken its message when it woke it. Then there is room again after one more receive.
        let there = if other.was_woken() { None } else { Some(hand(rx.recv()).poll()) };
        assert!(other.was_woken(), "drops: a send was woken and dropped, and the next one was not woken");
        assert_eq!(other.ready(), Ok(()));
        assert!(
            !matches!(there, Some(Poll::Ready(Some(2)))),
            "drops: a send that was dropped while it waited was sent"
        );
        assert_ne!(at_once(rx.recv()), Some(2), "drops: a send that was dropped while it waited was sent");
    }

    fn room_for_two_serves_two<S: Sender, R: Receiver>(make: impl Fn(usize) -> (S, R)) {
        let (tx, rx) = make(2);
        for n in 0..2 {
            at_once(tx.send(n)).expect("there is a receiver");
        }
        let mut sends = [waiting(tx.send(2)), waiting(tx.send(3))];
        for n in 0..2 {
            assert_eq!(at_once(rx.recv()), Some(n));
        }
        for _ in 0..2 {
            let woken = sends.iter_mut().find(|send| send.was_woken());
            let send = woken.expect("wakes: there is room for two, and only one send was woken");
            assert_eq!(send.ready(), Ok(()));
        }
    }

    // Three tasks send, one receives, and each gives up now and then.
    fn tasks_in_any_order<S: Sender, R: Receiver>(make: impl Fn(usize) -> (S, R)) {
        explore(60, |network| {
            let (tx, rx) = make(1 + (network.random() % 3) as usize);
            async move {
                let senders: Vec<_> = (0..3)
                    .map(|sender| {
                        let (tx, mut dice) = (tx.clone(), Dice::new(network.random()));
                        spawn_local(async move {
                            for n in 0..5 {
                                if dice.once_in(2) {
                                    yield_now().await;
                                }
                                tx.send(sender * 100 + n).await.expect("there is a receiver");
                            }
                        })
                    })
                    .collect();
                drop(tx);
                let (mut dice, mut received) = (Dice::new(network.random()), Vec::new());
                loop {
                    let limit = Duration::from_millis(dice.roll(3));
                    match timeout(limit, rx.recv()).await {
                        Ok(Some(message)) => received.push(message),
                        Ok(None) => break,
                        Err(_) => yield_now().await,
                    }
                }
                for sender in 0..3 {
                    let of_one: Vec<_> = received.iter().filter(|message| **message / 100 == sender).collect();
                    let sent: Vec<_> = (0..5).map(|n| sender * 100 + n).collect();
                    assert!(of_one.into_iter().eq(&sent), "order: {received:?} was received");
                }
                for sender in senders {
                    sender.await.expect("it has sent all");
                }
            }
        });
    }
}
