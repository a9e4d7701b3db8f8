//! What a poll takes and does: one that blocks the thread, one that never yields, tasks that wake themselves.
//!
//! A poll that takes long either stands still in one place, which is a call that blocks or a computation; or it goes
//! from one await to the next and none of them ever has to wait. The events within the poll tell the two apart. A
//! thread that the system gives to another program meanwhile can't be told from either.
//!
//! The time is the runtime's clock. On a virtual one, which stands still in a poll, the runtime's own reports of slow
//! polls are believed instead.

use super::{Findings, Kind, View};
use crate::step::words::time;
use executor::trace::{By, End, Event};
use std::collections::{HashMap, HashSet};

/// A poll of so many nanoseconds is one too long. A tenth of a second is what a person feels; the runtime's own
/// limit is the same.
const LONG: u64 = 100_000_000;
/// A long poll of fewer steps was held up by what it did in between.
const STEPS: u32 = 10;
/// Who wakes itself after fewer nanoseconds hasn't worked: to be polled again takes about as long.
const IDLE: u64 = 100_000;
/// So often in a row: to yield some times, until somebody else has had a turn, is right.
const OFTEN: u32 = 100;

#[derive(Default)]
pub(super) struct Polls {
    /// Those under way: more than one when a task is dropped within the poll of another.
    open: Vec<Poll>,
    /// How many polls in a row in which it only woke itself each task has had.
    idle: HashMap<u64, u32>,
    /// To print a panic with where it was takes long, and is nobody's fault.
    panicked: HashSet<u64>,
}

struct Poll {
    task: u64,
    begins: u64,
    /// Where the task stood before.
    from: Option<String>,
    /// The time of its last step.
    last: u64,
    /// The longest time between two steps.
    pause: u64,
    steps: u32,
    /// The time of polls of other tasks within it.
    others: u64,
    wakes_itself: bool,
    is_out_of_budget: bool,
    /// It asks where all the others stand, for a person to read: that may take its time.
    asks: bool,
}

impl Poll {
    fn begin(task: u64, view: &View<'_>) -> Poll {
        let (steps, pause, others, wakes_itself, is_out_of_budget, asks) = Default::default();
        let (begins, last, from) = (view.at(), view.at(), view.place(task));
        Poll { task, begins, from, last, pause, steps, others, wakes_itself, is_out_of_budget, asks }
    }

    fn step(&mut self, at: u64) {
        self.pause = self.pause.max(at.saturating_sub(self.last));
        self.last = at;
        self.steps += 1;
    }

    /// Whether the event is something that this poll does.
    fn does(&self, event: &Event) -> bool {
        match event {
            Event::Woken { by, .. } | Event::Cancelled { by, .. } => *by == By::Task(self.task),
            Event::Spawned { by, .. } => *by == Some(self.task),
            Event::HandedOver { .. } | Event::TimerSet { .. } | Event::TimerCancelled { .. } => true,
            Event::SourceAdded { .. } | Event::SourceRemoved { .. } | Event::SourceWaits { .. } => true,
            _ => false,
        }
    }

    fn see(&mut self, view: &View<'_>) {
        match view.event() {
            Event::Woken { task, by: By::Task(by), .. } if task == by && *by == self.task => self.wakes_itself = true,
            Event::Waits { task, waits } if *task == self.task => {
                self.is_out_of_budget = waits.iter().any(|wait| wait.is_out_of_budget());
            }
            _ => {}
        }
        if self.does(view.event()) {
            self.step(view.at());
        }
    }
}

impl Polls {
    pub(super) fn see(&mut self, view: &View<'_>, findings: &mut Findings) {
        match view.event() {
            Event::PollBegins { task } => {
                let is_dropped = view.state.tasks.get(task).is_some_and(|task| task.is_cancelled);
                self.open.iter_mut().for_each(|around| around.asks |= !is_dropped);
                self.open.push(Poll::begin(*task, view));
            }
            Event::PollEnds { task, end } => {
                let Some(open) = self.open.iter().rposition(|poll| poll.task == *task) else { return };
                let poll = self.open.remove(open);
                self.judge_length(&poll, Some(*end), view, findings);
                self.judge_use(&poll, *end, view, findings);
                if let Some(around) = self.open.last_mut() {
                    around.others += view.at().saturating_sub(poll.begins);
                    around.last = view.at();
                }
            }
            Event::Panicked { task, .. } => drop(self.panicked.insert(*task)),
            Event::SlowPoll { task, took } if view.trace.head.simulated && *took >= LONG => {
                self.blocked(*task, *took, "", view, findings);
            }
            _ => self.open.iter_mut().last().into_iter().for_each(|poll| poll.see(view)),
        }
    }

    /// A poll that has not ended when the recording does is as long as that.
    pub(super) fn end(&mut self, view: &View<'_>, findings: &mut Findings) {
        for poll in std::mem::take(&mut self.open) {
            self.judge_length(&poll, None, view, findings);
        }
    }

    fn judge_length(&self, poll: &Poll, end: Option<End>, view: &View<'_>, findings: &mut Findings) {
        let took = view.at().saturating_sub(poll.begins).saturating_sub(poll.others);
        if took < LONG || poll.asks {
            return;
        }
        let from = poll.from.as_ref().map_or("its start".into(), |from| format!("its await in {from}"));
        let to = match (end, view.place(poll.task)) {
            (Some(End::Finished), _) => "its end".to_owned(),
            (Some(_), Some(to)) => format!("its await in {to}"),
            (Some(_), None) => "its next await".to_owned(),
            (None, _) => "the end of the recording".to_owned(),
        };
        let pause = poll.pause.max(view.at().saturating_sub(poll.last));
        match poll.steps >= STEPS && 2 * pause < took {
            true => {
                findings.add(view, view.number, Kind::NeverYields, poll.task, || never_yields(poll, took, &from, &to))
            }
            false => self.blocked(poll.task, took, &format!(", from {from} to {to}"), view, findings),
        }
    }

    fn blocked(&self, task: u64, took: u64, at: &str, view: &View<'_>, findings: &mut Findings) {
        if self.panicked.contains(&task) {
            return;
        }
        findings.add(view, view.number, Kind::Blocked, task, || {
            format!(
                "held the thread for {} in one poll{at}: nothing else ran meanwhile. Give a call that blocks, or a \
                 long computation, to spawn_blocking(|| …).",
                time(took)
            )
        });
    }

    /// Whether the poll was of any use.
    fn judge_use(&mut self, poll: &Poll, end: End, view: &View<'_>, findings: &mut Findings) {
        let took = view.at().saturating_sub(poll.begins);
        let only_woke_itself = end == End::PendingWoken && poll.wakes_itself && poll.steps == 1;
        if !only_woke_itself || poll.is_out_of_budget || took >= IDLE {
            self.idle.remove(&poll.task);
            return;
        }
        let idle = self.idle.entry(poll.task).or_default();
        *idle += 1;
        if *idle >= OFTEN {
            findings.add(view, view.number, Kind::SelfWake, poll.task, || {
                format!(
                    "woke itself in {OFTEN} polls in a row and did nothing else in them: it takes all the processor's \
                     time to ask whether something has happened.{} Leave the waker with whoever makes it happen; or \
                     await a channel, an Event, a sleep. A computation that yields can do more in between.",
                    view.standing(poll.task)
                )
            });
        }
    }
}

fn never_yields(poll: &Poll, took: u64, from: &str, to: &str) -> String {
    format!(
        "held the thread for {} in one poll, from {from} to {to}: it went through {} steps, none of which had to wait, \
         so that nothing else ran. Await yield_now() now and then in its loop.",
        time(took),
        poll.steps
    )
}
