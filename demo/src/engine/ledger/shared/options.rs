//! The options of a crawl that many processes share.

use crate::engine::values::time;
use crate::http::Secret;
use clap::Args;
use std::time::Duration;

/// The options of a crawl that many processes share.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Shared crawl")]
pub struct SharedOptions {
    /// Share the crawl with other processes through Redis (redis://USER:PASSWORD@HOST:PORT/DATABASE)
    #[arg(long, hide_short_help = true, value_name = "URL", requires = "job", conflicts_with_all = ["state", "convert_links", "canonical", "dry_run"])]
    pub frontier: Option<Secret>,
    /// Name of the shared crawl; start each of its processes with the same command
    #[arg(long, hide_short_help = true, value_name = "NAME", requires = "frontier", value_parser = name)]
    pub job: Option<String>,
    /// Time after which the pages of a process that no longer responds return to their queues
    #[arg(long, hide_short_help = true, value_name = "TIME", requires = "frontier", default_value = "30s", value_parser = lease)]
    pub lease: Duration,
}

/// A name that needs no quoting in a shell and in a pattern of Redis.
fn name(text: &str) -> Result<String, String> {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    match !text.is_empty() && text.len() <= 100 && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("write 1 to 100 letters, digits, `.`, `_` or `-`".to_owned()),
    }
}

fn lease(text: &str) -> Result<Duration, String> {
    let lease = time(text)?;
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);
    if range.contains(&lease) { Ok(lease) } else { Err("must be from 1s to 1day".to_owned()) }
}
