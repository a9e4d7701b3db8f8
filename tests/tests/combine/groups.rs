//! Task groups: what they return, and how an error or a panic ends them.

use super::{Alive, Outcome, catch_poll, ms, panic_text, taken, virtually};
use executor::task::CancelledBy;
use executor::time::{now, sleep};
use executor::{GroupError, JoinHandle, TaskGroup, shield, spawn_local, task_group, yield_now};
use futures_lite::future::pending;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use tests::{Log, OnDrop, poll_with};

#[test]
fn a_group_returns_the_output_of_its_block_when_all_its_tasks_have_completed() {
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
fn a_group_waits_for_the_tasks_that_its_tasks_spawn() {
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
fn the_first_error_ends_a_group_and_is_returned_with_its_task() {
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
        let text = format!("task {} \"fails\" (spawned at {}) failed: no luck", task.id, task.spawned_at);
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
fn a_panic_of_a_task_ends_its_group_and_is_returned_as_an_error() {
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
fn a_panic_of_the_block_ends_its_group_and_unwinds_through_it() {
    virtually(async {
        let (alive, at_end) = (Alive::new(), Log::new());
        let report = alive.report(&at_end);
        let task = spawn_local({
            let alive = alive.clone();
            async move {
                let alive = alive; // dropped before the report
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

#[test]
fn a_block_that_awaits_a_sibling_of_the_task_that_failed_does_not_see_it_cancelled() {
    // Blocks often unwrap the handles; they would panic instead of returning the error.
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
fn of_two_errors_the_first_is_returned_and_the_second_dropped_once() {
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
                    // A task that fails while it is shielded, after the group has failed.
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
fn a_group_prints_its_creation_location_and_the_number_of_its_tasks() {
    virtually(async {
        let line = line!() + 1;
        let output: Outcome<()> = task_group(|group| async move {
            group.spawn(async { Ok(()) });
            let text = format!("{group:?}");
            assert!(text.starts_with(&format!("TaskGroup(made at {}:{line}:", file!())), "{text}");
            assert!(text.ends_with(", 1 task)"), "{text}");
            Ok(())
        })
        .await;
        output.unwrap();
    });
}

#[test]
fn spawning_into_a_group_outside_of_a_runtime_panics_with_the_location() {
    let mut group = Box::pin(task_group(|group: TaskGroup<()>| async move {
        group.spawn(async { Ok(()) });
        Ok(())
    }));
    let caught = catch_unwind(AssertUnwindSafe(|| poll_with(Waker::noop(), &mut group)));
    let text = panic_text(caught.unwrap_err());
    assert!(text.contains(&format!("called at {}", file!())), "{text}");
}
