//! The tests of lab 10, through the semaphore, the mutex and the channel. The order is that of lab.toml.

use executor::sync::{Mutex, Permit, Semaphore, channel};
use executor::test::explore;
use executor::time::{Duration, sleep, timeout};
use executor::{join_all, yield_now};
use lab_10::Waiter;
use std::cell::Cell;
use tests::kit::Dice;

/// Acquires permits for good: they do not return when the future is dropped.
async fn acquire(semaphore: &Semaphore, permits: usize) {
    semaphore.acquire_many(permits).await.forget();
}

/// A task that has to wait for permits.
#[track_caller]
fn waiting<'a>(name: &'static str, semaphore: &'a Semaphore, permits: usize) -> Waiter<'a, ()> {
    Waiter::waiting(name, acquire(semaphore, permits))
}

#[test]
fn a_free_permit_is_taken_at_the_first_poll() {
    let semaphore = Semaphore::new(2);
    let polled = Waiter::new("the task", acquire(&semaphore, 1)).poll();
    assert!(polled.is_ready(), "a permit is available, and the first poll of `acquire` returned `Poll::Pending`");
    assert_eq!(semaphore.available_permits(), 1, "one of two permits was taken; the count of available ones is wrong");
    let second = semaphore.try_acquire().map(Permit::forget);
    assert!(second.is_some(), "one permit is available, and `try_acquire` returned `None`");
    let third = semaphore.try_acquire().map(Permit::forget);
    assert!(third.is_none(), "no permit is available, and `try_acquire` returned one");
}

#[test]
fn a_task_that_finds_no_permit_waits_with_its_waker() {
    let semaphore = Semaphore::new(0);
    let task = waiting("the task", &semaphore, 1);
    assert!(!task.was_woken(), "the task was woken although no permit was released");
    assert_eq!(task.wakers(), 1, "a task that waits leaves one waker in its node; the number of its wakers is wrong");
}

#[test]
fn a_release_hands_the_permit_over_to_the_waiter() {
    let semaphore = Semaphore::new(0);
    let mut task = waiting("the task", &semaphore, 1);
    semaphore.add_permits(1);
    assert!(task.was_woken(), "a permit was released, and the task that waits for it was not woken");
    let available = semaphore.available_permits();
    assert_eq!(available, 0, "the released permit was handed over, and it is also available to other tasks");
    task.gets();
    assert_eq!(task.wakers(), 0, "the wait is over, and its waker was kept");
    assert_eq!(semaphore.available_permits(), 0, "the task took its permit, and the count of available ones changed");
}

#[test]
fn permits_are_handed_over_in_the_order_in_which_tasks_came() {
    let semaphore = Semaphore::new(0);
    // Twice, so that the second round begins with a list that was emptied.
    for round in ["first", "second"] {
        let (mut one, mut two) = (waiting("the first task", &semaphore, 1), waiting("the second task", &semaphore, 1));
        let mut three = waiting("the third task", &semaphore, 1);
        semaphore.add_permits(1);
        let woken = [one.was_woken(), two.was_woken(), three.was_woken()];
        assert_eq!(
            woken,
            [true, false, false],
            "three tasks wait and one permit was released ({round} round): the first task must be woken, and no other"
        );
        semaphore.add_permits(1);
        assert!(two.was_woken() && !three.was_woken(), "the second permit must go to the second task ({round} round)");
        semaphore.add_permits(1);
        assert!(three.was_woken(), "the third permit must go to the third task ({round} round)");
        [&mut one, &mut two, &mut three].into_iter().for_each(Waiter::gets);
    }
}

#[test]
fn a_newcomer_does_not_overtake_a_waiter() {
    let semaphore = Semaphore::new(1);
    let mut first = waiting("the task that needs two permits", &semaphore, 2);
    let overtook = semaphore.try_acquire().map(Permit::forget);
    assert!(overtook.is_none(), "a task waits for two permits, and a newcomer took the one that is available");
    let mut second = Waiter::new("the newcomer", acquire(&semaphore, 1));
    assert!(second.poll().is_pending(), "a task waits for two permits, and a newcomer did not wait behind it");
    semaphore.add_permits(1);
    first.gets();
    assert!(!second.was_woken(), "both permits went to the first task, and the newcomer was woken too");
    semaphore.add_permits(1);
    second.gets();
}

#[test]
fn a_task_that_needs_many_permits_gets_them_all_at_once() {
    let semaphore = Semaphore::new(0);
    let mut many = waiting("the task that needs three permits", &semaphore, 3);
    let mut one = waiting("the task behind it", &semaphore, 1);
    for released in 1..3 {
        semaphore.add_permits(1);
        assert!(!many.was_woken(), "the first task needs three permits, and it was woken after {released}");
        assert!(!one.was_woken(), "the task that came later was woken before the first one");
        assert_eq!(
            semaphore.available_permits(),
            released,
            "permits that no task was given stay available; the count is wrong"
        );
    }
    semaphore.add_permits(1);
    many.gets();
    assert!(!one.was_woken(), "all three permits went to the first task, and the task behind it was woken too");
    semaphore.add_permits(1);
    one.gets();
    assert_eq!(semaphore.available_permits(), 0, "all permits were handed over; none is available");
}

#[test]
fn one_release_wakes_all_that_can_proceed() {
    let semaphore = Semaphore::new(0);
    let mut tasks: Vec<_> = (0..40).map(|_| waiting("one of 40 tasks", &semaphore, 1)).collect();
    semaphore.add_permits(30);
    let woken = tasks.iter().take_while(|task| task.was_woken()).count();
    assert_eq!(woken, 30, "40 tasks wait and 30 permits were released at once; the number of tasks woken is wrong");
    assert!(!tasks[30..].iter().any(Waiter::was_woken), "30 permits were released, and more than 30 tasks were woken");
    tasks[..30].iter_mut().for_each(Waiter::gets);
    assert_eq!(semaphore.available_permits(), 0, "all permits were handed over; none is available");
}

#[test]
fn a_poll_without_a_wake_keeps_the_place_in_line() {
    let semaphore = Semaphore::new(0);
    let mut first = waiting("the first task", &semaphore, 1);
    let second = waiting("the second task", &semaphore, 1);
    assert!(first.poll().is_pending(), "no permit was released, and a second poll returned `Poll::Ready`");
    semaphore.add_permits(1);
    assert!(!second.was_woken(), "the first task was polled once more and lost its place to the second task");
    first.gets();
}

#[test]
fn the_waker_of_the_last_poll_is_called() {
    let semaphore = Semaphore::new(0);
    let mut task = waiting("the task", &semaphore, 1);
    assert!(task.poll_with_another_waker().is_pending(), "no permit was released, and the poll returned `Poll::Ready`");
    assert_eq!(task.wakers(), 1, "the task was polled with another waker: that one is kept, and the first one dropped");
    semaphore.add_permits(1);
    assert!(task.was_woken(), "the task was polled with another waker, and the release did not call that waker");
    task.gets();
}

#[test]
fn a_task_that_gives_up_leaves_the_line() {
    // The first, the second and the third of three tasks give up.
    for leaver in 0..3 {
        let semaphore = Semaphore::new(0);
        let mut tasks: Vec<_> = (0..3).map(|_| waiting("one of three tasks", &semaphore, 1)).collect();
        let wakers = tasks.remove(leaver).give_up();
        assert_eq!(wakers, 0, "task {} of 3 gave up, and its waker was kept", leaver + 1);
        tasks.push(waiting("the task that came last", &semaphore, 1));
        for released in 1..=3 {
            semaphore.add_permits(1);
            let woken: Vec<_> = tasks.iter().map(Waiter::was_woken).collect();
            let expected: Vec<_> = (1..=3).map(|at| at <= released).collect();
            assert_eq!(
                woken,
                expected,
                "task {} of 3 gave up, then a new one came; after {released} of 3 permits were released, \
                 this is which of the three that wait were woken",
                leaver + 1
            );
        }
        tasks.iter_mut().for_each(Waiter::gets);
    }
}

#[test]
fn what_was_handed_over_to_a_task_that_gives_up_goes_to_the_next() {
    let semaphore = Semaphore::new(0);
    let first = waiting("the first task", &semaphore, 1);
    let mut second = waiting("the second task", &semaphore, 1);
    semaphore.add_permits(1);
    assert!(first.was_woken() && !second.was_woken(), "one permit was released: the first task must be woken");
    first.give_up(); // before it is polled again, as in a timeout that ends at the same moment
    assert!(second.was_woken(), "a permit was handed over to a task that gave up, and the next task was not woken");
    second.gets();
    assert_eq!(semaphore.available_permits(), 0, "one permit was released, and one was taken; none is available");

    let last = waiting("the last task", &semaphore, 1);
    semaphore.add_permits(1);
    last.give_up();
    let available = semaphore.available_permits();
    assert_eq!(available, 1, "a permit was handed over to a task that gave up, no task waits, and the permit is lost");
}

#[test]
fn the_tasks_behind_one_that_gives_up_proceed() {
    let semaphore = Semaphore::new(1);
    let many = waiting("the task that needs two permits", &semaphore, 2);
    let mut one = waiting("the task behind it", &semaphore, 1);
    many.give_up();
    assert!(
        one.was_woken(),
        "the first task needed two permits and gave up; one is available, and the next task waits"
    );
    one.gets();
}

#[test]
fn a_message_that_a_dropped_receive_was_given_is_received_in_order() {
    let (tx, rx) = channel(4);
    let (first, second) = (Waiter::waiting("a receive", rx.recv()), Waiter::waiting("a receive", rx.recv()));
    tx.try_send(1).expect("there is room");
    tx.try_send(2).expect("there is room");
    assert!(first.was_woken() && second.was_woken(), "two messages were sent, and a receive that waits was not woken");
    second.give_up();
    tx.try_send(3).expect("there is room");
    first.give_up();
    let received: Vec<_> = std::iter::from_fn(|| rx.try_recv().ok()).collect();
    assert_eq!(
        received,
        [1, 2, 3],
        "messages 1 and 2 were handed over to receives that were dropped; received after that"
    );
}

#[test]
fn a_lock_survives_tasks_that_give_up_in_any_order() {
    explore(50, |network| async move {
        let (mutex, inside) = (Mutex::new(0), Cell::new(0));
        let task = |seed| {
            let (mutex, inside) = (&mutex, &inside);
            async move {
                let mut dice = Dice::new(seed);
                for _ in 0..4 {
                    sleep(Duration::from_millis(dice.roll(3))).await;
                    let limit = Duration::from_millis(dice.roll(4));
                    let Ok(mut guard) = timeout(limit, mutex.lock()).await else { continue };
                    *guard += 1;
                    inside.set(inside.get() + 1);
                    assert_eq!(inside.get(), 1, "two tasks hold the lock at once");
                    sleep(Duration::from_millis(dice.roll(3))).await;
                    yield_now().await;
                    inside.set(inside.get() - 1);
                }
            }
        };
        join_all((0..4).map(|_| task(network.random()))).await;
        assert!(mutex.try_lock().is_some(), "all tasks are done, and the lock is still taken");
    });
}
