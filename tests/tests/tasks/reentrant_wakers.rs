//! Wakers that call back into what calls, clones or drops them: no lock is held at that moment, so nothing deadlocks.

use executor::net::UnixStream;
use executor::sync::{Event, Semaphore, channel, watch};
use executor::time::{Duration, Sleep, now, sleep};
use executor::{Runtime, spawn, yield_now};
use futures_lite::AsyncRead;
use reactor::Reactor;
use reactor::backend::Simulation;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use tests::{Counting, OnDrop, poll_with, waker_fn, within};

/// A waker that calls a function when it is woken and when it is dropped.
struct Hooked(Box<dyn Fn() + Send + Sync>);

impl Hooked {
    fn waker(hook: impl Fn() + Send + Sync + 'static) -> Waker {
        Arc::new(Hooked(Box::new(hook))).into()
    }
}

impl Wake for Hooked {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A waker that sets, moves and drops a timer of the current reactor, and counts how often it has done so.
fn uses_timers(count: &Arc<Mutex<usize>>) -> Waker {
    let count = count.clone();
    Hooked::waker(move || {
        let mut timer = sleep(Duration::from_secs(9));
        assert!(poll_with(Waker::noop(), &mut timer).is_pending());
        timer.reset(now() + Duration::from_secs(1));
        timer.reset(now());
        drop(timer);
        *count.lock().unwrap() += 1;
    })
}

#[test]
fn a_waker_may_use_the_timers_of_the_reactor_that_wakes_or_drops_it() {
    within(60, || {
        let mut reactor = Reactor::with(Box::new(Simulation::new()), None);
        let _entered = reactor.handle().enter();
        let count = Arc::new(Mutex::new(0));
        let expect = |reactor: &mut Reactor, hooks: usize, what: &str, act: &dyn Fn(&mut Reactor, &mut Sleep)| {
            let mut timer = sleep(Duration::from_secs(1));
            assert!(poll_with(&uses_timers(&count), &mut timer).is_pending());
            act(reactor, &mut timer);
            assert_eq!(std::mem::take(&mut *count.lock().unwrap()), hooks, "{what}");
        };
        let second = Duration::from_secs(1);
        expect(&mut reactor, 1, "replaced", &|_, timer| assert!(poll_with(Waker::noop(), timer).is_pending()));
        expect(&mut reactor, 1, "cancelled", &|_, timer| drop(std::mem::replace(timer, sleep(second))));
        expect(&mut reactor, 2, "fired", &|reactor, _| while reactor.turn(None).unwrap() == 0 {});
        expect(&mut reactor, 2, "moved to the past", &|_, timer| timer.reset(now() - second));
        let mut left = sleep(second);
        assert!(poll_with(&uses_timers(&Arc::default()), &mut left).is_pending());
        drop(left);
    });
}

#[test]
fn a_waker_may_use_the_source_that_wakes_or_drops_it() {
    within(60, || {
        let mut reactor = Reactor::new().unwrap();
        let _entered = reactor.handle().enter();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let counting = Counting::new();
        let poll = |stream: &UnixStream, waker: &Waker| {
            let mut stream = stream.clone();
            Pin::new(&mut stream).poll_read(&mut Context::from_waker(waker), &mut [0])
        };
        let hooked = || {
            let (stream, counting) = (ours.clone(), counting.clone());
            Hooked::waker(move || {
                let mut stream = stream.clone();
                let _ = Pin::new(&mut stream).poll_read(&mut Context::from_waker(&counting.waker()), &mut [0]);
                counting.waker().wake();
            })
        };
        for _ in 0..60 {
            assert!(poll(&ours, &hooked()).is_pending()); // more pollers than the source has room for: a sweep is due
        }
        reactor.turn(None).unwrap();
        assert_eq!(counting.wakes(), 60);
        for _ in 0..60 {
            assert!(poll(&ours, &hooked()).is_pending());
        }
        // The sweep drops the first wakers, and wakes the second ones and the poller that the hooks have left.
        reactor.turn(None).unwrap();
        assert_eq!(counting.wakes(), 60 + 60 + 60 + 1);
        let mut readable = Box::pin(ours.readable());
        assert!(poll_with(&hooked(), &mut readable).is_pending());
        assert!(poll_with(&hooked(), &mut readable).is_pending()); // replaced
        drop(readable); // removes its waker
        assert_eq!(counting.wakes(), 183);
        drop(theirs);
        reactor.turn(None).unwrap();
        assert!(poll(&ours, Waker::noop()).is_ready());
    });
}

#[test]
fn a_waker_may_use_primitives_when_it_is_woken_or_dropped() {
    within(60, || {
        let (event, semaphore) = (Arc::new(Event::new()), Arc::new(Semaphore::new(0)));
        let (tx, rx) = watch(0);
        let tx = Arc::new(tx);
        let hooked = || {
            let (event, semaphore, tx) = (event.clone(), semaphore.clone(), tx.clone());
            Hooked::waker(move || {
                event.set();
                event.clear();
                semaphore.add_permits(1);
                drop(semaphore.try_acquire());
                tx.modify(|n| *n += 1);
            })
        };
        let mut waits: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
        for _ in 0..20 {
            let mut rx = rx.clone();
            waits.push(Box::pin(event.wait()));
            waits.push(Box::pin(async { drop(semaphore.acquire().await) }));
            waits.push(Box::pin(async move { assert!(rx.changed().await.is_ok()) }));
        }
        for wait in &mut waits {
            assert!(poll_with(&hooked(), wait).is_pending());
        }
        event.set();
        for mut wait in waits {
            reactor::budget::reset();
            assert!(poll_with(Waker::noop(), &mut wait).is_ready());
        }
    });
}

#[test]
fn tasks_are_woken_from_destructors_of_messages_outputs_and_futures() {
    within(60, || {
        Runtime::builder().virtual_clock().build().unwrap().block_on(async {
            let (tx, rx) = channel(4);
            let woken = Arc::new(Event::new());
            let wakes = |event: &Arc<Event>| {
                let event = event.clone();
                OnDrop::new(move || event.set())
            };
            for step in 0..4 {
                woken.clear();
                let waits = spawn({
                    let woken = woken.clone();
                    async move { woken.wait().await }
                });
                yield_now().await;
                match step {
                    0 => {
                        tx.send(Some(wakes(&woken))).await.unwrap();
                        drop(rx.recv().await.unwrap());
                    }
                    1 => drop(spawn({
                        let output = wakes(&woken);
                        async move { output }
                    })),
                    2 => {
                        let held = wakes(&woken);
                        let task = spawn(async move {
                            sleep(Duration::from_secs(60)).await;
                            drop(held);
                        });
                        yield_now().await;
                        task.cancel();
                    }
                    _ => {
                        let (other, _rx) = watch(Some(wakes(&woken)));
                        other.send(None).unwrap(); // replaced
                    }
                }
                waits.await.unwrap();
            }
        });
    });
}

#[test]
fn a_waker_may_drop_the_last_handle_on_the_timer_or_task_that_it_belongs_to() {
    within(60, || {
        executor::block_on(async {
            let slot: Arc<Mutex<Option<Sleep>>> = Arc::default();
            let waker = waker_fn({
                let slot = slot.clone();
                move || drop(slot.lock().unwrap().take())
            });
            let mut timer = sleep(Duration::from_millis(1));
            assert!(poll_with(&waker, &mut timer).is_pending());
            *slot.lock().unwrap() = Some(timer);
            sleep(Duration::from_millis(5)).await;
            assert!(slot.lock().unwrap().is_none());

            let mut task = spawn(async {});
            let handle = Arc::new(Mutex::new(None));
            let waker = waker_fn({
                let handle = handle.clone();
                move || drop(handle.lock().unwrap().take())
            });
            assert!(matches!(poll_with(&waker, &mut task), Poll::Pending));
            *handle.lock().unwrap() = Some(task);
            yield_now().await; // it completes, and its join waker drops its handle
            assert!(handle.lock().unwrap().is_none());
        });
    });
}
