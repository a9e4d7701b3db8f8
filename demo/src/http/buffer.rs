//! Bytes that were read and not yet used.

use super::Transport;
use futures_lite::AsyncReadExt;
use std::io;

/// Room for one read. Heads that are larger make it grow.
const READ: usize = 32 * 1024;

#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// Those before are used up.
    start: usize,
}

impl Buffer {
    /// What is there.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Uses up the first `count` bytes.
    pub fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.bytes.len());
    }

    /// The first `count` bytes, used up with this.
    pub fn take(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.consume(count);
        &self.bytes[from..self.start]
    }

    /// Waits for more bytes, behind those that are there. 0 at the end of the stream.
    pub async fn fill(&mut self, from: &mut (impl Transport + ?Sized)) -> io::Result<usize> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let length = self.bytes.len();
        self.bytes.resize(length + READ, 0);
        let mut read = ReadInto { bytes: &mut self.bytes, length };
        let count = from.read(&mut read.bytes[length..]).await?;
        read.length += count;
        Ok(count)
    }
}

/// Cuts the buffer back to what was read, also when the read fails or is dropped.
struct ReadInto<'a> {
    bytes: &'a mut Vec<u8>,
    length: usize,
}

impl Drop for ReadInto<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.length);
    }
}
