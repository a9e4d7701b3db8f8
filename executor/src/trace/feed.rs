//! Turns a growing recording into lines. Used by `console.rs` and `spool.rs`, which write them.

use super::Head;
use super::file::{write_chains, write_line, write_missed, write_now, write_places};
use super::recorder::{Known, Recorder};
use std::io;

/// The maximum number of events that are turned into lines at once, to limit what is in memory twice.
const BATCH: usize = 1_024;

/// The lines of a recording, from its oldest event on.
pub(super) struct Feed {
    known: Known,
    head: Head,
    /// Whole lines. The user of the feed writes and then removes them.
    pub(super) lines: Vec<u8>,
}

/// What [`Feed::add`] added to the lines.
#[derive(Clone, Copy)]
pub(super) struct Added {
    pub(super) events: usize,
    /// The feed has reached the end of the recording.
    pub(super) is_all: bool,
}

impl Feed {
    /// Begins at the oldest event, with the line of the head.
    pub(super) fn begin(recorder: &Recorder) -> io::Result<Feed> {
        let head = Head { dropped: 0, ..recorder.head() }; // a `missed` line says what is missing
        let mut lines = Vec::new();
        write_line(&mut lines, &head)?;
        Ok(Feed { known: Known::default(), head, lines })
    }

    /// Whether the head is still right. It says whether the clock is simulated, which is known only after a run has
    /// begun.
    pub(super) fn has_right_head(&self, recorder: &Recorder) -> bool {
        self.head.simulated == recorder.head().simulated
    }

    /// Adds lines for the next batch of new events. With `now`, adds a line with the current time at the end of the
    /// recording.
    pub(super) fn add(&mut self, recorder: &Recorder, now: bool) -> io::Result<Added> {
        let Some(news) = recorder.news(&mut self.known, BATCH) else { return Ok(Added { events: 0, is_all: true }) };
        let to = &mut self.lines;
        write_missed(to, news.missed)?;
        write_places(to, &news.places, news.first_place)?;
        let chains = recorder.resolve(news.first_chain as usize, &news.chains);
        write_chains(to, &chains, news.first_chain)?;
        news.records.iter().try_for_each(|record| write_line(to, record))?;
        if now && news.is_all {
            write_now(to, news.now)?;
        }
        Ok(Added { events: news.records.len(), is_all: news.is_all })
    }

    /// Has the recorder ring the bell at the next event. Returns `false` if there are new events already.
    pub(super) fn await_more(&self, recorder: &Recorder) -> bool {
        recorder.await_more(&self.known)
    }
}
