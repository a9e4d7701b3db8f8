//! Where the decoders read from: input that arrives over time. Used by this folder alone.

use std::cell::RefCell;
use std::io::{self, BufRead, ErrorKind, Read};
use std::mem;
use std::rc::Rc;

/// The input of the first decoder: bytes that were pushed and not yet read. A read fails with `WouldBlock` if there is
/// no input now but more may arrive.
#[derive(Clone, Default)]
pub struct Feed(Rc<RefCell<Fed>>);

#[derive(Default)]
struct Fed {
    bytes: Vec<u8>,
    ended: bool,
    /// Bytes that were pushed in all.
    total: u64,
}

impl Feed {
    /// Appends input.
    pub fn push(&self, bytes: &[u8]) {
        let mut fed = self.0.borrow_mut();
        fed.bytes.extend_from_slice(bytes);
        fed.total += bytes.len() as u64;
    }

    /// Notes that no input follows. Reads return 0 after the last byte.
    pub fn end(&self) {
        self.0.borrow_mut().ended = true;
    }

    /// Whether no input follows.
    pub fn has_ended(&self) -> bool {
        self.0.borrow().ended
    }

    /// Bytes that were pushed in all.
    pub fn total(&self) -> u64 {
        self.0.borrow().total
    }

    /// All bytes that were pushed since the last call.
    fn take(&self) -> io::Result<Vec<u8>> {
        let mut fed = self.0.borrow_mut();
        match fed.bytes.is_empty() && !fed.ended {
            true => Err(ErrorKind::WouldBlock.into()),
            false => Ok(mem::take(&mut fed.bytes)),
        }
    }
}

/// A source for a decoder, which can look ahead.
pub struct Source {
    inner: Inner,
    /// Bytes that were taken from `inner` and not yet consumed: `ahead[at..]`.
    ahead: Vec<u8>,
    at: usize,
}

enum Inner {
    Feed(Feed),
    Decoder(Box<dyn Read>),
}

impl Source {
    /// Bytes that one read takes from another decoder.
    const READ: usize = 8 * 1024;

    /// Reads what is pushed into `feed`.
    pub fn of_feed(feed: Feed) -> Source {
        Source { inner: Inner::Feed(feed), ahead: Vec::new(), at: 0 }
    }

    /// Reads what another decoder puts out.
    pub fn of_decoder(decoder: Box<dyn Read>) -> Source {
        Source { inner: Inner::Decoder(decoder), ahead: Vec::new(), at: 0 }
    }

    /// The next bytes, without consuming them: `count` or more, or fewer at the end.
    ///
    /// # Errors
    /// `WouldBlock` until that many have arrived.
    pub fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        while self.ahead.len() - self.at < count && self.read_ahead()? > 0 {}
        Ok(&self.ahead[self.at..])
    }

    /// Appends to the bytes ahead. Returns 0 at the end.
    fn read_ahead(&mut self) -> io::Result<usize> {
        self.ahead.drain(..mem::take(&mut self.at));
        match &mut self.inner {
            Inner::Feed(feed) => {
                let bytes = feed.take()?;
                let count = bytes.len();
                match self.ahead.is_empty() {
                    true => self.ahead = bytes,
                    false => self.ahead.extend(bytes),
                }
                Ok(count)
            }
            Inner::Decoder(decoder) => {
                let before = self.ahead.len();
                self.ahead.resize(before + Source::READ, 0);
                let read = decoder.read(&mut self.ahead[before..]);
                self.ahead.truncate(before + *read.as_ref().unwrap_or(&0));
                read
            }
        }
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
        debug_assert!(self.at <= self.ahead.len());
    }
}

impl Read for Source {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(to)?;
        self.consume(count);
        Ok(count)
    }
}
