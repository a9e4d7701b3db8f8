//! Where tasks stand, what held the thread, and that nothing can go on any more: what a runtime tells when asked,
//! and what it tells by itself.
//!
//! What is checked: the list has every task, with the chain of its futures down to the line; asking changes nothing,
//! above all no wake is lost by it; slow polls and deadlocks are told when there are some, and only then.

use executor::dump::TaskDump;
use executor::net::{TcpListener, TcpStream};
use executor::observer::PollEnd;
use executor::sync::{Semaphore, channel};
use executor::task::{TaskRef, TaskState};
use executor::time::{Duration, Instant, sleep, timeout};
use executor::{
    Observer, Runtime, TaskGroup, TaskId, as_completed, block_on, deadline, join_all, named, race, select, shield,
    spawn, spawn_blocking, spawn_local, task_group, tasks, yield_now,
};
use futures_lite::StreamExt;
use futures_lite::future::{pending, poll_fn, poll_once};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll};
use std::thread;
use tests::{Log, OnDrop, within};

/// Runs a future on a virtual clock; a wake that is lost is a panic with the list of all tasks.
fn virtually<T>(future: impl Future<Output = T>) -> T {
    let runtime = Runtime::builder().virtual_clock().detect_deadlock(true).build().unwrap();
    runtime.block_on(future)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The task with that name.
fn dump_of(name: &str) -> TaskDump {
    let all = tasks();
    let found = all.iter().find(|task| task.task.name.as_deref() == Some(name)).cloned();
    found.unwrap_or_else(|| panic!("no `{name}` in: {all}"))
}

/// Function and line of each place of a wait, all of which are in this file.
fn chain(dump: &TaskDump, wait: usize) -> Vec<(String, u32)> {
    let place = |place: &executor::dump::Place| {
        assert!(place.file.ends_with("tests/dump.rs"), "{place}");
        (place.function.rsplit("::").next().unwrap().to_owned(), place.line)
    };
    dump.waits[wait].chain.iter().map(place).collect()
}

fn leaf(dump: &TaskDump) -> &str {
    assert_eq!(dump.waits.len(), 1, "{dump}");
    &dump.waits[0].leaf
}

// ---- the list ----

#[test]
fn the_list_has_every_task_in_the_order_of_their_numbers() {
    virtually(async {
        let line = line!() + 1;
        let first = named("first").spawn(pending_announced());
        let unnamed = spawn(sleep(ms(5_000)));
        let queued = spawn(pending::<()>());
        let over = spawn(async {});
        over.await.unwrap();
        sleep(ms(1_500)).await;
        let late = named("late").spawn(async { sleep(ms(10)).await });
        let all = tasks();
        let ids: Vec<_> = all.iter().map(|task| task.task.id).collect();
        assert_eq!(ids, [TaskId(1), first.id(), unnamed.id(), queued.id(), late.id()]);
        assert_eq!((all.len(), all[1].task.spawned_at.line()), (5, line));
        assert_eq!((all[1].task.name.as_deref(), all[2].task.name.as_deref()), (Some("first"), None));
        assert_eq!((all[1].age, all[4].age), (ms(1_500), Duration::ZERO));
        assert_eq!((all[0].state, all[0].waits.len()), (TaskState::Running, 0));
        assert_eq!((all[1].state, all[4].state), (TaskState::Suspended, TaskState::Queued));
        assert_eq!((all[1].polls, all[4].polls), (2, 0));
        let texts: Vec<_> = all.iter().map(ToString::to_string).collect();
        assert!(texts[0].starts_with("task 1 (running, "), "{}", texts[0]);
        let begin = format!("task 2 `first` (suspended, 2 polls, 1.5s old, spawned at {}:{line}:", file!());
        assert!(texts[1].starts_with(&begin), "{}", texts[1]);
        assert!(texts[1].ends_with("\n    waits for: something of its own"), "{}", texts[1]);
        assert!(texts[2].contains("sleep for another 3.5s (made at tests/tests/dump.rs:"), "{}", texts[2]);
        assert!(texts[4].ends_with("\n    is about to run"), "{}", texts[4]);
        assert!(all.to_string().starts_with("5 tasks\ntask 1 ("));
        assert_eq!(all.into_iter().count(), 5);
        // To be asked counts as a poll.
        assert_eq!(tasks()[1].polls, 3);
        late.await.unwrap();
    });
    assert!(tasks().is_empty());
    assert_eq!(tasks().to_string(), "0 tasks\n");
    virtually(async { assert!(tasks().to_string().starts_with("1 task\n")) });
}

/// A leaf that is not the runtime's.
async fn pending_announced() {
    poll_fn(|_| {
        reactor::leaf::pending(|| "something of its own".into());
        Poll::Pending
    })
    .await
}

#[test]
fn a_task_whose_leaf_says_nothing_is_not_said_to_be_about_to_run() {
    virtually(async {
        named("silent").spawn(pending::<()>());
        let woken = named("woken").spawn(yield_now());
        yield_now().await;
        let silent = dump_of("silent").to_string();
        assert!(
            silent.ends_with("\n    waits for: something that does not call executor::leaf::pending to say what"),
            "{silent}"
        );
        assert!(dump_of("woken").to_string().ends_with("\n    is about to run"));
        woken.await.unwrap();
    });
}

#[test]
fn a_cancel_that_waits_is_in_the_list() {
    virtually(async {
        let task = named("shielded").spawn(shield(sleep(ms(10))));
        yield_now().await;
        assert!(dump_of("shielded").cancellation.is_none());
        let line = line!() + 1;
        task.cancel_because("too slow");
        let dump = dump_of("shielded");
        assert_eq!(dump.cancellation.as_ref().unwrap().at.line(), line);
        let told = format!("\n    cancelled by task 1 at {}:{line}:", file!());
        assert!(dump.to_string().contains(&told), "{dump}");
        assert!(dump.to_string().contains(": too slow"), "{dump}");
        yield_now().await;
        assert_eq!(leaf(&dump_of("shielded")).split(' ').next(), Some("sleep"), "it still goes on");
        task.await.unwrap();
    });
}

// ---- chains ----

static INNER: AtomicUsize = AtomicUsize::new(0);

async fn outermost(what: Pin<Box<dyn Future<Output = ()>>>) -> u32 {
    middle(what).await; // line 0
    line!()
}

async fn middle(what: Pin<Box<dyn Future<Output = ()>>>) {
    INNER.store(line!() as usize + 1, Ordering::Relaxed);
    what.await;
    sleep(ms(1)).await;
}

#[test]
fn the_chain_goes_through_async_fns_blocks_boxes_and_futures_of_ones_own_down_to_the_line() {
    struct Own<F>(F);
    impl<F: Future + Unpin> Future for Own<F> {
        type Output = F::Output;
        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
            Pin::new(&mut self.0).poll(cx)
        }
    }
    async fn leaf_fn(line: Rc<Cell<u32>>) {
        line.set(line!() + 1);
        sleep(ms(60_000)).await;
    }
    virtually(async {
        let (fn_line, block_line, box_line) = <(Rc<Cell<u32>>, Rc<Cell<u32>>, Rc<Cell<u32>>)>::default();
        let lines = (fn_line.clone(), block_line.clone(), box_line.clone());
        let inside: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
            let (fn_line, block_line, box_line) = lines;
            let nested = async {
                block_line.set(line!() + 1);
                leaf_fn(fn_line).await;
            };
            box_line.set(line!() + 1);
            Own(Box::pin(nested)).await;
        });
        let task = named("deep").spawn_local(outermost(inside));
        sleep(ms(1)).await;
        let dump = dump_of("deep");
        assert!(leaf(&dump).starts_with("sleep for another 60.0s (made at tests/tests/dump.rs:"), "{dump}");
        let places = chain(&dump, 0);
        let lines: Vec<_> = places.iter().map(|(_, line)| *line).collect();
        let inner = INNER.load(Ordering::Relaxed) as u32;
        let names: Vec<_> = places.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..2], ["outermost", "middle"], "{dump}");
        assert_eq!(names.last(), Some(&"leaf_fn"), "{dump}");
        assert_eq!(lines[0], inner - 6, "{dump}");
        assert_eq!(lines[1], inner, "{dump}");
        assert_eq!(lines.last(), Some(&fn_line.get()), "{dump}");
        assert!(lines.contains(&box_line.get()) && lines.contains(&block_line.get()), "{dump}");
        assert!(names.contains(&"poll"), "the future of one's own is in it: {dump}");
        assert!(task.await.unwrap() > 0);
        assert_eq!(tasks().len(), 1);
    });
}

#[test]
fn leaves_say_what_they_are_and_where_it_was_made() {
    within(20, || {
        block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let ours = TcpStream::connect(address).await.unwrap();
            let (_theirs, peer) = listener.accept().await.unwrap();
            assert_eq!(ours.local_addr().unwrap(), peer);
            let reads = Arc::new(AtomicUsize::new(0));
            let line = reads.clone();
            named("reads").spawn(async move {
                let mut buffer = [0; 8];
                line.store(line!() as usize + 1, Ordering::Relaxed);
                ours.read(&mut buffer).await.unwrap();
            });
            named("accepts").spawn(async move { drop(listener.accept().await) });
            let made = line!() + 1;
            let semaphore = Arc::new(Semaphore::new(0));
            named("acquires").spawn(async move { drop(semaphore.acquire().await) });
            let (_tx, rx) = channel::<u32>(1);
            named("receives").spawn(async move { _ = rx.recv().await });
            let target = named("target").spawn(sleep(ms(60_000)));
            let (id, place) = (target.id(), target.spawned_at());
            named("joins").spawn(async move { drop(target.await) });
            yield_now().await;
            sleep(ms(5)).await;

            let dump = dump_of("reads");
            assert!(leaf(&dump).contains(&address.to_string()), "the peer's address: {dump}");
            assert!(leaf(&dump).contains("read"), "{dump}");
            assert_eq!(chain(&dump, 0).last().unwrap().1 as usize, reads.load(Ordering::Relaxed), "{dump}");
            let dump = dump_of("accepts");
            assert!(leaf(&dump).contains(&address.port().to_string()), "{dump}");
            let dump = dump_of("acquires");
            let begin = format!("acquire on the semaphore made at {}:{made}:", file!());
            assert!(leaf(&dump).starts_with(&begin), "{dump}");
            let dump = dump_of("receives");
            let begin = format!("receive on the channel made at {}:", file!());
            assert!(leaf(&dump).starts_with(&begin), "{dump}");
            assert_eq!(leaf(&dump_of("joins")), format!("the end of task {id} `target` (spawned at {place})"));
        });
    });
}

#[test]
fn a_task_that_awaits_several_futures_has_as_many_waits() {
    virtually(async {
        let line = Rc::new(Cell::new(0));
        let here = line.clone();
        named("selects").spawn_local(async move {
            here.set(line!() + 1);
            select(sleep(ms(60_000)), pending_announced()).await;
        });
        let sleeps = |count: u64| (0..count).map(|n| sleep(ms(60_000 + n)));
        named("joins").spawn(join_all(sleeps(5)));
        named("races").spawn(race(sleeps(40)));
        named("streams").spawn(async move { as_completed(sleeps(17)).next().await });
        named("deadline").spawn(deadline(ms(70_000), pending_announced()));
        let made = line!() + 1;
        named("group").spawn(task_group(|group: TaskGroup<()>| async move {
            group.spawn_named("child", async {
                pending_announced().await;
                Ok(())
            });
            Ok(())
        }));
        sleep(ms(1)).await;
        for _ in 0..3 {
            let dump = dump_of("selects");
            assert_eq!(dump.waits.len(), 2, "{dump}");
            assert!(dump.waits[0].leaf.starts_with("sleep "), "{dump}");
            assert_eq!(dump.waits[1].leaf, "something of its own", "{dump}");
            assert_eq!(chain(&dump, 0)[0].1, line.get(), "{dump}");
            assert_eq!(chain(&dump, 1)[0].1, line.get(), "{dump}");
            assert_eq!(chain(&dump, 1).last().unwrap().0, "pending_announced");
            let dump = dump_of("joins");
            assert_eq!((dump.waits.len(), dump.left_out), (5, 0), "{dump}");
            let dump = dump_of("races");
            assert_eq!((dump.waits.len(), dump.left_out), (16, 24), "{dump}");
            assert!(dump.to_string().ends_with("\n    and for 24 others"), "{dump}");
            assert_eq!((dump_of("streams").waits.len(), dump_of("streams").left_out), (16, 1));
            let dump = dump_of("deadline");
            assert_eq!(dump.waits.len(), 2, "{dump}");
            let text = leaf(&dump_of("group")).to_owned();
            let told = format!("the end of 1 tasks of the group made at {}:{made}:", file!());
            assert!(text.starts_with(&told), "{text}");
            assert_eq!(leaf(&dump_of("child")), "something of its own");
        }
    });
}

// ---- asking changes nothing ----

#[test]
fn asking_again_and_again_loses_no_wake_of_other_threads() {
    within(60, || {
        const MESSAGES: usize = 2_000;
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..16).map(|_| channel::<usize>(4)).unzip();
        let threads: Vec<_> = (senders.chunks(8))
            .map(|senders| {
                let senders = senders.to_vec();
                thread::spawn(move || {
                    futures_lite::future::block_on(async {
                        for n in 0..MESSAGES / 8 {
                            for sender in &senders {
                                sender.send(n).await.unwrap();
                            }
                            if n % 16 == 0 {
                                thread::yield_now();
                            }
                        }
                    });
                })
            })
            .collect();
        drop(senders);
        let asked = block_on(async {
            let sums: Vec<_> = (receivers.chunks(4))
                .map(|receivers| {
                    let receivers = receivers.to_vec();
                    spawn(join_all(receivers.into_iter().map(|receiver| async move {
                        let mut sum = 0;
                        while let Ok(n) = receiver.recv().await {
                            sum += n;
                        }
                        sum
                    })))
                })
                .collect();
            let mut asked = 0;
            while !sums.iter().all(executor::JoinHandle::is_finished) {
                assert!(tasks().len() <= 5);
                asked += 1;
                yield_now().await;
            }
            for sum in sums {
                assert_eq!(sum.await.unwrap(), [(0..MESSAGES / 8).sum::<usize>(); 4]);
            }
            asked
        });
        assert!(asked > 0);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn children_of_a_set_that_were_woken_before_or_during_the_asking_go_on() {
    virtually(async {
        let (a, b) = (channel::<u32>(4), channel::<u32>(4));
        let ((a, a_in), (b, b_in)) = (a, b);
        let both = named("both").spawn(join_all([a_in, b_in].map(|receiver| async move {
            let (first, second) = (receiver.recv().await.unwrap(), receiver.recv().await.unwrap());
            first + second
        })));
        yield_now().await;
        for round in 0..2 {
            a.send(round).await.unwrap();
            tasks(); // it was woken: not asked
            b.send(10 * round).await.unwrap();
            tasks();
            yield_now().await;
            tasks();
            yield_now().await;
            tasks();
        }
        assert_eq!(timeout(ms(1), both).await.unwrap().unwrap(), [1, 10]);
    });
}

#[test]
fn a_hundred_thousand_waiting_tasks_are_listed_in_time_and_all_go_on() {
    const TASKS: usize = 100_000;
    async fn enter(door: Arc<Semaphore>, passed: Rc<Cell<usize>>) {
        let _permit = door.acquire().await;
        passed.set(passed.get() + 1);
    }
    let took = virtually(async {
        let (door, passed) = (Arc::new(Semaphore::new(0)), Rc::new(Cell::new(0)));
        for _ in 0..TASKS {
            spawn_local(enter(door.clone(), passed.clone()));
        }
        yield_now().await;
        let start = std::time::Instant::now();
        let all = tasks();
        let took = start.elapsed();
        assert_eq!(all.len(), TASKS + 1);
        for dump in &all[1..] {
            assert_eq!((leaf(dump).split(" made").next(), dump.polls), (Some("acquire on the semaphore"), 2));
        }
        drop(all);
        assert_eq!(passed.get(), 0);
        door.add_permits(TASKS);
        for _ in 0..TASKS {
            if passed.get() == TASKS {
                break;
            }
            yield_now().await;
        }
        assert_eq!(passed.get(), TASKS);
        took
    });
    println!("{TASKS} tasks listed in {took:.2?}");
    assert!(took < Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 5 }), "{took:?}");
}

#[test]
fn the_list_may_be_asked_for_in_a_task_a_destructor_a_future_of_ones_own_and_at_the_end() {
    let lists = Log::new();
    let ask = || {
        let lists = lists.clone();
        OnDrop::new(move || lists.push(tasks().iter().map(|task| (task.task.id.0, task.state)).collect::<Vec<_>>()))
    };
    let (dropped, at_end) = (ask(), ask());
    virtually(async {
        let lists = lists.clone();
        let asks = named("asks").spawn_local({
            let lists = lists.clone();
            async move {
                // Asked each time it is polled, also because somebody else asks.
                poll_fn(|_| {
                    lists.push(tasks().iter().map(|task| (task.task.id.0, task.state)).collect());
                    Poll::<()>::Pending
                })
                .await;
            }
        });
        spawn_local(async move {
            let _dropped = dropped;
            pending_announced().await;
        });
        yield_now().await;
        use TaskState::{Queued, Running, Suspended};
        assert_eq!(lists.take(), [[(1, Queued), (2, Running), (3, Queued)]]);
        assert_eq!(tasks().len(), 3);
        assert_eq!(lists.take(), [[(1, Running), (2, Running), (3, Suspended)]]);
        yield_now().await;
        lists.take();
        asks.cancel();
        yield_now().await;
        let end = at_end;
        spawn_local(async move {
            let _end = end;
            pending_announced().await;
        });
        yield_now().await;
    });
    // Each list at the end has at least whoever asks.
    let lists = lists.take();
    assert_eq!(lists.len(), 2);
    assert!(lists.iter().all(|list| list.iter().any(|(_, state)| *state == TaskState::Running)), "{lists:?}");
}

#[test]
fn blocking_calls_are_in_the_list() {
    within(20, || {
        let runtime = Runtime::builder().blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (begun, has_begun) = mpsc::channel();
            let (end, ends) = mpsc::channel::<()>();
            let first = named("first call").spawn_blocking(move || {
                begun.send(()).unwrap();
                assert!(tasks().is_empty(), "a thread of the pool has no runtime");
                let _ = ends.recv();
            });
            let second = named("second call").spawn_blocking(|| ());
            has_begun.recv().unwrap();
            let dump = dump_of("first call");
            assert_eq!((dump.state, dump.task.id, dump.polls), (TaskState::Running, first.id(), 1));
            assert!(dump.to_string().ends_with("\n    is a blocking call on a thread of the pool"), "{dump}");
            let dump = dump_of("second call");
            assert_eq!((dump.state, dump.task.id, dump.polls), (TaskState::Queued, second.id(), 0));
            assert!(
                dump.to_string().ends_with("\n    is a blocking call that waits for a thread of the pool"),
                "{dump}"
            );
            drop(end);
            first.await.unwrap();
            second.await.unwrap();
            tests::eventually("the end of the calls", || tasks().len() == 1);
        });
    });
}

/// Notes slow polls and counts polls.
#[derive(Default)]
struct Watches {
    slow: Log<(TaskId, Duration)>,
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl reactor::Observer for Watches {}
impl Observer for Watches {
    fn poll_begins(&self, _: TaskRef<'_>) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn poll_ends(&self, _: TaskId, _: PollEnd) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn slow_poll(&self, task: TaskId, took: Duration) {
        self.slow.push((task, took));
    }
}

#[test]
fn a_runtime_that_is_watched_lists_its_tasks_as_well() {
    let watches = Arc::new(Watches::default());
    let runtime = Runtime::builder().virtual_clock().observer(watches.clone()).build().unwrap();
    runtime.block_on(async {
        for _ in 0..10 {
            spawn(pending_announced());
        }
        yield_now().await;
        let before = watches.begun.load(Ordering::Relaxed);
        let all = tasks();
        assert!(all[1..].iter().all(|task| leaf(task) == "something of its own"));
        assert_eq!(watches.begun.load(Ordering::Relaxed), before + 10);
    });
    assert_eq!(watches.begun.load(Ordering::Relaxed), watches.ended.load(Ordering::Relaxed));
}

#[test]
fn a_task_that_panics_when_it_is_asked_ends_and_the_others_are_listed() {
    virtually(async {
        let cell = Rc::new(RefCell::new(0));
        let inner = cell.clone();
        let task = spawn_local(async move {
            poll_fn(|_| {
                *inner.borrow_mut() += 1;
                Poll::<()>::Pending
            })
            .await;
        });
        named("other").spawn(pending_announced());
        yield_now().await;
        let borrowed = cell.borrow();
        assert_eq!(leaf(&dump_of("other")), "something of its own");
        drop(borrowed);
        assert!(task.await.unwrap_err().is_panic());
    });
}

#[test]
fn asking_leaves_the_deadline_and_the_budget_of_whoever_asks() {
    virtually(async {
        spawn(pending_announced());
        let seen = Rc::new(Cell::new(None));
        let sees = seen.clone();
        spawn_local(async move {
            poll_fn(|_| {
                sees.set(executor::time_left());
                Poll::<()>::Pending
            })
            .await
        });
        yield_now().await;
        deadline(ms(5), async {
            tasks();
            assert_eq!(executor::time_left(), Some(ms(5)));
        })
        .await
        .unwrap();
        assert_eq!(seen.get(), None, "others are asked outside of it");
    });
}

// ---- slow polls ----

fn hold_the_thread(time: Duration) {
    thread::sleep(time);
}

fn watched(limit: u64) -> (Runtime, Arc<Watches>) {
    let watches = Arc::new(Watches::default());
    let builder = Runtime::builder().observer(watches.clone()).slow_poll(ms(limit));
    (builder.build().unwrap(), watches)
}

#[test]
fn a_poll_that_holds_the_thread_is_told_each_time_and_those_below_the_limit_are_not() {
    let (runtime, watches) = watched(60);
    let slow = runtime.block_on(async {
        for _ in 0..5 {
            spawn(async { hold_the_thread(ms(5)) }).await.unwrap();
        }
        sleep(ms(100)).await; // time that is nobody's
        let mut ids = Vec::new();
        for _ in 0..2 {
            let task = spawn(async { hold_the_thread(ms(100)) });
            ids.push(task.id());
            task.await.unwrap();
        }
        ids
    });
    let told = watches.slow.take();
    let ids: Vec<_> = told.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, slow);
    assert!(told.iter().all(|(_, took)| (ms(90)..ms(1_000)).contains(took)), "{told:?}");
}

#[test]
fn the_one_that_was_slow_is_told_among_many_quick_ones() {
    let (runtime, watches) = watched(60);
    let slow = runtime.block_on(async {
        let mut slow = Vec::new();
        for round in 0..5 {
            let quick = || {
                for _ in 0..50 + 7 * round {
                    spawn(yield_now());
                }
            };
            quick();
            slow.push(spawn(async { hold_the_thread(ms(100)) }).id());
            quick();
            for _ in 0..4 {
                yield_now().await;
            }
        }
        slow
    });
    let ids: Vec<_> = watches.slow.take().iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, slow);
}

#[test]
fn time_that_a_task_spent_before_it_asked_or_dropped_a_group_is_its_own() {
    let (runtime, watches) = watched(60);
    let (slow, all) = runtime.block_on(async {
        for _ in 0..5 {
            spawn(pending_announced());
        }
        yield_now().await;
        tasks(); // names are looked up, which takes long the first time
        yield_now().await;
        let asks = spawn(async {
            hold_the_thread(ms(100));
            tasks();
        });
        let drops = spawn(async {
            let group = task_group(|group: TaskGroup<()>| async move {
                group.spawn(pending::<Result<(), ()>>());
                pending::<Result<(), ()>>().await
            });
            let mut group = Box::pin(group);
            assert!(poll_once(&mut group).await.is_none());
            hold_the_thread(ms(100));
            drop(group);
        });
        let slow = [asks.id(), drops.id()];
        asks.await.unwrap();
        drops.await.unwrap();
        (slow, TaskId(1))
    });
    let ids: Vec<_> = watches.slow.take().iter().map(|(id, _)| *id).filter(|id| *id != all).collect();
    assert_eq!(ids, slow);
}

/// Runs one of the children below in a process of its own: what it printed to its standard error.
fn child(name: &str) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--nocapture"]).env("RUST_BACKTRACE", "0");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}{text}", String::from_utf8_lossy(&output.stdout));
    text
}

#[test]
#[ignore = "a test below runs it"]
fn slow_child() {
    let runtime = Runtime::builder().slow_poll(ms(60)).build().unwrap();
    runtime.block_on(async {
        for _ in 0..3 {
            named("digests").spawn(async { hold_the_thread(ms(100)) }).await.unwrap();
        }
        let other = named("other place").spawn(async {
            hold_the_thread(ms(100));
            yield_now().await;
        });
        other.await.unwrap();
        named("quick").spawn(async { hold_the_thread(ms(5)) }).await.unwrap();
        // To print where a panic came from takes as long as it takes.
        let panics = named("panics").spawn(async {
            hold_the_thread(ms(100));
            panic!("on purpose");
        });
        panics.await.unwrap_err();
    });
}

#[test]
fn a_slow_poll_is_printed_once_for_each_place_with_name_and_place() {
    let text = child("slow_child");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("executor: ")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("executor: task 2 `digests` (spawned at tests/tests/dump.rs:"), "{text}");
    assert!(lines[0].contains(") held the thread for 1") && lines[0].contains(" ms in one poll, and"), "{text}");
    assert!(lines[0].contains("spawn_blocking") && lines[0].contains("yield_now"), "{text}");
    assert!(lines[1].starts_with("executor: task 5 `other place` (spawned at "), "{text}");
}

// ---- deadlocks ----

fn detecting() -> Runtime {
    Runtime::builder().detect_deadlock(true).build().unwrap()
}

#[test]
fn a_deadlock_is_a_panic_at_once_if_that_is_wished_with_the_list_in_it() {
    within(20, || {
        for is_virtual in [false, true] {
            let builder = Runtime::builder().detect_deadlock(true);
            let runtime = if is_virtual { builder.virtual_clock() } else { builder }.build().unwrap();
            let drops = Log::new();
            let start = Instant::now();
            let caught = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async {
                    let door = Semaphore::new(1);
                    let _first = door.acquire().await;
                    let dropped = OnDrop::new(|| drops.push(()));
                    named("bystander").spawn(pending_announced());
                    let _second = door.acquire().await;
                    drop(dropped);
                })
            }));
            assert!(start.elapsed() < Duration::from_millis(900) || cfg!(debug_assertions));
            let text = *caught.unwrap_err().downcast::<String>().unwrap();
            assert!(text.starts_with("deadlock: nothing in this runtime can run"), "{text}");
            assert!(text.contains(" 2 tasks\ntask 1 (suspended, "), "{text}");
            assert!(text.contains("\n    waits for: acquire on the semaphore made at tests/tests/dump.rs:"), "{text}");
            assert!(text.contains("\ntask 2 `bystander` ("), "{text}");
            assert_eq!(drops.len(), 1);
            assert_eq!(runtime.block_on(async { 7 }), 7, "the runtime goes on");
        }
    });
}

#[test]
fn what_can_still_happen_is_no_deadlock() {
    within(30, || {
        // A timer.
        detecting().block_on(sleep(ms(20)));
        // A socket.
        detecting().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let connects = thread::spawn(move || {
                thread::sleep(ms(50));
                std::net::TcpStream::connect(address).unwrap()
            });
            listener.accept().await.unwrap();
            connects.join().unwrap();
        });
        // A blocking call.
        detecting().block_on(async { spawn_blocking(|| thread::sleep(ms(50))).await.unwrap() });
        // A hold, and another thread that wakes.
        detecting().block_on(async {
            let hold = reactor::Handle::current().unwrap().hold();
            let (tx, rx) = channel::<u32>(1);
            let thread = thread::spawn(move || {
                let _hold = hold;
                thread::sleep(ms(50));
                futures_lite::future::block_on(tx.send(5)).unwrap();
                drop(tx);
            });
            assert_eq!(rx.recv().await, Ok(5));
            thread.join().unwrap();
        });
        // Threads that wake all the time.
        for _ in 0..200 {
            detecting().block_on(async {
                let hold = reactor::Handle::current().unwrap().hold();
                let (tx, rx) = channel::<u32>(1);
                let thread = thread::spawn(move || {
                    futures_lite::future::block_on(tx.send(5)).unwrap();
                    drop(hold);
                });
                assert_eq!(rx.recv().await, Ok(5));
                thread.join().unwrap();
            });
        }
    });
}

#[test]
fn a_deadlock_that_begins_with_the_end_of_a_blocking_call_is_a_panic_as_well() {
    within(10, || {
        let caught = catch_unwind(|| {
            detecting().block_on(async {
                drop(spawn_blocking(|| thread::sleep(ms(50))));
                pending::<()>().await;
            });
        });
        assert!(caught.is_err());
    });
}

#[test]
#[ignore = "a test below runs it"]
fn deadlock_child() {
    let waker = Log::new();
    let woken = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            tests::eventually("the waker", || !waker.is_empty());
            thread::sleep(ms(3_200)); // two could be printed in this time
            woken.store(true, Ordering::Relaxed);
            waker.take().into_iter().for_each(std::task::Waker::wake);
        });
        block_on(async {
            named("stuck").spawn(pending_announced());
            let wait = poll_fn(|cx| {
                reactor::leaf::pending(|| "another thread".into());
                waker.push(cx.waker().clone());
                if woken.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
            });
            wait.await;
            println!("it went on");
        });
    });
}

#[test]
fn a_deadlock_is_printed_once_after_a_second() {
    let text = child("deadlock_child");
    assert_eq!(text.matches("executor: nothing in this runtime can run").count(), 1, "{text}");
    assert!(text.contains(" 2 tasks\ntask 1 (suspended, "), "{text}");
    assert!(text.contains("    waits for: another thread\n"), "{text}");
    assert!(text.contains("`stuck` (") && text.contains("    waits for: something of its own\n"), "{text}");
}

#[test]
#[ignore = "a test below runs it"]
fn no_deadlock_child() {
    // Each waits for longer than a second, all at once.
    fn waits(what: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
        thread::spawn(what)
    }
    let all = [
        waits(|| block_on(sleep(ms(1_300)))),
        waits(|| block_on(async { spawn_blocking(|| thread::sleep(ms(1_300))).await.unwrap() })),
        waits(|| {
            block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let connects = thread::spawn(move || {
                    thread::sleep(ms(1_300));
                    std::net::TcpStream::connect(address).unwrap()
                });
                listener.accept().await.unwrap();
                connects.join().unwrap();
            });
        }),
        // Another thread wakes in time, twice.
        waits(|| {
            block_on(async {
                let (tx, rx) = channel::<u32>(1);
                let thread = thread::spawn(move || {
                    for n in 0..2 {
                        thread::sleep(ms(700));
                        futures_lite::future::block_on(tx.send(n)).unwrap();
                    }
                });
                assert_eq!((rx.recv().await, rx.recv().await), (Ok(0), Ok(1)));
                thread.join().unwrap();
            });
        }),
        // Held, or not held at first; or just notified all the time.
        waits(|| held(0, 1_300, false)),
        waits(|| held(500, 800, false)),
        waits(|| held(0, 0, true)),
    ];
    all.into_iter().for_each(|thread| thread.join().unwrap());

    fn held(before: u64, with: u64, notified: bool) {
        block_on(async {
            let (tx, rx) = channel::<u32>(1);
            let handle = reactor::Handle::current().unwrap();
            let first = (before == 0 && !notified).then(|| handle.hold());
            let thread = thread::spawn(move || {
                thread::sleep(ms(before));
                let _hold = first.or_else(|| (!notified).then(|| handle.hold()));
                thread::sleep(ms(with));
                for _ in 0..if notified { 8 } else { 0 } {
                    thread::sleep(ms(100));
                    handle.notify();
                }
                futures_lite::future::block_on(tx.send(1)).unwrap();
            });
            assert_eq!(rx.recv().await, Ok(1));
            thread.join().unwrap();
        });
    }
}

#[test]
fn nothing_is_printed_where_something_can_still_happen() {
    let text = child("no_deadlock_child");
    assert!(!text.contains("executor: "), "{text}");
}

#[test]
fn a_wake_that_comes_while_the_list_is_made_is_no_deadlock() {
    within(30, || {
        // Another thread wakes the first task while the second is asked for its await chain.
        let (waker, is_asked) = (Arc::new(Mutex::new(None::<std::task::Waker>)), Arc::new(AtomicBool::new(false)));
        let wakes = thread::spawn({
            let (waker, is_asked) = (waker.clone(), is_asked.clone());
            move || {
                tests::eventually("the second task is asked", || is_asked.load(Ordering::SeqCst));
                waker.lock().unwrap().take().unwrap().wake();
            }
        });
        let is_woken = waker.clone();
        detecting().block_on(async {
            let mut polls = 0;
            spawn(poll_fn(move |_| {
                polls += 1;
                if polls > 1 {
                    is_asked.store(true, Ordering::SeqCst);
                    tests::eventually("the wake", || is_woken.lock().unwrap().is_none());
                }
                Poll::<()>::Pending
            }));
            let mut is_first = true;
            poll_fn(|cx| {
                let mut waker = waker.lock().unwrap();
                if std::mem::take(&mut is_first) {
                    *waker = Some(cx.waker().clone());
                }
                if waker.is_none() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await
        });
        wakes.join().unwrap();
    });
}

#[test]
fn a_set_that_is_first_polled_when_somebody_asks_is_woken_all_the_same() {
    Runtime::builder().virtual_clock().build().unwrap().block_on(async {
        let goes_on = Rc::new(Cell::new(false));
        let (sender, receiver) = channel::<u32>(1);
        let flag = goes_on.clone();
        let task = spawn_local(async move {
            poll_fn(|_| if flag.get() { Poll::Ready(()) } else { Poll::Pending }).await;
            join_all([receiver.recv()]).await
        });
        yield_now().await;
        goes_on.set(true); // and nobody is told
        tasks();
        yield_now().await;
        sender.send(7).await.unwrap();
        for _ in 0..5 {
            yield_now().await;
        }
        assert!(task.is_finished());
        assert_eq!(task.await.unwrap(), [Ok(7)]);
    });
}

#[test]
fn a_listener_does_not_hear_himself() {
    let heard = RefCell::new(Vec::new());
    let mut listener = |what: String| {
        reactor::leaf::pending(|| "from the listener".into());
        heard.borrow_mut().push(what);
    };
    reactor::leaf::listen(&mut listener, || {
        reactor::leaf::pending(|| "first".into());
        reactor::leaf::pending(|| "second".into());
        let mut other = Vec::new();
        reactor::leaf::listen(&mut |what| other.push(what), || reactor::leaf::pending(|| "inner".into()));
        assert_eq!(other, ["inner"]);
        reactor::leaf::pending(|| "third".into());
    });
    assert!(!reactor::leaf::is_asked());
    assert_eq!(heard.into_inner(), ["first", "second", "third"]);
}

#[test]
#[ignore = "a test below runs it"]
fn flood_child() {
    let runtime = Runtime::builder().slow_poll(ms(60)).build().unwrap();
    runtime.block_on(async {
        // So many polls in one tick of the clock that it is not read after each.
        for _ in 0..20_000 {
            spawn(async {});
        }
        named("drowned").spawn(async { hold_the_thread(ms(100)) });
        for _ in 0..20_000 {
            spawn(async {});
        }
        // A tick; from then on the polls are looked at one by one again.
        spawn(async { hold_the_thread(ms(20)) });
        for _ in 0..40 {
            spawn(async {});
        }
        named("exact").spawn(async { hold_the_thread(ms(100)) });
        yield_now().await;
    });
}

#[test]
fn a_slow_poll_in_a_flood_of_quick_ones_is_told_with_those_around_it_at_most() {
    let text = child("flood_child");
    // On a busy machine, others are slow as well: the one that spawns all of them, or one that is preempted.
    let is_meant = |line: &&str| line.contains(" `drowned` ") || line.contains(" `exact` ");
    let is_of_flood = |line: &&str| line.starts_with("executor: ") && is_meant(line);
    let lines: Vec<_> = text.lines().filter(is_of_flood).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[1].starts_with("executor: task ") && lines[1].contains(" `exact` (spawned at "), "{text}");
    assert!(lines[0].contains(" `drowned` (spawned at tests/tests/dump.rs:"), "{text}");
    assert!(lines[0].contains(" held the thread for 1"), "{text}");
    assert!(lines[0].matches("(spawned at ").count() <= 3, "the places of the quick ones are two: {text}");
}
