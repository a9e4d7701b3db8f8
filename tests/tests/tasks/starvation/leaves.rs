//! Leaf futures: primitives, timers, tasks and sockets.

#![allow(clippy::await_holding_refcell_ref)] // each is borrowed by one task

use super::kit::{lets_others_run, lets_others_run_on, virtually};
use executor::net::{TcpListener, UdpSocket, UnixDatagram, UnixListener, UnixStream, lookup};
use executor::sync::{Barrier, Condvar, Event, Mutex, RwLock, Semaphore, broadcast, oneshot, unbounded, watch};
use executor::time::{Duration, interval_at, now, sleep, sleep_until, timeout};
use executor::{Runtime, deadline, spawn, spawn_blocking, spawn_local, task_group, yield_now};
use futures_lite::{AsyncWriteExt, StreamExt};
use reactor::budget::OPERATIONS;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;

/// Runs each of these operations again and again. All of them are ready at once.
macro_rules! let_others_run {
    ($runtime:expr; $($what:literal: $operation:expr;)*) => {$(
        lets_others_run_on(&$runtime, $what, |work| async move {
            while work.goes_on() {
                let _done = $operation.await;
            }
        });
    )*};
}

#[test]
fn every_wait_at_a_primitive_counts_against_the_budget() {
    let (semaphore, mutex, lock) = (&Semaphore::new(1), &Mutex::new(()), &RwLock::new(()));
    let (shared_semaphore, shared_mutex) = (&Arc::new(Semaphore::new(1)), &Arc::new(Mutex::new(())));
    let (event, barrier, condvar) = (&Event::new(), &Barrier::new(1), &Condvar::new());
    event.set();
    let (tx, rx) = &unbounded();
    let (news, received) = broadcast(1);
    let (set, seen) = watch(0);
    let (received, seen) = (&RefCell::new(received), &RefCell::new(seen));
    let_others_run! { virtually();
        "a semaphore": semaphore.acquire();
        "an owned permit": shared_semaphore.acquire_owned();
        "a mutex": mutex.lock();
        "an owned lock": shared_mutex.lock_owned();
        "a lock that is read": lock.read();
        "a lock that is written": lock.write();
        "an event": event.wait();
        "a barrier": barrier.wait();
        "a condition that holds": async { condvar.wait_while(mutex.try_lock().unwrap(), |()| false).await };
        "sending": tx.send(());
        "receiving": rx.recv();
        "receiving as a stream": async {
            tx.try_send(()).unwrap();
            rx.clone().next().await
        };
        "a oneshot": async {
            let (tx, rx) = oneshot();
            tx.send(()).unwrap();
            rx.await
        };
        "a oneshot's sender": async {
            let (mut tx, rx) = oneshot::<()>();
            drop(rx);
            tx.closed().await
        };
        "a broadcast": async {
            news.send(()).unwrap();
            received.borrow_mut().recv().await
        };
        "a change": async {
            set.send(1).unwrap();
            seen.borrow_mut().changed().await
        };
        "a value that is right": async { seen.borrow_mut().wait_for(|_| true).await };
    }
}

#[test]
fn every_timer_that_is_due_counts_against_the_budget() {
    let past = || now() - Duration::from_secs(3600);
    let again = &RefCell::new(sleep(Duration::ZERO));
    let ticks = &RefCell::new(None);
    let_others_run! { virtually();
        "a sleep": sleep(Duration::ZERO);
        "a sleep until a moment": sleep_until(past());
        "the same sleep": async { (&mut *again.borrow_mut()).await };
        "a timeout": timeout(Duration::ZERO, pending::<()>());
        "a deadline": deadline(Duration::ZERO, pending::<()>());
        "an interval": async {
            let mut ticks = ticks.borrow_mut();
            ticks.get_or_insert_with(|| interval_at(past(), Duration::from_nanos(1))).next().await
        };
    }
}

#[test]
fn joining_a_completed_task_counts_against_the_budget() {
    lets_others_run("tasks", |work| async move {
        let mut tasks: VecDeque<_> = (0..1000).map(|_| spawn(async {})).collect();
        while !tasks.iter().all(|task| task.is_finished()) {
            yield_now().await;
        }
        while work.goes_on() {
            tasks.pop_front().unwrap().await.unwrap();
        }
    });
    lets_others_run("tasks that are cancelled with their handles", |work| async move {
        let mut tasks: VecDeque<_> = (0..1000).map(|_| spawn(async {}).cancel_on_drop()).collect();
        yield_now().await;
        while work.goes_on() {
            tasks.pop_front().unwrap().await.unwrap();
        }
    });
    lets_others_run("tasks whose end is explained", |work| async move {
        let mut tasks: VecDeque<_> = (0..1000).map(|_| spawn(async {}).explained()).collect();
        yield_now().await;
        while work.goes_on() {
            tasks.pop_front().unwrap().await.unwrap();
        }
    });
    lets_others_run("blocking calls", |work| async move {
        let mut calls: VecDeque<_> = (0..600).map(|_| spawn_blocking(|| ())).collect();
        while !calls.iter().all(|call| call.is_finished()) {
            sleep(Duration::from_millis(1)).await; // the virtual clock waits for the calls
        }
        while work.goes_on() {
            calls.pop_front().unwrap().await.unwrap();
        }
    });
    lets_others_run("groups", |work| async move {
        while work.goes_on() {
            task_group(|_| async { Ok::<_, ()>(()) }).await.unwrap();
        }
    });
}

#[test]
fn awaiting_a_hundred_thousand_completed_tasks_lets_others_run_after_each_budget() {
    virtually().block_on(async {
        let tasks: Vec<_> = (0..100_000).map(|_| spawn(async {})).collect();
        while !tasks.iter().all(|task| task.is_finished()) {
            yield_now().await;
        }
        let turns = Rc::new(Cell::new(0));
        let other = spawn_local({
            let turns = turns.clone();
            async move {
                loop {
                    turns.set(turns.get() + 1);
                    yield_now().await;
                }
            }
        });
        for task in tasks {
            task.await.unwrap();
        }
        other.cancel();
        assert!(turns.get() >= 100_000 / i32::from(OPERATIONS), "others ran {} times", turns.get());
    });
}

#[test]
fn making_a_socket_counts_against_the_budget() {
    let runtime = Runtime::builder().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = &folder.path().join("socket");
    let_others_run! { runtime;
        "a TCP listener": TcpListener::bind("127.0.0.1:0");
        "a UDP socket": UdpSocket::bind("127.0.0.1:0");
        "looking an address up": lookup("127.0.0.1");
    }
    lets_others_run_on(&runtime, "connecting to a path", |work| async move {
        let listener = UnixListener::bind(path).unwrap();
        while work.goes_on() {
            let _client = UnixStream::connect(path).await.unwrap();
            // This call of std spends no budget.
            drop(listener.get_ref().accept().unwrap());
        }
        std::fs::remove_file(path).unwrap();
    });
    lets_others_run_on(&runtime, "connections", |work| async move {
        let listener = UnixListener::bind(path).unwrap();
        let mut incoming = listener.incoming();
        while work.goes_on() {
            let _client = std::os::unix::net::UnixStream::connect(path).unwrap();
            incoming.next().await.unwrap().unwrap();
        }
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn every_operation_on_a_socket_counts_against_the_budget() {
    let runtime = Runtime::builder().build().unwrap();
    lets_others_run_on(&runtime, "a socket that is readable", |work| async move {
        let (a, b) = UnixStream::pair().unwrap();
        a.write(b"x").await.unwrap();
        while work.goes_on() {
            b.readable().await.unwrap();
        }
    });
    lets_others_run_on(&runtime, "a socket that is written and read", |work| async move {
        let (a, b) = UnixStream::pair().unwrap();
        while work.goes_on() {
            a.write(b"x").await.unwrap();
            b.read(&mut [0; 8]).await.unwrap();
        }
    });
    lets_others_run_on(&runtime, "datagrams", |work| async move {
        let (a, b) = UnixDatagram::pair().unwrap();
        while work.goes_on() {
            a.send(b"x").await.unwrap();
            b.recv(&mut [0; 8]).await.unwrap();
        }
    });
    lets_others_run_on(&runtime, "a socket that is flushed", |work| async move {
        let (mut a, _b) = UnixStream::pair().unwrap();
        while work.goes_on() {
            a.flush().await.unwrap();
        }
    });
    lets_others_run_on(&runtime, "a socket that is closed", |work| async move {
        let (mut a, _b) = UnixStream::pair().unwrap();
        while work.goes_on() {
            a.close().await.unwrap();
        }
    });
}
