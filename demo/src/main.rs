//! Parses the command line and dispatches to the commands.

use clap::Parser;
use demo::cli::{Cli, Command};
use demo::signals::Signals;
use demo::{Exit, Failure, crawl, site, step, top, ways};
use executor::{Builder, Runtime};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("demo: {failure}");
            failure.exit().into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let command = cli.command.unwrap_or_else(|| Command::Crawl(Box::new(cli.crawl)));
    let runtime = |builder: Builder| builder.build().map_err(Failure::Runtime);
    let builder = Runtime::builder();
    match command {
        Command::Crawl(args) => {
            // `--quiet` prints only errors, and a slow poll on a busy machine is none.
            let builder = if args.quiet { builder.slow_poll(Duration::MAX) } else { builder };
            runtime(builder)?.block_on(crawl::run(*args, Signals::OfProcess))
        }
        Command::Serve(args) => runtime(builder)?.block_on(site::run(args)),
        // Only one of the six ways runs on the runtime, and it builds its own.
        Command::Ways(args) => ways::run(&args),
        Command::Step(args) => step::run(&args),
        Command::Top(args) => top::run(&args),
        Command::WaysRun(args) => ways::run_one(&args),
        Command::WaysWorker(args) => ways::work(&args),
    }
}
