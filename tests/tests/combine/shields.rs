//! What shields delay, and what they do not delay.

use super::{Alive, Outcome, catch_poll, ms, shielded, taken, virtually};
use executor::task::TaskState;
use executor::time::{Duration, Elapsed, now, sleep, timeout};
use executor::{
    Either, GroupError, TaskGroup, block_on, deadline, join_all, select, shield, spawn, spawn_local, task_group,
    yield_now,
};
use futures_lite::future::pending;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use tests::{Log, OnDrop, within};

const WHOLE: [&str; 4] = ["up", "down", "goes on", "dropped"];

#[test]
fn a_task_that_is_cancelled_while_shielded_ends_at_the_next_await_after_the_shield() {
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

        // A task that ends before its next await has returned, and is not cancelled.
        let task = spawn(async {
            shield(sleep(ms(10))).await;
            7
        });
        sleep(ms(2)).await;
        task.cancel();
        assert_eq!(taken(task).await.1.unwrap(), 7);

        // A task that is cancelled before its first poll has no shield yet.
        let task = spawn(shielded(10, steps.clone()));
        task.cancel();
        assert!(taken(task).await.1.unwrap_err().is_cancelled());
        assert!(steps.is_empty());
    });
}

#[test]
fn a_cancel_waits_for_the_outermost_of_nested_shields() {
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

/// A group whose first task shields 20 ms of work, and whose other task never completes. If it `fails`, one of its
/// tasks returns an error after 5 ms.
async fn shielding_group(fails: bool, steps: Log<&'static str>, alive: Alive) -> Result<(), Option<&'static str>> {
    let group = task_group(|group| async move {
        group.spawn(async {
            shielded(20, steps).await;
            Ok(())
        });
        group.spawn(alive.clone().park::<Result<(), _>>());
        if fails {
            group.spawn(async {
                sleep(ms(5)).await;
                Err::<(), _>("no luck")
            });
        }
        alive.park::<Result<(), _>>().await
    });
    group.await.map_err(GroupError::into_error)
}

/// Calls `end` with a group that shields 20 ms of work. Checks that it ends after that work, with all of its tasks.
#[track_caller]
fn ends_after_the_shield<F: Future<Output = ()>>(
    fails: bool,
    end: impl FnOnce(Pin<Box<dyn Future<Output = Result<(), Option<&'static str>>>>>, Alive) -> F,
) {
    virtually(async {
        let (steps, alive, at_end) = (Log::new(), Alive::new(), Log::new());
        let (group, report) = (shielding_group(fails, steps.clone(), alive.clone()), alive.report(&at_end));
        let group = async move {
            let _report = report; // dropped after the group
            let mut group = pin!(group);
            group.as_mut().await
        };
        let start = now();
        end(Box::pin(group), alive.clone()).await;
        assert_eq!((now() - start, alive.count()), (ms(20), 0));
        assert_eq!(steps.take(), WHOLE);
        assert_eq!(at_end.len(), 1);
    });
}

#[test]
fn a_group_that_fails_waits_for_what_a_task_shields() {
    ends_after_the_shield(true, |group, _| async { assert_eq!(group.await, Err(Some("no luck"))) });
}

#[test]
fn a_deadline_waits_for_what_a_task_of_a_group_shields() {
    ends_after_the_shield(false, |group, _| async { assert_eq!(deadline(ms(5), group).await, Err(Elapsed)) });
    // The group has failed before its deadline, and ends after it.
    ends_after_the_shield(true, |group, _| async { assert_eq!(deadline(ms(10), group).await, Err(Elapsed)) });
}

#[test]
fn the_cancel_of_a_parent_or_a_grandparent_waits_for_what_a_task_of_a_group_shields() {
    ends_after_the_shield(false, |group, alive| async move {
        let task = spawn_local(group);
        sleep(ms(5)).await;
        task.cancel();
        yield_now().await;
        assert_eq!(alive.count(), 3, "both parked futures wait for the shield; this closure holds one more");
        assert!(task.await.unwrap_err().is_cancelled());
    });
    ends_after_the_shield(false, |group, _| async {
        let task = spawn_local(async move {
            let outer = task_group(|outer: TaskGroup<()>| async move {
                outer.spawn_local(async move {
                    let _over = group.await;
                    Ok(())
                });
                Ok(())
            });
            outer.await
        });
        sleep(ms(5)).await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
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
fn a_drop_does_not_wait_for_a_shield() {
    virtually(async {
        let steps = Log::new();
        assert_eq!(timeout(ms(5), shielded(10, steps.clone())).await, Err(Elapsed));
        assert_eq!(steps.take(), ["up", "dropped"]);
        assert_eq!(select(shielded(10, steps.clone()), sleep(ms(5))).await, Either::Second(()));
        assert_eq!(steps.take(), ["up", "dropped"]);
        // The drop ends the shield: a cancel that it delayed takes effect.
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
fn tasks_of_a_dropped_group_continue_while_they_are_shielded() {
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
fn a_shield_that_never_ends_delays_cancels_and_deadlines_but_not_the_end_of_the_runtime() {
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
            // This task is not cancelled before the runtime ends.
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
fn a_panic_under_a_shield_ends_the_shield() {
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
fn a_shielded_future_is_dropped_while_the_shield_is_up() {
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
