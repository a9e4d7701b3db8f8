//! The small programs that `demo step` can step through, each in a file of its own: each shows one thing.
//!
//! Most of them run on a simulated clock, so every run is the same.

mod blocked;
mod cancel;
mod downloads;
mod large_future;
mod leaked_waker;
mod lost_wake;
mod never_woken;
mod never_yields;
mod ping_pong;
mod self_wake;
mod semaphore;
mod two_sleeps;
mod unjoined;

use clap::ValueEnum;
use executor::trace::{Recorder, Trace};
use executor::{Observer, Runtime};
use std::io;
use std::sync::Arc;

/// A program to step through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// Two tasks that sleep at the same time
    TwoSleeps,
    /// Two tasks that send each other a ball
    PingPong,
    /// A future that drops its waker
    LostWake,
    /// A task that blocks the thread
    Blocked,
    /// Three tasks, two permits
    Semaphore,
    /// A task that is cancelled, and what it drops
    Cancel,
    /// Ten pages, downloaded at once
    Downloads,
    /// A future that contains a large array
    LargeFuture,
    /// A list of wakers that is never cleared
    LeakedWaker,
    /// A future that leaves no waker
    NeverWoken,
    /// A task whose awaits are always ready, so no other task runs
    NeverYields,
    /// A task that wakes itself in each poll
    SelfWake,
    /// A task with an unobserved panic
    Unjoined,
}

impl Program {
    /// The source file: its path in a recording, and its text.
    pub fn source(self) -> (&'static str, &'static str) {
        macro_rules! source {
            ($name:literal) => {
                (concat!("demo/src/step/programs/", $name), include_str!($name))
            };
        }
        match self {
            Program::TwoSleeps => source!("two_sleeps.rs"),
            Program::PingPong => source!("ping_pong.rs"),
            Program::LostWake => source!("lost_wake.rs"),
            Program::Blocked => source!("blocked.rs"),
            Program::Semaphore => source!("semaphore.rs"),
            Program::Cancel => source!("cancel.rs"),
            Program::Downloads => source!("downloads.rs"),
            Program::LargeFuture => source!("large_future.rs"),
            Program::LeakedWaker => source!("leaked_waker.rs"),
            Program::NeverWoken => source!("never_woken.rs"),
            Program::NeverYields => source!("never_yields.rs"),
            Program::SelfWake => source!("self_wake.rs"),
            Program::Unjoined => source!("unjoined.rs"),
        }
    }

    /// The name on the command line.
    pub fn title(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Runs the program with an observer.
    ///
    /// # Errors
    /// Fails if no runtime can be built.
    pub fn run(self, observer: Arc<dyn Observer>) -> io::Result<()> {
        let builder = match self {
            // These use real time: they block the thread, or talk to a server.
            Program::Blocked | Program::Downloads | Program::NeverYields | Program::SelfWake => Runtime::builder(),
            _ => Runtime::builder().virtual_clock(),
        };
        let runtime = builder.observer(observer).slow_poll(SLOW).build()?;
        match self {
            Program::TwoSleeps => runtime.block_on(two_sleeps::main()),
            Program::PingPong => runtime.block_on(ping_pong::main()),
            Program::LostWake => runtime.block_on(lost_wake::main()),
            Program::Blocked => runtime.block_on(blocked::main()),
            Program::Semaphore => runtime.block_on(semaphore::main()),
            Program::Cancel => runtime.block_on(cancel::main()),
            Program::Downloads => runtime.block_on(downloads::main()),
            Program::LargeFuture => runtime.block_on(large_future::main()),
            Program::LeakedWaker => runtime.block_on(leaked_waker::main()),
            Program::NeverWoken => runtime.block_on(never_woken::main()),
            Program::NeverYields => runtime.block_on(never_yields::main()),
            Program::SelfWake => runtime.block_on(self_wake::main()),
            Program::Unjoined => runtime.block_on(unjoined::main()),
        }
        Ok(())
    }

    /// Runs the program and returns its recording.
    ///
    /// # Errors
    /// As [`run`](Program::run).
    pub fn record(self) -> io::Result<Trace> {
        let recorder = Arc::new(Recorder::new());
        self.run(recorder.clone())?;
        Ok(recorder.trace())
    }
}

/// Turns the runtime's warning about slow polls off: the stepper reports them.
const SLOW: std::time::Duration = std::time::Duration::MAX;
