//! The primitives, used between tasks.

use executor::sync::{Barrier, Condvar, Event, Mutex, RwLock, Semaphore, channel};
use executor::{Runtime, block_on, join_all, spawn, spawn_local};
use futures_lite::{StreamExt, future::poll_once};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

/// Runs a test. If a wake is lost, it fails with a task dump.
fn run<F: Future>(test: F) -> F::Output {
    Runtime::builder().virtual_clock().detect_deadlock(true).build().unwrap().block_on(test)
}

#[test]
fn work_goes_through_a_chain_of_channels_of_any_size() {
    for capacity in [0, 1, 2, 7, usize::MAX] {
        let sum = run(async move {
            let (first, mut rx) = channel(capacity);
            for _ in 0..5 {
                let (tx, next) = channel(capacity);
                spawn(async move {
                    while let Some(n) = rx.next().await {
                        tx.send(n + 1).await.unwrap();
                    }
                });
                rx = next;
            }
            spawn(async move {
                for n in 0..500u64 {
                    first.send(n).await.unwrap();
                }
            });
            let mut before = None;
            let mut sum = 0;
            while let Ok(n) = rx.recv().await {
                assert!(before.replace(n) < Some(n), "they come in order");
                sum += n;
            }
            sum
        });
        assert_eq!(sum, 500 * 499 / 2 + 500 * 5, "with room for {capacity}");
    }
}

#[test]
fn tasks_synchronize_through_every_primitive() {
    run(async {
        let start = Arc::new(Barrier::new(8));
        let doors = Arc::new(Semaphore::new(2));
        let book = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let over = Arc::new(Event::new());
        let rules = Arc::new(RwLock::new(0));
        let guests = (0..8).map(|n| {
            let (start, doors, book, over, rules) =
                (start.clone(), doors.clone(), book.clone(), over.clone(), rules.clone());
            spawn(async move {
                let leads = start.wait().await;
                for _ in 0..20 {
                    let _door = doors.acquire().await;
                    *rules.write().await += 1;
                    executor::yield_now().await;
                }
                book.0.lock().await.push(n);
                book.1.notify_one();
                over.wait().await;
                assert_eq!(*rules.read().await, 160);
                leads
            })
        });
        let guests: Vec<_> = guests.collect();
        let mut names = book.1.wait_while(book.0.lock().await, |names| names.len() < 8).await;
        names.sort();
        assert_eq!(*names, [0, 1, 2, 3, 4, 5, 6, 7]);
        over.set();
        let leaders = join_all(guests).await.into_iter().filter(|leads| *leads.as_ref().unwrap()).count();
        assert_eq!(leaders, 1);
    });
}

#[test]
fn messages_between_tasks_of_one_thread_need_not_be_send() {
    run(async {
        let (tx, rx) = channel::<Rc<i32>>(1);
        let task = spawn_local(async move {
            let mut all = Vec::new();
            while let Ok(n) = rx.recv().await {
                all.push(*n);
            }
            all
        });
        for n in 0..3 {
            tx.send(Rc::new(n)).await.unwrap();
        }
        drop(tx);
        assert_eq!(task.await.unwrap(), [0, 1, 2]);
    });
}

#[test]
fn a_task_that_is_cancelled_while_it_waits_leaves_nothing_behind() {
    run(async {
        let mutex = Arc::new(Mutex::new(0));
        let held = mutex.lock().await;
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                spawn({
                    let mutex = mutex.clone();
                    async move { *mutex.lock().await += 1 }
                })
            })
            .collect();
        executor::yield_now().await;
        tasks[1].cancel();
        drop(held);
        tasks[0].cancel(); // the mutex was handed to it, and it was not polled since
        let ended = join_all(tasks).await;
        assert_eq!(ended.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(*mutex.try_lock().unwrap(), 1);
    });
}

#[test]
fn a_wait_that_was_polled_once_can_be_dropped_in_the_same_task() {
    block_on(async {
        let semaphore = Semaphore::new(0);
        assert!(poll_once(semaphore.acquire()).await.is_none());
        let mut pinned = pin!(semaphore.acquire());
        assert!(poll_once(pinned.as_mut()).await.is_none());
        semaphore.add_permits(1);
        drop(pinned.await);
        assert_eq!(semaphore.available_permits(), 1);
    });
}
