//! [`Runtime`], its [`Builder`], and [`block_on`].

use crate::blocking::{Limits, Pool};
use crate::custom::with_custom;
use crate::lost_wake::Strictness;
use crate::observer::Observer;
use crate::single::{Core, Deadlock, Settings, Single, with_core};
use crate::sync::handover;
use crate::task::{Held, JoinError, with_current};
use crate::trace::Outlets;
use reactor::Reactor;
use reactor::backend::{self, Backend, Network, Simulation};
use std::future::Future;
use std::panic::{Location, RefUnwindSafe, UnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;
use std::{fmt, io};

/// Runs a future to its end, on this thread, with a runtime of its own.
///
/// Tasks that the future spawned and that are not done when it is are dropped, on this thread, before
/// `block_on` returns: nothing outlives it but blocking calls that have begun.
///
/// # Panics
/// When the future does, with the same payload. Inside of another runtime on this thread. When the
/// system has no file descriptor left for the reactor; [`Runtime::builder`] gives that as an error.
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
        Err(error) => panic!("executor::block_on could not make a reactor: {error}"),
    }
}

/// A place to run futures: a reactor, a scheduler and a pool of threads for blocking calls.
///
/// ```
/// use executor::Runtime;
///
/// let runtime = Runtime::builder().blocking_threads(4).build()?;
/// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
/// # std::io::Result::Ok(())
/// ```
pub struct Runtime {
    /// Locked while it runs.
    reactor: Mutex<Reactor>,
    shared: Arc<Single>,
    limits: Limits,
    settings: Settings,
    recording: Outlets,
}

impl Runtime {
    /// What can be chosen about a runtime.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The network in which its TCP sockets live, if it is [deterministic](Builder::deterministic).
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

    /// Runs a future to its end on this thread. As [`block_on`](crate::block_on): when it returns,
    /// no task is left.
    ///
    /// # Panics
    /// When the future does. Inside of a runtime on this thread, and while this one runs on another.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let place = Location::caller();
        let is_polled = || with_custom(|custom| custom.is_some()) && with_current(|task| task.is_some());
        if with_core(|core| core.is_some()) || is_polled() {
            panic!(
                "block_on was called at {place} from inside of a runtime, whose other tasks would stand still \
                 meanwhile: write `.await` instead; or, in a function that is not async, \
                 give the work to another thread with spawn_blocking"
            );
        }
        let mut reactor = match self.reactor.try_lock() {
            Ok(reactor) => reactor,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                panic!(
                    "block_on was called at {place} on a runtime that already runs on another thread: \
                        make a runtime for each"
                )
            }
        };
        let mut held = Held::empty();
        // SAFETY: it is written at once.
        unsafe { std::ptr::write(held.future(), future) };
        let _saving = self.recording.saving();
        let shared = self.shared.for_run();
        let pool = Arc::new(Pool::new(self.limits, reactor.handle(), shared.observer.clone()));
        let closing = Closing(pool.clone());
        let core = Core::new(shared, pool, self.settings);
        let output = core.run(&mut reactor, &mut held, place);
        drop(closing);
        drop(reactor); // before a panic goes on: it isn't the lock's
        match output {
            Ok(output) => output,
            Err(JoinError::Panicked(panic)) => resume_unwind(panic.into_inner()),
            Err(JoinError::Cancelled) => unreachable!("nobody has a handle to the task of block_on"),
        }
    }
}

// Whatever panics in `block_on`, all tasks are dropped before it is left, and the reactor is whole.
impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("blocking", &self.limits).finish_non_exhaustive()
    }
}

/// Closes the pool, whether `block_on` returns or unwinds.
struct Closing(Arc<Pool>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What can be chosen about a [`Runtime`].
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
        let settings = Settings { slow_poll, deadlock: Deadlock::Print, strictness: None, awake: Duration::ZERO };
        Builder { backend: None, observer: None, limits, settings }
    }
}

impl Builder {
    /// Who watches the runtime; nobody unless told.
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

    /// What the reactor waits on; the operating system unless told.
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

    /// Time that takes no time: when nothing can run, the clock jumps to the next deadline. While
    /// a blocking call is under way it stands still.
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

    /// A world of its own, in which everything happens the same way each time: time is
    /// [virtual](Builder::virtual_clock), TCP sockets live in a simulated [`Network`], and all choices come from the
    /// seed. What is left to choice is the order in which tasks run that are ready at the same time (each of them once,
    /// before any of them again), and what links with jitter or loss do. Blocking calls are made on this thread, in a
    /// turn of their own.
    ///
    /// So the same program with the same seed has the same events, and other seeds find other orders: see
    /// [`test::explore`](crate::test::explore). A deadlock panics, as with [`detect_deadlock`](Builder::detect_deadlock);
    /// slow polls aren't reported. Sockets other than TCP, and file descriptors, can't be had.
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
        self.settings.slow_poll = Duration::MAX;
        self.backend(Box::new(Simulation::with_network(seed))).detect_deadlock(true)
    }

    /// How many blocking calls may run at once, each on a thread of its own; 128 unless told.
    ///
    /// # Panics
    /// On 0, with which no call could ever be made.
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
        assert!(threads > 0, "a pool without threads could never make a blocking call: give at least 1");
        self.limits.threads = threads;
        self
    }

    /// How long a thread for blocking calls stays when it has none; 10 s unless told.
    pub fn blocking_keep_alive(mut self, time: Duration) -> Builder {
        self.limits.keep_alive = time;
        self
    }

    /// How long a poll may hold the thread until that is reported; 100 ms unless told.
    ///
    /// The report goes to the standard error, once for each place that spawns such tasks; and, whenever it is known
    /// whose poll it was, to [`Observer::slow_poll`]. It is good to some milliseconds.
    ///
    /// ```
    /// use executor::{Runtime, time::Duration};
    ///
    /// let runtime = Runtime::builder().slow_poll(Duration::from_millis(10)).build()?;
    /// runtime.block_on(async {
    ///     std::thread::sleep(Duration::from_millis(20)); // a person can read which task that was, and what to do
    /// });
    /// # std::io::Result::Ok(())
    /// ```
    pub fn slow_poll(mut self, limit: Duration) -> Builder {
        self.settings.slow_poll = limit;
        self
    }

    /// Whether `block_on` panics, with the list of all tasks, as soon as nothing can run and nothing is there
    /// that could change that: no timer, no source, no blocking call. Then only another thread's waker could; a
    /// program in which it will says so with [`Handle::hold`](reactor::Handle::hold).
    ///
    /// It panics as well when a wake was lost: when a suspended task makes progress in a poll for that list, though it
    /// was not woken. The panic says which task, where it was suspended, and what became of its waker. Tasks that
    /// outlive the future of `block_on` are checked for that before they are dropped.
    ///
    /// Unless told, the list is printed to the standard error when that has lasted for a second, once, and each lost
    /// wake that it finds; with a virtual clock, which then shows no second, it is not.
    ///
    /// ```should_panic
    /// use executor::{Runtime, sync::Mutex};
    ///
    /// let runtime = Runtime::builder().detect_deadlock(true).build().unwrap();
    /// runtime.block_on(async {
    ///     let mutex = Mutex::new(());
    ///     let _first = mutex.lock().await;
    ///     let _second = mutex.lock().await; // waits for itself
    /// });
    /// ```
    pub fn detect_deadlock(mut self, detect: bool) -> Builder {
        self.settings.deadlock = if detect { Deadlock::Panic } else { Deadlock::Print };
        self.strict(detect.then_some(Strictness { stranded: false, chains: true }))
    }

    /// What a lost wake does.
    pub(crate) fn strict(mut self, strictness: Option<Strictness>) -> Builder {
        self.settings.strictness = strictness;
        self
    }

    /// How long the thread goes on looking for something to do before it sleeps; not at all unless told.
    ///
    /// To fall asleep and be woken takes some microseconds, on this thread and on that of whoever wakes it. A
    /// server whose next request is surely under way answers sooner if it stays awake for as long; the price is
    /// the processor's time for that, each time it runs out of work. Idle, it sleeps as any other.
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

    /// Makes the runtime. It runs when [`Runtime::block_on`] is called.
    ///
    /// # Errors
    /// When the system has no file descriptor left for the reactor; or when the environment asks for a recording where none
    /// can be written: see [`trace`](crate::trace).
    pub fn build(mut self) -> io::Result<Runtime> {
        let recording = Outlets::open(&mut self.observer)?;
        let own = self.observer.as_ref().and_then(|observer| observer.clone().for_runtime());
        self.observer = own.or(self.observer);
        let backend = self.backend.map_or_else(backend::operating_system, Ok)?;
        if self.observer.is_some() {
            handover::want();
        }
        let watcher = self.observer.clone().map(|observer| observer as Arc<dyn reactor::Observer>);
        let reactor = Reactor::with(backend, watcher);
        let shared = Arc::new(Single::new(reactor.handle(), self.observer.clone(), self.settings.strictness));
        let Builder { limits, settings, .. } = self;
        Ok(Runtime { reactor: Mutex::new(reactor), shared, limits, settings, recording })
    }
}
