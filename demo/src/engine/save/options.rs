//! The options about files.

use super::checksum::Checksum;
use clap::Args;
use std::path::PathBuf;

/// The options about files.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Files")]
pub struct SaveOptions {
    /// Resume unfinished files; `download` also skips complete ones
    #[arg(short = 'c', long = "continue")]
    pub resume: bool,
    /// Fetch only pages that have changed since they were saved
    #[arg(short = 'N', long = "timestamping")]
    pub newer: bool,
    /// Do not set the times of files from Last-Modified
    #[arg(long, hide_short_help = true)]
    pub no_use_server_timestamps: bool,
    /// Write an archive of all requests and responses to FILE (WARC/1.1), compressed if FILE ends with .gz
    #[arg(long, value_name = "FILE")]
    pub warc: Option<PathBuf>,
    /// Save the file only if it has this checksum (sha256:HEX); for a single URL
    #[arg(long, value_name = "SUM")]
    pub checksum: Option<Checksum>,
}
