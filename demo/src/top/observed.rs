//! The state of an observed program after its last event, and totals.
//!
//! While a program runs, completed tasks are forgotten, and events are dropped once they are applied, so memory does
//! not grow with time. In a recording, completed tasks are kept.

use crate::step::clean_last;
use crate::step::model::{Runs, State, Task};
use executor::trace::{Event, How, Record, Trace, TraceError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// The time over which rates are measured.
const WINDOW: Duration = Duration::from_secs(2);

/// The state of an observed program.
#[derive(Clone)]
pub struct Observed {
    trace: Trace,
    lines: usize,
    runs: Runs,
    totals: Totals,
    /// The runtimes that had events.
    runtimes: BTreeSet<u32>,
    /// The names of the sources, by runtime and number.
    names: BTreeMap<(u32, u64), String>,
    /// The sources at which the current poll of each runtime left its waker.
    asked: BTreeMap<u32, Vec<u64>>,
    status: Status,
    /// When the program last reported its time; `None` if time stands still.
    reported: Option<Instant>,
    samples: VecDeque<(Duration, Totals)>,
    start: Instant,
}

/// Whether more events may arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The program runs.
    Running,
    /// The program has ended.
    Ended,
    /// It is a recording.
    Recorded,
}

/// Totals since the recording began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All events.
    pub events: u64,
    /// Polls of all tasks.
    pub polls: u64,
    /// Completed tasks.
    pub completed: u64,
    /// The time that the threads were parked, in nanoseconds.
    pub parked: u64,
    /// The time, in nanoseconds since the recording began.
    pub now: u64,
}

/// Rates. Those of events and polls are per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Events.
    pub events: f64,
    /// Polls.
    pub polls: f64,
    /// The fraction of time in which the threads were not parked.
    pub busy: f64,
}

impl Observed {
    fn new(trace: Trace, status: Status) -> Observed {
        let (lines, runs, totals, runtimes, names, asked, samples) = Default::default();
        let start = Instant::now();
        Observed { trace, lines, runs, totals, runtimes, names, asked, status, reported: Some(start), samples, start }
    }

    /// A running program, before its first event.
    pub fn live() -> Observed {
        Observed::new(Trace::default(), Status::Running)
    }

    /// A recording, at a time after its start or at its end.
    pub fn replay(mut trace: Trace, at: Option<Duration>) -> Observed {
        let records = std::mem::take(&mut trace.records);
        let last = records.iter().map(|record| record.at).max().unwrap_or(0);
        let until = at.map_or(last, |at| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
        let mut observed = Observed::new(trace, Status::Recorded);
        records.iter().filter(|record| record.at <= until).for_each(|record| observed.apply(record));
        observed.totals.now = until.min(last);
        observed
    }

    /// Applies a line of the recording. Returns whether it completes the current state.
    ///
    /// # Errors
    /// Fails if it is not a line of a recording.
    pub fn add_line(&mut self, text: &str) -> Result<bool, TraceError> {
        self.lines += 1;
        let missed = self.trace.head.dropped;
        self.trace.add_line(text, self.lines)?;
        clean_last(&mut self.trace);
        if self.trace.head.dropped > missed {
            // The program sends its current state again.
            (self.runs, self.names) = Default::default();
        }
        for record in std::mem::take(&mut self.trace.records) {
            self.apply(&record);
        }
        let Some(now) = self.trace.now.take() else { return Ok(false) };
        self.totals.now = now;
        self.reported = Some(Instant::now());
        Ok(true)
    }

    fn apply(&mut self, record: &Record) {
        let run = record.run;
        if let (Event::WaitEnds { .. }, Some((since, _))) =
            (&record.event, self.runs.get(run).and_then(|run| run.parked))
        {
            self.totals.parked = self.totals.parked.saturating_add(record.at.saturating_sub(since));
        }
        self.runs.apply(self.totals.events as usize, record);
        self.runtimes.insert(record.runtime);
        self.totals.events += 1;
        self.totals.now = self.totals.now.max(record.at);
        let asked = self.asked.entry(record.runtime).or_default();
        match &record.event {
            Event::RunBegins if self.status != Status::Recorded => self.runs.forget_earlier(record),
            Event::PollBegins { .. } => {
                self.totals.polls += 1;
                asked.clear();
            }
            Event::SourceWaits { source, .. } => asked.push(*source),
            Event::Waits { task, .. } => {
                let asked = std::mem::take(asked);
                self.name_sources(record, *task, &asked);
            }
            Event::SourceRemoved { source } => drop(self.names.remove(&(record.runtime, *source))),
            Event::Finished { task, how, .. } => self.finish(run, *task, *how),
            _ => {}
        }
    }

    fn finish(&mut self, run: u32, task: u64, how: How) {
        self.totals.completed += 1;
        let Some(state) = self.runs.get_mut(run) else { return };
        // What looked like a poll only dropped the future: see `only_drops`.
        let was_polled = !(how == How::Cancelled && state.running.contains(&task));
        self.totals.polls = self.totals.polls.saturating_sub(u64::from(!was_polled));
        if self.status != Status::Recorded {
            state.tasks.remove(&task);
        }
    }

    /// Names the sources at which a task left wakers: its leaves report them in the same order.
    fn name_sources(&mut self, record: &Record, task: u64, asked: &[u64]) {
        let Some(task) = self.runs.get(record.run).and_then(|state| state.tasks.get(&task)) else { return };
        let sockets = task.waits.iter().filter_map(|wait| {
            let name = wait.leaf.strip_prefix("readable on ").or_else(|| wait.leaf.strip_prefix("writable on "));
            // A malformed recording may claim any number of times.
            name.map(|name| std::iter::repeat_n(name, (wait.times as usize).min(asked.len() + 1)))
        });
        let sockets: Vec<_> = sockets.flatten().take(asked.len() + 1).collect();
        if sockets.len() == asked.len() {
            let named = asked.iter().map(|source| (record.runtime, *source));
            self.names.extend(named.zip(sockets.into_iter().map(str::to_owned)));
        }
    }

    /// The head of the recording, its locations and its await chains.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The state of the run of the last event.
    pub fn state(&self) -> &State {
        self.runs.current()
    }

    /// The states of all runs.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// The name of a source, if a task has waited for it.
    pub fn source_name(&self, runtime: u32, source: u64) -> Option<&str> {
        self.names.get(&(runtime, source)).map(String::as_str)
    }

    /// The number of tasks that have not completed.
    pub fn alive(&self) -> usize {
        self.runs.all().flat_map(|state| state.tasks.values()).filter(|task| !task.phase.is_completed()).count()
    }

    /// Whether more events may arrive.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Marks the program as ended. Its time stands still from now on.
    pub fn end(&mut self) {
        self.totals.now = self.now();
        self.status = Status::Ended;
    }

    /// The current time: it also passes while the program reports no events.
    pub fn now(&self) -> u64 {
        let goes_on = self.status == Status::Running && !self.trace.head.simulated;
        let reported = self.reported.filter(|_| goes_on);
        self.totals.now.saturating_add(reported.map_or(0, |at| at.elapsed().as_nanos() as u64))
    }

    /// A copy of the state, in which time stands still.
    pub fn frozen(&self) -> Observed {
        let mut frozen = self.clone();
        (frozen.totals.now, frozen.reported) = (self.now(), None);
        frozen
    }

    /// The totals up to now.
    pub fn totals(&self) -> Totals {
        let now = self.now();
        let parked = self.runs.all().filter_map(|state| state.parked).map(|(since, _)| now.saturating_sub(since));
        let parked = parked.fold(self.totals.parked, u64::saturating_add);
        Totals { now, parked, ..self.totals }
    }

    /// How long a task has been running, queued and suspended up to now.
    pub fn times(&self, task: &Task) -> [u64; 3] {
        let mut task = task.clone();
        task.enter(task.phase, self.now());
        [task.running, task.queued, task.suspended]
    }

    /// Samples the totals for the rates. Call it several times a second.
    pub fn sample(&mut self) {
        let now = self.start.elapsed();
        self.samples.push_back((now, self.totals()));
        while self.samples.front().is_some_and(|(at, _)| *at + WINDOW < now) && self.samples.len() > 2 {
            self.samples.pop_front();
        }
    }

    /// The rates: over the last seconds of a running program, otherwise over the whole time.
    pub fn rates(&self) -> Rates {
        let now = self.totals();
        let before = self
            .samples
            .front()
            .filter(|_| self.status == Status::Running)
            .map(|(_, totals)| *totals)
            .unwrap_or_default();
        let time = now.now.saturating_sub(before.now);
        if time == 0 {
            return Rates::default();
        }
        let seconds = time as f64 / 1e9;
        let of = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let threads = self.runtimes.len().max(1) as f64;
        let busy = 1.0 - of(now.parked, before.parked) / 1e9 / threads;
        Rates { events: of(now.events, before.events), polls: of(now.polls, before.polls), busy: busy.clamp(0.0, 1.0) }
    }
}
