//! The recorder: an observer that keeps the events that it is shown. `observe.rs` turns each of them into an [`Event`].
//!
//! It keeps a limited number of the newest events in a ring, about a hundred bytes each, and of the older ones those
//! that describe what still exists (`kept.rs`). Each place and each stack is stored once, and events refer to it by its
//! number. A program has a limited number of places. It also has a limited number of stacks, unless it recurses, so
//! only the first ones are kept. The addresses of a stack are resolved to names when the recording is read, not when it
//! is made.
//!
//! Several runtimes may share a recorder, and each may run several times. Each runtime and each run has a `Recorder` of
//! its own. All of these share one state, and add the numbers of their runtime and run to its events (`timeline.rs`).

use super::kept::Kept;
use super::timeline::{Clocks, Timeline};
use super::{By, Event, Frame, Head, Record, SourcePlace, Trace, VERSION};
use crate::task::Transition;
use crate::watch::dump::{Names, SourceLine, Stack};
use crate::watch::observer::WokenBy;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, fmt, path::Path, thread};

/// An observer that records the events of a runtime: see [`trace`](crate::trace).
///
/// Recording an event takes about 0.1 µs. Capturing the await chains of a poll takes a few microseconds more.
///
/// ```
/// use executor::{Runtime, trace::{Event, Recorder}};
/// use std::sync::Arc;
///
/// let recorder = Arc::new(Recorder::new());
/// let runtime = Runtime::builder().observer(recorder.clone()).build()?;
/// runtime.block_on(async { executor::spawn(async {}).await.unwrap() });
///
/// let trace = recorder.trace();
/// let spawned = |record: &&executor::trace::Record| matches!(record.event, Event::Spawned { .. });
/// assert_eq!(trace.records.iter().filter(spawned).count(), 2);
/// # std::io::Result::Ok(())
/// ```
pub struct Recorder {
    shared: Arc<Shared>,
    pub(super) timeline: Arc<Timeline>,
    /// The run whose events this records; if `None`, the timeline's current run.
    run: Option<u32>,
}

/// The state that the recorders of all runtimes and runs share.
struct Shared {
    /// The working directory when the recorder was created.
    directory: String,
    limit: usize,
    chains: bool,
    then: Option<Box<Then>>,
    state: Mutex<State>,
    resolved: Mutex<Resolved>,
}

/// The chains whose addresses have been resolved to names, from the first on.
#[derive(Default)]
struct Resolved {
    names: Names,
    chains: Vec<Vec<Frame>>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) clocks: Clocks,
    pub(super) simulated: bool,
    records: VecDeque<Record>,
    /// The number of events that are no longer in `records`.
    dropped: u64,
    kept: Kept,
    pub(super) places: Table<Location<'static>>,
    chains: Table<Calls>,
    /// Names of threads and kinds of primitives, each stored once.
    texts: HashSet<Arc<str>>,
    /// The bell: a socket to which a byte is written at an awaited event and when the recording is closed.
    bell: Option<Arc<UnixStream>>,
    /// The next event rings the bell.
    is_awaited: bool,
    /// No more events will come.
    closed: bool,
}

type Then = dyn Fn(&Record) + Send + Sync;

/// A stack, and which of its functions the recording contains: the futures, or all.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Calls {
    Futures(Stack),
    All(Stack),
}

impl Default for Calls {
    fn default() -> Calls {
        Calls::Futures(Stack::default())
    }
}

/// Values, numbered from 0 in the order in which they were added.
pub(super) struct Table<T> {
    numbers: HashMap<T, u32>,
    values: Vec<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { numbers: HashMap::new(), values: Vec::new() }
    }
}

impl<T: Hash + Eq + Clone> Table<T> {
    /// Returns the number of a value, and adds the value if it is new.
    pub(super) fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = self.values.len() as u32;
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }
}

/// The maximum number of different stacks, since a program that recurses may have any number. Further ones are recorded
/// as an empty stack.
const CHAINS: usize = 16_384;
/// The maximum number of texts in `State::texts`, since a program may start any number of named threads.
const TEXTS: usize = 1_024;
/// The maximum length of a text, in bytes.
const TEXT: usize = 128;

impl State {
    fn push(&mut self, record: Record, limit: usize) {
        if self.records.len() >= limit
            && let Some(oldest) = self.records.pop_front()
        {
            self.kept.add(self.dropped, oldest);
            self.dropped += 1;
        }
        self.records.push_back(record);
    }

    pub(super) fn chain(&mut self, calls: Calls) -> u32 {
        let is_full = self.chains.values.len() >= CHAINS && !self.chains.numbers.contains_key(&calls);
        self.chains.number(if is_full { Calls::default() } else { calls })
    }

    /// Returns the shared copy of a text, cut to the maximum length. When there are too many texts, all are forgotten;
    /// the events keep theirs alive.
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        let end = (0..=text.len().min(TEXT)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let text = &text[..end];
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        if self.texts.len() >= TEXTS {
            self.texts.clear();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }

    pub(super) fn by(&mut self, by: WokenBy) -> By {
        match by {
            WokenBy::Task(id) => By::Task(id.0),
            WokenBy::Source(id) => By::Source(id.0),
            WokenBy::Timer(id) => By::Timer(id.0),
            WokenBy::Outside => By::Thread(self.text(thread::current().name().unwrap_or("unnamed"))),
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

impl Recorder {
    /// Returns a recorder that keeps the newest million events, with the await chains of each poll.
    pub fn new() -> Recorder {
        let (then, state, resolved) = Default::default();
        let directory = env::current_dir().ok().and_then(|path| path.into_os_string().into_string().ok());
        let directory = directory.unwrap_or_default();
        let shared = Shared { directory, limit: 1_000_000, chains: true, then, state, resolved };
        Recorder { shared: Arc::new(shared), timeline: Arc::default(), run: None }
    }

    /// Returns a recorder that adds to the same recording, for another runtime.
    pub(super) fn of_runtime(&self) -> Recorder {
        Recorder { shared: self.shared.clone(), timeline: Arc::default(), run: None }
    }

    /// Returns a recorder that adds to the same recording, for a run of this runtime that is about to begin.
    pub(super) fn of_run(&self) -> Recorder {
        let run = Some(self.timeline.begin(&mut self.lock().clocks));
        Recorder { shared: self.shared.clone(), timeline: self.timeline.clone(), run }
    }

    /// Whether it records a single run, which is numbered already.
    pub(super) fn is_of_run(&self) -> bool {
        self.run.is_some()
    }

    fn setting(&mut self) -> &mut Shared {
        Arc::get_mut(&mut self.shared).expect("a recorder must be configured before a runtime is built with it")
    }

    /// Sets the maximum number of events to keep, the newest ones.
    ///
    /// # Panics
    /// If `events` is 0. If a runtime was built with this recorder.
    #[must_use]
    #[track_caller]
    pub fn with_limit(mut self, events: usize) -> Recorder {
        assert!(events > 0, "the limit of a recorder must be at least 1 event");
        self.setting().limit = events;
        self
    }

    /// Leaves out await chains, which take the most time to record.
    ///
    /// # Panics
    /// If a runtime was built with this recorder.
    #[must_use]
    pub fn without_chains(mut self) -> Recorder {
        self.setting().chains = false;
        self
    }

    /// Whether it records await chains.
    pub(super) fn has_chains(&self) -> bool {
        self.shared.chains
    }

    /// Calls `then` after each event, on the thread on which the event happened. That thread continues when `then`
    /// returns. As a method of an [observer](crate::Observer), `then` must not panic, spawn, wake or cancel.
    ///
    /// # Panics
    /// If a runtime was built with this recorder.
    ///
    /// ```
    /// use executor::{Runtime, trace::Recorder};
    /// use std::sync::Arc;
    ///
    /// let prints = Recorder::new().and_then(|record| println!("{record:?}"));
    /// Runtime::builder().observer(Arc::new(prints)).build()?.block_on(executor::yield_now());
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn and_then(mut self, then: impl Fn(&Record) + Send + Sync + 'static) -> Recorder {
        self.setting().then = Some(Box::new(then));
        self
    }

    /// Returns the recording so far.
    pub fn trace(&self) -> Trace {
        let state = self.lock();
        let records = state.kept.records().into_iter().chain(state.records.iter().cloned()).collect();
        let places = state.places.values.iter().map(source_place).collect();
        let (head, chains) = (self.head_of(&state), state.chains.values.clone());
        drop(state); // resolving names takes long
        Trace { head, places, chains: self.resolve(0, &chains), records, now: None }
    }

    /// Resolves the addresses of these stacks to names. `first` is the number of the first stack; all stacks with lower
    /// numbers must have been resolved before.
    pub(super) fn resolve(&self, first: usize, stacks: &[Calls]) -> Vec<Vec<Frame>> {
        let mut resolved = self.shared.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        let Resolved { names, chains } = &mut *resolved;
        let new = stacks.iter().skip(chains.len().saturating_sub(first));
        chains.extend(new.map(|calls| frames(names, calls)));
        chains[first..first + stacks.len()].to_vec()
    }

    /// Returns the maximum number of events that it keeps.
    pub(super) fn limit(&self) -> usize {
        self.shared.limit
    }

    /// Returns the number of events recorded so far, including those that are no longer kept.
    pub fn events(&self) -> u64 {
        self.lock().events()
    }

    /// Writes the recording so far to a file, which is created or overwritten.
    ///
    /// # Errors
    /// If the file cannot be created or written.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.trace().write(std::fs::File::create(path)?)
    }

    pub(super) fn head(&self) -> Head {
        self.head_of(&self.lock())
    }

    fn head_of(&self, state: &State) -> Head {
        let program = env::args_os().next().unwrap_or_default();
        let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (directory, simulated, dropped) = (self.shared.directory.clone(), state.simulated, state.dropped);
        Head { executor_trace: VERSION, program, directory, simulated, dropped, run: None }
    }

    /// Returns what is new since `known`, at most `limit` events, stacks and places each; `None` if nothing is. What an
    /// event refers to is returned with it or before it.
    pub(super) fn news(&self, known: &mut Known, limit: usize) -> Option<News> {
        let mut state = self.lock();
        (state.events() != known.events).then(|| state.news(known, limit))
    }

    /// Sets the socket to which a byte is written at the first event after each [`await_more`](Recorder::await_more),
    /// and when the recording is closed.
    pub(super) fn set_bell(&self, bell: UnixStream) {
        self.lock().bell = Some(Arc::new(bell));
    }

    /// Has the bell ring at the next event. Returns `false` if there are new events already or the recording is closed.
    pub(super) fn await_more(&self, known: &Known) -> bool {
        let mut state = self.lock();
        state.is_awaited = state.events() == known.events && !state.closed;
        state.is_awaited
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Closes the recording: no more events will come. Rings the bell for the last time.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let bell = state.bell.take();
        drop(state);
        ring(bell);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self, event: impl FnOnce(&mut State) -> Event) {
        self.record_with(None, event);
    }

    /// As [`record`](Recorder::record), for an event that stands for a transition of the task's state word.
    pub(super) fn record_transition(&self, event: impl FnOnce(&mut State) -> Event) {
        self.record_with(Transition::current(), event);
    }

    fn record_with(&self, transition: Option<Transition>, event: impl FnOnce(&mut State) -> Event) {
        let mut state = self.lock();
        let (runtime, current) = self.timeline.numbers(&mut state.clocks);
        let (at, run) = (self.timeline.now(&mut state.clocks), self.run.unwrap_or(current));
        let record = Record { at, run, runtime, event: event(&mut state), transition };
        let shown = self.shared.then.as_ref().map(|then| (then, record.clone()));
        state.push(record, self.shared.limit);
        let bell = if std::mem::take(&mut state.is_awaited) { state.bell.clone() } else { None };
        drop(state);
        ring(bell);
        shown.inspect(|(then, record)| then(record));
    }
}

/// Writes a byte to the socket. An error is ignored: if the socket is full, bytes are waiting to be read, and one is
/// enough.
fn ring(bell: Option<Arc<UnixStream>>) {
    bell.inspect(|bell| drop((&**bell).write(&[0])));
}

/// The part of a recording that a reader has seen.
#[derive(Default)]
pub(super) struct Known {
    events: u64,
    places: usize,
    chains: usize,
}

/// The part of a recording that is new to a reader.
pub(super) struct News {
    /// The number of events that were dropped before the reader saw them. If there are any, `records` begins with the
    /// kept events.
    pub(super) missed: u64,
    pub(super) now: u64,
    pub(super) first_place: u32,
    pub(super) first_chain: u32,
    pub(super) places: Vec<SourcePlace>,
    pub(super) chains: Vec<Calls>,
    pub(super) records: Vec<Record>,
    /// Nothing newer exists.
    pub(super) is_all: bool,
}

impl State {
    /// Returns what is new since `known`. If events were missed, the kept ones come first, without regard to `limit`.
    fn news(&mut self, known: &mut Known, limit: usize) -> News {
        let (first_place, first_chain) = (known.places, known.chains);
        known.places = self.places.values.len().min(first_place + limit);
        known.chains = self.chains.values.len().min(first_chain + limit);
        // Events may refer to any place or chain, so these come first.
        let has_all = known.places == self.places.values.len() && known.chains == self.chains.values.len();
        let (missed, records) = if has_all { self.new_records(known, limit) } else { (0, Vec::new()) };
        News {
            missed,
            now: self.clocks.now(),
            first_place: first_place as u32,
            first_chain: first_chain as u32,
            places: self.places.values[first_place..known.places].iter().map(source_place).collect(),
            chains: self.chains.values[first_chain..known.chains].to_vec(),
            records,
            is_all: has_all && known.events == self.events(),
        }
    }

    fn new_records(&self, known: &mut Known, limit: usize) -> (u64, Vec<Record>) {
        let missed = self.dropped.saturating_sub(known.events);
        let mut records = if missed > 0 { self.kept.records() } else { Vec::new() };
        let seen = known.events.saturating_sub(self.dropped) as usize;
        let end = self.records.len().min(seen + limit);
        records.extend(self.records.range(seen..end).cloned());
        known.events = self.dropped + end as u64;
        (missed, records)
    }

    fn events(&self) -> u64 {
        self.dropped + self.records.len() as u64
    }
}

fn source_place(place: &Location<'static>) -> SourcePlace {
    SourcePlace { file: place.file().into(), line: place.line(), column: place.column() }
}

pub(super) fn frames(names: &mut Names, calls: &Calls) -> Vec<Frame> {
    let frame = |line: SourceLine| Frame {
        function: line.function.into(),
        file: line.file.to_string_lossy().into(),
        line: line.line,
    };
    let lines = match calls {
        Calls::Futures(stack) => names.chain(stack),
        Calls::All(stack) => names.calls(stack),
    };
    lines.into_iter().map(frame).collect()
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Recorder").field("events", &state.records.len()).field("dropped", &state.dropped).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{State, TEXT, TEXTS};

    #[test]
    fn the_names_of_threads_are_limited_in_number_and_length() {
        let mut state = State::default();
        for number in 0..5 * TEXTS {
            let name = format!("thread {number}");
            assert_eq!(*state.text(&name), *name);
            assert!(state.texts.len() <= TEXTS);
        }
        assert_eq!(state.text(&"é".repeat(TEXT)).len(), TEXT);
        assert_eq!(state.text(&format!("x{}", "é".repeat(TEXT))).len(), TEXT - 1);
    }
}
