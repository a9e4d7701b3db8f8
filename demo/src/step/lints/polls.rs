//! Polls: one that blocks the thread, one that never yields, tasks that wake themselves.
//!
//! A long poll has one of two causes. A call in it blocks, or computes for long; or it awaits one thing after the
//! other, and each is ready at once. The events within the poll distinguish the two. If the system suspends the thread
//! to run another program, that looks like one of them.
//!
//! Times are those of the runtime's clock. A simulated clock does not move during a poll, so the lint then uses the
//! runtime's own reports of slow polls.

use super::collect::{Findings, View, line_of};
use super::finding::{Kind, Lines};
use crate::step::words::{self, time};
use executor::trace::{By, End, Event, Frame, Trace};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// A poll of this many nanoseconds is too long. A tenth of a second is a delay that people notice, and the runtime's
/// own limit.
const LONG: u64 = 100_000_000;
/// A long poll with fewer events than this spent its time between two of them.
const STEPS: u32 = 10;
/// A poll of fewer nanoseconds in which the task woke itself did no work: queueing and polling it again takes about as
/// long.
const NO_WORK: u64 = 100_000;
/// This many such polls in a row are a mistake. A few are not: a task may yield until another one has run.
const OFTEN: u32 = 100;

#[derive(Default)]
pub(super) struct Polls {
    /// The polls in progress: more than one when a task is dropped within another's poll.
    open: Vec<Poll>,
    /// For each task, the number of polls in a row in which it only woke itself.
    self_wakes: HashMap<u64, u32>,
    /// Tasks that panicked: printing the panic with its backtrace takes long.
    panicked: HashSet<u64>,
}

struct Poll {
    task: u64,
    begins: u64,
    /// The await chain that the poll continues; `None` in the first poll.
    from: Option<u32>,
    /// The time of its last step.
    last: u64,
    /// The longest time between two steps.
    pause: u64,
    steps: u32,
    /// The time of polls of other tasks within it.
    others: u64,
    wakes_itself: bool,
    is_out_of_budget: bool,
    /// It takes a task dump, which polls other tasks and may take long.
    dumps: bool,
}

impl Poll {
    fn begin(task: u64, view: &View<'_>) -> Poll {
        let (steps, pause, others, wakes_itself, is_out_of_budget, dumps) = Default::default();
        let (begins, last, from) = (view.at(), view.at(), view.chain(task));
        Poll { task, begins, from, last, pause, steps, others, wakes_itself, is_out_of_budget, dumps }
    }

    fn step(&mut self, at: u64) {
        self.pause = self.pause.max(at.saturating_sub(self.last));
        self.last = at;
        self.steps += 1;
    }

    /// Whether this poll caused the event.
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
                self.open.iter_mut().for_each(|around| around.dumps |= !is_dropped);
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
                self.blocked(*task, *took, None, view, findings);
            }
            _ => self.open.iter_mut().last().into_iter().for_each(|poll| poll.see(view)),
        }
    }

    /// A poll that is in progress at the end of the recording lasts at least until then.
    pub(super) fn end(&mut self, view: &View<'_>, findings: &mut Findings) {
        for poll in std::mem::take(&mut self.open) {
            self.judge_length(&poll, None, view, findings);
        }
    }

    fn judge_length(&self, poll: &Poll, end: Option<End>, view: &View<'_>, findings: &mut Findings) {
        let took = view.at().saturating_sub(poll.begins).saturating_sub(poll.others);
        if took < LONG || poll.dumps {
            return;
        }
        let stretch = Stretch::new(view.trace, poll.from, view.chain(poll.task), end);
        let pause = poll.pause.max(view.at().saturating_sub(poll.last));
        match poll.steps >= STEPS && 2 * pause < took {
            true => findings.add(view, view.number, Kind::NeverYields, poll.task, || {
                (stretch.from.last().and_then(line_of), never_yields(poll, took, &stretch))
            }),
            false => self.blocked(poll.task, took, Some(stretch), view, findings),
        }
    }

    fn blocked(&self, task: u64, took: u64, stretch: Option<Stretch<'_>>, view: &View<'_>, findings: &mut Findings) {
        if self.panicked.contains(&task) {
            return;
        }
        findings.add(view, view.number, Kind::Blocked, task, || {
            let lines = stretch.as_ref().and_then(Stretch::lines);
            let within = lines.as_ref().map(|lines| format!(" at {lines}")).unwrap_or_default();
            let between = stretch.map(|stretch| format!(", {stretch}")).unwrap_or_default();
            let text = format!(
                "blocked the thread for {}{within}, in one poll{between}; nothing else ran meanwhile. Move a call that \
                 blocks, or a long computation, into spawn_blocking(|| …).",
                time(took)
            );
            (lines, text)
        });
    }

    /// Counts polls in a row that only woke their task.
    fn judge_use(&mut self, poll: &Poll, end: End, view: &View<'_>, findings: &mut Findings) {
        let took = view.at().saturating_sub(poll.begins);
        let only_woke_itself = end == End::PendingWoken && poll.wakes_itself && poll.steps == 1;
        if !only_woke_itself || poll.is_out_of_budget || took >= NO_WORK {
            self.self_wakes.remove(&poll.task);
            return;
        }
        let count = self.self_wakes.entry(poll.task).or_default();
        *count += 1;
        if *count >= OFTEN {
            findings.add(view, view.number, Kind::SelfWake, poll.task, || {
                let text = format!(
                    "woke itself in {OFTEN} polls in a row and did nothing else in them: it uses the processor only to check \
                     a condition.{} Store the waker where the code that makes the condition true can \
                     call it; or await a channel, an Event or a sleep. A computation that yields should do more work \
                     between two yields.",
                    view.suspended_in(poll.task)
                );
                (view.line(poll.task), text)
            });
        }
    }
}

fn never_yields(poll: &Poll, took: u64, stretch: &Stretch<'_>) -> String {
    format!(
        "held the thread for {} in one poll, {stretch}: each of its {} steps was ready at once, so nothing else ran. Await \
         yield_now() now and then in its loop.",
        time(took),
        poll.steps
    )
}

/// The code that a poll ran: from the await chain that it continued to the one at which it was suspended.
struct Stretch<'a> {
    /// Empty for the first poll.
    from: &'a [Frame],
    to: &'a [Frame],
    /// How the poll ended; `None` if the recording ended before it did.
    end: Option<End>,
}

impl<'a> Stretch<'a> {
    fn new(trace: &'a Trace, from: Option<u32>, to: Option<u32>, end: Option<End>) -> Stretch<'a> {
        let frames =
            |chain: Option<u32>| chain.and_then(|chain| trace.chains.get(chain as usize)).map_or(&[][..], |c| c);
        Stretch { from: frames(from), to: frames(to), end }
    }

    /// The lines between two awaits of one function, the outermost in which the chains differ. Unknown if the code
    /// leads back to the same line, as in a loop, or into another function.
    fn lines(&self) -> Option<Lines> {
        if !matches!(self.end, Some(End::Pending | End::PendingWoken)) {
            return None;
        }
        let (from, to) = self.from.iter().zip(self.to).find(|(from, to)| from != to)?;
        let is_forwards = from.function == to.function && from.file == to.file && from.line < to.line;
        // If there is no line between them, the call is in one of the two.
        let (first, last) =
            if to.line.saturating_sub(from.line) > 1 { (from.line + 1, to.line - 1) } else { (from.line, to.line) };
        is_forwards.then(|| Lines { file: from.file.to_string(), first, last })
    }
}

impl fmt::Display for Stretch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from.last() {
            Some(from) => write!(f, "between its await in {} and ", words::frame(from))?,
            None => f.write_str("between its start and ")?,
        }
        match (self.end, self.to.last()) {
            (Some(End::Finished), _) => f.write_str("its end"),
            (Some(_), Some(to)) => write!(f, "its await in {}", words::frame(to)),
            (Some(_), None) => f.write_str("its next await"),
            (None, _) => f.write_str("the end of the recording"),
        }
    }
}
