//! The runtime itself: what no program can bring about, whatever it does, as long as its executor and its reactor keep
//! their promises.
//!
//! Each task has a state of its own here, from the events alone: queued, running, suspended. An event that is not
//! possible in the state of its task shows a fault of whatever runs it. Only what was seen from the start is judged: a
//! task that was spawned before the recording is unknown until its next poll.

use super::{Findings, Kind, View};
use crate::step::words::{place_of, time};
use executor::observer::Readiness;
use executor::trace::{Direction, End, Event, How};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A wait of so many nanoseconds is no accident: a thread that was just woken takes a task from the queue sooner.
const PARKED: u64 = 10_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// By the event of this number.
    Queued(usize),
    Running {
        /// It was woken during this poll.
        woken: bool,
    },
    Suspended,
    Over,
}

/// Something that was given to a task which had not taken it yet when its future was dropped.
struct GivenUp {
    task: u64,
    event: usize,
    kind: String,
    place: u32,
    /// Who waited for the same then.
    waiters: HashSet<u64>,
}

#[derive(Default)]
pub(super) struct Runtime {
    tasks: HashMap<u64, State>,
    /// Who is about to be polled without a wake, to learn its await chain.
    asked: HashSet<u64>,
    /// What each task was given since its last poll: the event's number, what it is, and where that was made.
    given: HashMap<u64, (usize, String, u32)>,
    given_up: Vec<GivenUp>,
    /// The tasks that left a waker at a source, in their last poll.
    waiters: HashMap<u64, Vec<(u64, Direction)>>,
    /// Sources that were reported ready, with their waiters, while none of those was woken.
    reported: Vec<(usize, u64, Vec<u64>)>,
    /// The thread waits: since which time, and who was queued then.
    parked: Option<(u64, BTreeMap<u64, usize>)>,
    has_ended: bool,
}

impl Runtime {
    pub(super) fn see(&mut self, view: &View<'_>, findings: &mut Findings) {
        match view.event() {
            Event::Asked { task } => drop(self.asked.insert(*task)),
            Event::Spawned { task, .. } => drop(self.tasks.insert(*task, State::Queued(view.number))),
            // A blocking call runs on a thread of the pool, which the executor's queue does not affect.
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

    /// A cancel also wakes. One that comes as a poll begins may be answered by that poll, if the task is shielded; how
    /// the poll ends says so.
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
                State::Queued(_) | State::Over => {}
            }
        }
    }

    fn poll_begins(&mut self, task: u64, view: &View<'_>, findings: &mut Findings) {
        let is_asked = self.asked.remove(&task);
        self.parked = self.parked.take().filter(|_| is_asked); // some thread takes tasks from the queue
        self.reported.retain(|(_, _, waiters)| !waiters.contains(&task));
        self.waiters.values_mut().for_each(|waiters| waiters.retain(|(waiter, _)| *waiter != task));
        match self.tasks.insert(task, State::Running { woken: false }) {
            Some(State::Suspended) if !is_asked => {
                findings.add(view, view.number, Kind::PolledUnwoken, task, || {
                    "is polled though it was not woken since it was suspended: its executor runs tasks that have nothing \
                     to do, or runs one twice for one wake. Put a task into the queue when it is woken, and once."
                        .into()
                });
            }
            Some(State::Running { .. }) => findings.add(view, view.number, Kind::PolledTwice, task, || {
                "is polled by two threads at once, or within its own poll: two parts of its executor hold the right to run \
                 it. Queue a task that is woken during its poll when that poll ends, and not before."
                    .into()
            }),
            Some(State::Over) => findings.add(view, view.number, Kind::PolledUnwoken, task, || {
                "is polled though it is over: its executor keeps it in a queue. A task that has completed is dropped.".into()
            }),
            _ => {}
        }
    }

    fn poll_ends(&mut self, task: u64, end: End, view: &View<'_>, findings: &mut Findings) {
        self.given.remove(&task); // it has taken that, or given it back
        if end != End::Finished {
            self.goes_on(task);
        }
        let woken = matches!(self.tasks.get(&task), Some(State::Running { woken: true }));
        let next = match end {
            End::Pending if woken => {
                findings.add(view, view.number, Kind::WakeDropped, task, || {
                    "was woken during its poll, and is not queued after it: its executor has lost the wake, and the task \
                     never sees what it was woken for. When a poll ends pending, look for a wake in the same atomic step \
                     that suspends the task, and queue it again if there was one."
                        .into()
                });
                State::Suspended
            }
            End::Pending => State::Suspended,
            End::PendingWoken => State::Queued(view.number),
            End::Finished => State::Over,
        };
        self.tasks.insert(task, next);
    }

    fn finished(&mut self, task: u64, how: How, view: &View<'_>) {
        self.tasks.insert(task, State::Over);
        if how != How::Cancelled {
            self.goes_on(task);
        }
        self.waiters.values_mut().for_each(|waiters| waiters.retain(|(waiter, _)| *waiter != task));
        self.reported.retain(|(_, _, waiters)| !waiters.contains(&task));
        let Some((event, kind, place)) = self.given.remove(&task).filter(|_| how == How::Cancelled) else { return };
        let text = view.trace.places.get(place as usize).map(ToString::to_string).unwrap_or_default();
        let waits_there = |id: &u64| {
            let waits = view.stood.get(id).into_iter().flat_map(|waits| waits.iter());
            *id != task && waits.into_iter().any(|wait| !text.is_empty() && wait.leaf.contains(&text))
        };
        let suspended = self.tasks.iter().filter(|(_, state)| **state == State::Suspended).map(|(id, _)| *id);
        let waiters = suspended.filter(waits_there).collect();
        self.given_up.push(GivenUp { task, event, kind, place, waiters });
    }

    /// The task is not waiting for what others gave up, or no longer. Only a cancel, as at the end of a run, says
    /// nothing of that.
    fn goes_on(&mut self, task: u64) {
        self.given_up.iter_mut().for_each(|given| given.waiters.retain(|waiter| *waiter != task));
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
                "timer {timer} fires {} before its deadline: a timer may be late and never early. Round deadlines up to the \
                 next tick, and compare them with the clock that they were made by.",
                time(early)
            )
        });
    }

    /// The thread is about to wait on the reactor.
    fn parks(&mut self, view: &View<'_>, findings: &mut Findings) {
        for (number, source, waiters) in std::mem::take(&mut self.reported) {
            // Of a task that also waits for something else, the waker may have been left by a future that is gone.
            let is_stuck = |task: &&u64| {
                let mut leaves = view.stood.get(task).into_iter().flat_map(|waits| waits.iter());
                self.tasks.get(task) == Some(&State::Suspended)
                    && leaves.all(|wait| wait.leaf.starts_with("readable on ") || wait.leaf.starts_with("writable on "))
            };
            let Some(task) = waiters.iter().find(is_stuck) else { continue };
            findings.add(view, number, Kind::UnwokenSource, *task, || {
                format!(
                    "waits for source {source}, which was reported ready, and neither it nor any other that waits there was \
                     woken. A reactor has to call the waker that was left last; a future that wraps a waker has to pass the \
                     wake on."
                )
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
                format!(
                    "was queued when the thread began to wait on the reactor, and stayed so {long}: no thread ran it. Look \
                     at the queue again after announcing that the thread is about to sleep, and only then wait."
                )
            });
        }
    }

    fn hands_over(&mut self, view: &View<'_>) {
        match view.event() {
            Event::HandedOver { task, kind, place } => {
                self.given_up.retain(|given| given.place != *place);
                // A task that is being dropped has passed on what it was given.
                for giver in &view.state.running {
                    if self.given.get(giver).is_some_and(|(_, _, at)| at == place) {
                        self.given.remove(giver);
                    }
                }
                self.given.insert(*task, (view.number, kind.to_string(), *place));
            }
            Event::SourceWaits { source, direction } => {
                // With more than one running, nothing says which of them it was.
                if let [task] = view.state.running[..] {
                    self.waiters.entry(*source).or_default().push((task, *direction));
                }
            }
            // The event does not say which waiter left, so none of them is checked.
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
                "was queued, and never polled before the run ended: its executor has lost it. A task that `schedule` was \
                 given, or that `run` returned, has to be run, or dropped, which cancels it."
                    .into()
            });
        }
        for given in std::mem::take(&mut self.given_up) {
            if let Some(waiter) = given.waiters.iter().min() {
                let made = place_of(view.trace, given.place);
                findings.add(view, given.event, Kind::LostHandover, given.task, || {
                    format!(
                        "was given what it waited for at the {} made at {made}, and was cancelled before it took it; \
                         nothing was given to another waiter after that, and task {waiter} waits there for ever. A future \
                         that is dropped after the hand-over has to pass on what it got.",
                        given.kind
                    )
                });
            }
        }
    }
}
