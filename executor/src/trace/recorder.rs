//! The recorder: an observer that keeps what it is shown. `observe.rs` says what of each event.
//!
//! It keeps the newest events, a limited number of them, as values of some eighty bytes in a ring, and of older ones those
//! that tell of what is still there (`kept.rs`). Places and stacks are kept once and go by numbers; there are only so
//! many in a program, unless it recurses, where each way down is a stack of its own: of those it keeps the first ones.
//! Names are given to the addresses of a stack when the recording is read out, not when it is made.
//!
//! A recorder can be given to several runtimes, and each runs several times. Each runtime has a `Recorder` of its own,
//! and so has each run; all of them record into the same place under the numbers of theirs (`timeline.rs`).

use super::kept::Kept;
use super::timeline::{Clocks, Timeline};
use super::{By, Event, Frame, Head, Record, SourcePlace, Trace, VERSION};
use crate::watch::dump::{Names, Stack};
use crate::watch::observer::WokenBy;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{env, fmt, path::Path, thread};

/// Keeps what happens in a runtime: see [`trace`](crate::trace).
///
/// An event takes a tenth of a microsecond; to find out where a poll went pending takes some microseconds more.
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
    /// The run whose events these are; without one, that which the timeline is in.
    run: Option<u32>,
}

/// What the recorders of several runtimes and runs have in common.
struct Shared {
    /// Where the program was when it began.
    directory: String,
    limit: usize,
    chains: bool,
    then: Option<Box<Then>>,
    state: Mutex<State>,
    told: Mutex<Told>,
}

/// The chains that have been given names.
#[derive(Default)]
struct Told {
    names: Names,
    chains: Vec<Vec<Frame>>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) clocks: Clocks,
    pub(super) simulated: bool,
    records: VecDeque<Record>,
    /// How many have gone.
    dropped: u64,
    kept: Kept,
    pub(super) places: Table<Location<'static>>,
    chains: Table<Calls>,
    /// Names of threads and of kinds of things, each once.
    texts: HashSet<Arc<str>>,
    /// A byte is written there when more is recorded, or the end has come.
    bell: Option<Arc<UnixStream>>,
    /// A byte is to be written at the next event.
    is_awaited: bool,
    /// There will be no more.
    closed: bool,
}

type Then = dyn Fn(&Record) + Send + Sync;

/// A stack, of which the futures are told or everything.
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

/// Values that are numbered in the order in which they came.
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

/// So many different stacks are kept; a program that recurses may have any number. Others are shown as empty.
const CHAINS: usize = 16_384;
/// So many names of threads are kept, each of so many bytes: a program may start threads, and name them, without end.
const TEXTS: usize = 1_024;
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

    /// A text that is kept once, up to some length. Where there are too many, those so far are forgotten: each event keeps
    /// its own.
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
    /// Keeps the newest million of events, with where each poll went pending.
    pub fn new() -> Recorder {
        let (then, state, told) = Default::default();
        let directory = env::current_dir().ok().and_then(|path| path.into_os_string().into_string().ok());
        let directory = directory.unwrap_or_default();
        let shared = Shared { directory, limit: 1_000_000, chains: true, then, state, told };
        Recorder { shared: Arc::new(shared), timeline: Arc::default(), run: None }
    }

    /// The same recording, for another runtime.
    pub(super) fn of_runtime(&self) -> Recorder {
        Recorder { shared: self.shared.clone(), timeline: Arc::default(), run: None }
    }

    /// The same recording, for a run of this runtime that is about to begin.
    pub(super) fn of_run(&self) -> Recorder {
        let run = Some(self.timeline.begin(&mut self.lock().clocks));
        Recorder { shared: self.shared.clone(), timeline: self.timeline.clone(), run }
    }

    /// Whether it is of one run, whose number it has already.
    pub(super) fn is_of_run(&self) -> bool {
        self.run.is_some()
    }

    fn setting(&mut self) -> &mut Shared {
        Arc::get_mut(&mut self.shared).expect("a recorder is set up before a runtime is built with it")
    }

    /// Keeps so many of the newest events.
    ///
    /// # Panics
    /// On 0. When a runtime was built with it.
    #[must_use]
    #[track_caller]
    pub fn with_limit(mut self, events: usize) -> Recorder {
        assert!(events > 0, "a recorder that keeps no event records nothing: give at least 1");
        self.setting().limit = events;
        self
    }

    /// Leaves out where polls went pending, which is what takes longest.
    ///
    /// # Panics
    /// When a runtime was built with it.
    #[must_use]
    pub fn without_chains(mut self) -> Recorder {
        self.setting().chains = false;
        self
    }

    /// Whether it records where polls went pending.
    pub(super) fn has_chains(&self) -> bool {
        self.shared.chains
    }

    /// Calls `then` after each event, on the thread on which it happened, which stands still until that returns. As
    /// for every [observer](crate::Observer), it must neither panic nor spawn, wake or cancel.
    ///
    /// # Panics
    /// When a runtime was built with it.
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

    /// What has been recorded up to now.
    pub fn trace(&self) -> Trace {
        let state = self.lock();
        let records = state.kept.records().into_iter().chain(state.records.iter().cloned()).collect();
        let places = state.places.values.iter().map(source_place).collect();
        let (head, chains) = (self.head_of(&state), state.chains.values.clone());
        drop(state); // to name what is on the stacks takes long
        Trace { head, places, chains: self.tell(0, &chains), records, now: None }
    }

    /// The names of what is on these stacks. The number of the first is given; those below it have been told.
    pub(super) fn tell(&self, first: usize, stacks: &[Calls]) -> Vec<Vec<Frame>> {
        let mut told = self.shared.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Told { names, chains } = &mut *told;
        let new = stacks.iter().skip(chains.len().saturating_sub(first));
        chains.extend(new.map(|calls| frames(names, calls)));
        chains[first..first + stacks.len()].to_vec()
    }

    /// How many events it keeps.
    pub(super) fn limit(&self) -> usize {
        self.shared.limit
    }

    /// How many events have been recorded, those included that have gone.
    pub fn events(&self) -> u64 {
        self.lock().events()
    }

    /// Writes what has been recorded up to now into a file.
    ///
    /// # Errors
    /// The system's.
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

    /// What has come since, up to so many events, stacks or places; `None` if nothing has. What an event refers to comes
    /// with it or before.
    pub(super) fn news(&self, known: &mut Known, limit: usize) -> Option<News> {
        let mut state = self.lock();
        (state.events() != known.events).then(|| state.news(known, limit))
    }

    /// From now on a byte is written there at the first event after [`await_more`](Recorder::await_more), and when the
    /// recording is closed.
    pub(super) fn set_bell(&self, bell: UnixStream) {
        self.lock().bell = Some(Arc::new(bell));
    }

    /// The bell rings at the next event. `false` if more than that is there already, or the recording is closed.
    pub(super) fn await_more(&self, known: &Known) -> bool {
        let mut state = self.lock();
        state.is_awaited = state.events() == known.events && !state.closed;
        state.is_awaited
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// There will be no more events: rings the bell for the last time.
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
        let mut state = self.lock();
        let (runtime, present) = self.timeline.numbers(&mut state.clocks);
        let (at, run) = (self.timeline.now(&mut state.clocks), self.run.unwrap_or(present));
        let record = Record { at, run, runtime, event: event(&mut state) };
        let shown = self.shared.then.as_ref().map(|then| (then, record.clone()));
        state.push(record, self.shared.limit);
        let bell = if std::mem::take(&mut state.is_awaited) { state.bell.clone() } else { None };
        drop(state);
        ring(bell);
        shown.inspect(|(then, record)| then(record));
    }
}

/// The socket takes no more only if it has not been read from since, and then one byte is as good as two.
fn ring(bell: Option<Arc<UnixStream>>) {
    bell.inspect(|bell| drop((&**bell).write(&[0])));
}

/// How much of a recording a reader has seen.
#[derive(Default)]
pub(super) struct Known {
    events: u64,
    places: usize,
    chains: usize,
}

/// What came since.
pub(super) struct News {
    /// So many events have gone that were not seen; what is left of all before is said again.
    pub(super) missed: u64,
    pub(super) now: u64,
    pub(super) first_place: u32,
    pub(super) first_chain: u32,
    pub(super) places: Vec<SourcePlace>,
    pub(super) chains: Vec<Calls>,
    pub(super) records: Vec<Record>,
    /// This is all that there is.
    pub(super) is_all: bool,
}

impl State {
    /// What has come since. If events were missed, what is left of them comes first, and at once.
    fn news(&mut self, known: &mut Known, limit: usize) -> News {
        let (first_place, first_chain) = (known.places, known.chains);
        known.places = self.places.values.len().min(first_place + limit);
        known.chains = self.chains.values.len().min(first_chain + limit);
        // Events may refer to any of them.
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
    let frame = |place: crate::watch::dump::SourceLine| Frame {
        function: place.function.into(),
        file: place.file.to_string_lossy().into(),
        line: place.line,
    };
    let places = match calls {
        Calls::Futures(stack) => names.chain(stack),
        Calls::All(stack) => names.calls(stack),
    };
    places.into_iter().map(frame).collect()
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
    fn names_of_threads_are_bounded_in_number_and_length() {
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
