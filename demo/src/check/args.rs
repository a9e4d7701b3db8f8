//! The options of `demo check`.

use crate::engine::{Options, ScopeOptions};
use clap::Args;

/// Options of `demo check`.
#[derive(Clone, Debug, Args)]
#[command(
    mut_arg("depth", |arg| arg.default_value("inf")),
    // These are about saved files, and `check` saves none.
    mut_arg("directory", |arg| arg.hide(true)),
    mut_arg("resume", |arg| arg.hide(true)),
    mut_arg("newer", |arg| arg.hide(true)),
    mut_arg("no_use_server_timestamps", |arg| arg.hide(true)),
    mut_arg("warc", |arg| arg.hide(true)),
    mut_arg("canonical", |arg| arg.hide(true)),
    mut_arg("checksum", |arg| arg.hide(true)),
    mut_arg("accept_type", |arg| arg.hide(true)),
    after_help = "\
EXIT CODES:
  0  success         2  wrong usage          130  interrupted
  1  internal error  3  some links broken    143  ended by SIGTERM"
)]
pub struct CheckArgs {
    /// First page to check
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<String>,
    /// The links that are followed.
    #[command(flatten)]
    pub scope: ScopeOptions,
    /// Do not request links to other hosts
    #[arg(long)]
    pub no_external: bool,
    /// Do not check anchors (page#anchor)
    #[arg(long)]
    pub no_anchors: bool,
    /// The options of the engine.
    #[command(flatten)]
    pub options: Options,
}
