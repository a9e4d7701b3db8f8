//! Limits how many pages of a host are fetched at once, and the delay between them. Slows down hosts that refuse
//! requests.
//!
//! Additive increase, multiplicative decrease, as in TCP (Chiu and Jain, "Analysis of the increase and decrease
//! algorithms for congestion avoidance in computer networks", 1989): a refusal halves the limit on pages at once, and a
//! round of successes adds one. A host that refuses even one page at a time gets a delay, which refusals double and
//! successes shorten. As in TCP, the refusals of one round count once: a refusal does not count if its page was begun
//! before the last slowdown.

use executor::time::{Duration, Instant};

/// The first delay for a host that refuses one page at a time.
const FIRST_DELAY: Duration = Duration::from_millis(50);
/// The longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// How fast pages of a host are begun.
pub struct Flow {
    most: usize,
    limit: usize,
    delay: Duration,
    /// Pages that succeeded since the last change.
    successes: usize,
    /// The time of the last slowdown.
    slowed: Option<Instant>,
}

impl Flow {
    /// At most this many pages at once, and no delay.
    pub fn new(most: usize) -> Flow {
        Flow { most, limit: most, delay: Duration::ZERO, successes: 0, slowed: None }
    }

    /// The limit on pages at once.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The time between the starts of two pages.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// Notes that the host refused a page that was begun at `begun`. Returns whether this slows the host down.
    pub fn refused(&mut self, begun: Instant, now: Instant) -> bool {
        if self.slowed.is_some_and(|slowed| begun <= slowed) {
            return false;
        }
        (self.slowed, self.successes) = (Some(now), 0);
        match self.limit {
            0 | 1 => self.delay = (self.delay * 2).clamp(FIRST_DELAY, LONGEST_DELAY),
            limit => self.limit = limit / 2,
        }
        true
    }

    /// Notes that the host served a page.
    pub fn succeeded(&mut self) {
        self.successes += 1;
        if self.successes < self.limit || self.slowed.is_none() {
            return;
        }
        self.successes = 0;
        if self.delay > Duration::ZERO {
            let shorter = self.delay - self.delay / 8;
            self.delay = if shorter < FIRST_DELAY / 4 { Duration::ZERO } else { shorter };
        } else if self.limit < self.most {
            self.limit += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(Instant::now) + Duration::from_secs(seconds)
    }

    #[test]
    fn the_refusals_of_one_round_halve_the_limit_once() {
        let mut flow = Flow::new(16);
        assert!(flow.refused(at(0), at(1)));
        assert!((0..10).all(|_| !flow.refused(at(0), at(2)) && !flow.refused(at(1), at(1))));
        assert_eq!(flow.limit(), 8);
        assert!(flow.refused(at(2), at(3)));
        assert_eq!((flow.limit(), flow.delay()), (4, Duration::ZERO));
    }

    #[test]
    fn a_round_of_successes_adds_one_up_to_the_maximum() {
        let mut flow = Flow::new(3);
        (0..10).for_each(|_| flow.succeeded());
        assert_eq!(flow.limit(), 3);
        flow.refused(at(0), at(0));
        assert_eq!(flow.limit(), 1);
        let limits: Vec<_> = (0..8).map(|_| (flow.succeeded(), flow.limit()).1).collect();
        assert_eq!(limits, [2, 2, 3, 3, 3, 3, 3, 3]);
    }

    #[test]
    fn a_host_that_refuses_one_page_at_a_time_gets_a_delay_and_loses_it_again() {
        let mut flow = Flow::new(1);
        for (round, delay) in (1..).zip([50, 100, 200, 400]) {
            assert!(flow.refused(at(round), at(round)));
            assert_eq!(flow.delay(), Duration::from_millis(delay));
        }
        (5..50).for_each(|round| assert!(flow.refused(at(round), at(round))));
        assert_eq!(flow.delay(), LONGEST_DELAY);
        flow.succeeded();
        assert_eq!(flow.delay(), Duration::from_millis(8750));
        (0..60).for_each(|_| flow.succeeded());
        assert_eq!((flow.delay(), flow.limit()), (Duration::ZERO, 1));
    }
}
