//! How old tasks are, without a clock being read when they are spawned.
//!
//! Tasks are numbered in the order of their spawning. So it is enough to note now and then which number
//! had been reached when: whenever the thread is about to wait. A task is as old as the first note that
//! has its number, which is off by less than the thread was busy on end.
//!
//! Used by `single.rs`.

use std::time::{Duration, Instant};

/// Notes at most. When there are more, those go that are so close to another one that it does not matter.
const NOTES: usize = 4096;
/// An age may be wrong by this part of itself.
const PRECISION: u32 = 128;

#[derive(Default)]
pub(crate) struct Ages {
    /// The last number, and when; both ascend.
    notes: Vec<(u64, Instant)>,
}

impl Ages {
    /// The last number that was given is noted, if there are new ones.
    pub(crate) fn note(&mut self, last: u64, now: impl FnOnce() -> Instant) {
        if self.notes.last().is_some_and(|(noted, _)| *noted == last) {
            return;
        }
        let now = now();
        if self.notes.len() == NOTES {
            self.thin_out(now);
        }
        self.notes.push((last, now));
    }

    /// Of notes that lie close together for their age, one is enough: some two thousand are left of a life of
    /// years.
    fn thin_out(&mut self, now: Instant) {
        let notes = std::mem::take(&mut self.notes);
        for (index, (number, then)) in notes.iter().enumerate() {
            let next = notes.get(index + 1).map_or(now, |(_, next)| *next);
            let kept = self.notes.last().map(|(_, kept)| *kept);
            // Without this one, its tasks would be taken for as young as those of the next.
            if kept.is_none_or(|kept| next - kept > now.saturating_duration_since(next) / PRECISION) {
                self.notes.push((*number, *then));
            }
        }
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
    fn a_task_is_as_old_as_the_first_note_that_has_it_also_when_there_were_many() {
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
        assert!((49_600..=50_000).contains(&old), "{old}");
        let oldest = age(1);
        assert!((99_000..100_000).contains(&oldest), "{oldest}");
    }
}
