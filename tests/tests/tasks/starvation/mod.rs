//! No task starves the rest (invariant 7): every leaf takes part in the budget of a poll, a poll whose budget is spent
//! ends, however its futures are combined, and no future starves beside one that always spends the budget.
//!
//! Polls by hand are the other side: what they are given is there, so they must return it.

#![allow(clippy::await_holding_refcell_ref)] // each has one task that borrows it

use executor::sync::{
    Barrier, Condvar, Event, Mutex, RwLock, Semaphore, broadcast, channel, oneshot, unbounded, watch,
};
use executor::task::{Runnable, Schedule, spawn_with};
use executor::time::{Duration, interval, interval_at, now, sleep, sleep_until, timeout};
use executor::{
    Runtime, Until, as_completed, deadline, join_all, race, select, shield, spawn, spawn_blocking, spawn_local,
    task_group, try_join_all, wait, yield_now,
};
use futures_lite::future::{or, poll_once, zip};
use futures_lite::{AsyncWriteExt, StreamExt};
use reactor::budget::OPERATIONS;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex as Lock};
use std::task::{Context, Poll, Waker};
use tests::{Counting, within};

mod by_hand;
mod executors;

// ---- the kit ----

/// How much a task does in one turn, seen by another task that wants its turns too.
#[derive(Default)]
struct Work {
    in_this_turn: Cell<u32>,
    turns: Cell<u32>,
}

/// Operations in one turn: the budget, and some for leaves that were pending before.
const MOST: u32 = OPERATIONS as u32 + 8;

impl Work {
    /// Counts an operation. Whether to go on with the next one: until the other task has had its turns.
    fn goes_on(&self) -> bool {
        self.in_this_turn.set(self.in_this_turn.get() + 1);
        if self.turns.get() >= 4 {
            return false;
        }
        assert!(self.in_this_turn.get() <= MOST, "more than {MOST} operations in one turn");
        true
    }

    /// The other task.
    async fn take_turns(self: Rc<Self>) {
        while self.turns.get() < 4 {
            self.turns.set(self.turns.get() + 1);
            self.in_this_turn.set(0);
            yield_now().await;
        }
    }
}

fn virtually() -> Runtime {
    Runtime::builder().virtual_clock().build().unwrap()
}

/// Runs a task that always has something to do. Another one has its turns meanwhile.
#[track_caller]
fn lets_others_run<F: Future<Output = ()>>(what: &str, greedy: impl FnOnce(Rc<Work>) -> F) {
    lets_others_run_on(&virtually(), what, greedy);
}

#[track_caller]
fn lets_others_run_on<F: Future<Output = ()>>(runtime: &Runtime, what: &str, greedy: impl FnOnce(Rc<Work>) -> F) {
    println!("{what}");
    runtime.block_on(async {
        let work = Rc::new(Work::default());
        let other = spawn_local(work.clone().take_turns());
        greedy(work).await;
        other.await.unwrap();
    });
}

/// A channel that is never empty, as each message that is received is sent again.
struct Full {
    tx: executor::sync::Sender<()>,
    rx: executor::sync::Receiver<()>,
}

impl Full {
    fn new() -> Full {
        let (tx, rx) = unbounded();
        tx.try_send(()).unwrap();
        Full { tx, rx }
    }

    async fn next(&self) {
        self.rx.recv().await.unwrap();
        self.tx.try_send(()).unwrap();
    }

    /// Always has something to do.
    async fn forever(&self) {
        loop {
            self.next().await;
        }
    }
}

type Boxed<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

// ---- futures that are combined ----

#[test]
fn ready_operations_let_others_run_however_they_are_combined() {
    let (a, b) = (&Full::new(), &Full::new());
    lets_others_run("select", |work| async move {
        while work.goes_on() {
            select(a.next(), b.next()).await;
        }
    });
    lets_others_run("race", |work| async move {
        while work.goes_on() {
            race([a.next(), b.next()]).await;
        }
    });
    lets_others_run("join_all", |work| async move {
        while work.goes_on() {
            join_all([a.next(), b.next()]).await;
        }
    });
    lets_others_run("try_join_all", |work| async move {
        while work.goes_on() {
            try_join_all([a, b].map(|full| async {
                full.next().await;
                Ok::<_, ()>(())
            }))
            .await
            .unwrap();
        }
    });
    lets_others_run("as_completed", |work| async move {
        while work.goes_on() {
            as_completed([a.next(), b.next()]).next().await.unwrap();
        }
    });
    lets_others_run("wait", |work| async move {
        while work.goes_on() {
            let both = [a, b].map(|full| {
                Box::pin(async {
                    full.next().await;
                    Ok::<_, ()>(())
                })
            });
            wait(both, Until::FirstDone).await;
        }
    });
    lets_others_run("another library's zip and or", |work| async move {
        while work.goes_on() {
            zip(a.next(), or(b.next(), a.next())).await;
        }
    });
    lets_others_run("combined in each other", |work| async move {
        while work.goes_on() {
            let inner = join_all([a.next(), b.next()]);
            let timed = timeout(Duration::from_secs(1), shield(b.next()));
            select(select(inner, timed), deadline(Duration::from_secs(1), race([a.next()]))).await;
        }
    });
}

#[test]
fn ten_thousand_busy_futures_share_one_budget() {
    for which in ["join_all", "race", "as_completed", "wait"] {
        lets_others_run(which, |work| async move {
            let full = &Full::new();
            let busy = (0..10_000).map(|_| {
                let work = work.clone();
                Box::pin(async move {
                    while work.goes_on() {
                        full.next().await;
                    }
                    Ok::<_, ()>(())
                })
            });
            match which {
                "join_all" => drop(join_all(busy).await),
                "race" => drop(race(busy).await),
                "as_completed" => assert_eq!(as_completed(busy).count().await, 10_000),
                _ => drop(wait(busy, Until::AllDone).await),
            }
        });
    }
}

#[test]
fn each_future_of_a_set_has_its_turn_beside_busy_ones() {
    virtually().block_on(async {
        let full = Full::new();
        let turns: [Cell<u32>; 8] = Default::default();
        let busy = turns.each_ref().map(|turns| async {
            loop {
                turns.set(turns.get() + 1);
                full.next().await;
            }
        });
        let waits = select(race(busy), async {
            for _ in 0..16 {
                yield_now().await;
            }
        });
        waits.await;
        assert!(turns.iter().all(|turns| turns.get() > 0), "{turns:?}");
    });
}

#[test]
fn a_time_limit_ends_a_busy_loop() {
    const LIMIT: Duration = Duration::from_millis(5);
    within(20, || {
        executor::block_on(async {
            let (full, again) = (&Full::new(), &Full::new());
            let busy = || async move {
                loop {
                    select(full.next(), again.next()).await;
                }
            };
            timeout(LIMIT, busy()).await.unwrap_err();
            timeout(Duration::ZERO, busy()).await.unwrap_err();
            deadline(LIMIT, busy()).await.unwrap_err();
            deadline(LIMIT, join_all((0..1000).map(|_| busy()))).await.unwrap_err();
            select(busy(), sleep(LIMIT)).await;
            or(busy(), sleep(LIMIT)).await;
            race::<[Boxed<'_>; 2]>([Box::pin(busy()), Box::pin(sleep(LIMIT))]).await;
            select(busy(), select(busy(), sleep(LIMIT))).await;
        });
    });
}

/// A future that is polled after one that always spends the budget, and all that it waits for.
#[track_caller]
fn goes_on_beside_a_busy_loop<T>(what: &str, future: impl AsyncFn() -> T) {
    println!("{what}");
    let full = Full::new();
    let polls = Cell::new(0);
    let limited = poll_fn(|_| -> Poll<()> {
        polls.set(polls.get() + 1);
        assert!(polls.get() < 1000, "{what} starves");
        Poll::Pending
    });
    let system = Runtime::builder().build().unwrap();
    system.block_on(async {
        or(limited, or(full.forever(), or(full.forever(), async { drop(future().await) }))).await;
    });
}

#[test]
fn a_future_goes_on_beside_one_that_always_spends_the_budget() {
    let full = &Full::new();
    goes_on_beside_a_busy_loop("a message that is there", async || full.next().await);
    goes_on_beside_a_busy_loop("a message that comes", async || {
        let (tx, rx) = channel(0);
        spawn(async move { tx.send(()).await });
        rx.recv().await.unwrap();
    });
    goes_on_beside_a_busy_loop("a stream", async || {
        let (tx, mut rx) = unbounded();
        spawn(async move { tx.send(()).await });
        rx.next().await.unwrap();
    });
    goes_on_beside_a_busy_loop("a set", async || join_all([full.next(), full.next()]).await);
    goes_on_beside_a_busy_loop("a timer that is due", async || sleep_until(now()).await);
    goes_on_beside_a_busy_loop("an interval", async || interval(Duration::from_nanos(1)).take(3).count().await);
    goes_on_beside_a_busy_loop("a task", async || spawn(async {}).await.unwrap());
    goes_on_beside_a_busy_loop("a task that is over", async || {
        let task = spawn(async {});
        yield_now().await;
        assert!(task.is_finished());
        task.await.unwrap();
    });
    goes_on_beside_a_busy_loop("a blocking call", async || spawn_blocking(|| ()).await.unwrap());
    goes_on_beside_a_busy_loop("a watched value", async || {
        let (tx, mut rx) = watch(0);
        tx.send(1).unwrap();
        rx.wait_for(|n| *n == 1).await.unwrap();
    });
    goes_on_beside_a_busy_loop("a group", async || task_group(|_| async { Ok::<_, ()>(()) }).await);
    goes_on_beside_a_busy_loop("a socket", async || {
        let listener = executor::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = executor::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.write_all(b"x").await.unwrap();
        client.close().await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
    });
}

// ---- leaves ----

/// Waits for each of these again and again; all are ready at once.
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
fn every_wait_for_others_takes_part() {
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
fn every_timer_that_is_due_takes_part() {
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
fn every_task_that_is_over_takes_part() {
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
fn awaiting_a_hundred_thousand_tasks_that_are_over_lets_others_run_each_budget() {
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
fn every_operation_on_a_socket_takes_part() {
    use executor::net::{TcpListener, UdpSocket, UnixDatagram, UnixListener, UnixStream, lookup};
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
            // Std's, which takes no part.
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

// ---- one poll, one budget ----

#[test]
fn a_wait_that_is_begun_by_hand_and_then_awaited_is_one_of_the_polls_operations() {
    lets_others_run("begun, then awaited", |work| async move {
        let (tx, rx) = unbounded();
        while work.goes_on() {
            let mut receives = pin!(rx.recv());
            assert!(poll_once(&mut receives).await.is_none());
            tx.try_send(()).unwrap();
            receives.await.unwrap();
        }
    });
}

#[test]
fn what_runs_inside_of_a_poll_does_not_refill_its_budget() {
    let full = &Full::new();
    lets_others_run("a task dump", |work| async move {
        spawn_local(pending::<()>());
        yield_now().await;
        while work.goes_on() {
            full.next().await;
            executor::tasks();
        }
    });
    lets_others_run("a group that is dropped", |work| async move {
        while work.goes_on() {
            full.next().await;
            let mut group = Box::pin(task_group(|group| async move {
                group.spawn_local(pending::<Result<(), ()>>());
                pending::<Result<(), ()>>().await
            }));
            poll_once(&mut group).await;
            drop(group);
        }
    });
}

#[test]
fn polls_that_take_long_keep_a_timer_waiting_for_a_few_of_them_only() {
    let polls = executor::block_on(async {
        let timer = executor::spawn(executor::time::sleep(std::time::Duration::from_millis(20)));
        let mut polls = 0;
        while !timer.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(10)); // a computation
            polls += 1;
            executor::yield_now().await;
        }
        polls
    });
    assert!(polls < 40, "the reactor was polled after {polls} polls of 10 ms");
}
