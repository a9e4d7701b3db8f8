//! [`Runtime`], its [`Builder`], and [`block_on`].

use crate::schedule::{Core, Limits, Pool, Settings, Single, with_core, with_custom};
use crate::sync::handover;
use crate::task::{Held, JoinError, with_current};
use crate::trace::Outlets;
use crate::watch::observer::Observer;
use crate::watch::{Deadlock, MonitorSettings, Strictness};
use reactor::Reactor;
use reactor::backend::{self, Backend, Network, Simulation};
use std::future::Future;
use std::panic::{Location, RefUnwindSafe, UnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;
use std::{fmt, io};

/// Runs a future to completion on this thread, on a new single-thread runtime.
///
/// When the future completes, the tasks that have not completed are cancelled: `block_on` drops their futures on this
/// thread and then returns. Only blocking calls that have begun may outlive it.
///
/// # Panics
/// If the future panics, with the same payload. If the thread already runs a runtime. If the system has no file
/// descriptor left for the reactor; [`Builder::build`] returns that as an error instead.
///
/// ```
/// use executor::time::{Duration, sleep};
///
/// let seven = executor::block_on(async {
///     sleep(Duration::from_millis(1)).await;
///     7
/// });
/// assert_eq!(seven, 7);
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    match Runtime::builder().build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => panic!("executor::block_on cannot create a reactor: {error}"),
    }
}

/// A reactor, a scheduler and a pool of threads for blocking calls, which together run futures.
///
/// ```
/// use executor::Runtime;
///
/// let runtime = Runtime::builder().blocking_threads(4).build()?;
/// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
/// # std::io::Result::Ok(())
/// ```
pub struct Runtime {
    /// Locked while `block_on` runs.
    reactor: Mutex<Reactor>,
    shared: Arc<Single>,
    limits: Limits,
    settings: Settings,
    recording: Outlets,
}

impl Runtime {
    /// Returns a builder with the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns the simulated network of a [deterministic](Builder::deterministic) runtime, on which its TCP sockets
    /// live.
    ///
    /// ```
    /// use executor::{Runtime, net::TcpListener};
    ///
    /// let runtime = Runtime::builder().deterministic(17).build()?;
    /// let server = runtime.network().unwrap().host("server");
    /// let bound = runtime.block_on(server.run(TcpListener::bind((server.address(), 80))));
    /// assert_eq!(bound.unwrap()?.local_addr()?.to_string(), "10.0.0.2:80");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn network(&self) -> Option<Network> {
        self.shared.network()
    }

    /// Runs a future to completion on this thread. As with [`block_on`](crate::block_on), no task is left when it
    /// returns.
    ///
    /// # Panics
    /// If the future panics, with the same payload. If the thread already runs a runtime, or if this runtime already
    /// runs on another thread.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let location = Location::caller();
        let is_polled = || with_custom(|custom| custom.is_some()) && with_current(|task| task.is_some());
        if with_core(|core| core.is_some()) || is_polled() {
            panic!(
                "block_on was called at {location} inside a runtime, where it would keep all other tasks from running: \
                 write `.await` instead; or, in a function that is not async, move the work to another thread with \
                 spawn_blocking"
            );
        }
        let mut reactor = match self.reactor.try_lock() {
            Ok(reactor) => reactor,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                panic!(
                    "block_on was called at {location} on a runtime that already runs on another thread: build a \
                     runtime for each thread"
                )
            }
        };
        let mut held = Held::empty();
        // SAFETY: the future is written here, before `held` is used for anything else.
        unsafe { std::ptr::write(held.future(), future) };
        let _saving = self.recording.saving();
        let shared = self.shared.for_run();
        let pool = Arc::new(Pool::new(self.limits, reactor.handle(), &shared.observers));
        let closing = Closing(pool.clone());
        let core = Core::new(shared, pool, self.settings);
        let output = core.run(&mut reactor, &mut held, location);
        drop(closing);
        drop(reactor); // unlocks the mutex first, so that resuming a panic below does not poison it
        match output {
            Ok(output) => output,
            Err(JoinError::Panicked(panic)) => resume_unwind(panic.into_inner()),
            Err(JoinError::Cancelled) => unreachable!("block_on returns no handle that could cancel its task"),
        }
    }
}

// If `block_on` unwinds, it has dropped all tasks before, and the reactor is in a consistent state.
impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("blocking", &self.limits).finish_non_exhaustive()
    }
}

/// Closes the pool when `block_on` returns or unwinds.
struct Closing(Arc<Pool>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Configures and builds a [`Runtime`].
#[must_use = "a Builder does nothing until `build`"]
pub struct Builder {
    backend: Option<Box<dyn Backend>>,
    observer: Option<Arc<dyn Observer>>,
    limits: Limits,
    settings: Settings,
}

impl Default for Builder {
    fn default() -> Self {
        let limits = Limits::DEFAULT;
        let slow_poll = Duration::from_millis(100);
        let monitor = MonitorSettings { slow_poll, deadlock: Deadlock::Print, strictness: None };
        let settings = Settings { awake: Duration::ZERO, monitor };
        Builder { backend: None, observer: None, limits, settings }
    }
}

impl Builder {
    /// Sets the observer of the runtime's events. By default there is none.
    ///
    /// ```
    /// use executor::{Observer, ReactorObserver, Runtime, TaskId, observer::PollEnd};
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
    ///
    /// #[derive(Default)]
    /// struct CountsPolls(AtomicU32);
    ///
    /// impl ReactorObserver for CountsPolls {}
    /// impl Observer for CountsPolls {
    ///     fn poll_ends(&self, _: TaskId, _: PollEnd) {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// }
    ///
    /// let polls = Arc::new(CountsPolls::default());
    /// let runtime = Runtime::builder().observer(polls.clone()).build()?;
    /// runtime.block_on(executor::yield_now());
    /// assert_eq!(polls.0.load(Ordering::Relaxed), 2);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Builder {
        self.observer = Some(observer);
        self
    }

    /// Sets what the reactor waits on. The default is the operating system.
    ///
    /// ```
    /// use executor::Runtime;
    ///
    /// let runtime = Runtime::builder().backend(reactor::backend::portable()?).build()?;
    /// assert_eq!(runtime.block_on(async { 7 }), 7);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn backend(mut self, backend: Box<dyn Backend>) -> Builder {
        self.backend = Some(backend);
        self
    }

    /// Uses a simulated clock. It moves only when no task can run: then it jumps to the next deadline. It does not move
    /// while a blocking call is in progress.
    ///
    /// ```
    /// use executor::{Runtime, time::{Duration, now, sleep}};
    ///
    /// let runtime = Runtime::builder().virtual_clock().build()?;
    /// runtime.block_on(async {
    ///     let start = now();
    ///     sleep(Duration::from_secs(3600)).await; // returns at once
    ///     assert_eq!(now() - start, Duration::from_secs(3600));
    /// });
    /// # std::io::Result::Ok(())
    /// ```
    pub fn virtual_clock(self) -> Builder {
        self.backend(Box::new(Simulation::new()))
    }

    /// Makes runs repeatable: the same program with the same seed produces the same events.
    ///
    /// The clock is [simulated](Builder::virtual_clock), TCP sockets live on a simulated [`Network`], and every choice
    /// comes from the seed. The seed chooses the order in which queued tasks run (each once before any of them runs
    /// again), and the behaviour of links with jitter or loss. Blocking calls run on this thread, each in a poll of its
    /// own.
    ///
    /// Other seeds lead to other orders: see [`test::explore`](crate::test::explore). A deadlock panics, as with
    /// [`detect_deadlock`](Builder::detect_deadlock). Slow polls are not reported. Sockets other than TCP, and other
    /// file descriptors, are not available.
    ///
    /// ```
    /// use executor::{Runtime, spawn, yield_now};
    /// use std::sync::{Arc, Mutex};
    ///
    /// let order = |seed| {
    ///     let runtime = Runtime::builder().deterministic(seed).build().unwrap();
    ///     let order = Arc::new(Mutex::new(Vec::new()));
    ///     runtime.block_on(async {
    ///         for number in 0..10 {
    ///             let order = order.clone();
    ///             spawn(async move { order.lock().unwrap().push(number) });
    ///         }
    ///         yield_now().await;
    ///     });
    ///     order.lock().unwrap().clone()
    /// };
    /// assert_eq!(order(1), order(1));
    /// assert_ne!(order(1), order(2));
    /// ```
    pub fn deterministic(mut self, seed: u64) -> Builder {
        self.settings.monitor.slow_poll = Duration::MAX;
        self.backend(Box::new(Simulation::with_network(seed))).detect_deadlock(true)
    }

    /// Sets the maximum number of blocking calls that run at once, each on a thread of its own. The default is 128.
    ///
    /// # Panics
    /// If `threads` is 0.
    ///
    /// ```
    /// use executor::{Runtime, spawn_blocking};
    ///
    /// let runtime = Runtime::builder().blocking_threads(1).build()?;
    /// runtime.block_on(async {
    ///     let (a, b) = (spawn_blocking(|| 1), spawn_blocking(|| 2)); // one after the other
    ///     assert_eq!(a.await.unwrap() + b.await.unwrap(), 3);
    /// });
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn blocking_threads(mut self, threads: usize) -> Builder {
        assert!(threads > 0, "a pool without threads cannot run blocking calls: blocking_threads must be at least 1");
        self.limits.threads = threads;
        self
    }

    /// Sets how long an idle thread of the blocking pool is kept. The default is 10 s.
    pub fn blocking_keep_alive(mut self, time: Duration) -> Builder {
        self.limits.keep_alive = time;
        self
    }

    /// Sets how long a poll may hold the thread before it is reported as slow. The default is 100 ms.
    ///
    /// A slow poll is reported on standard error, once per spawn location; and to [`Observer::slow_poll`], each time
    /// that the polled task is known. The measurement is accurate to a few milliseconds.
    ///
    /// ```
    /// use executor::{Runtime, time::Duration};
    ///
    /// let runtime = Runtime::builder().slow_poll(Duration::from_millis(10)).build()?;
    /// runtime.block_on(async {
    ///     std::thread::sleep(Duration::from_millis(20)); // standard error shows the task and what to do instead
    /// });
    /// # std::io::Result::Ok(())
    /// ```
    pub fn slow_poll(mut self, limit: Duration) -> Builder {
        self.settings.monitor.slow_poll = limit;
        self
    }

    /// Sets whether `block_on` panics at a deadlock and at a lost wake. The default is no.
    ///
    /// A deadlock is a state in which no task can run and the runtime has no timer, source or blocking call that could
    /// change that, so only another thread could wake a task. A program in which another thread will do so declares
    /// that with [`Handle::hold`](reactor::Handle::hold). The panic contains the task dump.
    ///
    /// A wake was lost if a suspended task makes progress in the poll for that task dump, although it was not woken.
    /// The panic names the task, its await chain, and what happened to its waker. Tasks that have not completed when
    /// the future of `block_on` completes are also checked for lost wakes, before they are dropped.
    ///
    /// By default, a deadlock that has lasted for a second is printed to standard error: the tasks whose wake was lost
    /// or, if there are none, the task dump, once. With a simulated clock nothing is printed, because its time does not
    /// advance during a deadlock.
    ///
    /// ```should_panic
    /// use executor::{Runtime, sync::Mutex};
    ///
    /// let runtime = Runtime::builder().detect_deadlock(true).build().unwrap();
    /// runtime.block_on(async {
    ///     let mutex = Mutex::new(());
    ///     let _first = mutex.lock().await;
    ///     let _second = mutex.lock().await; // this task holds the lock
    /// });
    /// ```
    pub fn detect_deadlock(mut self, detect: bool) -> Builder {
        self.settings.monitor.deadlock = if detect { Deadlock::Panic } else { Deadlock::Print };
        self.strict(detect.then_some(Strictness { stranded: false, chains: true }))
    }

    /// Sets which kinds of lost wakes fail the run.
    pub(crate) fn strict(mut self, strictness: Option<Strictness>) -> Builder {
        self.settings.monitor.strictness = strictness;
        self
    }

    /// Sets how long the thread polls the reactor for events before it parks. By default it parks at once.
    ///
    /// Parking and being unparked take some microseconds, on this thread and on the thread that unparks it. A server
    /// that expects its next request within that time responds faster if it stays awake. The cost is processor time
    /// whenever the server runs out of work. A server that stays idle parks after this time.
    ///
    /// ```
    /// use executor::{Runtime, time::Duration};
    ///
    /// let runtime = Runtime::builder().stay_awake(Duration::from_micros(10)).build()?;
    /// # runtime.block_on(executor::time::sleep(Duration::from_millis(1)));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn stay_awake(mut self, time: Duration) -> Builder {
        self.settings.awake = time;
        self
    }

    /// Builds the runtime. It runs futures while [`Runtime::block_on`] is called.
    ///
    /// # Errors
    /// If the system has no file descriptor left for the reactor; or if the environment requests a recording that
    /// cannot be opened: see [`trace`](crate::trace).
    pub fn build(mut self) -> io::Result<Runtime> {
        let recording = Outlets::open(&mut self.observer)?;
        let of_runtime = self.observer.as_ref().and_then(|observer| observer.clone().for_runtime());
        self.observer = of_runtime.or(self.observer);
        let backend = self.backend.map_or_else(backend::operating_system, Ok)?;
        if self.observer.is_some() {
            handover::enable();
        }
        let of_reactor = self.observer.clone().map(|observer| observer as Arc<dyn reactor::Observer>);
        let reactor = Reactor::with(backend, of_reactor);
        let shared = Arc::new(Single::new(reactor.handle(), self.observer.clone(), self.settings.monitor.strictness));
        let Builder { limits, settings, .. } = self;
        Ok(Runtime { reactor: Mutex::new(reactor), shared, limits, settings, recording })
    }
}
