//! The recorder: an observer that keeps what it is shown.
//!
//! It keeps the newest events, a limited number of them, as values of some seventy bytes in a ring. Places and stacks
//! are kept once and go by numbers; there are only so many in a program, unless it recurses, where each way down is a
//! stack of its own: of those it keeps the first ones. Names are given to the addresses of a stack when the recording is
//! read out, not when it is made.
//!
//! An old event that goes may be all that told of a task which is still there. So those that told of a task, a source
//! or a timer, and of the last poll of a task, go only when that is over too, and until then stand at the front: a
//! recording is always whole.

use super::{By, Direction, End, Event, Frame, Head, How, Record, SourcePlace, Trace, VERSION, Waiting};
use crate::dump::{Names, Stack, Standing};
use crate::observer::{Observer, PollEnd, WokenBy};
use crate::sync::Handover;
use crate::task::{Finish, TaskId, TaskRef};
use reactor::Handle;
use reactor::backend::Readiness;
use reactor::observer::{SourceId, TimerId};
use reactor::time::{Duration, Instant};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::os::fd::RawFd;
use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{env, fmt, io, path::Path, thread};

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
    /// Where the program was when it began.
    directory: String,
    limit: usize,
    chains: bool,
    then: Option<Box<Then>>,
    state: Mutex<State>,
    /// More was recorded, or the end has come.
    grown: Condvar,
    told: Mutex<Told>,
}

/// The chains that have been given names.
#[derive(Default)]
struct Told {
    names: Names,
    chains: Vec<Vec<Frame>>,
}

#[derive(Default)]
struct State {
    start: Option<Instant>,
    /// When the last event was.
    last: u64,
    simulated: bool,
    /// Who knows the virtual time, if it is and the runtime runs.
    clock: Option<Handle>,
    records: VecDeque<Record>,
    /// How many have gone.
    dropped: u64,
    kept: Kept,
    places: Table<Location<'static>>,
    chains: Table<Calls>,
    /// Names of threads and of kinds of things, each once.
    texts: HashSet<Arc<str>>,
    /// Somebody waits for more.
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
struct Table<T> {
    numbers: HashMap<T, u32>,
    values: Vec<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { numbers: HashMap::new(), values: Vec::new() }
    }
}

impl<T: Hash + Eq + Clone> Table<T> {
    fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = self.values.len() as u32;
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }
}

/// Events that are older than the recording and tell of what is still there, each with its number.
#[derive(Default)]
struct Kept {
    run: Option<(u64, Record)>,
    tasks: BTreeMap<u64, KeptTask>,
    sources: BTreeMap<u64, KeptSource>,
    timers: BTreeMap<u64, (u64, Record)>,
}

struct KeptTask {
    spawned: (u64, Record),
    /// Its last poll, and what was done to it since.
    polled: Vec<(u64, Record)>,
}

struct KeptSource {
    added: (u64, Record),
    /// Who was the last to wait to read, and to write.
    waits: [Option<(u64, Record)>; 2],
}

impl Kept {
    /// The event of this number is dropped from the recording.
    fn add(&mut self, number: u64, record: Record) {
        match record.event {
            Event::RunBegins => {
                self.run = Some((number, record));
                self.tasks.clear();
            }
            Event::Spawned { task, .. } => {
                self.tasks.insert(task, KeptTask { spawned: (number, record), polled: Vec::new() });
            }
            Event::Finished { task, .. } => drop(self.tasks.remove(&task)),
            Event::TimerSet { timer, .. } => drop(self.timers.insert(timer, (number, record))),
            Event::TimerFired { timer } | Event::TimerCancelled { timer } => drop(self.timers.remove(&timer)),
            _ if record.event.task().is_some() => self.add_to_task(number, record),
            _ => self.add_to_source(number, record),
        }
    }

    fn add_to_task(&mut self, number: u64, record: Record) {
        let Some(task) = record.event.task().and_then(|task| self.tasks.get_mut(&task)) else { return };
        if let Event::PollBegins { .. } = record.event {
            task.polled.clear();
        }
        task.polled.push((number, record));
    }

    fn add_to_source(&mut self, number: u64, record: Record) {
        match record.event {
            Event::SourceAdded { source, .. } => {
                self.sources.insert(source, KeptSource { added: (number, record), waits: [None, None] });
            }
            Event::SourceRemoved { source } => drop(self.sources.remove(&source)),
            Event::SourceWaits { source, direction } => {
                let source = self.sources.get_mut(&source);
                source.into_iter().for_each(|source| source.waits[direction as usize] = Some((number, record.clone())));
            }
            _ => {}
        }
    }

    /// In their order.
    fn records(&self) -> Vec<Record> {
        let tasks = self.tasks.values().flat_map(|task| [&task.spawned].into_iter().chain(&task.polled));
        let sources = self.sources.values();
        let sources = sources.flat_map(|source| [&source.added].into_iter().chain(source.waits.iter().flatten()));
        let mut all: Vec<_> = self.run.iter().chain(tasks).chain(sources).chain(self.timers.values()).collect();
        all.sort_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, record)| record.clone()).collect()
    }
}

/// So many different stacks are kept; a program that recurses may have any number. Others are shown as empty.
const CHAINS: usize = 16_384;

impl State {
    fn push(&mut self, at: u64, event: Event, limit: usize) {
        if self.records.len() >= limit
            && let Some(oldest) = self.records.pop_front()
        {
            self.kept.add(self.dropped, oldest);
            self.dropped += 1;
        }
        self.records.push_back(Record { at, event });
    }

    fn since_start(&mut self, now: Instant) -> u64 {
        let start = *self.start.get_or_insert(now);
        nanoseconds(now.saturating_duration_since(start))
    }

    /// The present time, by the clock of the runtime that is recorded: this thread may run another one. Between
    /// two runs, a virtual clock stands still.
    fn now(&mut self) -> u64 {
        let now = match &self.clock {
            Some(clock) => Some(clock.now()),
            None => (!self.simulated).then(Instant::now),
        };
        let now = now.map_or(self.last, |now| self.since_start(now));
        self.last = self.last.max(now);
        self.last
    }

    fn chain(&mut self, calls: Calls) -> u32 {
        let is_full = self.chains.values.len() >= CHAINS && !self.chains.numbers.contains_key(&calls);
        self.chains.number(if is_full { Calls::default() } else { calls })
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }

    fn by(&mut self, by: WokenBy) -> By {
        match by {
            WokenBy::Task(id) => By::Task(id.0),
            WokenBy::Source(id) => By::Source(id.0),
            WokenBy::Timer(id) => By::Timer(id.0),
            WokenBy::Outside => By::Thread(self.text(thread::current().name().unwrap_or("unnamed"))),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder::new()
    }
}

impl Recorder {
    /// Keeps the newest million of events, with where each poll went pending.
    pub fn new() -> Recorder {
        let (then, state, grown, told) = Default::default();
        let directory = env::current_dir().ok().and_then(|path| path.into_os_string().into_string().ok());
        Recorder { directory: directory.unwrap_or_default(), limit: 1_000_000, chains: true, then, state, grown, told }
    }

    /// Keeps so many of the newest events.
    ///
    /// # Panics
    /// On 0.
    #[must_use]
    #[track_caller]
    pub fn with_limit(mut self, events: usize) -> Recorder {
        assert!(events > 0, "a recorder that keeps no event records nothing: give at least 1");
        self.limit = events;
        self
    }

    /// Leaves out where polls went pending, which is what takes longest.
    #[must_use]
    pub fn without_chains(mut self) -> Recorder {
        self.chains = false;
        self
    }

    /// Calls `then` after each event, on the thread on which it happened, which stands still until that returns. As
    /// for every [observer](Observer), it must neither panic nor spawn, wake or cancel.
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
        self.then = Some(Box::new(then));
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
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Told { names, chains } = &mut *told;
        let new = stacks.iter().skip(chains.len() - first);
        chains.extend(new.map(|calls| frames(names, calls)));
        chains[first..first + stacks.len()].to_vec()
    }

    /// How many events it keeps.
    pub(super) fn limit(&self) -> usize {
        self.limit
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
        let (directory, simulated, dropped) = (self.directory.clone(), state.simulated, state.dropped);
        Head { executor_trace: VERSION, program, directory, simulated, dropped }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// What has come since; waits until there is something. `None` at the end of the recording.
    pub(super) fn next(&self, known: &mut Known) -> Option<News> {
        let mut state = self.lock();
        while state.events() == known.events {
            if state.closed {
                return None;
            }
            state.is_awaited = true;
            state = self.grown.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Some(state.news(known))
    }

    /// What has come since, if anything has.
    pub(super) fn news(&self, known: &mut Known) -> Option<News> {
        let mut state = self.lock();
        (state.events() != known.events).then(|| state.news(known))
    }

    /// Whoever follows the recording is told that there is no more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.grown.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, event: impl FnOnce(&mut State) -> Event) {
        let mut state = self.lock();
        let at = state.now();
        let event = event(&mut state);
        let shown = self.then.as_ref().map(|then| (then, Record { at, event: event.clone() }));
        state.push(at, event, self.limit);
        let is_awaited = std::mem::take(&mut state.is_awaited);
        drop(state);
        if is_awaited {
            self.grown.notify_all();
        }
        shown.inspect(|(then, record)| then(record));
    }
}

/// How much of a recording somebody has seen.
#[derive(Default)]
pub(super) struct Known {
    events: u64,
    places: usize,
    chains: usize,
}

/// What came since.
pub(super) struct News {
    /// So many events have gone that he has not seen; what is left of all before is said again.
    pub(super) missed: u64,
    pub(super) now: u64,
    pub(super) first_place: u32,
    pub(super) first_chain: u32,
    pub(super) places: Vec<SourcePlace>,
    pub(super) chains: Vec<Calls>,
    pub(super) records: Vec<Record>,
}

impl State {
    /// What has come since. Whoever has missed events gets what is left of them.
    fn news(&mut self, known: &mut Known) -> News {
        let missed = self.dropped.saturating_sub(known.events);
        let mut records = if missed > 0 { self.kept.records() } else { Vec::new() };
        let seen = known.events.saturating_sub(self.dropped) as usize;
        records.extend(self.records.iter().skip(seen).cloned());
        let news = News {
            missed,
            now: self.now(),
            first_place: known.places as u32,
            first_chain: known.chains as u32,
            places: self.places.values[known.places..].iter().map(source_place).collect(),
            chains: self.chains.values[known.chains..].to_vec(),
            records,
        };
        known.events = self.events();
        (known.places, known.chains) = (self.places.values.len(), self.chains.values.len());
        news
    }

    fn events(&self) -> u64 {
        self.dropped + self.records.len() as u64
    }
}

fn source_place(place: &Location<'static>) -> SourcePlace {
    SourcePlace { file: place.file().into(), line: place.line(), column: place.column() }
}

pub(super) fn frames(names: &mut Names, calls: &Calls) -> Vec<Frame> {
    let frame = |place: crate::dump::Place| Frame {
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

fn how(finish: Finish) -> How {
    match finish {
        Finish::Ready => How::Ready,
        Finish::Cancelled => How::Cancelled,
        Finish::Panicked => How::Panicked,
    }
}

impl Observer for Recorder {
    fn run_begins(&self) {
        let clock = Handle::current().filter(Handle::is_simulated);
        let mut state = self.lock();
        (state.simulated, state.clock) = (clock.is_some(), clock);
        drop(state);
        self.record(|_| Event::RunBegins);
    }

    fn run_ends(&self) {
        self.record(|_| Event::RunEnds);
        // The clock's reactor has this recorder as its observer: they would keep each other.
        let _clock = self.lock().clock.take();
    }

    fn task_spawned(&self, task: TaskRef<'_>, by: Option<TaskId>) {
        let (name, size) = (task.name().map(Arc::from), task.size() as u64);
        let (task, by, place) = (task.id().0, by.map(|by| by.0), task.place());
        self.record(|state| Event::Spawned { task, by, name, place: state.places.number(*place), size });
    }

    fn task_woken(&self, task: TaskRef<'_>, by: WokenBy) {
        // What the reactor wakes is woken by no line of the program.
        let is_called = matches!(by, WokenBy::Task(_) | WokenBy::Outside) && self.chains;
        let stack = is_called.then(|| Calls::All(Stack::here()));
        self.record(|state| {
            let (by, chain) = (state.by(by), stack.map(|stack| state.chain(stack)));
            Event::Woken { task: task.id().0, by, chain }
        });
    }

    fn handed_over(&self, to: TaskRef<'_>, what: Handover) {
        self.record(|state| {
            let (kind, place) = (state.text(what.kind), state.places.number(*what.made_at));
            Event::HandedOver { task: to.id().0, kind, place }
        });
    }

    fn task_cancelled(&self, task: TaskRef<'_>, by: WokenBy) {
        let reason = task.cancellation().and_then(|cancellation| cancellation.reason.as_deref()).map(Arc::from);
        self.record(|state| {
            let place = task.cancellation().map(|cancellation| state.places.number(*cancellation.at));
            Event::Cancelled { task: task.id().0, by: state.by(by), place, reason }
        });
    }

    fn task_asked(&self, task: TaskRef<'_>) {
        self.record(|_| Event::Asked { task: task.id().0 });
    }

    fn lost_wake(&self, task: TaskRef<'_>) {
        self.record(|_| Event::LostWake { task: task.id().0 });
    }

    fn last_waker_dropped(&self, task: TaskRef<'_>, by: WokenBy) {
        let stack = self.chains.then(|| Calls::All(Stack::here()));
        self.record(|state| {
            let (by, chain) = (state.by(by), stack.map(|stack| state.chain(stack)));
            Event::WakerDropped { task: task.id().0, by, chain }
        });
    }

    fn poll_begins(&self, task: TaskRef<'_>) {
        self.record(|_| Event::PollBegins { task: task.id().0 });
    }

    fn wants_standing(&self) -> bool {
        self.chains
    }

    fn task_waits(&self, task: TaskId, standing: &[Standing]) {
        self.record(|state| {
            let mut waits: Vec<Waiting> = Vec::new();
            for Standing { leaf, stack } in standing {
                let chain = state.chain(Calls::Futures(stack.clone()));
                match waits.last_mut().filter(|last| last.chain == chain && *last.leaf == **leaf) {
                    Some(last) => last.times += 1,
                    None => waits.push(Waiting { leaf: leaf.as_str().into(), chain, times: 1 }),
                }
            }
            Event::Waits { task: task.0, waits: waits.into() }
        });
    }

    fn poll_ends(&self, task: TaskId, end: PollEnd) {
        let end = match end {
            PollEnd::Pending => End::Pending,
            PollEnd::PendingWoken => End::PendingWoken,
            PollEnd::Finished => End::Finished,
        };
        self.record(|_| Event::PollEnds { task: task.0, end });
    }

    fn task_stranded(&self, task: TaskRef<'_>, lost: bool) {
        self.record(|_| Event::Stranded { task: task.id().0, lost });
    }

    fn task_panicked(&self, task: TaskRef<'_>, message: Option<&str>) {
        self.record(|_| Event::Panicked { task: task.id().0, message: message.map(Arc::from) });
    }

    fn task_finished(&self, task: TaskRef<'_>, finish: Finish) {
        let wakers = task.wakers() as u64;
        self.record(|_| Event::Finished { task: task.id().0, how: how(finish), wakers });
    }

    fn output_dropped(&self, task: TaskRef<'_>, finish: Finish) {
        self.record(|_| Event::OutputDropped { task: task.id().0, how: how(finish) });
    }

    fn task_freed(&self, task: TaskRef<'_>) {
        self.record(|_| Event::Freed { task: task.id().0 });
    }

    fn slow_poll(&self, task: TaskId, took: Duration) {
        self.record(|_| Event::SlowPoll { task: task.0, took: nanoseconds(took) });
    }

    fn blocking_queued(&self, task: TaskId) {
        self.record(|_| Event::BlockingQueued { task: task.0 });
    }

    fn blocking_begins(&self, task: TaskId) {
        self.record(|_| Event::BlockingBegins { task: task.0 });
    }

    fn blocking_ends(&self, task: TaskId) {
        self.record(|_| Event::BlockingEnds { task: task.0 });
    }
}

impl reactor::Observer for Recorder {
    fn source_added(&self, source: SourceId, fd: RawFd) {
        self.record(|_| Event::SourceAdded { source: source.0, fd });
    }

    fn source_removed(&self, source: SourceId) {
        self.record(|_| Event::SourceRemoved { source: source.0 });
    }

    fn source_waits(&self, source: SourceId, direction: reactor::observer::Direction) {
        let direction = match direction {
            reactor::observer::Direction::Read => Direction::Read,
            reactor::observer::Direction::Write => Direction::Write,
        };
        self.record(|_| Event::SourceWaits { source: source.0, direction });
    }

    fn source_ready(&self, source: SourceId, readiness: Readiness, woken: usize) {
        self.record(|_| Event::SourceReady { source: source.0, readiness, woken });
    }

    fn timer_set(&self, timer: TimerId, deadline: Instant, place: &'static Location<'static>) {
        self.record(|state| {
            let (deadline, place) = (state.since_start(deadline), state.places.number(*place));
            Event::TimerSet { timer: timer.0, deadline, place }
        });
    }

    fn timer_cancelled(&self, timer: TimerId) {
        self.record(|_| Event::TimerCancelled { timer: timer.0 });
    }

    fn timer_fired(&self, timer: TimerId) {
        self.record(|_| Event::TimerFired { timer: timer.0 });
    }

    fn wait_begins(&self, timeout: Option<Duration>) {
        self.record(|_| Event::WaitBegins { timeout: timeout.map(nanoseconds) });
    }

    fn wait_ends(&self, sources: usize, timers: usize) {
        self.record(|_| Event::WaitEnds { sources, timers });
    }

    fn notified(&self) {
        self.record(|_| Event::Notified);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Recorder").field("events", &state.records.len()).field("dropped", &state.dropped).finish()
    }
}
