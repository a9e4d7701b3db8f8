//! The command line: the commands and their options. Each command owns its options; `main.rs` parses and dispatches.

use crate::crawl::CrawlArgs;
use crate::site::ServeArgs;
use crate::step::StepArgs;
use crate::top::TopArgs;
use crate::ways::{WaysArgs, WaysRunArgs, WaysWorkerArgs};
use clap::{Parser, Subcommand};

/// A downloader on its own coroutine runtime. Without a command it crawls; without a URL it crawls
/// the built-in site.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, max_term_width = 100)]
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
    Crawl(Box<CrawlArgs>),
    /// Serve the built-in site, or files from a directory
    Serve(ServeArgs),
    /// Download the same pages in six ways, side by side
    Ways(WaysArgs),
    /// Step through a program one event at a time, forwards and backwards
    Step(StepArgs),
    /// Show the tasks, sockets and timers of a running program or of a recording
    Top(TopArgs),
    /// Run one of the ways, in the process that `ways` measures
    #[command(hide = true)]
    WaysRun(WaysRunArgs),
    /// Work in the pool of the way `processes`
    #[command(hide = true)]
    WaysWorker(WaysWorkerArgs),
}
