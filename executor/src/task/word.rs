//! [`StateWord`] and [`Transition`]: the state word of an observed task, as observers see it.
//!
//! `state.rs` makes the transitions and knows nothing of this file. `observed.rs` reports each of them here, with the
//! word before it; the word after it follows from the function that made it.

use super::outcome::{Finish, TaskState};
use super::state::{self, StateWord};
use super::state::{
    CALLBACKS, CANCELLED, COMPLETE, JOIN, JOIN_WAKER, LISTED, NOTIFIED, OBSERVED, PANICKED, POLL, REFERENCE, RUNNING,
};
use crate::shim::thread_local;
use std::cell::Cell;
use std::fmt;

/// The names of the bits, the lowest first. Recordings hold the bits in this order, so names are only ever added at the
/// end.
const BITS: [(u64, &str); 10] = [
    (NOTIFIED, "NOTIFIED"),
    (RUNNING, "RUNNING"),
    (COMPLETE, "COMPLETE"),
    (CANCELLED, "CANCELLED"),
    (PANICKED, "PANICKED"),
    (JOIN, "JOIN"),
    (JOIN_WAKER, "JOIN_WAKER"),
    (CALLBACKS, "CALLBACKS"),
    (OBSERVED, "OBSERVED"),
    (LISTED, "LISTED"),
];

impl StateWord {
    /// Puts a word together from what [`bits`](StateWord::bits), [`references`](StateWord::references) and
    /// [`polls`](StateWord::polls) return. Values that are too large for their part of the word are truncated.
    pub fn from_parts(bits: u64, references: u64, polls: u64) -> StateWord {
        let references = references.wrapping_mul(REFERENCE) & (POLL - 1);
        StateWord(bits & (REFERENCE - 1) | references | polls.wrapping_mul(POLL))
    }

    /// The named bits, as a number: the bit of the name at index `n` of [`all_names`](StateWord::all_names) is
    /// `1 << n`.
    pub fn bits(self) -> u64 {
        self.0 & (REFERENCE - 1)
    }

    /// The number of references to the task: one for its future, one for its handle, two for each waker of an observed
    /// task, and one for each poll of an observed task that is in progress.
    pub fn references(self) -> u64 {
        state::references(self.0)
    }

    /// How often the task was polled, modulo 2²⁷.
    pub fn polls(self) -> u64 {
        self.0 / POLL
    }

    /// The names of the bits that are set, the lowest bit first.
    ///
    /// ```
    /// use executor::task::StateWord;
    ///
    /// let word = StateWord::from_parts(0b100001, 2, 7);
    /// assert_eq!(word.names().collect::<Vec<_>>(), ["NOTIFIED", "JOIN"]);
    /// assert_eq!(word.to_string(), "queued (NOTIFIED JOIN), 2 references, 7 polls");
    /// ```
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        BITS.into_iter().filter(move |(bit, _)| self.0 & bit != 0).map(|(_, name)| name)
    }

    /// The names of all bits, the lowest bit first.
    pub fn all_names() -> impl Iterator<Item = &'static str> {
        BITS.into_iter().map(|(_, name)| name)
    }
}

/// Prints the state, the names of the bits that are set, and the two counts:
/// `queued (NOTIFIED JOIN), 2 references, 0 polls`.
impl fmt::Display for StateWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (references, polls) = (self.references(), self.polls());
        let names: Vec<_> = self.names().collect();
        let s = |count| if count == 1 { "" } else { "s" };
        write!(f, "{} ({}), {references} reference{}, ", self.state(), names.join(" "), s(references))?;
        write!(f, "{polls} poll{}", s(polls))
    }
}

impl fmt::Debug for StateWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateWord({self})")
    }
}

/// An edge of the picture in `executor/src/task/state.rs`: the function that makes a transition. Events report each of
/// them:
///
/// | edge | event |
/// |---|---|
/// | `New` | spawned |
/// | `Wake` | woken |
/// | `WakeSuspended` | asked |
/// | `Cancel` | cancelled |
/// | `Begin` | the poll begins |
/// | `Suspend` | the poll ends, and was pending |
/// | `Complete` | finished |
/// | `DropReference` | freed |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // documented at the functions of these names
pub enum Edge {
    New,
    Wake,
    WakeSuspended,
    Cancel,
    Begin,
    Suspend,
    Complete,
    DropReference,
}

impl Edge {
    /// Every edge.
    pub const ALL: [Edge; 8] = [
        Edge::New,
        Edge::Wake,
        Edge::WakeSuspended,
        Edge::Cancel,
        Edge::Begin,
        Edge::Suspend,
        Edge::Complete,
        Edge::DropReference,
    ];

    /// The name of the function.
    pub fn function(self) -> &'static str {
        match self {
            Edge::New => "new",
            Edge::Wake => "wake",
            Edge::WakeSuspended => "wake_suspended",
            Edge::Cancel => "cancel",
            Edge::Begin => "begin",
            Edge::Suspend => "suspend",
            Edge::Complete => "complete",
            Edge::DropReference => "drop_reference",
        }
    }
}

/// Prints the name of the function.
impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.function())
    }
}

/// A queue of the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// The run queue of the thread that runs the tasks.
    Run,
    /// The injection queue, to which other threads push.
    Injection,
}

/// A transition of the state word of an observed task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The function that made it.
    pub edge: Edge,
    /// The word before; zero if the edge is `New`.
    pub before: StateWord,
    /// The word after.
    pub after: StateWord,
    /// The queue to which the task is about to be pushed; `None` if it is not pushed, or its scheduler does not say.
    pub queue: Option<Queue>,
}

thread_local! {
    /// The transition that is being reported on this thread.
    static CURRENT: Cell<Option<Transition>> = const { Cell::new(None) };
}

impl Transition {
    /// The transition that the event in progress on this thread reports; `None` if it reports none. For the methods of
    /// an [`Observer`](crate::Observer) and for [`Schedule::happened`](super::Schedule::happened). The words are those
    /// of the transition's own atomic instruction, or those that were read right before if the event is shown before
    /// the instruction: at the beginning of a poll and at the end of a task. Between two events of a task its reference
    /// count may change, and its handle may clear JOIN, set and clear JOIN_WAKER, and set CALLBACKS.
    ///
    /// ```
    /// use executor::task::{TaskRef, Transition};
    /// use executor::{Observer, ReactorObserver, Runtime, observer::WokenBy};
    /// use std::sync::{Arc, Mutex};
    ///
    /// #[derive(Default)]
    /// struct Wakes(Mutex<Vec<String>>);
    ///
    /// impl ReactorObserver for Wakes {}
    /// impl Observer for Wakes {
    ///     fn task_woken(&self, _: TaskRef<'_>, _: WokenBy) {
    ///         self.0.lock().unwrap().extend(Transition::current().map(|transition| transition.to_string()));
    ///     }
    /// }
    ///
    /// let wakes = Arc::new(Wakes::default());
    /// let runtime = Runtime::builder().observer(wakes.clone()).build()?;
    /// runtime.block_on(async {
    ///     executor::time::sleep(executor::time::Duration::from_millis(1)).await;
    ///     executor::yield_now().await;
    /// });
    /// assert_eq!(*wakes.0.lock().unwrap(), ["suspended ─wake→ queued", "running ─wake→ running"]);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn current() -> Option<Transition> {
        CURRENT.with(Cell::get)
    }

    /// Notes to which queue the task is about to be pushed, if the transition of the event in progress queues it. For a
    /// [`Schedule`](super::Schedule) with several queues, in [`happened`](super::Schedule::happened), before it shows
    /// the event to an observer.
    pub fn note_queue(queue: impl FnOnce() -> Queue) {
        let Some(transition) = Transition::current().filter(|transition| transition.queues()) else { return };
        CURRENT.with(|current| current.set(Some(Transition { queue: Some(queue()), ..transition })));
    }

    /// Whether the task must be pushed to a queue after the transition.
    pub fn queues(&self) -> bool {
        self.to() == TaskState::Queued && self.from() != Some(TaskState::Queued)
    }

    /// The state before; `None` if the edge is `New`.
    pub fn from(&self) -> Option<TaskState> {
        (self.edge != Edge::New).then(|| self.before.state())
    }

    /// The state after.
    pub fn to(&self) -> TaskState {
        self.after.state()
    }

    pub(super) fn new(after: StateWord) -> Transition {
        Transition { edge: Edge::New, before: StateWord::default(), after, queue: None }
    }

    fn made_by(edge: Edge, StateWord(before): StateWord, after: u64) -> Transition {
        Transition { edge, before: StateWord(before), after: StateWord(after), queue: None }
    }

    pub(super) fn wake(before: StateWord) -> Transition {
        Transition::made_by(Edge::Wake, before, before.0 | NOTIFIED)
    }

    pub(super) fn wake_suspended(before: StateWord) -> Transition {
        Transition::made_by(Edge::WakeSuspended, before, before.0 | NOTIFIED)
    }

    pub(super) fn cancel(before: StateWord) -> Transition {
        Transition::made_by(Edge::Cancel, before, before.0 | CANCELLED | NOTIFIED)
    }

    pub(super) fn begin(before: StateWord) -> Transition {
        Transition::made_by(Edge::Begin, before, before.0.wrapping_add(state::BEGIN))
    }

    pub(super) fn suspend(before: StateWord) -> Transition {
        Transition::made_by(Edge::Suspend, before, before.0 & !RUNNING)
    }

    pub(super) fn complete(before: StateWord, how: Finish) -> Transition {
        Transition::made_by(Edge::Complete, before, state::completed(how)(before.0))
    }

    /// The drop of the last reference, which has already happened.
    pub(super) fn drop_reference(after: StateWord) -> Transition {
        Transition::made_by(Edge::DropReference, StateWord(after.0 + REFERENCE), after.0)
    }

    /// Calls `show` with this as the current transition. `show` reports the event that stands for it.
    pub(crate) fn report<R>(self, show: impl FnOnce() -> R) -> R {
        Transition::during(Some(self), show)
    }

    /// Calls `show`, which reports an event, with the transition that the event stands for, if it stands for one.
    pub(super) fn during<R>(transition: Option<Transition>, show: impl FnOnce() -> R) -> R {
        struct Back(Option<Transition>);
        impl Drop for Back {
            fn drop(&mut self) {
                CURRENT.with(|current| current.set(self.0));
            }
        }
        let _back = Back(CURRENT.with(|current| current.replace(transition)));
        show()
    }
}

/// Prints the edge: `suspended ─wake→ queued`.
impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(from) = self.from() {
            write!(f, "{from} ")?;
        }
        write!(f, "─{}→ {}", self.edge, self.to())
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Finish;
    use super::super::state::{State, StateWord};
    use super::{Edge, Transition};
    use crate::shim::model;

    /// Makes a transition, and checks that the words that are reported for it are those of the state.
    fn check(state: &State, predict: impl Fn(StateWord) -> Transition, make: impl FnOnce()) {
        let before = state.word();
        make();
        let reported = predict(before);
        assert_eq!((reported.before, reported.after), (before, state.word()), "{}", reported.edge);
    }

    #[test]
    fn each_transition_is_reported_with_the_words_before_and_after_it() {
        model(words_of_transitions);
    }

    fn words_of_transitions() {
        for how in [Finish::Ready, Finish::Cancelled, Finish::Panicked] {
            for waits in [false, true] {
                let state = State::new(true, true);
                check(&state, Transition::begin, || _ = state.begin());
                check(&state, Transition::wake, || _ = state.wake());
                check(&state, Transition::suspend, || _ = state.suspend());
                check(&state, Transition::begin, || _ = state.begin());
                check(&state, Transition::suspend, || _ = state.suspend());
                check(&state, Transition::wake_suspended, || _ = state.wake_suspended());
                check(&state, Transition::cancel, || _ = state.cancel());
                check(&state, Transition::begin, || _ = state.begin());
                assert!(!waits || state.offer_join_waker());
                check(&state, |before| Transition::complete(before, how), || _ = state.complete(how));
                _ = state.drop_reference();
                let reported = Transition::drop_reference(state.word());
                assert_eq!((reported.edge, reported.after), (Edge::DropReference, state.word()));
            }
        }
    }

    #[test]
    fn a_word_can_be_split_into_parts_and_rebuilt_from_them() {
        model(|| {
            let state = State::new(true, false);
            _ = state.begin();
            let word = state.word();
            assert_eq!(StateWord::from_parts(word.bits(), word.references(), word.polls()), word);
            assert_eq!(word.to_string(), "running (RUNNING JOIN OBSERVED), 2 references, 1 poll");
            assert_eq!(StateWord::all_names().count(), word.names().count() + 7);
        });
    }
}
