//! The runtime itself: events that no program can cause while its executor and its reactor are correct.
//!
//! Each task has a state here, derived from the events alone: queued, running, suspended, completed. An event that is
//! impossible in the state of its task shows a fault of the executor. A task that was spawned before the recording is
//! unknown until its next poll.

use super::collect::{Findings, View};
use super::finding::{Kind, Lines};
use crate::step::model::title;
use crate::step::words::{place_of, time};
use executor::observer::Readiness;
use executor::trace::{Direction, End, Event, How};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A park of this many nanoseconds while a task is queued is a fault: another thread that was woken for the task would
/// have run it sooner.
const PARKED: u64 = 10_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Queued by the event of this number.
    Queued(usize),
    Running {
        /// The task was woken during this poll.
        woken: bool,
    },
    Suspended,
    Completed,
}

/// A permit or message that was handed over to a task whose future was dropped before it took it.
struct Untaken {
    task: u64,
    event: usize,
    kind: String,
    place: u32,
    /// The tasks that waited at the same primitive at that time.
    waiters: HashSet<u64>,
}

#[derive(Default)]
pub(super) struct Runtime {
    tasks: HashMap<u64, State>,
    /// Tasks that are about to be polled without a wake, to learn their await chains.
    asked: HashSet<u64>,
    /// What was handed over to each task since its last poll: the event's number, the kind of primitive, and its
    /// creation location.
    handed: HashMap<u64, (usize, String, u32)>,
    untaken: Vec<Untaken>,
    /// The waiters of each source, from their last polls.
    waiters: HashMap<u64, Vec<(u64, Direction)>>,
    /// Sources that were reported ready and of which no waiter was woken yet: event, source, waiters.
    reported: Vec<(usize, u64, Vec<u64>)>,
    /// The thread is parked: since when, and the tasks that were queued then.
    parked: Option<(u64, BTreeMap<u64, usize>)>,
    has_ended: bool,
}

impl Runtime {
    pub(super) fn see(&mut self, view: &View<'_>, findings: &mut Findings) {
        match view.event() {
            Event::Asked { task } => drop(self.asked.insert(*task)),
            Event::Spawned { task, .. } => drop(self.tasks.insert(*task, State::Queued(view.number))),
            // A blocking call is not in the run queue: it runs on a thread of the pool.
            Event::BlockingQueued { task } => drop(self.tasks.remove(task)),
            Event::Woken { task, .. } => self.woken(*task, view.number),
            Event::Cancelled { task, .. } => self.cancelled(*task, view.number),
            Event::PollBegins { task } => self.poll_begins(*task, view, findings),
            Event::PollEnds { task, end } => self.poll_ends(*task, *end, view, findings),
            Event::Finished { task, how, .. } => self.finished(*task, *how, view),
            Event::TimerFired { timer } => self.timer_fired(*timer, view, findings),
            Event::WaitBegins { timeout } if *timeout != Some(0) => self.parks(view, findings),
            Event::WaitEnds { .. } => self.wakes_up(view, findings),
            Event::RunEnds => self.has_ended = true,
            _ => self.hands_over(view),
        }
    }

    /// A cancel also wakes the task, unless it is running: the poll of a shielded task may just be beginning, and then
    /// already handles the cancel. The end of the poll shows whether it did.
    fn cancelled(&mut self, task: u64, number: usize) {
        if !matches!(self.tasks.get(&task), Some(State::Running { .. })) {
            self.woken(task, number);
        }
    }

    fn woken(&mut self, task: u64, number: usize) {
        self.reported.retain(|(_, _, waiters)| !waiters.contains(&task));
        if let Some(state) = self.tasks.get_mut(&task) {
            match state {
                State::Suspended => *state = State::Queued(number),
                State::Running { woken } => *woken = true,
                State::Queued(_) | State::Completed => {}
            }
        }
    }

    fn poll_begins(&mut self, task: u64, view: &View<'_>, findings: &mut Findings) {
        let is_asked = self.asked.remove(&task);
        self.parked = self.parked.take().filter(|_| is_asked); // a thread is running queued tasks
        self.reported.retain(|(_, _, waiters)| !waiters.contains(&task));
        self.waiters.values_mut().for_each(|waiters| waiters.retain(|(waiter, _)| *waiter != task));
        match self.tasks.insert(task, State::Running { woken: false }) {
            Some(State::Suspended) if !is_asked => {
                findings.add(view, view.number, Kind::PolledUnwoken, task, || {
                    (None, "is polled although it was not woken since it was suspended: its executor runs tasks that have nothing \
                     to do, or runs a task twice for one wake. Queue a task when it is woken, and once.".into())
                });
            }
            Some(State::Running { .. }) => findings.add(view, view.number, Kind::PolledTwice, task, || {
                (None, "is polled by two threads at once, or within its own poll: two parts of its executor hold the right to run \
                 it. Queue a task that is woken during its poll at the end of that poll, not before.".into())
            }),
            Some(State::Completed) => findings.add(view, view.number, Kind::PolledUnwoken, task, || {
                (None, "is polled although it has completed: its executor still has it in a queue. Drop a task that has completed.".into())
            }),
            _ => {}
        }
    }

    fn poll_ends(&mut self, task: u64, end: End, view: &View<'_>, findings: &mut Findings) {
        self.handed.remove(&task); // the poll has taken it, or passed it on
        if end != End::Finished {
            self.proceeds(task);
        }
        let woken = matches!(self.tasks.get(&task), Some(State::Running { woken: true }));
        let next = match end {
            End::Pending if woken => {
                findings.add(view, view.number, Kind::WakeDropped, task, || {
                    (None, "was woken during its poll, and is not queued after it: its executor lost the wake. When a poll returns \
                     pending, check for a wake in the atomic step that suspends the task, and queue the task again if there \
                     was one.".into())
                });
                State::Suspended
            }
            End::Pending => State::Suspended,
            End::PendingWoken => State::Queued(view.number),
            End::Finished => State::Completed,
        };
        self.tasks.insert(task, next);
    }

    fn finished(&mut self, task: u64, how: How, view: &View<'_>) {
        self.tasks.insert(task, State::Completed);
        if how != How::Cancelled {
            self.proceeds(task);
        }
        self.waiters.values_mut().for_each(|waiters| waiters.retain(|(waiter, _)| *waiter != task));
        self.reported.retain(|(_, _, waiters)| !waiters.contains(&task));
        let Some((event, kind, place)) = self.handed.remove(&task).filter(|_| how == How::Cancelled) else { return };
        let text = view.trace.places.get(place as usize).map(ToString::to_string).unwrap_or_default();
        let waits_there = |id: &u64| {
            let waits = view.waits.get(id).into_iter().flat_map(|waits| waits.iter());
            *id != task && waits.into_iter().any(|wait| !text.is_empty() && wait.leaf.contains(&text))
        };
        let suspended = self.tasks.iter().filter(|(_, state)| **state == State::Suspended).map(|(id, _)| *id);
        let waiters = suspended.filter(waits_there).collect();
        self.untaken.push(Untaken { task, event, kind, place, waiters });
    }

    /// Called when a task proceeds, which proves that it is not stuck without what was handed over. A cancel, as at the
    /// end of a run, does not prove that.
    fn proceeds(&mut self, task: u64) {
        self.untaken.iter_mut().for_each(|untaken| untaken.waiters.retain(|waiter| *waiter != task));
    }

    fn timer_fired(&self, timer: u64, view: &View<'_>, findings: &mut Findings) {
        let set = crate::step::words::earlier(view.trace, view.number).find_map(|event| match event {
            Event::TimerSet { timer: set, deadline, .. } if *set == timer => Some(*deadline),
            _ => None,
        });
        let Some(early) = set.and_then(|deadline| deadline.checked_sub(view.at())).filter(|early| *early > 0) else {
            return;
        };
        findings.add_of_runtime(view, view.number, Kind::EarlyTimer, || {
            format!(
                "timer {timer} fires {} before its deadline: a timer may be late but never early. Round deadlines up to the \
                 next tick, and compare them with the clock that made them.",
                time(early)
            )
        });
    }

    /// The thread is about to park on the reactor.
    fn parks(&mut self, view: &View<'_>, findings: &mut Findings) {
        for (number, source, waiters) in std::mem::take(&mut self.reported) {
            // If a task waits for something else too, the future that left the waker may be gone.
            let is_stuck = |task: &&u64| {
                let mut leaves = view.waits.get(task).into_iter().flat_map(|waits| waits.iter());
                self.tasks.get(task) == Some(&State::Suspended)
                    && leaves.all(|wait| wait.leaf.starts_with("readable on ") || wait.leaf.starts_with("writable on "))
            };
            let Some(task) = waiters.iter().find(is_stuck) else { continue };
            findings.add(view, number, Kind::UnwokenSource, *task, || {
                let text = format!(
                    "waits for source {source}, which was reported ready, and none of the source's waiters was woken. A \
                     reactor must call the waker that was left last; a future that wraps a waker must pass the wake on."
                );
                (view.line(*task), text)
            });
        }
        let is_idle = !self.tasks.values().any(|state| matches!(state, State::Running { .. }));
        let queued = self.tasks.iter().filter_map(|(task, state)| match state {
            State::Queued(since) => Some((*task, *since)),
            _ => None,
        });
        self.parked = is_idle.then(|| (view.at(), queued.collect()));
    }

    fn wakes_up(&mut self, view: &View<'_>, findings: &mut Findings) {
        let Some((since, queued)) = self.parked.take() else { return };
        let waited = view.at().saturating_sub(since);
        if waited >= PARKED {
            self.parked_beside(&queued, &format!("for {}", time(waited)), view, findings);
        }
    }

    fn parked_beside(&self, queued: &BTreeMap<u64, usize>, long: &str, view: &View<'_>, findings: &mut Findings) {
        let still = |(task, since): &(&u64, &usize)| self.tasks.get(task) == Some(&State::Queued(**since));
        if let Some((task, _)) = queued.iter().find(still) {
            findings.add(view, view.number, Kind::ParkedBesideQueue, *task, || {
                let text = format!(
                    "was queued when the thread parked on the reactor, and stayed queued {long}: no thread ran it. Check the \
                     queue again after announcing that the thread is about to park, and only then park."
                );
                (None, text)
            });
        }
    }

    fn hands_over(&mut self, view: &View<'_>) {
        match view.event() {
            Event::HandedOver { task, kind, place } => {
                self.untaken.retain(|untaken| untaken.place != *place);
                // A task that is being dropped has passed on what was handed over to it.
                for giver in &view.state.running {
                    if self.handed.get(giver).is_some_and(|(_, _, at)| at == place) {
                        self.handed.remove(giver);
                    }
                }
                self.handed.insert(*task, (view.number, kind.to_string(), *place));
            }
            Event::SourceWaits { source, direction, .. } => {
                // If more than one task is running, the event does not say which of them it was.
                if let [task] = view.state.running[..] {
                    self.waiters.entry(*source).or_default().push((task, *direction));
                }
            }
            // The event does not say which waiter was removed, so none of them is checked.
            Event::SourceLeft { source, .. } | Event::SourceRemoved { source } => drop(self.waiters.remove(source)),
            Event::SourceReady { source, readiness, .. } => {
                let is_for = |direction: &Direction| match direction {
                    Direction::Read => readiness.intersects(Readiness::READ),
                    Direction::Write => readiness.intersects(Readiness::WRITE),
                };
                let waiters = self.waiters.entry(*source).or_default();
                let concerned: Vec<u64> =
                    waiters.iter().filter(|(_, direction)| is_for(direction)).map(|(task, _)| *task).collect();
                waiters.retain(|(_, direction)| !is_for(direction));
                if !concerned.is_empty() {
                    self.reported.push((view.number, *source, concerned));
                }
            }
            _ => {}
        }
    }

    pub(super) fn end(&mut self, view: &View<'_>, findings: &mut Findings) {
        if !self.has_ended {
            let parked = self.parked.take().into_iter();
            let last = view.trace.records.last().map_or(0, |record| record.at);
            for (_, queued) in parked.filter(|(since, _)| last.saturating_sub(*since) >= PARKED) {
                self.parked_beside(&queued, "until the recording ends", view, findings);
            }
            return;
        }
        let queued = self.tasks.iter().filter_map(|(task, state)| match state {
            State::Queued(since) => Some((*task, *since)),
            _ => None,
        });
        for (task, since) in BTreeMap::from_iter(queued) {
            findings.add(view, since, Kind::NeverPolled, task, || {
                (None, "was queued, and never polled before the run ended: its executor lost it. A task that `schedule` received, or \
                 that `run` returned, must be run, or dropped, which cancels it.".into())
            });
        }
        for untaken in std::mem::take(&mut self.untaken) {
            if let Some(waiter) = untaken.waiters.iter().min() {
                let made = place_of(view.trace, untaken.place);
                findings.add(view, untaken.event, Kind::LostHandover, untaken.task, || {
                    let waiter = view.state.tasks.get(waiter).map_or_else(|| title(*waiter, None), |task| task.title());
                    let text = format!(
                        "was handed what it waited for by the {} created at {made}, and was cancelled before it took it; \
                         nothing was handed to another waiter after that, and {waiter} waits there for ever. A future that \
                         is dropped after the hand-over must pass on what it received.",
                        untaken.kind
                    );
                    (view.trace.places.get(untaken.place as usize).map(|at| Lines::one(&at.file, at.line)), text)
                });
            }
        }
    }
}
