//! A body that several connections write at once, each at its own position.
//!
//! A later run resumes it from the bytes that are noted beside the file. They are on the disk before they are noted, so
//! a kill or a power failure costs the bytes of the last seconds, and never leads to a wrong file.

use super::body::Body;
use super::part::Part;
use crate::engine::ranges::Ranges;
use cap_std::fs::{File, FileExt};
use executor::spawn_blocking;
use executor::time::{Duration, Instant, now};
use std::cell::{Cell, RefCell};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Number of bytes that a writer collects before it writes them.
const PIECE: usize = 256 * 1024;
/// How long bytes are collected before they are written, and how long written bytes may lack a note.
const DELAY: Duration = Duration::from_secs(1);

/// A body that is written in segments. Dropping it keeps what was received.
pub struct Segmented {
    /// `None` when the body is finished. A thread of the pool uses it for a note.
    part: Arc<Mutex<Option<Part>>>,
    file: Arc<File>,
    /// The bytes that are in the file.
    received: RefCell<Ranges>,
    noted: Cell<Instant>,
}

impl Segmented {
    /// A body for which the file of `part` has the bytes `received`.
    pub fn new(part: Part, file: Arc<File>, received: Ranges) -> Segmented {
        let part = Arc::new(Mutex::new(Some(part)));
        Segmented { part, file, received: RefCell::new(received), noted: Cell::new(now()) }
    }

    /// The number of bytes that are in the file.
    pub fn received(&self) -> u64 {
        self.received.borrow().count()
    }

    /// The ranges below `total` that are missing.
    pub fn missing(&self, total: u64) -> Vec<Range<u64>> {
        self.received.borrow().missing(total)
    }

    /// A writer that begins at this position.
    pub fn writer(&self, at: u64) -> Writer<'_> {
        Writer { to: self, at, piece: Vec::new(), written: now() }
    }

    /// Returns the body. Call it when no bytes are missing.
    pub fn finish(self) -> io::Result<Body> {
        let mut part = lock(&self.part).take().ok_or_else(|| io::Error::other("the body was finished before"))?;
        part.has(self.received.take());
        Ok(Body::resumed(part))
    }

    fn has(&self, range: Range<u64>) {
        self.received.borrow_mut().insert(range);
    }

    /// Notes the bytes that were received, if the last note is old.
    async fn note(&self) -> io::Result<()> {
        if now() - self.noted.get() < DELAY {
            return Ok(());
        }
        self.noted.set(now());
        let (part, received) = (self.part.clone(), self.received.borrow().clone());
        spawn_blocking(move || lock(&part).as_mut().map_or(Ok(()), |part| part.note(received))).await?
    }
}

impl Drop for Segmented {
    /// Waits for a note that is being written, which takes a moment.
    fn drop(&mut self) {
        if let Some(mut part) = lock(&self.part).take() {
            let _as_noted_before = part.note(self.received.take());
        }
    }
}

fn lock(part: &Mutex<Option<Part>>) -> MutexGuard<'_, Option<Part>> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes one segment. Dropping it writes what it has collected.
pub struct Writer<'a> {
    to: &'a Segmented,
    /// The position of the first byte that is not written.
    at: u64,
    /// Bytes that were received and are not yet written.
    piece: Vec<u8>,
    /// The time of the last write.
    written: Instant,
}

impl Writer<'_> {
    /// Appends some bytes.
    ///
    /// # Errors
    /// Fails if they can't be written.
    ///
    /// # Cancel safety
    /// Bytes that are being written count as missing afterwards.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.piece.extend(bytes);
        match self.piece.len() >= PIECE || now() - self.written >= DELAY {
            true => self.flush().await,
            false => Ok(()),
        }
    }

    /// Writes what it has collected.
    pub async fn flush(&mut self) -> io::Result<()> {
        let (file, at, piece) = (self.to.file.clone(), self.at, std::mem::take(&mut self.piece));
        let written = spawn_blocking(move || file.write_all_at(&piece, at).map(|()| piece));
        self.piece = written.await??;
        self.has_written();
        self.to.note().await
    }

    fn has_written(&mut self) {
        let end = self.at + self.piece.len() as u64;
        self.to.has(self.at..end);
        (self.at, self.written) = (end, now());
        self.piece.clear();
    }
}

impl Drop for Writer<'_> {
    /// The amount is small, so the system's cache accepts it without delay.
    fn drop(&mut self) {
        if !self.piece.is_empty() && self.to.file.write_all_at(&self.piece, self.at).is_ok() {
            self.has_written();
        }
    }
}
