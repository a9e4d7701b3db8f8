//! Timers that are dropped, reset, or polled by more than one task.

use super::{DAY, SECOND, TICK, count_timers, on_virtual_clock, timers, wheel};
use executor::time::{Duration, Sleep, now, sleep, timeout};
use futures_lite::future::{pending, poll_once};
use std::task::Waker;
use tests::{Counting, poll_with};

#[test]
fn a_dropped_timer_leaves_nothing_behind() {
    let (mut reactor, _entered) = wheel();
    let counting = Counting::new();
    let waker = counting.waker();
    for time in [TICK, SECOND, DAY, 300 * DAY, Duration::MAX] {
        let mut sleep = Box::pin(sleep(time));
        assert!(poll_with(&waker, &mut sleep).is_pending());
        assert_eq!((count_timers(&reactor.handle()), counting.wakers(2)), (1, 1));
        drop(sleep);
        assert_eq!((count_timers(&reactor.handle()), counting.wakers(2)), (0, 0));
        let mut limited = Box::pin(timeout(time, pending::<()>()));
        assert!(poll_with(&waker, &mut limited).is_pending());
        drop(limited);
        assert_eq!((count_timers(&reactor.handle()), counting.wakers(2)), (0, 0));
    }
    let before = reactor.handle().now();
    reactor.turn(Some(400 * DAY)).unwrap();
    assert_eq!(reactor.handle().now(), before + 400 * DAY, "a timer that was taken back ended the wait");
    assert_eq!(counting.wakes(), 0);
}

#[test]
fn a_timer_that_is_never_polled_is_never_set() {
    on_virtual_clock(async {
        let sleep = sleep(SECOND);
        assert_eq!(timers(), 0);
        drop(sleep);
    });
}

#[test]
fn a_fired_timer_is_ready_in_each_further_poll() {
    on_virtual_clock(async {
        let mut sleep = sleep(SECOND);
        (&mut sleep).await;
        (&mut sleep).await;
        assert_eq!(timers(), 0);
    });
}

#[test]
fn a_timer_wakes_the_task_that_polled_it_last() {
    let (mut reactor, _entered) = wheel();
    let (first, second) = (Counting::new(), Counting::new());
    let mut sleep = sleep(SECOND);
    assert!(poll_with(&first.waker(), &mut sleep).is_pending());
    assert!(poll_with(&second.waker(), &mut sleep).is_pending());
    assert_eq!(first.wakers(1), 0, "the first waker is gone");
    while count_timers(&reactor.handle()) > 0 {
        reactor.turn(None).unwrap();
    }
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
}

#[test]
fn a_reset_moves_the_deadline_in_both_directions() {
    on_virtual_clock(async {
        let start = now();
        let mut sleep = sleep(10 * SECOND);
        assert!(poll_once(&mut sleep).await.is_none());
        sleep.reset(start + 20 * SECOND);
        assert!(poll_once(&mut sleep).await.is_none());
        assert_eq!(timers(), 1);
        sleep.reset(start + SECOND);
        (&mut sleep).await;
        assert_eq!(now() - start, SECOND);
        sleep.reset(start + 3 * SECOND); // one that has fired can be used again
        assert_eq!(sleep.deadline(), Some(start + 3 * SECOND));
        (&mut sleep).await;
        assert_eq!(now() - start, 3 * SECOND);
        sleep.reset(start);
        assert_eq!(poll_once(&mut sleep).await, Some(()));
        assert_eq!(timers(), 0);
    });
}

#[test]
fn a_sleep_made_outside_of_a_runtime_counts_from_its_first_poll() {
    let sleep = sleep(SECOND);
    assert_eq!(sleep.deadline(), None);
    on_virtual_clock(async {
        executor::time::sleep(5 * SECOND).await;
        let start = now();
        sleep.await;
        assert_eq!(now() - start, SECOND);
    });
}

#[test]
fn a_timer_without_a_runtime_panics_and_says_where_it_was_made() {
    let poll = |sleep: &mut Sleep| {
        let poll = std::panic::AssertUnwindSafe(|| poll_with(Waker::noop(), sleep));
        let payload = std::panic::catch_unwind(poll).expect_err("it was to panic");
        payload.downcast_ref::<String>().cloned().expect("the payload is a message")
    };
    let text = poll(&mut sleep(SECOND));
    assert!(text.contains("without a runtime") && text.contains(file!()), "{text}");

    let (reactor, entered) = wheel();
    let mut waiting = sleep(SECOND);
    let counting = Counting::new();
    assert!(poll_with(&counting.waker(), &mut waiting).is_pending());
    drop(reactor);
    assert_eq!(counting.wakes(), 1, "a waiter is woken at the end of the reactor");
    let text = poll(&mut waiting);
    assert!(text.contains("runtime had ended") && text.contains(file!()), "{text}");
    let text = poll(&mut sleep(SECOND)); // the handle is still entered, but the reactor is gone
    assert!(text.contains("ended"), "{text}");
    drop(entered);
}
