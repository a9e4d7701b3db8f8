//! Brotli (RFC 7932), by `brotli-decompressor`. Used by `mod.rs`.

use super::source::Source;
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use std::io::{self, BufRead, ErrorKind, Read};

type State = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

/// One stream. Bytes after it are ignored, as in browsers.
pub struct Brotli {
    source: Source,
    state: Box<State>,
    total: usize,
    /// Whether any input was seen. Empty input is an empty body.
    begun: bool,
    ended: bool,
}

impl Brotli {
    /// Decodes what `source` yields.
    pub fn new(source: Source) -> Brotli {
        // Strict: the content coding does not allow windows above 16 MiB.
        let state =
            BrotliState::new_strict(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
        Brotli { source, state: Box::new(state), total: 0, begun: false, ended: false }
    }
}

impl Read for Brotli {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            // The decoder may hold output although there is no input.
            let (input, blocked) = match self.source.fill_buf() {
                Ok(input) => (input, false),
                Err(error) if error.kind() == ErrorKind::WouldBlock => (&[][..], true),
                Err(error) => return Err(error),
            };
            let (mut unread, mut read, mut room, mut written) = (input.len(), 0, to.len(), 0);
            let at_end = input.is_empty() && !blocked;
            if at_end && !self.begun {
                return Ok(0);
            }
            self.begun |= !input.is_empty();
            let result = BrotliDecompressStream(
                &mut unread,
                &mut read,
                input,
                &mut room,
                &mut written,
                to,
                &mut self.total,
                &mut self.state,
            );
            self.source.consume(read);
            self.ended = matches!(result, BrotliResult::ResultSuccess);
            match result {
                BrotliResult::ResultFailure => return Err(io::Error::new(ErrorKind::InvalidData, "corrupt data")),
                _ if written > 0 => return Ok(written),
                BrotliResult::NeedsMoreInput if blocked => return Err(ErrorKind::WouldBlock.into()),
                BrotliResult::NeedsMoreInput if at_end => return Err(ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
        Ok(0)
    }
}
