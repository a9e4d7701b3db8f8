//! The single-thread scheduler: run what is ready, then turn the reactor.
//!
//! ```text
//!   ┌─► a pass: run each task that was ready when the pass began, once
//!   │     │
//!   │   take what other threads have woken from the inbox
//!   │     │
//!   │   nothing ready?  ── yes ─► announce the sleep, turn the reactor until something happens
//!   │     │ no
//!   └── 64 polls or some ms since the last look?  ─► look at the reactor, without waiting
//! ```
//!
//! No task starves the rest: what becomes ready during a pass runs in the next one, and I/O and
//! timers get a look after each pass, or after 64 polls or some milliseconds where passes are shorter than that.
//!
//! Two structs. [`Core`] belongs to the thread that runs, which finds it through a thread-local;
//! [`Single`] is what wakers on all threads know. A waker that finds the core of its own scheduler
//! on its thread puts the task into the core's queue, without any atomics; from elsewhere it goes
//! to the inbox, and only who finds the thread asleep there writes to the reactor's notifier.
//!
//! Used by `runtime.rs` and `spawn.rs`.

use crate::ages::Ages;
use crate::blocking::{self, Pool};
use crate::cancel::within;
use crate::lost_wake::{self, Asked, Checks, Strictness, Suspect};
use crate::observer::{self, Here, Observer, present_cause};
use crate::run_queue::{Inbox, RunQueue};
use crate::simulated::Simulated;
use crate::slow::{Polled, SlowPolls};
use crate::task::{
    Canceller, Chains, CurrentTask, Entered, Extras, Finish, Held, JoinError, JoinHandle, Meta, Reserved, Run,
    Runnable, Schedule, Slabs, TaskEvent, TaskId, TaskInfo, TaskRef, reserve,
};
use reactor::backend::{Host, Network};
use reactor::panics::FirstPanic;
use reactor::{Handle, Reactor, budget};
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::future::Future;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// At most so many polls pass before the reactor gets a look.
const POLLS_BETWEEN_LOOKS: usize = 64;

/// A deterministic run first looks for lost wakes at this time of its clock.
const FIRST_CHECK: Duration = Duration::from_secs(1);

/// What wakers know of a single-thread runtime. Any thread.
pub(crate) struct Single {
    inbox: Inbox,
    reactor: Handle,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Where a lost wake fails the run.
    checks: Option<Checks>,
}

// The inbox changes by single atomic instructions; an observer has to be fit for panics of any task.
impl UnwindSafe for Single {}
impl RefUnwindSafe for Single {}

impl Single {
    pub(crate) fn new(reactor: Handle, observer: Option<Arc<dyn Observer>>, strictness: Option<Strictness>) -> Single {
        Single { inbox: Inbox::new(), reactor, observer, checks: strictness.map(Checks::new) }
    }

    /// The same for a run whose events are shown to an observer of their own.
    pub(crate) fn for_run(self: &Arc<Self>) -> Arc<Single> {
        match self.observer.as_ref().and_then(|observer| observer.clone().for_run()) {
            None => self.clone(),
            Some(observer) => {
                let strictness = self.checks.as_ref().map(Checks::strictness);
                Arc::new(Single::new(self.reactor.clone(), Some(observer), strictness))
            }
        }
    }

    pub(crate) fn network(&self) -> Option<Network> {
        self.reactor.network().cloned()
    }

    #[inline]
    fn observe(&self, show: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer {
            show(&**observer);
        }
    }
}

impl Schedule for Single {
    #[inline]
    fn schedule(self: &Arc<Self>, task: Runnable) {
        with_core(|core| match core {
            Some(core) if core.serves(self) => core.queue.push(task),
            _ => {
                if self.inbox.push(task) {
                    self.reactor.notify();
                }
            }
        });
    }

    #[inline]
    fn finished(self: &Arc<Self>, task: TaskRef<'_>, how: Finish) {
        with_core(|core| {
            let core = core.expect("a task of a single-thread runtime was run outside of it");
            match how {
                // To print where takes long, and is not what the poll was for.
                Finish::Panicked => core.slow.restart(),
                Finish::Ready | Finish::Cancelled => core.slow.finished(task),
            }
            if let Some(simulated) = &core.simulated {
                simulated.finished(task.id());
            }
            if let Some(checks) = self.checks.as_ref().filter(|_| core.asking.get().is_none()) {
                checks.forget(task.id());
            }
            core.unfinished.set(core.unfinished.get() - 1);
        });
    }

    fn is_observed(&self) -> bool {
        self.observer.is_some() || self.checks.is_some()
    }

    fn happened(self: &Arc<Self>, task: TaskRef<'_>, what: TaskEvent<'_>) {
        let is_here = || {
            let is_served = blocking::is_thread_of(&self.reactor, self.observer.as_ref());
            with_core(|core| Here::of(core.map(|core| core.serves(self)), is_served))
        };
        if let TaskEvent::Woken = what {
            with_core(|core| core.into_iter().for_each(|core| core.note_self_wake(task)));
        }
        if let Some(checks) = &self.checks {
            checks.happened(task, &what, || present_cause(is_here()));
        }
        self.observe(|observer| observer::show(observer, task, what, is_here));
        if let TaskEvent::PollBegins { chains } = what {
            with_core(|core| core.into_iter().for_each(|core| core.choose_chains(chains)));
        }
    }
}

thread_local! {
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

/// Shows `f` the runtime that runs on this thread.
#[inline]
pub(crate) fn with_core<R>(f: impl FnOnce(Option<&Core>) -> R) -> R {
    // SAFETY: the pointer is set by `Core::run` only, and reset before that returns; `elsewhere` hides it and puts
    // it back.
    f(unsafe { CURRENT.get().as_ref() })
}

/// The runtime that runs on this thread. The pointer is good until the caller returns: a core runs in a call below it.
#[inline]
pub(crate) fn core() -> Option<NonNull<Core>> {
    NonNull::new(CURRENT.get().cast_mut())
}

/// Calls `f` as on a thread without a runtime, though this one has one.
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

/// What is known of a task of this thread's runtime, if it is not over.
pub(crate) fn find(id: TaskId) -> Option<TaskInfo> {
    let tasks = with_core(|core| core.map(|core| core.slabs.tasks()))?;
    tasks.iter().map(Canceller::task).find(|task| task.id() == id).map(TaskRef::info)
}

/// Tells the runtimes that run at the same time apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CoreId(Option<usize>);

impl CoreId {
    /// The one that runs on this thread.
    pub(crate) fn present() -> CoreId {
        CoreId(with_core(|core| core.map(|core| ptr::from_ref(core).addr())))
    }
}

/// Runs those of these tasks that were cancelled and can be dropped, the last first, which drops their futures: now,
/// whatever else runs on this thread, and not in a pass to come. They belong to this thread's runtime.
///
/// A destructor may call this again. From a certain depth on, such a call leaves its tasks to the outermost one and
/// returns `false`, so that futures which drop each other don't overflow the stack.
pub(crate) fn run_cancelled(tasks: Vec<Canceller>) -> bool {
    /// Each level takes some two kilobytes of stack in a debug build, and what the destructors take.
    const DEPTH: usize = 16;
    with_core(|core| {
        let Some(core) = core else { return true };
        let depth = core.drops.get();
        if depth == DEPTH {
            core.left_over.borrow_mut().extend(tasks);
            return false;
        }
        let _depth = Depth { core, before: core.drops.replace(depth + 1) };
        core.run_cancelled(tasks);
        if depth == 0 {
            // Which may leave some again.
            let left_over = || Some(core.left_over.take()).filter(|tasks| !tasks.is_empty());
            while let Some(tasks) = left_over() {
                core.run_cancelled(tasks);
            }
        }
        true
    })
}

/// Puts the depth of [`run_cancelled`] back, whether the call returns or unwinds.
struct Depth<'a> {
    core: &'a Core,
    before: usize,
}

impl Drop for Depth<'_> {
    fn drop(&mut self) {
        self.core.drops.set(self.before);
    }
}

/// What belongs to the thread that runs: the queue and the tasks.
pub(crate) struct Core {
    shared: Arc<Single>,
    pub(crate) pool: Arc<Pool>,
    settings: Settings,
    queue: RunQueue,
    /// Where all tasks are, whether queued or waiting.
    slabs: Slabs<Single>,
    /// How many of them have a future.
    unfinished: Cell<usize>,
    /// The number of the task spawned last.
    numbered: Cell<u64>,
    ages: RefCell<Ages>,
    pub(crate) slow: SlowPolls,
    deadlock: Cell<Deadlock>,
    /// What is different where the network is simulated.
    pub(crate) simulated: Option<Box<Simulated>>,
    /// Neither that, nor an observer, nor checks are there: a poll is a poll, and nothing besides.
    is_plain: bool,
    /// Polls since the reactor was looked at.
    polls: Cell<usize>,
    /// A task is being polled though it was not woken, to learn its await chain or whether its wake was lost.
    asking: Cell<Option<Asked>>,
    start: Instant,
    /// When the suspended tasks are checked for lost wakes, on a simulated clock.
    next_check: Cell<Instant>,
    /// The runtime ends: tasks that are made from now on are cancelled at once.
    ending: Cell<bool>,
    /// How many calls of `run_cancelled` are under way, each in a destructor that the one before runs.
    drops: Cell<usize>,
    /// Cancelled tasks that the outermost of them runs in the end.
    left_over: RefCell<Vec<Canceller>>,
}

/// What can be chosen about a scheduler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How long a poll may hold the thread until that is reported.
    pub(crate) slow_poll: Duration,
    pub(crate) deadlock: Deadlock,
    /// What a lost wake does; it is reported where this is none.
    pub(crate) strictness: Option<Strictness>,
    /// How long the thread looks for something to do before it sleeps.
    pub(crate) awake: Duration,
}

/// What is done when nothing can ever run again, unless another thread wakes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadlock {
    /// The tasks are printed, after a second and once.
    Print,
    Printed,
    /// `block_on` panics with them.
    Panic,
}

impl Core {
    pub(crate) fn new(shared: Arc<Single>, pool: Arc<Pool>, settings: Settings) -> Core {
        let (queue, unfinished, numbered, ages, polls, asking, ending) = Default::default();
        let start = shared.reactor.now();
        let next_check = Cell::new(start + FIRST_CHECK);
        let (drops, left_over) = Default::default();
        let (slabs, slow, deadlock) = (Slabs::new(), SlowPolls::new(settings.slow_poll), Cell::new(settings.deadlock));
        let simulated = shared.reactor.network().map(Simulated::new).map(Box::new);
        let is_plain = simulated.is_none() && !shared.is_observed();
        Core {
            shared,
            pool,
            settings,
            queue,
            slabs,
            unfinished,
            numbered,
            ages,
            slow,
            deadlock,
            simulated,
            is_plain,
            polls,
            asking,
            start,
            next_check,
            ending,
            drops,
            left_over,
        }
    }

    #[inline]
    fn serves(&self, shared: &Arc<Single>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// Runs `future` as the first task, and all that it spawns, until it is ready; then drops
    /// whatever tasks are left, on this thread, before it returns.
    pub(crate) fn run<F: Future>(
        &self,
        reactor: &mut Reactor,
        future: &mut Held<F>,
        place: &'static Location<'static>,
    ) -> Result<F::Output, JoinError> {
        // A blocking call of another runtime may run this one: its tasks are not that call's doing, nor on its host.
        let (_nobody, _no_host) = (CurrentTask::clear(), Host::leave());
        let _counted = budget::enter();
        self.shared.checks.iter().for_each(Checks::reset); // what an earlier run has left
        let _reactor = self.shared.reactor.enter();
        self.shared.observe(|observer| observer.run_begins());
        let ending = Ending { core: self, reactor, before: CURRENT.replace(self), _slabs: self.slabs.enter() };
        // SAFETY: the task only runs in this call, on this thread, and `ending` has it dropped
        // before this frame is left, on whatever way; so before anything it borrows ends.
        let mut root = unsafe {
            let cell = self.reserve(None, place);
            future.move_to(cell.future());
            self.spawn(cell)
        };
        self.note_ages();
        self.slow.restart();
        loop {
            self.pass(&root);
            if root.is_finished() {
                break;
            }
            self.turn(ending.reactor);
        }
        self.check_the_rest(&root);
        drop(ending);
        root.take_output().expect("the task of block_on is finished")
    }

    /// Makes a cell for a task. Nothing may come between this and [`spawn`](Core::spawn) but the writing of the future.
    ///
    /// # Safety
    /// The future may be used and dropped on this thread, until the end of `run`.
    #[inline]
    pub(crate) unsafe fn reserve<F: Future>(
        &self,
        extras: Option<Box<Extras>>,
        place: &'static Location<'static>,
    ) -> Reserved<F> {
        let meta = self.introduce(extras, place);
        // SAFETY: the caller vouches for the future. Both queues give the task to this thread only:
        // the core's is reached from here alone, and the inbox is emptied by nobody else.
        unsafe { reserve(Some(&self.slabs), &self.shared, meta) }
    }

    /// Makes a task of a cell and queues it.
    ///
    /// # Safety
    /// The future was written to its place, and the cell is one of this core's.
    #[inline]
    pub(crate) unsafe fn spawn<F: Future>(&self, cell: Reserved<F>) -> JoinHandle<F::Output> {
        // SAFETY: as the caller promises.
        let (task, handle) = unsafe { cell.into_task() };
        self.unfinished.set(self.unfinished.get() + 1);
        if let Some(simulated) = &self.simulated {
            simulated.spawned(handle.canceller());
        }
        self.queue.push(task);
        if self.ending.get() {
            handle.cancel();
        }
        handle
    }

    /// Numbers a task.
    pub(crate) fn introduce(&self, extras: Option<Box<Extras>>, place: &'static Location<'static>) -> Meta {
        self.numbered.set(self.numbered.get() + 1);
        Meta { id: TaskId(self.numbered.get()), spawned_at: place, extras }
    }

    /// Shows the call that was made last to whoever watches.
    pub(crate) fn observe_call(&self, task: TaskRef<'_>) {
        self.shared.observe(|observer| observer.blocking_queued(task.id()));
    }

    /// Whether blocking calls are made on this thread, as tasks among the others: their order is the seed's, too.
    pub(crate) fn blocks_itself(&self) -> bool {
        self.simulated.is_some()
    }

    fn pass<T>(&self, root: &JoinHandle<T>) {
        if let Some(simulated) = &self.simulated {
            simulated.end_crashed(); // a waker that the reactor has called may have had one crash
            simulated.shuffle(&self.queue);
        }
        for _ in 0..self.queue.len() {
            let Some(task) = self.queue.pop() else { return };
            if self.run_task(task) && root.is_finished() {
                return;
            }
            if !self.is_plain {
                self.fail_on_lost_wake();
            }
        }
    }

    /// Where lost wakes fail the run, the tasks that outlive the first one are checked before they are cancelled.
    fn check_the_rest<T>(&self, root: &JoinHandle<T>) {
        if self.shared.checks.is_some() && root.task().header().state.finish() == Some(Finish::Ready) {
            self.find_lost_wakes();
            self.fail_on_lost_wake();
        }
    }

    /// Runs a task once. Whether it is over.
    #[inline]
    fn run_task(&self, task: Runnable) -> bool {
        let poll = Polled::of(task.task());
        let is_over = self.run_inside(task);
        self.slow.polled(poll, self.shared.observer.as_deref());
        is_over
    }

    /// As [`run_task`](Core::run_task), in the poll of another task: the time it takes is that one's.
    #[inline]
    fn run_inside(&self, task: Runnable) -> bool {
        budget::reset();
        self.polls.set(self.polls.get() + 1);
        let run = if self.is_plain { task.run_plain() } else { self.run_not_plain(task) };
        match run {
            Run::Suspended => false,
            Run::Finished => true,
            Run::Ready(task) => {
                self.queue.push(task);
                false
            }
        }
    }

    #[cold]
    fn run_not_plain(&self, task: Runnable) -> Run {
        match &self.simulated {
            None => task.run_once(),
            Some(simulated) => simulated.run(task.task().id(), || task.run_once()),
        }
    }

    /// Between two passes: looks for what became ready, and waits for it if there is nothing else to do.
    fn turn(&self, reactor: &mut Reactor) {
        self.shared.inbox.take(&self.queue);
        // Time that is virtual doesn't pass while the thread looks.
        if self.queue.len() == 0 && !self.settings.awake.is_zero() && !reactor.handle().is_simulated() {
            self.stay_awake(reactor);
        }
        if self.queue.len() == 0 {
            self.check_in_time();
        }
        if self.queue.len() == 0 {
            // Asked before the inbox is: whoever held the reactor has put his tasks there before he let go.
            let is_alone = reactor.is_idle() && !reactor.is_held();
            if self.shared.inbox.sleep() {
                match is_alone {
                    true => self.wait_alone(reactor),
                    false => self.turn_reactor(reactor, None),
                }
            }
            self.shared.inbox.take(&self.queue);
        } else if self.polls.get() >= POLLS_BETWEEN_LOOKS || self.has_taken_long() {
            match reactor.is_idle() {
                true => self.note_ages(),
                false => self.turn_reactor(reactor, Some(Duration::ZERO)),
            }
            self.polls.set(0);
        }
    }

    /// Whether some milliseconds have passed since the last look, however few polls they took. On a simulated clock, which
    /// stands still meanwhile, the machine's speed must not decide.
    fn has_taken_long(&self) -> bool {
        self.slow.take_tick() && !self.shared.reactor.is_simulated()
    }

    /// Before a simulated clock moves on: looks for lost wakes, at 1, 2, 4, 8, … seconds of its time. So a task that
    /// waits for ever is found though a timer keeps others going, and the number of checks stays small.
    fn check_in_time(&self) {
        let now = self.shared.reactor.now();
        if self.simulated.is_some() && self.shared.checks.is_some() && now >= self.next_check.get() {
            self.next_check.set(now + (now - self.start).max(FIRST_CHECK));
            self.find_lost_wakes();
            self.fail_on_lost_wake();
        }
    }

    /// Looks for something to do for a while before the thread goes to sleep.
    fn stay_awake(&self, reactor: &mut Reactor) {
        let start = Instant::now();
        while self.queue.len() == 0 && start.elapsed() < self.settings.awake {
            self.turn_reactor(reactor, Some(Duration::ZERO));
            self.shared.inbox.take(&self.queue);
        }
    }

    /// Waits when nothing but another thread can ever end the wait.
    #[cold]
    fn wait_alone(&self, reactor: &mut Reactor) {
        const PATIENCE: Duration = Duration::from_secs(1);
        const WHAT: &str = "nothing in this runtime can run, and nothing in it can change that: no timer is set, no \
            socket open that something could come from, no blocking call under way. Only another thread could still wake one of its";
        match self.deadlock.get() {
            Deadlock::Printed => self.turn_reactor(reactor, None),
            // Time that is virtual would just jump.
            Deadlock::Print if reactor.handle().is_simulated() => self.turn_reactor(reactor, None),
            Deadlock::Print => {
                let start = Instant::now();
                self.turn_reactor(reactor, Some(PATIENCE));
                let is_alone = self.shared.inbox.is_asleep() && reactor.is_idle() && !reactor.is_held();
                // A signal or a notification may have ended the wait before: then it begins again.
                if is_alone && start.elapsed() >= PATIENCE {
                    self.print_deadlock(WHAT);
                    self.slow.restart();
                }
            }
            Deadlock::Panic => {
                let unfinished = self.unfinished.get();
                let tasks = crate::dump::tasks_of(self, true);
                if let Some(failure) = self.shared.checks.as_ref().and_then(Checks::take_failure) {
                    panic!("{failure}\n{tasks}");
                }
                // A task that another thread is about to wake may have made progress when its await chain was asked for:
                // to its end, or to where it waits for something that will come.
                let is_alone = reactor.is_idle() && !reactor.is_held();
                self.shared.inbox.take(&self.queue);
                if is_alone && self.queue.len() == 0 && self.unfinished.get() == unfinished {
                    panic!("deadlock: {WHAT} {tasks}");
                }
            }
        }
    }

    /// Prints the tasks whose wake was lost, which may have set others going; if there are none, all tasks, once.
    fn print_deadlock(&self, what: &str) {
        // No other thread has woken a task for so long that none is about to.
        let tasks = crate::dump::tasks_of(self, false);
        let mut lost = tasks.iter().filter(|task| task.lost_wake).peekable();
        if lost.peek().is_none() {
            self.deadlock.set(Deadlock::Printed);
            eprintln!("executor: {what} {tasks}");
        }
        lost.for_each(|task| eprintln!("executor: {}\n{task}", lost_wake::sentence(&task.task)));
    }

    fn turn_reactor(&self, reactor: &mut Reactor, timeout: Option<Duration>) {
        self.polls.set(0);
        self.note_ages();
        if let Err(error) = reactor.turn(timeout) {
            panic!("the runtime can't wait for I/O any more: {error}");
        }
        self.slow.restart();
    }

    fn note_ages(&self) {
        self.ages.borrow_mut().note(self.numbered.get(), || self.shared.reactor.now());
    }

    /// How old a task is, more or less.
    pub(crate) fn age(&self, task: TaskId) -> Duration {
        self.ages.borrow().age(task.0, self.shared.reactor.now())
    }

    /// Shows every task that is not over to `f`, with a way to poll it, which does nothing if it is not suspended.
    /// Returns the results, each with whether the task has made progress in that poll: then its wake was lost.
    /// `others_wake` says that a wake may be under way on another thread.
    pub(crate) fn each_task<T>(
        &self,
        others_wake: bool,
        mut f: impl FnMut(TaskRef<'_>, &mut dyn FnMut()) -> T,
    ) -> Vec<(T, bool)> {
        // Or the poll of the first task would end those of a host that has crashed, as if it had woken them.
        self.simulated.iter().for_each(|simulated| simulated.end_crashed());
        // Where they lie depends on the size of their futures, and that on how the program was compiled.
        let mut tasks = self.slabs.tasks();
        tasks.sort_by_key(|task| task.task().id());
        let (mut shown, mut suspects) = (Vec::new(), Vec::new());
        for task in &tasks {
            // A task may have ended another one meanwhile.
            if task.task().state().is_over() {
                continue;
            }
            let mut poll = || {
                let wakers = task.task().wakers();
                match self.ask(task) {
                    Asked::Suspended => {}
                    asked => suspects.push(Suspect { task: task.clone(), asked, wakers }),
                }
            };
            shown.push((f(task.task(), &mut poll), task.task().id()));
        }
        let lost = lost_wake::confirmed(suspects, others_wake && self.simulated.is_none());
        for suspect in &lost {
            self.shared.observe(|observer| observer.lost_wake(suspect.task.task()));
            self.shared.checks.iter().for_each(|checks| checks.lost_wake(suspect));
        }
        let is_lost = |id| lost.iter().any(|suspect| suspect.task.task().id() == id);
        shown.into_iter().map(|(shown, id)| (shown, is_lost(id))).collect()
    }

    /// Which await chains a poll that begins is to show. Those of a task that is asked are for the one who asks.
    fn choose_chains(&self, chains: &Cell<Chains>) {
        if self.shared.checks.as_ref().is_some_and(Checks::wants_chains) {
            chains.set(Chains::All);
        }
        if self.asking.get().is_some() {
            chains.set(Chains::None);
        }
    }

    /// A task of any runtime was woken on this thread.
    fn note_self_wake(&self, task: TaskRef<'_>) {
        if self.asking.get().is_some() && task.is_current() {
            self.asking.set(Some(Asked::WokeItself));
        }
    }

    /// Polls a task though it was not woken, if it is suspended.
    fn ask(&self, task: &Canceller) -> Asked {
        let Some(right) = task.wake_up() else { return Asked::Suspended };
        self.shared.observe(|observer| observer.task_asked(task.task()));
        let queued = self.queue.len();
        let _its_own = budget::enter();
        let before = self.asking.replace(Some(Asked::Suspended));
        let is_over = within(None, || self.run_inside(right));
        match self.asking.replace(before) {
            Some(Asked::WokeItself) => Asked::WokeItself,
            // A panic says nothing of the condition: the poll may have borrowed what the caller of `tasks` has borrowed.
            _ if is_over && task.task().header().state.finish() == Some(Finish::Panicked) => Asked::Suspended,
            _ if is_over || self.queue.len() > queued => Asked::Progress,
            _ => Asked::Suspended,
        }
    }

    /// Polls every suspended task, to find those whose wake was lost.
    fn find_lost_wakes(&self) {
        self.slow.not_counting(|| self.each_task(true, |_, poll| poll()));
    }

    /// Fails the run if a lost wake was found that it has to fail on.
    fn fail_on_lost_wake(&self) {
        if let Some(failure) = self.shared.checks.as_ref().and_then(Checks::take_failure) {
            panic!("{failure}");
        }
    }

    fn run_cancelled(&self, tasks: Vec<Canceller>) {
        // By address, for the search that finds the rank of a task in the queue.
        let mut ranks: Vec<_> = tasks.iter().enumerate().map(|(rank, task)| (task.address(), rank)).collect();
        ranks.sort_unstable();
        let rank = |task: &Runnable| {
            let found = ranks.binary_search_by_key(&task.header().addr().get(), |(address, _)| *address);
            let can_run = task.task().header().state.is_cancelled() && task.task().can_be_dropped();
            found.ok().filter(|_| can_run).map(|index| ranks[index].1)
        };
        while tasks.iter().any(|task| task.task().can_be_dropped()) {
            self.shared.inbox.take(&self.queue);
            let queued = std::iter::from_fn(|| self.queue.pop());
            let (mut doomed, others): (Vec<_>, Vec<_>) = queued.partition(|task| rank(task).is_some());
            doomed.sort_by_cached_key(|task| Reverse(rank(task)));
            // One that is left and in no queue was woken by another thread, which is about to put it into one.
            if doomed.is_empty() {
                std::thread::yield_now();
            }
            // They wait in the queue: a destructor may drop a group that some of them belong to, too.
            doomed.into_iter().chain(others).for_each(|task| self.queue.push(task));
            while let Some(task) = self.queue.pop() {
                if rank(&task).is_none() {
                    self.queue.push_front(task);
                    break;
                }
                let _its_own = budget::enter();
                within(None, || self.run_inside(task));
            }
        }
    }

    /// Drops every task that is left. Each ends as a cancelled one does: its future is dropped by a
    /// run, its handle learns of it.
    fn end(&self, reactor: &mut Reactor) {
        self.ending.set(true);
        // For a run that is to be the same each time, or is looked at, it matters who is the first.
        self.slabs.cancel_all(self.simulated.is_some() || self.shared.observer.is_some());
        let mut waits = FirstPanic::default(); // goes on when no task is left that borrows from the caller of `run`
        while self.unfinished.get() > 0 {
            self.shared.inbox.take(&self.queue);
            while let Some(task) = self.queue.pop() {
                self.run_task(task);
            }
            // A task that is still there was woken by another thread, which has the right to run
            // it in its hands and is about to put it into the inbox.
            if self.unfinished.get() > 0 && self.queue.len() == 0 && self.shared.inbox.sleep() {
                waits.catch(|| self.turn_reactor(reactor, None));
            }
        }
    }
}

/// While it lives, the core is the one of this thread. Then the tasks that are left are ended, whether
/// `run` returns or unwinds.
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
        end.catch(|| self.core.shared.observe(|observer| observer.run_ends()));
        CURRENT.set(self.before);
    }
}
