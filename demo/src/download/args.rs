//! The options of `demo download`.

use crate::engine::Options;
use clap::Args;
use std::path::PathBuf;

/// Options of `demo download`.
#[derive(Clone, Debug, Args)]
#[command(mut_arg("directory", |arg| arg.default_value(".")), mut_arg("max_size", |arg| arg.default_value("0")), after_help = "\
EXIT CODES:
  0  success         2  wrong usage          130  interrupted
  1  internal error  3  some URLs failed     143  ended by SIGTERM")]
pub struct DownloadArgs {
    /// File to download
    #[arg(value_name = "URL", required_unless_present = "input")]
    pub urls: Vec<String>,
    /// Read further URLs from FILE, one per line; `-` is standard input
    #[arg(short, long = "input-file", value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Write the file to FILE; `-` is standard output [default: the name from the URL]
    #[arg(long, visible_alias = "output-document", value_name = "FILE", conflicts_with_all = ["directory", "input"])]
    pub output: Option<PathBuf>,
    /// Print what would be fetched and saved, as `URL → file`, without sending a request
    #[arg(long)]
    pub dry_run: bool,
    /// Download each large file in up to N segments at once, within the limit of -x
    #[arg(short, long, visible_alias = "split", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub segments: u32,
    /// The options of the engine.
    #[command(flatten)]
    pub options: Options,
}
