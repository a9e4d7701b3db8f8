//! `crawl`: the downloader, built on the student's runtime, beside the one of the clone.

use crate::Exit;
use crate::lab::build::cargo;
use crate::lab::error::LabError;
use crate::lab::judge::temporary;
use crate::lab::tree::Tree;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often each of the two crawls, in turns.
const ROUNDS: usize = 5;

/// Builds the downloader in the tree, crawls the built-in site with it and with the clone's, and prints the times.
///
/// # Errors
/// If the program can't be built or run.
pub(crate) fn crawl(tree: &Tree) -> Result<Exit, LabError> {
    eprintln!("building the downloader on your runtime; the first time, this takes some minutes");
    let built = cargo(&tree.top).args(["build", "--offline", "--release", "--package", "demo"]).status();
    if !built.map_err(LabError::program("cargo"))?.success() {
        return Ok(Exit::Failure);
    }
    let yours = tree.top.join("target/release/demo");
    let ours = std::env::current_exe().map_err(LabError::program("demo"))?;
    say!("the built-in site, crawled by your runtime:");
    let place = temporary()?;
    let first = Command::new(&yours).args(["--no-config", "-P"]).arg(place.path()).status();
    if !first.map_err(LabError::program("demo"))?.success() {
        say!("the crawl failed");
        return Ok(Exit::SomeFailed);
    }
    let mut times: [Vec<Duration>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (program, times) in [&yours, &ours].into_iter().zip(&mut times) {
            times.push(time(program)?);
        }
    }
    let [yours, ours] = times.map(|mut times| {
        times.sort();
        times[ROUNDS / 2]
    });
    say!("\nmedians of {ROUNDS} crawls in turns: {yours:.0?} on your runtime, {ours:.0?} on ours");
    Ok(Exit::Success)
}

fn time(program: &Path) -> Result<Duration, LabError> {
    let place = temporary()?;
    let start = Instant::now();
    let mut command = Command::new(program);
    command.args(["--no-config", "--quiet", "-P"]).arg(place.path()).stdout(Stdio::null()).stdin(Stdio::null());
    let status = command.status().map_err(LabError::program("demo"))?;
    let time = start.elapsed();
    match status.success() {
        true => Ok(time),
        false => Err(LabError::Other(format!("{} failed to crawl the built-in site", program.display()))),
    }
}
