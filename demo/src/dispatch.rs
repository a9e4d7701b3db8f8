//! Parses the command line and dispatches to the commands. `main.rs` only calls [`run`], so all other code is compiled
//! once, in the library, for both the binary and the tests.

use crate::cli::{self, Cli, Command};
use crate::engine::Options;
use crate::signals::Signals;
use crate::{Exit, Failure, check, crawl, download, lab, site, step, top, ways};
use executor::Runtime;
use std::env::ArgsOs;
use std::process::ExitCode;
use std::time::Duration;

/// Runs the program with these arguments, the first of which is its name. Prints the failure if there is one.
pub fn run(arguments: ArgsOs) -> ExitCode {
    match cli::parse(arguments).and_then(dispatch) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            crate::stderr::print(format_args!("demo: {failure}"));
            failure.exit().into()
        }
    }
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    let command = cli.command.unwrap_or_else(|| Command::Crawl(Box::new(cli.crawl)));
    let runtime = || Runtime::builder().build().map_err(Failure::Runtime);
    match command {
        Command::Crawl(args) => for_downloads(&args.options)?.block_on(Box::pin(crawl::run(*args, Signals::OfProcess))),
        Command::Download(args) => {
            for_downloads(&args.options)?.block_on(Box::pin(download::run(*args, Signals::OfProcess)))
        }
        Command::Check(args) => for_downloads(&args.options)?.block_on(Box::pin(check::run(*args, Signals::OfProcess))),
        Command::Serve(args) => runtime()?.block_on(site::run(args)),
        // Only one of the six ways runs on the runtime, and it builds its own.
        Command::Ways(args) => ways::run(&args),
        Command::Step(args) => step::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Lab(args) => lab::run(args),
        Command::Completions(args) => cli::completions(&args),
        Command::Man => cli::man(),
        Command::LabConfine(args) => lab::confine(&args),
        Command::WaysRun(args) => ways::run_one(&args),
        Command::WaysWorker(args) => ways::work(&args),
    }
}

/// The runtime for a command on the engine.
fn for_downloads(options: &Options) -> Result<Runtime, Failure> {
    let builder = Runtime::builder();
    // `--quiet` prints only errors, and a slow poll on a busy machine is not an error.
    let builder = if options.quiet { builder.slow_poll(Duration::MAX) } else { builder };
    builder.build().map_err(Failure::Runtime)
}
