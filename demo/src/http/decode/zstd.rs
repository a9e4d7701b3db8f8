//! Zstandard (RFC 8878), by `ruzstd`. Used by `mod.rs`.
//!
//! `ruzstd` reads from blocking sources, so it gets each header and each block only when all of it has arrived.

use super::source::Source;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, ErrorKind, Read};

/// The largest window (RFC 9659): a sender of this content coding must not use a larger one.
const WINDOW_LIMIT: u64 = 8 * 1024 * 1024;
/// The largest block (RFC 8878, 3.1.1.2.4).
const BLOCK_LIMIT: usize = 128 * 1024;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// One frame or several. Bytes after the last one are ignored, as for the other codings.
pub struct Zstd {
    source: Source,
    decoder: FrameDecoder,
    state: State,
    /// Whether a frame was found.
    begun: bool,
}

enum State {
    /// Before a frame, or at the end.
    Between,
    /// Inside a skippable frame, of which this many bytes are left.
    Skip(u64),
    /// Inside a frame, which ends with a checksum if this is true.
    Frame(bool),
    Ended,
}

/// What the header of a frame says (RFC 8878, 3.1.1.1).
struct Header {
    length: usize,
    window: u64,
    has_checksum: bool,
}

impl Zstd {
    /// Decodes what `source` yields.
    pub fn new(source: Source) -> Zstd {
        Zstd { source, decoder: FrameDecoder::new(), state: State::Between, begun: false }
    }

    /// Looks for a frame.
    fn begin(&mut self) -> io::Result<State> {
        let first = self.source.peek(8)?;
        if let [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, ..] = *first {
            self.source.consume(8);
            return Ok(State::Skip(u64::from(u32::from_le_bytes([a, b, c, d]))));
        }
        if !first.starts_with(&MAGIC) {
            return match self.begun || first.is_empty() {
                true => Ok(State::Ended),
                false if MAGIC.starts_with(first) => Err(ErrorKind::UnexpectedEof.into()),
                false => Err(invalid("it does not begin with the magic number of Zstandard")),
            };
        }
        let descriptor = *first.get(MAGIC.len()).ok_or(ErrorKind::UnexpectedEof)?;
        let header = Header::of(descriptor, |length| {
            let bytes = self.source.peek(length)?.get(..length);
            Ok(bytes.ok_or(ErrorKind::UnexpectedEof)?.to_vec())
        })?;
        if header.window > WINDOW_LIMIT {
            return Err(invalid("its window is larger than 8 MiB"));
        }
        let mut bytes = self.source.peek(header.length)?.get(..header.length).ok_or(ErrorKind::UnexpectedEof)?;
        self.decoder.reset(&mut bytes).map_err(|error| invalid(error.to_string()))?;
        self.source.consume(header.length);
        self.begun = true;
        Ok(State::Frame(header.has_checksum))
    }

    /// Decodes the next block, once all of it is there.
    fn decode_block(&mut self, has_checksum: bool) -> io::Result<()> {
        let &[a, b, c, ..] = self.source.peek(3)? else { return Err(ErrorKind::UnexpectedEof.into()) };
        let header = u32::from_le_bytes([a, b, c, 0]);
        let (is_last, kind, size) = (header & 1 == 1, (header >> 1) & 3, (header >> 3) as usize);
        if size > BLOCK_LIMIT {
            return Err(invalid("a block is larger than 128 KiB"));
        }
        const RLE: u32 = 1;
        let content = if kind == RLE { 1 } else { size };
        let length = 3 + content + if is_last && has_checksum { 4 } else { 0 };
        let mut bytes = self.source.peek(length)?.get(..length).ok_or(ErrorKind::UnexpectedEof)?;
        let decoded = self.decoder.decode_blocks(&mut bytes, BlockDecodingStrategy::UptoBlocks(1));
        decoded.map_err(|error| invalid(error.to_string()))?;
        self.source.consume(length);
        Ok(())
    }

    /// Compares the checksum of a frame, once all of its output was read.
    fn check(&self) -> io::Result<()> {
        match self.decoder.get_checksum_from_data() {
            Some(sum) if self.decoder.get_calculated_checksum() != Some(sum) => Err(invalid("its checksum is wrong")),
            _ => Ok(()),
        }
    }

    fn skip(&mut self, left: u64) -> io::Result<State> {
        let count = self.source.fill_buf()?.len();
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let count = count.min(usize::try_from(left).unwrap_or(usize::MAX));
        self.source.consume(count);
        Ok(match left - count as u64 {
            0 => State::Between,
            left => State::Skip(left),
        })
    }
}

impl Header {
    /// Parses a header. `descriptor` determines its length; `read` returns that many bytes from the start of the frame.
    fn of(descriptor: u8, read: impl FnOnce(usize) -> io::Result<Vec<u8>>) -> io::Result<Header> {
        let is_single_segment = descriptor & 0x20 != 0;
        let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let size_bytes = match (descriptor >> 6, is_single_segment) {
            (0, false) => 0,
            (0, true) => 1,
            (flag, _) => 1 << flag,
        };
        let fields = MAGIC.len() + 1;
        let length = fields + usize::from(!is_single_segment) + dictionary_bytes + size_bytes;
        let header = read(length)?;
        let window = if is_single_segment {
            let mut size = [0; 8];
            size[..size_bytes].copy_from_slice(&header[length - size_bytes..]);
            u64::from_le_bytes(size).saturating_add(if size_bytes == 2 { 256 } else { 0 })
        } else {
            let window = header[fields];
            let base = 1_u64 << (10 + (window >> 3));
            base + (base / 8) * u64::from(window & 7)
        };
        Ok(Header { length, window, has_checksum: descriptor & 4 != 0 })
    }
}

impl Read for Zstd {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.state {
                State::Ended => return Ok(0),
                State::Between => self.state = self.begin()?,
                State::Skip(0) => self.state = State::Between,
                State::Skip(left) => self.state = self.skip(left)?,
                State::Frame(has_checksum) => match self.decoder.read(to)? {
                    0 if self.decoder.is_finished() => {
                        self.check()?;
                        self.state = State::Between;
                    }
                    0 => self.decode_block(has_checksum)?,
                    count => return Ok(count),
                },
            }
        }
    }
}

fn invalid(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}
