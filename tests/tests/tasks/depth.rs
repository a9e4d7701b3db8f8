//! Structures that nest deeply: task groups in task groups, scopes in scopes, handles in outputs.
//!
//! However deep they are and however they end, the stack does not overflow, and what is inside is dropped before what
//! is around it. Each test runs on a thread with the usual stack of two megabytes.

use executor::time::{Duration, Instant, now, sleep, timeout};
use executor::{
    Either, GroupError, JoinHandle, Runtime, TaskGroup, block_on, deadline_at, select, shield, spawn, spawn_local,
    task_group, yield_now,
};
use futures_lite::future::{pending, poll_fn, poll_once};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use tests::{Log, OnDrop, within};

const DEPTH: usize = 20_000;

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;
type SendBoxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What happened in the levels of a nest.
#[derive(Default)]
struct Levels {
    /// Levels whose future exists.
    alive: AtomicUsize,
    /// Levels whose future ended before one that lies inside of it.
    in_wrong_order: AtomicUsize,
}

impl Levels {
    fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }

    /// Checks that all have ended, the innermost first.
    #[track_caller]
    fn assert_ended(&self) {
        assert_eq!(self.alive(), 0, "levels that are left");
        assert_eq!(self.in_wrong_order.load(Ordering::SeqCst), 0, "levels that ended before one inside of them");
    }

    /// A value for the level of this number to hold. The outer levels have lower numbers.
    fn enter(self: &Arc<Levels>, number: usize) -> OnDrop<impl FnOnce() + Send + use<>> {
        self.alive.fetch_add(1, Ordering::SeqCst);
        let levels = self.clone();
        OnDrop::new(move || {
            if levels.alive.fetch_sub(1, Ordering::SeqCst) != number + 1 {
                levels.in_wrong_order.fetch_add(1, Ordering::SeqCst);
            }
        })
    }
}

/// A group with a task that has a group with a task, and so on. The innermost task awaits `innermost`.
fn nest<I>(levels: Arc<Levels>, number: usize, innermost: I) -> SendBoxed<Result<(), ()>>
where
    I: Future<Output = Result<(), ()>> + Send + 'static,
{
    Box::pin(async move {
        let _level = levels.enter(number);
        if number == DEPTH {
            return innermost.await;
        }
        let inside = levels.clone();
        let group = task_group(|group| async move {
            group.spawn(nest(inside, number + 1, innermost));
            Ok(())
        });
        group.await.map_err(|_| ())
    })
}

/// Waits until a nest has its full depth.
async fn grown(levels: &Levels) {
    while levels.alive() <= DEPTH {
        yield_now().await;
    }
}

fn never() -> impl Future<Output = Result<(), ()>> + Send {
    pending()
}

/// Runs `body`, which makes a nest of groups, for at most 60 s, and checks that all levels have ended.
fn with_levels<F: Future<Output = ()>>(body: impl FnOnce(Arc<Levels>) -> F + Send + 'static) {
    within(60, || {
        let levels = Arc::new(Levels::default());
        let runtime = Runtime::builder().virtual_clock().build().unwrap();
        runtime.block_on(body(levels.clone()));
        levels.assert_ended();
    });
}

#[test]
fn a_task_with_nested_groups_is_cancelled() {
    with_levels(|levels| async move {
        let task = spawn(nest(levels.clone(), 0, never()));
        grown(&levels).await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        levels.assert_ended();
    });
}

#[test]
fn nested_groups_are_dropped_by_the_task_that_awaits_them() {
    with_levels(|levels| async move {
        assert!(timeout(Duration::from_secs(1), nest(levels.clone(), 0, never())).await.is_err());
        levels.assert_ended();
        let grown = grown(&levels);
        let outcome = select(nest(levels.clone(), 0, never()), grown).await;
        assert!(matches!(outcome, Either::Second(())));
        levels.assert_ended();
    });
}

#[test]
fn the_runtime_ends_with_nested_groups() {
    with_levels(|levels| async move {
        drop(spawn(nest(levels.clone(), 0, never())));
        grown(&levels).await;
    });
}

#[test]
fn nested_groups_are_dropped_while_all_their_tasks_are_queued() {
    fn nest(levels: Arc<Levels>, number: usize, wakers: Log<Waker>) -> SendBoxed<Result<(), ()>> {
        Box::pin(async move {
            let _level = levels.enter(number);
            wakers.push(poll_fn(|cx| Poll::Ready(cx.waker().clone())).await);
            if number == DEPTH {
                pending::<()>().await;
            }
            let inside = levels.clone();
            let group = task_group(|group| async move {
                group.spawn(nest(inside, number + 1, wakers));
                Ok::<_, ()>(())
            });
            group.await.map_err(|_| ())
        })
    }
    with_levels(|levels| async move {
        let wakers = Log::new();
        let task = spawn(nest(levels.clone(), 0, wakers.clone()));
        grown(&levels).await;
        // From the outermost task to the innermost: the order in which recursion would run them.
        wakers.take().iter().for_each(Waker::wake_by_ref);
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        levels.assert_ended();
    });
}

#[test]
fn an_error_of_the_innermost_task_ends_nested_groups_one_after_the_other() {
    with_levels(|levels| async move {
        let fails = async {
            sleep(Duration::from_secs(1)).await;
            Err(())
        };
        assert_eq!(nest(levels.clone(), 0, fails).await, Err(()));
        levels.assert_ended();
    });
}

#[test]
fn a_panic_of_the_innermost_task_ends_nested_groups_one_after_the_other() {
    with_levels(|levels| async move {
        let panics = async {
            sleep(Duration::from_secs(1)).await;
            std::panic::resume_unwind(Box::new("on purpose"))
        };
        assert_eq!(nest(levels.clone(), 0, panics).await, Err(()));
        levels.assert_ended();
    });
}

#[test]
fn a_panic_of_the_outermost_task_drops_nested_groups() {
    with_levels(|levels| async move {
        let inside = levels.clone();
        let task = spawn(async move {
            let mut nest = nest(inside, 0, never());
            let _ = timeout(Duration::from_secs(1), &mut nest).await;
            std::panic::resume_unwind(Box::new("on purpose"))
        });
        let ended: Result<(), _> = task.await;
        assert!(ended.unwrap_err().is_panic());
        levels.assert_ended();
    });
}

#[test]
fn an_error_beside_nested_groups_ends_them() {
    with_levels(|levels| async move {
        let inside = levels.clone();
        let group = task_group(|group: TaskGroup<()>| async move {
            group.spawn(nest(inside.clone(), 0, never()));
            grown(&inside).await;
            Err::<(), _>(())
        });
        assert!(group.await.is_err());
        levels.assert_ended();
    });
}

#[test]
fn nested_groups_end_when_all_deadlines_around_them_pass_at_once() {
    fn nest(levels: Arc<Levels>, number: usize, at: Instant) -> SendBoxed<Result<(), ()>> {
        Box::pin(async move {
            let _level = levels.enter(number);
            if number == DEPTH {
                pending::<()>().await;
            }
            let inside = levels.clone();
            let group = task_group(|group| async move {
                group.spawn(nest(inside, number + 1, at));
                Ok::<_, ()>(())
            });
            deadline_at(at, group).await.map_err(|_| ())?.map_err(|_| ())
        })
    }
    with_levels(|levels| async move {
        assert_eq!(nest(levels.clone(), 0, now() + Duration::from_secs(1)).await, Err(()));
        levels.assert_ended();
    });
}

#[test]
fn a_shield_in_the_innermost_group_delays_the_end_of_all() {
    with_levels(|levels| async move {
        let start = now();
        let shielded = async {
            shield(sleep(Duration::from_secs(5))).await;
            pending().await
        };
        let task = spawn(nest(levels.clone(), 0, shielded));
        grown(&levels).await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(now() - start, Duration::from_secs(5));
        levels.assert_ended();
    });
}

#[test]
fn nested_groups_that_have_ended_free_their_chain_of_scopes() {
    fn nest(number: usize, innermost: Arc<Mutex<Option<JoinHandle<()>>>>) -> SendBoxed<Result<(), ()>> {
        Box::pin(async move {
            if number == DEPTH {
                return Ok(());
            }
            let group = task_group(|group| async move {
                let task = group.spawn(nest(number + 1, innermost.clone()));
                if number + 1 == DEPTH {
                    *innermost.lock().unwrap() = Some(task);
                }
                Ok(())
            });
            group.await.map_err(|_: GroupError<()>| ())
        })
    }
    within(60, || {
        let innermost = Arc::default();
        block_on(nest(0, Arc::clone(&innermost))).unwrap();
        // The handle keeps the cell, the cell keeps its scope, and the scope all those around it.
        let task = innermost.lock().unwrap().take().unwrap();
        assert!(task.is_finished());
        drop(task);
    });
}

#[test]
fn destructors_can_drop_each_others_groups_to_any_depth() {
    type Group = Boxed<Result<(), GroupError<()>>>;
    within(60, || {
        block_on(async {
            // The runtime does not know these groups: the destructor of each task drops the next group, which no task
            // awaits.
            let (groups, dropped) = (Rc::new(RefCell::new(Vec::<Group>::new())), Rc::new(Cell::new(0)));
            for _ in 0..DEPTH {
                let (groups_inside, dropped) = (groups.clone(), dropped.clone());
                let drops_the_next = OnDrop::new(move || {
                    dropped.set(dropped.get() + 1);
                    let next = groups_inside.borrow_mut().pop();
                    drop(next);
                });
                let group = task_group(|group: TaskGroup<()>| async move {
                    group.spawn_local::<(), _>(async move {
                        let _held = drops_the_next;
                        pending().await
                    });
                    pending::<Result<(), ()>>().await
                });
                let mut group: Group = Box::pin(group);
                assert!(poll_once(&mut group).await.is_none());
                groups.borrow_mut().push(group);
            }
            yield_now().await;
            let first = groups.borrow_mut().pop();
            drop(first);
            assert_eq!(dropped.get(), DEPTH, "all at once");
        });
    });
}

#[test]
fn handles_can_cancel_on_drop_to_any_depth() {
    fn chain(depth: usize, alive: Arc<()>) -> SendBoxed<()> {
        Box::pin(async move {
            let _alive = alive.clone();
            if depth > 0 {
                let _cancelled = spawn(chain(depth - 1, alive)).cancel_on_drop().await;
            }
            pending().await
        })
    }
    within(60, || {
        let alive = Arc::new(());
        block_on(async {
            let task = spawn(chain(DEPTH, alive.clone()));
            while Arc::strong_count(&alive) <= DEPTH {
                yield_now().await;
            }
            drop(task.cancel_on_drop());
            while Arc::strong_count(&alive) > 1 {
                yield_now().await;
            }
            drop(spawn(chain(DEPTH, alive.clone())));
            while Arc::strong_count(&alive) <= DEPTH {
                yield_now().await;
            }
        });
        assert_eq!(Arc::strong_count(&alive), 1);
    });
}

/// An output that is the handle of another task, whose output is a handle as well.
#[expect(dead_code, reason = "its fields are there to be dropped")]
struct Link(Option<JoinHandle<Link>>, OnDrop<Box<dyn FnOnce()>>);

/// Runs a chain of tasks: the output of each has the handle of the one before. Returns the last handle. Counts the
/// dropped outputs in `dropped`.
async fn chain_of_handles(dropped: &Rc<Cell<usize>>) -> Option<JoinHandle<Link>> {
    let mut last = None;
    for _ in 0..DEPTH {
        let dropped = dropped.clone();
        let counts = OnDrop::new(Box::new(move || dropped.set(dropped.get() + 1)) as Box<dyn FnOnce()>);
        let output = Link(last.take(), counts);
        last = Some(spawn_local(async move { output }));
        yield_now().await;
    }
    last
}

#[test]
fn handles_whose_outputs_are_handles_are_dropped_to_any_depth() {
    within(60, || {
        block_on(async {
            let dropped = Rc::new(Cell::new(0));
            let last = chain_of_handles(&dropped).await;
            drop(last);
            assert_eq!(dropped.get(), DEPTH, "all at once");
        });
    });
}

#[test]
fn an_output_that_is_a_chain_of_handles_and_is_not_taken_is_dropped() {
    within(60, || {
        block_on(async {
            let dropped = Rc::new(Cell::new(0));
            let last = chain_of_handles(&dropped).await;
            drop(spawn_local(async move { last }));
            yield_now().await;
            assert_eq!(dropped.get(), DEPTH);
        });
    });
}

#[test]
fn tasks_that_await_each_other_are_freed_to_any_depth() {
    fn chain(depth: usize, cancellers: Arc<Mutex<Vec<executor::task::Canceller>>>) -> SendBoxed<()> {
        Box::pin(async move {
            if depth > 0 {
                let next = spawn(chain(depth - 1, cancellers.clone()));
                cancellers.lock().unwrap().push(next.canceller());
                next.await.unwrap();
            } else {
                yield_now().await;
            }
        })
    }
    within(60, || {
        block_on(async {
            let cancellers = Arc::default();
            spawn(chain(DEPTH, Arc::clone(&cancellers))).await.unwrap();
            // Each task's cell keeps the waker of the one that awaited it.
            let cancellers = std::mem::take(&mut *cancellers.lock().unwrap());
            assert_eq!(cancellers.len(), DEPTH);
            drop(cancellers);
        });
    });
}

#[test]
fn tasks_that_keep_the_last_waker_of_each_other_are_dropped_to_any_depth() {
    use executor::task::{Runnable, Schedule, spawn_with};

    /// Runs no task: each is run by the test when it is spawned, and not woken later.
    struct Never;

    impl Schedule for Never {
        fn schedule(self: &Arc<Self>, task: Runnable) {
            drop(task);
        }
    }

    within(60, || {
        let (scheduler, waker, alive) = (Arc::new(Never), Arc::new(Mutex::new(None)), Arc::new(()));
        for _ in 0..DEPTH {
            let before = waker.lock().unwrap().take();
            let (waker, alive) = (waker.clone(), alive.clone());
            let suspended = async move {
                let _keeps: (Arc<()>, Option<Waker>) = (alive, before);
                poll_fn(|cx| {
                    waker.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
                    Poll::<()>::Pending
                })
                .await
            };
            let (task, handle) = spawn_with(suspended, scheduler.clone());
            drop(handle);
            assert!(task.run().is_none());
        }
        assert_eq!(Arc::strong_count(&alive), DEPTH + 1);
        let last = waker.lock().unwrap().take();
        drop(last);
        assert_eq!(Arc::strong_count(&alive), 1, "all at once");
    });
}
