//! The tests of lab 4. The first ones make transitions of a state word, one after the other; the last ones run whole
//! tasks by hand. What several threads do to one word is checked by models in `tests/models/tests/loom`.

// The tests do not call all functions of the files that are compiled here.
#![allow(dead_code, unused_imports)]

mod shim;
mod task;

use crate::task::outcome::{Finish, TaskState};
use crate::task::state::{Begin, Complete, Dropped, Leave, State, Suspend, Wake};
use executor::task::JoinError;
use lab_04::ByHand;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tests::kit::Counting;

/// The word of a queued task: it was spawned, and nothing has run it.
fn queued() -> State {
    State::new(false, true)
}

/// The word of a task during its first poll.
fn running() -> State {
    let state = queued();
    _ = state.begin();
    state
}

/// The word of a task whose first poll returned `Poll::Pending`.
fn suspended() -> State {
    let state = running();
    _ = state.suspend();
    state
}

/// Fails unless a call returned what it must.
#[track_caller]
fn returned<T: PartialEq + Debug>(call: &str, found: T, expected: T, because: &str) {
    assert!(found == expected, "{call} returned {found:?}; expected {expected:?}: {because}");
}

/// Fails unless the word describes a task in this state.
#[track_caller]
fn is(state: &State, expected: TaskState, when: &str) {
    let word = state.word();
    assert!(word.state() == expected, "{when} the word is: {word}; expected a task that is {expected}");
}

/// Fails unless the word counts this number of references.
#[track_caller]
fn has_references(state: &State, expected: u64, because: &str) {
    let word = state.word();
    assert!(word.references() == expected, "the word is: {word}; expected {expected} references: {because}");
}

#[test]
fn a_queued_task_begins_to_run() {
    let state = queued();
    returned("begin", state.begin(), Begin::Poll, "the task was not cancelled");
    is(&state, TaskState::Running, "after begin");
    assert!(
        !state.is_woken(),
        "after begin the word is: {}; begin must clear NOTIFIED, or a wake during the poll cannot be seen",
        state.word()
    );
    assert_eq!(state.polls(), 1, "begin must count the poll");
}

#[test]
fn a_task_that_was_not_woken_is_suspended() {
    let state = running();
    returned("suspend", state.suspend().0, Suspend::Suspended, "nothing woke the task during its poll");
    is(&state, TaskState::Suspended, "after suspend");
}

#[test]
fn a_wake_queues_a_suspended_task_once() {
    let state = suspended();
    returned("the first wake", state.wake().0, Wake::Schedule, "the task was suspended, so the caller must queue it");
    is(&state, TaskState::Queued, "after a wake of a suspended task");
    returned("the second wake", state.wake().0, Wake::Nothing, "the task is queued already");
    returned("begin", state.begin(), Begin::Poll, "the task was woken, not cancelled");
}

#[test]
fn a_wake_during_a_poll_queues_nothing() {
    let state = running();
    returned(
        "the first wake",
        state.wake().0,
        Wake::WhileRunning,
        "the task is running, and its runner queues it when the poll ends",
    );
    is(&state, TaskState::Running, "after a wake during the poll");
    returned("the second wake", state.wake().0, Wake::Nothing, "the task was woken during this poll already");
}

#[test]
fn a_wake_during_a_poll_is_seen_when_the_poll_ends() {
    let state = running();
    _ = state.wake();
    returned(
        "suspend",
        state.suspend().0,
        Suspend::Woken,
        "the task was woken during its poll, and must be polled again",
    );
    is(&state, TaskState::Queued, "after suspend");
    _ = state.begin();
    returned(
        "the second suspend",
        state.suspend().0,
        Suspend::Suspended,
        "the wake has led to a poll, and no other came",
    );
}

#[test]
fn a_cancel_queues_a_suspended_task_once() {
    let state = suspended();
    let cancel = state.cancel().map(|(wake, _)| wake);
    returned("cancel", cancel, Some(Wake::Schedule), "a suspended task must run once more, to drop its future");
    is(&state, TaskState::Queued, "after a cancel of a suspended task");
    returned("a wake after that", state.wake().0, Wake::Nothing, "the cancel has queued the task");
    returned("begin", state.begin(), Begin::Drop, "the task was cancelled");
}

#[test]
fn a_cancel_of_a_running_task_is_seen_when_the_poll_ends() {
    let state = running();
    let cancel = state.cancel().map(|(wake, _)| wake);
    returned("cancel", cancel, Some(Wake::WhileRunning), "the task is running, so only its runner may queue it");
    returned("suspend", state.suspend().0, Suspend::Woken, "a cancel is also a wake");
    returned("begin", state.begin(), Begin::Drop, "the task was cancelled");
}

#[test]
fn a_second_cancel_changes_nothing() {
    let state = queued();
    let cancel = state.cancel().map(|(wake, _)| wake);
    returned("cancel", cancel, Some(Wake::Nothing), "the task is queued already");
    let word = state.word();
    let cancel = state.cancel().map(|(wake, _)| wake);
    returned("the second cancel", cancel, None, "the task was cancelled before");
    assert_eq!(state.word(), word, "the second cancel must not change the word");
}

#[test]
fn a_completed_task_is_never_queued_again() {
    let state = running();
    returned("complete", state.complete(Finish::Ready), Complete::Joined, "the handle exists and does not wait");
    is(&state, TaskState::Completed(Finish::Ready), "after complete");
    returned("a wake", state.wake().0, Wake::Nothing, "the task has completed");
    returned("a cancel", state.cancel().map(|(wake, _)| wake), None, "the task has completed");
    is(&state, TaskState::Completed(Finish::Ready), "after a late wake and a late cancel");
}

#[test]
fn the_word_says_how_the_task_completed() {
    for how in [Finish::Ready, Finish::Cancelled, Finish::Panicked] {
        let state = running();
        _ = state.cancel();
        _ = state.complete(how);
        is(&state, TaskState::Completed(how), "after a cancel during the last poll and complete");
    }
}

#[test]
fn complete_drops_the_reference_of_a_future_that_leaves_nothing_to_do() {
    let state = running();
    returned("complete", state.complete(Finish::Ready), Complete::Joined, "the handle exists and does not wait");
    has_references(&state, 1, "Joined says that the future's reference was dropped, so the handle's is left");
}

#[test]
fn complete_says_what_is_left_to_do() {
    let left = |join_waker, callbacks, detached| Complete::Left { join_waker, callbacks, detached };

    let state = running();
    let offered = state.offer_join_waker();
    assert!(offered, "offer_join_waker returned false; the task had not completed, so it must return true");
    let complete = state.complete(Finish::Ready);
    returned("complete", complete, left(true, false, false), "another task waits, and its waker must be called");
    has_references(&state, 2, "the caller drops the future's reference after it has called the waker");

    let state = running();
    _ = state.add_callback();
    let complete = state.complete(Finish::Ready);
    returned("complete", complete, left(false, true, false), "there is a callback to call");

    let state = running();
    _ = state.leave();
    let complete = state.complete(Finish::Ready);
    returned("complete", complete, left(false, false, true), "no handle will take the output, so the runner drops it");
}

#[test]
fn a_join_waker_can_be_offered_and_taken_back_until_the_end() {
    let state = running();
    assert!(state.offer_join_waker(), "offer_join_waker returned false, but the task had not completed");
    assert!(state.has_join_waker(), "after an offer the word is: {}; expected JOIN_WAKER", state.word());
    assert!(state.reclaim_join_waker(), "reclaim_join_waker returned false, but the task had not completed");
    assert!(!state.has_join_waker(), "after a reclaim the word is: {}; JOIN_WAKER must be clear", state.word());

    _ = state.complete(Finish::Ready);
    assert!(
        !state.offer_join_waker(),
        "offer_join_waker returned true, but the runner will not look for a waker again"
    );
    assert!(!state.has_join_waker(), "the task had completed, and the offer changed the word: {}", state.word());
}

#[test]
fn a_join_waker_stays_with_the_runner_after_the_end() {
    let state = running();
    _ = state.offer_join_waker();
    _ = state.complete(Finish::Ready);
    assert!(!state.reclaim_join_waker(), "reclaim_join_waker returned true, but the runner may be calling the waker");
    assert!(state.has_join_waker(), "the task had completed, and the reclaim changed the word: {}", state.word());
}

#[test]
fn a_handle_that_is_dropped_early_leaves_the_output_to_the_runner() {
    let state = running();
    returned("leave", state.leave(), Leave::Detached { join_waker: false }, "the task goes on without its handle");

    let state = running();
    _ = state.offer_join_waker();
    returned("leave", state.leave(), Leave::Detached { join_waker: true }, "the handle must drop the waker it offered");
    assert!(
        !state.has_join_waker(),
        "after leave the word is: {}; the runner could still call the waker",
        state.word()
    );
}

#[test]
fn a_handle_that_is_dropped_late_drops_the_output() {
    let state = running();
    _ = state.complete(Finish::Ready);
    let word = state.word();
    returned("leave", state.leave(), Leave::Complete, "the task has completed, and its output belongs to the handle");
    assert_eq!(state.word(), word, "leave must not change the word of a completed task");
}

#[test]
fn a_suspended_task_that_nothing_can_reach_is_orphaned() {
    for is_listed in [false, true] {
        let state = State::new(false, is_listed);
        _ = state.begin();
        _ = state.leave();
        assert_eq!(state.drop_reference().0, Dropped::Shared, "the future's reference is left");
        let (expected, because) = match is_listed {
            false => (Suspend::Orphaned, "no waker and no handle is left, and no list of tasks finds it"),
            true => (Suspend::Suspended, "a list of tasks finds it: LISTED is set"),
        };
        returned("suspend", state.suspend().0, expected, because);
    }
}

// Whole tasks, run by hand.

#[test]
fn a_task_that_wakes_itself_is_polled_again() {
    let hand = ByHand::new();
    let polls = Arc::new(AtomicUsize::new(0));
    let mut task = hand.spawn(poll_fn({
        let polls = polls.clone();
        move |cx| {
            if polls.fetch_add(1, Ordering::Relaxed) == 2 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            cx.waker().wake_by_ref(); // redundant: the two wakes lead to one poll
            Poll::Pending
        }
    }));
    for pass in 1..=3 {
        let queued = hand.pass();
        assert_eq!(
            queued, 1,
            "pass {pass} found the task {queued} times in the queue; two wakes in a poll lead to one"
        );
    }
    assert_eq!(polls.load(Ordering::Relaxed), 3, "the task was woken in two polls, so it must be polled three times");
    assert!(task.handle().is_finished(), "the task is {}; it has returned Poll::Ready", task.handle().state());
    assert_eq!(hand.queued(), 0, "a completed task is in the queue");
}

#[test]
fn a_task_that_awaits_another_one_is_woken_at_its_end() {
    let hand = ByHand::new();
    let mut task = hand.spawn(async { 7 });
    let joiner = Counting::new();
    let mut poll = |waker: &_| Pin::new(task.handle()).poll(&mut Context::from_waker(waker));
    assert!(poll(&joiner.waker()).is_pending(), "the task has not run, so there is no output");
    hand.pass();
    assert_eq!(joiner.wakes(), 1, "the task has completed: the waker of the task that awaits it must be called once");
    assert!(matches!(poll(&joiner.waker()), Poll::Ready(Ok(7))), "the handle must return the output of the task");
}

#[test]
fn a_cancelled_task_drops_its_future_in_its_next_run() {
    let hand = ByHand::new();
    let polls = Arc::new(AtomicUsize::new(0));
    let mut task = hand.spawn(poll_fn({
        let polls = polls.clone();
        move |_| {
            polls.fetch_add(1, Ordering::Relaxed);
            Poll::<()>::Pending
        }
    }));
    hand.pass();
    task.handle().cancel();
    task.handle().cancel();
    let queued = hand.pass();
    assert_eq!(queued, 1, "the cancelled task was {queued} times in the queue; it must be there once");
    assert_eq!(Arc::strong_count(&polls), 1, "the cancelled task has run, and its future still exists");
    assert_eq!(polls.load(Ordering::Relaxed), 1, "a cancelled task was polled");
    let output = Pin::new(task.handle()).poll(&mut Context::from_waker(&Counting::new().waker()));
    assert!(
        matches!(output, Poll::Ready(Err(JoinError::Cancelled))),
        "the handle must say that the task was cancelled"
    );
}
