//! Several threads, each with a runtime of its own, and waits that are dropped at random moments.

use super::kit::{Alive, Dice, Token};
use executor::sync::{
    Barrier, BroadcastError, Condvar, Event, Mutex, Receiver, RecvError, RwLock, Semaphore, Sender, broadcast, channel,
    oneshot, watch,
};
use executor::{block_on, join_all, yield_now};
use futures_lite::StreamExt;
use futures_lite::future::poll_once;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tests::within;

const SECONDS: u64 = 60;

/// Runs `body` on this many threads, each with its own dice.
fn threads<F: Future<Output = usize>>(count: u64, body: impl Fn(u64, Dice) -> F + Sync) -> usize {
    thread::scope(|scope| {
        let body = &body;
        let threads: Vec<_> =
            (0..count).map(|number| scope.spawn(move || block_on(body(number, Dice::new(number + 1))))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// Polls a future a few times or to its end. Returns `None` if it drops the future before that.
async fn or_drop<F: Future>(dice: &mut Dice, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    match dice.roll(3) {
        0 => poll_once(future).await,
        1 => {
            for _ in 0..dice.roll(3) {
                if let Some(output) = poll_once(future.as_mut()).await {
                    return Some(output);
                }
                yield_now().await;
            }
            None
        }
        _ => Some(future.await),
    }
}

#[test]
fn no_more_permits_are_held_than_exist_and_all_are_returned() {
    within(SECONDS, || {
        let (semaphore, held) = (Semaphore::new(5), AtomicUsize::new(0));
        let acquired = threads(4, |_, mut dice| {
            let (semaphore, held) = (&semaphore, &held);
            async move {
                let mut acquired = 0;
                for _ in 0..20_000 {
                    let want = dice.roll(5) as usize + 1;
                    let permit = match dice.roll(4) {
                        0 => semaphore.try_acquire_many(want),
                        _ => or_drop(&mut dice, semaphore.acquire_many(want)).await,
                    };
                    if let Some(permit) = permit {
                        assert!(held.fetch_add(want, Ordering::SeqCst) + want <= 5);
                        acquired += 1;
                        held.fetch_sub(want, Ordering::SeqCst);
                        drop(permit);
                    }
                }
                acquired
            }
        });
        assert!(acquired > 20_000);
        assert_eq!(semaphore.available_permits(), 5);
    });
}

#[test]
fn locks_exclude_each_other() {
    within(SECONDS, || {
        let (mutex, lock) = (Mutex::new(0), RwLock::new((0, 0)));
        let added = threads(4, |_, mut dice| {
            let (mutex, lock) = (&mutex, &lock);
            async move {
                let mut added = 0;
                for _ in 0..6_000 {
                    if let Some(mut guard) = or_drop(&mut dice, mutex.lock()).await {
                        let before = *guard;
                        if dice.roll(50) == 0 {
                            yield_now().await;
                        }
                        *guard = before + 1;
                        added += 1;
                    }
                    if let Some(mut guard) = or_drop(&mut dice, lock.write()).await {
                        guard.0 += 1;
                        if dice.roll(50) == 0 {
                            yield_now().await;
                        }
                        guard.1 += 1;
                        let reads = guard.downgrade();
                        assert_eq!(reads.0, reads.1);
                    }
                    let reads = match dice.roll(2) {
                        0 => lock.try_read(),
                        _ => or_drop(&mut dice, lock.read()).await,
                    };
                    assert!(reads.is_none_or(|reads| reads.0 == reads.1));
                }
                added
            }
        });
        assert_eq!(mutex.into_inner(), added);
        assert!(lock.try_write().is_some());
    });
}

/// Sends messages, and drops some of the sends. Counts in `sent` the messages that were certainly sent.
async fn send_some(tx: &Sender<Token>, tokens: impl Iterator<Item = Token>, sent: &[AtomicUsize], dice: &mut Dice) {
    for token in tokens {
        let number = token.0;
        // A dropped send does not tell whether it has sent its message or dropped it, so it does not count.
        let is_sent = match dice.roll(6) {
            0 => or_drop(dice, tx.send(token)).await.is_some_and(|sent| sent.is_ok()),
            1 => tx.try_send(token).is_ok(),
            _ => tx.send(token).await.is_ok(),
        };
        sent[number].fetch_add(usize::from(is_sent), Ordering::SeqCst);
    }
}

/// Receives messages in every way until the channel is closed, and drops some of the receives.
async fn receive_all(mut rx: Receiver<Token>, received: &[AtomicUsize], dice: &mut Dice) {
    loop {
        let token = match dice.roll(6) {
            0 => rx.try_recv().ok().map(Ok),
            1 => or_drop(dice, rx.next()).await.map(|token| token.ok_or(RecvError)),
            2 => or_drop(dice, rx.recv()).await,
            _ => Some(rx.recv().await),
        };
        match token {
            Some(Ok(token)) => {
                assert_eq!(received[token.0].fetch_add(1, Ordering::SeqCst), 0, "message {} came twice", token.0);
            }
            Some(Err(RecvError)) => return,
            None => yield_now().await,
        }
    }
}

#[test]
fn no_message_is_lost_or_received_twice() {
    const EACH: usize = 6_000;
    within(SECONDS, || {
        for capacity in [0, 1, 7, usize::MAX] {
            let alive = Alive::default();
            let [sent, received] = [(); 2].map(|()| (0..2 * EACH).map(|_| AtomicUsize::new(0)).collect::<Vec<_>>());
            let senders_left = AtomicUsize::new(2);
            let (tx, rx) = channel(capacity);
            threads(4, |number, mut dice| {
                let (alive, sent, received, senders_left) = (&alive, &sent, &received, &senders_left);
                let (tx, rx) = (tx.clone(), rx.clone());
                async move {
                    if number >= 2 {
                        receive_all(rx, received, &mut dice).await;
                        return 0;
                    }
                    let first = number as usize * EACH;
                    send_some(&tx, (first..first + EACH).map(|n| alive.token(n)), sent, &mut dice).await;
                    if senders_left.fetch_sub(1, Ordering::SeqCst) == 1 {
                        tx.close();
                    }
                    0
                }
            });
            for (n, (sent, received)) in sent.iter().zip(&received).enumerate() {
                let (sent, received) = (sent.load(Ordering::SeqCst), received.load(Ordering::SeqCst));
                assert!(sent <= received, "capacity {capacity}: message {n} was lost");
            }
            drop((tx, rx));
            assert_eq!((alive.count(), alive.drops()), (0, 2 * EACH), "capacity {capacity}");
        }
    });
}

#[test]
fn messages_of_one_sender_keep_their_order_when_receives_are_dropped() {
    const EACH: usize = 20_000;
    within(SECONDS, || {
        for capacity in [0, 1, 5] {
            let (tx, rx) = channel(capacity);
            let (tx, rx) = (std::sync::Mutex::new(Some(tx)), std::sync::Mutex::new(Some(rx)));
            let count = threads(2, |number, mut dice| {
                let ends = match number {
                    0 => (tx.lock().unwrap().take(), None),
                    _ => (None, rx.lock().unwrap().take()),
                };
                async move {
                    let mut count = 0;
                    if let (Some(tx), _) = ends {
                        for n in 0..EACH {
                            tx.send(n).await.unwrap();
                        }
                    } else if let (_, Some(mut rx)) = ends {
                        loop {
                            let got = match dice.roll(4) {
                                0 => or_drop(&mut dice, rx.next()).await.map(|got| got.ok_or(RecvError)),
                                1 => or_drop(&mut dice, rx.recv()).await,
                                _ => Some(rx.recv().await),
                            };
                            match got {
                                Some(Ok(n)) => {
                                    assert_eq!(n, count, "with room for {capacity}");
                                    count += 1;
                                }
                                Some(Err(RecvError)) => break,
                                None => {}
                            }
                        }
                    }
                    count
                }
            });
            assert_eq!(count, EACH);
        }
    });
}

#[test]
fn all_work_announced_through_a_condvar_is_done() {
    const EACH: usize = 5_000;
    within(SECONDS, || {
        let (queue, filled) = (Mutex::new((Vec::new(), 0)), Condvar::new());
        let done = threads(4, |number, mut dice| {
            let (queue, filled) = (&queue, &filled);
            async move {
                let mut done = 0;
                if number < 2 {
                    for n in 0..EACH {
                        queue.lock().await.0.push(n);
                        filled.notify_one();
                    }
                    queue.lock().await.1 += 1;
                    filled.notify_all();
                } else {
                    loop {
                        let wait = async {
                            let empty = |queue: &mut (Vec<usize>, i32)| queue.0.is_empty() && queue.1 < 2;
                            filled.wait_while(queue.lock().await, empty).await.0.pop()
                        };
                        match or_drop(&mut dice, wait).await {
                            Some(Some(_)) => done += 1,
                            Some(None) => break,
                            None => yield_now().await,
                        }
                    }
                }
                done
            }
        });
        assert_eq!(done, 2 * EACH);
    });
}

#[test]
fn each_round_at_a_barrier_has_one_leader_and_no_task_is_a_round_ahead() {
    const ROUNDS: usize = 2_000;
    within(SECONDS, || {
        let (barrier, rounds) = (Barrier::new(4), [0; 4].map(AtomicUsize::new));
        let leaders = threads(4, |number, _| {
            let (barrier, rounds) = (&barrier, &rounds);
            async move {
                let mut leads = 0;
                for round in 0..ROUNDS {
                    rounds[number as usize].store(round, Ordering::SeqCst);
                    // No wait is dropped here: a dropped wait may have counted, which its task cannot know.
                    leads += usize::from(barrier.wait().await);
                    let least = rounds.iter().map(|round| round.load(Ordering::SeqCst)).min();
                    assert!(least >= Some(round), "a task is a round behind");
                }
                leads
            }
        });
        assert_eq!(leaders, ROUNDS);
    });
}

#[test]
fn broadcasts_and_watched_values_reach_every_receiver() {
    const EACH: u64 = 5_000;
    within(SECONDS, || {
        let (log, first) = broadcast(64);
        let (newest, watched) = watch(0);
        let receivers: Vec<_> = (0..3).map(|_| (log.subscribe(), watched.clone())).collect();
        drop((first, watched));
        let receivers = std::sync::Mutex::new(receivers);
        let senders = std::sync::Mutex::new(Some((log, newest)));
        threads(4, |number, mut dice| {
            let sends = (number == 0).then(|| senders.lock().unwrap().take().unwrap());
            let receives = (number > 0).then(|| receivers.lock().unwrap().pop().unwrap());
            async move {
                if let Some((log, newest)) = sends {
                    for n in 1..=EACH {
                        log.send(n).unwrap();
                        if n % 3 == 0 {
                            newest.modify(|value| *value = n);
                        } else {
                            newest.send(n).unwrap();
                        }
                        if dice.roll(20) == 0 {
                            thread::yield_now();
                        }
                    }
                    return 0;
                }
                let (mut log, mut newest) = receives.expect("it sends or receives");
                let mut next = 1;
                loop {
                    match or_drop(&mut dice, log.recv()).await {
                        Some(Ok(n)) => {
                            assert_eq!(n, next);
                            next += 1;
                        }
                        Some(Err(BroadcastError::Missed(missed))) => next += missed,
                        Some(Err(BroadcastError::Closed)) => break,
                        None => yield_now().await,
                    }
                }
                assert_eq!(next, EACH + 1);
                let mut seen = 0;
                while newest.changed().await.is_ok() {
                    let value = *newest.get();
                    assert!(value >= seen);
                    seen = value;
                }
                assert_eq!(seen, EACH);
                0
            }
        });
    });
}

#[test]
fn oneshot_answers_reach_the_receivers_that_still_wait() {
    const EACH: usize = 8_000;
    within(SECONDS, || {
        let alive = Alive::default();
        let (ask, asked) = channel::<(usize, executor::sync::OneshotSender<Token>)>(4);
        let (ask, asked) = (std::sync::Mutex::new(Some(ask)), std::sync::Mutex::new(Some(asked)));
        let over = Event::new();
        let answered = threads(2, |number, mut dice| {
            let (alive, over) = (&alive, &over);
            let ends = match number {
                0 => (ask.lock().unwrap().take(), None),
                _ => (None, asked.lock().unwrap().take()),
            };
            async move {
                let mut answered = 0;
                if let (Some(ask), _) = ends {
                    for n in 0..EACH {
                        let (reply, answer) = oneshot();
                        ask.send((n, reply)).await.unwrap();
                        match or_drop(&mut dice, answer).await {
                            Some(Ok(token)) => {
                                assert_eq!(token.0, n);
                                answered += 1;
                            }
                            Some(Err(RecvError)) => {} // the other task dropped the sender
                            None => {}
                        }
                    }
                    drop(ask);
                    over.wait().await;
                } else if let (_, Some(asked)) = ends {
                    let mut lost = 0;
                    while let Ok((n, mut reply)) = asked.recv().await {
                        match dice.roll(8) {
                            0 => drop(reply),
                            1 => drop(poll_once(reply.closed()).await),
                            _ => lost += usize::from(reply.send(alive.token(n)).is_err()),
                        }
                    }
                    assert!(lost < EACH);
                    over.set();
                }
                answered
            }
        });
        assert!(answered > 0);
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn many_waits_on_many_threads_all_complete() {
    within(SECONDS, || {
        let semaphore = Arc::new(Semaphore::new(2));
        let count = AtomicUsize::new(0);
        threads(3, |_, _| {
            let (semaphore, count) = (&semaphore, &count);
            async move {
                let work = || async {
                    for _ in 0..100 {
                        let _permit = semaphore.acquire_owned().await;
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                };
                join_all((0..40).map(|_| work())).await;
                0
            }
        });
        assert_eq!((count.into_inner(), semaphore.available_permits()), (3 * 40 * 100, 2));
    });
}
