//! The ages of tasks, without reading a clock at each spawn.
//!
//! Tasks are numbered in the order of their spawning. Before each turn of the reactor, the last number is noted with
//! the time. The age of a task is that of the first note at or above its number. It is too small by at most the time
//! between two turns.
//!
//! Used by `monitor.rs`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The maximum number of notes. Above it, notes are dropped whose loss makes an age wrong by at most a [`FINE`]th.
const NOTES: usize = 4096;
/// With this ratio, some 3,000 notes cover ages from a microsecond to a year.
const FINE: u32 = 50;

#[derive(Default)]
pub(crate) struct Ages {
    /// The last number and the time; both ascend.
    notes: VecDeque<(u64, Instant)>,
}

impl Ages {
    /// Notes the number of the task spawned last, unless it was noted before.
    pub(crate) fn note(&mut self, last: u64, now: impl FnOnce() -> Instant) {
        if self.notes.back().is_some_and(|(noted, _)| *noted == last) {
            return;
        }
        let now = now();
        if self.notes.len() >= NOTES {
            self.thin_out(now);
        }
        self.notes.push_back((last, now));
    }

    fn thin_out(&mut self, now: Instant) {
        let (mut kept, all) = (VecDeque::new(), std::mem::take(&mut self.notes));
        for (index, note) in all.iter().enumerate() {
            // Without this note, the next one would also give the age of the tasks since the last kept note.
            let is_needed = match (kept.back(), all.get(index + 1)) {
                (Some((_, before)), Some((_, next))) => {
                    next.saturating_duration_since(*before) > now.saturating_duration_since(*next) / FINE
                }
                _ => true,
            };
            if is_needed {
                kept.push_back(*note);
            }
        }
        self.notes = kept;
    }

    pub(crate) fn age(&self, number: u64, now: Instant) -> Duration {
        let first = self.notes.partition_point(|(noted, _)| *noted < number);
        self.notes.get(first).map_or(Duration::ZERO, |(_, then)| now.saturating_duration_since(*then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_a_task_is_that_of_the_first_note_with_its_number_even_after_many_notes() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut ages = Ages::default();
        for second in 1..=100_000 {
            ages.note(10 * second, || at(second));
            ages.note(10 * second, || unreachable!("there are no new ones"));
        }
        let age = |number| ages.age(number, at(100_000)).as_secs();
        assert_eq!((age(1_000_000), age(999_995), age(999_990)), (0, 0, 1));
        assert_eq!(age(1_000_001), 0);
        assert!(ages.notes.len() <= NOTES);
        let old = age(500_000);
        assert!((49_000..=50_000).contains(&old), "{old}");
    }
}
