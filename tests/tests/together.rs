//! Futures and tasks that belong together, through the public face: sets of futures, groups of tasks, deadlines,
//! shields, who cancelled whom, callbacks, and values that belong to a task.
//!
//! What is checked: a set polls only those of its children that were woken, and drops each child and each
//! output once; nothing outlives a group, on whatever way it ends; a shield is waited for by those who promise
//! that, and by nobody else; the first who cancels a task is the one that is told.

use executor::task::{CancelledBy, Finish, TaskState};
use executor::time::{Duration, Elapsed, now, sleep, timeout};
use executor::{
    Either, GroupError, JoinHandle, Runtime, TaskGroup, Until, as_completed, block_on, deadline, deadline_at, join_all,
    named, race, select, shield, spawn, spawn_blocking, spawn_local, task_group, task_local, time_left, try_join_all,
    wait, yield_now,
};
use futures_lite::future::{pending, poll_fn, poll_once, ready};
use futures_lite::{Stream, StreamExt};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Poll, Waker};
use std::thread;
use tests::{Counting, Log, OnDrop, poll_with, within};

/// Runs a future on a virtual clock. Not with `detect_deadlock`: to list the tasks it polls them, and one whose
/// wake was lost would go on then. Whoever hangs ends the process by name.
fn virtually<T>(future: impl Future<Output = T>) -> T {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        if is_done.recv_timeout(Duration::from_secs(20)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("it hangs: {name}");
            std::process::abort();
        }
    });
    let output = Runtime::builder().virtual_clock().build().unwrap().block_on(future);
    drop(done);
    output
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// How many milliseconds of virtual time a future takes.
async fn taken<T>(future: impl Future<Output = T>) -> (u64, T) {
    let start = now();
    let output = future.await;
    ((now() - start).as_millis() as u64, output)
}

/// Something a future holds as long as it is there.
#[derive(Clone)]
struct Alive(Arc<()>);

impl Alive {
    fn new() -> Alive {
        Alive(Arc::new(()))
    }

    /// How many futures hold it.
    fn count(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// Waits for ever and holds it.
    async fn park<T>(self) -> T {
        pending::<()>().await;
        drop(self);
        unreachable!()
    }

    /// Writes to the log how many are left when it is dropped.
    fn report(&self, log: &Log<usize>) -> OnDrop<impl FnOnce() + Send + use<>> {
        let (alive, log) = (Arc::downgrade(&self.0), log.clone());
        // The test itself holds one.
        OnDrop::new(move || log.push(alive.strong_count() - 1))
    }
}

/// A child that is ready when it was opened, and counts its polls.
#[derive(Clone, Default)]
struct Gate(Rc<GateState>);

#[derive(Default)]
struct GateState {
    open: Cell<bool>,
    polls: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl Gate {
    fn open(&self) {
        self.0.open.set(true);
        self.wake();
    }

    fn wake(&self) {
        let waker = self.0.waker.borrow().clone();
        waker.into_iter().for_each(Waker::wake);
    }

    fn polls(&self) -> usize {
        self.0.polls.get()
    }

    fn passed<T>(&self, output: T) -> impl Future<Output = T> + use<T> {
        let (gate, mut output) = (self.0.clone(), Some(output));
        poll_fn(move |cx| {
            gate.polls.set(gate.polls.get() + 1);
            *gate.waker.borrow_mut() = Some(cx.waker().clone());
            match gate.open.get() {
                true => Poll::Ready(output.take().expect("a child is not polled after it was ready")),
                false => Poll::Pending,
            }
        })
    }
}

fn gates(count: usize) -> Vec<Gate> {
    (0..count).map(|_| Gate::default()).collect()
}

fn polls(gates: &[Gate]) -> usize {
    gates.iter().map(Gate::polls).sum()
}

/// Pending for ever, and woken by itself each time.
async fn busy<T>(polls: Rc<Cell<usize>>) -> T {
    poll_fn(|cx| {
        polls.set(polls.get() + 1);
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

fn panic_text(panic: Box<dyn std::any::Any + Send>) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal.or_else(|| panic.downcast_ref::<String>().cloned()).expect("the payload is a message")
}

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;
type Outcome<T> = Result<T, GroupError<&'static str>>;

// ---- sets of futures ----

#[test]
fn of_no_futures_all_are_done_and_there_is_no_first() {
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
fn outputs_come_in_the_order_in_which_the_futures_were_given_and_take_as_long_as_the_longest() {
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
fn futures_that_are_all_ready_are_done_in_one_poll() {
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
    // What is done at the same time counts as well.
    for until in [Until::FirstDone, Until::FirstError, Until::AllDone] {
        let Poll::Ready(waited) = poll_with(waker, &mut wait(all_fine.clone(), until)) else { panic!("{until:?}") };
        assert_eq!((waited.done.len(), waited.pending.len()), (10_000, 0), "{until:?}");
    }
}

#[test]
fn of_ten_thousand_children_only_those_that_were_woken_are_polled() {
    const CHILDREN: usize = 10_000;
    let parent = Counting::new();
    let gates = gates(CHILDREN);
    let mut all = join_all(gates.iter().enumerate().map(|(n, gate)| gate.passed(n)));
    assert!(poll_with(&parent.waker(), &mut all).is_pending());
    assert_eq!(polls(&gates), CHILDREN);
    for n in 0..CHILDREN - 1 {
        gates[n * 7_919 % CHILDREN].open(); // in some other order
        assert!(poll_with(&parent.waker(), &mut all).is_pending());
        assert_eq!((polls(&gates), parent.wakes()), (CHILDREN + n + 1, n + 1));
    }
    assert_eq!(format!("{all:?}"), "JoinAll (1 left)");
    // Asked without a wake, nobody is polled.
    for _ in 0..10 {
        assert!(poll_with(&parent.waker(), &mut all).is_pending());
    }
    assert_eq!(polls(&gates), 2 * CHILDREN - 1);
    gates.iter().for_each(Gate::open); // those that are done as well
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
fn a_set_wakes_whoever_polled_it_last() {
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
        assert!(polled.get() <= 3 * n, "{} polls of two children in {n} polls of their set", polled.get());
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
fn a_child_that_panics_does_so_through_its_set_and_the_others_are_dropped() {
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
    // Each child holds one thing, and so does each output.
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
fn the_losers_are_gone_when_the_winner_comes_out() {
    let alive = Alive::new();
    let gate = Gate::default();
    let children: Vec<Boxed<Result<u8, u8>>> = vec![Box::pin(alive.clone().park()), Box::pin(gate.passed(Err(7)))];
    let mut tried = try_join_all(children);
    assert!(poll_with(Waker::noop(), &mut tried).is_pending());
    gate.open();
    assert_eq!((alive.count(), poll_with(Waker::noop(), &mut tried)), (1, Poll::Ready(Err(7))));
    assert_eq!(alive.count(), 0); // and `tried` is still there

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
fn the_one_that_was_woken_first_wins() {
    let gates = gates(10);
    let mut first = race(gates.iter().map(|gate| gate.passed(())));
    assert!(poll_with(Waker::noop(), &mut first).is_pending());
    [7, 3, 5].iter().for_each(|n: &usize| gates[*n].open());
    assert_eq!(poll_with(Waker::noop(), &mut first), Poll::Ready((7, ())));
    assert_eq!(gates[3].polls(), 1, "the others are not even asked");

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
fn select_asks_the_first_first_and_drops_the_other() {
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
        // One that goes on where it was.
        let mut long = pin!(sleep(ms(25)));
        let mut rounds = 0;
        while let Either::Second(()) = select(&mut long, sleep(ms(10))).await {
            rounds += 1;
        }
        assert_eq!(rounds, 2);
    });
}

#[test]
fn wait_gives_back_what_is_not_done() {
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

        // Handed in as `&mut`, they stay when the wait is given up.
        let mut futures = set();
        assert!(timeout(ms(15), wait(futures.iter_mut(), Until::AllDone)).await.is_err());
        assert_eq!(taken(&mut futures[0]).await, (15, Ok(30)));
        let waits = wait(set(), Until::AllDone);
        assert_eq!(format!("{waits:?}"), "Wait (5 left)");
    });
}

#[test]
fn handles_in_a_set_let_their_tasks_go_on_unless_they_cancel_on_drop() {
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

// ---- groups ----

#[test]
fn a_group_gives_the_output_of_its_block_when_all_its_tasks_are_over() {
    virtually(async {
        let done = Rc::new(Cell::new(0));
        let group = task_group(|group: TaskGroup<Infallible>| {
            let done = done.clone();
            async move {
                assert!(group.is_empty());
                for n in 1..=10 {
                    let done = done.clone();
                    drop(group.spawn_local(async move {
                        sleep(ms(n)).await;
                        done.set(done.get() + 1);
                        Ok(())
                    }));
                }
                assert_eq!((group.len(), group.is_empty()), (10, false));
                sleep(ms(5)).await;
                yield_now().await;
                assert_eq!(group.len(), 5);
                Ok("the output")
            }
        });
        let (took, output) = taken(group).await;
        assert_eq!((took, output.unwrap(), done.get()), (10, "the output", 10));
        let empty = task_group(|_: TaskGroup<()>| async { Ok(1) });
        assert_eq!(empty.await.unwrap(), 1);
    });
}

#[test]
fn tasks_of_a_group_may_spawn_further_ones_which_it_waits_for_as_well() {
    fn tree(
        group: TaskGroup<()>,
        depth: u32,
        count: Arc<AtomicUsize>,
    ) -> Pin<Box<dyn Future<Output = Result<(), ()>> + Send>> {
        Box::pin(async move {
            sleep(ms(1)).await;
            count.fetch_add(1, Ordering::Relaxed);
            for _ in 0..if depth == 0 { 0 } else { 2 } {
                group.spawn(tree(group.clone(), depth - 1, count.clone()));
            }
            Ok(())
        })
    }
    virtually(async {
        let count = Arc::new(AtomicUsize::new(0));
        let (took, output) = taken(task_group(|group| {
            let count = count.clone();
            async move {
                group.spawn(tree(group.clone(), 9, count));
                Ok(())
            }
        }))
        .await;
        output.unwrap();
        assert_eq!((took, count.load(Ordering::Relaxed)), (10, 1023));
    });
}

#[test]
fn the_first_error_ends_a_group_and_comes_out_with_its_task() {
    virtually(async {
        let (alive, at_end) = (Alive::new(), Log::new());
        let line = Cell::new(0);
        let siblings: RefCell<Vec<JoinHandle<()>>> = RefCell::default();
        let made_at = line!() + 1;
        let (took, failed) = taken(task_group(|group| {
            let (alive, line, siblings) = (&alive, &line, &siblings);
            let report = alive.report(&at_end);
            async move {
                let _report = report;
                siblings.borrow_mut().push(group.spawn(alive.clone().park()));
                line.set(line!() + 1);
                group.spawn_named("fails", async {
                    sleep(ms(5)).await;
                    Err::<(), _>("no luck")
                });
                group.spawn(async {
                    sleep(ms(6)).await;
                    Err::<(), _>("later")
                });
                siblings.borrow_mut().push(group.spawn_local(alive.clone().park()));
                alive.clone().park::<Result<(), _>>().await
            }
        }))
        .await;
        let error = failed.unwrap_err();
        assert_eq!((took, alive.count()), (5, 0));
        assert_eq!(at_end.len(), 1);
        let task = error.task().unwrap().clone();
        assert_eq!((task.name.as_deref(), task.spawned_at.line()), (Some("fails"), line.get()));
        let text = format!("task {} `fails` (spawned at {}) failed: no luck", task.id, task.spawned_at);
        assert_eq!(error.to_string(), text);
        assert!(matches!(&error, GroupError::Failed { task: Some(_), error: "no luck" }));
        assert_eq!(error.into_error(), Some("no luck"));
        for sibling in siblings.take() {
            let cancellation = sibling.explained().await.unwrap_err().cancellation.unwrap();
            assert_eq!(cancellation.reason.unwrap().into_string(), format!("{task} failed"));
            assert_eq!(cancellation.by, CancelledBy::Task { id: task.id, name: Some("fails".into()) });
            assert_eq!((cancellation.at.file(), cancellation.at.line()), (file!(), made_at));
        }
    });
}

#[test]
fn an_error_of_the_block_ends_a_group() {
    virtually(async {
        let alive = Alive::new();
        let sibling = RefCell::new(None);
        let (took, failed) = taken(task_group(|group: TaskGroup<std::io::Error>| {
            *sibling.borrow_mut() = Some(group.spawn(alive.clone().park::<Result<(), _>>()));
            async {
                let _group = group;
                sleep(ms(3)).await;
                Err::<(), _>(std::io::Error::other("of the block"))
            }
        }))
        .await;
        assert_eq!((took, alive.count()), (3, 0));
        let error = failed.unwrap_err();
        assert!(error.task().is_none());
        assert_eq!(error.to_string(), "of the block");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "of the block");
        let told = sibling.take().unwrap().explained().await.unwrap_err().to_string();
        assert!(told.ends_with(": the block of its group failed"), "{told}");
    });
}

#[test]
fn a_panic_of_a_task_ends_its_group_and_comes_out_as_an_error() {
    virtually(async {
        let alive = Alive::new();
        let failed: Outcome<()> = task_group(|group| {
            let alive = alive.clone();
            async move {
                group.spawn_named("fragile", async { if true { panic!("on purpose") } else { Ok(()) } });
                group.spawn(alive.clone().park::<Result<(), _>>());
                alive.park().await
            }
        })
        .await;
        let error = failed.unwrap_err();
        assert_eq!(alive.count(), 0);
        let task = error.task().unwrap();
        assert_eq!(error.to_string(), format!("{task} panicked: on purpose"));
        assert_eq!(task.name.as_deref(), Some("fragile"));
        assert!(error.into_error().is_none());
    });
}

#[test]
fn a_panic_of_the_block_ends_its_group_and_goes_on() {
    virtually(async {
        let (alive, at_end) = (Alive::new(), Log::new());
        let report = alive.report(&at_end);
        let task = spawn_local({
            let alive = alive.clone();
            async move {
                let alive = alive; // gone before the report
                let group = task_group(|group: TaskGroup<()>| {
                    let children = (alive.clone(), alive);
                    async move {
                        group.spawn(children.0.park::<Result<(), ()>>());
                        yield_now().await;
                        group.spawn(children.1.park::<Result<(), ()>>()); // still queued
                        if true { panic!("on purpose") } else { Ok(()) }
                    }
                });
                let caught = catch_poll(group).await;
                drop(report);
                std::panic::resume_unwind(caught.unwrap_err());
            }
        });
        assert_eq!(task.await.unwrap_err().to_string(), "the task panicked: on purpose");
        assert_eq!(at_end.take(), [0]);
    });
}

/// A future and what it panicked with.
async fn catch_poll<F: Future>(future: F) -> Result<F::Output, Box<dyn std::any::Any + Send>> {
    let mut future = Box::pin(future);
    let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    caught.await
}

#[test]
fn a_block_that_awaits_a_sibling_of_the_task_that_failed_does_not_see_it_cancelled() {
    // As the handles are often unwrapped in there, that would be a panic in place of the error.
    virtually(async {
        for fails_first in [true, false] {
            let (took, failed): (_, Outcome<()>) = taken(task_group(|group| async move {
                let fails = || async {
                    sleep(ms(2)).await;
                    Err::<(), _>("no luck")
                };
                let long = || async {
                    sleep(ms(60_000)).await;
                    Ok(())
                };
                if fails_first {
                    group.spawn(fails()).await.unwrap();
                } else {
                    let long = group.spawn(long());
                    group.spawn(fails());
                    long.await.unwrap();
                }
                Ok(())
            }))
            .await;
            assert_eq!((took, failed.unwrap_err().into_error()), (2, Some("no luck")));
        }
    });
}

#[test]
fn a_block_is_dropped_although_a_task_of_its_group_is_shielded() {
    virtually(async {
        let done = Rc::new(Cell::new(false));
        let (took, failed): (_, Outcome<()>) = taken(task_group(|group| {
            let done = done.clone();
            async move {
                let shielded = group.spawn_local(async move {
                    shield(sleep(ms(10))).await;
                    done.set(true);
                    Ok(())
                });
                let waits = group.spawn(pending::<Result<(), _>>());
                group.spawn(async {
                    sleep(ms(2)).await;
                    Err::<(), _>("no luck")
                });
                waits.await.unwrap(); // cancelled, while the other one is still shielded
                shielded.await.unwrap();
                Ok(())
            }
        }))
        .await;
        assert_eq!((took, failed.unwrap_err().into_error(), done.get()), (10, Some("no luck"), true));
    });
}

#[test]
fn a_block_ends_at_the_moment_at_which_a_task_fails() {
    virtually(async {
        let start = now();
        let ends = Log::new();
        let (took, failed): (_, Outcome<()>) = taken(task_group(|group| {
            let ends = ends.clone();
            async move {
                group.spawn(async {
                    shield(sleep(ms(10))).await;
                    Ok(())
                });
                group.spawn(async {
                    sleep(ms(2)).await;
                    Err::<(), _>("no luck")
                });
                let _dropped = OnDrop::new(move || ends.push(now() - start));
                pending().await
            }
        }))
        .await;
        assert_eq!((took, failed.unwrap_err().into_error()), (10, Some("no luck")));
        assert_eq!(ends.take(), [ms(2)]);
    });
}

#[test]
fn the_drop_of_a_group_runs_nothing_but_what_it_ends() {
    virtually(async {
        let (alive, polls) = (Alive::new(), Rc::new(Cell::new(0)));
        let bystander = spawn_local(busy::<()>(polls.clone()));
        let group = task_group(|group: TaskGroup<()>| {
            let (alive, polls) = (alive.clone(), polls.clone());
            async move {
                group.spawn(alive.clone().park::<Result<(), ()>>());
                group.spawn_local(shield(busy::<Result<(), ()>>(polls)));
                group.spawn(alive.park::<Result<(), ()>>());
                pending::<Result<(), ()>>().await
            }
        });
        let mut group = Box::pin(group);
        assert!(poll_once(&mut group).await.is_none());
        yield_now().await;
        assert_eq!((alive.count(), polls.get()), (2, 2));
        drop(group);
        assert_eq!((alive.count(), polls.get()), (0, 2));
        yield_now().await;
        assert_eq!(polls.get(), 4, "both are still queued");
        bystander.cancel();
    });
}

/// A group with tasks in all kinds of places: waiting, queued, in nested groups.
async fn family(alive: Alive) -> Result<(), GroupError<()>> {
    task_group(|group| async move {
        for _ in 0..3 {
            group.spawn(alive.clone().park::<Result<(), ()>>());
        }
        let (inner, further) = (alive.clone(), group.clone());
        group.spawn_local::<(), _>(async move {
            let nested = task_group(|group: TaskGroup<()>| async move {
                group.spawn(inner.clone().park::<Result<(), ()>>());
                sleep(ms(5)).await;
                let innermost = inner.clone();
                let _waits: JoinHandle<()> = group.spawn_local(async move {
                    let group = task_group(|group: TaskGroup<()>| async move {
                        group.spawn(innermost.clone().park::<Result<(), ()>>());
                        innermost.park().await
                    });
                    group.await.map_err(|_: GroupError<()>| ())
                });
                further.spawn(inner.clone().park::<Result<(), ()>>());
                inner.park().await
            });
            nested.await.map_err(|_: GroupError<()>| ())
        });
        for _ in 0.. {
            sleep(ms(1)).await;
            // Each time this goes on, one more is queued.
            group.spawn(alive.clone().park::<Result<(), ()>>());
        }
        alive.park().await
    })
    .await
}

#[test]
fn nothing_outlives_a_group_that_is_dropped() {
    // At that very moment: no await between the drop and the look.
    for after in [0, 1, 4, 5, 6, 20] {
        virtually(async {
            let alive = Alive::new();
            assert!(matches!(select(family(alive.clone()), sleep(ms(after))).await, Either::Second(())));
            assert_eq!(alive.count(), 0, "by select after {after} ms");

            assert!(timeout(ms(after), family(alive.clone())).await.is_err());
            assert_eq!(alive.count(), 0, "by timeout after {after} ms");

            assert!(deadline(ms(after), family(alive.clone())).await.is_err());
            assert_eq!(alive.count(), 0, "by deadline after {after} ms");

            let winner = async move {
                sleep(ms(after)).await;
                Ok(())
            };
            let children: [Boxed<_>; 2] = [Box::pin(family(alive.clone())), Box::pin(winner)];
            assert_eq!(race(children).await.0, 1);
            assert_eq!(alive.count(), 0, "by race after {after} ms");

            let mut group = Box::pin(family(alive.clone()));
            assert!(timeout(ms(after), &mut group).await.is_err());
            assert!(alive.count() > 3);
            drop(group);
            assert_eq!(alive.count(), 0, "by hand after {after} ms");
        });
    }
}

#[test]
fn nothing_outlives_a_group_whose_task_ends() {
    for after in [0, 1, 4, 5, 6, 20] {
        for how in ["cancelled", "panicked", "the runtime ends", "its own group is dropped", "its own group fails"] {
            let (alive, at_end) = (Alive::new(), Log::new());
            virtually(async {
                let report = alive.report(&at_end);
                let inner = alive.clone();
                let waits = async move {
                    let _report = report; // dropped after the group
                    let group = family(inner);
                    match how {
                        "panicked" => {
                            let mut group = pin!(group);
                            let _ = timeout(ms(after), &mut group).await;
                            panic!("on purpose");
                        }
                        _ => group.await.map_err(|_| "unreachable"),
                    }
                };
                match how {
                    "cancelled" => {
                        let task = spawn_local(waits);
                        sleep(ms(after)).await;
                        assert!(alive.count() > 0);
                        task.cancel();
                        assert!(task.await.unwrap_err().is_cancelled());
                    }
                    "panicked" => assert!(spawn_local(waits).await.unwrap_err().is_panic()),
                    "the runtime ends" => {
                        drop(spawn_local(waits));
                        sleep(ms(after)).await;
                        yield_now().await;
                        return;
                    }
                    "its own group is dropped" => {
                        let outer =
                            task_group(|group| async move { group.spawn_local(waits).await.map_err(|_| "cancelled") });
                        assert!(timeout(ms(after), outer).await.is_err());
                    }
                    _ => {
                        let outer = task_group(|group| async move {
                            group.spawn_local(waits);
                            sleep(ms(after)).await;
                            Err::<(), _>("no luck")
                        });
                        assert!(outer.await.is_err());
                    }
                }
                assert_eq!(alive.count(), 0, "{how} after {after} ms");
            });
            assert_eq!(alive.count(), 0, "{how} after {after} ms");
            // What is dropped before its first poll has no group yet.
            let at_end = at_end.take();
            assert!(after == 0 || at_end == [0], "{how} after {after} ms: {at_end:?}");
        }
    }
}

#[test]
fn nothing_outlives_a_group_that_is_dropped_while_other_threads_wake_its_tasks() {
    within(60, || {
        for round in 0..300 {
            let alive = Alive::new();
            let wakers = Log::<Waker>::new();
            let stop = Arc::new(AtomicBool::new(false));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let (wakers, stop) = (wakers.clone(), stop.clone());
                    thread::spawn(move || {
                        let mut mine = Vec::new();
                        while !stop.load(Ordering::Relaxed) {
                            mine.extend(wakers.take());
                            mine.iter().for_each(Waker::wake_by_ref);
                        }
                    })
                })
                .collect();
            block_on(async {
                let group = task_group(|group: TaskGroup<()>| {
                    let alive = alive.clone();
                    async move {
                        for _ in 0..8 {
                            let (alive, wakers) = (alive.clone(), wakers.clone());
                            group.spawn(async move {
                                let _alive = alive;
                                let mut given = false;
                                poll_fn(|cx| {
                                    if !std::mem::replace(&mut given, true) {
                                        wakers.push(cx.waker().clone());
                                        wakers.push(cx.waker().clone());
                                    }
                                    Poll::<Result<(), ()>>::Pending
                                })
                                .await
                            });
                        }
                        pending::<Result<(), ()>>().await
                    }
                });
                assert!(timeout(Duration::from_micros(300), group).await.is_err());
                assert_eq!(alive.count(), 0, "round {round}");
            });
            stop.store(true, Ordering::Relaxed);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
    });
}

#[test]
fn a_task_spawned_into_a_group_that_is_over_is_cancelled_without_a_poll() {
    virtually(async {
        for how in ["over", "failed", "dropped"] {
            let kept: RefCell<Option<TaskGroup<&str>>> = RefCell::default();
            let made_at = line!() + 1;
            let group = task_group(|group| {
                *kept.borrow_mut() = Some(group);
                async move {
                    match how {
                        "over" => Ok(()),
                        "failed" => Err("no luck"),
                        _ => pending().await,
                    }
                }
            });
            let _ = timeout(ms(1), group).await;
            let group = kept.take().unwrap();
            let polled = Rc::new(Cell::new(false));
            let task = group.spawn_local({
                let polled = polled.clone();
                async move {
                    polled.set(true);
                    Ok(())
                }
            });
            let error = task.explained().await.unwrap_err();
            assert!(error.to_string().ends_with(": its group is over"), "{error}");
            assert_eq!(error.cancellation.unwrap().at.line(), made_at);
            assert!(!polled.get(), "{how}");
            assert!(group.is_empty());
        }
    });
}

#[test]
fn a_block_that_goes_on_after_a_failure_can_start_nothing_more() {
    virtually(async {
        let polled = Rc::new(Cell::new(false));
        let failed: Outcome<()> = task_group(|group| {
            let polled = polled.clone();
            async move {
                group.spawn(async { Err::<(), _>("no luck") });
                shield(async {
                    sleep(ms(5)).await;
                    group.spawn_local(async move {
                        polled.set(true);
                        pending::<Result<(), _>>().await
                    });
                    sleep(ms(5)).await;
                })
                .await;
                pending().await
            }
        })
        .await;
        assert_eq!(failed.unwrap_err().into_error(), Some("no luck"));
        assert!(!polled.get());
    });
}

#[test]
fn a_task_of_a_group_may_drop_its_own_handle_or_be_cancelled_alone() {
    virtually(async {
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let (took, output): (_, Outcome<_>) = taken(task_group(|group| {
            let own = own.clone();
            async move {
                let inner = own.clone();
                let task = group.spawn_local(async move {
                    drop(inner.borrow_mut().take());
                    sleep(ms(10)).await;
                    Ok(())
                });
                *own.borrow_mut() = Some(task);
                let alone = group.spawn(pending::<Result<(), _>>());
                let canceller = alone.canceller();
                group.spawn(async move {
                    sleep(ms(5)).await;
                    canceller.cancel_because("not needed");
                    Ok(())
                });
                let told = alone.explained().await.unwrap_err();
                assert!(told.to_string().ends_with(": not needed"), "{told}");
                assert_eq!(group.len(), 1);
                Ok(7)
            }
        }))
        .await;
        assert_eq!((took, output.unwrap()), (10, 7));
    });
}

#[test]
fn cancel_all_ends_the_tasks_and_leaves_the_block_and_the_group() {
    virtually(async {
        let output: Outcome<_> = task_group(|group| async move {
            let tasks = [group.spawn(pending::<Result<(), _>>()), group.spawn(pending())];
            yield_now().await;
            let line = line!() + 1;
            group.cancel_all("enough");
            for task in tasks {
                let cancellation = task.explained().await.unwrap_err().cancellation.unwrap();
                assert_eq!(cancellation.reason.as_deref(), Some("enough"));
                assert_eq!((cancellation.at.file(), cancellation.at.line()), (file!(), line));
            }
            assert!(group.is_empty());
            Ok(group.spawn(async { Ok(3) }).await.unwrap())
        })
        .await;
        assert_eq!(output.unwrap(), 3);
    });
}

#[test]
fn of_two_errors_the_first_is_told_and_the_second_dropped_once() {
    struct Noted(u32, Log<u32>);
    impl Drop for Noted {
        fn drop(&mut self) {
            self.1.push(self.0);
        }
    }
    virtually(async {
        let drops = Log::new();
        let failed = task_group(|group| {
            let drops = drops.clone();
            async move {
                for n in [4, 9] {
                    let error = Noted(n, drops.clone());
                    group.spawn(async move {
                        yield_now().await;
                        Err::<(), _>(error)
                    });
                }
                group.spawn(async move {
                    // One that fails while it is shielded, after all was lost.
                    shield(async {
                        sleep(ms(1)).await;
                        Err::<(), _>(Noted(11, drops))
                    })
                    .await
                });
                pending::<Result<(), Noted>>().await
            }
        })
        .await;
        assert_eq!(drops.take(), [9, 11]);
        assert_eq!(failed.unwrap_err().into_error().unwrap().0, 4);
        assert_eq!(drops.take(), [4]);
    });
}

#[test]
fn a_panic_in_the_destructor_of_a_task_that_failed_does_not_hide_its_error() {
    struct Fails;
    impl Future for Fails {
        type Output = Result<(), &'static str>;
        fn poll(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(Err("no luck"))
        }
    }
    impl Drop for Fails {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    virtually(async {
        let alive = Alive::new();
        let failed: Outcome<()> = task_group(|group| {
            let alive = alive.clone();
            async move {
                group.spawn(alive.park::<Result<(), _>>());
                group.spawn(Fails);
                Ok(())
            }
        })
        .await;
        assert_eq!((failed.unwrap_err().into_error(), alive.count()), (Some("no luck"), 0));
    });
}

#[test]
fn a_group_that_a_task_of_it_drops_goes_on_to_the_next_await_of_that_task() {
    virtually(async {
        type Kept = Rc<RefCell<Option<Pin<Box<dyn Future<Output = Result<(), GroupError<()>>>>>>>>;
        let (kept, alive): (Kept, _) = (Rc::default(), Alive::new());
        let steps = Log::new();
        let (kept_inside, alive_inside, steps_inside) = (kept.clone(), alive.clone(), steps.clone());
        let group = task_group(|group: TaskGroup<()>| {
            let (kept, alive, steps) = (kept_inside, alive_inside, steps_inside);
            async move {
                let sibling = alive.clone();
                group.spawn_local(async move {
                    sleep(ms(1)).await;
                    let (group, alive) = (kept.borrow_mut().take(), alive);
                    drop(group);
                    steps.push(alive.count());
                    yield_now().await;
                    steps.push(usize::MAX);
                    Ok(())
                });
                group.spawn(sibling.park::<Result<(), _>>());
                pending().await
            }
        });
        let mut group: Boxed<_> = Box::pin(group);
        assert!(poll_once(&mut group).await.is_none());
        *kept.borrow_mut() = Some(group);
        sleep(ms(2)).await;
        assert_eq!(steps.take(), [1], "only the one that runs was left");
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn a_group_lies_in_the_deadline_around_it() {
    virtually(async {
        let alive = Alive::new();
        let left = Log::new();
        let (took, late) = taken(deadline(
            ms(10),
            task_group(|group: TaskGroup<()>| {
                let (alive, left) = (alive.clone(), left.clone());
                async move {
                    left.push(time_left());
                    sleep(ms(3)).await;
                    let inner = left.clone();
                    group.spawn(async move {
                        left.push(time_left());
                        deadline(ms(2), async { left.push(time_left()) }).await.unwrap();
                        let nested = task_group(|group: TaskGroup<()>| async move {
                            group.spawn(async move {
                                sleep(ms(1)).await;
                                left.push(time_left());
                                Ok(())
                            });
                            Ok(())
                        });
                        nested.await.map_err(|_| ())
                    });
                    // Not a task of the group.
                    spawn(async move { inner.push(time_left()) });
                    alive.park::<Result<(), _>>().await
                }
            }),
        ))
        .await;
        assert_eq!((took, late.is_err(), alive.count()), (10, true, 0));
        assert_eq!(left.take(), [Some(ms(10)), Some(ms(7)), Some(ms(2)), None, Some(ms(6))]);
    });
}

#[test]
fn groups_print_what_they_are() {
    virtually(async {
        let line = line!() + 1;
        let output: Outcome<()> = task_group(|group| async move {
            group.spawn(async { Ok(()) });
            let text = format!("{group:?}");
            assert!(text.starts_with(&format!("TaskGroup(made at {}:{line}:", file!())), "{text}");
            assert!(text.ends_with(", 1 tasks)"), "{text}");
            Ok(())
        })
        .await;
        output.unwrap();
    });
}

#[test]
fn spawning_into_a_group_outside_of_a_runtime_is_a_panic_that_says_where() {
    let mut group = Box::pin(task_group(|group: TaskGroup<()>| async move {
        group.spawn(async { Ok(()) });
        Ok(())
    }));
    let caught = catch_unwind(AssertUnwindSafe(|| poll_with(Waker::noop(), &mut group)));
    let text = panic_text(caught.unwrap_err());
    assert!(text.contains(&format!("called at {}", file!())), "{text}");
}

// ---- shields ----

/// Shielded for so many milliseconds, then waits for ever. Says how far it came.
async fn shielded(time: u64, steps: Log<&'static str>) {
    let _dropped = OnDrop::new(|| steps.push("dropped"));
    shield(async {
        steps.push("up");
        sleep(ms(time)).await;
        steps.push("down");
    })
    .await;
    steps.push("goes on");
    pending::<()>().await;
    steps.push("never");
}

const WHOLE: [&str; 4] = ["up", "down", "goes on", "dropped"];

#[test]
fn a_task_that_is_cancelled_while_shielded_ends_at_the_next_await_after_that() {
    virtually(async {
        let steps = Log::new();
        let task = spawn(shielded(10, steps.clone()));
        sleep(ms(2)).await;
        task.cancel();
        sleep(ms(2)).await;
        assert_eq!((task.state(), task.is_finished()), (TaskState::Suspended, false));
        let (took, joined) = taken(task).await;
        assert!(joined.unwrap_err().is_cancelled());
        assert_eq!((took, &steps.take()[..]), (6, &WHOLE[..]));

        // One whose end comes before any await is done, not cancelled.
        let task = spawn(async {
            shield(sleep(ms(10))).await;
            7
        });
        sleep(ms(2)).await;
        task.cancel();
        assert_eq!(taken(task).await.1.unwrap(), 7);

        // Before the shield is up, nothing is shielded.
        let task = spawn(shielded(10, steps.clone()));
        task.cancel();
        assert!(taken(task).await.1.unwrap_err().is_cancelled());
        assert!(steps.is_empty());
    });
}

#[test]
fn of_shields_in_shields_the_last_one_counts() {
    virtually(async {
        let steps = Log::new();
        let task = spawn({
            let steps = steps.clone();
            async move {
                shield(async {
                    shield(sleep(ms(5))).await;
                    steps.push("inner");
                    join_all([3, 7].map(|n| shield(sleep(ms(n))))).await;
                    steps.push("both");
                    sleep(ms(5)).await;
                    steps.push("outer");
                })
                .await;
                shield(async {
                    sleep(ms(5)).await;
                    steps.push("a second one that is up before any await");
                })
                .await;
                yield_now().await;
                steps.push("never");
            }
        });
        sleep(ms(1)).await;
        task.cancel();
        let (took, joined) = taken(task).await;
        assert!(joined.unwrap_err().is_cancelled());
        assert_eq!(took, 21);
        assert_eq!(steps.take(), ["inner", "both", "outer", "a second one that is up before any await"]);
    });
}

#[test]
fn a_group_and_a_deadline_wait_for_what_a_task_shields() {
    virtually(async {
        for how in ["failed", "deadline", "both", "parent cancelled", "grandparent cancelled"] {
            let steps = Log::new();
            let (alive, at_end) = (Alive::new(), Log::new());
            let family = {
                let (steps, alive) = (steps.clone(), alive.clone());
                async move {
                    let group = task_group(|group| async move {
                        group.spawn(async {
                            shielded(20, steps).await;
                            Ok(())
                        });
                        group.spawn(alive.clone().park::<Result<(), _>>());
                        if how == "failed" || how == "both" {
                            group.spawn(async {
                                sleep(ms(5)).await;
                                Err::<(), _>("no luck")
                            });
                        }
                        alive.park::<Result<(), _>>().await
                    });
                    group.await.map_err(GroupError::into_error)
                }
            };
            let report = alive.report(&at_end);
            let family = async move {
                let family = family;
                let _report = report;
                let mut family = pin!(family);
                family.as_mut().await
            };
            let start = now();
            match how {
                "failed" => assert_eq!(family.await, Err(Some("no luck"))),
                "deadline" => assert_eq!(deadline(ms(5), family).await, Err(Elapsed)),
                // It has come before the group was over.
                "both" => assert_eq!(deadline(ms(10), family).await, Err(Elapsed)),
                "parent cancelled" => {
                    let task = spawn_local(family);
                    sleep(ms(5)).await;
                    task.cancel();
                    yield_now().await;
                    assert_eq!(alive.count(), 2, "all wait for the shield");
                    assert!(task.await.unwrap_err().is_cancelled());
                }
                _ => {
                    let task = spawn_local(async move {
                        let group = task_group(|group: TaskGroup<()>| async move {
                            group.spawn_local(async move {
                                let _over = family.await;
                                Ok(())
                            });
                            Ok(())
                        });
                        group.await
                    });
                    sleep(ms(5)).await;
                    task.cancel();
                    assert!(task.await.unwrap_err().is_cancelled());
                }
            }
            assert_eq!((now() - start, alive.count()), (ms(20), 0), "{how}");
            assert_eq!(steps.take(), WHOLE, "{how}");
            assert_eq!(at_end.len(), 1);
        }
    });
}

#[test]
fn a_block_that_is_shielded_goes_on_to_its_next_await_when_its_group_fails() {
    virtually(async {
        let steps = Log::new();
        let alive = Alive::new();
        let (took, failed): (_, Outcome<()>) = taken(task_group(|group| {
            let (steps, alive) = (steps.clone(), alive.clone());
            async move {
                group.spawn(alive.clone().park::<Result<(), _>>());
                group.spawn(async {
                    sleep(ms(5)).await;
                    Err::<(), _>("no luck")
                });
                let _dropped = OnDrop::new(|| steps.push("dropped"));
                shield(async {
                    steps.push("up");
                    sleep(ms(10)).await;
                    assert_eq!(alive.count(), 1, "the tasks did not wait for it");
                    steps.push("down");
                })
                .await;
                steps.push("goes on");
                yield_now().await;
                steps.push("never");
                Ok(())
            }
        }))
        .await;
        assert_eq!((took, failed.unwrap_err().into_error()), (10, Some("no luck")));
        assert_eq!(steps.take(), WHOLE);
    });
}

#[test]
fn a_drop_does_not_ask_for_shields() {
    virtually(async {
        let steps = Log::new();
        assert_eq!(timeout(ms(5), shielded(10, steps.clone())).await, Err(Elapsed));
        assert_eq!(steps.take(), ["up", "dropped"]);
        assert_eq!(select(shielded(10, steps.clone()), sleep(ms(5))).await, Either::Second(()));
        assert_eq!(steps.take(), ["up", "dropped"]);
        // With it the shield comes down: a cancel that waited comes then.
        let task = spawn({
            let steps = steps.clone();
            async move {
                assert!(timeout(ms(5), shielded(10, steps.clone())).await.is_err());
                steps.push("not shielded any more");
                pending::<()>().await;
            }
        });
        sleep(ms(1)).await;
        task.cancel();
        let (took, joined) = taken(task).await;
        assert!(joined.unwrap_err().is_cancelled());
        assert_eq!((took, steps.take()), (4, vec!["up", "dropped", "not shielded any more"]));
    });
}

#[test]
fn tasks_of_a_group_that_is_dropped_go_on_while_they_are_shielded() {
    virtually(async {
        let (steps, alive) = (Log::new(), Alive::new());
        let group = task_group(|group: TaskGroup<()>| {
            let (steps, alive) = (steps.clone(), alive.clone());
            async move {
                group.spawn(async {
                    shielded(10, steps).await;
                    Ok(())
                });
                group.spawn(alive.park::<Result<(), _>>());
                pending::<Result<(), ()>>().await
            }
        });
        assert!(timeout(ms(5), group).await.is_err());
        assert_eq!((alive.count(), &steps.take()[..]), (0, &["up"][..]));
        sleep(ms(6)).await;
        assert_eq!(steps.take(), WHOLE[1..]);
    });
}

#[test]
fn a_shield_that_never_ends_holds_up_cancels_and_deadlines_but_not_the_end_of_the_runtime() {
    within(20, || {
        let alive = Alive::new();
        virtually(async {
            for _ in 0..3 {
                let task = spawn(shield(alive.clone().park::<()>()));
                yield_now().await;
                task.cancel();
                assert!(timeout(ms(1_000), task).await.is_err());
            }
            let mut late = Box::pin(deadline(ms(5), shield(alive.clone().park::<()>())));
            assert!(timeout(ms(1_000), &mut late).await.is_err());
            drop(late);
            let group = alive.clone();
            spawn(async move {
                let group = task_group(|tasks: TaskGroup<()>| async move {
                    tasks.spawn(shield(group.clone().park::<Result<(), ()>>()));
                    shield(group.park::<Result<(), ()>>()).await
                });
                group.await
            });
            // Not cancelled before the end.
            spawn(shield(alive.clone().park::<()>()));
            sleep(ms(1)).await;
            assert_eq!(alive.count(), 6);
        });
        assert_eq!(alive.count(), 0);
    });
}

#[test]
fn the_end_of_the_runtime_does_not_wait_for_a_shield() {
    let (steps, start) = (Log::new(), std::time::Instant::now());
    within(30, {
        let steps = steps.clone();
        move || {
            block_on(async {
                spawn(shielded(10_000, steps));
                yield_now().await;
            })
        }
    });
    assert_eq!(steps.take(), ["up", "dropped"]);
    assert!(start.elapsed() < Duration::from_secs(8));
}

#[test]
fn a_panic_under_a_shield_takes_it_down() {
    virtually(async {
        let task = spawn_local(async {
            let shielded = shield(async {
                sleep(ms(5)).await;
                if true {
                    panic!("on purpose");
                }
            });
            assert!(catch_poll(shielded).await.is_err());
            pending::<()>().await;
        });
        sleep(ms(1)).await;
        task.cancel();
        let (took, joined) = taken(task).await;
        assert_eq!((took, joined.unwrap_err().is_cancelled()), (4, true));
    });
}

#[test]
fn destructors_of_what_was_shielded_run_while_the_shield_is_up() {
    struct SlowDrop(Log<&'static str>);
    impl Future for SlowDrop {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    impl Drop for SlowDrop {
        fn drop(&mut self) {
            self.0.push("dropped");
        }
    }
    virtually(async {
        let steps = Log::new();
        let mut shielded = pin!(shield(SlowDrop(steps.clone())));
        shielded.as_mut().await;
        assert_eq!(steps.take(), ["dropped"], "it is not kept until the shield itself is dropped");
    });
}

// ---- deadlines ----

#[test]
fn deadlines_nest_and_the_strictest_counts() {
    virtually(async {
        assert_eq!(time_left(), None);
        let (took, inner) = taken(deadline(ms(10), async {
            assert_eq!(time_left(), Some(ms(10)));
            sleep(ms(4)).await;
            let inner = taken(deadline(ms(3), async {
                assert_eq!(time_left(), Some(ms(3)));
                sleep(ms(60_000)).await;
            }))
            .await;
            assert_eq!(time_left(), Some(ms(3)));
            inner
        }))
        .await;
        assert_eq!((took, inner), (7, Ok((3, Err(Elapsed)))));

        let (took, outer) = taken(deadline(ms(10), async {
            deadline(ms(60), async {
                sleep(ms(6)).await;
                assert_eq!(time_left(), Some(ms(4)));
                sleep(ms(60)).await;
            })
            .await
        }))
        .await;
        assert_eq!((took, outer), (10, Err(Elapsed)));
        assert_eq!(time_left(), None);

        // Side by side, each in its own.
        let both = join_all([5, 9].map(|n| {
            deadline(ms(n), async move {
                sleep(ms(2)).await;
                time_left()
            })
        }));
        assert_eq!(both.await, [Ok(Some(ms(3))), Ok(Some(ms(7)))]);
    });
}

#[test]
fn time_left_is_none_of_it_when_the_deadline_has_passed() {
    virtually(async {
        let left = Log::new();
        let (took, late) = taken(deadline(ms(5), async {
            shield(async {
                sleep(ms(8)).await;
                left.push(time_left());
            })
            .await;
            left.push(time_left());
            yield_now().await;
            left.push(None);
        }))
        .await;
        assert_eq!((took, late), (8, Err(Elapsed)));
        assert_eq!(left.take(), [Some(Duration::ZERO), Some(Duration::ZERO)]);
        // What is done without a further await is not too late.
        assert_eq!(deadline(ms(5), shield(sleep(ms(8)))).await, Ok(()));
    });
}

#[test]
fn a_future_that_is_ready_is_never_too_late() {
    virtually(async {
        assert_eq!(deadline(Duration::ZERO, ready(7)).await, Ok(7));
        assert_eq!(deadline_at(now() - ms(1), ready(7)).await, Ok(7));
        assert_eq!(deadline_at(now() - ms(1), pending::<()>()).await, Err(Elapsed));
        assert_eq!(deadline(ms(5), sleep(ms(5))).await, Ok(()));
        // Counted from the call, not from the first poll.
        let late = deadline(ms(5), sleep(ms(9)));
        sleep(ms(4)).await;
        let (took, output) = taken(late).await;
        assert_eq!((took, output), (1, Err(Elapsed)));
    });
}

#[test]
fn a_deadline_too_far_for_the_clock_is_none_to_care_about() {
    virtually(async {
        let output = deadline(Duration::MAX, async {
            assert!(time_left() > Some(Duration::from_secs(50 * 365 * 24 * 3600)));
            sleep(ms(1)).await;
            deadline(ms(5), pending::<()>()).await
        });
        assert_eq!(output.await, Ok(Err(Elapsed)));
    });
}

#[test]
fn deadlines_and_shields_work_under_another_executor_and_time_left_knows_of_none() {
    assert_eq!(time_left(), None);
    assert_eq!(futures_lite::future::block_on(shield(async { time_left() })), None);
    let inside = futures_lite::future::block_on(deadline(ms(60_000), async { time_left().is_some() }));
    assert_eq!(inside, Ok(true));
    let runtime = Runtime::builder().build().unwrap();
    assert_eq!(runtime.block_on(deadline(ms(5), sleep(ms(60_000)))), Err(Elapsed));
}

#[test]
fn a_scope_is_left_when_a_poll_in_it_panics() {
    virtually(async {
        let panics = deadline(ms(5), async {
            if true {
                panic!("on purpose")
            }
        });
        assert!(catch_poll(panics).await.is_err());
        assert_eq!(time_left(), None);
    });
}

#[test]
fn tasks_that_a_dropped_group_ends_do_not_see_the_deadline_of_whoever_drops_it() {
    virtually(async {
        let left = Log::new();
        let group = task_group(|group: TaskGroup<()>| {
            let left = left.clone();
            async move {
                group.spawn(async move {
                    let _dropped = OnDrop::new(|| left.push(time_left()));
                    pending::<Result<(), ()>>().await
                });
                pending::<Result<(), ()>>().await
            }
        });
        let mut group = Box::pin(group);
        assert!(timeout(ms(1), &mut group).await.is_err());
        deadline(ms(5), async { drop(group) }).await.unwrap();
        assert_eq!(left.take(), [None]);
    });
}

// ---- who cancelled it ----

#[test]
fn a_cancel_says_who_asked_for_it_where_and_why() {
    virtually(async {
        let victim = named("victim").spawn(pending::<()>());
        let id = victim.id();
        let line = Arc::new(AtomicUsize::new(0));
        let canceller = victim.canceller();
        let killer = named("killer").spawn({
            let line = line.clone();
            async move {
                line.store(line!() as usize + 1, Ordering::Relaxed);
                canceller.cancel_because("too slow");
            }
        });
        let killer_id = killer.id();
        killer.await.unwrap();
        let place = victim.spawned_at();
        let error = victim.explained().await.unwrap_err();
        let cancellation = error.cancellation.clone().unwrap();
        assert_eq!(cancellation.by, CancelledBy::Task { id: killer_id, name: Some("killer".into()) });
        assert_eq!((cancellation.at.file(), cancellation.at.line() as usize), (file!(), line.load(Ordering::Relaxed)));
        assert_eq!(cancellation.reason.as_deref(), Some("too slow"));
        let text = format!(
            "task {id} `victim` (spawned at {place}) was cancelled by task {killer_id} `killer` at {}: too slow",
            cancellation.at
        );
        assert_eq!(error.to_string(), text);
        assert!(error.error.is_cancelled());

        // Without names and reasons.
        let victim = spawn(pending::<()>());
        let (id, place, line) = (victim.id(), victim.spawned_at(), line!() + 1);
        victim.cancel();
        let error = victim.explained().await.unwrap_err();
        let at = error.cancellation.as_ref().unwrap().at;
        assert_eq!((at.file(), at.line()), (file!(), line));
        assert_eq!(error.to_string(), format!("task {id} (spawned at {place}) was cancelled by task 1 at {at}"));
    });
}

#[test]
fn a_cancel_by_a_thread_is_told_with_its_name() {
    within(20, || {
        block_on(async {
            for (name, told) in [(Some("butler"), "thread `butler`"), (None, "thread `without a name`")] {
                let task = spawn(pending::<()>());
                yield_now().await;
                let canceller = task.canceller();
                let thread = name.iter().fold(thread::Builder::new(), |new, name| new.name((*name).to_owned()));
                let line = line!() + 1;
                let thread = thread.spawn(move || canceller.cancel()).unwrap();
                thread.join().unwrap();
                let cancellation = task.explained().await.unwrap_err().cancellation.unwrap();
                assert_eq!((cancellation.by.to_string(), cancellation.at.line()), (told.to_owned(), line));
            }
            // A blocking call is a task, also on its thread.
            let task = spawn(pending::<()>());
            let canceller = task.canceller();
            let call = named("call").spawn_blocking(move || canceller.clone().cancel());
            let id = call.id();
            call.await.unwrap();
            let cancellation = task.explained().await.unwrap_err().cancellation.unwrap();
            assert_eq!(cancellation.by, CancelledBy::Task { id, name: Some("call".into()) });
        });
    });
}

#[test]
fn the_first_who_cancels_is_the_one_that_is_told() {
    virtually(async {
        let task = spawn(pending::<()>());
        task.cancel_because("first");
        task.canceller().cancel_because("second");
        task.cancel();
        let told = task.explained().await.unwrap_err();
        assert_eq!(told.cancellation.unwrap().reason.as_deref(), Some("first"));

        // Also while it is shielded.
        let task = spawn(shielded(10, Log::new()));
        sleep(ms(1)).await;
        task.cancel_because("first");
        sleep(ms(1)).await;
        task.cancel_because("second");
        let told = task.explained().await.unwrap_err();
        assert_eq!(told.cancellation.unwrap().reason.as_deref(), Some("first"));

        // And a task that is over was cancelled by nobody.
        let task = spawn(async { 7 });
        yield_now().await;
        task.cancel_because("too late");
        assert!(task.canceller().task().cancellation().is_none());
        assert_eq!(task.explained().await.unwrap(), 7);
    });
}

#[test]
fn of_many_threads_that_cancel_at_once_one_is_told() {
    within(30, || {
        block_on(async {
            for _ in 0..200 {
                let task = spawn(pending::<()>());
                yield_now().await;
                let go = Arc::new(Barrier::new(3));
                let threads: Vec<_> = (0..2)
                    .map(|n| {
                        let (go, canceller) = (go.clone(), task.canceller());
                        thread::spawn(move || {
                            go.wait();
                            canceller.cancel_because(n.to_string());
                        })
                    })
                    .collect();
                go.wait();
                let reason = task.explained().await.unwrap_err().cancellation.unwrap().reason.unwrap();
                assert!(["0", "1"].contains(&&*reason));
                threads.into_iter().for_each(|thread| thread.join().unwrap());
            }
        });
    });
}

#[test]
fn an_explained_error_tells_of_panics_and_of_the_end_of_the_runtime() {
    let left = RefCell::new(None);
    virtually(async {
        let task = named("fragile").spawn(async {
            if true {
                panic!("on purpose")
            }
        });
        let (id, place) = (task.id(), task.spawned_at());
        let error = task.explained().await.unwrap_err();
        assert_eq!(error.to_string(), format!("task {id} `fragile` (spawned at {place}) panicked: on purpose"));
        assert!(error.cancellation.is_none() && error.error.is_panic());
        assert_eq!(spawn(async { 7 }).explained().await.unwrap(), 7);
        *left.borrow_mut() = Some(spawn(pending::<()>()));
    });
    let error = futures_lite::future::block_on(left.take().unwrap().explained()).unwrap_err();
    assert!(error.to_string().ends_with(" was cancelled, as its runtime ended"), "{error}");
}

#[test]
fn a_handle_that_cancels_on_drop_does_so_unless_its_task_is_over() {
    virtually(async {
        let alive = Alive::new();
        let task = spawn(alive.clone().park::<()>());
        let canceller = task.canceller();
        yield_now().await;
        drop(task.cancel_on_drop());
        yield_now().await;
        assert_eq!((alive.count(), canceller.task().state()), (0, TaskState::Completed(Finish::Cancelled)));
        let cancellation = canceller.task().cancellation().unwrap();
        assert_eq!(cancellation.reason.as_deref(), Some("its handle was dropped"));

        let task = spawn(async { 7 });
        let canceller = task.canceller();
        assert_eq!(task.cancel_on_drop().await.unwrap(), 7);
        assert!(canceller.task().cancellation().is_none());
        assert_eq!(canceller.task().state(), TaskState::Completed(Finish::Ready));

        let task = spawn(async { 7 });
        let canceller = task.canceller();
        yield_now().await;
        drop(task.cancel_on_drop());
        assert!(canceller.task().cancellation().is_none());
    });
}

#[test]
fn a_canceller_outlives_the_handle_the_task_and_the_runtime_and_keeps_neither_future_nor_output() {
    let (alive, canceller) = virtually(async {
        let alive = Alive::new();
        let task = spawn({
            let output = alive.clone();
            async move { output }
        });
        let done = task.canceller();
        drop(task.await.unwrap());
        assert_eq!(alive.count(), 0);
        done.cancel();
        assert_eq!(done.task().state(), TaskState::Completed(Finish::Ready));

        let task = named("parked").spawn(alive.clone().park::<()>());
        let canceller = task.canceller().clone();
        drop(task);
        yield_now().await;
        assert_eq!(alive.count(), 1);
        canceller.cancel();
        yield_now().await;
        assert_eq!(alive.count(), 0);
        (alive, canceller)
    });
    canceller.cancel();
    let text = format!("{canceller:?}");
    assert!(text.starts_with("Canceller(task 3 `parked` (cancelled, spawned at tests/tests/together.rs:"), "{text}");
    thread::spawn(move || drop(canceller)).join().unwrap();
    assert_eq!(alive.count(), 0);
}

// ---- callbacks and states ----

#[test]
fn callbacks_are_called_once_with_how_it_ended_before_or_after_the_end() {
    virtually(async {
        for before in [true, false] {
            for how in [Finish::Ready, Finish::Cancelled, Finish::Panicked] {
                let calls = Log::new();
                let task = named("watched").spawn(async move {
                    match how {
                        Finish::Ready => 7,
                        Finish::Cancelled => pending().await,
                        Finish::Panicked => panic!("on purpose"),
                    }
                });
                let note = |n: u32| {
                    let calls = calls.clone();
                    task.on_done(move |task, how| {
                        calls.push((n, task.name().map(str::to_owned), how, task.state()));
                    });
                };
                if before {
                    note(1);
                    note(2);
                }
                yield_now().await;
                if how == Finish::Cancelled {
                    assert!(calls.is_empty());
                    task.cancel();
                    yield_now().await;
                }
                if !before {
                    assert!(calls.is_empty());
                    note(1);
                    assert_eq!(calls.len(), 1, "at once");
                    note(2);
                }
                let state = TaskState::Completed(how);
                let call = |n| (n, Some("watched".to_owned()), how, state);
                assert_eq!(calls.take(), [call(1), call(2)]);
                assert_eq!(task.state(), state);
                let joined = task.await;
                assert_eq!(joined.is_ok(), how == Finish::Ready);
                assert!(calls.is_empty());
            }
        }
    });
}

#[test]
fn a_callback_that_panics_disturbs_nobody() {
    virtually(async {
        let calls = Log::new();
        let task = spawn(async { 7 });
        task.on_done(|_, _| panic!("on purpose"));
        let second = calls.clone();
        task.on_done(move |_, how| second.push(how));
        yield_now().await;
        task.on_done(|_, _| panic!("on purpose"));
        assert_eq!(calls.take(), [Finish::Ready]);
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn callbacks_are_called_without_a_handle_after_the_future_is_gone_and_at_the_end_of_the_runtime() {
    let (alive, calls) = (Alive::new(), Log::new());
    virtually(async {
        for time in [1, 1_000] {
            let task = spawn({
                let alive = alive.clone();
                async move {
                    sleep(ms(time)).await;
                    drop(alive.clone());
                    alive
                }
            });
            let weak = Arc::downgrade(&alive.0);
            let calls = calls.clone();
            task.on_done(move |_, how| calls.push((how, weak.strong_count() > 1, thread::current().id())));
        }
        sleep(ms(5)).await;
    });
    // The first has an output, which nobody takes and which is dropped after that.
    let here = thread::current().id();
    assert_eq!(calls.take(), [(Finish::Ready, true, here), (Finish::Cancelled, false, here)]);
    assert_eq!(alive.count(), 0);
}

#[test]
fn callbacks_added_from_other_threads_while_tasks_end_are_each_called_once() {
    within(60, || {
        const CALLBACKS: usize = 64;
        for round in 0..60 {
            let called: Arc<Vec<AtomicUsize>> = Arc::new((0..2 * CALLBACKS).map(|_| AtomicUsize::new(0)).collect());
            block_on(async {
                let task = Arc::new(spawn(async move {
                    for _ in 0..round {
                        yield_now().await;
                    }
                }));
                let threads: Vec<_> = (0..2)
                    .map(|part| {
                        let (task, called) = (task.clone(), called.clone());
                        thread::spawn(move || {
                            for n in 0..CALLBACKS {
                                let called = called.clone();
                                task.on_done(move |_, how| {
                                    assert_eq!(how, Finish::Ready);
                                    called[part * CALLBACKS + n].fetch_add(1, Ordering::Relaxed);
                                });
                            }
                        })
                    })
                    .collect();
                while !task.is_finished() || !threads.iter().all(thread::JoinHandle::is_finished) {
                    yield_now().await;
                }
                threads.into_iter().for_each(|thread| thread.join().unwrap());
            });
            assert!(called.iter().all(|calls| calls.load(Ordering::Relaxed) == 1), "round {round}");
        }
    });
}

#[test]
fn a_callback_holds_up_the_end_of_a_blocking_call_on_its_own_thread() {
    within(20, || {
        block_on(async {
            let calls = Log::new();
            let log = calls.clone();
            let (begin, begun) = std::sync::mpsc::channel::<()>();
            let call = spawn_blocking(move || begun.recv().is_err());
            call.on_done(move |_, how| log.push((how, thread::current().name().map(str::to_owned))));
            drop(begin);
            assert!(call.await.unwrap());
            tests::eventually("the callback", || calls.len() == 1);
            assert_eq!(calls.take(), [(Finish::Ready, Some("executor-blocking-1".to_owned()))]);
        });
    });
}

#[test]
fn a_task_is_queued_running_suspended_or_completed() {
    virtually(async {
        let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let seen = Rc::new(Cell::new(None));
        let task = spawn_local({
            let (own, seen) = (own.clone(), seen.clone());
            async move {
                seen.set(own.borrow().as_ref().map(JoinHandle::state));
                pending::<()>().await;
            }
        });
        assert_eq!(task.state(), TaskState::Queued);
        *own.borrow_mut() = Some(task);
        yield_now().await;
        assert_eq!(seen.get(), Some(TaskState::Running));
        let task = own.take().unwrap();
        assert_eq!(task.state(), TaskState::Suspended);
        task.cancel();
        assert_eq!(
            (task.state(), task.state().is_over()),
            (TaskState::Queued, false),
            "its future is still to be dropped"
        );
        yield_now().await;
        assert_eq!((task.state(), task.state().is_over()), (TaskState::Completed(Finish::Cancelled), true));
        let panicked = spawn(async {
            if true {
                panic!("on purpose")
            }
        });
        yield_now().await;
        assert_eq!((panicked.state(), panicked.state().is_over()), (TaskState::Completed(Finish::Panicked), true));
        let states = [TaskState::Queued, TaskState::Running, TaskState::Suspended];
        assert_eq!(states.map(|state| state.to_string()), ["queued", "running", "suspended"]);
        assert_eq!(states.map(TaskState::is_over), [false; 3]);
        let states = [Finish::Ready, Finish::Cancelled, Finish::Panicked].map(TaskState::Completed);
        assert_eq!(states.map(|state| state.to_string()), ["completed", "cancelled", "panicked"]);
        assert_eq!(states.map(TaskState::is_over), [true; 3]);
        // A task that was cancelled and returned all the same has not completed as a cancelled one.
        let task = spawn(shield(yield_now()));
        yield_now().await;
        task.cancel();
        yield_now().await;
        yield_now().await;
        assert_eq!(task.state(), TaskState::Completed(Finish::Ready));
        task.await.unwrap();
    });
}

// ---- values that belong to a task ----

task_local! {
    /// Whose request is served.
    static USER: String;
    static DEPTH: Cell<u32>;
}

fn user() -> Option<String> {
    USER.try_with(String::clone)
}

#[test]
fn a_task_local_is_the_tasks_own_across_awaits() {
    virtually(async {
        assert_eq!((user(), DEPTH.try_with(Cell::get)), (None, None));
        let tasks = (0..10).map(|n| {
            spawn(USER.scope(n.to_string(), async move {
                for _ in 0..n {
                    yield_now().await;
                    assert_eq!(USER.get(), n.to_string());
                }
                USER.with(|user| user.parse::<u64>().unwrap())
            }))
        });
        let tasks: Vec<_> = tasks.collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n as u64);
            assert_eq!(user(), None);
        }
        // It may be changed, if it is a cell.
        let depth = DEPTH.scope(Cell::new(1), async {
            yield_now().await;
            DEPTH.with(|depth| depth.set(depth.get() + 1));
            yield_now().await;
            DEPTH.with(Cell::get)
        });
        assert_eq!(depth.await, 2);
        assert_eq!(format!("{USER:?}"), "TaskLocal");
    });
}

#[test]
fn a_scope_in_a_scope_hides_the_outer_one_and_spawned_tasks_inherit_nothing() {
    virtually(USER.scope("outer".into(), async {
        let inner = USER.scope("inner".into(), async {
            yield_now().await;
            DEPTH.scope(Cell::new(1), async { (USER.get(), DEPTH.with(Cell::get)) }).await
        });
        assert_eq!(inner.await, ("inner".to_owned(), 1));
        assert_eq!(USER.get(), "outer");
        assert_eq!(spawn(async { user() }).await.unwrap(), None);
        assert_eq!(spawn(USER.scope(USER.get(), async { user() })).await.unwrap(), Some("outer".into()));
        // A scope that was entered and given up leaves nothing behind.
        assert!(timeout(ms(1), USER.scope("late".into(), pending::<()>())).await.is_err());
        assert_eq!(USER.get(), "outer");
        let both = join_all(["a", "b"].map(|name| {
            USER.scope(name.into(), async {
                yield_now().await;
                USER.get()
            })
        }));
        assert_eq!(both.await, ["a", "b"]);
    }));
}

#[test]
fn destructors_and_panics_see_the_value_and_leave_the_one_before() {
    virtually(async {
        let seen = Log::new();
        let inside = || {
            let seen = seen.clone();
            OnDrop::new(move || seen.push(user()))
        };
        let (polled, unpolled) = (inside(), inside());
        let mut scope = Box::pin(USER.scope("ann".into(), async move {
            let _polled = polled;
            pending::<()>().await;
        }));
        assert!(poll_once(&mut scope).await.is_none());
        drop(scope);
        drop(USER.scope("bob".into(), async move { drop(unpolled) }));
        assert_eq!(seen.take(), [Some("ann".into()), Some("bob".into())]);
        assert_eq!(user(), None);
        let panics = USER.scope("eve".into(), async {
            if true {
                panic!("on purpose")
            }
        });
        assert!(catch_poll(panics).await.is_err());
        assert_eq!(user(), None);
    });
    let caught = catch_unwind(|| USER.with(String::len));
    let text = panic_text(caught.unwrap_err());
    assert!(text.contains("outside of a scope") && text.contains("NAME.scope(value, future)"), "{text}");
}

#[test]
fn tasks_that_a_dropped_group_ends_do_not_see_the_values_of_whoever_drops_it() {
    virtually(async {
        let seen = Log::new();
        let group = task_group(|group: TaskGroup<()>| {
            let seen = seen.clone();
            async move {
                group.spawn(async move {
                    let _dropped = OnDrop::new(|| seen.push(user()));
                    pending::<Result<(), ()>>().await
                });
                pending::<Result<(), ()>>().await
            }
        });
        let mut group = Box::pin(group);
        assert!(timeout(ms(1), &mut group).await.is_err());
        USER.scope("ann".into(), async { drop(group) }).await;
        assert_eq!(seen.take(), [None]);
    });
}
