//! The state of a runtime at each event of its recording: a fold over the events.
//!
//! [`State::apply`] is the whole model of a run; it only goes forward. [`Runs`] has a state for each run of the
//! recording, so that tasks of the same number never meet. To go back is to fold again from the nearest of the states that
//! [`Run`] keeps on its way, so that no second set of rules can be wrong.

use executor::observer::Readiness;
use executor::trace::{By, Direction, End, Event, How, Record, Trace, Waiting};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What the first task is called, whose future was given to `block_on`.
pub const ROOT: &str = "main";

/// Whether it is that one.
pub fn is_root(task: u64, by: Option<u64>) -> bool {
    task == 1 && by.is_none()
}

/// Where a task is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It waits for a wake.
    Waiting,
    /// It is in the ready queue.
    Queued,
    /// It is being polled.
    Running,
    /// It is a blocking call that waits for a thread.
    Pooled,
    /// It is a blocking call on a thread of its own.
    Blocking,
    /// Its future was ready.
    Done,
    /// It was cancelled, and its future dropped.
    Cancelled,
    /// Its future panicked.
    Panicked,
}

impl Phase {
    /// Whether nothing more will happen to it.
    pub fn is_over(self) -> bool {
        matches!(self, Phase::Done | Phase::Cancelled | Phase::Panicked)
    }

    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Queued => "queued",
            Phase::Running => "running",
            Phase::Pooled => "pooled",
            Phase::Blocking => "blocking",
            Phase::Done => "done",
            Phase::Cancelled => "cancelled",
            Phase::Panicked => "panicked",
        }
    }
}

/// A task, as far as the events told of it. Times are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: Option<Rc<str>>,
    /// The task that spawned it.
    pub by: Option<u64>,
    /// Where it was spawned; unknown if that was before the recording.
    pub place: Option<u32>,
    /// How large its future is, in bytes.
    pub size: u64,
    /// Where it is in its life.
    pub phase: Phase,
    /// Since when it is there.
    pub since: u64,
    /// It was woken while it was polled, and goes back into the queue.
    pub woken_again: bool,
    /// Somebody asked for its end.
    pub is_cancelled: bool,
    /// It waits, and nobody has a waker.
    pub is_stranded: bool,
    /// How often it was polled.
    pub polls: u64,
    /// How often it was woken, and how often of these by itself.
    pub wakes: u64,
    /// See `wakes`.
    pub self_wakes: u64,
    /// How long it was polled, all in all.
    pub busy: u64,
    /// How long it was in the ready queue.
    pub scheduled: u64,
    /// How long it waited.
    pub idle: u64,
    /// The last event that made it ready: its spawn, a wake, a cancel.
    pub readied: Option<usize>,
    /// What it waits for, as said in its last poll.
    pub waits: Rc<[Waiting]>,
    /// Where it stood when it last said so, as a chain.
    pub stood: Option<u32>,
}

impl Task {
    fn new(id: u64, at: u64) -> Task {
        let (name, by, place, size, readied, waits, stood) = Default::default();
        let (woken_again, is_cancelled, is_stranded) = Default::default();
        let (polls, wakes, self_wakes, busy, scheduled, idle) = Default::default();
        let (phase, since) = (Phase::Waiting, at);
        #[rustfmt::skip]
        let task = Task {
            id, name, by, place, size, phase, since, woken_again, is_cancelled, is_stranded,
            polls, wakes, self_wakes, busy, scheduled, idle, readied, waits, stood,
        };
        task
    }

    /// `task 3` or `task 3 name`.
    pub fn title(&self) -> String {
        match &self.name {
            Some(name) => format!("task {} {name}", self.id),
            None => format!("task {}", self.id),
        }
    }

    pub(crate) fn enter(&mut self, phase: Phase, at: u64) {
        let time = at.saturating_sub(self.since);
        match self.phase {
            Phase::Waiting | Phase::Pooled => self.idle = self.idle.saturating_add(time),
            Phase::Queued => self.scheduled = self.scheduled.saturating_add(time),
            Phase::Running | Phase::Blocking => self.busy = self.busy.saturating_add(time),
            Phase::Done | Phase::Cancelled | Phase::Panicked => {}
        }
        (self.phase, self.since) = (phase, at);
    }
}

/// A file descriptor in the reactor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its descriptor; unknown if it was registered before the recording.
    pub fd: Option<i32>,
    /// What it was last reported ready for.
    pub ready: String,
    /// Which tasks left a waker, for which direction.
    pub waiters: Vec<(u64, Direction)>,
}

/// A timer that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// When it will fire.
    pub deadline: u64,
    /// Where it was set.
    pub place: u32,
    /// The task that set it.
    pub task: Option<u64>,
}

/// Where everything stands in one run after some of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The number of the run, and of its runtime.
    pub run: u32,
    /// See `run`.
    pub runtime: u32,
    /// The time of the last event.
    pub now: u64,
    /// All tasks of the run, also those that are over.
    pub tasks: BTreeMap<u64, Rc<Task>>,
    /// The ready queue, the next one first.
    pub queue: Vec<u64>,
    /// Who is being polled; more than one only when a task is dropped within the poll of another.
    pub running: Vec<u64>,
    /// The reactor's sources.
    pub sources: BTreeMap<u64, Source>,
    /// The timers that are set.
    pub timers: BTreeMap<u64, Timer>,
    /// The thread waits on the reactor: since when, and how long at most.
    pub parked: Option<(u64, Option<u64>)>,
}

impl State {
    /// The state after the event of this number.
    pub fn apply(&mut self, number: usize, record: &Record) {
        (self.run, self.runtime, self.now) = (record.run, record.runtime, record.at);
        match &record.event {
            Event::RunBegins => {
                self.tasks.clear();
                self.queue.clear();
                self.running.clear();
            }
            Event::Spawned { task, by, name, place, size } => {
                let name = name.as_deref().or(is_root(*task, *by).then_some(ROOT)).map(Rc::from);
                let new = Task { by: *by, name, place: Some(*place), size: *size, ..Task::new(*task, record.at) };
                self.queue.retain(|queued| queued != task);
                self.tasks.insert(*task, Rc::new(new));
                self.ready(*task, number);
            }
            Event::Woken { task, by, .. } => {
                let by_itself = matches!(by, By::Task(waker) if waker == task);
                self.task(*task, |task, _| {
                    task.wakes += 1;
                    task.self_wakes += u64::from(by_itself);
                });
                self.ready(*task, number);
            }
            Event::Cancelled { task, .. } => {
                self.task(*task, |task, _| task.is_cancelled = true);
                self.ready(*task, number);
            }
            Event::PollBegins { .. } | Event::Waits { .. } | Event::PollEnds { .. } => self.apply_poll(&record.event),
            Event::BlockingQueued { task } => self.enter(*task, Phase::Pooled),
            Event::BlockingBegins { task } => self.enter(*task, Phase::Blocking),
            Event::Stranded { task, .. } => self.task(*task, |task, _| task.is_stranded = true),
            Event::Finished { task, how, .. } => self.finish(*task, *how),
            event => self.apply_reactor(event),
        }
    }

    fn apply_poll(&mut self, event: &Event) {
        match event {
            Event::PollBegins { task } => {
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
                task.stood = waits.first().map(|wait| wait.chain).or(task.stood);
            }),
            Event::PollEnds { task, end } => {
                self.running.retain(|running| running != task);
                match end {
                    End::Finished => {}
                    End::Pending => self.enter(*task, Phase::Waiting),
                    End::PendingWoken => self.enter(*task, Phase::Queued),
                }
            }
            _ => {}
        }
    }

    fn apply_reactor(&mut self, event: &Event) {
        match event {
            Event::SourceAdded { source, fd } => {
                let new = Source { fd: Some(*fd), ready: String::new(), waiters: Vec::new() };
                self.sources.insert(*source, new);
            }
            Event::SourceRemoved { source } => drop(self.sources.remove(source)),
            Event::SourceWaits { source, direction } => {
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
            Event::SourceReady { source, readiness, .. } => {
                let source = self.source(*source);
                let words: Vec<_> = readiness.iter_names().map(|(name, _)| name.to_lowercase()).collect();
                source.ready = words.join(" ");
                source.waiters.retain(|(_, direction)| match direction {
                    Direction::Read => !readiness.intersects(Readiness::READ),
                    Direction::Write => !readiness.intersects(Readiness::WRITE),
                });
            }
            Event::TimerSet { timer, deadline, place } => {
                let task = self.running.last().copied();
                self.timers.insert(*timer, Timer { deadline: *deadline, place: *place, task });
            }
            Event::TimerCancelled { timer } | Event::TimerFired { timer } => drop(self.timers.remove(timer)),
            Event::WaitBegins { timeout } => self.parked = Some((self.now, *timeout)),
            Event::WaitEnds { .. } => self.parked = None,
            _ => {}
        }
    }

    /// A task goes into the queue, unless it is there, is being polled, or is over.
    fn ready(&mut self, id: u64, number: usize) {
        let mut waits = false;
        self.task(id, |task, _| {
            task.readied = Some(number);
            task.woken_again |= task.phase == Phase::Running;
            waits = task.phase == Phase::Waiting;
        });
        if waits {
            self.enter(id, Phase::Queued);
        }
    }

    fn finish(&mut self, id: u64, how: How) {
        self.sources.values_mut().for_each(|source| source.waiters.retain(|(task, _)| *task != id));
        // It was begun to be polled, and only dropped: see `only_drops`.
        let was_polled = !(how == How::Cancelled && self.running.contains(&id));
        self.task(id, |task, _| {
            task.polls = task.polls.saturating_sub(u64::from(!was_polled));
            task.waits = Rc::default();
            task.is_stranded = false;
        });
        self.enter(
            id,
            match how {
                How::Ready => Phase::Done,
                How::Cancelled => Phase::Cancelled,
                How::Panicked => Phase::Panicked,
            },
        );
    }

    /// A task is somewhere else in its life; the queue holds those that are `Queued`.
    fn enter(&mut self, id: u64, phase: Phase) {
        self.queue.retain(|queued| *queued != id);
        self.queue.extend((phase == Phase::Queued).then_some(id));
        self.task(id, |task, at| task.enter(phase, at));
    }

    /// Changes a task; one that was spawned before the recording is new to us.
    fn task(&mut self, id: u64, change: impl FnOnce(&mut Task, u64)) {
        let now = self.now;
        let task = self.tasks.entry(id).or_insert_with(|| Rc::new(Task::new(id, now)));
        change(Rc::make_mut(task), now);
    }

    fn source(&mut self, id: u64) -> &mut Source {
        let new = || Source { fd: None, ready: String::new(), waiters: Vec::new() };
        self.sources.entry(id).or_insert_with(new)
    }
}

/// The states of all runs of a recording, after some of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    states: BTreeMap<u32, Rc<State>>,
    /// The run that each runtime is in.
    latest: BTreeMap<u32, u32>,
    /// The run of the last event.
    present: Option<u32>,
    /// How many tasks there are in all of them.
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
        self.present = Some(run);
        if let Some(state) = self.states.get_mut(&run).map(Rc::make_mut) {
            let before = state.tasks.len();
            state.apply(number, record);
            self.tasks = (self.tasks + state.tasks.len()).saturating_sub(before);
        }
    }

    /// The state of a run before its first event. It takes over the sources and timers of its runtime, without their
    /// waiters: these were tasks of the run before.
    fn begin(&mut self, record: &Record) -> State {
        let mut state = State::default();
        let before = self.latest.get(&record.runtime).copied();
        // A late event of an earlier run leaves the sources and timers with the present run.
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

    /// Forgets the earlier runs of the runtime that has begun this one, except runs with a blocking call that is not over.
    pub fn forget_earlier(&mut self, begun: &Record) {
        let is_earlier = |state: &State| state.runtime == begun.runtime && state.run < begun.run;
        let is_over = |state: &State| state.tasks.values().all(|task| task.phase.is_over());
        self.states.retain(|_, state| !(is_earlier(state) && is_over(state)));
        self.tasks = self.all().map(|state| state.tasks.len()).sum();
    }

    /// The state of the run of the last event.
    pub fn present(&self) -> &State {
        self.present.and_then(|run| self.get(run)).unwrap_or(&self.nothing)
    }

    /// The state of a run.
    pub fn get(&self, run: u32) -> Option<&State> {
        self.states.get(&run).map(|state| &**state)
    }

    /// The state of a run, to be changed.
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
    /// The states at some positions up to the furthest one that was looked at, each with its position.
    kept: Vec<(usize, Runs)>,
    runs: Runs,
    position: usize,
}

/// At least so many events lie between two states that are kept; more where a state is larger than that.
const KEEP: usize = 1_024;

impl Run {
    /// Before the first event.
    pub fn new(trace: Trace) -> Run {
        Run { trace, kept: vec![(0, Runs::default())], runs: Runs::default(), position: 0 }
    }

    /// How many events have happened.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The event that happened last; `None` before the first one.
    pub fn present(&self) -> Option<&Record> {
        self.trace.records.get(self.position.checked_sub(1)?)
    }

    /// The state after so many events as have happened, of the run of the last one.
    pub fn state(&self) -> &State {
        self.runs.present()
    }

    /// The states of all runs.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// Goes to where so many events have happened; to the last one if there are fewer.
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

    /// The next event in that direction for which `is_wanted`, as a position to seek.
    pub fn find(&self, forward: bool, mut is_wanted: impl FnMut(usize, &Record) -> bool) -> Option<usize> {
        let records = &self.trace.records;
        let mut wanted = |number: &usize| is_wanted(*number, &records[*number]);
        let found = match forward {
            true => (self.position..records.len()).find(&mut wanted),
            false => (0..self.position.saturating_sub(1)).rev().find(&mut wanted),
        };
        found.map(|number| number + 1)
    }

    /// Whether the poll of this task of the present run that is under way only drops its future; unknown as [`only_drops`]
    /// says.
    pub fn is_dropping(&self, id: u64) -> Option<bool> {
        self.is_dropping_in(self.present()?.run, id)
    }

    /// The same of a task of any run.
    pub fn is_dropping_in(&self, run: u32, id: u64) -> Option<bool> {
        let is_begin =
            |record: &Record| record.run == run && matches!(record.event, Event::PollBegins { task } if task == id);
        only_drops(&self.trace, self.trace.records[..self.position].iter().rposition(is_begin)?)
    }

    /// The event that led to this one: to a wake, what its waker did; to what a task does, what made it ready.
    pub fn cause(&self, number: usize) -> Option<usize> {
        let earlier = &self.trace.records[..number];
        let Record { run, runtime, event, .. } = &self.trace.records[number];
        // Tasks of other runs have the same numbers, as have sources and timers of other runtimes.
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
            // It was given something in the poll of whoever wakes it right after.
            Event::HandedOver { .. } => {
                let later = self.trace.records[number + 1..].iter().position(|record| record.run == *run)?;
                self.cause(number + 1 + later).filter(|cause| *cause < number)
            }
            Event::PollBegins { task: id } => in_run(&|event| match event {
                Event::Spawned { task, .. } | Event::Woken { task, .. } | Event::Cancelled { task, .. } => *task == id,
                _ => false,
            }),
            // The rest happens in a poll, of its task or of whoever runs.
            event => {
                let runs = event.task().or_else(|| self.running_before(number));
                runs.and_then(poll_of)
            }
        }
    }

    /// The task that this event is about, with its run: its own; that which set the timer, or left the waker that a source
    /// calls.
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

    /// The task that was being polled in the run of this event when it happened.
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

/// Whether what a `PollBegins` begins polls nothing, and only drops the future of a task that was cancelled. That shows
/// in how it ends: a poll ends in something else, also that of a task that is shielded. Unknown if the recording ends
/// before.
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
