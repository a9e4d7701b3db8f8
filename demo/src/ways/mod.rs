//! `demo ways`: the same pages, downloaded in six ways, side by side.
//!
//! They show what waiting costs, and what it takes not to wait. A way is a file with a function `download`. All ways
//! send the same requests and parse the same responses (`page.rs`). Each way runs in a process of its own, so that its
//! cost is measured alone, and so does the server.
//!
//! | file | what it holds |
//! |---|---|
//! | `args.rs`, `way.rs` | the options; the names of the ways |
//! | `page.rs` | the request, and the body of a response |
//! | `blocking.rs`, `processes.rs`, `threads.rs` | calls that block: one after the other, or in a pool of ten |
//! | `busy.rs`, `callbacks.rs`, `coroutines.rs` | non-blocking sockets: tried in a loop, dispatched by an event loop, awaited |
//! | `server.rs` | the server's process |
//! | `measure.rs` | what a way took |
//! | `table.rs`, `chart.rs` | the results as a table, JSON, CSV or a picture |

mod args;
mod blocking;
mod busy;
mod callbacks;
mod chart;
mod coroutines;
mod measure;
mod page;
mod processes;
mod server;
mod table;
mod threads;
mod way;

pub use args::{Format, WaysArgs, WaysRunArgs, WaysWorkerArgs};
pub use measure::{Measured, Row};
pub use way::Way;

use crate::step::words::count;
use crate::{Exit, Failure, descriptors};
use clap::ValueEnum;
use indicatif::ProgressBar;
use server::Server;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Downloads in each way and prints what that took.
///
/// # Errors
/// Fails if a process can't be started, or a way fails or downloads other bytes than the others.
pub fn run(args: &WaysArgs) -> Result<Exit, Failure> {
    descriptors::raise_limit(); // each download takes one here and one at the server
    let server = Server::start(args.delay)?;
    let ways = if args.ways.is_empty() { Way::value_variants() } else { &args.ways[..] };
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(100));
    let mut rows = Vec::new();
    for &pages in &args.pages {
        let mut runs = vec![Vec::new(); ways.len()];
        for run in 1..=args.runs {
            for (way, measured) in ways.iter().zip(&mut runs) {
                progress.set_message(format!("{}, `{}`, run {run} of {}", count(pages, "page"), way.name(), args.runs));
                measured.push(measure::measure(server.address, *way, pages, args.unpooled)?);
            }
        }
        check_same(ways, &runs, pages)?;
        let medians: Vec<Measured> = runs.into_iter().map(Measured::median).collect();
        let blocking = ways.iter().position(|way| *way == Way::Blocking).map(|at| medians[at].seconds);
        rows.extend(ways.iter().zip(medians).map(|(&way, measured)| Row {
            way,
            pages,
            times_faster: blocking.map(|blocking| blocking / measured.seconds),
            measured,
        }));
    }
    progress.finish_and_clear();
    drop(server);
    table::print(&rows, args).map_err(Failure::Output)?;
    if let Some(path) = &args.chart {
        chart::write(&rows, args.delay, path).map_err(|why| Failure::Chart { path: path.clone(), why })?;
    }
    Ok(Exit::Success)
}

/// Checks that every way downloaded the same bytes.
fn check_same(ways: &[Way], runs: &[Vec<Measured>], pages: usize) -> Result<(), Failure> {
    let expected = runs[0][0].digest;
    match ways.iter().zip(runs).find(|(_, runs)| runs.iter().any(|run| run.digest != expected)) {
        None => Ok(()),
        Some((way, _)) => Err(Failure::Way {
            way: way.name(),
            why: format!("for {} its bytes differ from those of `{}`", count(pages, "page"), ways[0].name()),
        }),
    }
}

/// Runs in the process of one way: downloads, and prints what that took as JSON.
pub fn run_one(args: &WaysRunArgs) -> Result<Exit, Failure> {
    let paths = page::paths(args.pages);
    let measured = measure::around(|| download(args, &paths));
    let measured = measured.map_err(|why| Failure::Way { way: args.way.name(), why: why.to_string() })?;
    println!("{}", serde_json::to_string(&measured).expect("numbers make JSON"));
    Ok(Exit::Success)
}

fn download(args: &WaysRunArgs, paths: &[String]) -> io::Result<Vec<Vec<u8>>> {
    let server: SocketAddr = args.server;
    match args.way {
        Way::Blocking => blocking::download(server, paths),
        Way::Processes => processes::download(server, paths),
        Way::Threads if args.unpooled => threads::download_unpooled(server, paths),
        Way::Threads => threads::download(server, paths),
        Way::Busy => busy::download(server, paths),
        Way::Callbacks => callbacks::download(server, paths),
        Way::Coroutines => coroutines::download(server, paths),
    }
}

/// Runs in a process of the pool of `processes`.
pub fn work(args: &WaysWorkerArgs) -> Result<Exit, Failure> {
    let worked = processes::work(args.server, &args.paths);
    worked.map(|()| Exit::Success).map_err(|why| Failure::Way { way: "processes", why: why.to_string() })
}
