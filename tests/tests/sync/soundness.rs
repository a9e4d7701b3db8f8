//! What must not compile, what may be leaked, and messages that panic when they are dropped.

use super::kit::{at_once, panic_text, waiting};
use executor::sync::{
    Barrier, BroadcastReceiver, BroadcastSender, Condvar, Event, Mutex, MutexGuard, OneshotReceiver, OneshotSender,
    OwnedMutexGuard, OwnedPermit, Permit, ReadGuard, Receiver, RecvFuture, RwLock, Semaphore, SendError, SendFuture,
    Sender, WatchReceiver, WatchSender, WriteGuard, broadcast, channel, oneshot, unbounded, watch,
};
use futures_lite::StreamExt;
use std::cell::Cell;
use std::future::Future;
use std::mem::forget;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use tests::Counting;

// ---- Send and Sync ----

/// A `Cell` is Send and not Sync; a guard of std is Sync and not Send.
type NotSync = Cell<u8>;
type NotSend = std::sync::MutexGuard<'static, u8>;
type Neither = Rc<u8>;

/// Compiles only if all types have the bound.
macro_rules! is {
    ($bound:path: $($type:ty),* $(,)?) => {
        const _: fn() = || {
            fn is<T: ?Sized + $bound>() {}
            $(is::<$type>();)*
        };
    };
}

/// Compiles only if no type has the bound: if one has it, `_` is ambiguous.
macro_rules! is_not {
    ($bound:path: $($type:ty),* $(,)?) => {$(
        const _: fn() = || {
            struct Is;
            trait Ambiguous<A> {
                fn is_not() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + $bound> Ambiguous<Is> for T {}
            <$type as Ambiguous<_>>::is_not();
        };
    )*};
}

is!(Send: Semaphore, Permit<'static>, OwnedPermit, Event, Condvar, Barrier);
is!(Sync: Semaphore, Permit<'static>, OwnedPermit, Event, Condvar, Barrier);

// A lock and its guards are Send or Sync as far as that is sound for the value.
is!(Send: Mutex<u8>, Mutex<NotSync>, MutexGuard<'static, NotSync>, OwnedMutexGuard<NotSync>);
is!(Sync: Mutex<u8>, Mutex<NotSync>, MutexGuard<'static, u8>, MutexGuard<'static, NotSend>, OwnedMutexGuard<u8>);
is_not!(Send: Mutex<NotSend>, Mutex<Neither>, MutexGuard<'static, NotSend>, OwnedMutexGuard<NotSend>,
    OwnedMutexGuard<Neither>);
is_not!(Sync: Mutex<NotSend>, Mutex<Neither>, MutexGuard<'static, NotSync>, OwnedMutexGuard<NotSync>,
    MutexGuard<'static, Neither>);
is!(Send: RwLock<u8>, RwLock<NotSync>, ReadGuard<'static, u8>, WriteGuard<'static, u8>);
is!(Sync: RwLock<u8>, ReadGuard<'static, u8>, WriteGuard<'static, u8>);
is_not!(Send: RwLock<NotSend>, RwLock<Neither>, ReadGuard<'static, NotSync>, ReadGuard<'static, NotSend>,
    WriteGuard<'static, NotSend>, WriteGuard<'static, Neither>);
is_not!(Sync: RwLock<NotSync>, RwLock<NotSend>, ReadGuard<'static, NotSync>, WriteGuard<'static, NotSync>);

// A channel moves its messages between threads, and never shares one.
is!(Send: Sender<u8>, Sender<NotSync>, Receiver<NotSync>, SendFuture<'static, NotSync>, RecvFuture<'static, NotSync>,
    OneshotSender<NotSync>, OneshotReceiver<NotSync>);
is!(Sync: Sender<NotSync>, Receiver<NotSync>, OneshotSender<NotSync>, OneshotReceiver<NotSync>);
is_not!(Send: Sender<NotSend>, Receiver<NotSend>, SendFuture<'static, NotSend>, RecvFuture<'static, NotSend>,
    OneshotSender<NotSend>, OneshotReceiver<NotSend>, Sender<Neither>, Receiver<Neither>);
is_not!(Sync: Sender<NotSend>, Receiver<NotSend>, OneshotSender<NotSend>, OneshotReceiver<NotSend>, Sender<Neither>);

// A message of a broadcast is cloned by one receiver at a time, and so is never seen by two threads at once.
is!(Send: BroadcastSender<u8>, BroadcastReceiver<u8>, BroadcastSender<NotSync>, BroadcastReceiver<NotSync>);
is!(Sync: BroadcastSender<u8>, BroadcastReceiver<u8>, BroadcastSender<NotSync>, BroadcastReceiver<NotSync>);
is_not!(Send: BroadcastSender<NotSend>, BroadcastReceiver<NotSend>, BroadcastSender<Neither>);
is_not!(Sync: BroadcastSender<NotSend>, BroadcastReceiver<NotSend>, BroadcastSender<Neither>);

// All receivers share the value, so it must be Sync.
is!(Send: WatchSender<u8>, WatchReceiver<u8>);
is!(Sync: WatchSender<u8>, WatchReceiver<u8>);
is_not!(Send: WatchSender<NotSync>, WatchReceiver<NotSync>, WatchSender<NotSend>, WatchReceiver<NotSend>);
is_not!(Sync: WatchSender<NotSync>, WatchReceiver<NotSend>);

// A wait is pinned, because the wait list points to it. Handles and guards can be moved.
is_not!(Unpin: SendFuture<'static, u8>, RecvFuture<'static, u8>);
is!(Unpin: Sender<u8>, Receiver<u8>, OneshotReceiver<u8>, OneshotSender<u8>, MutexGuard<'static, u8>);

/// The futures of the async functions may go to another thread, too.
#[test]
fn waits_may_move_to_another_thread_while_they_wait() {
    fn moves<F: Future<Output: Send> + Send>(future: F) {
        let mut future = Box::pin(future);
        let counting = Counting::new();
        let waker = counting.waker();
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        std::thread::scope(|scope| drop(scope.spawn(move || drop(future)).join()));
        drop(waker);
        assert_eq!(counting.wakers(1), 0);
    }
    let semaphore = Arc::new(Semaphore::new(0));
    moves(semaphore.acquire());
    moves(semaphore.acquire_owned());
    let mutex = Arc::new(Mutex::new(Cell::new(0)));
    let held = mutex.try_lock().unwrap();
    moves(mutex.lock());
    moves(mutex.lock_owned());
    drop(held);
    let lock = RwLock::new(0);
    let held = lock.try_write().unwrap();
    moves(lock.read());
    moves(lock.write());
    drop(held);
    moves(Event::new().wait());
    let changed = Condvar::new();
    moves(changed.wait(mutex.try_lock().unwrap()));
    moves(changed.wait_while(mutex.try_lock().unwrap(), |_| true));
    moves(Barrier::new(2).wait());
    let (tx, mut rx) = channel(0);
    moves(tx.send(Cell::new(0)));
    moves(rx.recv());
    moves(async move { rx.next().await });
    let (mut tx, rx) = oneshot::<Cell<u8>>();
    moves(tx.closed());
    moves(rx);
    let (_tx, mut rx) = broadcast::<u8>(1);
    moves(rx.recv());
    let (_tx, mut rx) = watch(0);
    moves(rx.changed());
    moves(rx.wait_for(|n| *n > 0));
}

// ---- leaks ----

/// Polls a future once and leaks it, so that it stays in line for ever.
fn leak<'a, T: 'a>(future: impl Future<Output = T> + 'a) {
    let mut future: Pin<Box<dyn Future<Output = T> + 'a>> = Box::pin(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    forget(future);
}

#[test]
fn an_acquire_that_is_leaked_keeps_its_position_in_line() {
    let semaphore = Semaphore::new(0);
    let mut before = waiting(semaphore.acquire());
    leak(semaphore.acquire());
    let mut after = waiting(semaphore.acquire());
    semaphore.add_permits(2);
    before.served().forget();
    assert!(!after.was_woken(), "the second permit was handed to the leaked wait");
    semaphore.add_permits(1);
    after.served().forget();
    drop((before, after));
    leak(semaphore.acquire_many(2));
    assert!(semaphore.try_acquire().is_none());
}

#[test]
#[allow(clippy::drop_non_drop)] // the order of the drops is part of the test
fn sends_and_receives_that_are_leaked_keep_their_positions_in_line() {
    let (tx, rx) = channel(1);
    leak(rx.recv());
    let mut after = waiting(rx.recv());
    tx.try_send(vec![1]).unwrap();
    tx.try_send(vec![2]).unwrap();
    assert_eq!(after.served(), Ok(vec![2]));
    drop(after);
    leak(rx.recv());
    drop((tx, rx));
    let (tx, rx) = channel(0);
    leak(tx.send(vec![1]));
    leak(tx.send(vec![2]));
    assert_eq!(rx.try_recv(), Ok(vec![1]));
    drop(rx);
    drop(tx);
    let (tx, mut rx) = unbounded();
    waiting(rx.next()).leave_in_line();
    forget(rx);
    tx.try_send(vec![1]).unwrap();
    drop(tx);
}

#[test]
fn leaked_waits_do_not_hinder_others_at_the_same_oneshot_event_barrier_broadcast_or_watch() {
    let (mut tx, rx) = oneshot::<Vec<u8>>();
    leak(tx.closed());
    leak(tx.closed());
    drop(rx);
    at_once(tx.closed());
    drop(tx);
    let (tx, rx) = oneshot();
    leak(rx);
    tx.send(vec![1]).unwrap();
    let event = Event::new();
    leak(event.wait());
    event.set();
    let barrier = Barrier::new(2);
    leak(barrier.wait());
    assert!(at_once(barrier.wait()));
    leak(barrier.wait());
    let (tx, mut rx) = broadcast(1);
    leak(rx.recv());
    tx.send(Arc::new(1)).unwrap();
    assert_eq!(at_once(rx.recv()), Ok(Arc::new(1)));
    leak(rx.recv());
    drop((tx, rx));
    let (tx, mut rx) = watch(1);
    leak(rx.changed());
    leak(rx.wait_for(|n| *n > 1));
    tx.send(2).unwrap();
    drop((tx, rx));
}

#[test]
fn a_guard_that_is_leaked_keeps_its_lock() {
    let mut mutex = Mutex::new(vec![1]);
    forget(mutex.try_lock());
    assert!(mutex.try_lock().is_none());
    leak(mutex.lock());
    mutex.get_mut().push(2);
    assert_eq!(mutex.into_inner(), [1, 2]);
    let mut lock = RwLock::new(vec![1]);
    forget(lock.try_read());
    assert!(lock.try_write().is_none() && lock.try_read().is_some());
    forget(lock.try_read());
    leak(lock.write());
    lock.get_mut().push(2);
    assert_eq!(lock.into_inner(), [1, 2]);
}

// ---- polls after completion ----

#[test]
fn a_send_that_is_polled_after_it_was_ready_panics_and_leaves_the_channel_usable() {
    let again = |send: Pin<&mut SendFuture<'_, u8>>| {
        reactor::budget::reset();
        panic_text(|| send.poll(&mut Context::from_waker(Waker::noop())).is_ready())
    };
    for full in [false, true] {
        let (tx, rx) = channel(if full { 1 } else { 2 });
        let mut send = Box::pin(tx.send(1));
        assert!(send.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(again(send.as_mut()).contains("polled after it was ready"));
        let next = (!full).then(|| tx.try_send(2));
        assert_eq!(rx.try_recv(), Ok(1));
        assert_eq!(next.is_some(), rx.try_recv().is_ok());
        tx.close();
        assert!(again(send.as_mut()).contains("polled after it was ready"));
        drop(send);
        assert!(rx.try_recv().is_err());
    }
}

#[test]
fn a_receive_that_is_polled_after_it_was_ready_receives_again() {
    let (tx, rx) = channel(2);
    (0..2).for_each(|n| tx.try_send(n).unwrap());
    let mut receive = Box::pin(rx.recv());
    assert_eq!((at_once(receive.as_mut()), at_once(receive.as_mut())), (Ok(0), Ok(1)));
    let mut waits = waiting(receive.as_mut());
    tx.try_send(2).unwrap();
    assert_eq!(waits.served(), Ok(2));
}

// ---- messages that panic ----

/// Panics when it is dropped, if it is bad.
#[derive(Debug)]
struct Bad(bool, Arc<AtomicUsize>);

impl Drop for Bad {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
        assert!(!self.0, "a bad message");
    }
}

#[test]
fn messages_that_panic_when_they_are_dropped_are_dropped_once_and_lose_no_other_message() {
    let drops = Arc::new(AtomicUsize::new(0));
    let message = |bad| Bad(bad, drops.clone());
    let dropped = || drops.swap(0, Ordering::SeqCst);

    // Left in a channel whose last receiver is dropped.
    let (tx, rx) = channel(3);
    [true, false, false].into_iter().for_each(|bad| tx.try_send(message(bad)).unwrap());
    let mut waits = waiting(tx.send(message(false)));
    assert_eq!(panic_text(|| drop(rx)), "a bad message");
    assert!(tx.is_closed() && tx.is_empty());
    assert!(waits.served().is_err());
    assert_eq!(dropped(), 4);

    // Returned to a dropped send.
    let (tx, rx) = channel(0);
    let (goes, mut stays) = (waiting(tx.send(message(true))), waiting(tx.send(message(false))));
    rx.close();
    assert_eq!(panic_text(|| drop(goes)), "a bad message");
    let SendError(back) = stays.served().unwrap_err();
    assert_eq!(dropped(), 1);
    drop((stays, back));
    assert_eq!(dropped(), 1);

    // In a send that is dropped while it waits.
    let (tx, rx) = channel(0);
    let (goes, mut stays) = (waiting(tx.send(message(true))), waiting(tx.send(message(false))));
    assert_eq!(panic_text(|| drop(goes)), "a bad message");
    drop(rx.try_recv().unwrap());
    stays.served().unwrap();
    assert_eq!(dropped(), 2);

    // Handed to a dropped receive of the last receiver.
    let (tx, rx) = unbounded();
    let wait = waiting(async move { rx.recv().await });
    tx.try_send(message(true)).unwrap();
    assert_eq!(panic_text(|| drop(wait)), "a bad message");
    assert!(tx.is_closed());
    assert_eq!(dropped(), 1);

    // Left in a oneshot.
    for polled in [false, true] {
        let (tx, mut rx) = oneshot();
        if polled {
            waiting(&mut rx).leave_in_line();
        }
        tx.send(message(true)).unwrap();
        assert_eq!(panic_text(|| drop(rx)), "a bad message");
        assert_eq!(dropped(), 1);
    }

    // Dropped by a broadcast to make room; the next message is sent nevertheless.
    let (tx, mut rx) = broadcast(1);
    tx.send(Arc::new(message(true))).unwrap();
    assert_eq!(panic_text(|| tx.send(Arc::new(message(false))).is_ok()), "a bad message");
    assert!(at_once(rx.recv()).is_err(), "one was missed");
    assert!(!at_once(rx.recv()).unwrap().0);
    drop((tx, rx));
    assert_eq!(dropped(), 2);

    // Replaced in a watched value.
    let (tx, mut rx) = watch(message(true));
    assert_eq!(panic_text(|| tx.send(message(false)).is_ok()), "a bad message");
    assert_eq!((at_once(rx.changed()), rx.get().0), (Ok(()), false));
    drop((tx, rx));
    assert_eq!(dropped(), 2);
}

#[test]
fn a_wait_whose_condition_panics_unlocks_the_mutex_and_leaves_the_line() {
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    let calls = Cell::new(0);
    let mut waits = waiting(async {
        let guard = mutex.lock().await;
        let condition = |_: &mut i32| {
            assert!(calls.replace(calls.get() + 1) == 0, "a bad condition");
            true
        };
        drop(changed.wait_while(guard, condition).await);
    });
    changed.notify_one();
    assert_eq!(panic_text(|| waits.poll().is_ready()), "a bad condition");
    assert!(mutex.try_lock().is_some());
    drop(waits);
    let (tx, mut rx) = watch(0);
    assert_eq!(panic_text(|| at_once(rx.wait_for(|_| panic!("a bad condition"))).is_ok()), "a bad condition");
    assert_eq!(panic_text(|| tx.modify(|_| panic!("a bad change"))), "a bad change");
    tx.send(1).unwrap();
    assert_eq!(at_once(rx.wait_for(|n| *n == 1)).map(|n| *n), Ok(1));
}
