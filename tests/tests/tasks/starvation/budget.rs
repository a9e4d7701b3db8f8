//! One poll has one budget, whatever it does.

use super::kit::{Full, lets_others_run};
use executor::sync::unbounded;
use executor::{spawn_local, task_group, yield_now};
use futures_lite::future::poll_once;
use std::future::pending;
use std::pin::pin;

#[test]
fn a_wait_that_is_polled_by_hand_and_then_awaited_is_one_operation() {
    lets_others_run("begun, then awaited", |work| async move {
        let (tx, rx) = unbounded();
        while work.goes_on() {
            let mut receives = pin!(rx.recv());
            assert!(poll_once(&mut receives).await.is_none());
            tx.try_send(()).unwrap();
            receives.await.unwrap();
        }
    });
}

#[test]
fn what_runs_inside_of_a_poll_does_not_refill_its_budget() {
    let full = &Full::new();
    lets_others_run("a task dump", |work| async move {
        spawn_local(pending::<()>());
        yield_now().await;
        while work.goes_on() {
            full.next().await;
            executor::tasks();
        }
    });
    lets_others_run("a group that is dropped", |work| async move {
        while work.goes_on() {
            full.next().await;
            let mut group = Box::pin(task_group(|group| async move {
                group.spawn_local(pending::<Result<(), ()>>());
                pending::<Result<(), ()>>().await
            }));
            poll_once(&mut group).await;
            drop(group);
        }
    });
}

#[test]
fn slow_polls_delay_a_timer_by_at_most_a_few_polls() {
    let polls = executor::block_on(async {
        let timer = executor::spawn(executor::time::sleep(std::time::Duration::from_millis(20)));
        let mut polls = 0;
        while !timer.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(10)); // a computation
            polls += 1;
            executor::yield_now().await;
        }
        polls
    });
    assert!(polls < 40, "the reactor was polled after {polls} polls of 10 ms");
}
