//! Recordings of an executor that has no observer, such as a student's own.

use executor::trace::{By, End, Event, Head, How, Record, SourcePlace, Trace};
use std::cell::RefCell;
use std::env;
use std::fs::{self, OpenOptions};
use std::future::Future;
use std::io::Write;
use std::panic::Location;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// Records the tasks of an executor by wrapping their futures and wakers, whatever the executor is. The tools that read
/// recordings work on the result: `demo step --replay`, its `--lint` and `--html`, and `demo top --replay`.
///
/// With `EXECUTOR_TRACE=FILE` in the environment, the recording is also written to this file as it grows, so it is
/// complete even if the executor hangs or the program aborts. Further recordings of the process are written to
/// `FILE-2`, …; `%p` stands for the process ID. A [`Runtime`](executor::Runtime) of the same process would write to
/// these files, too, so use one or the other.
///
/// The clock of a recording counts its events: each takes a microsecond. So a program that does the same again leaves
/// the same recording.
///
/// ```
/// use executor::trace::{End, Event};
/// use tests::kit::{Recording, hand};
///
/// let recording = Recording::new("example");
/// let mut task = hand(recording.task("yields", executor::yield_now()));
/// assert!(task.poll().is_pending() && task.poll().is_ready());
/// drop(task);
///
/// let events: Vec<Event> = recording.trace().records.into_iter().map(|record| record.event).collect();
/// assert!(matches!(events[1], Event::Spawned { task: 1, .. }));
/// assert!(matches!(events[3], Event::Woken { task: 1, .. })); // within its poll, so its end says …
/// assert_eq!(events[4], Event::PollEnds { task: 1, end: End::PendingWoken });
/// ```
pub struct Recording(Arc<Shared>);

/// A future whose polls, wakes and end are recorded. Made by [`Recording::task`].
pub struct Recorded<F> {
    /// Pinned in a box, and dropped before the end of the task is recorded.
    future: Option<Pin<Box<F>>>,
    task: u64,
    shared: Arc<Shared>,
    /// The waker that the last poll passed on, if a clone of it still exists.
    waker: Weak<RecordedWaker>,
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    trace: Trace,
    tasks: Vec<Task>,
    has_ended: bool,
    file: Option<PathBuf>,
}

#[derive(Clone, Copy)]
struct Task {
    phase: Phase,
    /// The number of [`RecordedWaker`]s.
    wakers: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Queued,
    Running {
        woken: bool,
    },
    Suspended,
    Completed,
    /// Completed, and dropped by the executor.
    Dropped,
}

/// The number of events that a recording holds at most. Later ones are left out, so that an executor that never stops
/// does not fill the memory.
const EVENTS: usize = 100_000;

/// The number of recordings that this process has begun to write.
static FILES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The tasks that this thread polls or drops, the innermost last.
    static RUNNING: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

impl Recording {
    /// A recording without tasks. `program` is the name that the tools show.
    pub fn new(program: &str) -> Recording {
        let directory = env::current_dir().ok().and_then(|path| path.to_str().map(str::to_owned)).unwrap_or_default();
        let mut head = Head::default();
        (head.program, head.directory, head.simulated) = (program.to_owned(), directory, true);
        let trace = Trace { head, ..Trace::default() };
        let shared = Shared { state: Mutex::new(State { trace, tasks: Vec::new(), has_ended: false, file: file() }) };
        shared.lock().record(Event::RunBegins);
        Recording(Arc::new(shared))
    }

    /// Wraps the future of a task that is about to be spawned; `name` is the name of the task.
    #[track_caller]
    pub fn task<F: Future>(&self, name: &str, future: F) -> Recorded<F> {
        let at = Location::caller();
        let mut state = self.0.lock();
        let place = state.place(SourcePlace { file: at.file().into(), line: at.line(), column: at.column() });
        state.tasks.push(Task { phase: Phase::Queued, wakers: 0 });
        let task = state.tasks.len() as u64;
        let (name, by, size) = (Some(name.into()), running(), size_of::<F>() as u64);
        state.record(Event::Spawned { task, by, name, place, size });
        drop(state);
        Recorded { future: Some(Box::pin(future)), task, shared: self.0.clone(), waker: Weak::new() }
    }

    /// Records the end of the run: the executor has returned. Later events are left out, so `demo step --lint` reports
    /// a task that is still queued now. Without this call, the run ends when the recording is dropped, unless a panic
    /// ended it.
    pub fn run_ends(&self) {
        let mut state = self.0.lock();
        state.record(Event::RunEnds);
        state.has_ended = true;
    }

    /// The recording so far.
    pub fn trace(&self) -> Trace {
        self.0.lock().trace.clone()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.run_ends();
        }
    }
}

/// The file to write to, if the environment names one.
fn file() -> Option<PathBuf> {
    let path = env::var("EXECUTOR_TRACE").ok().filter(|path| !path.is_empty())?;
    let path = path.replace("%p", &std::process::id().to_string());
    match FILES.fetch_add(1, Ordering::Relaxed) + 1 {
        1 => Some(path.into()),
        number => Some(format!("{path}-{number}").into()),
    }
}

/// The task that this thread is polling or dropping.
fn running() -> Option<u64> {
    RUNNING.with_borrow(|running| running.last().copied())
}

fn by() -> By {
    running().map_or_else(|| By::Thread(thread::current().name().unwrap_or("unnamed").into()), By::Task)
}

/// Makes a task the running one of this thread until the guard is dropped.
struct Entered;

impl Entered {
    fn new(task: u64) -> Entered {
        RUNNING.with_borrow_mut(|running| running.push(task));
        Entered
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(|running| running.pop());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn task(&mut self, task: u64) -> &mut Task {
        &mut self.tasks[task as usize - 1]
    }

    /// The number of a place. Places precede events in the file, which is therefore written as a whole.
    fn place(&mut self, at: SourcePlace) -> u32 {
        let places = &mut self.trace.places;
        let number = places.iter().position(|place| *place == at).unwrap_or_else(|| {
            places.push(at);
            places.len() - 1
        });
        number as u32
    }

    fn record(&mut self, event: Event) {
        if self.has_ended || self.trace.records.len() == EVENTS {
            return;
        }
        let at = self.trace.records.len() as u64 * 1_000;
        let is_whole = matches!(event, Event::RunBegins | Event::Spawned { .. });
        self.trace.records.push(Record { at, run: 1, runtime: 1, event, transition: None });
        if let Some(Err(error)) = self.file.as_ref().map(|file| self.write(file, is_whole)) {
            eprintln!("EXECUTOR_TRACE: {error}; the program continues without a recording");
            self.file = None;
        }
    }

    /// Writes the recording to its file: all of it, or its last event.
    fn write(&self, file: &PathBuf, is_whole: bool) -> std::io::Result<()> {
        let mut text = Vec::new();
        if is_whole {
            self.trace.write(&mut text)?;
            return fs::write(file, text);
        }
        let last = Trace { records: self.trace.records[self.trace.records.len() - 1..].into(), ..Trace::default() };
        last.write(&mut text)?;
        let head = text.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        OpenOptions::new().append(true).open(file)?.write_all(&text[head..])
    }
}

impl<F> Recorded<F> {
    /// The waker for a poll. It stays the same as long as a clone of it exists and the executor's waker is the same, so
    /// that futures can compare wakers.
    fn waker(&mut self, inner: &Waker) -> Arc<RecordedWaker> {
        if let Some(waker) = self.waker.upgrade().filter(|waker| waker.inner.will_wake(inner)) {
            return waker;
        }
        self.shared.lock().task(self.task).wakers += 1;
        let waker = RecordedWaker { inner: inner.clone(), task: self.task, shared: self.shared.clone() };
        let waker = Arc::new(waker);
        self.waker = Arc::downgrade(&waker);
        waker
    }

    /// The poll returned, or panicked.
    fn poll_ends(&self, is_ready: bool) {
        let task = self.task;
        let mut state = self.shared.lock();
        let Task { phase, wakers } = *state.task(task);
        let woken = phase == Phase::Running { woken: true };
        let end = match (is_ready, woken) {
            (true, _) => End::Finished,
            (false, true) => End::PendingWoken,
            (false, false) => End::Pending,
        };
        state.task(task).phase = match end {
            End::Finished => Phase::Completed,
            End::PendingWoken => Phase::Queued,
            End::Pending => Phase::Suspended,
        };
        if end == End::Pending && wakers == 0 {
            state.record(Event::Stranded { task, lost: false });
        }
        if end == End::Finished {
            let how = if thread::panicking() { How::Panicked } else { How::Ready };
            state.record(Event::Finished { task, how, wakers });
        }
        state.record(Event::PollEnds { task, end });
    }
}

impl<F: Future> Future for Recorded<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        /// Ends the poll of a future that panics.
        struct Ends<'a, F>(&'a Recorded<F>);
        impl<F> Drop for Ends<'_, F> {
            fn drop(&mut self) {
                self.0.poll_ends(true);
            }
        }

        let this = &mut *self;
        let mut state = this.shared.lock();
        state.task(this.task).phase = Phase::Running { woken: false };
        state.record(Event::PollBegins { task: this.task });
        drop(state);
        let _entered = Entered::new(this.task);
        let waker = Waker::from(this.waker(cx.waker()));
        let mut future = this.future.take().expect("it is put back after each poll that does not panic");
        let ends = Ends(this);
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        std::mem::forget(ends);
        drop(waker); // what the future kept are clones
        this.future = Some(future);
        this.poll_ends(polled.is_ready());
        polled
    }
}

/// The executor drops the task: at its end, or before it.
impl<F> Drop for Recorded<F> {
    fn drop(&mut self) {
        let task = self.task;
        let entered = Entered::new(task);
        self.future = None;
        drop(entered);
        let mut state = self.shared.lock();
        let Task { phase, wakers } = *state.task(task);
        if phase != Phase::Completed {
            state.record(Event::Finished { task, how: How::Cancelled, wakers });
        }
        state.task(task).phase = Phase::Dropped;
        if wakers == 0 {
            state.record(Event::Freed { task });
        }
    }
}

/// What stands for all clones of the waker of a task.
struct RecordedWaker {
    inner: Waker,
    task: u64,
    shared: Arc<Shared>,
}

impl Wake for RecordedWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.shared.lock();
        let next = match state.task(self.task).phase {
            Phase::Suspended => Some(Phase::Queued),
            Phase::Running { woken: false } => Some(Phase::Running { woken: true }),
            _ => None, // a redundant wake
        };
        if let Some(next) = next {
            state.task(self.task).phase = next;
            state.record(Event::Woken { task: self.task, by: by(), chain: None });
        }
        drop(state);
        self.inner.wake_by_ref();
    }
}

/// The last clone is dropped.
impl Drop for RecordedWaker {
    fn drop(&mut self) {
        let task = self.task;
        let mut state = self.shared.lock();
        state.task(task).wakers -= 1;
        match state.task(task) {
            Task { phase: Phase::Suspended, wakers: 0 } => {
                state.record(Event::WakerDropped { task, by: by(), chain: None });
                state.record(Event::Stranded { task, lost: true });
            }
            Task { phase: Phase::Dropped, wakers: 0 } => state.record(Event::Freed { task }),
            _ => {}
        }
    }
}
