//! The options that limit the time and the speed of a download. Used by `options.rs` and `shared.rs`.

use super::values::{size, time};
use crate::http::{LeastSpeed, TotalTime};
use bytesize::ByteSize;
use clap::Args;
use std::time::Duration;

/// The options that limit the time and the speed of a download.
///
/// The default speed is far below that of any working connection: one packet of 1,400 bytes in two minutes is enough.
/// It ends a body that trickles in, which the idle timeout never does.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// Maximum time for each request and its response; exceeding it is not retried
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub max_time: Option<Duration>,
    /// Minimum speed of a response, in SIZE per second; 0 for no limit
    #[arg(hide_short_help = true, long, value_name = "SIZE", default_value = "10", value_parser = size)]
    pub speed_limit: ByteSize,
    /// Period over which --speed-limit is averaged
    #[arg(hide_short_help = true, long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub speed_time: Duration,
}

impl LimitOptions {
    /// Maximum time for an exchange.
    pub fn total(&self) -> TotalTime {
        TotalTime::new(self.max_time)
    }

    /// Minimum speed of a body.
    pub fn speed(&self) -> LeastSpeed {
        LeastSpeed { bytes: self.speed_limit.as_u64(), time: self.speed_time }
    }
}
