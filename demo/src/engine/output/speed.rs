//! Bytes per second, as an average over the last seconds.

use executor::time::{Duration, Instant};

/// The time over which speeds are averaged.
const AVERAGED: Duration = Duration::from_secs(3);

/// The speed of something that counts bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Speed {
    bytes_per_second: f64,
    /// The bytes at the last update, and its time.
    updated: Option<(u64, Instant)>,
    /// How much of the average is known.
    known: f64,
}

impl Speed {
    /// Notes that there are `bytes` now. The bytes of the first update do not count: they came before it.
    pub fn update(&mut self, bytes: u64, now: Instant) {
        if let Some((before, at)) = self.updated {
            let seconds = (now - at).as_secs_f64().max(0.001);
            let weight = 1.0 - (-seconds / AVERAGED.as_secs_f64()).exp();
            let current = bytes.saturating_sub(before) as f64 / seconds;
            self.bytes_per_second += weight * (current - self.bytes_per_second);
            self.known += weight * (1.0 - self.known);
        }
        self.updated = Some((bytes, now));
    }

    /// Bytes per second.
    pub fn bytes_per_second(&self) -> f64 {
        // The average begins at zero, which would make the first values too small.
        if self.known > 0.0 { self.bytes_per_second / self.known } else { 0.0 }
    }

    /// The time for this many more bytes, if any arrive.
    pub fn time_for(&self, bytes: u64) -> Option<Duration> {
        let seconds = bytes as f64 / self.bytes_per_second();
        (seconds < 100.0 * 3600.0).then(|| Duration::from_secs(seconds.ceil() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_right_from_the_second_update_on_and_forgets_the_distant_past() {
        let (mut speed, start) = (Speed::default(), Instant::now());
        let mut update = |tenths: u64, bytes: u64| {
            speed.update(bytes, start + Duration::from_millis(100 * tenths));
            (speed.bytes_per_second().round(), speed.time_for(1000))
        };
        assert_eq!(update(0, 5_000_000), (0.0, None));
        assert_eq!(update(1, 5_000_100), (1000.0, Some(Duration::from_secs(1))));
        (2..100).for_each(|tenth| assert_eq!(update(tenth, 5_000_000 + tenth * 100).0, 1000.0));
        let (after, _) = update(200, 5_000_000 + 9900);
        assert!(after < 50.0, "{after}");
    }
}
