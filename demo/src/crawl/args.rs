//! The options of `demo crawl`. Used by the command line and by programs that crawl.

use bytesize::ByteSize;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Options of `demo crawl`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
EXIT CODES:
  0  success         2  wrong usage          130  interrupted
  1  internal error  3  some URLs failed")]
pub struct CrawlArgs {
    /// First page to fetch [default: the built-in site]
    #[arg(value_name = "URL")]
    pub urls: Vec<String>,
    /// Maximum number of pages to fetch at once
    #[arg(short = 'j', long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub jobs: u32,
    /// Maximum number of pages to fetch at once from one host
    #[arg(short = 'x', long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub per_host: u32,
    /// Maximum link depth, or `inf`
    #[arg(short = 'l', long, value_name = "N", default_value = "8", value_parser = depth)]
    pub depth: u32,
    /// Stay within the directory of the URL
    #[arg(long)]
    pub no_parent: bool,
    /// Maximum number of pages to fetch in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_pages: Option<u64>,
    /// Skip responses larger than SIZE (64M, 500k, 1Gi)
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = size)]
    pub max_size: ByteSize,
    /// Maximum number of redirects in a row
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub max_redirects: u32,
    /// Retries after transient errors
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub retries: u32,
    /// Timeout for the name look-up and the connection (500ms, 3s, 2m)
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub connect_timeout: Duration,
    /// Timeout from the request to the end of the response header
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub header_timeout: Duration,
    /// Timeout between two pieces of a response body
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub idle_timeout: Duration,
    /// Save pages under this directory
    #[arg(short = 'P', long = "directory-prefix", value_name = "DIR", default_value = "download")]
    pub directory: PathBuf,
    /// Write a line of JSON for each URL to FILE; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print only errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print a line for each URL
    #[arg(short, long)]
    pub verbose: bool,
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
        Ok(Duration::ZERO) => Err("must be at least 1ms".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(format!("{error}: write it as 500ms, 3s or 2m")),
    }
}
