//! What is wrong with a run, as far as its events show it: the place, the reason, and what to write instead.
//!
//! | file | what it looks at |
//! |---|---|
//! | `polls.rs` | what a poll takes and does: blocked, never yields, wakes itself |
//! | `wakers.rs` | wakers that are not there: never woken, lost; and that are there for ever: leaked |
//! | `runtime.rs` | the executor and the reactor: tasks not run or run wrongly, early timers, lost permits |
//! | `tasks.rs` | a task as a whole: its size, its failure that nobody hears of |
//!
//! All of them look at one fold over the events. Used by `demo step --lint`, the stepper and the page.

mod polls;
mod runtime;
mod tasks;
mod wakers;

use super::model::{Runs, State};
use super::words;
use executor::trace::{Event, Frame, Trace, Waiting};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::rc::Rc;

/// What may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One poll held the thread for 100 ms, in a call that blocks or a computation.
    Blocked,
    /// One poll held the thread for as long with many small steps, none of which had to wait.
    NeverYields,
    /// A task is polled all the time because it wakes itself, and does nothing.
    SelfWake,
    /// A task waits, and never left a waker with anybody.
    NeverWoken,
    /// A task waits, and its last waker was dropped.
    LostWake,
    /// A waker outlives its task, and the run.
    LeakedWaker,
    /// A future of more than 4 KiB is moved into a task.
    LargeFuture,
    /// A task panicked, and nobody joined it.
    Unjoined,
    /// A fault of the runtime: a task was queued, and never polled.
    NeverPolled,
    /// A fault of the runtime: a task was woken during its poll, and not queued after it.
    WakeDropped,
    /// A fault of the runtime: a task is polled though it was not woken, or is over.
    PolledUnwoken,
    /// A fault of the runtime: a task is polled while it is being polled.
    PolledTwice,
    /// A fault of the runtime: the thread waits though a task is queued.
    ParkedBesideQueue,
    /// A fault of the runtime: a timer fires before its deadline.
    EarlyTimer,
    /// A permit or message was handed to a task that was cancelled, and then to no other.
    LostHandover,
    /// A source was reported ready, and no task that waits for it was woken.
    UnwokenSource,
}

impl Kind {
    /// Whether the fault is in the runtime, not in the program.
    fn is_of_runtime(self) -> bool {
        use Kind::*;
        matches!(self, NeverPolled | WakeDropped | PolledUnwoken | PolledTwice | ParkedBesideQueue | UnwokenSource)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Blocked => "blocked",
            Kind::NeverYields => "never yields",
            Kind::SelfWake => "wakes itself",
            Kind::NeverWoken => "never woken",
            Kind::LostWake => "lost wake",
            Kind::LeakedWaker => "leaked waker",
            Kind::LargeFuture => "large future",
            Kind::Unjoined => "unjoined",
            Kind::NeverPolled => "never polled",
            Kind::WakeDropped => "wake dropped",
            Kind::PolledUnwoken => "polled unwoken",
            Kind::PolledTwice => "polled twice at once",
            Kind::ParkedBesideQueue => "parked beside a queue",
            Kind::EarlyTimer => "early timer",
            Kind::LostHandover => "lost hand-over",
            Kind::UnwokenSource => "unwoken source",
        })
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// The number of the event at which it shows, from 0.
    pub event: usize,
    /// The task.
    pub task: u64,
    /// The run that it is a task of.
    pub run: u32,
    /// The same of other tasks that were spawned at the same place: the event's number and the task's.
    pub others: Vec<(usize, u64)>,
    /// Where it was spawned, if that was recorded.
    pub place: Option<u32>,
    /// What it does, why that is bad, and what to write instead: `text` without the task and its place.
    pub reason: String,
    /// What, where, why that is bad, and what to write instead.
    pub text: String,
}

/// All that is wrong with a run, in the order of the events: each kind once for a task, and once for all the tasks
/// that are spawned at one place.
///
/// ```
/// use demo::step::{Program, lints::{Kind, lint}};
///
/// let findings = lint(&Program::LostWake.record()?);
/// assert_eq!(findings[0].kind, Kind::LostWake);
/// assert!(findings[0].text.starts_with("task 2 `waits` (spawned at demo/src/step/programs/lost_wake.rs:13)"));
/// # std::io::Result::Ok(())
/// ```
pub fn lint(trace: &Trace) -> Vec<Finding> {
    let mut findings = Findings::default();
    let (mut states, mut runs) = (Runs::default(), BTreeMap::<u32, Run>::new());
    for (number, record) in trace.records.iter().enumerate() {
        states.apply(number, record);
        let Some(state) = states.get(record.run) else { continue };
        runs.entry(record.run).or_default().see(trace, number, state, &mut findings);
    }
    for (run, mut seen) in runs {
        states.get(run).into_iter().for_each(|state| seen.end(trace, state, &mut findings));
    }
    findings.finish(trace)
}

/// The same of a program that stands still between its events while somebody looks at them: unless its clock is
/// virtual, how long a poll takes says nothing about it then.
pub fn lint_live(trace: &Trace) -> Vec<Finding> {
    let is_of_time = |kind| matches!(kind, Kind::Blocked | Kind::NeverYields | Kind::ParkedBesideQueue);
    let mut findings = lint(trace);
    findings.retain(|finding| trace.head.simulated || !is_of_time(finding.kind));
    findings
}

/// The events of one `block_on`, shown to all lints.
#[derive(Default)]
struct Run {
    /// The number of its last event.
    last: usize,
    stood: HashMap<u64, Rc<[Waiting]>>,
    polls: polls::Polls,
    wakers: wakers::Wakers,
    runtime: runtime::Runtime,
}

impl Run {
    fn see(&mut self, trace: &Trace, number: usize, state: &State, findings: &mut Findings) {
        self.last = number;
        if let Event::Waits { task, waits } = &trace.records[number].event {
            self.stood.insert(*task, waits.iter().cloned().collect());
        }
        let view = View { trace, number, state, stood: &self.stood };
        self.polls.see(&view, findings);
        self.wakers.see(&view, findings);
        self.runtime.see(&view, findings);
        tasks::see(&view, findings);
    }

    fn end(&mut self, trace: &Trace, state: &State, findings: &mut Findings) {
        let view = View { trace, number: self.last, state, stood: &self.stood };
        self.polls.end(&view, findings);
        self.wakers.end(&view, findings);
        self.runtime.end(&view, findings);
    }
}

/// What the lints see: an event, and the state of its run after it.
struct View<'a> {
    trace: &'a Trace,
    number: usize,
    state: &'a State,
    /// What each task was said to wait for last.
    stood: &'a HashMap<u64, Rc<[Waiting]>>,
}

impl View<'_> {
    fn at(&self) -> u64 {
        self.trace.records[self.number].at
    }

    fn event(&self) -> &Event {
        &self.trace.records[self.number].event
    }

    /// Where a task has gone pending last: the deepest of its futures, at the first leaf.
    fn place(&self, task: u64) -> Option<String> {
        let wait = self.stood.get(&task)?.first()?;
        let chain: &Vec<Frame> = self.trace.chains.get(wait.chain as usize)?;
        Some(words::frame(chain.last()?))
    }

    /// `It waits in main::fetch at src/main.rs:7.`, if that is known.
    fn standing(&self, task: u64) -> String {
        self.place(task).map(|place| format!(" It waits in {place}.")).unwrap_or_default()
    }
}

/// What was found so far.
#[derive(Default)]
struct Findings {
    found: Vec<Finding>,
    /// What was found for the tasks of each run.
    told: HashSet<(Kind, u32, u64)>,
}

impl Findings {
    /// Something shows at the event of this number; `what` goes on after the task's name and place.
    fn add(&mut self, view: &View<'_>, number: usize, kind: Kind, task: u64, what: impl FnOnce() -> String) {
        if !self.told.insert((kind, view.state.run, task)) {
            return;
        }
        let known = view.state.tasks.get(&task);
        let place = known.and_then(|task| task.place);
        let same = |found: &&mut Finding| found.kind == kind && place.is_some() && found.place == place;
        if let Some(same) = self.found.iter_mut().find(same) {
            same.others.push((number, task));
            return;
        }
        let name = known.and_then(|task| task.name.as_ref()).map(|name| format!(" `{name}`")).unwrap_or_default();
        let spawned = place.map(|place| format!(" (spawned at {})", words::place_of(view.trace, place)));
        // `finish` puts the reason behind it.
        let text = format!("task {task}{name}{} ", spawned.unwrap_or_default());
        let (others, run) = (Vec::new(), view.state.run);
        self.found.push(Finding { kind, event: number, task, run, others, place, reason: what(), text });
    }

    /// As [`add`](Findings::add), of no task: `what` is all that is said.
    fn add_of_runtime(&mut self, view: &View<'_>, number: usize, kind: Kind, what: impl FnOnce() -> String) {
        let run = view.state.run;
        if self.told.insert((kind, run, 0)) {
            let (others, text) = (Vec::new(), String::new());
            self.found.push(Finding { kind, event: number, task: 0, run, others, place: None, reason: what(), text });
        }
    }

    fn finish(mut self, trace: &Trace) -> Vec<Finding> {
        // If the runtime failed to run a task, its lost or leaked wakers are not reported: the program is not at fault.
        let let_down: HashSet<(u32, u64)> = self
            .found
            .iter()
            .filter(|found| found.kind.is_of_runtime())
            .flat_map(|found| {
                found.others.iter().map(|(_, task)| *task).chain([found.task]).map(|task| (found.run, task))
            })
            .collect();
        let blames = |kind| matches!(kind, Kind::LostWake | Kind::NeverWoken | Kind::LeakedWaker);
        self.found.retain(|found| !(blames(found.kind) && let_down.contains(&(found.run, found.task))));
        let told = |mut finding: Finding| {
            if let (Some(place), others @ 1..) = (finding.place, finding.others.len()) {
                let others = words::count(others, "other task");
                finding.reason +=
                    &format!(" The same holds for {others} spawned at {}.", words::place_of(trace, place));
            }
            finding.text += &finding.reason;
            finding
        };
        let mut findings: Vec<_> = self.found.into_iter().map(told).collect();
        findings.sort_by_key(|finding| finding.event);
        findings
    }
}
