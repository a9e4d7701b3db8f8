//! The tests of lab 2. All but one poll futures by hand, and that one runs on a runtime that detects deadlocks, so
//! nothing can hang.

use executor::{Either, join_all, race, select, try_join_all, yield_now};
use lab_02::gate::Gate;
use reactor::budget;
use set::Set;
use std::cell::Cell;
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use tests::kit::{Hand, OnDrop, hand};

/// The file of the runtime, compiled once more, because its `Set` is private.
#[allow(dead_code)]
#[path = "../../../../executor/src/combine/join/set.rs"]
mod set;

/// The next output of a set, as a future.
fn next<F: Future>(set: &mut Set<F>) -> impl Future<Output = Option<(usize, F::Output)>> {
    poll_fn(|cx| set.poll_next(cx))
}

/// Polls a future that must return `Poll::Pending`.
#[track_caller]
fn pends<T>(future: &mut Hand<'_, T>, why: &str) {
    assert!(future.poll().is_pending(), "the poll returned Ready, and must return Pending: {why}");
}

/// Polls a future that must be ready.
#[track_caller]
fn is_ready<T>(future: &mut Hand<'_, T>, why: &str) -> T {
    match future.poll() {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the poll returned Pending, and must return Ready: {why}"),
    }
}

/// Makes values for futures to keep, and counts those that exist.
struct Alive(Rc<Cell<i32>>);

impl Alive {
    fn new() -> Alive {
        Alive(Rc::default())
    }

    fn keep(&self) -> OnDrop<impl FnOnce() + use<>> {
        self.0.set(self.0.get() + 1);
        let count = self.0.clone();
        OnDrop::new(move || count.set(count.get() - 1))
    }

    fn count(&self) -> i32 {
        self.0.get()
    }
}

/// A future that keeps a value until it is dropped, and passes the gate.
fn keeps<T: Unpin>(alive: &Alive, gate: &Gate, value: T) -> impl Future<Output = T> + Unpin + use<T> {
    let (kept, mut passed) = (alive.keep(), gate.passed(value));
    poll_fn(move |cx| {
        let _kept = &kept;
        Pin::new(&mut passed).poll(cx)
    })
}

#[test]
fn yield_now_wakes_its_task_and_is_ready_at_the_second_poll() {
    let mut yields = hand(yield_now());
    pends(&mut yields, "a future that yields is not ready at its first poll, or no other task gets its turn");
    assert!(yields.was_woken(), "yield_now() returned Pending and did not wake its task, which is never polled again");
    is_ready(&mut yields, "a future that has yielded once is done");
}

#[test]
fn yield_now_lets_other_tasks_run() {
    tests::strict::block_on(async {
        let other = executor::spawn(async {});
        let (mut yields, mut polls) = (pin!(yield_now()), 0);
        poll_fn(|cx| {
            polls += 1;
            assert!(polls < 10, "a task that yields once was polled 10 times");
            yields.as_mut().poll(cx)
        })
        .await;
        assert!(other.is_finished(), "a task was queued before another one yielded, and has not run meanwhile");
    });
}

#[test]
fn select_returns_the_output_of_the_future_that_is_ready() {
    for opened in [0, 1] {
        let gates = [Gate::default(), Gate::default()];
        let mut first = hand(select(gates[0].passed("first"), gates[1].passed("second"))).lenient();
        pends(&mut first, "neither of the two futures is ready");
        assert_eq!(gates.each_ref().map(Gate::polls), [1, 1], "a poll of select() must poll both futures if both wait");
        gates[opened].open();
        assert!(first.was_woken(), "one of the two futures was woken, and the task that awaits select() was not");
        let output = is_ready(&mut first, "one of the two futures is ready");
        let expected = [Either::First("first"), Either::Second("second")][opened];
        assert_eq!(output, expected, "future number {opened} (from 0) became ready, and select() returned the other");
    }
}

#[test]
fn select_starts_with_the_first_future_and_stops_if_it_is_ready() {
    let gate = Gate::default();
    gate.open();
    let output = is_ready(&mut hand(select(ready("first"), gate.passed("second"))), "both futures are ready");
    assert_eq!(output, Either::First("first"), "both futures are ready, so the first one must win");
    assert_eq!(gate.polls(), 0, "the first future was ready, and the second one was polled nevertheless");
}

#[test]
fn a_set_returns_each_output_with_the_number_of_its_future() {
    let mut set = Set::new([ready("a"), ready("b")]);
    for expected in [Some((0, "a")), Some((1, "b")), None, None] {
        let output = is_ready(&mut hand(next(&mut set)), "all futures of the set are ready, or done");
        assert_eq!(output, expected, "a set of \"a\" and \"b\" must return each of them once, and then None");
    }
}

#[test]
fn a_wake_of_a_future_in_a_set_wakes_the_task() {
    let gates = [Gate::default(), Gate::default()];
    let mut set = Set::new(gates.each_ref().map(|gate| gate.passed(())));
    let mut output = hand(next(&mut set)).lenient();
    pends(&mut output, "no future of the set is ready");
    assert!(!output.was_woken(), "no future of the set was woken, and the task was");
    gates[1].open();
    assert!(output.was_woken(), "a future of the set was woken, and the task that polls the set was not");
    let output = is_ready(&mut output, "a future of the set is ready");
    assert_eq!(output, Some((1, ())), "future number 1 is ready");
}

#[test]
fn a_set_polls_only_the_futures_that_were_woken() {
    let gates = [Gate::default(), Gate::default(), Gate::default()];
    let mut set = Set::new(gates.each_ref().map(|gate| gate.passed(())));
    let mut output = hand(next(&mut set));
    pends(&mut output, "no future of the set is ready");
    assert_eq!(gates.each_ref().map(Gate::polls), [1, 1, 1], "the first poll must poll each future once");
    pends(&mut output, "no future of the set is ready");
    assert_eq!(
        gates.each_ref().map(Gate::polls),
        [1, 1, 1],
        "no future was woken, and the set was polled: it polls none"
    );
    gates[1].wake();
    pends(&mut output, "no future of the set is ready");
    assert_eq!(gates.each_ref().map(Gate::polls), [1, 2, 1], "only future number 1 was woken, so only it is polled");
    output.cancel();
}

#[test]
fn several_wakes_lead_to_one_wake_of_the_task_and_one_poll_of_each_future() {
    let gates = [Gate::default(), Gate::default()];
    let counting = tests::kit::Counting::new();
    let waker = counting.waker();
    let mut cx = Context::from_waker(&waker);
    let mut set = Set::new(gates.each_ref().map(|gate| gate.passed(())));
    assert!(set.poll_next(&mut cx).is_pending(), "no future of the set is ready");
    for gate in [&gates[0], &gates[1], &gates[0]] {
        gate.wake();
    }
    assert_eq!(
        counting.wakes(),
        1,
        "the futures of a set were woken three times before the next poll; one wake is enough"
    );
    assert!(set.poll_next(&mut cx).is_pending(), "no future of the set is ready");
    assert_eq!(
        gates.each_ref().map(Gate::polls),
        [2, 2],
        "each future was woken, one of them twice; each is polled once"
    );
    assert_eq!(
        counting.wakes(),
        1,
        "all woken futures were polled; nothing is left to be polled, so the task must not be woken"
    );
}

#[test]
fn a_future_that_wakes_itself_is_polled_once_in_each_poll_of_the_set() {
    let polls = Rc::new(Cell::new(0));
    let counter = polls.clone();
    let wakes_itself = poll_fn(move |cx| {
        counter.set(counter.get() + 1);
        assert!(counter.get() < 100, "a future wakes itself in each poll, and one poll of its set polls it for ever");
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    });
    let mut set = Set::new([wakes_itself]);
    let mut output = hand(next(&mut set)).lenient();
    for poll in 1..=3 {
        pends(&mut output, "the future of the set is never ready");
        assert_eq!(polls.get(), poll, "a future wakes itself in each poll; each poll of its set must poll it once");
        assert!(output.was_woken(), "a future woke itself during its poll, so the task must be woken for another poll");
    }
}

#[test]
fn a_completed_future_is_dropped_at_once() {
    let (alive, gates) = (Alive::new(), [Gate::default(), Gate::default()]);
    let mut set = Set::new(gates.each_ref().map(|gate| keeps(&alive, gate, ())));
    pends(&mut hand(next(&mut set)).lenient(), "no future of the set is ready");
    gates[0].open();
    assert!(is_ready(&mut hand(next(&mut set)).lenient(), "a future of the set is ready").is_some());
    assert_eq!(alive.count(), 1, "one of two futures has completed; it must be dropped now, and the other one not");
    gates[1].open();
    assert!(is_ready(&mut hand(next(&mut set)).lenient(), "a future of the set is ready").is_some());
    assert_eq!(alive.count(), 0, "both futures have completed; they must be dropped by now");
}

#[test]
fn the_waker_of_the_latest_poll_is_called() {
    let gate = Gate::default();
    let mut all = hand(join_all([gate.passed("a")]));
    pends(&mut all, "the only future is not ready");
    all.replace_waker(); // as if the future had moved to another task
    pends(&mut all, "the only future is not ready");
    gate.open();
    assert!(
        all.was_woken(),
        "the set was polled with a second waker, and the first one was called; only the latest counts"
    );
    assert_eq!(is_ready(&mut all, "the only future is ready"), ["a"]);
}

#[test]
fn when_the_budget_is_spent_the_other_futures_wait_for_the_next_poll() {
    let polls = Rc::new(Cell::new(0));
    let greedy = || {
        let polls = polls.clone();
        poll_fn(move |_| {
            polls.set(polls.get() + 1);
            (0..budget::OPERATIONS).for_each(|_| budget::spend());
            Poll::<()>::Pending
        })
    };
    let mut set = Set::new([greedy(), greedy()]);
    let mut output = hand(next(&mut set)).lenient();
    pends(&mut output, "no future of the set is ready");
    assert_eq!(
        polls.get(),
        1,
        "the first future spent the budget of this poll; the second one must not be polled in it"
    );
    assert!(output.was_woken(), "a future is still to be polled, so the task must be woken for another poll");
    pends(&mut output, "no future of the set is ready");
    assert_eq!(polls.get(), 2, "the second poll has a new budget; it must poll the future that was left");
}

#[test]
fn join_all_returns_the_outputs_in_the_order_of_the_futures() {
    let gates = [Gate::default(), Gate::default(), Gate::default()];
    let mut all =
        hand(join_all([(&gates[0], "a"), (&gates[1], "b"), (&gates[2], "c")].map(|(gate, name)| gate.passed(name))));
    for opened in [2, 0] {
        pends(&mut all, "not all futures are ready");
        gates[opened].open();
    }
    pends(&mut all, "not all futures are ready");
    gates[1].open();
    let outputs = is_ready(&mut all, "all three futures are ready");
    assert_eq!(
        outputs,
        ["a", "b", "c"],
        "the futures completed in the order c, a, b; the outputs have the order of the futures"
    );
}

#[test]
fn try_join_all_returns_the_first_error_and_drops_the_others() {
    let (alive, gates) = (Alive::new(), [Gate::default(), Gate::default(), Gate::default()]);
    let results = [Ok("a"), Err("b failed"), Ok("c")];
    let mut all = try_join_all((0..3).map(|n| keeps(&alive, &gates[n], results[n])));
    let mut by_hand = hand(&mut all);
    pends(&mut by_hand, "no future is ready");
    gates[0].open();
    pends(&mut by_hand, "one future returned Ok, and two are not ready");
    gates[1].open();
    let result = is_ready(&mut by_hand, "one future has failed, so the others need not complete");
    drop(by_hand);
    assert_eq!(result, Err("b failed"), "one future has failed; its error is the result");
    assert_eq!(alive.count(), 0, "one future has failed; the futures that have not completed must be dropped now");

    let all_right = try_join_all([ready(Ok::<_, ()>("a")), ready(Ok("b"))]);
    let result = is_ready(&mut hand(all_right), "all futures are ready");
    assert_eq!(
        result,
        Ok(vec!["a", "b"]),
        "no future has failed; the result has all outputs in the order of the futures"
    );
}

#[test]
fn race_returns_the_first_output_and_drops_the_others() {
    let (alive, gates) = (Alive::new(), [Gate::default(), Gate::default(), Gate::default()]);
    let mut first = race((0..3).map(|n| keeps(&alive, &gates[n], ["a", "b", "c"][n])));
    let mut by_hand = hand(&mut first);
    pends(&mut by_hand, "no future is ready");
    gates[2].open();
    let winner = is_ready(&mut by_hand, "one future is ready");
    drop(by_hand);
    assert_eq!(winner, (2, "c"), "future number 2 is ready; race() returns its number and its output");
    assert_eq!(alive.count(), 0, "one future has won; the others must be dropped now");

    pends(
        &mut hand(race(Vec::<Gate>::new().iter().map(|gate| gate.passed(())))),
        "without futures there is no first one",
    );
}
