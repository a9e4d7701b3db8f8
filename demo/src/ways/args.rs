//! The options of `demo ways`, and of the processes that it starts.

use super::way::Way;
use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Options of `demo ways`.
#[derive(Clone, Debug, Args)]
pub struct WaysArgs {
    /// Number of pages to download, or several numbers to compare
    #[arg(long, value_name = "N,…", default_value = "10", value_delimiter = ',', value_parser = pages)]
    pub pages: Vec<usize>,
    /// Delay of the server before each page (100ms, 1s)
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    pub delay: Duration,
    /// Run only this way; repeat the option for more
    #[arg(long = "way", value_name = "NAME")]
    pub ways: Vec<Way>,
    /// Start a thread for each page instead of a pool of ten
    #[arg(long)]
    pub unpooled: bool,
    /// Repeat each measurement N times and show medians
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub runs: u32,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
    /// Draw a chart to FILE as SVG
    #[arg(long, value_name = "FILE")]
    pub chart: Option<PathBuf>,
}

/// What `demo ways` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table with bars
    Table,
    /// A list of objects
    Json,
    /// A line for each row, below a line of column names
    Csv,
}

/// Options of `demo ways-run`.
#[derive(Clone, Debug, Args)]
pub struct WaysRunArgs {
    /// The way.
    pub way: Way,
    /// The address of the site.
    pub server: SocketAddr,
    /// The number of pages.
    pub pages: usize,
    /// Starts a thread for each page.
    #[arg(long)]
    pub unpooled: bool,
}

/// Options of `demo ways-worker`.
#[derive(Clone, Debug, Args)]
pub struct WaysWorkerArgs {
    /// The address of the site.
    pub server: SocketAddr,
    /// The paths to download.
    pub paths: Vec<String>,
}

fn pages(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=10_000).contains(number));
    number.ok_or_else(|| "write numbers from 1 to 10000, as 10,80,1000".to_owned())
}
