//! Conformance suites: the invariants of a part of a runtime, checked for a part of your own.
//!
//! Each suite is a function that takes a factory, to be called from a `#[test]`. Implement the suite's trait, which has
//! a method or two, for your type:
//!
//! | suite | checks | you implement |
//! |---|---|---|
//! | [`schedule()`] | an executor | [`Executor`]: `block_on` |
//! | [`backend()`] | what a reactor waits on | [`Backend`](reactor::backend::Backend) |
//! | [`mutex()`], [`local_mutex`] | a lock with a guard | [`Mutex`]: `lock` |
//! | [`semaphore()`], [`local_semaphore`] | permits | [`Semaphore`]: `acquire` |
//! | [`channel()`], [`local_channel`], [`shared_channel`] | two ends of a queue of messages | [`Sender`]: `send`; [`Receiver`]: `recv` |
//! | [`timer()`] | sleeps that can be reset | [`Timer`]: `sleep`, `reset` |
//!
//! ```
//! use executor::sync;
//! use tests::conformance;
//!
//! // A lock that does nothing but call the one of the executor: put your own in its place.
//! struct Own(sync::Mutex<u64>);
//!
//! impl conformance::Mutex for Own {
//!     type Guard<'a> = sync::MutexGuard<'a, u64>;
//!
//!     async fn lock(&self) -> sync::MutexGuard<'_, u64> {
//!         self.0.lock().await
//!     }
//! }
//!
//! # if false {
//! // In a #[test]:
//! conformance::mutex(|| Own(sync::Mutex::new(0)));
//! # }
//! # let _ = Own;
//! ```
//!
//! # How a suite checks
//! 1. **Tasks**: programs of several tasks on a simulated clock, each under many seeds ([`executor::test::explore`]).
//!    The seed chooses the order of what could happen in any order.
//! 2. **By hand**: random scripts of single steps (poll this waiter, drop that one, release), also from a seed. After each
//!    step, the suite compares what the primitive did with what it may do, and checks which wakers were called.
//! 3. **Threads**: the programs again, on several threads with a runtime each. This part needs a primitive that is `Send`
//!    and `Sync`; the suites for `local` ones leave it out.
//!
//! With `CONFORMANCE_EFFORT=20` in the environment, the first two parts run under twenty times as many seeds.
//!
//! # When it fails
//! The suite panics. The message names the broken invariant and what happened; for a failure that a seed repeats, the seed,
//! the command that repeats it, and the recording, which `demo step --replay` opens; for one on threads, the seed and a
//! recording for each thread:
//!
//! ```text
//! seed 0 fails (explored at tests/src/conformance/mod.rs:…): the mutex breaks "a release wakes a waiter": 3 tasks wait …
//! repeat it: EXECUTOR_SEED=0 cargo test my_mutex_conforms
//! step through it: demo step --replay /tmp/executor-my_mutex_conforms-0.jsonl
//! ```
//!
//! A primitive that blocks its thread, or that makes tasks run without an end, fails as well: a run that is not over after
//! [`LIMIT`] is reported with its seed.
//!
//! # What a primitive does not promise
//! The suites check all that the executor's own primitives guarantee. The constants of a trait can promise less: `FAIR`
//! says whether the waiter that has waited longest is first, `CANCEL_SAFE` whether a wait may be dropped, polled without a wake and
//! polled with another waker, as `select`, `race` and `timeout` do. A failure says if a constant would skip its check.

mod backend;
mod channel;
mod mutex;
mod permits;
mod schedule;
mod semaphore;
mod threads;
mod timer;

pub use backend::backend;
pub use channel::{Message, Receiver, Sender, channel, local_channel, shared_channel};
pub use mutex::{Mutex, local_mutex, mutex};
pub use schedule::{Executor, schedule};
pub use semaphore::{Semaphore, local_semaphore, semaphore};
pub use timer::{Sleeps, Timer, timer};

use crate::kit::Dice;
use executor::test::explore;
use executor::time::{Duration, sleep};
use executor::yield_now;
use std::cell::RefCell;
use std::env;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;

/// How long one run of a suite may take. A run takes milliseconds, so one that takes longer hangs.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Longer, on the simulated clock, than a program sleeps in all. A task that still waits after it waits for ever.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(100_000);

/// The payload of a panic that a program causes on purpose.
pub(crate) struct OnPurpose;

/// Fails: `noun` does not keep `invariant`.
pub(crate) fn broken(noun: &str, invariant: &str, what: impl Display) -> ! {
    panic!("{}", breaks(noun, invariant, what))
}

fn breaks(noun: &str, invariant: &str, what: impl Display) -> String {
    format!("the {noun} breaks \"{invariant}\": {what}")
}

/// Counts the progress of a suite, for [`limited`].
#[derive(Clone, Default)]
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Records that a run has begun or has made progress.
    pub(crate) fn tick(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs a suite on a thread of its own, and fails when it makes no progress for [`LIMIT`].
pub(crate) fn limited(noun: &str, suite: impl FnOnce(&Progress) + Send + 'static) {
    let progress = Progress::default();
    let (done, is_done) = mpsc::channel::<()>();
    // The recording is named after the thread.
    let name = thread::current().name().unwrap_or("main").to_owned();
    let running = thread::Builder::new().name(name).spawn({
        let progress = progress.clone();
        move || {
            let _done = done; // disconnects when the suite is over, whether it returns or panics
            suite(&progress);
        }
    });
    let running = running.expect("the system gives a thread");
    let mut seen = progress.count();
    while let Err(mpsc::RecvTimeoutError::Timeout) = is_done.recv_timeout(LIMIT) {
        let now = progress.count();
        if now == seen {
            let what = format!(
                "run {now} of the suite is not over after {LIMIT:?}: it blocks its thread, or its tasks wake \
                                each other without an end. With EXECUTOR_SEED=N, there is one run for each part"
            );
            broken(noun, "each run ends", what);
        }
        seen = now;
    }
    running.join().unwrap_or_else(|panic| resume_unwind(panic));
}

/// Runs a program under `runs` seeds, or a multiple of that. Its choices come from the dice.
///
/// The runtime finds some lost wakes itself, and knows which code dropped the waker: `wakes` is the invariant that they
/// break.
pub(crate) fn under_seeds<F: Future<Output = ()>>(
    (noun, wakes): (&str, &str),
    progress: &Progress,
    runs: u64,
    program: impl Fn(Dice) -> F,
) {
    let effort = env::var("CONFORMANCE_EFFORT").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let explored = catch_unwind(AssertUnwindSafe(|| {
        explore(runs * effort, |network| {
            progress.tick();
            program(Dice::new(network.random()))
        });
    }));
    if let Err(panic) = explored {
        match panic.downcast_ref::<String>() {
            Some(said) if said.contains("lost wake: ") && !said.contains("breaks \"") => broken(noun, wakes, said),
            _ => resume_unwind(panic),
        }
    }
}

/// Runs a script of single steps under many seeds, on a deterministic runtime. Its second argument is the length of the
/// script. Short scripts come first, because their failures are easier to read.
pub(crate) fn by_hand(names: (&str, &str), progress: &Progress, script: impl Fn(&mut Dice, u64)) {
    for (runs, length) in [(400, 8), (400, 40)] {
        under_seeds(names, progress, runs, |mut dice| {
            script(&mut dice, length);
            std::future::ready(())
        });
    }
}

/// Lets other tasks run: not at all, for one or two yields, or for up to three milliseconds.
pub(crate) async fn pause(dice: &mut Dice) {
    match dice.roll(4) {
        0 => {}
        1 => sleep(Duration::from_micros(dice.roll(3000))).await,
        turns => {
            for _ in 1..turns {
                yield_now().await;
            }
        }
    }
}

/// Awaits `future` for a number of polls, then drops it: a timeout without a clock.
pub(crate) async fn give_up_after<F: Future>(turns: u64, future: F) -> Option<F::Output> {
    let (mut future, mut turns) = (pin!(future), turns);
    poll_fn(|cx| {
        let polled = future.as_mut().poll(cx).map(Some);
        if polled.is_pending() && turns == 0 {
            return Poll::Ready(None);
        }
        turns = turns.saturating_sub(1);
        cx.waker().wake_by_ref();
        polled
    })
    .await
}

/// Awaits `future`, and fails when it is polled so often that it must have woken itself.
pub(crate) async fn patient<F: Future>(noun: &str, invariant: &str, future: F) -> F::Output {
    const POLLS: u32 = 2_000;
    let (mut future, mut polls) = (pin!(future), 0);
    poll_fn(|cx| {
        polls += 1;
        if polls > POLLS {
            broken(noun, invariant, format_args!("a task was polled {POLLS} times in one wait"));
        }
        future.as_mut().poll(cx)
    })
    .await
}

/// The steps of a script, for the message of a failure.
#[derive(Clone, Default)]
pub(crate) struct Steps(Rc<RefCell<Vec<String>>>);

impl Steps {
    pub(crate) fn push(&self, step: String) {
        self.0.borrow_mut().push(step);
    }

    /// Adds the result of the last step.
    pub(crate) fn came(&self, result: &str) {
        if let Some(step) = self.0.borrow_mut().last_mut() {
            step.push_str(result);
        }
    }

    /// Fails, with the steps that led there.
    pub(crate) fn broken(&self, noun: &str, invariant: &str, what: impl Display) -> ! {
        broken(noun, invariant, format_args!("{what}\nthe steps: {}", self.0.borrow().join("; ")))
    }
}
