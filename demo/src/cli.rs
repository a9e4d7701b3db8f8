//! The command line.

use crate::http::server::CONNECTIONS;
use crate::step::Program;
use crate::top::Column;
use crate::ways::Way;
use bytesize::ByteSize;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A downloader on a coroutine runtime of its own. Without a command it crawls; without a URL it
/// crawls a site that it brings along.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `crawl`, for when no command is given.
    #[command(flatten)]
    pub crawl: CrawlArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Download a site: a page, what it links to, and so on
    Crawl(Box<CrawlArgs>),
    /// Serve the built-in site, or files from a directory
    Serve(ServeArgs),
    /// Download the same pages in six ways, side by side
    Ways(WaysArgs),
    /// Watch a program one event at a time, forwards and backwards
    Step(StepArgs),
    /// Show the tasks, sockets and timers of a program that runs, or of a recording
    Top(TopArgs),
    /// One of the ways, in the process that `ways` measures
    #[command(hide = true)]
    WaysRun(WaysRunArgs),
    /// A process of the pool of the way `processes`
    #[command(hide = true)]
    WaysWorker(WaysWorkerArgs),
}

/// Options of `demo crawl`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
EXIT CODES:
  0  all well         2  wrong usage          130  interrupted
  1  our own failure  3  some URLs failed")]
pub struct CrawlArgs {
    /// Where to begin; the built-in site if none is given
    #[arg(value_name = "URL")]
    pub urls: Vec<String>,
    /// Pages at once
    #[arg(short = 'j', long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub jobs: u32,
    /// Pages at once from one host
    #[arg(short = 'x', long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub per_host: u32,
    /// Follow links so far from the first page, or `inf`
    #[arg(short = 'l', long, value_name = "N", default_value = "8", value_parser = depth)]
    pub depth: u32,
    /// Stay within the directory of the URL
    #[arg(long)]
    pub no_parent: bool,
    /// Stop after so many pages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_pages: Option<u64>,
    /// Give a page up that is larger (64M, 500k, 1Gi)
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = size)]
    pub max_size: ByteSize,
    /// Redirects to follow, one after the other
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub max_redirects: u32,
    /// Further attempts after a failure that may pass
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub retries: u32,
    /// Time to connect, look-up included (500ms, 3s, 2m)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub connect_timeout: Duration,
    /// Time from the request to the end of the response's head
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub header_timeout: Duration,
    /// Time between two pieces of a body
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub idle_timeout: Duration,
    /// Save under this directory
    #[arg(short = 'P', long = "directory-prefix", value_name = "DIR", default_value = "download")]
    pub directory: PathBuf,
    /// Write a line of JSON about each URL; `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print a line about each URL
    #[arg(short, long)]
    pub verbose: bool,
}

/// Options of `demo serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The address to serve at; port 0 takes any
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
    /// Answer each request only after this time (100ms, 1s)
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration, conflicts_with = "root")]
    pub delay: Duration,
    /// Serve the files of this directory instead
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Serve at most so many connections at once; one more is answered with 503 (Service Unavailable)
    #[arg(long, value_name = "N", default_value_t = CONNECTIONS, value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,
    /// End when standard input does, as it does when whoever started this is gone
    #[arg(long)]
    pub until_eof: bool,
}

/// Options of `demo ways`.
#[derive(Clone, Debug, Args)]
pub struct WaysArgs {
    /// How many pages; several numbers one after the other
    #[arg(long, value_name = "N,…", default_value = "10", value_delimiter = ',', value_parser = pages)]
    pub pages: Vec<usize>,
    /// What the server takes for a page (100ms, 1s)
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    pub delay: Duration,
    /// Only this way; may be given again for more
    #[arg(long = "way", value_name = "NAME")]
    pub ways: Vec<Way>,
    /// A thread for each page, instead of a pool of ten
    #[arg(long)]
    pub unpooled: bool,
    /// Go through the ways so often, and show medians
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub runs: u32,
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// Draw a chart into this file, as SVG
    #[arg(long, value_name = "FILE")]
    pub chart: Option<PathBuf>,
}

/// Options of `demo step`.
#[derive(Clone, Debug, Args)]
pub struct StepArgs {
    /// The program to step through; ping-pong if none is given
    pub program: Option<Program>,
    /// A recorded run instead: record one with EXECUTOR_TRACE=FILE
    #[arg(long, value_name = "FILE", conflicts_with = "program")]
    pub replay: Option<PathBuf>,
    /// Let the program run while you step: it stands still between two events
    #[arg(long, conflicts_with_all = ["replay", "html", "perfetto"])]
    pub live: bool,
    /// Look for source files in this directory
    #[arg(long, value_name = "DIR", value_parser = directory)]
    pub source: Option<PathBuf>,
    /// Write the run into this file, as a page for a browser
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the run into this file, for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    pub perfetto: Option<PathBuf>,
    /// Print what is wrong with the run; then the exit code is 3
    #[arg(long, conflicts_with = "live")]
    pub lint: bool,
}

/// Options of `demo top`.
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["connect", "replay"])))]
pub struct TopArgs {
    /// A program that was started with EXECUTOR_CONSOLE=SOCKET
    #[arg(long, value_name = "SOCKET")]
    pub connect: Option<PathBuf>,
    /// A recorded run: record one with EXECUTOR_TRACE=FILE
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// Show the recording as it was so long after its beginning (10ms, 3s), not at its end
    #[arg(long, value_name = "TIME", requires = "replay", value_parser = humantime::parse_duration)]
    pub at: Option<Duration>,
    /// Sort the tasks by this column
    #[arg(long, value_name = "COLUMN", default_value = "busy")]
    pub sort: Column,
    /// Print the tables once, as text: also if standard output is no terminal
    #[arg(long)]
    pub once: bool,
}

/// What `demo ways` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// A list of objects
    Json,
    /// A line a row, below one of names
    Csv,
}

/// Options of `demo ways-run`.
#[derive(Clone, Debug, Args)]
pub struct WaysRunArgs {
    /// The way.
    pub way: Way,
    /// Where the site is.
    pub server: SocketAddr,
    /// How many pages.
    pub pages: usize,
    /// A thread for each page.
    #[arg(long)]
    pub unpooled: bool,
}

/// Options of `demo ways-worker`.
#[derive(Clone, Debug, Args)]
pub struct WaysWorkerArgs {
    /// Where the site is.
    pub server: SocketAddr,
    /// What to download.
    pub paths: Vec<String>,
}

fn pages(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=10_000).contains(number));
    number.ok_or_else(|| "write numbers from 1 to 10000, as 10,80,1000".to_owned())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, as 127.0.0.1:8080".to_owned())
}

fn depth(text: &str) -> Result<u32, String> {
    match text {
        "inf" => Ok(u32::MAX),
        number => number.parse().map_err(|_| "write a number, or `inf` for no limit".to_owned()),
    }
}

fn size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|_| "write it as 64M (million bytes), 500k or 1Gi (2³⁰)".to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("nothing is done in no time: give at least 1ms".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(format!("{error}: write it as 500ms, 3s or 2m")),
    }
}

fn directory(text: &str) -> Result<PathBuf, String> {
    Some(PathBuf::from(text))
        .filter(|path| path.is_dir())
        .ok_or_else(|| "there is no directory of this name".to_owned())
}
