//! The protocol, RESP2: [`Parser`] parses requests, [`Reply`] writes replies.
//!
//! ```text
//! *2 ⏎ $3 ⏎ GET ⏎ $5 ⏎ hello ⏎     a request: how many arguments, then each with its length
//! GET hello ⏎                      the same by hand, "inline"
//! $5 ⏎ world ⏎                     a reply
//! ```
//!
//! Arguments stay in the input buffer; the parser keeps only their ranges.

use std::ops::Range;

/// Maximum number of arguments of a request, as in Redis before 7.0. Redis 7.0 allows as many as an int can count.
const ARGUMENTS_LIMIT: i64 = 1024 * 1024;
/// Maximum size of an argument, in bytes.
const BULK_LIMIT: i64 = 512 * 1024 * 1024;
/// Maximum size of a line, in bytes: an inline request, or a number.
const LINE_LIMIT: usize = 64 * 1024;
/// The longest list of ranges that is kept for the next request.
const PLACES_KEPT: usize = 1024;

/// Why a request is malformed. The bytes after it cannot be parsed either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("invalid multibulk length")]
    Count,
    #[error("invalid bulk length")]
    Length,
    #[error("expected '$', got '{0}'")]
    NotABulk(char),
    #[error("too big mbulk count string")]
    LongCount,
    #[error("too big bulk count string")]
    LongLength,
    #[error("too big inline request")]
    LongInline,
    #[error("unbalanced quotes in request")]
    Quotes,
}

/// Parses a request, even in pieces: no byte is examined twice.
#[derive(Default)]
pub struct Parser {
    /// The ranges of the arguments so far, relative to the request's first byte.
    places: Vec<Range<usize>>,
    /// The number of missing arguments.
    missing: usize,
    /// The length of the next argument, if it is known.
    length: Option<usize>,
    /// The position to continue at.
    at: usize,
    /// A line that begins at `at` does not end before this position.
    searched: usize,
}

impl Parser {
    /// The length of the request at the beginning of `input`; `None` while it is incomplete.
    ///
    /// While it is incomplete, call this again with the same bytes and more. Then call `reset`.
    pub fn parse(&mut self, input: &mut [u8]) -> Result<Option<usize>, Malformed> {
        if self.missing == 0 {
            match input.first() {
                None => return Ok(None),
                Some(b'*') => {}
                Some(_) => return self.inline(input),
            }
            let Some(count) = self.line(input, Malformed::LongCount)? else { return Ok(None) };
            let count =
                integer(&input[count][1..]).filter(|count| *count <= ARGUMENTS_LIMIT).ok_or(Malformed::Count)?;
            self.missing = count.max(0) as usize; // like Redis, ignores a request of no arguments
        }
        while self.missing > 0 {
            let Some(argument) = self.bulk(input)? else { return Ok(None) };
            self.places.push(argument);
            self.missing -= 1;
        }
        Ok(Some(self.at))
    }

    /// The arguments of the request at the beginning of `input`.
    pub fn args<'a>(&'a self, input: &'a [u8]) -> Args<'a> {
        Args { input, places: &self.places }
    }

    /// Prepares for the next request.
    pub fn reset(&mut self) {
        self.places.clear();
        self.places.shrink_to(PLACES_KEPT);
        (self.at, self.searched) = (0, 0);
    }

    /// The range of the next argument.
    fn bulk(&mut self, input: &[u8]) -> Result<Option<Range<usize>>, Malformed> {
        let length = match self.length {
            Some(length) => length,
            None => {
                let Some(line) = self.line(input, Malformed::LongLength)? else { return Ok(None) };
                let line = &input[line];
                match line.first() {
                    Some(b'$') => {}
                    other => return Err(Malformed::NotABulk(other.map_or('\r', |byte| char::from(*byte)))),
                }
                let length = integer(&line[1..]).filter(|length| (0..=BULK_LIMIT).contains(length));
                length.ok_or(Malformed::Length)? as usize
            }
        };
        let (start, end) = (self.at, self.at + length);
        if input.len() < end + 2 {
            self.length = Some(length);
            return Ok(None);
        }
        self.length = None;
        (self.at, self.searched) = (end + 2, end + 2);
        Ok(Some(start..end))
    }

    /// The range of the next line without its end, which for Redis is two bytes if the first is CR.
    fn line(&mut self, input: &[u8], too_long: Malformed) -> Result<Option<Range<usize>>, Malformed> {
        let start = self.at;
        match self.find(input, b'\r', too_long)? {
            Some(end) if end + 2 <= input.len() => {
                (self.at, self.searched) = (end + 2, end + 2);
                Ok(Some(start..end))
            }
            _ => Ok(None),
        }
    }

    fn find(&mut self, input: &[u8], wanted: u8, too_long: Malformed) -> Result<Option<usize>, Malformed> {
        let from = self.searched.max(self.at);
        if let Some(found) = input[from..].iter().position(|byte| *byte == wanted) {
            self.searched = from + found;
            return Ok(Some(from + found));
        }
        self.searched = input.len();
        if input.len() - self.at > LINE_LIMIT { Err(too_long) } else { Ok(None) }
    }

    /// Parses an inline request. Quotes and escapes are resolved in place, because that only shortens the line.
    fn inline(&mut self, input: &mut [u8]) -> Result<Option<usize>, Malformed> {
        let Some(end) = self.find(input, b'\n', Malformed::LongInline)? else { return Ok(None) };
        self.at = end + 1;
        let line = &mut input[..end];
        let mut at = 0;
        loop {
            at += line[at..].iter().take_while(|byte| is_space(**byte)).count();
            if at == line.len() {
                return Ok(Some(self.at));
            }
            let (place, next) = unquote(line, at)?;
            self.places.push(place);
            at = next;
        }
    }
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'\x0b'
}

/// Resolves the word of an inline request at `start` in place. Returns its range and its former end.
fn unquote(line: &mut [u8], start: usize) -> Result<(Range<usize>, usize), Malformed> {
    let (mut read, mut written, mut quote) = (start, start, None);
    while let Some(&byte) = line.get(read) {
        let (mut value, mut taken) = (Some(byte), 1);
        match (quote, byte) {
            (None, _) if is_space(byte) => break,
            (None, b'"' | b'\'') => (quote, value) = (Some(byte), None),
            (Some(b'"'), b'\\') => (value, taken) = escape(&line[read..]),
            (Some(b'\''), b'\\') if line.get(read + 1) == Some(&b'\'') => (value, taken) = (Some(b'\''), 2),
            (Some(open), _) if open == byte => {
                if line.get(read + 1).is_some_and(|next| !is_space(*next)) {
                    return Err(Malformed::Quotes);
                }
                (quote, value) = (None, None);
            }
            _ => {}
        }
        if let Some(value) = value {
            line[written] = value;
            written += 1;
        }
        read += taken;
    }
    if quote.is_some() { Err(Malformed::Quotes) } else { Ok((start..written, read)) }
}

/// The meaning of an escape within double quotes, and its length.
fn escape(text: &[u8]) -> (Option<u8>, usize) {
    let hex = |digit: &u8| char::from(*digit).to_digit(16).map(|digit| digit as u8);
    if let [_, b'x', high, low, ..] = text
        && let (Some(high), Some(low)) = (hex(high), hex(low))
    {
        return (Some(high * 16 + low), 4);
    }
    match text.get(1) {
        None => (Some(b'\\'), 1), // the quote is not closed
        Some(b'n') => (Some(b'\n'), 2),
        Some(b'r') => (Some(b'\r'), 2),
        Some(b't') => (Some(b'\t'), 2),
        Some(b'b') => (Some(b'\x08'), 2),
        Some(b'a') => (Some(b'\x07'), 2),
        Some(&other) => (Some(other), 2),
    }
}

/// The arguments of a request; the first is the command's name.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    input: &'a [u8],
    places: &'a [Range<usize>],
}

impl<'a> Args<'a> {
    pub fn len(self) -> usize {
        self.places.len()
    }

    pub fn get(self, index: usize) -> Option<&'a [u8]> {
        self.places.get(index).map(|place| &self.input[place.clone()])
    }

    /// The arguments from this index on.
    pub fn from(self, index: usize) -> impl Iterator<Item = &'a [u8]> {
        self.places.iter().skip(index).map(move |place| &self.input[place.clone()])
    }
}

impl std::ops::Index<usize> for Args<'_> {
    type Output = [u8];

    fn index(&self, index: usize) -> &[u8] {
        &self.input[self.places[index].clone()]
    }
}

/// Parses an integer as Redis does: no plus sign, no leading zero, no space.
pub fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        b"0" if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    // Accumulates negative numbers, because the smallest integer has no positive counterpart.
    let mut number: i64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_sub(digit.into())?;
    }
    if negative { Some(number) } else { number.checked_neg() }
}

/// Appends replies to a buffer.
pub struct Reply<'a>(pub &'a mut Vec<u8>);

impl Reply<'_> {
    pub fn ok(&mut self) {
        self.simple("OK");
    }

    /// A simple string.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error. Line ends in it are replaced, because it may quote the client.
    pub fn error(&mut self, text: &[u8]) {
        let start = self.0.len();
        self.line(b'-', text);
        let end = self.0.len() - 2;
        for byte in self.0[start..end].iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')) {
            *byte = b' ';
        }
    }

    pub fn integer(&mut self, number: i64) {
        self.line(b':', itoa::Buffer::new().format(number).as_bytes());
    }

    /// The head of an array of `count` replies, which follow.
    pub fn array(&mut self, length: usize) {
        self.line(b'*', itoa::Buffer::new().format(length).as_bytes());
    }

    /// A bulk string.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.0.reserve(bytes.len() + 32);
        self.line(b'$', itoa::Buffer::new().format(bytes.len()).as_bytes());
        self.0.extend_from_slice(bytes);
        self.0.extend_from_slice(b"\r\n");
    }

    /// The head of a bulk string, whose bytes follow.
    pub fn bulk_head(&mut self, length: usize) {
        self.line(b'$', itoa::Buffer::new().format(length).as_bytes());
    }

    /// A bulk string, or null.
    pub fn bulk_or_null(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.0.extend_from_slice(b"$-1\r\n"),
        }
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.0.reserve(text.len() + 3);
        self.0.push(kind);
        self.0.extend_from_slice(text);
        self.0.extend_from_slice(b"\r\n");
    }
}
