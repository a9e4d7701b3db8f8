//! Reads the bytes of a page by positions in its text, which is UTF-8. In any other encoding, the positions of bytes
//! and of text differ, so the bytes are decoded one by one to keep track of both.

use crate::engine::links::Encoded;
use encoding_rs::{Decoder, UTF_8, UTF_16BE, UTF_16LE};
use std::io::{self, BufRead, BufReader, Read};

/// The bytes of a page, from the first to the last.
pub struct Source<R> {
    bytes: BufReader<R>,
    encoded: Encoded,
    /// `None` if the page is UTF-8.
    decoder: Option<Decoder>,
    /// Whether the next byte was decoded already, because it ends an incomplete character.
    is_ahead: bool,
    /// How far the text has been read.
    at: u64,
}

impl<R: Read> Source<R> {
    /// Begins to read a page. Appends its byte order mark, if it has one, to `to`.
    pub fn new(bytes: R, encoded: Encoded, to: &mut Vec<u8>) -> io::Result<Source<R>> {
        let mut bytes = BufReader::with_capacity(64 * 1024, bytes);
        bytes.by_ref().take(encoded.mark as u64).read_to_end(to)?;
        let decoder = (encoded.encoding != UTF_8).then(|| encoded.encoding.new_decoder_without_bom_handling());
        Ok(Source { bytes, encoded, decoder, is_ahead: false, at: 0 })
    }

    /// How far the text has been read.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Appends a piece of the bytes before position `end`, or of the rest of the page, to `to`. Returns whether there
    /// may be more.
    pub fn read(&mut self, end: Option<u64>, to: &mut Vec<u8>) -> io::Result<bool> {
        let available = self.bytes.fill_buf()?;
        let wanted = end.map_or(u64::MAX, |end| end.saturating_sub(self.at));
        let taken = match &mut self.decoder {
            Some(_) if self.is_ahead && end == Some(self.at) => {
                self.is_ahead = false; // its text has been counted
                available.len().min(1)
            }
            _ if wanted == 0 => 0,
            None => available.len().min(usize::try_from(wanted).unwrap_or(usize::MAX)),
            Some(_) if end.is_none() => available.len(),
            Some(decoder) => decode(decoder, available, wanted, &mut self.at, &mut self.is_ahead),
        };
        to.extend(&available[..taken]);
        if self.decoder.is_none() {
            self.at += taken as u64;
        }
        self.bytes.consume(taken);
        Ok(taken > 0)
    }

    /// Encodes ASCII text in the encoding of the page.
    pub fn encode(&self, text: &str) -> Vec<u8> {
        match self.encoded.encoding {
            encoding if encoding == UTF_16LE => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            encoding if encoding == UTF_16BE => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            _ => text.into(), // all others contain ASCII
        }
    }
}

/// Decodes until there are `wanted` bytes of text. Returns how many bytes of the page it decoded.
fn decode(decoder: &mut Decoder, bytes: &[u8], wanted: u64, at: &mut u64, is_ahead: &mut bool) -> usize {
    let end = *at + wanted;
    for (index, byte) in bytes.iter().enumerate() {
        if std::mem::take(is_ahead) {
            continue;
        }
        let mut text = [0; 16];
        let (_, _, written, _) = decoder.decode_to_utf8(&[*byte], &mut text, false);
        *at += written as u64;
        if *at > end {
            *is_ahead = true;
            return index;
        }
        if *at == end {
            return index + 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::links::Kind;

    /// Splits a page at these positions of its text.
    fn split(content_type: &str, page: &[u8], at: &[u64]) -> Vec<Vec<u8>> {
        let encoded = Encoded::of(Kind::Html, Some(content_type), page);
        let mut parts = vec![Vec::new()];
        let mut source = Source::new(page, encoded, &mut parts[0]).unwrap();
        for end in at.iter().map(|end| Some(*end)).chain([None]) {
            let mut part = Vec::new();
            while source.read(end, &mut part).unwrap() {}
            parts.push(part);
        }
        parts
    }

    #[test]
    fn positions_are_those_of_the_text_in_each_encoding() {
        for (content_type, page, at, expected) in [
            ("text/html", &b"\xef\xbb\xbfa\xc3\xbcb"[..], &[3][..], &[&b"\xef\xbb\xbf"[..], b"a\xc3\xbc", b"b"][..]),
            ("text/html;charset=latin1", b"a\xfcb", &[1, 3], &[b"", b"a", b"\xfc", b"b"]),
            ("text/html;charset=gbk", b"\xc4\xe3=x", &[4], &[b"", b"\xc4\xe3=", b"x"]),
            ("text/html;charset=gbk", b"\x81\"x", &[3, 4], &[b"", b"\x81", b"\"", b"x"]),
            ("text/html", b"\xff\xfea\0\xfc\0b\0", &[3], &[b"\xff\xfe", b"a\0\xfc\0", b"b\0"]),
            (
                "text/html;charset=iso-2022-jp",
                b"\"\x1b$B$\"\x1b(B\"x",
                &[1, 4, 5],
                &[b"", b"\"", b"\x1b$B$\"", b"\x1b(B\"", b"x"],
            ),
        ] {
            assert_eq!(split(content_type, page, at), expected, "{content_type}");
        }
    }
}
