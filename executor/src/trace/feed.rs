//! A recording as it grows, as lines. Used by `console.rs` and `spool.rs`, which write them somewhere.

use super::Head;
use super::file::{write_chains, write_line, write_missed, write_now, write_places};
use super::recorder::{Known, Recorder};
use std::io;

/// So many events are turned into lines at once, so that what is in memory twice is little.
const BATCH: usize = 1_024;

/// The lines of a recording, from the oldest event that there is.
pub(super) struct Feed {
    known: Known,
    head: Head,
    /// Whole lines, to be written and then removed.
    pub(super) lines: Vec<u8>,
}

/// What was added to the lines.
#[derive(Clone, Copy)]
pub(super) struct Added {
    pub(super) events: usize,
    /// There is no more.
    pub(super) is_all: bool,
}

impl Feed {
    pub(super) fn begin(recorder: &Recorder) -> io::Result<Feed> {
        let head = Head { dropped: 0, ..recorder.head() }; // what is missing is said where it is
        let mut lines = Vec::new();
        write_line(&mut lines, &head)?;
        Ok(Feed { known: Known::default(), head, lines })
    }

    /// Whether the head still says what is so: whether the clock is virtual is known when a run has begun.
    pub(super) fn has_right_head(&self, recorder: &Recorder) -> bool {
        self.head.simulated == recorder.head().simulated
    }

    /// Adds lines for some of what is new. With `now`, a line behind all that there is says how late it is.
    pub(super) fn add(&mut self, recorder: &Recorder, now: bool) -> io::Result<Added> {
        let Some(news) = recorder.news(&mut self.known, BATCH) else { return Ok(Added { events: 0, is_all: true }) };
        let to = &mut self.lines;
        write_missed(to, news.missed)?;
        write_places(to, &news.places, news.first_place)?;
        let chains = recorder.tell(news.first_chain as usize, &news.chains);
        write_chains(to, &chains, news.first_chain)?;
        news.records.iter().try_for_each(|record| write_line(to, record))?;
        if now && news.is_all {
            write_now(to, news.now)?;
        }
        Ok(Added { events: news.records.len(), is_all: news.is_all })
    }

    /// The recorder rings at the next event; `false` if there is more already.
    pub(super) fn await_more(&self, recorder: &Recorder) -> bool {
        recorder.await_more(&self.known)
    }
}
