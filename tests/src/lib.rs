//! What the integration tests share, and what tests of a runtime's extensions need in any crate.
//!
//! - [`kit`]: wakers that count, futures polled by hand, time limits, a record of what was dropped.
//! - [`conformance`]: suites for a scheduler, a backend or a primitive of your own, as functions that take a factory.
//! - [`model`]: a primitive of your own under the model checker `loom` (feature `model`).
//! - [`alone`]: tests in a process of their own. [`strict`]: a `block_on` that panics on a deadlock.
//! - [`replies`]: replies of a server, to be cut at every byte.
//! - `demo`, `faults`, `nginx` and `redis`: the downloader as a program, servers that misbehave, nginx and Redis
//!   (feature `programs`).
//!
//! A crate outside of this workspace sets `default-features = false`: then nothing is built for it but the executor.

pub mod alone;
pub mod conformance;
#[cfg(feature = "programs")]
pub mod demo;
#[cfg(feature = "programs")]
pub mod faults;
pub mod kit;
#[cfg(feature = "programs")]
pub mod nginx;
#[cfg(feature = "programs")]
pub mod redis;
pub mod replies;
pub mod strict;

#[cfg(feature = "model")]
pub use models as model;

pub use kit::{Counting, Log, OnDrop, dropped_on, eventually, poll_with, waker_fn, within};

use std::time::Duration;
use std::{fs, io};

/// The names of this process's threads. Linux cuts them off after 15 characters.
pub fn thread_names() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is there");
    // A thread that ends meanwhile has no name to read.
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

/// The processor time that all threads of this process have taken.
pub fn processor_time() -> io::Result<Duration> {
    processor_time_of(std::process::id())
}

/// The processor time that the threads of a process have taken. Threads that have ended are not included.
pub fn processor_time_of(process: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let Ok(stat) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanos += stat.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanos))
}
