//! Feeds a body to html5gum, and reads plain tags itself. Used by `tags.rs`.
//!
//! Reading every tag as a token would take most of the time of a search. So within content, this reader itself reads
//! plain tags, such as `<a href="x">` and `</p>`: those in the simplest spelling that do not change how the content after
//! them is read. It passes tags that have known attributes to the sink. The tokenizer gets the plain tags and the text
//! around them as one piece of text, and reads all other tags.

use super::tag::{Content, Key, Sink, Tag};
use html5gum::Reader;
use memchr::{memchr, memchr3};
use std::cell::{Cell, RefCell, RefMut};
use std::io::{self, Read};

/// The number of bytes read at once. The tokenizer reads tags that the end of the buffer cuts.
const BUFFER: usize = 32 * 1024;
/// With fewer bytes in the buffer, more are read before a search.
const LEAST: usize = 4 * 1024;

/// What the tokenizer looks for in content: the next tag, character reference, NUL or carriage return.
const CONTENT: &[u8] = b"&<\0\r";

/// Reads a body for the tokenizer.
pub struct BodyReader<'b> {
    body: &'b mut dyn Read,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The number of bytes before the buffer.
    before: u64,
    /// Whether the last byte was a carriage return.
    is_after_return: bool,
    /// The plain tag that is being read.
    tag: Tag,
    shared: &'b Shared<'b>,
}

/// What the reader and the emitter share.
pub struct Shared<'s> {
    /// Whether content may be passed over: no text is wanted, and the language is HTML.
    pub passes_over: Cell<bool>,
    /// Whether a line feed was read after a carriage return. The tokenizer discards it.
    pub line_feed: Cell<bool>,
    sink: RefCell<&'s mut dyn Sink>,
}

impl<'s> Shared<'s> {
    /// Nothing is passed over before [`update`](Shared::update) is called.
    pub fn new(sink: &'s mut dyn Sink) -> Shared<'s> {
        Shared { passes_over: Cell::default(), line_feed: Cell::default(), sink: RefCell::new(sink) }
    }

    /// The sink that receives the tags.
    #[inline]
    pub fn sink(&self) -> RefMut<'_, &'s mut dyn Sink> {
        self.sink.borrow_mut()
    }

    /// Lets the reader pass over content, unless the sink needs text or the language is not HTML.
    #[inline]
    pub fn update(&self) {
        let sink = self.sink();
        self.passes_over.set(!sink.wants_text() && !sink.has_cdata());
    }
}

impl<'b> BodyReader<'b> {
    /// A reader of this body.
    pub fn new(body: &'b mut dyn Read, shared: &'b Shared<'b>) -> BodyReader<'b> {
        let buffer = vec![0; BUFFER].into();
        BodyReader { body, buffer, start: 0, end: 0, before: 0, is_after_return: false, tag: Tag::default(), shared }
    }

    /// Notes the first byte of a piece that is read. A carriage return that matters is always a piece of its own.
    #[inline]
    fn note(&mut self, first: u8) {
        if self.is_after_return && first == b'\n' {
            self.shared.line_feed.set(true);
        }
        self.is_after_return = first == b'\r';
    }

    /// Reads until `least` bytes are in the buffer, or the body ends.
    #[inline]
    fn fill(&mut self, least: usize) -> io::Result<()> {
        if self.end - self.start < least { self.read(least) } else { Ok(()) }
    }

    #[cold]
    fn read(&mut self, least: usize) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.before += self.start as u64;
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < least {
            match self.body.read(&mut self.buffer[self.end..])? {
                0 => break,
                read => self.end += read,
            }
        }
        Ok(())
    }
}

impl Reader for BodyReader<'_> {
    type Error = io::Error;

    #[inline]
    fn read_byte(&mut self) -> io::Result<Option<u8>> {
        self.fill(1)?;
        let Some(byte) = self.buffer[self.start..self.end].first().copied() else { return Ok(None) };
        self.start += 1;
        self.note(byte);
        Ok(Some(byte))
    }

    fn try_read_string(&mut self, wanted: &[u8], case_sensitive: bool) -> io::Result<bool> {
        self.fill(wanted.len())?;
        let next = self.buffer[self.start..self.end].get(..wanted.len());
        let is_next = next.is_some_and(|next| match case_sensitive {
            true => next == wanted,
            false => next.eq_ignore_ascii_case(wanted),
        });
        if is_next {
            self.start += wanted.len();
            self.is_after_return = false;
        }
        Ok(is_next)
    }

    /// One byte of `needle`, or everything before the next one.
    #[inline]
    fn read_until<'a>(&'a mut self, needle: &[u8], _: &'a mut [u8; 4]) -> io::Result<Option<&'a [u8]>> {
        self.fill(LEAST)?;
        let rest = &self.buffer[self.start..self.end];
        if rest.is_empty() {
            return Ok(None);
        }
        let length = match self.shared.passes_over.get() && needle == CONTENT {
            true => pass_over(rest, self.before + self.start as u64, &mut self.tag, self.shared),
            false => before(needle, rest),
        };
        let range = self.start..self.start + length.max(1);
        self.start = range.end;
        self.note(self.buffer[range.start]);
        Ok(Some(&self.buffer[range]))
    }
}

/// The number of bytes before the first one that is in `needle`.
#[inline]
fn before(needle: &[u8], rest: &[u8]) -> usize {
    match *needle {
        [a, b, c] => memchr3(a, b, c, rest).unwrap_or(rest.len()),
        [a, b, c, d] => {
            let length = memchr3(a, b, c, rest).unwrap_or(rest.len());
            memchr(d, &rest[..length]).unwrap_or(length)
        }
        // The longer needles contain no letters or digits.
        _ => {
            let is_end = |byte: &u8| !byte.is_ascii_alphanumeric() && needle.contains(byte);
            rest.iter().position(is_end).unwrap_or(rest.len())
        }
    }
}

/// The number of bytes before the first tag that the tokenizer must read. Passes the tags before it that have known
/// attributes to the sink. `at` is where `rest` begins in the body.
fn pass_over(rest: &[u8], at: u64, tag: &mut Tag, shared: &Shared<'_>) -> usize {
    let mut length = 0;
    while let Some(text) = memchr(b'<', &rest[length..]) {
        length += text;
        let Some(read) = read_plain_tag(&rest[length..], at + length as u64, tag) else { return length };
        length += read;
        if tag.has_attributes() {
            let content = shared.sink().start(tag);
            debug_assert_eq!(content, Content::Markup, "the content of a plain element is markup");
        }
    }
    rest.len()
}

/// Reads a tag and its known attributes into `tag`, and returns its length. Returns `None` if the tokenizer must read the
/// tag: its element is not plain, or it is not spelled `</name>` or `<name key="value" key>`. `at` is where the tag begins
/// in the body.
#[inline]
fn read_plain_tag(text: &[u8], at: u64, tag: &mut Tag) -> Option<usize> {
    let is_end = text.get(1) == Some(&b'/');
    let (name, mut rest) = split_name(&text[1 + usize::from(is_end)..]);
    if !is_plain(name) {
        return None;
    }
    tag.begin(is_end);
    tag.push_name(name);
    while let (false, Some(attribute)) = (is_end, rest.strip_prefix(b" ")) {
        let (name, after) = split_name(attribute);
        let place = |part: &[u8]| at + (text.len() - part.len()) as u64;
        let Some(quoted) = after.strip_prefix(b"=\"") else {
            // An attribute without a value, such as `open`. The name is empty at the space of ` />`.
            if name.is_empty() || Key::of(name).is_some() {
                break;
            }
            rest = after;
            continue;
        };
        let (value, after) = quoted.split_at(memchr(b'"', quoted)?);
        if Key::of(name).is_some() {
            if memchr3(b'&', b'\r', b'\0', value).is_some() {
                return None;
            }
            tag.add(name, place(attribute), value, place(quoted)..place(after));
        } else if name.is_empty() {
            return None;
        }
        rest = &after[1..];
    }
    let end =
        [&b">"[..], b"/>", b" />"].into_iter().find(|end| rest.starts_with(end) && (!is_end || end.len() == 1))?;
    Some(text.len() - rest.len() + end.len())
}

/// Splits after a name in lower case.
#[inline]
fn split_name(text: &[u8]) -> (&[u8], &[u8]) {
    let is_end = |byte: &u8| !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b':');
    text.split_at(text.iter().position(is_end).unwrap_or(text.len()))
}

/// Whether this is the name of a plain element. Most elements of a page are plain. An element is not plain if it
/// contains raw text or another page (`<iframe srcdoc>`), or changes the language, the base or which attributes are
/// links.
#[inline]
pub fn is_plain(name: &[u8]) -> bool {
    matches!(
        name,
        b"a" | b"abbr"
            | b"article"
            | b"aside"
            | b"b"
            | b"blockquote"
            | b"br"
            | b"button"
            | b"cite"
            | b"code"
            | b"dd"
            | b"details"
            | b"div"
            | b"dl"
            | b"dt"
            | b"em"
            | b"figure"
            | b"footer"
            | b"h1"
            | b"h2"
            | b"h3"
            | b"h4"
            | b"h5"
            | b"h6"
            | b"header"
            | b"hr"
            | b"i"
            | b"img"
            | b"label"
            | b"li"
            | b"link"
            | b"main"
            | b"meta"
            | b"nav"
            | b"ol"
            | b"option"
            | b"p"
            | b"pre"
            | b"s"
            | b"section"
            | b"small"
            | b"span"
            | b"strong"
            | b"sub"
            | b"summary"
            | b"sup"
            | b"table"
            | b"tbody"
            | b"td"
            | b"th"
            | b"thead"
            | b"tr"
            | b"u"
            | b"ul"
            | b"var"
            | b"wbr"
    )
}
