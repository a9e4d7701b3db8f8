//! The limits of an exchange: of its time, of its speed and of its size. Used by `connection.rs` and `pool.rs`;
//! `in_time` also by the server's side.

use super::error::Error;
use bytesize::ByteSize;
use executor::time::{Instant, now, timeout};
use std::future::Future;
use std::time::Duration;

/// The limits of an exchange.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time for the name look-up and the connection.
    pub connect: Duration,
    /// Time from the request to the end of the response's head.
    pub header: Duration,
    /// Time between two pieces of the body.
    pub idle: Duration,
    /// Bytes of a body, as received and as decoded.
    pub body: u64,
    /// Time for all of it, from the connection to the end of the body.
    pub total: TotalTime,
    /// The least speed of the body.
    pub speed: LeastSpeed,
}

impl Limits {
    /// The same limits, with the total time running from now.
    pub fn started(&self) -> Limits {
        let mut limits = self.clone();
        limits.total.end = limits.total.limit.map(|limit| now() + limit);
        limits
    }

    /// Limits the time of an operation, to `time` and to what is left of the total time. In the error, `what`
    /// precedes "took longer than".
    ///
    /// # Errors
    /// [`Error::Timeout`] after `time`, [`Error::TotalTime`] after the total time, or the operation's own.
    pub async fn within<T>(
        &self,
        time: Duration,
        what: &'static str,
        operation: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.within_total(in_time(time, what, operation)).await
    }

    /// Limits the time of an operation to what is left of the total time.
    ///
    /// # Errors
    /// [`Error::TotalTime`] after that, or the operation's own.
    pub async fn within_total<T>(&self, operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let TotalTime { limit: Some(limit), end: Some(end) } = self.total else { return operation.await };
        match end.saturating_duration_since(now()) {
            // An operation that is ready whenever it is polled would never time out.
            Duration::ZERO => Err(Error::TotalTime(limit)),
            left => timeout(left, operation).await.unwrap_or(Err(Error::TotalTime(limit))),
        }
    }
}

/// The most time that an exchange may take in all. The default is no limit.
#[derive(Clone, Debug, Default)]
pub struct TotalTime {
    limit: Option<Duration>,
    end: Option<Instant>,
}

impl TotalTime {
    /// Limits each exchange to `limit`. It runs from [`Limits::started`].
    pub fn new(limit: Option<Duration>) -> TotalTime {
        TotalTime { limit, end: None }
    }
}

/// The least average speed of a body. Without a speed there is no limit.
#[derive(Clone, Debug, Default)]
pub struct LeastSpeed {
    /// Bytes per second, as received.
    pub bytes: u64,
    /// The time over which the average is taken.
    pub time: Duration,
}

/// Measures the speed of one body.
///
/// Only the time spent waiting for the server counts, not the time that this side takes to write what it received. The
/// speed is checked when bytes arrive; if none do, the idle timeout ends the exchange.
#[derive(Debug, Default)]
pub struct Speed {
    waited: Duration,
    bytes: u64,
}

impl Speed {
    /// Notes that the server sent `bytes` after a wait.
    ///
    /// # Errors
    /// [`Error::TooSlow`] if the average since the last check is below the limit.
    pub fn arrived(&mut self, least: &LeastSpeed, waited: Duration, bytes: usize) -> Result<(), Error> {
        self.waited += waited;
        self.bytes += bytes as u64;
        if least.bytes == 0 || self.waited < least.time {
            return Ok(());
        }
        let enough = least.bytes as f64 * self.waited.as_secs_f64();
        if (self.bytes as f64) < enough {
            return Err(Error::TooSlow { least: ByteSize::b(least.bytes), time: least.time });
        }
        *self = Speed::default();
        Ok(())
    }
}

/// Limits the time of an operation. In the error, `what` precedes "took longer than".
pub async fn in_time<T>(
    time: Duration,
    what: &'static str,
    operation: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(time, operation).await.unwrap_or(Err(Error::Timeout { what, after: time }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_body_is_too_slow_if_its_average_is_below_the_limit() {
        let least = LeastSpeed { bytes: 10, time: 30 * SECOND };
        let arrivals = |count: usize, waited: Duration, bytes: usize| {
            let mut speed = Speed::default();
            (0..count).try_for_each(|_| speed.arrived(&least, waited, bytes))
        };
        // A byte every half second is 2 B/s.
        assert!(arrivals(59, SECOND / 2, 1).is_ok());
        assert!(matches!(arrivals(60, SECOND / 2, 1), Err(Error::TooSlow { .. })));
        assert!(arrivals(10_000, SECOND, 10).is_ok());
        assert!(matches!(arrivals(10_000, SECOND, 9), Err(Error::TooSlow { .. })));
        // One packet of 1,400 bytes in two minutes, if the idle timeout allows it.
        assert!(arrivals(10, 120 * SECOND, 1_400).is_ok());
        // A fast beginning does not make up for a slow continuation.
        let mut speed = Speed::default();
        speed.arrived(&least, 30 * SECOND, 1_000_000).unwrap();
        assert!(speed.arrived(&least, 30 * SECOND, 299).is_err());
    }

    #[test]
    fn a_speed_of_0_is_no_limit() {
        let least = LeastSpeed { bytes: 0, time: Duration::ZERO };
        assert!(Speed::default().arrived(&least, 1_000 * SECOND, 0).is_ok());
    }
}
