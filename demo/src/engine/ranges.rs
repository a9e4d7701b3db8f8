//! Sets of byte ranges: which bytes of a body were received, which are missing, and how to divide those. Only
//! arithmetic. Used by `segments/`, `resume.rs` and `save/`.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The positions of some bytes of a body.
///
/// The ranges are sorted, not empty and not adjacent, so each set has exactly one representation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>", into = "Vec<(u64, u64)>")]
pub struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds the bytes of a range.
    pub fn insert(&mut self, added: Range<u64>) {
        if added.is_empty() {
            return;
        }
        let first = self.0.partition_point(|known| known.end < added.start);
        let after = self.0.partition_point(|known| known.start <= added.end);
        let joined = self.0[first..after]
            .iter()
            .fold(added, |joined, known| joined.start.min(known.start)..joined.end.max(known.end));
        self.0.splice(first..after, [joined]);
    }

    /// The number of bytes.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// The position after the last byte.
    pub fn end(&self) -> u64 {
        self.0.last().map_or(0, |range| range.end)
    }

    /// The ranges below `total` that are not in the set.
    pub fn missing(&self, total: u64) -> Vec<Range<u64>> {
        let starts = [0].into_iter().chain(self.0.iter().map(|range| range.end));
        let ends = self.0.iter().map(|range| range.start).chain([total]);
        starts.zip(ends).map(|(start, end)| start..end.min(total)).filter(|gap| !gap.is_empty()).collect()
    }
}

impl From<Range<u64>> for Ranges {
    fn from(range: Range<u64>) -> Ranges {
        let mut ranges = Ranges::default();
        ranges.insert(range);
        ranges
    }
}

/// Pairs of a start and an end, in any order.
impl From<Vec<(u64, u64)>> for Ranges {
    fn from(pairs: Vec<(u64, u64)>) -> Ranges {
        let mut ranges = Ranges::default();
        pairs.into_iter().for_each(|(start, end)| ranges.insert(start..end));
        ranges
    }
}

impl From<Ranges> for Vec<(u64, u64)> {
    fn from(ranges: Ranges) -> Vec<(u64, u64)> {
        ranges.0.into_iter().map(|range| (range.start, range.end)).collect()
    }
}

/// Divides ranges into about `parts` ranges of similar size. No range is cut into parts smaller than `least`.
pub fn divide(ranges: &[Range<u64>], parts: u64, least: u64) -> Vec<Range<u64>> {
    let all: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let size = all.div_ceil(parts.max(1)).max(1);
    let divided = ranges.iter().flat_map(|range| {
        let length = range.end - range.start;
        let parts = length.div_ceil(size).min(length / least.max(1)).max(1);
        let at = move |part: u64| (u128::from(length) * u128::from(part) / u128::from(parts)) as u64;
        (0..parts).map(move |part| range.start + at(part)..range.start + at(part + 1))
    });
    divided.filter(|range| !range.is_empty()).collect()
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of ranges are meant")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_that_touch_are_merged() {
        let mut ranges = Ranges::default();
        for (added, expected) in [
            (5..10, &[5..10][..]),
            (20..30, &[5..10, 20..30]),
            (7..7, &[5..10, 20..30]),
            (10..12, &[5..12, 20..30]),
            (3..5, &[3..12, 20..30]),
            (14..16, &[3..12, 14..16, 20..30]),
            (11..25, &[3..30]),
        ] {
            ranges.insert(added.clone());
            assert_eq!(ranges.0, expected, "after {added:?}");
        }
        assert_eq!((ranges.count(), ranges.end(), ranges.missing(40)), (27, 30, vec![0..3, 30..40]));
        assert_eq!(ranges.missing(20), [0..3]);
    }

    #[test]
    fn a_part_has_at_least_the_minimum_size_unless_the_range_is_smaller() {
        assert_eq!(divide(&[0..100], 4, 10), [0..25, 25..50, 50..75, 75..100]);
        assert_eq!(divide(&[0..100], 4, 40), [0..50, 50..100]);
        assert_eq!(divide(&[0..100], 4, 60), [0..100]);
        assert_eq!(divide(&[0..100], 1, 1), [0..100]);
        assert_eq!(divide(&[5..7, 50..148], 2, 10), [5..7, 50..99, 99..148]);
        assert_eq!(divide(&[0..u64::MAX], 2, 1).len(), 2);
        assert_eq!(divide(&[], 4, 10), []);
    }

    proptest! {
        #[test]
        fn a_set_has_the_bytes_that_were_added(added in proptest::collection::vec((0..60_u64, 0..20_u64), 0..12)) {
            let (mut ranges, mut bytes) = (Ranges::default(), [false; 100]);
            for (start, length) in added {
                ranges.insert(start..start + length);
                bytes[start as usize..(start + length) as usize].fill(true);
            }
            prop_assert_eq!(ranges.count(), bytes.iter().filter(|byte| **byte).count() as u64);
            let is_missing = |at: u64| ranges.missing(100).iter().any(|gap| gap.contains(&at));
            prop_assert!((0..100).all(|at| is_missing(at) != bytes[at as usize]));
            prop_assert!(ranges.0.windows(2).all(|pair| pair[0].end < pair[1].start));
            let stored = serde_json::to_string(&ranges).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Ranges>(&stored).unwrap(), &ranges);
        }

        #[test]
        fn the_parts_fill_the_range(start in 0..50_u64, length in 1..5000_u64, parts in 1..40_u64, least in 1..99_u64) {
            let divided = divide(&[start..start + length], parts, least);
            prop_assert_eq!(divided[0].start, start);
            prop_assert!(divided.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert_eq!(divided[divided.len() - 1].end, start + length);
            prop_assert!(divided.len() as u64 <= parts);
            prop_assert!(divided.len() == 1 || divided.iter().all(|part| part.end - part.start >= least));
        }
    }
}
