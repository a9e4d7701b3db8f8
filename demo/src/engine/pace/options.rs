//! The options of politeness, retries and rate.

use bytesize::ByteSize;
use clap::Args;
use std::time::Duration;

/// The options of politeness, retries and rate.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Politeness")]
pub struct PaceOptions {
    /// Maximum number of URLs to fetch at once from one host [default: 4; 16 for localhost]
    #[arg(short = 'x', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub per_host: Option<u32>,
    /// Minimum time between two requests to a host (500ms, 2s); robots.txt may require more
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true, value_parser = delay)]
    pub delay: Duration,
    /// Maximum bytes per second, over all connections (200k, 2M, 1Gi)
    #[arg(long, value_name = "SIZE", value_parser = rate)]
    pub limit_rate: Option<ByteSize>,
    /// Retries after transient errors
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub retries: u32,
    /// Treat a refused connection as a transient error
    #[arg(long)]
    pub retry_connrefused: bool,
    /// Follow links that robots.txt forbids, and ignore its delay
    #[arg(long)]
    pub ignore_robots: bool,
}

fn delay(text: &str) -> Result<Duration, String> {
    match text {
        "0" => Ok(Duration::ZERO),
        text => humantime::parse_duration(text).map_err(|error| format!("{error}: write it as 500ms, 2s or 1m")),
    }
}

fn rate(text: &str) -> Result<ByteSize, String> {
    match text.parse() {
        Ok(ByteSize(0)) => Err("must be at least 1 byte; omit the option for no limit".to_owned()),
        Ok(rate) => Ok(rate),
        Err(_) => Err("write it as 2M (million bytes per second), 500k or 1Gi (2³⁰)".to_owned()),
    }
}
