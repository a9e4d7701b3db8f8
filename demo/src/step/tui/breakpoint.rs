//! Breakpoints, at which playing stops: a task, a line or a kind of event.

use executor::trace::{Event, Record, Trace};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A breakpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breakpoint {
    /// Any event of this task; of one run, or of each.
    Task(u64, Option<u32>),
    /// Any event at this line: a spawn, a timer that is set, an await, a wake.
    Line { file: String, line: u32 },
    /// Any event of this kind.
    Kind(String),
}

impl Breakpoint {
    /// Whether it matches this event.
    pub fn is_at(&self, trace: &Trace, number: usize) -> bool {
        let Record { run, event, .. } = &trace.records[number];
        match self {
            Breakpoint::Task(id, of) => event.task() == Some(*id) && of.is_none_or(|of| of == *run),
            Breakpoint::Line { file, line } => {
                lines(trace, event).iter().any(|(f, l)| l == line && Path::new(f).ends_with(file))
            }
            Breakpoint::Kind(kind) => kind_of(event) == *kind,
        }
    }
}

/// The name of an event's kind in a recording.
fn kind_of(event: &Event) -> String {
    let value = serde_json::to_value(event).unwrap_or_default();
    value["event"].as_str().unwrap_or_default().to_owned()
}

/// The lines that an event names; for a chain, only the innermost.
pub fn lines<'a>(trace: &'a Trace, event: &Event) -> Vec<(&'a str, u32)> {
    let place = |place: u32| trace.places.get(place as usize).map(|place| (&*place.file, place.line));
    let innermost = |chain: u32| {
        let frames = trace.chains.get(chain as usize)?;
        frames.iter().rfind(|frame| frame.line > 0).map(|frame| (&*frame.file, frame.line))
    };
    match event {
        Event::Spawned { place: at, .. } | Event::TimerSet { place: at, .. } => place(*at).into_iter().collect(),
        Event::Cancelled { place: Some(at), .. } => place(*at).into_iter().collect(),
        Event::Woken { chain: Some(chain), .. } | Event::WakerDropped { chain: Some(chain), .. } => {
            innermost(*chain).into_iter().collect()
        }
        Event::Waits { waits, .. } => waits.iter().filter_map(|wait| innermost(wait.chain)).collect(),
        _ => Vec::new(),
    }
}

impl FromStr for Breakpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Breakpoint, String> {
        let text = text.trim();
        if let Some(task) = text.strip_prefix("task ") {
            let (id, run) = match task.split_once(" of run ") {
                Some((id, run)) => (id, Some(run.trim().parse())),
                None => (task, None),
            };
            if let (Ok(id), Ok(run)) = (id.trim().parse(), run.transpose()) {
                return Ok(Breakpoint::Task(id, run));
            }
        }
        if let Some((file, line)) = text.rsplit_once(':')
            && let Ok(line) = line.parse()
        {
            return Ok(Breakpoint::Line { file: file.to_owned(), line });
        }
        let kind = text.to_lowercase().replace(' ', "_");
        match KINDS.contains(&&*kind) {
            true => Ok(Breakpoint::Kind(kind)),
            false => {
                Err("write `task 3`, `main.rs:7`, or a kind: woken, poll_begins, spawned, finished, timer_fired …"
                    .into())
            }
        }
    }
}

impl fmt::Display for Breakpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breakpoint::Task(id, None) => write!(f, "task {id}"),
            Breakpoint::Task(id, Some(run)) => write!(f, "task {id} of run {run}"),
            Breakpoint::Line { file, line } => write!(f, "{file}:{line}"),
            Breakpoint::Kind(kind) => f.write_str(kind),
        }
    }
}

/// The kinds of events, as a recording names them.
const KINDS: [&str; 32] = [
    "run_begins",
    "run_ends",
    "spawned",
    "handed_over",
    "woken",
    "cancelled",
    "asked",
    "lost_wake",
    "waker_dropped",
    "poll_begins",
    "waits",
    "poll_ends",
    "stranded",
    "panicked",
    "finished",
    "output_dropped",
    "freed",
    "slow_poll",
    "blocking_queued",
    "blocking_begins",
    "blocking_ends",
    "source_added",
    "source_removed",
    "source_waits",
    "source_left",
    "source_ready",
    "timer_set",
    "timer_cancelled",
    "timer_fired",
    "wait_begins",
    "wait_ends",
    "notified",
];
