//! Task-locals.

use super::{catch_poll, ms, panic_text, virtually};
use executor::time::timeout;
use executor::{TaskGroup, join_all, spawn, task_group, task_local, yield_now};
use futures_lite::future::{pending, poll_once};
use std::cell::Cell;
use std::panic::catch_unwind;
use tests::{Log, OnDrop};

task_local! {
    /// The user whose request is handled.
    static USER: String;
    static DEPTH: Cell<u32>;
}

fn user() -> Option<String> {
    USER.try_with(String::clone)
}

#[test]
fn a_task_local_keeps_its_value_across_awaits() {
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
        // The value can be changed if it is a cell.
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
fn an_inner_scope_hides_the_outer_value_and_spawned_tasks_inherit_none() {
    virtually(USER.scope("outer".into(), async {
        let inner = USER.scope("inner".into(), async {
            yield_now().await;
            DEPTH.scope(Cell::new(1), async { (USER.get(), DEPTH.with(Cell::get)) }).await
        });
        assert_eq!(inner.await, ("inner".to_owned(), 1));
        assert_eq!(USER.get(), "outer");
        assert_eq!(spawn(async { user() }).await.unwrap(), None);
        assert_eq!(spawn(USER.scope(USER.get(), async { user() })).await.unwrap(), Some("outer".into()));
        // A scope that was entered and dropped leaves nothing behind.
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
fn destructors_see_the_value_and_a_panic_restores_the_outer_one() {
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
fn tasks_of_a_dropped_group_do_not_see_the_task_locals_of_the_task_that_drops_it() {
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
