//! Wakers that panic, use the primitive that calls them or are dropped meanwhile; and how many wakers a wait keeps.

use super::kit::{Alive, Boxed, Crowd, at_once, panic_text, waiting};
use super::rounds::{MANY, wait};
use executor::sync::{
    Barrier, Condvar, Event, Mutex, RecvError, Semaphore, TrySendError, broadcast, channel, oneshot, unbounded, watch,
};
use futures_lite::StreamExt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Lock, OnceLock};
use std::task::{Context, Wake, Waker};
use tests::{Counting, OnDrop, waker_fn};

// ---- wakers that panic ----

#[test]
fn a_waker_that_panics_does_not_lose_other_wakes() {
    for size in [2, 16, 17, MANY] {
        for bad in [vec![0], vec![1], vec![size - 1], vec![0, size / 2, size - 1]] {
            let event = Arc::new(Event::new());
            let panics = bad.clone();
            let crowd = Crowd::gather(
                size,
                |_| Box::pin(wait(event.clone())),
                move |_, at| {
                    assert!(!panics.contains(&at), "a bad waker");
                },
            );
            assert_eq!(panic_text(|| event.set()), "a bad waker", "{bad:?} of {size}");
            assert_eq!(crowd.all_done().len(), size, "{bad:?} of {size}");
            event.clear();
            assert!(!event.is_set(), "it works as before");
        }
    }
}

#[test]
fn a_waker_that_panics_loses_no_permit_and_no_message() {
    let bad = || waker_fn(|| panic!("a bad waker"));
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut waits = Box::pin(semaphore.acquire());
    assert!(waits.as_mut().poll(&mut Context::from_waker(&bad())).is_pending());
    panic_text(|| drop(held));
    let permit = at_once(waits);
    let mut goes = Box::pin(semaphore.acquire());
    assert!(goes.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut next = Box::pin(semaphore.acquire());
    assert!(next.as_mut().poll(&mut Context::from_waker(&bad())).is_pending());
    drop(permit);
    panic_text(|| drop(goes)); // hands it to the next waiter, whose waker panics
    drop(at_once(next));
    assert_eq!(semaphore.available_permits(), 1);

    let (tx, rx) = unbounded();
    let mut receives = Box::pin(rx.recv());
    assert!(receives.as_mut().poll(&mut Context::from_waker(&bad())).is_pending());
    panic_text(|| tx.try_send(7));
    assert_eq!(at_once(receives), Ok(7));
    let mut receives = Box::pin(rx.recv());
    assert!(receives.as_mut().poll(&mut Context::from_waker(&bad())).is_pending());
    panic_text(|| drop(tx));
    assert_eq!(at_once(receives), Err(RecvError));
}

// ---- wakers that use the primitive ----

#[test]
fn a_waker_can_use_the_primitive_that_calls_it() {
    // Each waker uses the primitive from inside of the wake, which must not deadlock.
    let semaphore = Arc::new(Semaphore::new(0));
    let crowd = Crowd::gather(3, |_| Box::pin(acquired(semaphore.clone())), {
        let semaphore = semaphore.clone();
        move |crowd, at| {
            assert!(semaphore.try_acquire().is_none(), "no permit is available");
            assert!(format!("{semaphore:?}").contains("(0 available)"));
            if at == 0 {
                crowd.drop_wait(1); // in line
                semaphore.add_permits(1); // goes to the third waiter
            }
        }
    });
    semaphore.add_permits(1);
    assert_eq!((crowd.all_done().len(), semaphore.available_permits()), (2, 0));

    let mutex = Arc::new(Mutex::new(0));
    let held = mutex.try_lock().unwrap();
    let crowd = Crowd::gather(2, |_| Box::pin(locked(mutex.clone())), {
        let mutex = mutex.clone();
        move |crowd, at| {
            assert!(mutex.try_lock().is_none() && format!("{mutex:?}").contains("<locked>"));
            if at == 0 {
                crowd.drop_wait(0); // the mutex was handed to it, and goes to the other waiter
            }
        }
    });
    drop(held);
    assert_eq!(crowd.all_done().len(), 1);
    assert_eq!(*mutex.try_lock().unwrap(), 1);

    let (tx, rx) = channel(1);
    let crowd = Crowd::gather(3, |_| Box::pin(received(rx.clone())), {
        let (tx, rx) = (tx.clone(), rx.clone());
        move |crowd, at| {
            assert!(rx.try_recv().is_err());
            if at == 0 {
                crowd.drop_wait(0); // its message goes to the next waiter
                tx.try_send(2).unwrap(); // goes to the third waiter
                tx.try_send(3).unwrap();
                assert_eq!(tx.try_send(4), Err(TrySendError::Full(4)));
                drop((tx.clone(), rx.clone()));
            }
        }
    });
    tx.try_send(1).unwrap();
    assert_eq!(crowd.all_done(), [(1, Ok(1)), (2, Ok(2))]);
    assert_eq!(rx.try_recv(), Ok(3));

    let event = Arc::new(Event::new());
    let crowd = Crowd::gather(3, |_| Box::pin(wait(event.clone())), {
        let event = event.clone();
        move |_, _| {
            assert!(event.is_set() && format!("{event:?}").ends_with("(set)"));
            event.set();
        }
    });
    event.set();
    crowd.all_done();
}

async fn acquired(semaphore: Arc<Semaphore>) {
    semaphore.acquire().await.forget();
}

async fn locked(mutex: Arc<Mutex<i32>>) {
    *mutex.lock().await += 1;
}

async fn received(rx: executor::sync::Receiver<i32>) -> Result<i32, RecvError> {
    rx.recv().await
}

#[test]
fn a_notice_given_while_the_mutex_is_unlocked_is_not_missed() {
    // The waker of a task that waits for the mutex gives the notice, while the mutex is being unlocked.
    let shared = Arc::new((Mutex::new(()), Condvar::new()));
    let held = shared.0.try_lock().unwrap();
    let mut tells = Box::pin(shared.0.lock());
    let waker = waker_fn({
        let shared = shared.clone();
        move || shared.1.notify_one()
    });
    assert!(tells.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let mut waits = waiting(shared.1.wait(held));
    drop(at_once(tells));
    drop(waits.ready()); // woken by the notice and by the mutex
}

#[test]
fn a_waker_can_drop_the_last_handle_of_the_primitive_that_calls_it() {
    // The waits own the only other references. The wakers drop the waits while `add_permits` or a send is running.
    let semaphore = Arc::new(Semaphore::new(0));
    let crowd = Crowd::gather(
        20,
        |_| Box::pin(acquired(semaphore.clone())),
        |crowd, _| {
            (0..20).for_each(|other| crowd.drop_wait(other));
        },
    );
    semaphore.add_permits(20);
    assert_eq!((crowd.all_done().len(), Arc::strong_count(&semaphore)), (0, 1));
    assert_eq!(semaphore.available_permits(), 20);

    let alive = Alive::default();
    let (tx, rx) = oneshot();
    let slot: Arc<Lock<Option<Boxed<_>>>> = Arc::default();
    let waker = waker_fn({
        let slot = slot.clone();
        move || drop(slot.lock().unwrap().take())
    });
    let mut waits: Boxed<_> = Box::pin(rx);
    assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    *slot.lock().unwrap() = Some(waits);
    tx.send(alive.token(1)).unwrap();
    assert_eq!((alive.count(), alive.drops()), (0, 1));

    let (tx, mut rx) = channel(1);
    let slot: Arc<Lock<Option<Boxed<_>>>> = Arc::default();
    let waker = waker_fn({
        let slot = slot.clone();
        move || drop(slot.lock().unwrap().take())
    });
    let mut waits: Boxed<_> = Box::pin(async move { rx.next().await });
    assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    *slot.lock().unwrap() = Some(waits);
    tx.try_send(alive.token(2)).unwrap();
    assert_eq!((alive.count(), tx.is_closed()), (0, true));
}

/// A waker that does something when the last reference to it is dropped.
fn on_drop(f: impl FnOnce() + Send + Sync + 'static) -> Waker {
    struct Drops<F: FnOnce()>(#[allow(dead_code)] OnDrop<F>);
    impl<F: FnOnce() + Send + Sync + 'static> Wake for Drops<F> {
        fn wake(self: Arc<Self>) {}
    }
    Arc::new(Drops(OnDrop::new(f))).into()
}

/// Polls a wait with a waker whose drop calls `f`, and drops the waker in each possible way.
#[track_caller]
fn use_when_a_waker_is_dropped<T>(
    wait: impl Fn() -> Boxed<T>,
    serve: impl Fn(),
    f: impl Fn() + Clone + Send + Sync + 'static,
) {
    for way in ["dropped", "replaced", "served"] {
        let count = Arc::new(AtomicUsize::new(0));
        let waker = on_drop({
            let (f, count) = (f.clone(), count.clone());
            move || {
                f();
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut future = wait();
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        assert_eq!(count.load(Ordering::SeqCst), 0, "{way}");
        match way {
            "dropped" => drop(future),
            "replaced" => assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()),
            _ => serve(),
        }
        assert_eq!(count.load(Ordering::SeqCst), 1, "{way}");
    }
}

#[test]
fn a_waker_whose_drop_uses_the_primitive_finds_nothing_locked() {
    let semaphore = Arc::new(Semaphore::new(0));
    let uses = semaphore.clone();
    use_when_a_waker_is_dropped(
        || Box::pin(acquired(semaphore.clone())),
        || semaphore.add_permits(1),
        move || {
            drop(uses.try_acquire());
            uses.add_permits(0);
        },
    );
    let (tx, rx) = channel::<i32>(1);
    let (send, receive) = (tx.clone(), rx.clone());
    use_when_a_waker_is_dropped(
        || {
            while rx.try_recv().is_ok() {}
            Box::pin(received(rx.clone()))
        },
        || tx.try_send(1).unwrap(),
        move || {
            let _ = (send.try_send(7), receive.try_recv());
            drop((send.clone(), receive.clone()));
        },
    );
    let (tx, rx) = channel(0);
    let (send, receive) = (tx.clone(), rx.clone());
    use_when_a_waker_is_dropped(
        || {
            let tx = tx.clone();
            Box::pin(async move { tx.send(1).await })
        },
        || assert_eq!(rx.try_recv(), Ok(1)),
        move || drop((send.try_send(7), receive.is_empty(), send.clone())),
    );
    let event = Arc::new(Event::new());
    let uses = event.clone();
    use_when_a_waker_is_dropped(|| Box::pin(wait(event.clone())), || event.set(), move || uses.clear());
    let barrier = Arc::new(Barrier::new(2));
    let uses = barrier.clone();
    use_when_a_waker_is_dropped(
        || {
            let barrier = barrier.clone();
            Box::pin(async move { barrier.wait().await })
        },
        || assert!(at_once(barrier.wait())),
        move || drop(format!("{uses:?}")),
    );
    let (tx, rx) = watch(0);
    let (tx, uses) = (Arc::new(tx), rx.clone());
    let back = tx.clone();
    use_when_a_waker_is_dropped(
        || {
            let mut rx = tx.subscribe();
            Box::pin(async move { rx.changed().await })
        },
        || tx.modify(|n| *n += 1),
        move || drop((uses.get(), uses.clone(), back.send(7))),
    );
}

/// A value that uses its primitive when it is dropped; this deadlocks if the primitive is locked.
struct UsesOnDrop(Arc<OnDropUse>);

/// What a [`UsesOnDrop`] does, and how often it was done.
#[derive(Default)]
struct OnDropUse {
    f: OnceLock<Box<dyn Fn() + Send + Sync>>,
    uses: AtomicUsize,
}

impl OnDropUse {
    fn new(f: impl Fn() + Send + Sync + 'static) -> Arc<OnDropUse> {
        Arc::new(OnDropUse { f: OnceLock::from(Box::new(f) as Box<_>), ..OnDropUse::default() })
    }

    fn value(self: &Arc<Self>) -> UsesOnDrop {
        UsesOnDrop(self.clone())
    }

    fn uses(&self) -> usize {
        self.uses.load(Ordering::SeqCst)
    }
}

impl Drop for UsesOnDrop {
    fn drop(&mut self) {
        self.0.f.get().expect("it was set before the first drop")();
        self.0.uses.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_channel_drops_messages_while_nothing_is_locked() {
    let (tx, rx) = channel(2);
    let used = tx.clone();
    let on_drop = OnDropUse::new(move || drop((used.len(), used.clone())));
    drop(tx.try_send(on_drop.value()));
    let mut received = waiting(async {
        drop(rx.recv().await);
        rx.recv().await.map(drop)
    });
    tx.try_send(on_drop.value()).ok().unwrap();
    received.served().unwrap();
    (0..2).for_each(|_| assert!(tx.try_send(on_drop.value()).is_ok()));
    let returned = waiting(tx.send(on_drop.value()));
    rx.close();
    drop(returned); // with its message
    drop(at_once(tx.send(on_drop.value())));
    drop(received);
    drop(rx);
    assert_eq!(on_drop.uses(), 6);
}

#[test]
fn a_broadcast_drops_messages_while_nothing_is_locked() {
    let on_drop = Arc::new(OnDropUse::default());
    let (tx, rx) = broadcast::<Arc<UsesOnDrop>>(1);
    let tx = Arc::new(tx);
    let used = Arc::downgrade(&tx); // a strong reference would be a cycle
    let f = move || used.upgrade().into_iter().for_each(|tx| drop((tx.receivers(), tx.subscribe())));
    assert!(on_drop.f.set(Box::new(f)).is_ok());
    tx.send(Arc::new(on_drop.value())).ok().unwrap();
    tx.send(Arc::new(on_drop.value())).ok().unwrap(); // drops the first message, which was not received
    drop(rx);
    assert_eq!(on_drop.uses(), 2);
    assert!(tx.send(Arc::new(on_drop.value())).is_err());
}

#[test]
fn a_watch_drops_values_while_nothing_is_locked() {
    let (tx, rx) = watch::<Option<UsesOnDrop>>(None);
    let on_drop = OnDropUse::new(move || drop((rx.get(), rx.clone())));
    tx.send(Some(on_drop.value())).ok().unwrap();
    tx.send(None).ok().unwrap();
    assert_eq!(on_drop.uses(), 1);
}

// ---- wakers, counted ----

#[test]
fn a_wait_keeps_one_waker_and_only_while_it_needs_it() {
    let semaphore = Semaphore::new(0);
    let (one, other) = (Counting::new(), Counting::new());
    let mut waits = Box::pin(semaphore.acquire());
    let mut poll = |counting: &Arc<Counting>| {
        reactor::budget::reset();
        waits.as_mut().poll(&mut Context::from_waker(&counting.waker())).is_ready()
    };
    for _ in 0..3 {
        assert!(!poll(&one));
        assert_eq!(one.wakers(1), 1, "polled with the same one");
    }
    assert!(!poll(&other));
    assert_eq!((one.wakers(1), other.wakers(1)), (0, 1));
    semaphore.add_permits(1);
    assert_eq!((one.wakes(), other.wakes(), other.wakers(1)), (0, 1, 0));
    assert!(poll(&one));
    assert_eq!((one.wakes(), other.wakes(), one.wakers(1)), (0, 1, 0));
}

#[test]
fn a_wait_that_was_woken_completes_when_it_is_polled_with_another_waker() {
    let served = AtomicBool::new(false);
    let event = Event::new();
    let mut waits: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async {
        event.wait().await;
        served.store(true, Ordering::SeqCst);
    });
    assert!(waits.as_mut().poll(&mut Context::from_waker(&Counting::new().waker())).is_pending());
    event.set();
    let late = Counting::new();
    assert!(waits.as_mut().poll(&mut Context::from_waker(&late.waker())).is_ready());
    assert!(served.load(Ordering::SeqCst));
    assert_eq!((late.wakes(), late.wakers(1)), (0, 0));
}
