//! gzip and deflate, by `flate2`. Used by `mod.rs`.

use super::source::Source;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use std::io::{self, ErrorKind, Read};

/// The first bytes of a gzip member.
const MAGIC: &[u8] = &[0x1f, 0x8b];

/// gzip (RFC 1952): one member or several. Bytes after the last one are ignored, as in browsers: some servers pad with
/// zeros.
pub struct Gzip {
    state: State,
    /// Whether a member was found.
    begun: bool,
}

enum State {
    /// Before a member, or at the end.
    Between(Source),
    Member(Box<GzDecoder<Source>>),
    Ended,
}

impl Gzip {
    /// Decodes what `source` yields.
    pub fn new(source: Source) -> Gzip {
        Gzip { state: State::Between(source), begun: false }
    }

    /// Whether another member follows. Empty input is an empty body, as servers send it for an empty file.
    fn member_follows(source: &mut Source, begun: bool) -> io::Result<bool> {
        let next = source.peek(MAGIC.len())?;
        match next.starts_with(MAGIC) {
            true => Ok(true),
            false if begun || next.is_empty() => Ok(false),
            false if MAGIC.starts_with(next) => Err(ErrorKind::UnexpectedEof.into()),
            false => Err(io::Error::new(ErrorKind::InvalidData, "it does not begin with the magic number of gzip")),
        }
    }
}

impl Read for Gzip {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Ended => return Ok(0),
                State::Between(mut source) => match Gzip::member_follows(&mut source, self.begun) {
                    Ok(false) => return Ok(0),
                    Ok(true) => {
                        self.begun = true;
                        self.state = State::Member(Box::new(GzDecoder::new(source)));
                    }
                    Err(error) => {
                        self.state = State::Between(source);
                        return Err(error);
                    }
                },
                State::Member(mut member) => match member.read(to) {
                    Ok(0) => self.state = State::Between(member.into_inner()),
                    result => {
                        self.state = State::Member(member);
                        return result;
                    }
                },
            }
        }
    }
}

/// deflate: in the zlib format as RFC 9110 says, or bare as some servers send it. The first two bytes distinguish them:
/// bare data can't begin with those of the zlib format, unless an encoder filled unused bits with ones.
pub enum Deflate {
    /// Before the first two bytes.
    Unknown(Option<Source>),
    Zlib(Box<ZlibDecoder<Source>>),
    Bare(Box<DeflateDecoder<Source>>),
}

impl Deflate {
    /// Decodes what `source` yields.
    pub fn new(source: Source) -> Deflate {
        Deflate::Unknown(Some(source))
    }
}

impl Read for Deflate {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if let Deflate::Unknown(source) = self {
            let Some(begun) = source.as_mut() else { return Ok(0) };
            let first = begun.peek(2)?;
            let is_zlib = matches!(first, [method, flags, ..] if method & 0x0f == 8
                && u16::from_be_bytes([*method, *flags]) % 31 == 0);
            let is_empty = first.is_empty();
            let Some(source) = source.take().filter(|_| !is_empty) else { return Ok(0) };
            *self = match is_zlib {
                true => Deflate::Zlib(Box::new(ZlibDecoder::new(source))),
                false => Deflate::Bare(Box::new(DeflateDecoder::new(source))),
            };
        }
        match self {
            Deflate::Unknown(_) => Ok(0),
            Deflate::Zlib(decoder) => decoder.read(to),
            Deflate::Bare(decoder) => decoder.read(to),
        }
    }
}
