//! What is known of a program that is watched: the state after the last event, and totals.
//!
//! While the program runs, what is over is forgotten, events as soon as they are applied: what is kept does not grow with
//! time. Of a recording the tasks that are over are kept, as those are what one wants to see.

use crate::step::clean_last;
use crate::step::model::{Runs, State, Task};
use executor::trace::{Event, How, Record, Trace, TraceError};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// Rates are of so long.
const WINDOW: Duration = Duration::from_secs(2);

/// What is known of a program.
#[derive(Clone)]
pub struct Watched {
    trace: Trace,
    lines: usize,
    runs: Runs,
    totals: Totals,
    /// The runtimes of which there were events.
    runtimes: BTreeSet<u32>,
    /// What the sources are, by runtime and number.
    names: BTreeMap<(u32, u64), String>,
    /// Where the poll that is under way in each runtime has left its waker.
    asked: BTreeMap<u32, Vec<u64>>,
    status: Status,
    /// When the program last said how late it is; none if its time stands still here.
    heard: Option<Instant>,
    samples: VecDeque<(Duration, Totals)>,
    start: Instant,
}

/// Whether there is more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The program runs.
    Running,
    /// The program has ended.
    Ended,
    /// It is a recording.
    Recorded,
}

/// What has been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All events.
    pub events: u64,
    /// Polls of all tasks.
    pub polls: u64,
    /// Tasks that are over.
    pub over: u64,
    /// How long the threads waited on their reactors, in nanoseconds.
    pub parked: u64,
    /// How late it is, in nanoseconds since the recording began.
    pub now: u64,
}

/// What happened in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Events.
    pub events: f64,
    /// Polls.
    pub polls: f64,
    /// The part of the time in which the threads did not wait.
    pub busy: f64,
}

impl Watched {
    fn new(trace: Trace, status: Status) -> Watched {
        let (lines, runs, totals, runtimes, names, asked, samples) = Default::default();
        let start = Instant::now();
        Watched { trace, lines, runs, totals, runtimes, names, asked, status, heard: Some(start), samples, start }
    }

    /// A program that runs, of which nothing is known yet.
    pub fn live() -> Watched {
        Watched::new(Trace::default(), Status::Running)
    }

    /// A recording, as it was so long after its beginning, or at its end.
    pub fn replay(mut trace: Trace, at: Option<Duration>) -> Watched {
        let records = std::mem::take(&mut trace.records);
        let last = records.iter().map(|record| record.at).max().unwrap_or(0);
        let until = at.map_or(last, |at| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
        let mut watched = Watched::new(trace, Status::Recorded);
        records.iter().filter(|record| record.at <= until).for_each(|record| watched.apply(record));
        watched.totals.now = until.min(last);
        watched
    }

    /// A line of the recording has come. Whether that was all for now.
    ///
    /// # Errors
    /// When it is none of a recording.
    pub fn add_line(&mut self, text: &str) -> Result<bool, TraceError> {
        self.lines += 1;
        let missed = self.trace.head.dropped;
        self.trace.add_line(text, self.lines)?;
        clean_last(&mut self.trace);
        if self.trace.head.dropped > missed {
            // What is left is said again.
            (self.runs, self.names) = Default::default();
        }
        for record in std::mem::take(&mut self.trace.records) {
            self.apply(&record);
        }
        let Some(now) = self.trace.now.take() else { return Ok(false) };
        self.totals.now = now;
        self.heard = Some(Instant::now());
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
        self.totals.over += 1;
        let Some(state) = self.runs.get_mut(run) else { return };
        // It was only dropped: see `only_drops`.
        let was_polled = !(how == How::Cancelled && state.running.contains(&task));
        self.totals.polls = self.totals.polls.saturating_sub(u64::from(!was_polled));
        if self.status != Status::Recorded {
            state.tasks.remove(&task);
        }
    }

    /// A task that has left wakers at sources says what these are, in the same order.
    fn name_sources(&mut self, record: &Record, task: u64, asked: &[u64]) {
        let Some(task) = self.runs.get(record.run).and_then(|state| state.tasks.get(&task)) else { return };
        let sockets = task.waits.iter().filter_map(|wait| {
            let name = wait.leaf.strip_prefix("readable on ").or_else(|| wait.leaf.strip_prefix("writable on "));
            // A recording may say that there are any number of them.
            name.map(|name| std::iter::repeat_n(name, (wait.times as usize).min(asked.len() + 1)))
        });
        let sockets: Vec<_> = sockets.flatten().take(asked.len() + 1).collect();
        if sockets.len() == asked.len() {
            let named = asked.iter().map(|source| (record.runtime, *source));
            self.names.extend(named.zip(sockets.into_iter().map(str::to_owned)));
        }
    }

    /// About the recording, the places and the chains.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Where everything stands in the run of the last event.
    pub fn state(&self) -> &State {
        self.runs.present()
    }

    /// The same for each run.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// What a source of a runtime is, if a task has waited there.
    pub fn source_name(&self, runtime: u32, source: u64) -> Option<&str> {
        self.names.get(&(runtime, source)).map(String::as_str)
    }

    /// How many tasks are not over.
    pub fn alive(&self) -> usize {
        self.runs.all().flat_map(|state| state.tasks.values()).filter(|task| !task.phase.is_over()).count()
    }

    /// Whether there is more to come.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The program has ended: nothing more will come, and its time stands still.
    pub fn end(&mut self) {
        self.totals.now = self.now();
        self.status = Status::Ended;
    }

    /// How late it is: a program that says nothing does nothing, and that takes time too.
    pub fn now(&self) -> u64 {
        let goes_on = self.status == Status::Running && !self.trace.head.simulated;
        let heard = self.heard.filter(|_| goes_on);
        self.totals.now.saturating_add(heard.map_or(0, |heard| heard.elapsed().as_nanos() as u64))
    }

    /// What is known now, for as long as one likes to look at it.
    pub fn frozen(&self) -> Watched {
        let mut frozen = self.clone();
        (frozen.totals.now, frozen.heard) = (self.now(), None);
        frozen
    }

    /// The totals, with the time up to now.
    pub fn totals(&self) -> Totals {
        let now = self.now();
        let parked = self.runs.all().filter_map(|state| state.parked).map(|(since, _)| now.saturating_sub(since));
        let parked = parked.fold(self.totals.parked, u64::saturating_add);
        Totals { now, parked, ..self.totals }
    }

    /// A task's times with that up to now: busy, scheduled, idle.
    pub fn times(&self, task: &Task) -> [u64; 3] {
        let mut task = task.clone();
        task.enter(task.phase, self.now());
        [task.busy, task.scheduled, task.idle]
    }

    /// Notes the totals, for the rates; call it some times a second.
    pub fn sample(&mut self) {
        let now = self.start.elapsed();
        self.samples.push_back((now, self.totals()));
        while self.samples.front().is_some_and(|(at, _)| *at + WINDOW < now) && self.samples.len() > 2 {
            self.samples.pop_front();
        }
    }

    /// What happens in a second: of late, while it runs; then, all along.
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
