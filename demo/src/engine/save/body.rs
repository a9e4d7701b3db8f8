//! A body that is being received: collects pieces, and writes each to its part while the next one is received.

use super::part::Part;
use executor::time::{Duration, Instant, now};
use executor::{JoinHandle, spawn_blocking};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Number of bytes to collect before writing them.
const PIECE: usize = 256 * 1024;
/// How long to collect bytes of a body that can be resumed. A SIGKILL loses at most the bytes of this time.
const DELAY: Duration = Duration::from_secs(1);

/// A body that is being received. Dropping it keeps what was received if it can be resumed, and removes it otherwise.
pub struct Body {
    /// Shared with the blocking call that writes the piece.
    writing: Arc<Mutex<Writing>>,
    /// The last write, unless it has ended.
    write: Option<JoinHandle<()>>,
    /// Bytes that were received and are not yet part of a write.
    piece: Vec<u8>,
    /// When the last write began.
    written: Instant,
    is_resumable: bool,
    /// Whether earlier bytes are in the file, so that only the file has the whole body.
    is_in_file: bool,
}

/// What a write needs. The piece is written only under the lock, before any later bytes, so the file is in order.
struct Writing {
    /// `None` when the body is finished.
    part: Option<Part>,
    /// The bytes to write next.
    piece: Vec<u8>,
    /// Whether a write failed, so that no later bytes may be written.
    has_failed: bool,
    /// The error of that write, until it is reported.
    error: Option<io::Error>,
}

impl Writing {
    /// Writes the piece. Blocks.
    fn write(&mut self) {
        let piece = std::mem::take(&mut self.piece);
        if let Some(part) = self.part.as_mut().filter(|_| !self.has_failed && !piece.is_empty()) {
            self.error = part.write(&piece).err();
            self.has_failed = self.error.is_some();
        }
        self.piece = piece; // for the next bytes
        self.piece.clear();
    }

    /// Returns the error of the write that failed.
    fn check(&mut self) -> io::Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None if self.has_failed => Err(io::Error::other("an earlier write failed")),
            None => Ok(()),
        }
    }
}

/// A body that was written to its end.
pub struct Finished {
    pub part: Part,
    /// All bytes, unless the file alone has them.
    pub whole: Option<Vec<u8>>,
}

impl Body {
    /// An empty body, for a new part.
    pub fn new(part: Part) -> Body {
        Body::with(part, false)
    }

    /// The continuation of an interrupted part.
    pub fn resumed(part: Part) -> Body {
        Body::with(part, true)
    }

    fn with(part: Part, is_in_file: bool) -> Body {
        let is_resumable = part.is_resumable();
        let writing =
            Arc::new(Mutex::new(Writing { part: Some(part), piece: Vec::new(), has_failed: false, error: None }));
        Body { writing, write: None, piece: Vec::new(), written: now(), is_resumable, is_in_file }
    }

    /// The number of bytes that are in the file.
    pub fn received(&self) -> u64 {
        lock(&self.writing).part.as_ref().and_then(|part| part.length().ok()).unwrap_or(0)
    }

    /// Appends some bytes. They are written while the next ones are received.
    ///
    /// # Errors
    /// Fails if an earlier write failed. If these bytes can't be written, a later `write` or `finish` fails. The body can't
    /// be used after an error.
    ///
    /// # Cancel safety
    /// No bytes are lost.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.piece.extend(bytes);
        let is_due = self.is_resumable && now() - self.written >= DELAY;
        if self.piece.len() < PIECE && !is_due {
            return Ok(());
        }
        self.settle().await?;
        let writing = self.writing.clone();
        std::mem::swap(&mut lock(&writing).piece, &mut self.piece);
        self.write = Some(spawn_blocking(move || lock(&writing).write()));
        self.written = now();
        self.is_in_file = true;
        Ok(())
    }

    /// Waits for the write that is running, so that nothing else holds the lock.
    ///
    /// # Errors
    /// Fails if a write failed.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn settle(&mut self) -> io::Result<()> {
        if let Some(write) = &mut self.write {
            let written = write.await;
            self.write = None;
            written?;
        }
        lock(&self.writing).check()
    }

    /// Makes dropping the body remove it: its bytes are useless, even for resuming.
    pub fn reject(&mut self) {
        self.piece.clear();
        let mut writing = lock(&self.writing);
        writing.piece.clear();
        if let Some(part) = &mut writing.part {
            part.reject();
        }
    }

    /// Writes what is left. Blocks.
    pub fn finish(mut self) -> io::Result<Finished> {
        let mut writing = lock(&self.writing);
        writing.write();
        writing.check()?;
        let finished = || io::Error::other("the body is finished");
        let mut part = writing.part.take().ok_or_else(finished)?;
        drop(writing);
        let piece = std::mem::take(&mut self.piece);
        part.write_last(&piece)?;
        Ok(Finished { part, whole: (!self.is_in_file).then_some(piece) })
    }
}

impl Drop for Body {
    /// Writes what was received, if the body can be resumed. These are few bytes, and the system's cache takes them
    /// without delay.
    fn drop(&mut self) {
        let mut writing = lock(&self.writing);
        let Some(mut part) = writing.part.take() else { return };
        if part.is_resumable() && !writing.has_failed {
            let mut pieces = [&writing.piece, &self.piece].into_iter().filter(|piece| !piece.is_empty());
            let _lost_then = pieces.try_for_each(|piece| part.write(piece));
        }
    }
}

fn lock(writing: &Mutex<Writing>) -> MutexGuard<'_, Writing> {
    writing.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::parts::Parts;
    use super::*;
    use crate::engine::resume::Origin;
    use crate::temporary::Temporary;
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use executor::Runtime;
    use std::io::Read;
    use std::sync::Barrier;

    const URL: &str = "http://h/x";

    fn origin() -> Origin {
        Origin { url: URL.to_owned(), validator: "\"a\"".to_owned(), total: None }
    }

    /// Writes `length` bytes to a body while the pool's only thread is blocked, so that the first write stays queued.
    /// Calls `then` with the body and the bytes, and then unblocks the thread.
    fn with_a_queued_write<R>(length: usize, then: impl FnOnce(Body, Arc<Parts>, &[u8]) -> R) -> R {
        let place = Temporary::new().unwrap();
        let root = Arc::new(Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap());
        let parts = Arc::new(Parts::open(root, false).unwrap());
        let bytes: Vec<u8> = (0..length).map(|at| (at / 1000) as u8).collect();
        Runtime::builder().blocking_threads(1).build().unwrap().block_on(async {
            let gate = Arc::new(Barrier::new(2));
            let held = spawn_blocking({
                let gate = gate.clone();
                move || gate.wait().is_leader()
            });
            let mut body = Body::new(Part::new(parts.clone(), URL, Some(origin())));
            for piece in bytes.chunks(PIECE) {
                body.write(piece).await.unwrap();
            }
            let result = then(body, parts, &bytes);
            gate.wait();
            held.await.unwrap();
            result
        })
    }

    #[test]
    fn dropping_a_body_keeps_the_bytes_of_a_queued_write() {
        with_a_queued_write(PIECE + 10, |body, parts, bytes| {
            drop(body);
            let (mut file, kept) = parts.take(&Parts::name_of(URL)).unwrap();
            let mut written = Vec::new();
            file.read_to_end(&mut written).unwrap();
            assert_eq!((kept.received.end(), written == bytes), (bytes.len() as u64, true));
        });
    }

    #[test]
    fn a_body_that_is_finished_has_all_of_its_bytes_in_order() {
        with_a_queued_write(PIECE + 10, |body, _, bytes| {
            let Finished { part, whole } = body.finish().unwrap();
            let mut written = Vec::new();
            part.read().unwrap().read_to_end(&mut written).unwrap();
            assert!(whole.is_none() && written == bytes);
        });
    }

    #[test]
    fn a_body_that_is_rejected_leaves_nothing() {
        with_a_queued_write(PIECE + 10, |mut body, parts, _| {
            body.reject();
            drop(body);
            assert_eq!((parts.count(), parts.directory.entries().unwrap().count()), (0, 1), "only the lock is there");
        });
    }

    #[test]
    fn a_part_that_is_written_at_once_is_described_only_when_it_is_dropped() {
        with_a_queued_write(10, |body, parts, _| {
            let Finished { part, whole } = body.finish().unwrap();
            assert_eq!(whole.unwrap().len(), 10);
            assert_eq!(parts.directory.entries().unwrap().count(), 2, "the lock and the part");
            drop(part); // as a caller does if bytes are missing
            assert_eq!((parts.count(), parts.directory.entries().unwrap().count()), (1, 3));
        });
    }

    #[test]
    fn nothing_is_written_after_a_write_that_failed() {
        with_a_queued_write(PIECE, |body, parts, _| {
            let mut writing = lock(&body.writing);
            (writing.has_failed, writing.error) = (true, Some(io::ErrorKind::StorageFull.into()));
            drop(writing);
            assert_eq!(body.finish().map(|_| ()).unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert_eq!(parts.count(), 0);
        });
    }
}
