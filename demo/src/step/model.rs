//! The state of a runtime at each event of its recording: a fold over the events.
//!
//! [`State::apply`] is the whole model of a run; it only goes forward. [`Runs`] has a state for each run of the
//! recording, because each run numbers its tasks from 1. To go back, [`Run`] folds again from the nearest state that it
//! kept, so there is no second set of rules that could be wrong.

use executor::observer::{Readiness, ReadinessWord};
use executor::task::{Queue, StateWord};
use executor::trace::{By, Direction, End, Event, How, Record, Trace, Waiting};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The name of the first task, whose future was passed to `block_on`.
pub const ROOT: &str = "main";

/// Whether a task is the one that `block_on` runs.
pub fn is_root(task: u64, by: Option<u64>) -> bool {
    task == 1 && by.is_none()
}

/// The state of a task, and how it completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Its last poll returned `Poll::Pending`, and no wake has come since.
    Suspended,
    /// It is in the run queue.
    Queued,
    /// It is being polled.
    Running,
    /// It is a blocking call, queued for a thread of the pool.
    Pooled,
    /// It is a blocking call, running on a thread of the pool.
    Blocking,
    /// It completed: its future returned a value.
    Returned,
    /// It completed: it was cancelled, and its future was dropped.
    Cancelled,
    /// It completed: its future panicked.
    Panicked,
}

impl Phase {
    /// Whether the task has completed.
    pub fn is_completed(self) -> bool {
        matches!(self, Phase::Returned | Phase::Cancelled | Phase::Panicked)
    }

    /// The word for the state on every screen. For a task that was cancelled or panicked, it says that.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Suspended => "suspended",
            Phase::Queued | Phase::Pooled => "queued",
            Phase::Running | Phase::Blocking => "running",
            Phase::Returned => "completed",
            Phase::Cancelled => "cancelled",
            Phase::Panicked => "panicked",
        }
    }
}

/// What the events say about a task. Times are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: Option<Rc<str>>,
    /// The task that spawned it.
    pub by: Option<u64>,
    /// The spawn location; unknown if the task was spawned before the recording.
    pub place: Option<u32>,
    /// The size of its future, in bytes.
    pub size: u64,
    /// Its state.
    pub phase: Phase,
    /// The time at which it entered that state.
    pub since: u64,
    /// It was woken during its poll, and is queued again after it.
    pub woken_again: bool,
    /// A cancel was requested.
    pub is_cancelled: bool,
    /// It is suspended, and no waker of it is left.
    pub is_stranded: bool,
    /// Number of polls.
    pub polls: u64,
    /// Number of wakes.
    pub wakes: u64,
    /// Number of wakes by the task itself.
    pub self_wakes: u64,
    /// Total time running.
    pub running: u64,
    /// Total time queued.
    pub queued: u64,
    /// Total time suspended.
    pub suspended: u64,
    /// The last event that queued it: its spawn, a wake or a cancel.
    pub queued_by: Option<usize>,
    /// What it waits for, as reported in its last poll.
    pub waits: Rc<[Waiting]>,
    /// The await chain that it reported last.
    pub chain: Option<u32>,
    /// Its state word after the last transition that was recorded.
    pub word: Option<StateWord>,
}

/// `task 3 "name"`, or `task 3` without a name: how a sentence names a task.
pub fn title(id: u64, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("task {id} \"{name}\""),
        None => format!("task {id}"),
    }
}

impl Task {
    fn new(id: u64, at: u64) -> Task {
        let (name, by, place, size, queued_by, waits, chain, word) = Default::default();
        let (woken_again, is_cancelled, is_stranded) = Default::default();
        let (polls, wakes, self_wakes, running, queued, suspended) = Default::default();
        let (phase, since) = (Phase::Suspended, at);
        #[rustfmt::skip]
        let task = Task {
            id, name, by, place, size, phase, since, woken_again, is_cancelled, is_stranded,
            polls, wakes, self_wakes, running, queued, suspended, queued_by, waits, chain, word,
        };
        task
    }

    /// `task 3 "name"`, or `task 3` without a name.
    pub fn title(&self) -> String {
        title(self.id, self.name.as_deref())
    }

    pub(crate) fn enter(&mut self, phase: Phase, at: u64) {
        let time = at.saturating_sub(self.since);
        match self.phase {
            Phase::Suspended => self.suspended = self.suspended.saturating_add(time),
            Phase::Queued | Phase::Pooled => self.queued = self.queued.saturating_add(time),
            Phase::Running | Phase::Blocking => self.running = self.running.saturating_add(time),
            Phase::Returned | Phase::Cancelled | Phase::Panicked => {}
        }
        (self.phase, self.since) = (phase, at);
    }
}

/// A source of the reactor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Its file descriptor; unknown if it was registered before the recording.
    pub fd: Option<i32>,
    /// The readiness that was reported last.
    pub ready: String,
    /// The tasks that left a waker, each with its interest.
    pub waiters: Vec<(u64, Direction)>,
    /// Its readiness word at the last event that has it.
    pub word: Option<ReadinessWord>,
}

/// A timer that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Its deadline.
    pub deadline: u64,
    /// The location that created it.
    pub place: u32,
    /// The task that set it.
    pub task: Option<u64>,
    /// The wheel that it was put into, and the slot.
    pub slot: Option<(u8, u8)>,
}

/// The state of one run after some of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The number of the run.
    pub run: u32,
    /// The number of its runtime.
    pub runtime: u32,
    /// The time of the last event.
    pub now: u64,
    /// All tasks of the run, including completed ones.
    pub tasks: BTreeMap<u64, Rc<Task>>,
    /// The run queue, the next task first.
    pub queue: Vec<u64>,
    /// The injection queue, in the order in which the tasks were pushed.
    pub injected: Vec<u64>,
    /// The thread was parked, and takes the tasks of the injection queue before it polls a task.
    takes_injected: bool,
    /// The tasks being polled: more than one only when a task is dropped within another's poll.
    pub running: Vec<u64>,
    /// The reactor's sources.
    pub sources: BTreeMap<u64, Source>,
    /// The timers that are set.
    pub timers: BTreeMap<u64, Timer>,
    /// The thread is parked: since when, and for how long at most.
    pub parked: Option<(u64, Option<u64>)>,
}

impl State {
    /// The state after the event of this number.
    pub fn apply(&mut self, number: usize, record: &Record) {
        (self.run, self.runtime, self.now) = (record.run, record.runtime, record.at);
        let queue = record.transition.and_then(|transition| transition.queue);
        match &record.event {
            Event::RunBegins => {
                self.tasks.clear();
                self.queue.clear();
                self.injected.clear();
                self.running.clear();
            }
            Event::Spawned { task, by, name, place, size } => {
                let name = name.as_deref().or(is_root(*task, *by).then_some(ROOT)).map(Rc::from);
                let new = Task { by: *by, name, place: Some(*place), size: *size, ..Task::new(*task, record.at) };
                self.leave_queues(*task);
                self.tasks.insert(*task, Rc::new(new));
                self.make_queued(*task, number, queue);
            }
            Event::Woken { task, by, .. } => {
                let by_itself = matches!(by, By::Task(waker) if waker == task);
                self.task(*task, |task, _| {
                    task.wakes += 1;
                    task.self_wakes += u64::from(by_itself);
                });
                self.make_queued(*task, number, queue);
            }
            Event::Cancelled { task, .. } => {
                self.task(*task, |task, _| task.is_cancelled = true);
                self.make_queued(*task, number, queue);
            }
            Event::PollBegins { .. } | Event::Waits { .. } | Event::PollEnds { .. } => self.apply_poll(&record.event),
            Event::BlockingQueued { task } => self.enter(*task, Phase::Pooled),
            Event::BlockingBegins { task } => self.enter(*task, Phase::Blocking),
            Event::Stranded { task, .. } => self.task(*task, |task, _| task.is_stranded = true),
            Event::Finished { task, how, .. } => self.finish(*task, *how),
            event => self.apply_reactor(event),
        }
        let task = record.event.task().and_then(|task| self.tasks.get_mut(&task));
        if let (Some(task), Some(transition)) = (task, record.transition) {
            Rc::make_mut(task).word = Some(transition.after);
        }
    }

    /// The thread takes the tasks of the injection queue. No event reports this. The thread does it before it polls the
    /// reactor, after it was parked, and at the latest before it polls one of these tasks.
    fn take_injected(&mut self) {
        self.takes_injected = false;
        self.queue.append(&mut self.injected);
    }

    fn apply_poll(&mut self, event: &Event) {
        match event {
            Event::PollBegins { task } => {
                if self.takes_injected || self.injected.contains(task) {
                    self.take_injected();
                }
                self.running.push(*task);
                self.enter(*task, Phase::Running);
                self.task(*task, |task, _| {
                    task.polls += 1;
                    task.woken_again = false;
                    task.is_stranded = false;
                    task.waits = Rc::default();
                });
            }
            Event::Waits { task, waits } => self.task(*task, |task, _| {
                task.waits = waits.iter().cloned().collect();
                task.chain = waits.first().map(|wait| wait.chain).or(task.chain);
            }),
            Event::PollEnds { task, end } => {
                self.running.retain(|running| running != task);
                match end {
                    End::Finished => {}
                    End::Pending => self.enter(*task, Phase::Suspended),
                    End::PendingWoken => self.enter(*task, Phase::Queued),
                }
            }
            _ => {}
        }
    }

    fn apply_reactor(&mut self, event: &Event) {
        match event {
            Event::SourceAdded { source, fd } => {
                self.sources.insert(*source, Source { fd: Some(*fd), ..Source::default() });
            }
            Event::SourceRemoved { source } => drop(self.sources.remove(source)),
            Event::SourceWaits { source, direction, word } => {
                self.source(*source).word = *word;
                let Some(task) = self.running.last().copied() else { return };
                let source = self.source(*source);
                if !source.waiters.contains(&(task, *direction)) {
                    source.waiters.push((task, *direction));
                }
            }
            Event::SourceLeft { source, direction } => {
                let Some(task) = self.running.last().copied() else { return };
                self.source(*source).waiters.retain(|waiter| *waiter != (task, *direction));
            }
            Event::SourceReady { source, readiness, word, .. } => {
                let source = self.source(*source);
                source.word = *word;
                let words: Vec<_> = readiness.iter_names().map(|(name, _)| name.to_lowercase()).collect();
                source.ready = words.join(" ");
                source.waiters.retain(|(_, direction)| match direction {
                    Direction::Read => !readiness.intersects(Readiness::READ),
                    Direction::Write => !readiness.intersects(Readiness::WRITE),
                });
            }
            Event::TimerSet { timer, deadline, place, slot } => {
                let task = self.running.last().copied();
                self.timers.insert(*timer, Timer { deadline: *deadline, place: *place, task, slot: *slot });
            }
            Event::TimerCancelled { timer } | Event::TimerFired { timer } => drop(self.timers.remove(timer)),
            Event::WaitBegins { timeout } => {
                self.take_injected();
                self.parked = Some((self.now, *timeout));
            }
            Event::WaitEnds { .. } => {
                self.takes_injected = self.parked.take().is_some_and(|(_, timeout)| timeout != Some(0));
            }
            _ => {}
        }
    }

    /// Handles a spawn, a wake or a cancel: queues a task if it is suspended, and notes the wake if it is running.
    fn make_queued(&mut self, id: u64, number: usize, queue: Option<Queue>) {
        let mut is_suspended = false;
        self.task(id, |task, _| {
            task.queued_by = Some(number);
            task.woken_again |= task.phase == Phase::Running;
            is_suspended = task.phase == Phase::Suspended;
        });
        if is_suspended {
            self.enter(id, Phase::Queued);
            if queue == Some(Queue::Injection) {
                self.leave_queues(id);
                self.injected.push(id);
            }
        }
    }

    fn leave_queues(&mut self, id: u64) {
        self.queue.retain(|queued| *queued != id);
        self.injected.retain(|queued| *queued != id);
    }

    fn finish(&mut self, id: u64, how: How) {
        self.sources.values_mut().for_each(|source| source.waiters.retain(|(task, _)| *task != id));
        // A `PollBegins` that only drops the future was counted as a poll: see `only_drops`.
        let was_polled = !(how == How::Cancelled && self.running.contains(&id));
        self.task(id, |task, _| {
            task.polls = task.polls.saturating_sub(u64::from(!was_polled));
            task.waits = Rc::default();
            task.is_stranded = false;
        });
        self.enter(
            id,
            match how {
                How::Ready => Phase::Returned,
                How::Cancelled => Phase::Cancelled,
                How::Panicked => Phase::Panicked,
            },
        );
    }

    /// Changes the state of a task. The two queues hold the tasks that are `Queued`.
    fn enter(&mut self, id: u64, phase: Phase) {
        self.leave_queues(id);
        self.queue.extend((phase == Phase::Queued).then_some(id));
        self.task(id, |task, at| task.enter(phase, at));
    }

    /// Changes a task. One that was spawned before the recording is added.
    fn task(&mut self, id: u64, change: impl FnOnce(&mut Task, u64)) {
        let now = self.now;
        let task = self.tasks.entry(id).or_insert_with(|| Rc::new(Task::new(id, now)));
        change(Rc::make_mut(task), now);
    }

    fn source(&mut self, id: u64) -> &mut Source {
        self.sources.entry(id).or_default()
    }
}

/// The states of all runs of a recording, after some of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    states: BTreeMap<u32, Rc<State>>,
    /// The run that each runtime is in.
    latest: BTreeMap<u32, u32>,
    /// The run of the last event.
    current: Option<u32>,
    /// Number of tasks in all runs.
    tasks: usize,
    /// The state before the first event.
    nothing: Rc<State>,
}

impl Runs {
    /// The states after the event of this number.
    pub fn apply(&mut self, number: usize, record: &Record) {
        let run = record.run;
        if !self.states.contains_key(&run) {
            let state = self.begin(record);
            self.states.insert(run, Rc::new(state));
        }
        self.current = Some(run);
        if let Some(state) = self.states.get_mut(&run).map(Rc::make_mut) {
            let before = state.tasks.len();
            state.apply(number, record);
            self.tasks = (self.tasks + state.tasks.len()).saturating_sub(before);
        }
    }

    /// The state of a run before its first event. It takes over the sources and timers of its runtime, without the
    /// waiters, which were tasks of the previous run.
    fn begin(&mut self, record: &Record) -> State {
        let mut state = State::default();
        let before = self.latest.get(&record.runtime).copied();
        // A late event of an earlier run leaves the sources and timers with the current run.
        if before.is_some_and(|before| before > record.run) {
            return state;
        }
        self.latest.insert(record.runtime, record.run);
        let Some(before) = before.and_then(|before| self.states.get_mut(&before)) else { return state };
        let before = Rc::make_mut(before);
        state.sources = std::mem::take(&mut before.sources);
        state.sources.values_mut().for_each(|source| source.waiters.clear());
        state.timers = std::mem::take(&mut before.timers);
        state.timers.values_mut().for_each(|timer| timer.task = None);
        state.parked = before.parked.take();
        state
    }

    /// Forgets the earlier runs of the runtime that began this one, except runs with a blocking call in progress.
    pub fn forget_earlier(&mut self, begun: &Record) {
        let is_earlier = |state: &State| state.runtime == begun.runtime && state.run < begun.run;
        let is_over = |state: &State| state.tasks.values().all(|task| task.phase.is_completed());
        self.states.retain(|_, state| !(is_earlier(state) && is_over(state)));
        self.tasks = self.all().map(|state| state.tasks.len()).sum();
    }

    /// The state of the run of the last event.
    pub fn current(&self) -> &State {
        self.current.and_then(|run| self.get(run)).unwrap_or(&self.nothing)
    }

    /// The state of a run.
    pub fn get(&self, run: u32) -> Option<&State> {
        self.states.get(&run).map(|state| &**state)
    }

    /// The state of a run, to change.
    pub(crate) fn get_mut(&mut self, run: u32) -> Option<&mut State> {
        self.states.get_mut(&run).map(Rc::make_mut)
    }

    /// The states of all runs, in their order.
    pub fn all(&self) -> impl Iterator<Item = &State> {
        self.states.values().map(|state| &**state)
    }
}

/// Whether there are events of more than one run.
pub fn has_several_runs(trace: &Trace) -> bool {
    trace.records.windows(2).any(|pair| pair[0].run != pair[1].run)
}

/// A recording, and a position in it.
pub struct Run {
    /// What was recorded.
    pub trace: Trace,
    /// Some positions up to the furthest one visited, each with the states there.
    kept: Vec<(usize, Runs)>,
    runs: Runs,
    position: usize,
}

/// Minimum number of events between two kept states. It is more if a state has more tasks than that.
const KEEP: usize = 1_024;

impl Run {
    /// Before the first event.
    pub fn new(trace: Trace) -> Run {
        Run { trace, kept: vec![(0, Runs::default())], runs: Runs::default(), position: 0 }
    }

    /// The number of events that have happened.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The event that happened last; `None` before the first one.
    pub fn current(&self) -> Option<&Record> {
        self.trace.records.get(self.position.checked_sub(1)?)
    }

    /// The state of the run of the last event.
    pub fn state(&self) -> &State {
        self.runs.current()
    }

    /// The states of all runs.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Goes to the position after `position` events, or to the end if there are fewer.
    pub fn seek(&mut self, position: usize) {
        let position = position.min(self.trace.records.len());
        let nearest = &self.kept[self.kept.partition_point(|(at, _)| *at <= position) - 1];
        if position < self.position || nearest.0 > self.position {
            (self.position, self.runs) = nearest.clone();
        }
        while self.position < position {
            let record = &self.trace.records[self.position];
            self.runs.apply(self.position, record);
            if record.event == Event::RunBegins {
                self.runs.forget_earlier(record);
            }
            self.position += 1;
            let last = self.kept.last().map_or(0, |(at, _)| *at);
            if self.position >= last + KEEP.max(self.runs.tasks) {
                self.kept.push((self.position, self.runs.clone()));
            }
        }
    }

    /// The next event in that direction for which `is_wanted` returns true, as a position to seek.
    pub fn find(&self, forward: bool, mut is_wanted: impl FnMut(usize, &Record) -> bool) -> Option<usize> {
        let records = &self.trace.records;
        let mut wanted = |number: &usize| is_wanted(*number, &records[*number]);
        let found = match forward {
            true => (self.position..records.len()).find(&mut wanted),
            false => (0..self.position.saturating_sub(1)).rev().find(&mut wanted),
        };
        found.map(|number| number + 1)
    }

    /// Whether the latest `PollBegins` of this task of the current run only drops its future: see [`only_drops`].
    pub fn is_dropping(&self, id: u64) -> Option<bool> {
        self.is_dropping_in(self.current()?.run, id)
    }

    /// As [`is_dropping`](Run::is_dropping), for a task of any run.
    pub fn is_dropping_in(&self, run: u32, id: u64) -> Option<bool> {
        let is_begin =
            |record: &Record| record.run == run && matches!(record.event, Event::PollBegins { task } if task == id);
        only_drops(&self.trace, self.trace.records[..self.position].iter().rposition(is_begin)?)
    }

    /// The event that caused this one. A wake is caused by what its waker did, a poll by what queued the task.
    pub fn cause(&self, number: usize) -> Option<usize> {
        let earlier = &self.trace.records[..number];
        let Record { run, runtime, event, .. } = &self.trace.records[number];
        // Each run numbers its tasks from 1, and each runtime its sources and timers.
        let in_run = |is_it: &dyn Fn(&Event) -> bool| {
            earlier.iter().rposition(|record| record.run == *run && is_it(&record.event))
        };
        let in_runtime = |is_it: &dyn Fn(&Event) -> bool| {
            earlier.iter().rposition(|record| record.runtime == *runtime && is_it(&record.event))
        };
        let poll_of = |id: u64| in_run(&|event| matches!(event, Event::PollBegins { task } if *task == id));
        match event.clone() {
            Event::Woken { by, .. } | Event::Cancelled { by, .. } | Event::WakerDropped { by, .. } => match by {
                By::Task(id) => poll_of(id),
                By::Timer(id) => in_runtime(&|event| matches!(event, Event::TimerFired { timer } if *timer == id)),
                By::Source(id) => {
                    in_runtime(&|event| matches!(event, Event::SourceReady { source, .. } if *source == id))
                }
                By::Thread(_) => None,
            },
            Event::Spawned { by, .. } => by.and_then(poll_of),
            Event::TimerFired { timer: id } | Event::TimerCancelled { timer: id } => {
                in_runtime(&|event| matches!(event, Event::TimerSet { timer, .. } if *timer == id))
            }
            Event::SourceReady { source: id, .. } => {
                in_runtime(&|event| matches!(event, Event::SourceWaits { source, .. } if *source == id))
            }
            Event::WaitEnds { .. } => in_runtime(&|event| matches!(event, Event::WaitBegins { .. })),
            // The wake that follows comes from the same poll.
            Event::HandedOver { .. } => {
                let later = self.trace.records[number + 1..].iter().position(|record| record.run == *run)?;
                self.cause(number + 1 + later).filter(|cause| *cause < number)
            }
            Event::PollBegins { task: id } => in_run(&|event| match event {
                Event::Spawned { task, .. } | Event::Woken { task, .. } | Event::Cancelled { task, .. } => *task == id,
                _ => false,
            }),
            // Everything else happens in a poll: of its task, or of the task that was running.
            event => {
                let runs = event.task().or_else(|| self.running_before(number));
                runs.and_then(poll_of)
            }
        }
    }

    /// The task that this event is about, with its run. For a timer it is the task that set it; for a source, the task
    /// that left the waker.
    pub fn whose(&self, number: usize) -> Option<(u32, u64)> {
        let Record { run, event, .. } = &self.trace.records[number];
        let own = event.task().map(|task| (*run, task));
        own.or_else(|| match event {
            Event::TimerFired { .. } | Event::SourceReady { woken: 1.., .. } => {
                let cause = self.cause(number)?;
                Some((self.trace.records[cause].run, self.running_before(cause)?))
            }
            _ => None,
        })
    }

    /// The task that was running in the run of this event when it happened.
    fn running_before(&self, number: usize) -> Option<u64> {
        let mut ended = Vec::new();
        let run = self.trace.records[number].run;
        let earlier = self.trace.records[..number].iter().rev().filter(|record| record.run == run);
        earlier.map(|record| &record.event).find_map(|event| match event {
            Event::PollEnds { task, .. } => {
                ended.push(*task);
                None
            }
            Event::PollBegins { task } if ended.last() == Some(task) => {
                ended.pop();
                None
            }
            Event::PollBegins { task } => Some(Some(*task)),
            Event::RunBegins | Event::WaitBegins { .. } => Some(None),
            _ => None,
        })?
    }
}

/// Whether this `PollBegins` begins no poll, but only drops the future of a cancelled task. It does if the task's next
/// `Finished` says `Cancelled` and no `PollEnds` comes before it. `None` if the recording stops before either.
pub fn only_drops(trace: &Trace, begin: usize) -> Option<bool> {
    let Record { run, event, .. } = &trace.records[begin];
    let id = event.task();
    let mut later = trace.records[begin + 1..].iter().filter(|record| record.run == *run).map(|record| &record.event);
    later.find_map(|event| match event {
        Event::Finished { how, .. } if event.task() == id => Some(Some(*how == How::Cancelled)),
        Event::PollEnds { .. } if event.task() == id => Some(Some(false)),
        Event::RunBegins => Some(None),
        _ => None,
    })?
}
