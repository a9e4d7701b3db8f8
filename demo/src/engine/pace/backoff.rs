//! The time before a retry: exponential backoff with full jitter.
//!
//! The wait is a random time between zero and a bound that doubles with each retry (Brooker, "Exponential Backoff And
//! Jitter", AWS Architecture Blog, 2015). So pages that failed together are not retried together.

use executor::test::Network;
use executor::time::Duration;
use std::cell::RefCell;

/// The bound of the first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The bound of the longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// Chooses the times before retries.
pub struct Backoff(RefCell<fastrand::Rng>);

impl Backoff {
    /// Its choices follow from the seed of a deterministic run; in any other run they are random.
    pub fn new() -> Backoff {
        let random = Network::current().map(|network| fastrand::Rng::with_seed(network.random()));
        Backoff(RefCell::new(random.unwrap_or_default()))
    }

    /// The time before the next attempt, after this number of retries.
    pub fn before(&self, retries: u32) -> Duration {
        LONGEST.min(bound(retries)).mul_f64(self.0.borrow_mut().f64())
    }
}

fn bound(retries: u32) -> Duration {
    2_u32.checked_pow(retries).and_then(|factor| FIRST.checked_mul(factor)).unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_the_longest() {
        let bounds: Vec<_> = (0..8).map(|retries| bound(retries).as_millis()).collect();
        assert_eq!(bounds, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(bound(u32::MAX), LONGEST);
    }

    #[test]
    fn the_waits_are_spread_over_the_whole_bound() {
        let backoff = Backoff(RefCell::new(fastrand::Rng::with_seed(1)));
        for retries in [0, 3, 40] {
            let mut tenths = [0; 10];
            for _ in 0..1000 {
                let part = backoff.before(retries).as_secs_f64() / bound(retries).as_secs_f64();
                tenths[(part * 10.0) as usize] += 1;
            }
            assert!(tenths.iter().all(|count| (50..200).contains(count)), "{tenths:?}");
        }
    }
}
