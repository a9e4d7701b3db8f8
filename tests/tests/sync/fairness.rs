//! Waiters get their turns in order, no task overtakes or starves another, and no task keeps the thread.

use super::kit::{Dice, at_once, waiting};
use executor::sync::{
    Barrier, Condvar, Event, Mutex, RwLock, Semaphore, TrySendError, broadcast, channel, oneshot, unbounded, watch,
};
use executor::{Runtime, spawn_local, yield_now};
use futures_lite::StreamExt;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

#[test]
fn permits_are_handed_over_in_the_order_of_waiting() {
    let semaphore = Semaphore::new(0);
    let mut line: Vec<_> = (0..40).map(|_| waiting(semaphore.acquire())).collect();
    for at in 0..40 {
        semaphore.add_permits(1);
        assert_eq!(semaphore.available_permits(), 0, "it was handed over");
        let woken: Vec<_> = line.iter().map(|wait| wait.was_woken()).collect();
        assert_eq!(woken, (0..40).map(|other| other == at).collect::<Vec<_>>());
        line[at].served().forget();
        let mut dice = Dice::new(at as u64);
        if let Some(wait) = line.get_mut(at + 1 + dice.roll(40) as usize) {
            wait.renew(); // does not change its position
        }
    }
}

#[test]
fn no_waiter_overtakes_one_for_many_permits() {
    let semaphore = Semaphore::new(3);
    let held = semaphore.try_acquire().unwrap();
    let mut much = waiting(semaphore.acquire_many(3));
    assert_eq!(semaphore.available_permits(), 2);
    assert!(semaphore.try_acquire().is_none(), "a waiter comes first");
    let mut little = waiting(semaphore.acquire());
    drop(held);
    assert!(!little.was_woken());
    let all = much.served();
    drop(all);
    drop(little.served());
    assert!(semaphore.try_acquire_many(3).is_some());
}

#[test]
fn a_permit_that_was_handed_over_is_not_available_to_others() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    let mut waits = waiting(semaphore.acquire());
    drop(held);
    assert!(semaphore.try_acquire().is_none());
    let mut late = waiting(semaphore.acquire());
    drop(waits.served());
    drop(late.served());
}

#[test]
fn a_mutex_is_locked_in_the_order_of_waiting() {
    let mutex = Mutex::new(());
    let mut held = Some(mutex.try_lock().unwrap());
    let mut line: Vec<_> = (0..20).map(|_| waiting(mutex.lock())).collect();
    for at in 0..20 {
        held = None.or_else(|| {
            drop(held.take());
            assert!(mutex.try_lock().is_none());
            assert!(line.iter().skip(at + 1).all(|wait| !wait.was_woken()));
            Some(line[at].served())
        });
    }
}

#[test]
fn readers_and_writers_do_not_starve_each_other() {
    let lock = RwLock::new(());
    let reads = lock.try_read().unwrap();
    let mut writer = waiting(lock.write());
    assert!(lock.try_read().is_none(), "a writer waits");
    let mut readers = [waiting(lock.read()), waiting(lock.read())];
    let mut second = waiting(lock.write());
    let mut last = waiting(lock.read());
    drop(reads);
    assert!(readers.iter().all(|reader| !reader.was_woken()));
    drop(writer.served());
    assert!(!second.was_woken() && !last.was_woken());
    let guards = readers.each_mut().map(|reader| reader.served());
    assert!(lock.try_read().is_none());
    drop(guards);
    let guard = second.served();
    assert!(!last.was_woken());
    drop(guard);
    drop(last.served());
}

#[test]
fn no_message_overtakes_one_that_waits_for_room() {
    let (tx, rx) = channel(2);
    (0..2).for_each(|n| tx.try_send(n).unwrap());
    let mut line: Vec<_> = (2..40).map(|n| waiting(tx.send(n))).collect();
    for n in 0..38 {
        assert_eq!(at_once(rx.recv()), Ok(n));
        assert_eq!(tx.try_send(99), Err(TrySendError::Full(99)), "the room belongs to the waiting send");
        assert!(line.iter().skip(n + 1).all(|wait| !wait.was_woken()));
        line[n].served().unwrap();
    }
    assert_eq!((rx.try_recv(), rx.try_recv(), rx.try_recv().is_err()), (Ok(38), Ok(39), true));
}

#[test]
fn no_receiver_overtakes_a_waiting_one() {
    for capacity in [0, 1, usize::MAX] {
        let (tx, rx) = channel(capacity);
        let mut line: Vec<_> = (0..40).map(|_| waiting(rx.recv())).collect();
        for (at, wait) in line.iter_mut().enumerate() {
            tx.try_send(at).unwrap();
            assert!(rx.try_recv().is_err());
            assert_eq!(wait.served(), Ok(at));
        }
    }
}

#[test]
fn a_condvar_wakes_the_task_that_has_waited_longest() {
    let (mutex, changed) = (Mutex::new(()), Condvar::new());
    let wait = || async { drop(changed.wait(mutex.lock().await).await) };
    let mut line: Vec<_> = (0..20).map(|_| waiting(wait())).collect();
    for at in 0..20 {
        changed.notify_one();
        assert!(line.iter().skip(at + 1).all(|wait| !wait.was_woken()));
        line[at].served();
        line.push(waiting(wait())); // a new wait is the last in line
    }
}

// ---- always ready ----

/// Repeats an operation that is always ready a thousand times, and checks how often another task runs meanwhile.
#[track_caller]
fn lets_others_run<F: Future>(what: &str, mut operation: impl FnMut() -> F) {
    let others = Runtime::builder().virtual_clock().detect_deadlock(true).build().unwrap().block_on(async {
        let (rounds, others) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let other = spawn_local({
            let (rounds, others) = (rounds.clone(), others.clone());
            async move {
                while rounds.get() < 1000 {
                    others.set(others.get() + 1);
                    yield_now().await;
                }
            }
        });
        while rounds.get() < 1000 {
            operation().await;
            rounds.set(rounds.get() + 1);
        }
        other.await.unwrap();
        others.get()
    });
    let fair = 1000 / u32::from(reactor::budget::OPERATIONS);
    assert!((fair..=2 * fair + 2).contains(&others), "{what} let others run {others} times");
}

#[test]
fn operations_that_are_always_ready_let_other_tasks_run() {
    let semaphore = Semaphore::new(1);
    lets_others_run("a semaphore", || async { drop(semaphore.acquire().await) });
    let mutex = Mutex::new(());
    lets_others_run("a mutex", || async { drop(mutex.lock().await) });
    let lock = RwLock::new(());
    lets_others_run("a lock that is read", || async { drop(lock.read().await) });
    lets_others_run("a lock that is written", || async { drop(lock.write().await) });
    let event = Event::new();
    event.set();
    lets_others_run("an event", || event.wait());
    let barrier = Barrier::new(1);
    lets_others_run("a barrier", || barrier.wait());
    let (tx, rx) = unbounded();
    lets_others_run("sending", || tx.send(()));
    lets_others_run("receiving", || rx.recv());
    (0..1000).for_each(|_| tx.try_send(()).unwrap());
    let rx = RefCell::new(rx);
    #[allow(clippy::await_holding_refcell_ref)] // no other task borrows it
    let next = || async { rx.borrow_mut().next().await };
    lets_others_run("a stream", next);
    lets_others_run("a oneshot", || async {
        let (tx, rx) = oneshot();
        tx.send(()).unwrap();
        rx.await.unwrap();
    });
    let (tx, mut rx) = broadcast(1);
    let mut receive = async || {
        for _ in 0..1000 {
            tx.send(()).unwrap();
            rx.recv().await.unwrap();
        }
    };
    let mut done = 0;
    lets_others_run_in_all("a broadcast", &mut receive, &mut done);
    let (tx, mut rx) = watch(());
    let mut changes = async || {
        for _ in 0..1000 {
            tx.send(()).unwrap();
            rx.changed().await.unwrap();
        }
    };
    lets_others_run_in_all("a watched value", &mut changes, &mut done);
    assert_eq!(done, 2);
}

/// The same for an operation that borrows its receiver mutably: `thousand` does the thousand operations itself.
#[track_caller]
fn lets_others_run_in_all(what: &str, thousand: &mut impl AsyncFnMut(), done: &mut u32) {
    let others = Runtime::builder().virtual_clock().detect_deadlock(true).build().unwrap().block_on(async {
        let (over, others) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
        let other = spawn_local({
            let (over, others) = (over.clone(), others.clone());
            async move {
                while !over.get() {
                    others.set(others.get() + 1);
                    yield_now().await;
                }
            }
        });
        thousand().await;
        over.set(true);
        other.await.unwrap();
        others.get()
    });
    assert!(others >= 1000 / u32::from(reactor::budget::OPERATIONS), "{what} let others run {others} times");
    *done += 1;
}

#[test]
fn two_tasks_that_are_always_ready_take_turns() {
    Runtime::builder().virtual_clock().detect_deadlock(true).build().unwrap().block_on(async {
        let (tx, rx) = channel(1000);
        let sends = spawn_local(async move {
            for n in 0..1000 {
                tx.send(n).await.unwrap();
            }
        });
        let mut longest = 0;
        for n in 0..1000 {
            longest = longest.max(rx.len());
            assert_eq!(rx.recv().await, Ok(n));
        }
        assert!(longest <= 2 * usize::from(reactor::budget::OPERATIONS), "{longest} were sent in one turn");
        sends.await.unwrap();
    });
}
