//! The wait list and the primitives on it: each wait gets what it waits for or is dropped, and nothing is lost between
//! the two.

use super::kit::{Bell, Drops, RingBy, Tracked, every_interleaving, interleavings_with, poll_once_and_drop};
use crate::sync::{Barrier, Event, Mutex, RecvError, Semaphore, TryRecvError, broadcast, channel, oneshot, watch};
use loom::thread;
use models::block_on;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

// Three threads lock a mutex, so up to two of them wait: each gets the lock, one after the other, and two threads never
// access the value at once.
#[test]
fn a_mutex_is_handed_from_one_waiter_to_the_next() {
    interleavings_with(3, || {
        let drops = Drops::new();
        let mutex = Arc::new(Mutex::new(Tracked::new(&drops)));
        let add = |mutex: Arc<Mutex<Tracked>>| move || block_on(async { mutex.lock().await.touch() });
        let (one, other) = (thread::spawn(add(mutex.clone())), thread::spawn(add(mutex.clone())));
        block_on(async { mutex.lock().await.touch() });
        one.join().unwrap();
        other.join().unwrap();
        drop(mutex);
        assert_eq!(drops.count(), 1);
    });
}

// A permit that is handed over while its wait is dropped is not lost.
#[test]
fn a_permit_handed_to_a_dropped_waiter_goes_to_the_next_one() {
    every_interleaving(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.try_acquire().unwrap();
        let goes = thread::spawn({
            let semaphore = semaphore.clone();
            move || drop(poll_once_and_drop(semaphore.acquire()))
        });
        drop(permit);
        drop(block_on(semaphore.acquire()));
        goes.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1, "there is one permit, and the semaphore counts another number");
    });
}

// A wait for many permits is dropped at the front of the line: the waits for few permits behind it get theirs.
#[test]
fn a_dropped_waiter_for_many_permits_lets_the_next_one_pass() {
    interleavings_with(3, || {
        let semaphore = Arc::new(Semaphore::new(1));
        let goes = thread::spawn({
            let semaphore = semaphore.clone();
            move || drop(poll_once_and_drop(semaphore.acquire_many(2)))
        });
        drop(block_on(semaphore.acquire()));
        goes.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1, "there is one permit, and the semaphore counts another number");
    });
}

// A wait is polled with another waker while it is woken: the new waker is called, or the poll is ready.
#[test]
fn a_waiter_whose_waker_is_replaced_while_it_is_woken_completes() {
    every_interleaving(|| {
        let event = Arc::new(Event::new());
        let sets = thread::spawn({
            let event = event.clone();
            move || event.set()
        });
        let (first, second) = (Bell::new(), Bell::new());
        let mut wait = pin!(event.wait());
        let mut poll = |bell: &loom::sync::Arc<Bell>| {
            let waker = bell.clone().waker();
            wait.as_mut().poll(&mut Context::from_waker(&waker))
        };
        if poll(&first).is_pending() && poll(&second).is_pending() {
            second.wait();
            assert!(poll(&first).is_ready());
        }
        sets.join().unwrap();
    });
}

#[test]
fn messages_from_two_threads_arrive_once_each_and_then_the_channel_is_closed() {
    interleavings_with(2, || {
        let (tx, rx) = channel(1);
        let send = |tx: crate::sync::Sender<u32>, n| thread::spawn(move || block_on(tx.send(n)).unwrap());
        let senders = [send(tx.clone(), 1), send(tx, 2)];
        let received = block_on(async { [rx.recv().await.unwrap(), rx.recv().await.unwrap()] });
        assert_eq!(received.iter().sum::<u32>(), 3);
        assert_eq!(block_on(rx.recv()), Err(RecvError));
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

#[test]
fn a_rendezvous_hands_the_message_over() {
    interleavings_with(3, || {
        let drops = Drops::new();
        let (tx, rx) = channel(0);
        let sends = thread::spawn({
            let message = Tracked::new(&drops);
            move || block_on(tx.send(message)).is_ok()
        });
        block_on(rx.recv()).unwrap().touch();
        assert!(sends.join().unwrap());
        assert_eq!(drops.count(), 1);
    });
}

// A message that is handed to a receive while that is dropped goes to the next one.
#[test]
fn a_message_handed_to_a_dropped_receive_goes_to_the_next_one() {
    every_interleaving(|| {
        let (tx, rx) = channel(1);
        let goes = thread::spawn({
            let rx = rx.clone();
            move || poll_once_and_drop(rx.recv()).map(Result::unwrap)
        });
        block_on(tx.send(7)).unwrap();
        let taken = goes.join().unwrap();
        assert_eq!(taken.or_else(|| rx.try_recv().ok()), Some(7));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    });
}

// The same with a rendezvous, whose send has already completed.
#[test]
fn a_message_handed_over_in_a_rendezvous_with_a_dropped_receive_goes_to_the_next_one() {
    every_interleaving(|| {
        let (tx, rx) = channel(0);
        let goes = thread::spawn({
            let rx = rx.clone();
            move || poll_once_and_drop(rx.recv()).map(Result::unwrap)
        });
        let sent = tx.try_send(7).is_ok();
        let taken = goes.join().unwrap();
        assert_eq!(taken.or_else(|| rx.try_recv().ok()), sent.then_some(7));
    });
}

// A dropped send that waits for room either drops its message or has sent it; never both, never neither.
#[test]
fn the_message_of_a_dropped_send_is_dropped_or_sent() {
    every_interleaving(|| {
        let drops = Drops::new();
        let (tx, rx) = channel(1);
        tx.try_send(Tracked::new(&drops)).ok().unwrap();
        let goes = thread::spawn({
            let message = Tracked::new(&drops);
            move || poll_once_and_drop(tx.send(message)).is_some()
        });
        rx.try_recv().unwrap().touch();
        let was_ready = goes.join().unwrap();
        let second = rx.try_recv();
        assert!(second.is_ok() || !was_ready);
        drop(second);
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn the_drop_of_the_last_sender_wakes_the_receiver() {
    every_interleaving(|| {
        let (tx, rx) = channel::<u32>(1);
        let goes = thread::spawn(move || drop(tx));
        assert_eq!(block_on(rx.recv()), Err(RecvError));
        goes.join().unwrap();
    });
}

#[test]
fn the_drop_of_the_last_receiver_wakes_the_sender() {
    every_interleaving(|| {
        let drops = Drops::new();
        let (tx, rx) = channel(1);
        tx.try_send(Tracked::new(&drops)).ok().unwrap();
        let goes = thread::spawn(move || drop(rx));
        let error = block_on(tx.send(Tracked::new(&drops))).expect_err("there is no receiver");
        error.0.touch();
        goes.join().unwrap();
        drop((error, tx));
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn a_oneshot_message_is_received_or_returned() {
    every_interleaving(|| {
        let drops = Drops::new();
        let (tx, rx) = oneshot();
        let message = Tracked::new(&drops);
        let sends = thread::spawn(move || tx.send(message).is_ok());
        let received = poll_once_and_drop(rx);
        let was_sent = sends.join().unwrap();
        assert!(was_sent || received.is_none());
        drop(received);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_oneshot_that_is_awaited_resolves_when_it_is_sent_or_dropped() {
    every_interleaving(|| {
        let (tx, rx) = oneshot();
        let sends = thread::spawn(move || tx.send(7));
        assert_eq!(block_on(rx), Ok(7));
        sends.join().unwrap().unwrap();
    });
    every_interleaving(|| {
        let (tx, rx) = oneshot::<u32>();
        let goes = thread::spawn(move || drop(tx));
        assert_eq!(block_on(rx), Err(RecvError));
        goes.join().unwrap();
    });
}

#[test]
fn all_waiters_at_a_barrier_continue() {
    interleavings_with(3, || {
        let barrier = Arc::new(Barrier::new(2));
        let goes = thread::spawn({
            let barrier = barrier.clone();
            move || poll_once_and_drop(barrier.wait())
        });
        let other = thread::spawn({
            let barrier = barrier.clone();
            move || block_on(barrier.wait())
        });
        // The first wait has been dropped and may no longer count. With this third wait there are always two.
        let goes = goes.join().unwrap();
        if goes.is_none() {
            poll_once_and_drop(barrier.wait());
            // A wait that is left alone needs one more.
            let mut last = pin!(barrier.wait());
            let _ = last.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            other.join().unwrap();
        } else {
            other.join().unwrap();
        }
    });
}

#[test]
fn a_broadcast_and_a_watch_wake_their_waiters() {
    every_interleaving(|| {
        let (tx, mut rx) = broadcast(1);
        let sends = thread::spawn(move || tx.send(7).unwrap());
        assert_eq!(block_on(rx.recv()), Ok(7));
        sends.join().unwrap();
    });
    every_interleaving(|| {
        let (tx, mut rx) = watch(0);
        let sends = thread::spawn(move || tx.send(7).unwrap());
        assert_eq!(block_on(rx.wait_for(|n| *n == 7)).map(|n| *n), Ok(7));
        sends.join().unwrap();
    });
}

// A stream's position in line has its own allocation, which is freed with the receiver, whatever is handed to it.
#[test]
fn a_stream_dropped_while_a_message_is_handed_to_it_loses_no_message() {
    every_interleaving(|| {
        let drops = Drops::new();
        let (tx, mut rx) = channel(1);
        let (message, other) = (Tracked::new(&drops), rx.clone());
        let streams = thread::spawn(move || {
            let next = futures_lite::Stream::poll_next(Pin::new(&mut rx), &mut Context::from_waker(Waker::noop()));
            matches!(next, Poll::Ready(Some(_)))
        });
        block_on(tx.send(message)).ok().unwrap();
        let taken = streams.join().unwrap();
        assert_eq!(other.try_recv().is_ok(), !taken);
        assert_eq!(drops.count(), 1);
    });
}

// Any other way to receive first gives up the stream's position. Two threads do so at once, while a message is handed
// to it.
#[test]
fn two_threads_that_give_up_a_streams_position_at_once_lose_no_message() {
    every_interleaving(|| {
        let (tx, mut rx) = channel(1);
        let next = futures_lite::Stream::poll_next(Pin::new(&mut rx), &mut Context::from_waker(Waker::noop()));
        assert!(next.is_pending());
        let rx = Arc::new(rx);
        let receives = thread::spawn({
            let rx = rx.clone();
            move || rx.try_recv().ok()
        });
        tx.try_send(7).unwrap();
        let taken = [rx.try_recv().ok(), receives.join().unwrap(), rx.try_recv().ok()];
        assert_eq!(taken.into_iter().flatten().collect::<Vec<_>>(), [7]);
    });
}

// The same while no message is handed to the stream, with another wait behind it in line, which gets the message.
#[test]
fn two_threads_that_give_up_a_streams_position_before_another_one_lose_no_message() {
    every_interleaving(|| {
        let (tx, mut rx) = channel(1);
        let other = rx.clone();
        let next = futures_lite::Stream::poll_next(Pin::new(&mut rx), &mut Context::from_waker(Waker::noop()));
        assert!(next.is_pending());
        let mut behind = pin!(other.recv());
        assert!(behind.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let rx = Arc::new(rx);
        let receives = thread::spawn({
            let rx = rx.clone();
            move || {
                assert!(rx.try_recv().is_err());
                tx.try_send(7).unwrap();
                tx
            }
        });
        assert!(rx.try_recv().is_err());
        let tx = receives.join().unwrap();
        assert_eq!(behind.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(7)));
        tx.try_send(8).unwrap();
        assert_eq!(rx.try_recv(), Ok(8));
    });
}
