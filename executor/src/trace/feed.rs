//! A recording as it grows, written to somewhere. Used by `console.rs` and `spool.rs`.

use super::Head;
use super::file::{write_chains, write_line, write_missed, write_now, write_places};
use super::recorder::{Known, News, Recorder};
use std::io::{self, BufWriter, Write};

/// Writes the lines of a recording, from the oldest event that there is.
pub(super) struct Feed<W: Write> {
    to: BufWriter<W>,
    known: Known,
}

impl<W: Write> Feed<W> {
    pub(super) fn begin(to: W, recorder: &Recorder) -> io::Result<Feed<W>> {
        let mut to = BufWriter::new(to);
        write_line(&mut to, &Head { dropped: 0, ..recorder.head() })?; // what is missing is said where it is
        Ok(Feed { to, known: Known::default() })
    }

    /// Waits until there is more, and writes it. `false` at the end of the recording.
    pub(super) fn write_next(&mut self, recorder: &Recorder) -> io::Result<bool> {
        let Some(news) = recorder.next(&mut self.known) else { return Ok(false) };
        self.write(&news, recorder)?;
        write_now(&mut self.to, news.now)?;
        self.to.flush()?;
        Ok(true)
    }

    /// Writes what there is more, and says how many events that are.
    pub(super) fn write_new(&mut self, recorder: &Recorder) -> io::Result<usize> {
        let Some(news) = recorder.news(&mut self.known) else { return Ok(0) };
        self.write(&news, recorder)?;
        self.to.flush()?;
        Ok(news.records.len())
    }

    fn write(&mut self, news: &News, recorder: &Recorder) -> io::Result<()> {
        write_missed(&mut self.to, news.missed)?;
        write_places(&mut self.to, &news.places, news.first_place)?;
        let chains = recorder.tell(news.first_chain as usize, &news.chains);
        write_chains(&mut self.to, &chains, news.first_chain)?;
        news.records.iter().try_for_each(|record| write_line(&mut self.to, record))
    }
}
