//! Undoes the codings of a body: coded bytes are pushed in as they arrive, decoded bytes are pulled out in pieces of
//! bounded size. No I/O. Used by `body.rs`.
//!
//! Each coding is an [`io::Read`] that reads from the one before it; the first reads what was pushed and fails with
//! `WouldBlock` when that is used up. So memory holds only one piece of the body, however large it becomes, and the
//! windows of the decoders: 32 KiB for gzip and deflate, up to 16 MiB for br, up to 8 MiB for zstd.
//!
//! | file | what it holds |
//! |---|---|
//! | `source.rs` | input that arrives over time |
//! | `gzip.rs`, `brotli.rs`, `zstd.rs` | the codings |

mod brotli;
mod gzip;
mod source;
#[cfg(test)]
mod tests;
mod zstd;

use super::coding::Coding;
use super::error::Error;
use source::{Feed, Source};
use std::io::{self, ErrorKind, Read};

/// The size of a decoded piece.
const PIECE: usize = 32 * 1024;
/// Maximum number of decoded bytes for each byte received, once more than [`FREE`] bytes were decoded. deflate can't
/// exceed 1,032, and comes near it only with data that is almost constant. Text, logs and sparse tables stay below 500;
/// only a decompression bomb is above the limit.
const RATIO: u64 = 1000;
/// Number of decoded bytes that are allowed at any ratio.
const FREE: u64 = 1024 * 1024;

/// Undoes the codings of one body.
pub struct Decoder {
    feed: Feed,
    chain: Box<dyn Read>,
    /// The last piece. Holds no memory while more input is awaited.
    piece: Vec<u8>,
    /// Everything was decoded. Further input is ignored.
    ended: bool,
}

impl Decoder {
    /// A decoder for codings, in the order in which they were applied.
    pub fn new(codings: &[Coding]) -> Decoder {
        let feed = Feed::default();
        let undo = |source, coding: &Coding| layer(*coding, source, feed.clone());
        let source = Source::of_feed(feed.clone());
        let chain = match codings.split_first() {
            None => Box::new(source),
            Some((first, others)) => {
                let others =
                    others.iter().rev().fold(source, |source, coding| Source::of_decoder(undo(source, coding)));
                undo(others, first)
            }
        };
        Decoder { feed, chain, piece: Vec::new(), ended: false }
    }

    /// Appends coded bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.ended {
            self.feed.push(bytes);
        }
    }

    /// Notes that no coded bytes follow.
    pub fn end(&mut self) {
        self.feed.end();
    }

    /// Whether [`end`](Decoder::end) was called.
    pub fn has_ended(&self) -> bool {
        self.feed.has_ended()
    }

    /// Decodes a piece, and returns its size. 0 means that more input is needed or, after [`end`](Decoder::end), that
    /// everything was decoded.
    ///
    /// # Errors
    /// [`Error::Incomplete`] if the input has ended too early; [`Error::Undecodable`] if it is not valid data in
    /// the coding; [`Error::Expands`] if it expands more than the limit allows.
    pub fn pull(&mut self) -> Result<usize, Error> {
        if self.ended {
            self.piece = Vec::new();
            return Ok(0);
        }
        self.piece.resize(PIECE, 0);
        let read = self.chain.read(&mut self.piece);
        self.piece.truncate(*read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => {
                self.ended = true;
                self.piece = Vec::new();
                Ok(0)
            }
            Ok(count) => Ok(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.piece = Vec::new();
                Ok(0)
            }
            Err(error) => Err(error.downcast().unwrap_or_else(Error::Io)),
        }
    }

    /// The piece that was pulled last.
    pub fn piece(&self) -> &[u8] {
        &self.piece
    }
}

fn layer(coding: Coding, source: Source, feed: Feed) -> Box<dyn Read> {
    match coding {
        Coding::Gzip => Box::new(Layer { decoder: gzip::Gzip::new(source), coding, feed, decoded: 0 }),
        Coding::Deflate => Box::new(Layer { decoder: gzip::Deflate::new(source), coding, feed, decoded: 0 }),
        Coding::Brotli => Box::new(Layer { decoder: brotli::Brotli::new(source), coding, feed, decoded: 0 }),
        Coding::Zstd => Box::new(Layer { decoder: zstd::Zstd::new(source), coding, feed, decoded: 0 }),
    }
}

/// One coding: adds its name to its errors, and limits its output. The limit applies to each coding of a stack, because
/// a later coding may take long to reduce a large output to a small one.
struct Layer<D> {
    decoder: D,
    coding: Coding,
    feed: Feed,
    decoded: u64,
}

impl<D: Read> Read for Layer<D> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(to).map_err(|error| named(self.coding, error))?;
        self.decoded += count as u64;
        if self.decoded > FREE && self.decoded / RATIO > self.feed.total() {
            return Err(io::Error::other(Error::Expands(RATIO)));
        }
        Ok(count)
    }
}

/// The error of a decoder, with the name of its coding.
fn named(coding: Coding, error: io::Error) -> io::Error {
    let name = coding.name();
    match error.kind() {
        ErrorKind::WouldBlock => error,
        // An error of the coding before this one has its name already.
        _ if error.get_ref().is_some_and(|inner| inner.is::<Error>()) => error,
        ErrorKind::UnexpectedEof => io::Error::other(Error::Incomplete(format!("inside its {name} data"))),
        _ => io::Error::other(Error::Undecodable { coding: name, why: error.to_string() }),
    }
}
