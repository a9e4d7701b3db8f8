//! The command line: the commands and their options. Each command owns its options; `dispatch.rs` parses and dispatches.
//!
//! | file | what it holds |
//! |---|---|
//! | `config.rs` | options from a file |
//! | `spelling.rs` | mistyped commands, and options that mean two things in other tools |
//! | `generate.rs` | completions and the manual page |

mod config;
mod generate;
mod spelling;

#[doc(hidden)] // for the fuzz targets in `tests/fuzz/`
pub use config::options as options_of_file;
pub use generate::{CompletionsArgs, completions, man};

use crate::Failure;
use crate::check::CheckArgs;
use crate::crawl::CrawlArgs;
use crate::download::DownloadArgs;
use crate::lab::{ConfineArgs, LabArgs};
use crate::site::ServeArgs;
use crate::step::StepArgs;
use crate::top::TopArgs;
use crate::ways::{WaysArgs, WaysRunArgs, WaysWorkerArgs};
use clap::{Parser, Subcommand};
use std::ffi::OsString;

/// A downloader on its own coroutine runtime. Without a command it crawls; without a URL it crawls
/// the built-in site.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, args_override_self = true, max_term_width = 80)]
#[command(after_help = "\
EXIT CODES:
  0  success         2  wrong usage          130  interrupted
  1  internal error  3  some URLs failed     143  ended by SIGTERM

FILES:
  ~/.config/demo.conf  options for `crawl`, `download` and `check`: a long option
                       and its value on each line, as `retries = 5`;
                       `--no-config` ignores it")]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `crawl`, which is the default command.
    #[command(flatten)]
    pub crawl: CrawlArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Download a site: a page, the pages it links to, and so on
    #[command(args_override_self = true)]
    Crawl(Box<CrawlArgs>),
    /// Download files
    #[command(args_override_self = true)]
    Download(Box<DownloadArgs>),
    /// Check the links of a site, without saving anything
    #[command(args_override_self = true)]
    Check(Box<CheckArgs>),
    /// Serve the built-in site, or files from a directory
    Serve(ServeArgs),
    /// Download the same pages in six ways, side by side
    Ways(WaysArgs),
    /// Step through a program one event at a time, forwards and backwards
    Step(StepArgs),
    /// Show the tasks, sockets and timers of a running program or of a recording
    Top(TopArgs),
    /// Learn the runtime by writing it: twelve labs with tests
    Lab(LabArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
    /// Run a test of a lab within limits
    #[command(hide = true)]
    LabConfine(ConfineArgs),
    /// Run one of the ways, in the process that `ways` measures
    #[command(hide = true)]
    WaysRun(WaysRunArgs),
    /// Work in the pool of the way `processes`
    #[command(hide = true)]
    WaysWorker(WaysWorkerArgs),
}

/// Parses the command line, with the options of the configuration file before its own. For `--help` and for a wrong
/// command line it prints and exits.
///
/// # Errors
/// Fails if the configuration file is wrong, or if a command is mistyped.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Cli, Failure> {
    let args = config::with_options_of_file(args.collect())?;
    let cli = Cli::try_parse_from(args).unwrap_or_else(|error| spelling::explained(error).exit());
    if cli.command.is_none()
        && let Some(meant) = cli.crawl.urls.first().and_then(|word| spelling::command_like(word))
    {
        return Err(Failure::Command { given: cli.crawl.urls[0].clone(), meant });
    }
    Ok(cli)
}
