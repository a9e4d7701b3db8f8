//! A whole runtime that needs no system: tasks, primitives, timers and sockets of a simulated network.
//!
//! Besides `cargo test`, Miri runs these tests (`tests/miri.sh`), and finds each read of freed memory, each data race
//! and each use of an invalid pointer. So they are small, they use no descriptors, and together they go through every
//! file with `unsafe`.

use executor::net::{TcpListener, TcpStream};
use executor::sync::{Barrier, Event, Mutex, RwLock, Semaphore, broadcast, channel, oneshot, unbounded, watch};
use executor::task::{CancelledBy, Canceller, Runnable, Schedule, TaskRef, spawn_with};
use executor::test::explore;
use executor::time::{Duration, interval, now, sleep, timeout};
use executor::{
    Either, JoinError, Observer, ReactorObserver, Runtime, join_all, named, race, select, shield, spawn,
    spawn_blocking, spawn_local, task_group, tasks, yield_now,
};
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

/// The number of seeds. Under Miri, each takes a hundred times as long.
const SEEDS: u64 = if cfg!(miri) { 2 } else { 50 };

executor::task_local! {
    static USER: &'static str;
}

/// Counts its drop.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn tasks_end_in_every_way_and_their_futures_are_dropped_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = || Counted(drops.clone());
    explore(SEEDS, |_| async {
        let before = drops.load(Ordering::Relaxed);
        let returned = spawn({
            let kept = counted();
            async move {
                yield_now().await;
                drop(kept);
                [7_u64; 30]
            }
        });
        let waits = spawn({
            let kept = counted();
            async move {
                pending::<()>().await;
                drop(kept);
            }
        });
        let never_run = spawn({
            let kept = counted();
            async move { drop(kept) }
        });
        never_run.cancel();
        drop(spawn({
            let kept = counted();
            async move { drop(kept) }
        }));
        yield_now().await;
        waits.cancel();
        assert_eq!(returned.await.unwrap(), [7; 30]);
        assert!(matches!(waits.await, Err(JoinError::Cancelled)));
        let _ = never_run.await;
        sleep(Duration::from_millis(1)).await;
        assert_eq!(drops.load(Ordering::Relaxed) - before, 4);
    });
}

#[test]
fn a_panic_reaches_the_task_that_joins() {
    explore(SEEDS, |_| async {
        let fails = spawn(async {
            yield_now().await;
            std::panic::panic_any("on purpose");
        });
        let other = spawn(yield_now());
        assert_eq!(fails.await.unwrap_err().to_string(), "the task panicked: on purpose");
        other.await.unwrap();
    });
}

#[test]
fn wakers_outlive_their_task_and_their_runtime() {
    let wakers = Rc::new(RefCell::new(Vec::<Waker>::new()));
    explore(SEEDS, |_| {
        let wakers = wakers.clone();
        async move {
            for _ in 0..3 {
                let keeps = wakers.clone();
                let mut polls = 0;
                spawn_local(poll_fn(move |cx| {
                    keeps.borrow_mut().push(cx.waker().clone());
                    cx.waker().wake_by_ref();
                    polls += 1;
                    if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
                }))
                .await
                .unwrap();
            }
            wakers.borrow().iter().for_each(Waker::wake_by_ref);
        }
    });
    let wakers = wakers.take();
    wakers.iter().for_each(Waker::wake_by_ref);
    wakers.into_iter().for_each(Waker::wake);
}

#[test]
fn primitives_hand_over_to_waits_and_take_back_from_dropped_ones() {
    explore(SEEDS, |_| async {
        let (mutex, semaphore, lock) =
            (Arc::new(Mutex::new(0)), Arc::new(Semaphore::new(2)), Arc::new(RwLock::new(Vec::new())));
        let tasks = (0..6).map(|number| {
            let (mutex, semaphore, lock) = (mutex.clone(), semaphore.clone(), lock.clone());
            spawn(async move {
                let _permit = semaphore.acquire().await;
                let lost = timeout(Duration::from_millis(number), mutex.lock()).await;
                drop(lost);
                *mutex.lock().await += 1;
                sleep(Duration::from_millis(1)).await;
                lock.write().await.push(number);
                lock.read().await.len()
            })
        });
        join_all(tasks.collect::<Vec<_>>()).await;
        assert_eq!((*mutex.lock().await, lock.read().await.len()), (6, 6));
        let (event, barrier) = (Arc::new(Event::new()), Arc::new(Barrier::new(3)));
        let waits = (0..2).map(|_| {
            let (event, barrier) = (event.clone(), barrier.clone());
            spawn(async move {
                event.wait().await;
                barrier.wait().await;
            })
        });
        let waits: Vec<_> = waits.collect();
        yield_now().await;
        event.set();
        barrier.wait().await;
        join_all(waits).await;
    });
}

#[test]
fn messages_arrive_in_order_and_wake_their_receivers() {
    explore(SEEDS, |_| async {
        let (sender, receiver) = channel(1);
        let sends = spawn(async move {
            for number in 0..5 {
                sender.send(Box::new(number)).await.unwrap();
            }
        });
        for number in 0..5 {
            assert_eq!(*receiver.recv().await.unwrap(), number);
        }
        assert!(receiver.recv().await.is_err());
        sends.await.unwrap();
        let (sender, receiver) = oneshot();
        let waits = spawn(receiver);
        sender.send("once".to_owned()).unwrap();
        assert_eq!(waits.await.unwrap().unwrap(), "once");
        let ((news, mut hears), (new, mut sees), (many, takes)) = (broadcast(4), watch(0), unbounded());
        let listens = spawn(async move {
            sees.changed().await.unwrap();
            (hears.recv().await.unwrap(), *sees.get(), takes.recv().await.unwrap())
        });
        yield_now().await;
        news.send(1).unwrap();
        new.send(2).unwrap();
        many.try_send(3).unwrap();
        assert_eq!(listens.await.unwrap(), (1, 2, 3));
    });
}

#[test]
fn groups_races_shields_and_task_locals_complete() {
    explore(SEEDS, |_| async {
        let sum = task_group(|group| async move {
            let tasks: Vec<_> = (1..4).map(|number| group.spawn(async move { Ok::<_, ()>(number) })).collect();
            group.spawn(async {
                shield(sleep(Duration::from_millis(1))).await;
                Ok(0)
            });
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap();
            }
            Ok(sum)
        });
        assert_eq!(sum.await.unwrap(), 6);
        let first = select(sleep(Duration::from_millis(2)), sleep(Duration::from_millis(1))).await;
        assert!(matches!(first, Either::Second(())));
        race([sleep(Duration::from_secs(9)), sleep(Duration::from_millis(1))]).await;
        let user = USER.scope("ann", async {
            yield_now().await;
            USER.with(|user| (user.len(), tasks().len()))
        });
        assert_eq!(user.await, (3, 1));
        assert_eq!(spawn_blocking(|| vec![1, 2, 3]).await.unwrap().len(), 3);
    });
}

#[test]
fn timers_fire_in_order_and_leave_nothing_when_they_are_dropped() {
    explore(SEEDS, |_| async {
        let start = now();
        let order = Rc::new(RefCell::new(Vec::new()));
        let sleeps = [3_u64, 1, 2, 40_000, 5].map(|ms| {
            let order = order.clone();
            named(format!("{ms}")).spawn_local(async move {
                sleep(Duration::from_millis(ms)).await;
                order.borrow_mut().push(ms);
            })
        });
        let mut reset = sleep(Duration::from_secs(1));
        assert!(futures_lite::future::poll_once(&mut reset).await.is_none());
        reset.reset(now() + Duration::from_millis(7));
        reset.await;
        sleeps[3].cancel();
        let ticks: Vec<_> = interval(Duration::from_millis(10)).take(3).collect().await;
        assert_eq!((ticks.len(), now() - start), (3, Duration::from_millis(27)));
        assert_eq!(*order.borrow(), [1, 2, 3, 5]);
    });
}

#[test]
fn bytes_cross_a_simulated_network_and_come_back() {
    explore(SEEDS, |network| async move {
        let server = network.host("server");
        let address = (server.address(), 80);
        let serves = spawn_local(server.run(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
        }));
        sleep(Duration::from_millis(1)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let sent = vec![7; 3_000];
        stream.write_all(&sent).await.unwrap();
        stream.close().await.unwrap();
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await.unwrap();
        assert_eq!(back, sent);
        serves.await.unwrap().unwrap();
        assert!(timeout(Duration::from_secs(1), TcpStream::connect((server.address(), 81))).await.unwrap().is_err());
    });
}

/// Reads all that an observer is shown of a task, at the task's last event.
#[derive(Default)]
struct ReadsFreed(AtomicUsize);

impl ReactorObserver for ReadsFreed {}

impl Observer for ReadsFreed {
    fn task_freed(&self, task: TaskRef<'_>) {
        if task.id().0 == 1 {
            return; // the first task, which has no name
        }
        assert_eq!((task.name(), task.wakers(), task.metadata()), (Some("freed"), 0, Some(&7_u8)), "{task:?}");
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_observer_may_read_a_task_that_is_being_freed() {
    let observer = Arc::new(ReadsFreed::default());
    let runtime = Runtime::builder().deterministic(1).observer(observer.clone()).build().unwrap();
    runtime.block_on(async {
        assert_eq!(named("freed").metadata(7_u8).spawn(async { 1 }).await.unwrap(), 1);
    });
    assert_eq!(observer.0.load(Ordering::Relaxed), 1);
}

/// Runs nothing.
struct Idle;

impl Schedule for Idle {
    fn schedule(self: &Arc<Self>, _: Runnable) {}
}

/// A scheduler whose destructor cancels a task of another scheduler, which looks up the current task.
struct CancelsOther(std::sync::Mutex<Option<Canceller>>);

impl Schedule for CancelsOther {
    fn schedule(self: &Arc<Self>, _: Runnable) {}
}

impl Drop for CancelsOther {
    fn drop(&mut self) {
        self.0.get_mut().unwrap().take().unwrap().cancel();
    }
}

#[test]
fn a_scheduler_dropped_with_its_last_task_does_not_see_that_task_as_current() {
    let (victim, handle) = spawn_with(pending::<()>(), Arc::new(Idle));
    let scheduler = CancelsOther(std::sync::Mutex::new(Some(handle.canceller())));
    let (task, output) = spawn_with(async {}, Arc::new(scheduler));
    drop(output);
    assert!(task.run().is_none());
    let cancelled = handle.canceller();
    assert!(matches!(cancelled.task().cancellation().map(|of| &of.by), Some(CancelledBy::Thread(_))));
    drop(victim);
}
