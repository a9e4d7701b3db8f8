//! The options of `demo crawl`. Used by the command line and by programs that crawl.

use crate::engine::{Options, ScopeOptions, SharedOptions};
use clap::Args;
use std::path::PathBuf;

/// Options of `demo crawl`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
EXIT CODES:
  0  success         2  wrong usage          130  interrupted
  1  internal error  3  some URLs failed     143  ended by SIGTERM")]
pub struct CrawlArgs {
    /// First page to fetch [default: the built-in site]
    #[arg(value_name = "URL")]
    pub urls: Vec<String>,
    /// Keep the state of the crawl in FILE; the same command continues the crawl after a stop, and so does
    /// `demo crawl --state FILE`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["convert_links", "canonical", "sitemaps", "warc", "dry_run"])]
    pub state: Option<PathBuf>,
    /// Print what would be saved, as `URL → file`, without saving it; pages that can contain links are still fetched
    #[arg(long)]
    pub dry_run: bool,
    /// The links that are followed.
    #[command(flatten)]
    pub scope: ScopeOptions,
    /// The options of a crawl that many processes share.
    #[command(flatten)]
    pub shared: SharedOptions,
    /// Convert the links in saved pages so that the site works from disk
    #[arg(long, help_heading = "Files")]
    pub convert_links: bool,
    /// The options of the engine.
    #[command(flatten)]
    pub options: Options,
}
