//! The positions in a body from which a text was read: an attribute's value or a stylesheet. Character references make
//! the text differ from the bytes. Used by the searches in this directory, so that links can be rewritten in place.

use std::collections::VecDeque;
use std::ops::{Deref, Range};

/// The places of the bytes of a text, as a few runs of consecutive bytes.
#[derive(Clone, Debug, Default)]
pub struct Places {
    runs: VecDeque<Run>,
    /// The length of the text.
    end: u64,
}

/// Bytes of the text that are consecutive in the body, or the bytes of one character reference.
#[derive(Clone, Debug)]
struct Run {
    /// Where it begins in the text.
    at: u64,
    /// Where it begins in the body.
    place: u64,
    /// Where it ends in the body, if it is a character reference.
    reference_end: Option<u64>,
}

impl Places {
    /// Removes everything.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.end = 0;
    }

    /// Notes that `length` bytes are appended to the text. They are at `place` in the body.
    #[inline]
    pub fn push(&mut self, length: usize, place: Range<u64>) {
        let is_copy = place.end - place.start == length as u64;
        let continues = |run: &Run| run.reference_end.is_none() && run.place + (self.end - run.at) == place.start;
        if !is_copy || !self.runs.back().is_some_and(continues) {
            let mut start = place.start;
            if let Some(empty) = self.runs.back().filter(|run| run.at == self.end) {
                // A character that is read in pieces begins where its first byte is.
                if empty.reference_end == Some(start) {
                    start = empty.place;
                }
                self.runs.pop_back();
            }
            let reference_end = (!is_copy || start != place.start).then_some(place.end);
            self.runs.push_back(Run { at: self.end, place: start, reference_end });
        }
        self.end += length as u64;
    }

    /// Notes that a byte without a place is appended, which keeps two texts apart.
    #[inline]
    pub fn separate(&mut self) {
        self.end += 1;
    }

    /// Shortens the text to its first `length` bytes.
    pub fn truncate(&mut self, length: u64) {
        self.runs.truncate(self.runs.partition_point(|run| run.at < length));
        self.end = self.end.min(length);
    }

    /// Discards the places of the text before `at`, except for the last byte before it.
    pub fn forget_before(&mut self, at: u64) {
        while self.runs.get(1).is_some_and(|next| next.at < at) {
            self.runs.pop_front();
        }
    }

    /// Where a part of the text is in the body. `None` if that is not known, or if a tag or `<![CDATA[` separates its
    /// bytes.
    pub fn of(&self, part: Range<u64>) -> Option<Range<u64>> {
        let first = self.runs.partition_point(|run| run.at <= part.start).checked_sub(1)?;
        let run = &self.runs[first];
        let rest = self.runs.range(first + 1..).take_while(|run| run.at < part.end);
        let mut before = run;
        for run in rest {
            let end = before.reference_end.unwrap_or(before.place + (run.at - before.at));
            // The tokenizer discards a line feed after a carriage return, so a gap of one byte is allowed.
            if !(end..=end + 1).contains(&run.place) {
                return None;
            }
            before = run;
        }
        let start = match run.reference_end {
            Some(end) if part.is_empty() && part.start > run.at => end,
            Some(_) => run.place,
            None => run.place + (part.start - run.at),
        };
        let end = match part.is_empty() {
            true => start,
            false => before.reference_end.unwrap_or(before.place + (part.end - before.at)),
        };
        Some(start..end.max(start))
    }
}

/// A text that was read out of a body, with the places of its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Text<'t> {
    bytes: &'t [u8],
    places: &'t Places,
    /// Where `bytes` begins in the text that `places` describes.
    at: u64,
}

impl<'t> Text<'t> {
    /// Bytes that begin at `at` in the text that `places` describes.
    pub fn new(bytes: &'t [u8], places: &'t Places, at: u64) -> Text<'t> {
        Text { bytes, places, at }
    }

    /// The bytes.
    pub fn bytes(&self) -> &'t [u8] {
        self.bytes
    }

    /// A part of the text: `part` is a slice of its bytes.
    pub fn part<'p>(&self, part: &'p [u8]) -> Text<'p>
    where
        't: 'p,
    {
        let before = part.as_ptr().addr() - self.bytes.as_ptr().addr();
        debug_assert!(before + part.len() <= self.bytes.len(), "a part of other bytes");
        Text { bytes: part, places: self.places, at: self.at + before as u64 }
    }

    /// Where the text is in the body. `None` if that is not known.
    pub fn place(&self) -> Option<Range<u64>> {
        self.places.of(self.at..self.at + self.bytes.len() as u64)
    }

    /// Its pieces, with their places: each is consecutive in the body or is one character reference.
    pub fn pieces(&self) -> impl Iterator<Item = (&'t [u8], Range<u64>)> {
        let Text { bytes, places, at } = *self;
        let inside = at + 1..at + bytes.len() as u64;
        let mut starts = places.runs.iter().map(|run| run.at).filter(move |start| inside.contains(start));
        let mut done = 0;
        std::iter::from_fn(move || {
            let start = done;
            done = starts.next().map_or(bytes.len(), |next| (next - at) as usize);
            let piece = bytes.get(start..done).filter(|piece| !piece.is_empty())?;
            Some((piece, places.of(at + start as u64..at + done as u64)?))
        })
    }

    /// The places of its bytes.
    pub fn places(&self) -> Places {
        let mut places = Places::default();
        self.pieces().for_each(|(piece, place)| places.push(piece.len(), place));
        places
    }
}

impl Default for Text<'_> {
    /// An empty text without a place.
    fn default() -> Self {
        static NOWHERE: Places = Places { runs: VecDeque::new(), end: 0 };
        Text { bytes: b"", places: &NOWHERE, at: 0 }
    }
}

impl Deref for Text<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

/// Tracks the places of a text that is being read.
#[derive(Debug, Default)]
pub struct Placed {
    end: u64,
}

impl Placed {
    /// The place of a piece that was read until `at`. `line_feed` says that a line feed was discarded before it.
    #[inline]
    pub fn piece(&mut self, line_feed: bool, at: u64) -> Range<u64> {
        let start = (self.end + u64::from(line_feed)).min(at);
        self.end = at.max(start);
        start..self.end
    }

    /// Skips other bytes: the next piece begins after them.
    #[inline]
    pub fn skip(&mut self, at: u64) {
        self.end = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a&amp;b` and, in another place of the body, `c`.
    fn places() -> Places {
        let mut places = Places::default();
        places.push(1, 10..11);
        places.push(1, 11..16);
        places.push(1, 16..17);
        places.push(1, 30..31);
        places
    }

    #[test]
    fn a_part_spans_the_places_of_its_first_and_last_bytes() {
        for (part, place) in [
            (0..1, 10..11),
            (0..2, 10..16),
            (1..2, 11..16),
            (1..3, 11..17),
            (2..3, 16..17),
            (3..4, 30..31),
            (0..0, 10..10),
            (2..2, 16..16),
            (4..4, 31..31),
        ] {
            assert_eq!(places().of(part.clone()), Some(place), "{part:?}");
        }
        assert_eq!(places().of(2..4), None, "its bytes are not adjacent in the body");
    }

    #[test]
    fn after_a_reference_the_text_ends_where_the_reference_ends() {
        let mut places = Places::default();
        places.push(1, 5..10);
        assert_eq!((places.of(0..1), places.of(1..1)), (Some(5..10), Some(10..10)));
    }

    #[test]
    fn empty_pieces_are_not_kept() {
        let mut places = Places::default();
        for (length, place) in [(0, 5..5), (1, 5..6), (0, 7..7), (1, 7..13), (0, 20..20), (1, 20..21)] {
            places.push(length, place);
        }
        let pieces: Vec<_> = Text::new(b"a&b", &places, 0).pieces().collect();
        assert_eq!(pieces, [(&b"a"[..], 5..6), (b"&", 7..13), (b"b", 20..21)]);
    }

    #[test]
    fn a_character_that_is_read_in_pieces_spans_all_of_its_bytes() {
        let mut places = Places::default();
        for (length, place) in [(1, 4..5), (0, 5..6), (0, 6..6), (0, 6..7), (3, 7..8), (1, 8..9)] {
            places.push(length, place);
        }
        assert_eq!((places.of(1..4), places.of(0..5)), (Some(5..8), Some(4..9)));
    }

    #[test]
    fn separated_texts_have_their_own_places() {
        let mut places = Places::default();
        places.push(0, 10..10);
        places.separate();
        places.push(2, 20..22);
        assert_eq!((places.of(0..0), places.of(1..3), places.of(1..1)), (Some(10..10), Some(20..22), Some(20..20)));
    }

    #[test]
    fn forgetting_a_part_changes_no_later_place() {
        let mut places = places();
        places.forget_before(2);
        assert_eq!((places.of(3..4), places.of(2..3)), (Some(30..31), Some(16..17)));
    }

    #[test]
    fn a_part_of_a_text_has_places_of_its_own() {
        let (places, bytes) = (places(), b"a&bc");
        let text = Text::new(bytes, &places, 0);
        let part = text.part(&bytes[1..3]);
        assert_eq!(part.place(), Some(11..17));
        assert_eq!((part.places().of(0..1), part.places().of(1..2)), (Some(11..16), Some(16..17)));
        assert_eq!(Text::new(b"", &Places::default(), 0).place(), None);
    }

    #[test]
    fn consecutive_bytes_are_one_run() {
        let mut places = Places::default();
        (0..100).for_each(|at| places.push(1, at..at + 1));
        assert_eq!(places.runs.len(), 1);
    }
}
