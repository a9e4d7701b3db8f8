//! [`Link`]: how two hosts of a simulated network reach each other.

use std::time::Duration;

/// How two hosts reach each other.
///
/// ```
/// use reactor::backend::Link;
/// use std::time::Duration;
///
/// let mobile = Link { latency: Duration::from_millis(50), bandwidth: Some(1_000_000), ..Link::default() };
/// assert_eq!(Link::default().latency, Duration::from_millis(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// The time that every packet takes. At most a year.
    pub latency: Duration,
    /// The most that is added to the latency of a packet, at random. At most a year.
    pub jitter: Duration,
    /// Bytes per second in each direction; `None` for no limit.
    pub bandwidth: Option<u64>,
    /// The probability that a packet of data (up to 16 KiB) is lost. A loss breaks the connection: both ends see a
    /// reset. From 0 to 1.
    pub loss: f64,
}

impl Default for Link {
    /// A millisecond, and no faults.
    fn default() -> Link {
        Link { latency: Duration::from_millis(1), jitter: Duration::ZERO, bandwidth: None, loss: 0.0 }
    }
}

impl Link {
    #[track_caller]
    pub(super) fn check(&self) {
        assert!((0.0..=1.0).contains(&self.loss), "the loss of a link is a probability from 0 to 1, not {}", self.loss);
        assert!(self.bandwidth != Some(0), "a link without bandwidth would deliver nothing: use Network::partition");
        // The limit of both: adding such a delay to a time never overflows.
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        let (latency, jitter) = (self.latency, self.jitter);
        assert!(
            latency <= YEAR && jitter <= YEAR,
            "a link may have a latency and a jitter of up to a year, not {latency:?} and {jitter:?}: to deliver \
             nothing, use Network::partition"
        );
    }
}
