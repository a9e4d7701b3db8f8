//! Events as sentences. Used by the stepper, the lints and `top`.

use super::model::{ROOT, has_several_runs, is_root, only_drops, title};
use executor::trace::{By, Direction, End, Event, Frame, How, Record, SourcePlace, Trace, Waiting};
use std::collections::HashMap;
use std::time::Duration;

/// Writes events as sentences, with the names of tasks.
pub struct Words {
    /// The run of each event.
    runs: Vec<u32>,
    /// The names of tasks, by run and number.
    names: HashMap<(u32, u64), String>,
    /// There is more than one run, so each sentence names its run.
    names_runs: bool,
}

impl Words {
    /// Collects the names of a recording.
    pub fn new(trace: &Trace) -> Words {
        let runs = trace.records.iter().map(|record| record.run).collect();
        let named = trace.records.iter().filter_map(|record| match &record.event {
            Event::Spawned { task, by, name, .. } => {
                let name = name.as_deref().or(is_root(*task, *by).then_some(ROOT))?;
                Some(((record.run, *task), name.to_owned()))
            }
            _ => None,
        });
        Words { runs, names: named.collect(), names_runs: has_several_runs(trace) }
    }

    /// The title of a task of the run of this event.
    pub fn task(&self, number: usize, id: u64) -> String {
        self.task_of(self.runs.get(number).copied().unwrap_or_default(), id)
    }

    /// The title of a task of a run.
    pub fn task_of(&self, run: u32, id: u64) -> String {
        title(id, self.names.get(&(run, id)).map(String::as_str))
    }

    /// `run 2: ` for this event, if there are several runs.
    pub fn run(&self, number: usize) -> String {
        self.runs.get(number).map(|run| self.name_of(*run)).unwrap_or_default()
    }

    /// As [`run`](Words::run), for a run.
    pub fn name_of(&self, run: u32) -> String {
        if self.names_runs { format!("run {run}: ") } else { String::new() }
    }

    fn by(&self, number: usize, by: &By) -> String {
        match by {
            By::Task(id) => self.task(number, *id),
            other => other.to_string(),
        }
    }

    /// The sentence for this event.
    pub fn sentence(&self, trace: &Trace, number: usize) -> String {
        self.run(number) + &shortened(&self.whole_sentence(trace, number))
    }

    fn whole_sentence(&self, trace: &Trace, number: usize) -> String {
        let event = &trace.records[number].event;
        let Some(id) = event.task() else { return self.of_reactor(trace, &trace.records[number]) };
        let task = self.task(number, id);
        let place = |place: u32| place_of(trace, place);
        match event {
            Event::Spawned { by, place: at, .. } => match by {
                Some(by) => format!("{} spawns {task} at {}", self.task(number, *by), place(*at)),
                None => format!("{task} is spawned at {}", place(*at)),
            },
            Event::HandedOver { kind, place: at, .. } => {
                format!("{task} is handed what it waits for by the {kind} created at {}", place(*at))
            }
            Event::Woken { by: By::Task(by), .. } if *by == id => format!("{task} wakes itself"),
            Event::Woken { by, .. } => {
                let before = earlier(trace, number).next();
                let has_ended = |by: &u64| matches!(before, Some(Event::Finished { task, .. }) if task == by);
                let end = matches!(by, By::Task(by) if has_ended(by));
                format!("{}{} wakes {task}", if end { "the end of " } else { "" }, self.by(number, by))
            }
            Event::Cancelled { by, place: at, reason, .. } => {
                let at = at.map(|at| format!(" at {}", place(at))).unwrap_or_default();
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                format!("{} cancels {task}{at}{reason}", self.by(number, by))
            }
            Event::WakerDropped { by, .. } => {
                format!("the last waker of {task} is dropped by {}, without a wake", self.by(number, by))
            }
            Event::Waits { waits, .. } => match &**waits {
                [] => format!("{task} waits for something that it does not report"),
                [wait] => format!("{task} waits for: {}", waits_for(wait)),
                [first, ..] => {
                    let times: u64 = waits.iter().map(|wait| u64::from(wait.times)).sum();
                    format!("{task} waits for {times} things: {}, …", waits_for(first))
                }
            },
            Event::PollBegins { .. } => format!("{task} {}", poll_begins(trace, number)),
            Event::PollEnds { end: End::Finished, .. } if has_dropped(trace, number) => {
                format!("{task} has dropped its future")
            }
            event => format!("{task} {}", of_task(event)),
        }
    }

    fn of_reactor(&self, trace: &Trace, record: &Record) -> String {
        match &record.event {
            Event::RunBegins => "block_on begins".into(),
            Event::RunEnds => "block_on ends; all its tasks have completed".into(),
            Event::SourceAdded { source, fd: -1 } => format!("source {source} is registered (a simulated socket)"),
            Event::SourceAdded { source, fd } => format!("source {source} is registered (file descriptor {fd})"),
            Event::SourceRemoved { source } => format!("source {source} is deregistered"),
            Event::SourceWaits { source, direction, .. } => {
                format!("a waiter is added to source {source}, with interest in {}", interest(*direction))
            }
            Event::SourceLeft { source, direction } => {
                format!("a waiter is removed from source {source}, with interest in {}", interest(*direction))
            }
            Event::SourceReady { source, readiness, woken, .. } => {
                let words: Vec<_> = readiness.iter_names().map(|(name, _)| name.to_lowercase()).collect();
                let words = words.join(", ").replace('_', " ");
                format!("source {source} is ready ({words}), {}", count(*woken, "waiter"))
            }
            Event::TimerSet { timer, deadline, place, .. } => {
                let left = time(deadline.saturating_sub(record.at));
                format!("timer {timer}, due in {left}, is set at {}", place_of(trace, *place))
            }
            Event::TimerCancelled { timer } => format!("timer {timer} is cancelled"),
            Event::TimerFired { timer } => format!("timer {timer} fires"),
            Event::WaitBegins { timeout: None } => "the thread parks on the reactor, without a time limit".into(),
            Event::WaitBegins { timeout: Some(0) } => "the thread polls the reactor".into(),
            Event::WaitBegins { timeout: Some(timeout) } => {
                format!("the thread parks on the reactor, for {} at most", time(*timeout))
            }
            Event::WaitEnds { sources, timers } => {
                format!("the reactor reports {} and {}", count(*sources, "source"), count(*timers, "timer"))
            }
            Event::Notified => "the reactor is notified".into(),
            _ => unreachable!("an event of a task"),
        }
    }
}

/// The earlier events of the same run, the latest first.
pub fn earlier(trace: &Trace, number: usize) -> impl Iterator<Item = &Event> {
    let run = trace.records[number].run;
    let records = trace.records[..number].iter().rev();
    records.filter(move |record| record.run == run).map(|record| &record.event)
}

/// A cancelled task is run once more, to drop its future. It is polled only if it is shielded.
fn poll_begins(trace: &Trace, number: usize) -> &'static str {
    match only_drops(trace, number) {
        Some(true) => "is run once more, to drop its future: it was cancelled",
        None if is_cancelled(trace, number) => {
            "is run: it was cancelled, so its future is dropped unless it is shielded"
        }
        _ => "is polled",
    }
}

/// Whether the task of this event was cancelled before.
fn is_cancelled(trace: &Trace, number: usize) -> bool {
    let id = trace.records[number].event.task();
    let last = earlier(trace, number).find(|event| match event {
        Event::Cancelled { .. } | Event::Spawned { .. } => event.task() == id,
        event => **event == Event::RunBegins,
    });
    matches!(last, Some(Event::Cancelled { .. }))
}

/// Whether the run that ends here only dropped the task's future.
fn has_dropped(trace: &Trace, number: usize) -> bool {
    let id = trace.records[number].event.task();
    let of_task = earlier(trace, number)
        .find(|event| matches!(event, Event::Finished { .. } | Event::PollBegins { .. }) && event.task() == id);
    matches!(of_task, Some(Event::Finished { how: How::Cancelled, .. }))
}

/// What a task does, or what happens to it: the predicate of the sentence.
fn of_task(event: &Event) -> String {
    match event {
        Event::PollEnds { end: End::Pending, .. } => "returns pending and is suspended".into(),
        Event::PollEnds { end: End::PendingWoken, .. } => {
            "returns pending and is queued again: it was woken during the poll".into()
        }
        Event::PollEnds { end: End::Finished, .. } => "ends its last poll".into(),
        Event::Asked { .. } => "is polled without a wake, to learn its await chain".into(),
        Event::LostWake { .. } => "makes progress without a wake: its wake was lost".into(),
        Event::Stranded { lost: true, .. } => {
            "is suspended, and its last waker was dropped: nothing can wake it".into()
        }
        Event::Stranded { lost: false, .. } => "is suspended, and left no waker: nothing can wake it".into(),
        Event::Panicked { message, .. } => match message {
            Some(message) => format!("panics: {message}"),
            None => "panics".into(),
        },
        Event::Finished { how: How::Ready, .. } => "completes: it returned, and its future is dropped".into(),
        Event::Finished { how: How::Cancelled, .. } => "completes: it was cancelled, and its future is dropped".into(),
        Event::Finished { how: How::Panicked, .. } => "completes: it panicked, and its future is dropped".into(),
        Event::OutputDropped { how: How::Panicked, .. } => "has an unobserved panic: its handle was dropped".into(),
        Event::OutputDropped { .. } => "has an output that was never joined: its handle was dropped".into(),
        Event::Freed { .. } => "is freed: its last waker and handle are gone".into(),
        Event::SlowPoll { took, .. } => format!("held the thread for {}", time(*took)),
        Event::BlockingQueued { .. } => "is a blocking call, queued for a thread of the pool".into(),
        Event::BlockingBegins { .. } => "starts on a thread of the pool".into(),
        Event::BlockingEnds { .. } => "returns from its blocking call".into(),
        _ => unreachable!("handled by `whole_sentence`"),
    }
}

/// What a leaf waits for, and how often the same leaf was reported.
pub fn waits_for(wait: &Waiting) -> String {
    match wait.times {
        1 => wait.leaf.to_string(),
        times => format!("{} ({times} times)", wait.leaf),
    }
}

/// `src/main.rs:7`.
pub fn place_of(trace: &Trace, place: u32) -> String {
    let place: Option<&SourcePlace> = trace.places.get(place as usize);
    place.map_or_else(|| "an unknown location".to_owned(), |place| format!("{}:{}", place.file, place.line))
}

/// The text with file names in place of paths: `main.rs:7` for `src/main.rs:7`.
pub fn shortened(text: &str) -> String {
    let word = |word: &str| match word.rsplit_once('/') {
        Some((_, file)) if file.contains(".rs:") => {
            let before: String = word.chars().take_while(|char| matches!(char, '(' | '"')).collect();
            format!("{before}{file}")
        }
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// `function at src/main.rs:7`.
pub fn frame(frame: &Frame) -> String {
    match frame.line {
        0 => frame.function.to_string(),
        line => format!("{} at {}:{line}", frame.function, frame.file),
    }
}

/// The short form: `module::function at main.rs:7`.
pub fn short_frame(frame: &Frame) -> String {
    let mut parts = frame.function.rsplitn(3, "::");
    let (name, module) = (parts.next().unwrap_or_default(), parts.next());
    let function = module.map_or(name.to_owned(), |module| format!("{module}::{name}"));
    match frame.line {
        0 => function,
        line => shortened(&format!("{function} at {}:{line}", frame.file)),
    }
}

/// The interest of a waiter, as a verb: `read` or `write`.
pub fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Read => "read",
        Direction::Write => "write",
    }
}

/// The interest of a waiter, as a noun: `reading` or `writing`.
fn interest(direction: Direction) -> &'static str {
    match direction {
        Direction::Read => "reading",
        Direction::Write => "writing",
    }
}

/// `1 timer`, `2 timers`.
pub fn count(number: usize, of: &str) -> String {
    format!("{number} {of}{}", if number == 1 { "" } else { "s" })
}

/// A time with about three digits: `1.25ms`.
pub fn time(nanoseconds: u64) -> String {
    let time = Duration::from_nanos(nanoseconds);
    match nanoseconds {
        0 => "0".into(),
        1..1_000 => format!("{time:?}"),
        1_000..1_000_000 => format!("{time:.1?}"),
        1_000_000..1_000_000_000 => format!("{time:.2?}"),
        _ => format!("{time:.3?}"),
    }
}
