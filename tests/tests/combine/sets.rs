//! Sets of futures: `join_all`, `as_completed`, `race`, `select` and `wait`.

use super::{Alive, Boxed, Gate, busy, gates, ms, panic_text, polls, taken, virtually};
use executor::time::{Elapsed, sleep, timeout};
use executor::{
    Either, JoinHandle, Until, as_completed, block_on, join_all, race, select, spawn, spawn_local, try_join_all, wait,
    yield_now,
};
use futures_lite::future::{poll_fn, ready};
use futures_lite::{Stream, StreamExt};
use std::cell::{Cell, RefCell};
use std::hint;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Barrier};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tests::{Counting, Log, OnDrop, poll_with, within};

#[test]
fn an_empty_set_is_complete_and_an_empty_race_never_ends() {
    virtually(async {
        type None = Vec<std::future::Ready<Result<(), ()>>>;
        assert!(join_all(None::new()).await.is_empty());
        assert_eq!(try_join_all(None::new()).await, Ok(vec![]));
        assert!(as_completed(None::new()).next().await.is_none());
        for until in [Until::FirstDone, Until::FirstError, Until::AllDone] {
            let waited = wait(None::new(), until).await;
            assert!(waited.done.is_empty() && waited.pending.is_empty(), "{until:?}");
        }
        assert_eq!(timeout(ms(1_000_000), race(None::new())).await, Err(Elapsed));
    });
}

#[test]
fn outputs_are_in_the_order_of_the_futures_and_take_as_long_as_the_longest() {
    virtually(async {
        let delays = [30, 10, 50, 20];
        let (took, outputs) = taken(join_all(delays.map(|n| async move {
            sleep(ms(n)).await;
            n
        })))
        .await;
        assert_eq!((took, outputs), (50, delays.to_vec()));
        let (took, outputs) = taken(try_join_all(delays.map(|n| async move {
            sleep(ms(n)).await;
            Ok::<_, ()>(n)
        })))
        .await;
        assert_eq!((took, outputs), (50, Ok(delays.to_vec())));
    });
}

#[test]
fn futures_that_are_all_ready_complete_in_one_poll() {
    let waker = Waker::noop();
    assert_eq!(poll_with(waker, &mut join_all((0..10_000).map(ready))), Poll::Ready((0..10_000).collect()));
    let all_fine = (0..10_000).map(|n| ready(Ok::<_, ()>(n)));
    assert_eq!(poll_with(waker, &mut try_join_all(all_fine.clone())), Poll::Ready(Ok((0..10_000).collect())));
    assert_eq!(poll_with(waker, &mut race((7..10).map(ready))), Poll::Ready((0, 7)));
    let mut stream = as_completed((0..1_000).map(ready));
    for n in 0..1_000 {
        assert_eq!(stream.size_hint(), (1_000 - n, Some(1_000 - n)));
        assert_eq!(poll_with(waker, &mut stream.next()), Poll::Ready(Some(n)));
    }
    assert_eq!(poll_with(waker, &mut stream.next()), Poll::Ready(None));
    assert_eq!(poll_with(waker, &mut stream.next()), Poll::Ready(None), "the end stays the end");
    // Futures that complete at the same time are included.
    for until in [Until::FirstDone, Until::FirstError, Until::AllDone] {
        let Poll::Ready(waited) = poll_with(waker, &mut wait(all_fine.clone(), until)) else { panic!("{until:?}") };
        assert_eq!((waited.done.len(), waited.pending.len()), (10_000, 0), "{until:?}");
    }
}

#[test]
fn a_set_polls_only_the_children_that_were_woken() {
    const CHILDREN: usize = 10_000;
    let parent = Counting::new();
    let gates = gates(CHILDREN);
    let mut all = join_all(gates.iter().enumerate().map(|(n, gate)| gate.passed(n)));
    assert!(poll_with(&parent.waker(), &mut all).is_pending());
    assert_eq!(polls(&gates), CHILDREN);
    for n in 0..CHILDREN - 1 {
        gates[n * 7_919 % CHILDREN].open(); // not in the order of the set
        assert!(poll_with(&parent.waker(), &mut all).is_pending());
        assert_eq!((polls(&gates), parent.wakes()), (CHILDREN + n + 1, n + 1));
    }
    assert_eq!(format!("{all:?}"), "JoinAll (1 left)");
    // A poll of the set without a wake polls no child.
    for _ in 0..10 {
        assert!(poll_with(&parent.waker(), &mut all).is_pending());
    }
    assert_eq!(polls(&gates), 2 * CHILDREN - 1);
    gates.iter().for_each(Gate::open); // also those that are done
    assert_eq!(poll_with(&parent.waker(), &mut all), Poll::Ready((0..CHILDREN).collect()));
    assert_eq!((polls(&gates), parent.wakes()), (2 * CHILDREN, CHILDREN));
    assert_eq!(parent.wakers(1), 0);
}

#[test]
fn children_that_wake_together_wake_their_parent_once_and_a_child_woken_twice_is_polled_once() {
    let parent = Counting::new();
    let gates = gates(100);
    let mut all = join_all(gates.iter().map(|gate| gate.passed(())));
    assert!(poll_with(&parent.waker(), &mut all).is_pending());
    for round in 1..=3 {
        gates.iter().chain(&gates).for_each(Gate::wake);
        assert_eq!(parent.wakes(), round);
        assert!(poll_with(&parent.waker(), &mut all).is_pending());
        assert_eq!((polls(&gates), parent.wakes()), (100 * (round + 1), round), "there is nothing left to be polled");
    }
}

#[test]
fn a_set_wakes_the_task_that_polled_it_last() {
    let (first, second) = (Counting::new(), Counting::new());
    let gate = Gate::default();
    let mut all = join_all([gate.passed(5)]);
    assert!(poll_with(&first.waker(), &mut all).is_pending());
    assert!(poll_with(&second.waker(), &mut all).is_pending());
    assert_eq!(first.wakers(1), 0, "the old waker is kept");
    gate.open();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    assert_eq!(poll_with(&first.waker(), &mut all), Poll::Ready(vec![5]));
}

#[test]
fn a_child_that_always_wakes_itself_starves_neither_its_siblings_nor_other_tasks() {
    let polled = Rc::new(Cell::new(0));
    let parent = Counting::new();
    let gate = Gate::default();
    let children: Vec<Boxed<()>> =
        vec![Box::pin(busy(polled.clone())), Box::pin(busy(polled.clone())), Box::pin(gate.passed(()))];
    let mut first = race(children);
    for n in 1..=20 {
        assert!(poll_with(&parent.waker(), &mut first).is_pending());
        assert_eq!(polled.get(), 2 * n, "polls of two children in {n} polls of their set: one each");
        assert_eq!(parent.wakes(), n, "the busy ones are to be polled again");
    }
    gate.open();
    let passes = (0..3).filter(|_| poll_with(&parent.waker(), &mut first) == Poll::Ready((2, ()))).count();
    assert_eq!(passes, 1);

    within(20, || {
        block_on(async {
            let polled = Rc::new(Cell::new(0));
            let all = spawn_local(join_all((0..3).map(|_| busy::<()>(polled.clone()))));
            sleep(ms(5)).await;
            spawn(async {}).await.unwrap();
            all.cancel();
            assert!(polled.get() > 3);
            assert!(all.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn a_panic_of_a_child_unwinds_through_its_set_and_drops_the_others() {
    type Child = Boxed<Result<(), ()>>;
    type Maker = fn(Vec<Child>) -> Boxed<()>;
    let makers: [(&str, Maker); 6] = [
        ("join_all", |children| Box::pin(async { _ = join_all(children).await })),
        ("try_join_all", |children| Box::pin(async { _ = try_join_all(children).await })),
        ("as_completed", |children| Box::pin(async { _ = as_completed(children).next().await })),
        ("race", |children| Box::pin(async { _ = race(children).await })),
        ("wait", |children| Box::pin(async { _ = wait(children, Until::AllDone).await })),
        ("select", |mut children| {
            let (b, a) = (children.pop().unwrap(), children.pop().unwrap());
            Box::pin(async { _ = select(a, b).await })
        }),
    ];
    for (name, make) in makers {
        virtually(async {
            let alive = Alive::new();
            let panics = async {
                sleep(ms(1)).await;
                panic!("on purpose")
            };
            let children: Vec<Child> = vec![Box::pin(alive.clone().park()), Box::pin(panics)];
            let task = spawn_local(make(children));
            yield_now().await;
            assert_eq!(alive.count(), 1, "{name}");
            let error = task.await.unwrap_err();
            assert_eq!(error.to_string(), "the task panicked: on purpose", "{name}");
            assert_eq!(alive.count(), 0, "{name}");
        });
    }
}

#[test]
fn children_and_outputs_are_dropped_once_wherever_the_set_is_dropped() {
    // Each child and each output holds one clone.
    let (made, dropped) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let thing = || {
        made.set(made.get() + 1);
        let dropped = dropped.clone();
        OnDrop::new(move || dropped.set(dropped.get() + 1))
    };
    for finished in 0..=4 {
        for kind in 0..3 {
            made.set(0);
            dropped.set(0);
            let gates = gates(4);
            let children = gates.iter().map(|gate| {
                let (inside, passed) = (thing(), gate.passed(thing()));
                Box::pin(async move {
                    let _inside = inside;
                    passed.await
                })
            });
            let children: Vec<_> = children.collect();
            let mut all = join_all(children);
            assert!(poll_with(Waker::noop(), &mut all).is_pending());
            gates[..finished].iter().for_each(Gate::open);
            match kind {
                0 => {} // dropped with children that were woken
                1 => drop(poll_with(Waker::noop(), &mut all)),
                _ => {
                    let polled = poll_with(Waker::noop(), &mut all);
                    drop(all);
                    drop(polled);
                    assert_eq!((made.get(), dropped.get()), (8, 8), "{finished} of 4");
                    continue;
                }
            }
            drop(all);
            assert_eq!((made.get(), dropped.get()), (8, 8), "{finished} of 4");
        }
    }
}

#[test]
fn the_losers_are_dropped_before_the_winner_is_returned() {
    let alive = Alive::new();
    let gate = Gate::default();
    let children: Vec<Boxed<Result<u8, u8>>> = vec![Box::pin(alive.clone().park()), Box::pin(gate.passed(Err(7)))];
    let mut tried = try_join_all(children);
    assert!(poll_with(Waker::noop(), &mut tried).is_pending());
    gate.open();
    assert_eq!((alive.count(), poll_with(Waker::noop(), &mut tried)), (1, Poll::Ready(Err(7))));
    assert_eq!(alive.count(), 0); // while `tried` still exists

    let gate = Gate::default();
    let children: Vec<Boxed<u8>> = vec![Box::pin(alive.clone().park()), Box::pin(gate.passed(7))];
    let mut first = race(children);
    assert!(poll_with(Waker::noop(), &mut first).is_pending());
    gate.open();
    assert_eq!((alive.count(), poll_with(Waker::noop(), &mut first)), (1, Poll::Ready((1, 7))));
    assert_eq!(alive.count(), 0);
}

#[test]
fn a_panic_in_the_destructor_of_a_loser_does_not_drop_the_others_twice() {
    let drops = Log::new();
    let gates = gates(4);
    let children = gates.iter().enumerate().map(|(n, gate)| {
        let (drops, passed) = (drops.clone(), gate.passed(()));
        async move {
            let _inside = OnDrop::new(move || {
                drops.push(n);
                assert!(n != 1, "on purpose");
            });
            passed.await
        }
    });
    let mut first = race(children.map(Box::pin));
    assert!(poll_with(Waker::noop(), &mut first).is_pending());
    gates[0].open();
    let caught = catch_unwind(AssertUnwindSafe(|| poll_with(Waker::noop(), &mut first)));
    assert_eq!(panic_text(caught.unwrap_err()), "on purpose");
    let _ = catch_unwind(AssertUnwindSafe(|| drop(first)));
    let mut drops = drops.take();
    drops.sort_unstable();
    assert_eq!(drops, [0, 1, 2, 3]);
}

#[test]
fn the_child_that_was_woken_first_wins() {
    let gates = gates(10);
    let mut first = race(gates.iter().map(|gate| gate.passed(())));
    assert!(poll_with(Waker::noop(), &mut first).is_pending());
    [7, 3, 5].iter().for_each(|n: &usize| gates[*n].open());
    assert_eq!(poll_with(Waker::noop(), &mut first), Poll::Ready((7, ())));
    assert_eq!(gates[3].polls(), 1, "the others are not polled");

    let mut outputs = as_completed(gates.iter().enumerate().map(|(n, gate)| {
        gate.0.open.set(false);
        gate.passed(n)
    }));
    assert!(poll_with(Waker::noop(), &mut outputs.next()).is_pending());
    [4, 9, 0].iter().for_each(|n: &usize| gates[*n].open());
    let order: Vec<_> =
        std::iter::from_fn(
            || if let Poll::Ready(n) = poll_with(Waker::noop(), &mut outputs.next()) { n } else { None },
        )
        .collect();
    assert_eq!(order, [4, 9, 0]);
    assert_eq!(format!("{outputs:?}"), "AsCompleted (7 left)");
}

#[test]
fn wakers_of_children_outlive_the_set_and_may_be_called_from_anywhere() {
    within(30, || {
        for drop_first in [false, true] {
            let kept = Log::new();
            let parent = Counting::new();
            let child = |n: usize| {
                let kept = kept.clone();
                poll_fn(move |cx| {
                    kept.push(cx.waker().clone());
                    if n == 0 { Poll::Ready(n) } else { Poll::Pending }
                })
            };
            let mut all = join_all((0..8).map(child));
            assert!(poll_with(&parent.waker(), &mut all).is_pending());
            let kept = kept.take();
            let go = Barrier::new(3);
            thread::scope(|scope| {
                for half in [&kept[..4], &kept[4..]] {
                    let go = &go;
                    scope.spawn(move || {
                        go.wait();
                        half.iter().for_each(Waker::wake_by_ref);
                    });
                }
                if drop_first {
                    drop(all);
                    go.wait();
                } else {
                    go.wait();
                    drop(all);
                }
            });
            drop(kept);
            assert_eq!(parent.wakers(1), 0, "the last waker of a child frees the parent's");
        }
    });
}

#[test]
fn no_wake_of_a_child_from_another_thread_is_lost() {
    within(60, || {
        for round in 0..30 {
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..64).map(|_| async_channel::bounded::<usize>(1)).unzip();
            let threads: Vec<_> = (0..4)
                .map(|part: usize| {
                    let senders = senders.clone();
                    thread::spawn(move || {
                        for message in 0..5 {
                            for sender in senders.iter().skip(part).step_by(4) {
                                sender.send_blocking(message).unwrap();
                            }
                        }
                    })
                })
                .collect();
            drop(senders);
            let sums = block_on(join_all(receivers.into_iter().map(|receiver| async move {
                let mut sum = 0;
                while let Ok(message) = receiver.recv().await {
                    sum += message;
                }
                sum
            })));
            assert_eq!(sums, [10; 64], "round {round}");
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
    });
}

#[test]
fn what_was_written_before_a_redundant_wake_is_seen_by_the_poll() {
    const ROUNDS: u32 = 1_000_000;
    let [data, begun, done] = [(); 3].map(|()| Arc::new(AtomicU32::new(0)));
    let (waker, seen) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
    let mut child = {
        let (data, waker, seen) = (data.clone(), waker.clone(), seen.clone());
        // Relaxed: only the wake makes what was written visible.
        race([Box::pin(poll_fn(move |cx| {
            waker.borrow_mut().get_or_insert_with(|| cx.waker().clone());
            seen.set(data.load(Relaxed));
            Poll::<()>::Pending
        })) as Boxed<()>])
    };
    let parent = Counting::new();
    let mut poll = || assert!(poll_with(&parent.waker(), &mut child).is_pending());
    poll();
    let waker: Waker = waker.take().expect("the child has stored its waker");
    let other = thread::spawn({
        let (waker, data, begun, done) = (waker.clone(), data.clone(), begun.clone(), done.clone());
        move || {
            for round in 1..=ROUNDS {
                while begun.load(SeqCst) < round {
                    hint::spin_loop();
                }
                data.store(round, Relaxed);
                waker.wake_by_ref();
                done.store(round, SeqCst);
            }
        }
    });
    let start = Instant::now();
    // On a busy machine, a round takes long.
    for round in (1..=ROUNDS).take_while(|_| start.elapsed() < Duration::from_secs(1)) {
        waker.wake_by_ref(); // so that the other thread's wake may be redundant
        begun.store(round, SeqCst);
        poll();
        while done.load(SeqCst) < round {
            hint::spin_loop();
        }
        if seen.get() < round {
            poll(); // polls the child only if the other wake has queued it
        }
        assert_eq!(seen.get(), round, "the poll after the wake has not seen what was written before the wake");
    }
    begun.store(ROUNDS, SeqCst); // the other thread does not wait any more
    other.join().unwrap();
}

#[test]
fn select_polls_the_first_future_first_and_drops_the_other() {
    virtually(async {
        assert_eq!(select(ready(1), ready(2)).await, Either::First(1));
        let alive = Alive::new();
        let other = alive.clone().park::<()>();
        match select(other, ready(2)).await {
            Either::First(()) => unreachable!(),
            Either::Second(two) => assert_eq!((two, alive.count()), (2, 0)),
        }
        let started = Rc::new(Cell::new(false));
        let flag = started.clone();
        let second = async move { flag.set(true) };
        assert_eq!(select(ready(1), second).await, Either::First(1));
        assert!(!started.get(), "the second was polled although the first was ready");
        // A future that did not complete can be selected again.
        let mut long = pin!(sleep(ms(25)));
        let mut rounds = 0;
        while let Either::Second(()) = select(&mut long, sleep(ms(10))).await {
            rounds += 1;
        }
        assert_eq!(rounds, 2);
    });
}

#[test]
fn wait_returns_the_futures_that_are_not_complete() {
    virtually(async {
        let task = |ms_: u64, fine: bool| {
            Box::pin(async move {
                sleep(ms(ms_)).await;
                if fine { Ok(ms_) } else { Err(ms_) }
            })
        };
        let set = || [task(30, true), task(10, true), task(20, false), task(20, true), task(40, true)];
        let (took, waited) = taken(wait(set(), Until::FirstDone)).await;
        assert_eq!((took, &*waited.done), (10, &[(1, Ok(10))][..]));
        let numbers: Vec<_> = waited.pending.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 2, 3, 4]);
        let (_, left): (Vec<_>, Vec<_>) = waited.pending.into_iter().unzip();
        assert_eq!(taken(join_all(left)).await, (30, vec![Ok(30), Err(20), Ok(20), Ok(40)]));

        let (took, waited) = taken(wait(set(), Until::FirstError)).await;
        let order: Vec<_> = waited.done.iter().map(|(number, _)| *number).collect();
        assert_eq!((took, order, waited.pending.len()), (20, vec![1, 2, 3], 2));

        let (took, waited) = taken(wait(set(), Until::AllDone)).await;
        let order: Vec<_> = waited.done.iter().map(|(number, _)| *number).collect();
        assert_eq!((took, order, waited.pending.len()), (40, vec![1, 2, 3, 0, 4], 0));

        // Futures that are passed as `&mut` remain when the wait is dropped.
        let mut futures = set();
        assert!(timeout(ms(15), wait(futures.iter_mut(), Until::AllDone)).await.is_err());
        assert_eq!(taken(&mut futures[0]).await, (15, Ok(30)));
        let waits = wait(set(), Until::AllDone);
        assert_eq!(format!("{waits:?}"), "Wait (5 left)");
    });
}

#[test]
fn a_dropped_set_of_handles_detaches_its_tasks_unless_they_cancel_on_drop() {
    virtually(async {
        let alive = Alive::new();
        let tasks = [spawn(alive.clone().park::<()>()), spawn(async { panic!("on purpose") })];
        let joined = try_join_all(tasks.map(JoinHandle::cancel_on_drop));
        assert!(joined.await.unwrap_err().is_panic());
        yield_now().await;
        assert_eq!(alive.count(), 0);

        let tasks = [spawn(alive.clone().park::<()>()), spawn(async { panic!("on purpose") })];
        assert!(try_join_all(tasks).await.unwrap_err().is_panic());
        yield_now().await;
        assert_eq!(alive.count(), 1);
    });
}
