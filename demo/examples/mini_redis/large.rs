//! Large values, which are never copied: the buffer of a request becomes the value, and a reply sends the value itself.
//!
//! Copying hundreds of megabytes would delay all clients.

use std::ops::{Deref, Range};
use std::rc::Rc;

/// Minimum size of a large request or value, in bytes. Smaller ones are copied, in less than a tenth of a millisecond.
pub const LARGE: usize = 1024 * 1024;

/// A range of bytes in a shared, immutable buffer.
#[derive(Clone)]
pub struct Part {
    whole: Rc<Vec<u8>>,
    range: Range<usize>,
}

impl Part {
    /// The bytes of a buffer from `start` on.
    pub fn new(whole: Vec<u8>, start: usize) -> Part {
        let range = start..whole.len();
        Part { whole: Rc::new(whole), range }
    }

    /// A sub-range. `None` if it would keep far more memory alive than it needs.
    pub fn of(&self, bytes: &[u8]) -> Option<Part> {
        let start = bytes.as_ptr().addr() - self.whole.as_ptr().addr();
        let range = start..start + bytes.len();
        (bytes.len() >= LARGE && bytes.len() >= self.whole.len() / 2).then(|| Part { whole: self.whole.clone(), range })
    }

    /// Drops the first `count` bytes.
    pub fn advance(&mut self, count: usize) {
        self.range.start += count;
    }
}

impl Deref for Part {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.whole[self.range.clone()]
    }
}
