//! A backend whose waits are the steps of a test: what other threads do happens while the runtime's thread is parked,
//! and a park without an end fails at once.

use executor::Runtime;
use reactor::backend::{Backend, Event, Token};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a reactor may wait in one test. A loop that waits more often spins.
const MOST_WAITS: usize = 10_000;

type Step = Box<dyn FnOnce() + Send>;

/// A backend for tests of a scheduler's loop. Its clock is simulated: a wait with a timeout moves it, and takes no time.
/// It has no sources.
///
/// ```
/// use std::time::Duration;
/// use tests::kit::Steps;
///
/// let steps = Steps::new();
/// steps.runtime().block_on(executor::time::sleep(Duration::from_secs(3600))); // returns at once
/// assert_eq!((steps.parks(), steps.notifies()), (1, 0));
/// ```
pub struct Steps {
    start: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    elapsed: Duration,
    is_notified: bool,
    parks: usize,
    polls: usize,
    notifies: usize,
    during_parks: VecDeque<Step>,
    before_park: Option<Step>,
    has_failed: bool,
}

impl Steps {
    /// A backend that has not waited.
    #[allow(clippy::new_ret_no_self)]
    pub fn new() -> Arc<Steps> {
        Arc::new(Steps { start: Instant::now(), state: Mutex::default() })
    }

    /// A runtime on this backend.
    ///
    /// # Panics
    /// If a recording is requested and cannot be opened.
    pub fn runtime(self: &Arc<Self>) -> Runtime {
        self.builder().build().expect("a recording can be opened")
    }

    /// The builder of a runtime on this backend.
    pub fn builder(self: &Arc<Self>) -> executor::Builder {
        // With a time to stay awake, the loop asks for the kind of clock right before it parks: see `before_the_park`.
        // How long a poll takes depends on the machine, so slow polls are not reported.
        let builder = Runtime::builder().backend(Box::new(OfSteps(self.clone())));
        builder.stay_awake(Duration::from_nanos(1)).slow_poll(Duration::MAX)
    }

    /// Adds a step: another thread calls `step` while the runtime's thread is parked. Each park takes one step.
    pub fn during_a_park(&self, step: impl FnOnce() + Send + 'static) {
        self.lock().during_parks.push_back(Box::new(step));
    }

    /// Another thread calls `step` when the runtime's thread has found nothing to do and has not parked yet.
    pub fn before_the_park(&self, step: impl FnOnce() + Send + 'static) {
        self.lock().before_park = Some(Box::new(step));
    }

    /// Moves the clock, as if a poll took this long.
    pub fn pass_time(&self, time: Duration) {
        self.lock().elapsed += time;
    }

    /// How often the thread was parked: the number of waits that may take time.
    pub fn parks(&self) -> usize {
        self.lock().parks
    }

    /// How often the reactor was polled without waiting.
    pub fn polls(&self) -> usize {
        self.lock().polls
    }

    /// How often the notifier was written to.
    pub fn notifies(&self) -> usize {
        self.lock().notifies
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn park(&self, timeout: Option<Duration>) {
        let mut state = self.lock();
        state.parks += 1;
        if std::mem::take(&mut state.is_notified) {
            return;
        }
        let step = state.during_parks.pop_front();
        drop(state);
        let had_step = step.is_some();
        step.into_iter().for_each(|step| self.elsewhere(step));
        let mut state = self.lock();
        match timeout {
            _ if std::mem::take(&mut state.is_notified) => {}
            Some(timeout) => state.elapsed += timeout,
            None if had_step => self.fail(
                state,
                "the thread stays parked: another thread has woken a task, and the reactor was not notified",
            ),
            None => self.fail(state, "the thread parks for ever: a task waits, and nothing is left that could wake it"),
        }
    }

    /// Calls a step on another thread, and waits for it. Its panic fails the test.
    fn elsewhere(&self, step: Step) {
        let thread = thread::Builder::new().name("other".into()).spawn(step).expect("a thread can be started");
        if let Err(panic) = thread.join() {
            self.lock().has_failed = true;
            resume_unwind(panic);
        }
    }

    /// Fails the test. If the runtime parks again while it ends, it can't end, and the process does.
    fn fail(&self, mut state: MutexGuard<'_, State>, message: &str) -> ! {
        if std::mem::replace(&mut state.has_failed, true) {
            _ = writeln!(io::stderr(), "{message}"); // the macros are captured, and an exit would lose it
            std::process::exit(101);
        }
        drop(state);
        panic!("{message}");
    }
}

struct OfSteps(Arc<Steps>);

impl Backend for OfSteps {
    fn now(&self) -> Instant {
        self.0.start + self.0.lock().elapsed
    }

    unsafe fn add(&self, _: BorrowedFd<'_>, _: Token) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove(&self, _: BorrowedFd<'_>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn wait(&self, _: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.parks + state.polls > MOST_WAITS {
            self.0.fail(state, "the loop spins: it has polled the reactor or parked ten thousand times");
        }
        if timeout == Some(Duration::ZERO) {
            state.polls += 1;
            state.is_notified = false;
            return Ok(());
        }
        drop(state);
        self.0.park(timeout);
        Ok(())
    }

    fn notify(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.is_notified = true;
        state.notifies += 1;
        Ok(())
    }

    fn is_simulated(&self) -> bool {
        let step = self.0.lock().before_park.take();
        step.into_iter().for_each(|step| self.0.elsewhere(step));
        true
    }
}
