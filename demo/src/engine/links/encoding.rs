//! The encoding of a body, and reading it as UTF-8. Follows the HTML, Encoding and CSS standards, and appendix F of
//! XML. Used by `mod.rs`.

use super::media_type;
use super::sniff::Kind;
use super::tag::{Content, Key, Sink, Tag};
use super::tags::read_tags;
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, X_USER_DEFINED};
use std::io::{self, Read};

/// The bytes at the beginning of a body that may declare its encoding.
const PRESCANNED: usize = 1024;

/// The encoding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charset {
    /// The encoding. UTF-8, if nothing declares another.
    pub encoding: &'static Encoding,
    /// Whether a byte order mark, the `Content-Type` or the body itself says so.
    pub is_declared: bool,
}

impl Charset {
    /// An encoding that is declared.
    pub fn declared(encoding: &'static Encoding) -> Charset {
        Charset { encoding, is_declared: true }
    }

    /// The encoding of a body, and the length of its byte order mark.
    pub fn of(kind: Kind, content_type: Option<&str>, head: &[u8]) -> (Charset, usize) {
        if let Some((encoding, length)) = Encoding::for_bom(head) {
            return (Charset::declared(encoding), length);
        }
        let transport = || Encoding::for_label(media_type::charset(content_type?)?.as_bytes());
        let start = &head[..head.len().min(PRESCANNED)];
        let content = || match kind {
            Kind::Html => in_html(start).or_else(|| in_xml(start)),
            Kind::Xml | Kind::Sitemap => in_xml(start),
            Kind::Css => in_css(start),
        };
        let charset = match transport().or_else(content) {
            Some(encoding) => Charset::declared(encoding),
            // Only HTML has pages from before UTF-8 that declare nothing.
            None => Charset { encoding: UTF_8, is_declared: kind != Kind::Html },
        };
        (charset, 0)
    }
}

/// The encoding with this label. The body declares it in ASCII, so it can't be UTF-16.
fn label(label: &[u8]) -> Option<&'static Encoding> {
    match Encoding::for_label(label)? {
        encoding if encoding == UTF_16BE || encoding == UTF_16LE => Some(UTF_8),
        encoding if encoding == X_USER_DEFINED => Some(WINDOWS_1252),
        encoding => Some(encoding),
    }
}

/// "Prescan a byte stream to determine its encoding".
fn in_html(head: &[u8]) -> Option<&'static Encoding> {
    let mut prescan = Prescan { encoding: None };
    // The head is in memory, so reading it can't fail.
    let _ = read_tags(&mut &*head, &mut prescan);
    prescan.encoding
}

struct Prescan {
    encoding: Option<&'static Encoding>,
}

impl Sink for Prescan {
    /// A `<meta>` counts wherever it stands: the prescan does not know scripts or titles.
    fn start(&mut self, tag: &Tag) -> Content {
        if tag.name() == b"meta" && self.encoding.is_none() {
            let is_pragma = tag.value(Key::HttpEquiv).is_some_and(|value| value.eq_ignore_ascii_case(b"content-type"));
            let content = tag.value(Key::Content).filter(|_| is_pragma);
            self.encoding = match tag.value(Key::Charset) {
                Some(charset) => label(&charset),
                None => content.and_then(|content| in_content(content.bytes())).and_then(label),
            };
        }
        Content::Markup
    }
}

/// "Extracting a character encoding from a meta element": `text/html; charset=x`.
fn in_content(mut content: &[u8]) -> Option<&[u8]> {
    let is_space = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ');
    let skip = |text: &'_ [u8]| text.iter().take_while(|byte| is_space(byte)).count();
    loop {
        let at = content.windows(7).position(|name| name.eq_ignore_ascii_case(b"charset"))?;
        content = &content[at + 7..];
        content = &content[skip(content)..];
        let Some(value) = content.strip_prefix(b"=") else { continue };
        let value = &value[skip(value)..];
        let (value, end) = match value {
            [quote @ (b'"' | b'\''), quoted @ ..] => (quoted, quoted.iter().position(|byte| byte == quote)?),
            _ => (value, value.iter().position(|byte| is_space(byte) || *byte == b';').unwrap_or(value.len())),
        };
        return Some(&value[..end]);
    }
}

/// `<?xml version="1.0" encoding="x"?>`. UTF-16 is recognized by the first bytes.
fn in_xml(head: &[u8]) -> Option<&'static Encoding> {
    if head.starts_with(b"<\0?\0x\0") {
        return Some(UTF_16LE);
    }
    if head.starts_with(b"\0<\0?\0x") {
        return Some(UTF_16BE);
    }
    let declaration = head.strip_prefix(b"<?xml")?;
    let declaration = &declaration[..declaration.iter().position(|byte| *byte == b'>')?];
    let at = declaration.windows(8).position(|name| name == b"encoding")?;
    let value = declaration[at + 8..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first().filter(|(quote, _)| matches!(quote, b'"' | b'\''))?;
    label(&value[..value.iter().position(|byte| byte == quote)?])
}

/// `@charset "x";`, in exactly this spelling.
fn in_css(head: &[u8]) -> Option<&'static Encoding> {
    let value = head.strip_prefix(b"@charset \"")?;
    let end = value.iter().position(|byte| *byte == b'"')?;
    label(&value[..end]).filter(|_| value[end..].starts_with(b"\";"))
}

/// A body as UTF-8. A body that is UTF-8 already passes unchanged, valid or not.
pub struct Utf8<'r> {
    body: &'r mut dyn Read,
    /// `None` if there is nothing to decode.
    decoder: Option<Decoder>,
    /// Encoded bytes: those from `start` to `end` are not decoded yet.
    encoded: Box<[u8]>,
    start: usize,
    end: usize,
    is_last: bool,
}

impl<'r> Utf8<'r> {
    /// Reads `body`, which begins after its byte order mark.
    pub fn new(body: &'r mut dyn Read, encoding: &'static Encoding) -> Utf8<'r> {
        let decoder = (encoding != UTF_8).then(|| encoding.new_decoder_without_bom_handling());
        let encoded = vec![0; if decoder.is_some() { 8 * 1024 } else { 0 }].into();
        Utf8 { body, decoder, encoded, start: 0, end: 0, is_last: false }
    }
}

impl Read for Utf8<'_> {
    /// # Errors
    /// Fails if the body does, and if `buffer` has no room for one character: four bytes.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else { return read(self.body, buffer) };
        loop {
            if self.start == self.end && !self.is_last {
                self.start = 0;
                self.end = read(self.body, &mut self.encoded)?;
                self.is_last = self.end == 0;
            }
            let encoded = &self.encoded[self.start..self.end];
            let (result, consumed, written, _) = decoder.decode_to_utf8(encoded, buffer, self.is_last);
            self.start += consumed;
            if result == CoderResult::InputEmpty && self.is_last {
                // This was the last call of the decoder. From now on, the body, which is at its end, is read directly.
                self.decoder = None;
                return Ok(written);
            }
            if written > 0 {
                return Ok(written);
            }
            if result == CoderResult::OutputFull {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
    }
}

/// Reads, and tries again if a signal interrupts the call.
fn read(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
