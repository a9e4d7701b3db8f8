//! The body of a response: where it ends, and the removal of its codings. No I/O. Used by `connection.rs`.

use super::buffer::Buffer;
use super::coding::Coding;
use super::decode::Decoder;
use super::error::Error;
use super::framing::{Framing, Step};
use super::recording::Recording;
use bytesize::ByteSize;

/// The body of a response that is being received.
pub struct Body {
    framing: Framing,
    decoder: Option<Decoder>,
    /// Maximum number of bytes, as received and as decoded.
    limit: u64,
    received: u64,
    decoded: u64,
    /// Also receives the bytes, if the body is recorded.
    recording: Option<Recording>,
}

/// The result of [`Body::next`].
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// There is a piece: decoded bytes, or this many bytes of the input. [`Body::take`] returns it.
    Piece(usize),
    /// More input is needed.
    More,
    /// The body is complete. Any further input belongs to the next message.
    Done,
}

impl Body {
    /// A body with codings, in the order in which they were applied.
    pub fn new(framing: Framing, codings: &[Coding], limit: u64) -> Body {
        let decoder = (!codings.is_empty() && framing != Framing::Done).then(|| Decoder::new(codings));
        Body { framing, decoder, limit, received: 0, decoded: 0, recording: None }
    }

    /// Records what is received from now on.
    pub fn record(&mut self, recording: Recording) {
        self.recording = Some(recording);
    }

    /// The recorded bytes, if the body is recorded.
    pub fn recording(&mut self) -> Option<&mut Recording> {
        self.recording.as_mut()
    }

    /// Whether there is nothing to receive.
    pub fn is_empty(&self) -> bool {
        self.framing == Framing::Done && self.decoder.is_none()
    }

    /// Whether the pieces differ from what was received, because a coding is undone.
    pub fn is_coded(&self) -> bool {
        self.decoder.is_some()
    }

    /// The number of bytes of the body so far, before decoding.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The number of bytes of the body so far, after decoding.
    pub fn decoded(&self) -> u64 {
        self.decoded
    }

    /// Finds the next piece, in the unread bytes of `input`.
    ///
    /// # Errors
    /// The body is malformed or too large, or is not valid data in its codings.
    pub fn next(&mut self, input: &mut Buffer) -> Result<Next, Error> {
        if matches!(self.framing, Framing::Length(left) if self.received.saturating_add(left) > self.limit) {
            return Err(self.too_large()); // known before the body arrives
        }
        loop {
            if let Some(decoder) = &mut self.decoder {
                let count = decoder.pull()?;
                self.decoded += count as u64;
                if self.decoded > self.limit {
                    return Err(self.too_large());
                }
                if count > 0 {
                    return Ok(Next::Piece(0));
                }
            }
            match self.framing.step(input.unread())? {
                Step::Skip(count) => {
                    let framing = input.take(count);
                    self.recording.iter_mut().for_each(|recording| recording.body.extend(framing));
                }
                Step::More => return Ok(Next::More),
                Step::Done => match &mut self.decoder {
                    Some(decoder) if !decoder.has_ended() => decoder.end(),
                    _ => return Ok(Next::Done),
                },
                Step::Data(count) => {
                    self.received += count as u64;
                    if self.received > self.limit {
                        return Err(self.too_large());
                    }
                    self.recording.iter_mut().for_each(|recording| recording.body.extend(&input.unread()[..count]));
                    match &mut self.decoder {
                        Some(decoder) => decoder.push(input.take(count)),
                        None => {
                            self.decoded = self.received;
                            return Ok(Next::Piece(count));
                        }
                    }
                }
            }
        }
    }

    /// Takes the piece that [`next`](Body::next) found: `count` bytes of the input, or what was decoded.
    pub fn take<'a>(&'a self, count: usize, input: &'a mut Buffer) -> &'a [u8] {
        match &self.decoder {
            Some(decoder) => decoder.piece(),
            None => input.take(count),
        }
    }

    /// Handles the end of the connection.
    ///
    /// # Errors
    /// [`Error::Incomplete`] if the body is incomplete.
    pub fn end_of_stream(&mut self) -> Result<(), Error> {
        // With a length of 0, an empty coded body is common. Without a length, it is as likely that the whole body is
        // missing.
        if self.framing == Framing::UntilClose && self.decoder.is_some() && self.received == 0 {
            return Err(Error::Incomplete("before its coded data".into()));
        }
        self.framing.end_of_stream()
    }

    fn too_large(&self) -> Error {
        Error::TooLarge(ByteSize::b(self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::framing::Chunk;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_lite::io::Cursor;
    use proptest::prelude::*;
    use std::io::Write;

    const LIMIT: u64 = 100_000;

    /// Receives a body in pieces of these sizes, repeated in a cycle. Returns the body, and the input after it.
    fn receive(mut body: Body, input: &[u8], sizes: &[usize]) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let (mut buffer, mut whole, mut left) = (Buffer::default(), Vec::new(), input);
        let mut sizes = sizes.iter().cycle();
        loop {
            match body.next(&mut buffer)? {
                Next::Piece(count) => whole.extend(body.take(count, &mut buffer)),
                Next::Done => break,
                Next::More if left.is_empty() => body.end_of_stream()?,
                Next::More => {
                    let count = sizes.next().map_or(1, |size| *size).min(left.len());
                    let mut arrived = Cursor::new(left[..count].to_vec());
                    let filled = futures_lite::future::block_on(buffer.fill(&mut arrived)).unwrap();
                    assert_eq!(filled, count);
                    left = &left[count..];
                }
            }
        }
        assert_eq!(body.decoded(), whole.len() as u64);
        Ok((whole, [buffer.unread(), left].concat()))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_coded_body_ends_where_its_framing_says() {
        let coded = gzip(b"hello");
        let chunked = [format!("{:x}\r\n", coded.len()).as_bytes(), &coded, b"\r\n0\r\nX: y\r\n\r\n"].concat();
        let input = [&*chunked, b"next"].concat();
        for size in 1..input.len() {
            let body = Body::new(Framing::Chunked(Chunk::Size), &[Coding::Gzip], LIMIT);
            let (body, left) = receive(body, &input, &[size]).unwrap();
            assert_eq!((&*body, &*left), (&b"hello"[..], &b"next"[..]), "in pieces of {size}");
        }
        let body = || Body::new(Framing::UntilClose, &[Coding::Gzip], LIMIT);
        assert_eq!(receive(body(), &coded, &[5]).unwrap().0, b"hello");
        assert!(matches!(receive(body(), &coded[..coded.len() - 1], &[5]), Err(Error::Incomplete(_))));
        assert!(matches!(receive(body(), b"", &[5]), Err(Error::Incomplete(_))));
        // All bytes of the announced length arrive, but the coded data ends too early.
        let short = Body::new(Framing::Length(20), &[Coding::Gzip], LIMIT);
        assert!(matches!(receive(short, &coded, &[5]), Err(Error::Incomplete(_))));
    }

    #[test]
    fn the_limit_applies_to_the_decoded_size() {
        let sized = |size: usize| {
            let coded = gzip(&vec![b'x'; size]);
            receive(Body::new(Framing::Length(coded.len() as u64), &[Coding::Gzip], LIMIT), &coded, &[1000])
        };
        assert_eq!(sized(LIMIT as usize).unwrap().0.len() as u64, LIMIT);
        assert!(matches!(sized(LIMIT as usize + 1), Err(Error::TooLarge(_))));
        // Padding after the data counts too, because it could be endless.
        let padded = [gzip(b"x"), vec![0; LIMIT as usize]].concat();
        let body = Body::new(Framing::UntilClose, &[Coding::Gzip], LIMIT);
        assert!(matches!(receive(body, &padded, &[1000]), Err(Error::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn the_sizes_of_the_pieces_do_not_change_the_body(
            words in proptest::collection::vec(prop_oneof![
                Just(b"5\r\nhello\r\n".to_vec()), Just(b"0\r\n".to_vec()), Just(b"\r\n".to_vec()), Just(b"\n".to_vec()),
                Just(b"X: y\r\n".to_vec()), Just(b"5;a=b".to_vec()), Just(b"\0".to_vec()), Just(b"\r".to_vec()),
                Just(b"f".to_vec()), Just(b"hello".to_vec()), Just(vec![b'x'; 20_000]), Just(vec![b'\n'; 40_000]),
                Just(gzip(b"hello")),
            ], 0..10),
            framing in 0..3,
            is_coded: bool,
            sizes in proptest::collection::vec(prop_oneof![1..40_usize, 1..20_000_usize], 1..6),
        ) {
            let input = words.concat();
            let receive = |sizes: &[usize]| {
                let framing = match framing {
                    0 => Framing::Chunked(Chunk::Size),
                    1 => Framing::Length(20),
                    _ => Framing::UntilClose,
                };
                let codings: &[_] = if is_coded { &[Coding::Gzip] } else { &[] };
                format!("{:?}", receive(Body::new(framing, codings, LIMIT), &input, sizes))
            };
            prop_assert_eq!(receive(&sizes), receive(&[16_000]));
        }
    }
}
