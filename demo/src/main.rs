//! Parses the command line and hands over.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match demo::run(demo::cli::Cli::parse()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("demo: {failure}");
            failure.exit().into()
        }
    }
}
