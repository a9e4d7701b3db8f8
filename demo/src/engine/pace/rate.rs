//! The limit on bytes per second, over all connections.
//!
//! It is a token bucket that is kept as a time (the "virtual scheduling" form of the generic cell rate algorithm): each
//! received piece advances the time by as long as the piece may take, and its connection waits until then. Meanwhile
//! the connection does not read, so the sender's window fills, and TCP slows the sender down. Connections take turns
//! because each waits for the pieces that came before its own. Unused time is not saved up for later.

use executor::time::{Duration, Instant, now, sleep_until};
use std::cell::Cell;

/// The limit on bytes per second. Made for one thread.
pub struct Rate {
    /// Bytes per second, if there is a limit.
    limit: Option<u64>,
    /// When the bytes received so far are paid for.
    paid: Cell<Option<Instant>>,
}

impl Rate {
    /// A limit, or none.
    pub fn new(limit: Option<u64>) -> Rate {
        Rate { limit, paid: Cell::new(None) }
    }

    /// Waits until bytes that were received are within the limit.
    ///
    /// # Cancel safety
    /// The bytes count even if this is dropped: they were received.
    pub async fn received(&self, bytes: usize) {
        let Some(limit) = self.limit else { return };
        let now = now();
        let start = self.paid.get().map_or(now, |paid| paid.max(now));
        let nanoseconds = bytes as u128 * 1_000_000_000 / u128::from(limit);
        let paid = start + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.paid.set(Some(paid));
        sleep_until(paid).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor::{Runtime, spawn_local};
    use std::rc::Rc;

    /// Runs on a simulated clock.
    fn simulated<T>(test: impl Future<Output = T>) -> T {
        Runtime::builder().deterministic(1).build().unwrap().block_on(test)
    }

    #[test]
    fn all_connections_together_get_the_rate_and_each_an_equal_part() {
        simulated(async {
            let (rate, start) = (Rc::new(Rate::new(Some(1_000_000))), now());
            let connection = |_| {
                let rate = rate.clone();
                spawn_local(async move {
                    for _ in 0..100 {
                        rate.received(10_000).await;
                    }
                    now() - start
                })
            };
            let connections: Vec<_> = (0..4).map(connection).collect();
            let mut ends = Vec::new();
            for connection in connections {
                ends.push(connection.await.unwrap().as_millis());
            }
            ends.sort_unstable();
            assert_eq!(ends, [3970, 3980, 3990, 4000]);
        });
    }

    #[test]
    fn unused_time_is_not_saved_up_and_a_dropped_wait_still_counts() {
        simulated(async {
            let (rate, start) = (Rate::new(Some(1000)), now());
            rate.received(500).await;
            executor::time::sleep(Duration::from_secs(10)).await;
            let wait = executor::time::timeout(Duration::from_millis(100), rate.received(1000));
            assert!(wait.await.is_err());
            rate.received(1000).await;
            assert_eq!(now() - start, Duration::from_millis(12_500));
        });
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        simulated(async {
            let start = now();
            Rate::new(None).received(usize::MAX).await;
            assert_eq!(now(), start);
        });
    }
}
