//! The small programs that `demo step` brings along, one a file: each shows one thing.
//!
//! They run on a virtual clock, as far as they can, so that every run of one is the same.

mod blocked;
mod cancel;
mod downloads;
mod lost_wake;
mod ping_pong;
mod semaphore;
mod two_sleeps;

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
    /// A future that forgets to leave its waker
    LostWake,
    /// A task that blocks the thread
    Blocked,
    /// Three tasks, two permits
    Semaphore,
    /// A task that is cancelled, and what it drops
    Cancel,
    /// Ten pages, downloaded at once
    Downloads,
}

impl Program {
    /// Its source: what it is called in a recording, and its text.
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
        }
    }

    /// What it is called on the command line.
    pub fn title(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Runs it, watched.
    ///
    /// # Errors
    /// When the system gives no runtime.
    pub fn run(self, observer: Arc<dyn Observer>) -> io::Result<()> {
        let builder = match self {
            // These two take their time from the world.
            Program::Blocked | Program::Downloads => Runtime::builder(),
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
        }
        Ok(())
    }

    /// Runs it, and gives what was recorded.
    ///
    /// # Errors
    /// As [`run`](Program::run).
    pub fn record(self) -> io::Result<Trace> {
        let recorder = Arc::new(Recorder::new());
        self.run(recorder.clone())?;
        Ok(recorder.trace())
    }
}

/// Whoever looks at a program in here is told of slow polls by the stepper.
const SLOW: std::time::Duration = std::time::Duration::MAX;
