//! More waiters than one round wakes.

use super::kit::{Alive, Boxed, Crowd, at_once, waiting};
use executor::sync::{
    Barrier, BroadcastError, Condvar, Event, Mutex, RecvError, RwLock, Semaphore, broadcast, channel, unbounded, watch,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Lock};
use std::task::{Context, Waker};

/// More than six rounds.
pub(super) const MANY: usize = 100;

fn nothing<T>(_: &Arc<Crowd<T>>, _: usize) {}

#[test]
fn any_number_of_waiters_are_each_woken_once() {
    for size in [1, 2, 15, 16, 17, 31, 32, 33, MANY] {
        let event = Arc::new(Event::new());
        let crowd = Crowd::gather(size, |_| Box::pin(wait(event.clone())), nothing);
        event.set();
        assert_eq!(crowd.all_done().len(), size);

        let semaphore = Arc::new(Semaphore::new(0));
        let acquire = |semaphore: Arc<Semaphore>| async move { semaphore.acquire().await.forget() };
        let crowd = Crowd::gather(size, |_| Box::pin(acquire(semaphore.clone())), nothing);
        semaphore.add_permits(size + 1);
        assert_eq!((crowd.all_done().len(), semaphore.available_permits()), (size, 1));

        let barrier = Arc::new(Barrier::new(size + 1));
        let meet = |barrier: Arc<Barrier>| async move { barrier.wait().await };
        let crowd = Crowd::gather(size, |_| Box::pin(meet(barrier.clone())), nothing);
        assert!(at_once(barrier.wait()));
        assert!(crowd.all_done().iter().all(|(_, leads)| !leads));

        let shared = Arc::new((Mutex::new(()), Condvar::new()));
        let crowd = Crowd::gather(size, |_| Box::pin(notified(shared.clone())), nothing);
        shared.1.notify_all();
        assert_eq!(crowd.all_done().len(), size);

        let lock = Arc::new(RwLock::new(()));
        let held = lock.try_write().unwrap();
        let read = |lock: Arc<RwLock<()>>| async move { drop(lock.read().await) };
        let crowd = Crowd::gather(size, |_| Box::pin(read(lock.clone())), nothing);
        drop(held);
        assert!(lock.try_write().is_none());
        crowd.all_done();
        assert!(lock.try_write().is_some());

        let (tx, rx) = unbounded::<()>();
        let receive = |rx: executor::sync::Receiver<()>| async move { rx.recv().await };
        let crowd = Crowd::gather(size, |_| Box::pin(receive(rx.clone())), nothing);
        drop(tx);
        assert!(crowd.all_done().iter().all(|(_, got)| *got == Err(RecvError)));

        let (tx, _rx) = broadcast(1);
        let news = |mut rx: executor::sync::BroadcastReceiver<usize>| async move { rx.recv().await };
        let crowd = Crowd::gather(size, |_| Box::pin(news(tx.subscribe())), nothing);
        assert_eq!(tx.send(7), Ok(size + 1));
        assert!(crowd.all_done().iter().all(|(_, got)| *got == Ok(7)));
        let crowd = Crowd::gather(size, |_| Box::pin(news(tx.subscribe())), nothing);
        drop(tx);
        assert!(crowd.all_done().iter().all(|(_, got)| *got == Err(BroadcastError::Closed)));

        let (tx, rx) = watch(0);
        let changed = |mut rx: executor::sync::WatchReceiver<usize>| async move { rx.changed().await };
        let crowd = Crowd::gather(size, |_| Box::pin(changed(rx.clone())), nothing);
        tx.send(7).unwrap();
        assert!(crowd.all_done().iter().all(|(_, got)| got.is_ok()));
        let crowd = Crowd::gather(size, |_| Box::pin(changed(tx.subscribe())), nothing);
        drop(tx);
        assert!(crowd.all_done().iter().all(|(_, got)| got.is_err()));
    }
}

pub(super) async fn wait(event: Arc<Event>) {
    event.wait().await;
}

async fn notified(shared: Arc<(Mutex<()>, Condvar)>) {
    drop(shared.1.wait(shared.0.lock().await).await);
}

#[test]
fn closing_returns_the_messages_of_a_hundred_senders() {
    for capacity in [0, 3] {
        let alive = Alive::default();
        let (tx, rx) = channel(capacity);
        (0..capacity).for_each(|n| tx.try_send(alive.token(n)).unwrap());
        let send = |at: usize| {
            let (tx, message) = (tx.clone(), alive.token(at));
            Box::pin(async move { tx.send(message).await })
        };
        let crowd = Crowd::gather(MANY, |at| send(at), nothing);
        rx.close();
        for (at, back) in crowd.all_done() {
            assert_eq!(back.unwrap_err().0.0, at);
        }
        assert_eq!(alive.count(), capacity);
        drop(rx);
        assert_eq!((alive.count(), alive.drops()), (0, MANY + capacity));
    }
}

#[test]
fn wakers_of_an_event_can_set_and_clear_it_and_drop_its_waits() {
    let event = Arc::new(Event::new());
    let late: Arc<Lock<Vec<Boxed<()>>>> = Arc::default();
    let crowd = Crowd::gather(MANY, |_| Box::pin(wait(event.clone())), {
        let (event, late) = (event.clone(), late.clone());
        move |crowd, at| match at {
            3 => {
                event.clear();
                let mut waits: Boxed<()> = Box::pin(wait(event.clone()));
                assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                late.lock().unwrap().push(waits);
                crowd.drop_wait(MANY - 1); // in line; this drop wakes the next rounds, from inside of a wake
                (40..60).for_each(|other| crowd.drop_wait(other));
                (5..9).for_each(|other| crowd.drop_wait(other)); // of the same round, and so no longer in line
            }
            20 => {
                event.set(); // wakes all the rest, and the late one, from inside of a wake
                event.clear();
            }
            30 => {
                let mut waits: Boxed<()> = Box::pin(wait(event.clone()));
                assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                late.lock().unwrap().push(waits);
            }
            _ => {}
        }
    });
    event.set();
    let done = crowd.all_done();
    assert_eq!(done.len(), MANY - 4 - 20 - 1);
    assert!(!event.is_set());
    let mut late = late.lock().unwrap();
    let mut poll = |at: usize| late[at].as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll(0).is_ready(), "it waited when it was set again");
    assert!(poll(1).is_pending(), "it came after that");
    event.set();
    assert!(poll(1).is_ready());
}

#[test]
fn a_set_wakes_all_waiters_even_if_the_event_is_cleared_between_two_rounds() {
    let event = Arc::new(Event::new());
    let crowd = Crowd::gather(MANY, |_| Box::pin(wait(event.clone())), {
        let event = event.clone();
        move |_, at| {
            if at == 0 {
                event.clear();
            }
        }
    });
    event.set();
    assert_eq!(crowd.all_done().len(), MANY);
    assert!(!event.is_set());
}

#[test]
fn a_barrier_can_be_used_again_while_it_still_wakes_the_last_waiters() {
    let barrier = Arc::new(Barrier::new(MANY + 1));
    let meet = |barrier: Arc<Barrier>| async move { barrier.wait().await };
    let again: Arc<Lock<Vec<Boxed<bool>>>> = Arc::default();
    let crowd = Crowd::gather(MANY, |_| Box::pin(meet(barrier.clone())), {
        let (barrier, again) = (barrier.clone(), again.clone());
        move |crowd, at| {
            let mut waits: Boxed<bool> = Box::pin(meet(barrier.clone()));
            assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            again.lock().unwrap().push(waits);
            if at == 2 {
                crowd.drop_wait(MANY - 1); // it has arrived: no other wait must take its position
                crowd.drop_wait(4);
            }
        }
    });
    assert!(at_once(barrier.wait()));
    assert_eq!(crowd.all_done().len(), MANY - 2);
    // Each waiter that was woken has arrived again. One was dropped in line and never woken.
    assert!(format!("{barrier:?}").ends_with(&format!("({} of {} have arrived)", MANY - 1, MANY + 1)), "{barrier:?}");
    let mut one_more = waiting(barrier.wait());
    assert!(at_once(barrier.wait()));
    assert!(!one_more.served());
}

#[test]
fn no_message_is_both_received_and_returned() {
    let (tx, rx) = channel(0);
    let received = Arc::new(Lock::new(vec![]));
    let send = |at: usize| {
        let tx = tx.clone();
        Box::pin(async move { tx.send(at).await })
    };
    let crowd = Crowd::gather(MANY, |at| send(at), {
        let (rx, received) = (rx.clone(), received.clone());
        move |_, _| {
            let got = rx.try_recv(); // wakes the next round from inside of a wake
            received.lock().unwrap().push(got);
        }
    });
    rx.close();
    assert!(received.lock().unwrap().iter().all(|got| got.is_err()), "the channel was closed");
    assert!(crowd.all_done().iter().all(|(at, back)| back.unwrap_err().0 == *at));
}

#[test]
fn messages_arrive_once_when_wakers_send_and_receive() {
    let (tx, rx) = channel(1);
    let sum = Arc::new(AtomicUsize::new(0));
    tx.try_send(0).unwrap();
    let send = |at: usize| {
        let tx = tx.clone();
        Box::pin(async move { tx.send(at).await })
    };
    // Each sender that is woken receives, which wakes the next.
    let crowd = Crowd::gather(MANY, |at| send(at + 1), {
        let (rx, sum) = (rx.clone(), sum.clone());
        move |_, _| {
            if let Ok(n) = rx.try_recv() {
                sum.fetch_add(n, Ordering::SeqCst);
            }
        }
    });
    assert_eq!(rx.try_recv(), Ok(0));
    assert_eq!(sum.load(Ordering::SeqCst), MANY * (MANY + 1) / 2);
    assert!(crowd.all_done().iter().all(|(_, sent)| sent.is_ok()));
    assert!(rx.is_empty());
}

#[test]
fn notify_one_during_notify_all_wakes_one_later_waiter() {
    let shared = Arc::new((Mutex::new(()), Condvar::new()));
    let late: Arc<Lock<Vec<Boxed<()>>>> = Arc::default();
    let crowd = Crowd::gather(MANY, |_| Box::pin(notified(shared.clone())), {
        let (shared, late) = (shared.clone(), late.clone());
        move |crowd, at| {
            if at == 1 {
                // Three waits begin after `notify_all`; the notice for one waiter goes to one of these three.
                for _ in 0..3 {
                    let mut waits: Boxed<()> = Box::pin(notified(shared.clone()));
                    assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                    late.lock().unwrap().push(waits);
                }
                shared.1.notify_one();
                crowd.drop_wait(70);
                crowd.drop_wait(5);
            }
        }
    });
    shared.1.notify_all();
    assert_eq!(crowd.all_done().len(), MANY - 2);
    let mut late = late.lock().unwrap();
    let done = late.iter_mut().map(|late| late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(done.collect::<Vec<_>>(), [true, false, false]);
}
