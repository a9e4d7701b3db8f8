//! The options of `demo top`.

use super::tables::Column;
use clap::{ArgGroup, Args};
use std::path::PathBuf;
use std::time::Duration;

/// Options of `demo top`.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["connect", "replay"])))]
pub struct TopArgs {
    /// Connect to a program that runs with EXECUTOR_CONSOLE=SOCKET
    #[arg(long, value_name = "SOCKET")]
    pub connect: Option<PathBuf>,
    /// Show a recording; EXECUTOR_TRACE=FILE makes one
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Show the recording at this time after its start (10ms, 3s) instead of at its end
    #[arg(long, value_name = "TIME", requires = "replay", value_parser = humantime::parse_duration)]
    pub at: Option<Duration>,
    /// Sort the tasks by this column
    #[arg(long, value_name = "COLUMN", default_value = "running")]
    pub sort: Column,
    /// Print the tables once as text, which is the default if standard output is not a terminal
    #[arg(long)]
    pub once: bool,
}
