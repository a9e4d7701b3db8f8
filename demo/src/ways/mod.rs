//! `demo ways`: the same pages, downloaded in six ways, side by side.
//!
//! The story of the "evolution of asyncio": what waiting costs, and what it takes not to wait. A way is
//! a file with a function `download`; all ask for the same and parse the same (`page.rs`). Each runs in a
//! process of its own, so that what it costs can be told from everything else, and so does the server.
//!
//! | file | what it holds |
//! |---|---|
//! | `blocking.rs`, `processes.rs`, `threads.rs` | calls that wait: one after the other, or on ten of something |
//! | `busy.rs`, `callbacks.rs`, `coroutines.rs` | sockets that don't: asked all the time, told by an event loop, awaited |
//! | `page.rs` | what is asked for, and what comes back |
//! | `measure.rs` | what a way took |
//! | `table.rs`, `chart.rs` | the same for people and programs |

mod blocking;
mod busy;
mod callbacks;
mod chart;
mod coroutines;
mod measure;
mod page;
mod processes;
mod table;
mod threads;

pub use measure::Measured;

use crate::cli::{WaysArgs, WaysRunArgs, WaysWorkerArgs};
use crate::{Exit, Failure, descriptors};
use clap::ValueEnum;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A way to download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// One page after the other
    Blocking,
    /// A pool of ten processes
    Processes,
    /// A pool of ten threads
    Threads,
    /// Sockets that don't block, asked again and again
    Busy,
    /// An event loop that calls methods
    Callbacks,
    /// Async fns on the runtime
    Coroutines,
}

impl Way {
    /// As it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Way::Blocking => "blocking",
            Way::Processes => "processes",
            Way::Threads => "threads",
            Way::Busy => "busy",
            Way::Callbacks => "callbacks",
            Way::Coroutines => "coroutines",
        }
    }

    fn download(self, server: SocketAddr, paths: &[String], unpooled: bool) -> io::Result<Vec<Vec<u8>>> {
        match self {
            Way::Blocking => blocking::download(server, paths),
            Way::Processes => processes::download(server, paths),
            Way::Threads if unpooled => threads::download_unpooled(server, paths),
            Way::Threads => threads::download(server, paths),
            Way::Busy => busy::download(server, paths),
            Way::Callbacks => callbacks::download(server, paths),
            Way::Coroutines => coroutines::download(server, paths),
        }
    }
}

/// A way, so many pages, and what that took.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The way.
    pub way: Way,
    /// The pages.
    pub pages: usize,
    /// So many times as fast as `blocking`, if that ran too.
    pub times_faster: Option<f64>,
    /// The rest.
    #[serde(flatten)]
    pub measured: Measured,
}

/// Downloads in each way and shows what that took.
pub fn run(args: &WaysArgs) -> Result<Exit, Failure> {
    descriptors::raise_limit(); // a page under way takes one, here and at the server
    let server = Server::start(args.delay)?;
    let ways = if args.ways.is_empty() { Way::value_variants() } else { &args.ways[..] };
    let progress = ProgressBar::new_spinner();
    progress.enable_steady_tick(Duration::from_millis(100));
    let mut rows = Vec::new();
    for &pages in &args.pages {
        let mut runs = vec![Vec::new(); ways.len()];
        for run in 1..=args.runs {
            for (way, measured) in ways.iter().zip(&mut runs) {
                progress.set_message(format!("{pages} pages, {}, run {run} of {}", way.name(), args.runs));
                measured.push(measure::measure(&server, *way, pages, args.unpooled)?);
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

/// Every way must have brought the same bytes.
fn check_same(ways: &[Way], runs: &[Vec<Measured>], pages: usize) -> Result<(), Failure> {
    let expected = runs[0][0].digest;
    match ways.iter().zip(runs).find(|(_, runs)| runs.iter().any(|run| run.digest != expected)) {
        None => Ok(()),
        Some((way, _)) => Err(Failure::Way {
            way: way.name(),
            why: format!("of {pages} pages it brought other bytes than `{}`", ways[0].name()),
        }),
    }
}

/// What the process of one way does: downloads, and says on standard output what that took.
pub fn run_one(args: &WaysRunArgs) -> Result<Exit, Failure> {
    let paths = page::paths(args.pages);
    let measured = measure::around(|| args.way.download(args.server, &paths, args.unpooled));
    let measured = measured.map_err(|why| Failure::Way { way: args.way.name(), why: why.to_string() })?;
    println!("{}", serde_json::to_string(&measured).expect("numbers make JSON"));
    Ok(Exit::Success)
}

/// What a process of the pool of `processes` does.
pub fn work(args: &WaysWorkerArgs) -> Result<Exit, Failure> {
    let worked = processes::work(args.server, &args.paths);
    worked.map(|()| Exit::Success).map_err(|why| Failure::Way { way: "processes", why: why.to_string() })
}

/// The built-in site, in a process of its own. Ended when dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(delay: Duration) -> Result<Server, Failure> {
        let delay = humantime::format_duration(delay).to_string().replace(' ', "");
        let mut process = Command::new(std::env::current_exe().map_err(Failure::Process)?)
            .args(["serve", "--listen", "127.0.0.1:0", "--delay", &delay, "--until-eof"])
            .stdin(Stdio::piped()) // it ends with us, however we end
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Failure::Process)?;
        let mut line = String::new();
        let read = BufReader::new(process.stdout.take().expect("it is a pipe")).read_line(&mut line);
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok());
        let mut server = Server { process, address: ([127, 0, 0, 1], 0).into() };
        server.address =
            address.ok_or_else(|| Failure::Process(read.err().unwrap_or_else(|| io::Error::other(line))))?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
