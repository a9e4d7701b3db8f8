//! Large values, which are never copied: a request's buffer becomes the value, and replies send the value itself.
//!
//! To copy hundreds of megabytes would hold up all clients for as long as it takes.

use std::ops::{Deref, Range};
use std::rc::Rc;

/// A request that has at least so many bytes is taken out of the client's buffer, and a value with at least so many
/// is sent from where it is. Smaller ones are copied in less than a tenth of a millisecond.
pub const LARGE: usize = 1024 * 1024;

/// Bytes within a buffer that is shared and that nobody changes any more.
#[derive(Clone)]
pub struct Part {
    whole: Rc<Vec<u8>>,
    range: Range<usize>,
}

impl Part {
    /// All of a buffer from there on.
    pub fn new(whole: Vec<u8>, start: usize) -> Part {
        let range = start..whole.len();
        Part { whole: Rc::new(whole), range }
    }

    /// These bytes of it, unless that would keep far more memory than they need.
    pub fn of(&self, bytes: &[u8]) -> Option<Part> {
        let start = bytes.as_ptr().addr() - self.whole.as_ptr().addr();
        let range = start..start + bytes.len();
        (bytes.len() >= LARGE && bytes.len() >= self.whole.len() / 2).then(|| Part { whole: self.whole.clone(), range })
    }

    /// Leaves the first `count` bytes out.
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
