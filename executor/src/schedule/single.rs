//! The single-thread scheduler: runs what is queued, then polls the reactor or parks.
//!
//! ```text
//!   ┌─► a pass: run each task that was queued when the pass began, once
//!   │     │
//!   │   take what other threads have pushed to the injection queue
//!   │     │
//!   │   is the run queue empty?  ── yes ─► announce it, park in the reactor until something happens
//!   │     │ no
//!   └── 64 polls or some ms since the reactor was polled?  ─► poll it, without waiting
//! ```
//!
//! No task starves the rest: a task that is queued during a pass runs in the next one, and the reactor is polled
//! between two passes once 64 polls or some milliseconds have passed, unless it has nothing to wait for.
//!
//! [`Core`] belongs to the thread that runs the tasks, which finds it through a thread-local. [`Single`] is shared with
//! wakers on all threads. A waker on the thread of its own core pushes the task to the core's run queue, without
//! atomics. Elsewhere it pushes to the injection queue, and writes to the reactor's notifier only if it finds the
//! thread parked.
//!
//! Used by `runtime.rs`, `spawn.rs`, `tasks.rs`, `custom.rs` and `group.rs`.

use super::nested::NestedDrops;
use super::pool::{BlockingCall, Pool};
use super::run_queue::{InjectionQueue, RunQueue};
use crate::combine::cancel::within;
use crate::task::{
    Canceller, Chains, CurrentTask, Entered, Extras, Finish, Held, JoinError, JoinHandle, Meta, Queue, Reserved, Run,
    Runnable, Schedule, Slabs, TaskEvent, TaskId, TaskInfo, TaskRef, Transition, reserve,
};
use crate::watch::dump::{Call, Tasks};
use crate::watch::observer::Observer;
use crate::watch::{
    Monitor, MonitorSettings, Monitored, Observers, PolledTask, Strictness, check_in_time, check_the_rest, dump,
    enter_run, fail_on_lost_wake, park_alone,
};
use reactor::backend::{Host, Network};
use reactor::panics::FirstPanic;
use reactor::{Handle, Reactor, budget};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::iter;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The reactor is polled after this many polls of tasks, at the end of the pass.
const POLLS_BETWEEN_TURNS: usize = 64;

/// The part of a scheduler that wakers on any thread use.
pub(crate) struct Single {
    injected: InjectionQueue,
    reactor: Handle,
    pub(crate) observers: Observers,
}

// The injection queue changes by single atomic instructions, and observers must be able to see a task panic.
impl UnwindSafe for Single {}
impl RefUnwindSafe for Single {}

impl Single {
    pub(crate) fn new(reactor: Handle, observer: Option<Arc<dyn Observer>>, strictness: Option<Strictness>) -> Single {
        Single { injected: InjectionQueue::new(), reactor, observers: Observers::new(observer, strictness) }
    }

    /// The scheduler of one run: a new one if the run is observed, so that events name the run that they belong to.
    pub(crate) fn for_run(self: &Arc<Self>) -> Arc<Single> {
        match self.observers.for_run() {
            None => self.clone(),
            Some(observers) => {
                Arc::new(Single { injected: InjectionQueue::new(), reactor: self.reactor.clone(), observers })
            }
        }
    }

    pub(crate) fn network(&self) -> Option<Network> {
        self.reactor.network().cloned()
    }
}

impl Schedule for Single {
    #[inline]
    fn schedule(self: &Arc<Self>, task: Runnable) {
        with_core(|core| match core {
            Some(core) if core.serves(self) => core.queue.push(task),
            _ => {
                if self.injected.push(task) {
                    self.reactor.notify();
                }
            }
        });
    }

    #[inline]
    fn finished(self: &Arc<Self>, task: TaskRef<'_>, how: Finish) {
        with_core(|core| {
            let core = core.expect("a task of a single-thread runtime was run outside of it");
            core.monitor.finished(task, how, &self.observers);
            core.unfinished.set(core.unfinished.get() - 1);
        });
    }

    fn is_watched(&self) -> bool {
        !self.observers.is_empty()
    }

    fn happened(self: &Arc<Self>, task: TaskRef<'_>, what: TaskEvent<'_>) {
        Transition::note_queue(|| match with_core(|core| core.is_some_and(|core| core.serves(self))) {
            true => Queue::Run,
            false => Queue::Injection,
        });
        if let TaskEvent::Woken = what {
            with_core(|core| core.into_iter().for_each(|core| core.monitor.note_self_wake(task)));
        }
        self.observers.happened(task, what);
        if let TaskEvent::PollBegins { chains } = what {
            with_core(|core| core.into_iter().for_each(|core| core.choose_chains(chains)));
        }
    }
}

thread_local! {
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

/// Calls `f` with the current runtime of this thread.
#[inline]
pub(crate) fn with_core<R>(f: impl FnOnce(Option<&Core>) -> R) -> R {
    // SAFETY: the pointer is set by `Core::run` only, and reset before that returns; `elsewhere` hides it and puts
    // it back.
    f(unsafe { CURRENT.get().as_ref() })
}

/// The current runtime of this thread. The pointer is valid until the caller returns: `Core::run` is below it on the
/// stack.
#[inline]
pub(crate) fn core() -> Option<NonNull<Core>> {
    NonNull::new(CURRENT.get().cast_mut())
}

/// Calls `f` without a current runtime, even if this thread has one.
pub(crate) fn elsewhere<R>(f: impl FnOnce() -> R) -> R {
    struct Back(*const Core);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _back = Back(CURRENT.replace(ptr::null()));
    f()
}

/// The identity of a core: its address, unique while the core exists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CoreId(Option<usize>);

impl CoreId {
    /// The core of this thread.
    pub(crate) fn current() -> CoreId {
        CoreId(with_core(|core| core.map(|core| ptr::from_ref(core).addr())))
    }
}

/// Drops now, not in the next pass, the future of each of `tasks` that is cancelled and not shielded. The tasks belong
/// to this thread's runtime. Returns `false` if an outer call on the stack will do it: see [`NestedDrops`].
pub(crate) fn run_cancelled(tasks: Vec<Canceller>) -> bool {
    with_core(|core| {
        let Some(core) = core else { return true };
        let run = |task| {
            let _its_own = budget::enter();
            within(None, || core.run_inside(task));
        };
        core.nested.run(tasks, &core.queue, || core.shared.injected.take(&core.queue), run)
    })
}

/// The part of a scheduler that belongs to the thread that runs the tasks.
pub(crate) struct Core {
    shared: Arc<Single>,
    pub(crate) pool: Arc<Pool>,
    queue: RunQueue,
    /// The cells of all tasks.
    slabs: Slabs<Single>,
    /// How many of them have not completed.
    unfinished: Cell<usize>,
    /// The number of the task spawned last.
    numbered: Cell<u64>,
    /// Polls of tasks since the reactor was polled.
    polls: Cell<usize>,
    /// How long the thread polls the reactor for something to do before it parks.
    awake: Duration,
    /// Whether the run is ending. If so, `spawn` cancels each new task at once.
    ending: Cell<bool>,
    nested: NestedDrops,
    monitor: Monitor,
}

/// The settings of a scheduler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long the thread polls the reactor for something to do before it parks.
    pub(crate) awake: Duration,
    pub(crate) monitor: MonitorSettings,
}

impl Core {
    pub(crate) fn new(shared: Arc<Single>, pool: Arc<Pool>, settings: Settings) -> Core {
        let (queue, unfinished, numbered, polls, ending, nested) = Default::default();
        let (network, now) = (shared.reactor.network(), shared.reactor.now());
        let monitor = Monitor::new(settings.monitor, &shared.observers, network, now);
        let (slabs, awake) = (Slabs::new(), settings.awake);
        Core { shared, pool, queue, slabs, unfinished, numbered, polls, awake, ending, nested, monitor }
    }

    #[inline]
    fn serves(&self, shared: &Arc<Single>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// Runs `future` as the first task, with all tasks that it spawns, until it is ready. Drops the futures of the
    /// tasks that are left, on this thread, before it returns.
    pub(crate) fn run<F: Future>(
        &self,
        reactor: &mut Reactor,
        future: &mut Held<F>,
        spawned_at: &'static Location<'static>,
    ) -> Result<F::Output, JoinError> {
        // A blocking call of another runtime may run this one, whose current task and host must not be visible here.
        let (_no_task, _no_host) = (CurrentTask::clear(), Host::leave());
        let _counted = budget::enter();
        let _reactor = self.shared.reactor.enter();
        let _run = enter_run(self.shared.observers.run());
        self.monitor.begin(&self.shared.observers);
        let ending = Ending { core: self, reactor, before: CURRENT.replace(self), _slabs: self.slabs.enter() };
        // SAFETY: the task only runs in this call, on this thread, and `ending` drops it before this function returns
        // or unwinds, so everything that it borrows outlives it.
        let mut root = unsafe {
            let cell = self.reserve(None, spawned_at);
            future.move_to(cell.future());
            self.spawn(cell)
        };
        self.note_ages();
        self.monitor.restart();
        loop {
            self.pass(&root);
            if root.is_finished() {
                break;
            }
            self.turn(ending.reactor);
        }
        if root.task().header().state.finish() == Some(Finish::Ready) {
            check_the_rest(self);
        }
        drop(ending);
        root.take_output().expect("the task of block_on is finished")
    }

    /// Makes a cell for a task. The caller writes the future there and calls [`spawn`](Core::spawn), with nothing in
    /// between.
    ///
    /// # Safety
    /// The future may be used and dropped on this thread, until the end of `run`.
    #[inline]
    pub(crate) unsafe fn reserve<F: Future>(
        &self,
        extras: Option<Box<Extras>>,
        spawned_at: &'static Location<'static>,
    ) -> Reserved<F> {
        let meta = self.introduce(extras, spawned_at);
        // SAFETY: the caller promises that the future may be used and dropped on this thread until the end of `run`.
        // Both queues give the task to this thread only: the run queue is used here alone, and only this thread takes
        // from the injection queue.
        unsafe { reserve(Some(&self.slabs), &self.shared, meta) }
    }

    /// Makes a task from a cell and queues it.
    ///
    /// # Safety
    /// The future was written to the cell, which was made by this core.
    #[inline]
    pub(crate) unsafe fn spawn<F: Future>(&self, cell: Reserved<F>) -> JoinHandle<F::Output> {
        // SAFETY: as the caller promises.
        let (task, handle) = unsafe { cell.into_task() };
        self.unfinished.set(self.unfinished.get() + 1);
        self.monitor.spawned(|| handle.canceller());
        self.queue.push(task);
        if self.ending.get() {
            handle.cancel();
        }
        handle
    }

    /// Gives a task its number.
    pub(crate) fn introduce(&self, extras: Option<Box<Extras>>, spawned_at: &'static Location<'static>) -> Meta {
        self.numbered.set(self.numbered.get() + 1);
        Meta { id: TaskId(self.numbered.get()), spawned_at, extras }
    }

    /// Shows the observer that a blocking call waits for a thread of the pool.
    pub(crate) fn observe_call(&self, task: TaskRef<'_>) {
        self.shared.observers.show(|observer| observer.blocking_queued(task.id()));
    }

    /// Whether blocking calls are made on this thread, as tasks among the others: the seed decides their order, too.
    pub(crate) fn blocks_itself(&self) -> bool {
        self.monitor.is_simulated()
    }

    /// Wraps a blocking call in a future that makes the call on the polling thread. No runtime is current during the
    /// call, as on a thread of the pool.
    pub(crate) fn make_here<T>(&self, call: impl FnOnce() -> T) -> impl Future<Output = T> {
        let mut call: BlockingCall<_> = self.pool.call(call);
        poll_fn(move |cx| elsewhere(|| Pin::new(&mut call).poll(cx)))
    }

    fn pass<T>(&self, root: &JoinHandle<T>) {
        if self.monitor.is_simulated() {
            self.shuffle();
        }
        for _ in 0..self.queue.len() {
            let Some(task) = self.queue.pop() else { return };
            if self.run_task(task) && root.is_finished() {
                return;
            }
            if !self.monitor.is_plain() {
                fail_on_lost_wake(&self.shared.observers);
            }
        }
    }

    #[cold]
    fn shuffle(&self) {
        self.monitor.end_crashed(); // first, so that the tasks that this queues are shuffled, too
        let mut ready: Vec<Runnable> = iter::from_fn(|| self.queue.pop()).collect();
        self.monitor.shuffle(&mut ready);
        ready.into_iter().for_each(|task| self.queue.push(task));
    }

    /// Runs a task once. Returns whether it has completed.
    #[inline(always)] // in the loop of a pass; out of line, a yield takes a tenth longer
    fn run_task(&self, task: Runnable) -> bool {
        let poll = PolledTask::of(task.task());
        let is_over = self.run_inside(task);
        self.monitor.polled(poll, &self.shared.observers, |id| self.find(id));
        is_over
    }

    /// As [`run_task`](Core::run_task), but does not time the poll: within the poll of another task, it belongs to that
    /// one.
    #[inline(always)]
    fn run_inside(&self, task: Runnable) -> bool {
        budget::reset();
        self.polls.set(self.polls.get() + 1);
        let run = if self.monitor.is_plain() { task.run_plain() } else { self.monitor.run(task) };
        match run {
            Run::Suspended => false,
            Run::Finished => true,
            Run::Woken(task) => {
                self.queue.push(task);
                false
            }
        }
    }

    /// Between two passes: takes what other threads have pushed, and polls the reactor or parks.
    fn turn(&self, reactor: &mut Reactor) {
        self.shared.injected.take(&self.queue);
        // A simulated clock does not move while the thread polls.
        if self.queue.len() == 0 && !self.awake.is_zero() && !reactor.handle().is_simulated() {
            self.stay_awake(reactor);
        }
        if self.queue.len() == 0 {
            check_in_time(self);
        }
        if self.queue.len() == 0 {
            self.park(reactor);
        } else if self.polls.get() >= POLLS_BETWEEN_TURNS || self.has_taken_long() {
            match reactor.is_idle() {
                true => self.note_ages(),
                false => self.turn_reactor(reactor, Some(Duration::ZERO)),
            }
            self.polls.set(0);
        }
    }

    /// Parks with an empty run queue, unless another thread has pushed a task meanwhile.
    fn park(&self, reactor: &mut Reactor) {
        // Check this before `injected.park()`: a hold is released only after its tasks were pushed.
        let is_alone = |reactor: &Reactor| reactor.is_idle() && !reactor.is_held();
        let was_alone = is_alone(reactor);
        if self.shared.injected.park() {
            match was_alone {
                false => self.turn_reactor(reactor, None),
                true => park_alone(
                    self,
                    reactor,
                    self.shared.reactor.is_simulated(),
                    |reactor, timeout| self.turn_reactor(reactor, timeout),
                    |reactor| {
                        let is_alone = is_alone(reactor);
                        self.shared.injected.take(&self.queue);
                        is_alone && self.queue.len() == 0
                    },
                ),
            }
        }
        self.shared.injected.take(&self.queue);
    }

    /// Whether some milliseconds have passed since the last call, however few polls they took. Always `false` on a
    /// simulated clock: a deterministic run must not depend on the machine's speed.
    fn has_taken_long(&self) -> bool {
        self.monitor.has_ticked() && !self.shared.reactor.is_simulated()
    }

    /// Polls the reactor for something to do for a while before the thread parks.
    fn stay_awake(&self, reactor: &mut Reactor) {
        let start = Instant::now();
        while self.queue.len() == 0 && start.elapsed() < self.awake {
            self.turn_reactor(reactor, Some(Duration::ZERO));
            self.shared.injected.take(&self.queue);
        }
    }

    fn turn_reactor(&self, reactor: &mut Reactor, timeout: Option<Duration>) {
        self.polls.set(0);
        self.note_ages();
        if let Err(error) = reactor.turn(timeout) {
            panic!("the runtime can't wait for I/O any more: {error}");
        }
        self.monitor.restart();
    }

    fn note_ages(&self) {
        self.monitor.note_ages(self.numbered.get(), || self.shared.reactor.now());
    }

    fn choose_chains(&self, chains: &Cell<Chains>) {
        self.monitor.choose_chains(chains, &self.shared.observers);
    }

    /// Looks up a task that has not completed.
    fn find(&self, id: TaskId) -> Option<TaskInfo> {
        self.slabs.tasks().iter().map(Canceller::task).find(|task| task.id() == id).map(TaskRef::info)
    }

    /// The task dump of this run.
    pub(crate) fn dump(&self) -> Tasks {
        dump(self, true)
    }

    /// Cancels every task that is left and runs it, which drops its future and resolves its handle.
    fn end(&self, reactor: &mut Reactor) {
        self.ending.set(true);
        // The order is part of what a seed repeats and what an observer sees.
        self.slabs.cancel_all(self.monitor.is_simulated() || self.shared.observers.observer.is_some());
        let mut waits = FirstPanic::default(); // unwinds when no task is left that borrows from the caller of `run`
        while self.unfinished.get() > 0 {
            self.shared.injected.take(&self.queue);
            while let Some(task) = self.queue.pop() {
                self.run_task(task);
            }
            // The `Runnable` of a task that is still there is held by another thread, which is about to push it to the
            // injection queue.
            if self.unfinished.get() > 0 && self.queue.len() == 0 && self.shared.injected.park() {
                waits.catch(|| self.turn_reactor(reactor, None));
            }
        }
    }
}

impl Monitored for Core {
    fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    fn observers(&self) -> &Observers {
        &self.shared.observers
    }

    fn tasks(&self) -> Vec<Canceller> {
        self.slabs.tasks()
    }

    fn calls(&self) -> Vec<Call> {
        self.pool.calls()
    }

    fn queued(&self) -> usize {
        self.queue.len()
    }

    fn run_once(&self, task: Runnable) -> bool {
        self.run_inside(task)
    }

    fn now(&self) -> Instant {
        self.shared.reactor.now()
    }
}

/// Keeps the core current on this thread. Its drop ends the tasks that are left, whether `run` returns or unwinds.
struct Ending<'a> {
    core: &'a Core,
    reactor: &'a mut Reactor,
    before: *const Core,
    _slabs: Entered,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut end = FirstPanic::default();
        end.catch(|| self.core.end(self.reactor));
        end.catch(|| self.core.shared.observers.show(|observer| observer.run_ends()));
        CURRENT.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::with_core;
    use crate::test::explore;
    use crate::{spawn_local, yield_now};

    #[test]
    fn a_simulated_host_forgets_a_task_that_has_completed() {
        let tasks = || with_core(|core| core.unwrap().monitor.on_hosts());
        explore(1, |network| async move {
            let running = network.host("a").run(async {
                let suspended = spawn_local(yield_now());
                assert_eq!(tasks(), 1);
                suspended.await.unwrap();
            });
            running.await.unwrap();
            assert_eq!(tasks(), 0);
        });
    }
}
