//! Futures that are combined: join, select, race, sets, deadlines, and futures of other libraries.

use super::kit::{Boxed, Full, lets_others_run, virtually};
use executor::sync::{channel, unbounded, watch};
use executor::time::{Duration, interval, now, sleep, sleep_until, timeout};
use executor::{
    Runtime, Until, as_completed, deadline, join_all, race, select, shield, spawn, spawn_blocking, task_group,
    try_join_all, wait, yield_now,
};
use futures_lite::future::{or, zip};
use futures_lite::{AsyncWriteExt, StreamExt};
use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;
use tests::within;

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

/// Checks that a future completes although it is polled after one that always spends the budget.
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
