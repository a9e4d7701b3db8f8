//! The end of a group ends all its tasks: by a drop, by a failure, and while other threads wake them.

use super::{Alive, Boxed, Outcome, busy, ms, taken, virtually};
use executor::time::{Duration, sleep, timeout};
use executor::{
    Either, GroupError, JoinHandle, TaskGroup, block_on, deadline, race, select, shield, spawn, spawn_local,
    task_group, time_left, yield_now,
};
use futures_lite::future::{pending, poll_fn, poll_once};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::thread;
use tests::{Log, within};

/// A group with suspended tasks, queued tasks, and tasks in nested groups.
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
            // Queues one more task in each poll.
            group.spawn(alive.clone().park::<Result<(), ()>>());
        }
        alive.park().await
    })
    .await
}

#[test]
fn nothing_outlives_a_group_that_is_dropped() {
    // The tasks end at once: there is no await between the drop and the check.
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
            // A future that is dropped before its first poll has no group yet.
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
fn the_drop_of_a_group_runs_no_task_outside_of_the_group() {
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
            assert!(error.to_string().ends_with(": its group has ended"), "{error}");
            assert_eq!(error.cancellation.unwrap().at.line(), made_at);
            assert!(!polled.get(), "{how}");
            assert!(group.is_empty());
        }
    });
}

#[test]
fn a_block_that_continues_after_a_failure_can_start_no_task() {
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
fn a_task_that_drops_its_own_group_continues_to_its_next_await() {
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
fn the_deadline_around_a_group_ends_the_group() {
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
