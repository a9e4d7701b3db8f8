//! The downloader, as a library for its own `main` and for tests.
//!
//! | folder | what it holds |
//! |---|---|
//! | `crawl/` | `demo crawl`: what to fetch, fetching it, finding links, saving, reporting |
//! | `http/` | HTTP/1.1 over any stream, both sides |
//! | `site/` | `demo serve`: the built-in site, files from disk |
//! | `step/` | `demo step`: a run of a program, one event at a time |
//! | `top/` | `demo top`: the tasks, sockets and timers of a program that runs |
//! | `ways/` | `demo ways`: the same download in six ways |
//!
//! It uses the public face of the runtime and nothing else.

pub mod cli;
pub mod crawl;
pub mod descriptors;
mod failure;
pub mod http;
pub mod signals;
pub mod site;
pub mod step;
pub mod top;
pub mod ways;

pub use failure::{Exit, Failure};

use cli::{Cli, Command};
use executor::{Builder, Runtime};
use signals::Signals;
use std::time::Duration;

/// Does what the command line says.
///
/// # Errors
/// What kept the program from doing it; pages that failed are not among that.
pub fn run(cli: Cli) -> Result<Exit, Failure> {
    let command = cli.command.unwrap_or_else(|| Command::Crawl(Box::new(cli.crawl)));
    let runtime = |builder: Builder| builder.build().map_err(Failure::Runtime);
    let builder = Runtime::builder();
    match command {
        Command::Crawl(args) => {
            // Who wants to see nothing but errors doesn't want to see that the machine was busy.
            let builder = if args.quiet { builder.slow_poll(Duration::MAX) } else { builder };
            runtime(builder)?.block_on(crawl::run(*args, Signals::OfProcess))
        }
        Command::Serve(args) => runtime(builder)?.block_on(site::run(args)),
        // Only one of the six is on the runtime, and it makes its own.
        Command::Ways(args) => ways::run(&args),
        Command::Step(args) => step::run(&args),
        Command::Top(args) => top::run(&args),
        Command::WaysRun(args) => ways::run_one(&args),
        Command::WaysWorker(args) => ways::work(&args),
    }
}
