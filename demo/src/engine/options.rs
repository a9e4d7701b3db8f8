//! The options that the commands on the engine share. Each command adds its own.

use super::limits::LimitOptions;
use super::output::Format;
use super::pace::PaceOptions;
use super::save::SaveOptions;
use super::values::{size, time};
use crate::http::NetworkOptions;
use bytesize::ByteSize;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// The default for the directory of saved files.
pub const DIRECTORY: &str = "download";

/// The options that the commands on the engine share.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Maximum number of URLs to fetch at once
    #[arg(help_heading = "Politeness", short = 'j', long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub jobs: u32,
    /// Politeness, retries and rate.
    #[command(flatten)]
    pub pace: PaceOptions,
    /// Skip responses larger than SIZE (64M, 500k, 1Gi); 0 for no limit
    #[arg(help_heading = "Limits", long, value_name = "SIZE", default_value = "64M", value_parser = size)]
    pub max_size: ByteSize,
    /// Maximum number of redirects in a row
    #[arg(help_heading = "Limits", long, value_name = "N", default_value_t = 10)]
    pub max_redirects: u32,
    /// Timeout for the name look-up and the connection (500ms, 3s, 2m)
    #[arg(help_heading = "Limits", long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub connect_timeout: Duration,
    /// Timeout from the request to the end of the response header
    #[arg(help_heading = "Limits", long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub header_timeout: Duration,
    /// Timeout between two pieces of a response body
    #[arg(help_heading = "Limits", long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub idle_timeout: Duration,
    /// Limits of time and speed.
    #[command(flatten)]
    pub limits: LimitOptions,
    /// Save files under DIR
    #[arg(help_heading = "Files", short = 'P', long = "directory-prefix", value_name = "DIR", default_value = DIRECTORY)]
    pub directory: PathBuf,
    /// The options about files.
    #[command(flatten)]
    pub save: SaveOptions,
    /// Write a line of JSON for each URL to FILE; `-` is standard output
    #[arg(help_heading = "Output", long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Format of the summary
    #[arg(help_heading = "Output", long, value_enum, default_value_t = Format::Text, conflicts_with = "verbose")]
    pub format: Format,
    /// Read options from FILE instead of ~/.config/demo.conf
    #[arg(hide_short_help = true, help_heading = "Configuration", long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Ignore ~/.config/demo.conf
    #[arg(hide_short_help = true, help_heading = "Configuration", long, conflicts_with = "config")]
    pub no_config: bool,
    /// Print only errors
    #[arg(help_heading = "Output", short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print a line for each URL
    #[arg(help_heading = "Output", short, long)]
    pub verbose: bool,
    /// The options of the network.
    #[command(flatten)]
    pub network: NetworkOptions,
}
