//! What a run prints and writes: progress and the summary for people, the report for programs.
//!
//! | file | what it holds |
//! |---|---|
//! | `terminal.rs` | the rows at the bottom of a terminal |
//! | `files.rs`, `hosts.rs`, `speed.rs` | a bar for each file; a table of hosts; their speed |
//! | `progress.rs`, `summary.rs` | what people see during a run, and at its end |
//! | `report.rs` | a line of JSON for each URL |

mod files;
mod hosts;
mod progress;
mod report;
mod speed;
mod summary;
mod terminal;

pub use hosts::HostState;
pub use progress::{Format, Progress, View, listed};
pub use report::{Record, Report};
pub use summary::{Ending, JobCounts, count};
