//! Reads and writes recordings. `mod.rs` describes the format.

use super::{Event, Frame, Record, SourcePlace, VERSION};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// A recording in memory.
///
/// ```
/// use executor::{Runtime, trace::{Event, Recorder, Trace}};
/// use std::sync::Arc;
///
/// let recorder = Arc::new(Recorder::new());
/// let runtime = Runtime::builder().observer(recorder.clone()).build()?;
/// runtime.block_on(executor::yield_now());
///
/// let mut file = Vec::new();
/// recorder.trace().write(&mut file)?;
/// let trace = Trace::read(&*file).unwrap();
/// let polls = trace.records.iter().filter(|record| matches!(record.event, Event::PollBegins { .. }));
/// assert_eq!(polls.count(), 2);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// About the recording as a whole.
    pub head: Head,
    /// The places that events refer to.
    pub places: Vec<SourcePlace>,
    /// The chains that events refer to.
    pub chains: Vec<Vec<Frame>>,
    /// What happened, in order.
    pub records: Vec<Record>,
    /// The time at which a console had sent all events so far, in nanoseconds since the recording began.
    pub now: Option<u64>,
}

/// The maximum length of a line of a recording, in bytes, with its line end.
const LINE: u64 = 16 << 20;

/// The previous version of the format, which does not number runs.
const WITHOUT_RUNS: u32 = 1;

/// About a recording as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of the format.
    pub executor_trace: u32,
    /// The name of the program.
    pub program: String,
    /// The program's working directory; the paths of most source files are relative to it. Empty if it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub directory: String,
    /// Whether the clock was simulated.
    pub simulated: bool,
    /// How many of the oldest events are missing.
    pub dropped: u64,
    /// The run of the last event that was read from a file of version 1, which does not number runs.
    #[serde(skip)]
    pub(super) run: Option<u32>,
}

/// An error in reading a recording.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Reading failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The input is empty.
    #[error(
        "the recording is empty: the program has built a runtime but not run it, or has just begun, or was killed \
         within its first 50 ms; let block_on return"
    )]
    Empty,
    /// A line is not a line of a recording.
    #[error("line {line} is not a line of a recording ({source}): record one with EXECUTOR_TRACE=run.jsonl")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A line is too long.
    #[error("line {line} has more than {LINE} bytes: that is not a recording")]
    Long {
        /// Its number, from 1.
        line: usize,
    },
    /// The console refused to send a recording, for this reason.
    #[error("the console refused the connection: {0}")]
    Refused(String),
    /// An event refers to a place or chain that the recording does not contain.
    #[error("line {line} refers to a place or chain that no line before it describes: is the file complete?")]
    Unknown {
        /// Its number, from 1.
        line: usize,
    },
    /// The format has an unknown version.
    #[error(
        "the recording has version {0}, and this program reads versions {WITHOUT_RUNS} and {VERSION}: record it again"
    )]
    Version(u32),
}

#[derive(Serialize, Deserialize)]
struct PlaceLine {
    place: u32,
    #[serde(flatten)]
    at: SourcePlace,
}

#[derive(Serialize, Deserialize)]
struct ChainLine {
    chain: u32,
    frames: Vec<Frame>,
}

/// Events are missing between the lines before and after this one.
#[derive(Serialize, Deserialize)]
struct MissedLine {
    missed: u64,
}

/// A console refuses a client, for this reason.
#[derive(Serialize, Deserialize)]
struct RefusedLine {
    refused: String,
}

/// A console has sent all events up to this time.
#[derive(Serialize, Deserialize)]
struct NowLine {
    now: u64,
}

impl Trace {
    /// Reads a file.
    ///
    /// # Errors
    /// If the file cannot be read or is not a recording.
    pub fn open(path: impl AsRef<Path>) -> Result<Trace, TraceError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| TraceError::Io { path: path.into(), source })?;
        Trace::read(BufReader::with_capacity(1 << 20, file)).map_err(|error| match error {
            TraceError::Io { source, .. } => TraceError::Io { path: path.into(), source },
            other => other,
        })
    }

    /// Reads a recording to its end. If the last line is cut short, it is ignored.
    ///
    /// # Errors
    /// As [`open`](Trace::open).
    pub fn read(mut from: impl BufRead) -> Result<Trace, TraceError> {
        let (mut trace, mut text, mut number) = (Trace::default(), String::new(), 0);
        loop {
            text.clear();
            let read = from.by_ref().take(LINE).read_line(&mut text);
            if read.map_err(|source| TraceError::Io { path: PathBuf::new(), source })? == 0 {
                return if number == 0 { Err(TraceError::Empty) } else { Ok(trace) };
            }
            number += 1;
            if text.len() as u64 == LINE && !text.ends_with('\n') {
                return Err(TraceError::Long { line: number });
            }
            match trace.add_line(text.trim_end(), number) {
                // The file was cut short within this line; all lines before it are complete.
                Err(TraceError::Line { .. }) if number > 1 && !text.ends_with('\n') => return Ok(trace),
                added => added?,
            }
        }
    }

    /// Adds a line to the recording; the first line has the number 1. Its content is appended to one of the lists, or
    /// sets [`head`](Trace::head) or [`now`](Trace::now), or adds to the number of missing events.
    ///
    /// # Errors
    /// If it is not a line of a recording.
    pub fn add_line(&mut self, text: &str, line: usize) -> Result<(), TraceError> {
        let is_known = match text {
            _ if line == 1 && text.starts_with("{\"refused\"") => {
                return Err(TraceError::Refused(parse::<RefusedLine>(text, line)?.refused));
            }
            _ if line == 1 => {
                self.head = parse(text, line)?;
                self.head.run = (self.head.executor_trace == WITHOUT_RUNS).then_some(0);
                return match self.head.executor_trace {
                    VERSION | WITHOUT_RUNS => Ok(()),
                    other => Err(TraceError::Version(other)),
                };
            }
            _ if text.starts_with("{\"place\"") => {
                let PlaceLine { place, at } = parse(text, line)?;
                self.places.push(at);
                place as usize + 1 == self.places.len()
            }
            _ if text.starts_with("{\"chain\"") => {
                let ChainLine { chain, frames } = parse(text, line)?;
                self.chains.push(frames);
                chain as usize + 1 == self.chains.len()
            }
            _ if text.starts_with("{\"missed\"") => {
                self.head.dropped = self.head.dropped.saturating_add(parse::<MissedLine>(text, line)?.missed);
                true
            }
            _ if text.starts_with("{\"now\"") => {
                self.now = Some(parse::<NowLine>(text, line)?.now);
                true
            }
            _ => {
                let mut record: Record = parse(text, line)?;
                if let Some(run) = &mut self.head.run {
                    *run = run.saturating_add(u32::from(record.event == Event::RunBegins));
                    record.run = *run;
                }
                let has_all = self.has_all_of(&record);
                self.records.push(record);
                has_all
            }
        };
        if is_known { Ok(()) } else { Err(TraceError::Unknown { line }) }
    }

    fn has_all_of(&self, record: &Record) -> bool {
        use super::Event::{Cancelled, HandedOver, Spawned, TimerSet, Waits, WakerDropped, Woken};
        match &record.event {
            Spawned { place, .. } | HandedOver { place, .. } | TimerSet { place, .. } => {
                (*place as usize) < self.places.len()
            }
            Cancelled { place, .. } => place.is_none_or(|place| (place as usize) < self.places.len()),
            Woken { chain, .. } | WakerDropped { chain, .. } => {
                chain.is_none_or(|chain| (chain as usize) < self.chains.len())
            }
            Waits { waits, .. } => waits.iter().all(|wait| (wait.chain as usize) < self.chains.len()),
            _ => true,
        }
    }

    /// Writes the recording.
    ///
    /// # Errors
    /// If the writer fails.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let mut to = BufWriter::new(to);
        write_line(&mut to, &Head { executor_trace: VERSION, ..self.head.clone() })?;
        write_places(&mut to, &self.places, 0)?;
        write_chains(&mut to, &self.chains, 0)?;
        self.records.iter().try_for_each(|record| write_line(&mut to, record))?;
        to.flush()
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str, line: usize) -> Result<T, TraceError> {
    serde_json::from_str(text).map_err(|source| TraceError::Line { line, source })
}

pub(super) fn write_missed(to: &mut impl Write, missed: u64) -> io::Result<()> {
    if missed > 0 { write_line(to, &MissedLine { missed }) } else { Ok(()) }
}

pub(super) fn write_now(to: &mut impl Write, now: u64) -> io::Result<()> {
    write_line(to, &NowLine { now })
}

/// Writes the reason for which a console refuses a client.
pub(super) fn write_refused(to: &mut impl Write, why: String) -> io::Result<()> {
    write_line(to, &RefusedLine { refused: why })
}

pub(super) fn write_line(to: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, line)?;
    to.write_all(b"\n")
}

/// Writes a line for each place. `first` is the number of the first one.
pub(super) fn write_places(to: &mut impl Write, places: &[SourcePlace], first: u32) -> io::Result<()> {
    let mut lines = (first..).zip(places.iter().cloned());
    lines.try_for_each(|(place, at)| write_line(to, &PlaceLine { place, at }))
}

/// Writes a line for each chain. `first` is the number of the first one.
pub(super) fn write_chains(to: &mut impl Write, chains: &[Vec<Frame>], first: u32) -> io::Result<()> {
    let mut lines = (first..).zip(chains.iter().cloned());
    lines.try_for_each(|(chain, frames)| write_line(to, &ChainLine { chain, frames }))
}
