//! The names of the six ways: what the command line, the table and the chart call them.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A way to download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// One page after the other
    Blocking,
    /// A pool of ten processes
    Processes,
    /// A pool of ten threads
    Threads,
    /// Non-blocking sockets in a loop that tries each of them again and again
    Busy,
    /// An event loop that calls methods
    Callbacks,
    /// Async fns on the runtime
    Coroutines,
}

impl Way {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Way::Blocking => "blocking",
            Way::Processes => "processes",
            Way::Threads => "threads",
            Way::Busy => "busy",
            Way::Callbacks => "callbacks",
            Way::Coroutines => "coroutines",
        }
    }
}
