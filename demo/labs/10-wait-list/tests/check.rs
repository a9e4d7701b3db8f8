//! The tests of lab 10, through the semaphore, the mutex, the channel, the condition variable and the barrier. The
//! order is that of lab.toml.

use executor::sync::{Barrier, Condvar, Mutex, Permit, Semaphore, channel};
use executor::test::explore;
use executor::time::{Duration, sleep, timeout};
use executor::{join_all, yield_now};
use lab_10::Waiter;
use std::cell::Cell;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use tests::kit::{Counting, Dice};

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
    let available = semaphore.available_permits();
    assert!(available == 1, "one of two permits was taken; 1 must be available, and {available} are");
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
    let wakers = task.wakers();
    assert!(wakers == 1, "a task that waits leaves 1 waker in its node; {wakers} of its wakers exist");
}

#[test]
fn a_release_hands_the_permit_over_to_the_waiter() {
    let semaphore = Semaphore::new(0);
    let mut task = waiting("the task", &semaphore, 1);
    semaphore.add_permits(1);
    assert!(task.was_woken(), "a permit was released, and the task that waits for it was not woken");
    let available = semaphore.available_permits();
    assert!(
        available == 0,
        "the released permit was handed over, and it is also available to other tasks: {available} are available; it \
         must be 0"
    );
    task.gets();
    let (wakers, available) = (task.wakers(), semaphore.available_permits());
    assert!(wakers == 0, "the wait is over, and {wakers} of its wakers were kept; it must be 0");
    assert!(available == 0, "the task took the only permit; 0 must be available, and {available} are");
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
        assert!(
            woken == [true, false, false],
            "three tasks wait and one permit was released ({round} round): the first task must be woken, and no other; \
             which of the three were woken: {woken:?}"
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
        let available = semaphore.available_permits();
        assert!(
            available == released,
            "permits that no task was given stay available; {released} must be, and {available} are"
        );
    }
    semaphore.add_permits(1);
    many.gets();
    assert!(!one.was_woken(), "all three permits went to the first task, and the task behind it was woken too");
    semaphore.add_permits(1);
    one.gets();
    let available = semaphore.available_permits();
    assert!(available == 0, "all permits were handed over; 0 must be available, and {available} are");
}

#[test]
fn one_release_wakes_all_that_can_proceed() {
    let semaphore = Semaphore::new(0);
    let mut tasks: Vec<_> = (0..40).map(|_| waiting("one of 40 tasks", &semaphore, 1)).collect();
    semaphore.add_permits(30);
    let woken = tasks.iter().take_while(|task| task.was_woken()).count();
    assert!(
        woken == 30,
        "40 tasks wait and 30 permits were released at once; the first 30 tasks must be woken, and {woken} were"
    );
    assert!(!tasks[30..].iter().any(Waiter::was_woken), "30 permits were released, and more than 30 tasks were woken");
    tasks[..30].iter_mut().for_each(Waiter::gets);
    let available = semaphore.available_permits();
    assert!(available == 0, "all permits were handed over; 0 must be available, and {available} are");
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
    let wakers = task.wakers();
    assert!(
        wakers == 1,
        "the task was polled with another waker: that one is kept, and the first one dropped; 1 waker must exist, and \
         {wakers} do"
    );
    semaphore.add_permits(1);
    assert!(task.was_woken(), "the task was polled with another waker, and the release did not call that waker");
    task.gets();
}

#[test]
fn one_notice_wakes_one_of_two_waiters() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let wait = |name| Waiter::waiting(name, condvar.wait(mutex.try_lock().expect("no task has the lock")));
    let (mut first, mut second) = (wait("the first task"), wait("the second task"));
    condvar.notify_one();
    let woken = [&first, &second].into_iter().filter(|task| task.was_woken()).count();
    assert!(
        first.was_woken() && woken == 1,
        "two tasks wait for a condition variable and `notify_one` was called once: the first task must be woken, and \
         {woken} were: a waiter's ticket decides whether a notice for all is also for this waiter"
    );
    drop(first.gets());
    condvar.notify_one();
    drop(second.gets());
}

#[test]
fn a_task_that_gives_up_leaves_the_line() {
    // The first, the second and the third of three tasks give up.
    for leaver in 0..3 {
        let semaphore = Semaphore::new(0);
        let mut tasks: Vec<_> = (0..3).map(|_| waiting("one of three tasks", &semaphore, 1)).collect();
        let wakers = tasks.remove(leaver).give_up();
        assert!(wakers == 0, "task {} of 3 gave up, and {wakers} of its wakers were kept; it must be 0", leaver + 1);
        tasks.push(waiting("the task that came last", &semaphore, 1));
        for released in 1..=3 {
            semaphore.add_permits(1);
            let woken: Vec<_> = tasks.iter().map(Waiter::was_woken).collect();
            let expected: Vec<_> = (1..=3).map(|at| at <= released).collect();
            assert!(
                woken == expected,
                "task {} of 3 gave up, then a new one came; after {released} of 3 permits were released, \
                 this is which of the three that wait were woken: {woken:?}; it must be {expected:?}",
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
    let available = semaphore.available_permits();
    assert!(available == 0, "one permit was released, and one was taken; 0 must be available, and {available} are");

    let last = waiting("the last task", &semaphore, 1);
    semaphore.add_permits(1);
    last.give_up();
    let available = semaphore.available_permits();
    assert!(
        available == 1,
        "a permit was handed over to a task that gave up, and no task waits; 1 must be available, and {available} are"
    );
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
fn a_task_that_gives_up_does_not_count_at_a_barrier() {
    let barrier = Barrier::new(2);
    Waiter::waiting("the first task", barrier.wait()).give_up();
    let mut second = Waiter::new("the second task", barrier.wait());
    assert!(
        second.poll().is_pending(),
        "at a barrier for two tasks, the first task gave up, and the second one proceeded without it: `R::left` was \
         not called"
    );
    let third = Waiter::new("the third task", barrier.wait()).poll();
    assert!(
        third == Poll::Ready(true),
        "a task waits at a barrier for two, and another one came; it must get Ready(true), and got {third:?}"
    );
    second.gets();
}

#[test]
fn a_deferred_wait_that_is_dropped_renews_the_budget() {
    // On a thread of its own, on which no poll is counted.
    let polls = thread::spawn(|| {
        let semaphore = Semaphore::new(1);
        let waker = Counting::new().waker();
        // Each wait is polled once and dropped, with its permit.
        let is_ready = || pin!(semaphore.acquire()).poll(&mut Context::from_waker(&waker)).is_ready();
        ((0..100_000).any(|_| !is_ready()), is_ready())
    });
    let (is_deferred, is_next_ready) = polls.join().unwrap_or_else(|panic| resume_unwind(panic));
    assert!(is_deferred, "100000 waits took a permit on one thread, and the budget deferred none of them");
    assert!(
        is_next_ready,
        "the budget deferred a wait, which was dropped; the poll of the next wait must be ready, and it was deferred \
         too: the budget was not renewed"
    );
}

/// A waker whose destructor uses the semaphore.
struct Uses(Arc<Semaphore>);

impl Wake for Uses {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Uses {
    fn drop(&mut self) {
        self.0.available_permits();
    }
}

#[test]
fn a_waker_is_dropped_after_the_lock_is_released() {
    let semaphore = Arc::new(Semaphore::new(0));
    let mut wait = Box::pin(acquire(&semaphore, 1));
    // The second poll drops the waker of the first one, and the drop of the wait drops that of the second.
    for _ in 0..2 {
        let waker = Waker::from(Arc::new(Uses(semaphore.clone())));
        let polled = wait.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending(), "no permit was released, and the poll returned `Poll::Ready`");
    }
    drop(wait);
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
    assert!(
        received == [1, 2, 3],
        "messages 1 and 2 were handed over to receives that were dropped; after that [1, 2, 3] must be received, and \
         {received:?} were"
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
                    assert!(inside.get() == 1, "{} tasks hold the lock at once; it must be 1", inside.get());
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
