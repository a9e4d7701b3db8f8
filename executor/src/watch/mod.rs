//! Everything that only observes: the observer's events, task dumps, deadlocks, lost wakes, slow polls, and the order
//! and the hosts of a simulated run.
//!
//! A scheduler has one [`Monitor`] and one [`Observers`] and calls them at the points that `monitor.rs` lists. It
//! implements [`Monitored`], through which `asking.rs` and `deadlock.rs` read its state and poll its suspended tasks.
//! Nothing in here decides when a task runs.
//!
//! | file | what it holds |
//! |---|---|
//! | `run.rs` | which run the code on this thread belongs to |
//! | `observer.rs` | [`Observer`](observer::Observer): a method for each kind of event |
//! | `lost_wake.rs` | the proof of a lost wake, and the report that fails a run |
//! | `observers.rs` | the observer and those checks, as wakers on all threads see them |
//! | `ages.rs`, `slow.rs` | how old a task is; polls that hold the thread for too long |
//! | `simulated.rs` | the seeded order of a deterministic run, and its hosts |
//! | `dump.rs` | the task dump: each task with its await chains |
//! | `monitor.rs` | what a scheduler calls |
//! | `asking.rs` | polls without a wake: await chains, lost wakes |
//! | `deadlock.rs` | what happens when no task can ever run again |

mod ages;
mod asking;
mod deadlock;
pub mod dump;
mod lost_wake;
mod monitor;
pub mod observer;
mod observers;
mod run;
mod simulated;
mod slow;

pub(crate) use asking::{check_in_time, check_the_rest, dump};
pub(crate) use deadlock::park_alone;
pub(crate) use lost_wake::{Asked, Strictness, Suspect, confirmed};
pub(crate) use monitor::{Deadlock, Monitor, MonitorSettings, Monitored, fail_on_lost_wake};
pub(crate) use observers::Observers;
pub(crate) use run::enter_run;
pub(crate) use slow::PolledTask;
