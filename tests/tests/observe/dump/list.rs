//! The list of all tasks.

use super::{dump_of, leaf, ms, pending_announced, virtually};
use executor::task::TaskState;
use executor::time::{Duration, sleep};
use executor::{TaskId, named, shield, spawn, tasks, yield_now};
use futures_lite::future::pending;

#[test]
fn the_task_dump_has_every_task_in_the_order_of_their_numbers() {
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
        let begin = format!("task 2 \"first\" (suspended, 2 polls, 1.5s old, spawned at {}:{line}:", file!());
        assert!(texts[1].starts_with(&begin), "{}", texts[1]);
        assert!(texts[1].ends_with("\n    waits for: something of its own"), "{}", texts[1]);
        assert!(texts[2].contains("sleep for another 3.5s (made at tests/tests/observe/dump/list.rs:"), "{}", texts[2]);
        assert!(texts[4].ends_with("\n    is about to run"), "{}", texts[4]);
        assert!(all.to_string().starts_with("5 tasks\ntask 1 ("));
        assert_eq!(all.into_iter().count(), 5);
        // A poll by a task dump counts as a poll.
        assert_eq!(tasks()[1].polls, 3);
        late.await.unwrap();
    });
    assert!(tasks().is_empty());
    assert_eq!(tasks().to_string(), "0 tasks\n");
    virtually(async { assert!(tasks().to_string().starts_with("1 task\n")) });
}

#[test]
fn a_task_whose_leaf_announces_nothing_is_not_listed_as_queued() {
    virtually(async {
        named("silent").spawn(pending::<()>());
        let woken = named("woken").spawn(yield_now());
        yield_now().await;
        let silent = dump_of("silent").to_string();
        assert!(
            silent.ends_with("\n    waits for: an unnamed leaf future, which does not call executor::leaf::pending"),
            "{silent}"
        );
        assert!(dump_of("woken").to_string().ends_with("\n    is about to run"));
        woken.await.unwrap();
    });
}

#[test]
fn a_cancel_that_a_shield_delays_is_in_the_task_dump() {
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
