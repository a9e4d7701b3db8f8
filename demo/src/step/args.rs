//! The options of `demo step`.

use super::programs::Program;
use clap::Args;
use std::path::PathBuf;

/// Options of `demo step`.
#[derive(Clone, Debug, Args)]
pub struct StepArgs {
    /// Program to step through
    #[arg(value_enum, default_value_t = Program::TwoSleeps)]
    pub program: Program,
    /// Step through a recording instead; EXECUTOR_TRACE=FILE makes one
    #[arg(long, value_name = "FILE", conflicts_with = "program")]
    pub replay: Option<PathBuf>,
    /// Run the program while you step: it stops at each event
    #[arg(long, conflicts_with_all = ["replay", "html", "perfetto"])]
    pub live: bool,
    /// Begin at this event
    #[arg(long, value_name = "EVENT", conflicts_with_all = ["live", "html", "perfetto", "lint"])]
    pub at: Option<usize>,
    /// Print the screen as text instead
    #[arg(long, conflicts_with_all = ["live", "html", "perfetto", "lint"])]
    pub print: bool,
    /// Read source files, and the runtime's own, from this directory
    #[arg(long, value_name = "DIR", value_parser = directory)]
    pub source: Option<PathBuf>,
    /// Write the run to FILE as a page for a browser
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the run to FILE for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    pub perfetto: Option<PathBuf>,
    /// Print what is wrong with the run; if anything is, the exit code is 3
    #[arg(long, conflicts_with = "live")]
    pub lint: bool,
}

fn directory(text: &str) -> Result<PathBuf, String> {
    Some(PathBuf::from(text)).filter(|path| path.is_dir()).ok_or_else(|| "no such directory".to_owned())
}
