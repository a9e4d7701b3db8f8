//! Where a body begins and ends (RFC 9112, sections 6 and 7), without any I/O.

use super::coding::Coding;
use super::error::Error;
use bytesize::ByteSize;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// The longest line with a chunk's size, in bytes.
const LINE_LIMIT: usize = 16 * 1024;
/// The longest trailers, in bytes: as long as a head may be.
const TRAILERS_LIMIT: usize = 64 * 1024;

/// The registered transfer codings (RFC 9112, 7). In requests, only chunked is supported.
const KNOWN_CODINGS: [&str; 6] = ["chunked", "compress", "x-compress", "deflate", "gzip", "x-gzip"];

/// How the body of a message is delimited, and what is left of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Framing {
    /// This many bytes are left.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// Everything until the end of the connection.
    UntilClose,
    /// The body is complete.
    Done,
}

/// The position in a chunked body.
#[derive(Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Before the line with the size.
    Size,
    /// This many bytes of the chunk are left.
    Data(u64),
    /// Before the line end after the data.
    End,
    /// After the last chunk, inside the trailers, of which this many bytes were skipped.
    Trailers(usize),
}

/// How the body of a response is delimited, and its transfer codings.
#[derive(Debug, PartialEq, Eq)]
pub struct Delimited {
    /// How it is delimited.
    pub framing: Framing,
    /// Whether the connection may be reused after it.
    pub keep: bool,
    /// The transfer codings besides chunked, in the order in which they were applied.
    pub codings: Vec<Coding>,
}

/// What to do with the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The first bytes, this many, are part of the body.
    Data(usize),
    /// The first bytes, this many, belong to the framing.
    Skip(usize),
    /// More input is needed.
    More,
    /// The body is complete. Any further input belongs to the next message.
    Done,
}

impl Framing {
    /// The framing of a response (RFC 9112, 6.3).
    pub fn of_response(method: &Method, status: StatusCode, headers: &HeaderMap) -> Result<Delimited, Error> {
        let done = |keep| Ok(Delimited { framing: Framing::Done, keep, codings: Vec::new() });
        if method == Method::HEAD || status == StatusCode::NOT_MODIFIED {
            return done(true);
        }
        if status.is_informational() || status == StatusCode::NO_CONTENT {
            // Some servers send a body with a 204 nevertheless, perhaps late, so the connection is not reused.
            return done(false);
        }
        let mut names = transfer_codings(headers)?;
        // Empty elements are ignored (RFC 9110, 5.6.1). `identity` is the obsolete name for no coding (RFC 2616, 3.6).
        names.retain(|name| !name.is_empty() && name != "identity");
        let mut chunked = 0;
        while names.pop_if(|last| last == "chunked").is_some() {
            chunked += 1; // it is applied at most once (RFC 9112, 6.1), so a proxy repeated the field
        }
        let is_chunked = chunked > 0;
        if names.iter().any(|name| name == "chunked") {
            return Err(Error::Malformed("chunked is not the last transfer coding".into()));
        }
        let coding = |name: &String| Coding::named(name).ok_or_else(|| Error::UnknownCoding(name.clone()));
        let codings: Vec<_> = names.iter().map(coding).collect::<Result<_, _>>()?;
        let (framing, keep) = match is_chunked || !codings.is_empty() {
            // With both a coding and a length, a proxy may have read the length. The connection is not reused.
            true if is_chunked => {
                (Framing::Chunked(Chunk::Size), chunked == 1 && !headers.contains_key(header::CONTENT_LENGTH))
            }
            // RFC 9112, 6.3: a coding that does not end with chunked ends with the connection.
            true => (Framing::UntilClose, false),
            false => match content_length(headers)? {
                Some(0) => (Framing::Done, true),
                Some(length) => (Framing::Length(length), true),
                None => (Framing::UntilClose, false),
            },
        };
        Ok(Delimited { framing, keep, codings })
    }

    /// The framing of a request (RFC 9112, 6.1 and 6.3). Without a length it has no body.
    pub fn of_request(headers: &HeaderMap) -> Result<Framing, Error> {
        let length = content_length(headers)?;
        if !headers.contains_key(header::TRANSFER_ENCODING) {
            return Ok(length.filter(|length| *length > 0).map_or(Framing::Done, Framing::Length));
        }
        let mut codings = transfer_codings(headers)?;
        codings.retain(|coding| !coding.is_empty()); // ignored (RFC 9110, 5.6.1)
        let unknown = codings.iter().find(|coding| !KNOWN_CODINGS.contains(&&***coding));
        match (codings.split_last(), unknown, length) {
            // A proxy might use the length and this server the coding.
            (_, _, Some(_)) => Err(Error::Malformed("both a transfer coding and a length".into())),
            (_, Some(unknown), _) => Err(Error::UnknownCoding(unknown.clone())),
            (Some((last, before)), None, None) if last == "chunked" => match before {
                [] => Ok(Framing::Chunked(Chunk::Size)),
                _ if before.contains(last) => Err(Error::Malformed("chunked twice".into())),
                _ => Err(Error::UnknownCoding(before.join(", "))),
            },
            _ => Err(Error::Malformed("a transfer coding that does not end with chunked".into())),
        }
    }

    /// What to do with `input`, the unread bytes.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, Error> {
        match self {
            Framing::Done => Ok(Step::Done),
            _ if input.is_empty() => Ok(Step::More),
            Framing::UntilClose => Ok(Step::Data(input.len())),
            Framing::Length(left) => {
                let count = take(left, input);
                if *left == 0 {
                    *self = Framing::Done;
                }
                Ok(Step::Data(count))
            }
            Framing::Chunked(Chunk::Trailers(skipped)) => match trailer(input, *skipped)? {
                None => Ok(Step::More),
                Some((used, is_last)) => {
                    *skipped += used;
                    if is_last {
                        *self = Framing::Done;
                    }
                    Ok(Step::Skip(used))
                }
            },
            Framing::Chunked(chunk) => chunk.step(input),
        }
    }

    /// Handles the end of the connection.
    ///
    /// # Errors
    /// Fails if the body is incomplete.
    pub fn end_of_stream(&mut self) -> Result<(), Error> {
        let where_it_ends = match self {
            Framing::Done => return Ok(()),
            Framing::UntilClose => {
                *self = Framing::Done;
                return Ok(());
            }
            Framing::Length(left) => {
                format!("{left} byte{} before its announced length", if *left == 1 { "" } else { "s" })
            }
            Framing::Chunked(Chunk::Data(_)) => "inside a chunk".to_owned(),
            Framing::Chunked(Chunk::Trailers(_)) => "inside the trailers".to_owned(),
            Framing::Chunked(_) => "before the last chunk".to_owned(),
        };
        Err(Error::Incomplete(where_it_ends))
    }
}

impl Chunk {
    fn step(&mut self, input: &[u8]) -> Result<Step, Error> {
        match self {
            Chunk::Size => match chunk_size(input)? {
                None => Ok(Step::More),
                Some((used, size)) => {
                    *self = if size == 0 { Chunk::Trailers(0) } else { Chunk::Data(size) };
                    Ok(Step::Skip(used))
                }
            },
            Chunk::Data(left) => {
                let count = take(left, input);
                if *left == 0 {
                    *self = Chunk::End;
                }
                Ok(Step::Data(count))
            }
            Chunk::End => match input {
                [b'\r', b'\n', ..] => {
                    *self = Chunk::Size;
                    Ok(Step::Skip(2))
                }
                [b'\r'] => Ok(Step::More),
                _ => Err(Error::Malformed("a chunk is longer than its size".into())),
            },
            Chunk::Trailers(_) => Ok(Step::Done),
        }
    }
}

/// The length of the line with a chunk's size, and the size. `None` if the line is incomplete.
///
/// Only the bytes up to the limit are looked at, so the answer does not depend on how many have arrived.
fn chunk_size(input: &[u8]) -> Result<Option<(usize, u64)>, Error> {
    let line = &input[..input.len().min(LINE_LIMIT)];
    let bad = || Error::Malformed("a chunk without a valid size".into());
    // httparse reads a line without a digit as a size of 0. It does not check extensions either, where another
    // implementation may end the line at a line feed (RFC 9112, 7.1.1).
    if !line.first().is_some_and(u8::is_ascii_hexdigit) || has_control(line) {
        return Err(bad());
    }
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete(parsed)) => Ok(Some(parsed)),
        Ok(httparse::Status::Partial) if line.len() < LINE_LIMIT => Ok(None),
        Ok(httparse::Status::Partial) => Err(too_large("the line with a chunk's size is", LINE_LIMIT)),
        Err(_) => Err(bad()),
    }
}

/// Whether the first line of `input` contains control characters before its CR LF.
fn has_control(input: &[u8]) -> bool {
    let line = input.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\r")).unwrap_or(line);
    line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}

/// The length of the next trailer, and whether it is the empty line that ends them. `None` if it is incomplete.
///
/// The fields of trailers are not used, so they may be anything but a NUL.
fn trailer(input: &[u8], skipped: usize) -> Result<Option<(usize, bool)>, Error> {
    let seen = &input[..input.len().min(TRAILERS_LIMIT - skipped)];
    let end = seen.iter().position(|byte| *byte == b'\n');
    let line = &seen[..end.map_or(seen.len(), |end| end + 1)];
    if line.contains(&0) {
        return Err(Error::Malformed("a NUL in the trailers".into()));
    }
    match end {
        Some(_) => Ok(Some((line.len(), matches!(line, b"\n" | b"\r\n")))),
        None if skipped + seen.len() < TRAILERS_LIMIT => Ok(None),
        None => Err(too_large("the trailers are", TRAILERS_LIMIT)),
    }
}

fn too_large(what: &'static str, limit: usize) -> Error {
    Error::FramingTooLarge { what, limit: ByteSize::b(limit as u64) }
}

fn take(left: &mut u64, input: &[u8]) -> usize {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= count as u64;
    count
}

/// The announced length. Several lengths are an error unless they are equal.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let mut length = None;
    for field in headers.get_all(header::CONTENT_LENGTH) {
        for item in text(field)?.split(',') {
            let item = item.trim();
            let digits = !item.is_empty() && item.bytes().all(|byte| byte.is_ascii_digit());
            let parsed = item.parse().ok().filter(|_| digits);
            let parsed: u64 = parsed.ok_or_else(|| Error::Malformed(format!("the length `{item}` is not a size")))?;
            if *length.get_or_insert(parsed) != parsed {
                return Err(Error::Malformed("two different lengths".into()));
            }
        }
    }
    Ok(length)
}

fn transfer_codings(headers: &HeaderMap) -> Result<Vec<String>, Error> {
    let mut codings = Vec::new();
    for field in headers.get_all(header::TRANSFER_ENCODING) {
        codings.extend(text(field)?.split(',').map(|coding| coding.trim().to_ascii_lowercase()));
    }
    Ok(codings)
}

fn text(field: &HeaderValue) -> Result<&str, Error> {
    field.to_str().map_err(|_| Error::Malformed("a field that delimits the body is not text".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of `size` bytes. Returns the body, and the input after it.
    fn read(mut framing: Framing, input: &[u8], size: usize) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let (mut body, mut there, mut coming) = (Vec::new(), Vec::new(), input.chunks(size));
        loop {
            match framing.step(&there)? {
                Step::Data(count) => body.extend(there.drain(..count)),
                Step::Skip(count) => drop(there.drain(..count)),
                Step::Done => {
                    there.extend(coming.flatten());
                    return Ok((body, there));
                }
                Step::More => match coming.next() {
                    Some(piece) => there.extend(piece),
                    None => framing.end_of_stream()?,
                },
            }
        }
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_chunked_body_is_read_from_pieces_of_any_size() {
        let input = b"5\r\nhello\r\n6;name=value\r\n world\r\n0\r\nTrailer: x\r\n\r\nnext";
        for size in 1..input.len() {
            let (body, left) = read(Framing::Chunked(Chunk::Size), input, size).unwrap();
            assert_eq!((&body[..], &left[..]), (&b"hello world"[..], &b"next"[..]), "in pieces of {size}");
        }
    }

    #[test]
    fn a_chunked_body_without_its_end_is_incomplete() {
        for input in ["5\r\nhel", "5\r\nhello", "5\r\nhello\r\n", "5\r\nhello\r\n0\r\n", "5"] {
            let result = read(Framing::Chunked(Chunk::Size), input.as_bytes(), 3);
            assert!(matches!(result, Err(Error::Incomplete(_))), "{input:?}: {result:?}");
        }
    }

    #[test]
    fn a_bad_chunk_is_an_error() {
        for input in [
            "x\r\n",
            "-1\r\n",
            "5\r\nhelloworld",
            "fffffffffffffffff\r\n",
            "\r\n",
            "0\n\r\n",
            "5;a\nb\r\n",
            "5;a\0\r\n",
            "5;a\rb\r\n",
            "5;a\n",
        ] {
            let result = read(Framing::Chunked(Chunk::Size), input.as_bytes(), 100);
            assert!(matches!(result, Err(Error::Malformed(_))), "{input:?}: {result:?}");
        }
    }

    #[test]
    fn the_sizes_of_the_pieces_do_not_change_the_limits() {
        let extension = |size: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(size - 4));
        let trailers = |size: usize| {
            let (field, end) = ("X: y\r\n", "\r\n");
            let last = format!("Z: {}\r\n", "z".repeat((size - 2) % 6 + 1));
            let fields = field.repeat((size - end.len() - last.len()) / field.len());
            let rest = size - end.len() - last.len() - fields.len();
            format!("5\r\nhello\r\n0\r\n{fields}{}{last}{end}", "y".repeat(rest))
        };
        for size in [97, 999, 4000, 1_000_000] {
            let read = |input: String| read(Framing::Chunked(Chunk::Size), input.as_bytes(), size);
            assert_eq!(read(extension(LINE_LIMIT)).unwrap().0, b"hello", "in pieces of {size}");
            assert_eq!(read(trailers(TRAILERS_LIMIT)).unwrap().0, b"hello", "in pieces of {size}");
            let refused = |result| matches!(result, Err(Error::FramingTooLarge { .. }));
            assert!(refused(read(extension(LINE_LIMIT + 1))), "in pieces of {size}");
            assert!(refused(read(trailers(TRAILERS_LIMIT + 1))), "in pieces of {size}");
            assert!(refused(read(format!("5;{}", "x".repeat(100_000)))), "in pieces of {size}");
            assert!(refused(read(format!("0\r\n{}", "x".repeat(100_000)))), "in pieces of {size}");
            assert!(refused(read(format!("0\r\n{}", "X: y\r\n".repeat(100_000)))), "in pieces of {size}");
        }
    }

    #[test]
    fn trailers_may_be_anything_but_a_nul() {
        for trailers in ["", "X: y\r\n", "X: y\n", "no colon\r\n", ": \r\n", "\r\r\n", " folded\r\n", "\x01\u{e4}\r\n"]
        {
            let input = format!("0\r\n{trailers}\r\nnext");
            let (body, left) = read(Framing::Chunked(Chunk::Size), input.as_bytes(), 3).unwrap();
            assert_eq!((&*body, &*left), (&b""[..], &b"next"[..]), "{trailers:?}");
        }
        let nul = read(Framing::Chunked(Chunk::Size), b"0\r\nX: \0\r\n\r\n", 3);
        assert!(matches!(nul, Err(Error::Malformed(_))), "{nul:?}");
    }

    #[test]
    fn a_body_with_a_length_has_exactly_that_many_bytes() {
        let (body, left) = read(Framing::Length(5), b"helloextra", 3).unwrap();
        assert_eq!((&body[..], &left[..]), (&b"hello"[..], &b"extra"[..]));
        assert!(matches!(read(Framing::Length(5), b"hell", 3), Err(Error::Incomplete(_))));
    }

    fn response(method: Method, status: u16, fields: &[(&'static str, &'static str)]) -> Result<Delimited, Error> {
        Framing::of_response(&method, StatusCode::from_u16(status).unwrap(), &headers(fields))
    }

    #[test]
    fn the_framing_of_a_response_follows_rfc_9112() {
        let of = |method: Method, status: u16, fields: &[(&'static str, &'static str)]| {
            let delimited = response(method, status, fields).unwrap();
            (delimited.framing, delimited.keep)
        };
        assert_eq!(of(Method::GET, 200, &[]), (Framing::UntilClose, false));
        assert_eq!(of(Method::GET, 200, &[("content-length", "7")]), (Framing::Length(7), true));
        assert_eq!(of(Method::GET, 200, &[("content-length", "0")]), (Framing::Done, true));
        for same in ["7, 7", "7,7,7", "7 , 7", "007"] {
            assert_eq!(of(Method::GET, 200, &[("content-length", same)]), (Framing::Length(7), true), "{same}");
        }
        let twice = [("content-length", "7"), ("content-length", "7")];
        assert_eq!(of(Method::GET, 200, &twice), (Framing::Length(7), true));
        let both = [("content-length", "7"), ("transfer-encoding", "Chunked")];
        assert_eq!(of(Method::GET, 200, &both), (Framing::Chunked(Chunk::Size), false));
        // The fields do not matter if a response has no body (6.3, rule 1), and a coding overrides any length (rule 3).
        for fields in [&[("content-length", "7")][..], &[("content-length", "x")], &[("transfer-encoding", "x")]] {
            assert_eq!(of(Method::HEAD, 200, fields), (Framing::Done, true));
            assert_eq!(of(Method::GET, 304, fields), (Framing::Done, true));
            assert_eq!(of(Method::GET, 204, fields), (Framing::Done, false));
        }
        let bad_length = [("content-length", "x"), ("transfer-encoding", "chunked")];
        assert_eq!(of(Method::GET, 200, &bad_length), (Framing::Chunked(Chunk::Size), false));
    }

    #[test]
    fn an_invalid_length_is_an_error() {
        let (digits, tail) = ("9".repeat(99), "7;x");
        for bad in
            ["-1", "+1", "1e3", "", "0x7", "7 7", "7.0", "18446744073709551616", &digits, tail, "7, 8", "7,", "7,x"]
        {
            let bad: &'static str = Box::leak(bad.to_owned().into_boxed_str());
            let result = response(Method::GET, 200, &[("content-length", bad)]);
            assert!(matches!(result, Err(Error::Malformed(_))), "{bad:?}: {result:?}");
        }
        assert!(response(Method::GET, 200, &[("content-length", "7"), ("content-length", "8")]).is_err());
    }

    #[test]
    fn known_transfer_codings_are_accepted_and_unknown_ones_are_errors() {
        let of = |codings: &'static str| response(Method::GET, 200, &[("transfer-encoding", codings)]);
        let chunked = || Framing::Chunked(Chunk::Size);
        for (codings, framing, others, keep) in [
            ("gzip, chunked", chunked(), &[Coding::Gzip][..], true),
            ("deflate,X-GZIP ,, chunked,", chunked(), &[Coding::Deflate, Coding::Gzip], true),
            ("gzip", Framing::UntilClose, &[Coding::Gzip], false),
            ("identity", Framing::UntilClose, &[], false),
            ("identity, chunked", chunked(), &[], true),
            ("chunked, chunked", chunked(), &[], false),
            ("", Framing::UntilClose, &[], false),
        ] {
            let expected = Delimited { framing, keep, codings: others.to_vec() };
            assert_eq!(of(codings).unwrap(), expected, "{codings}");
        }
        let identity = [("transfer-encoding", "identity"), ("content-length", "7")];
        assert_eq!(response(Method::GET, 200, &identity).unwrap().framing, Framing::Length(7));
        for unknown in ["x", "compress, chunked", "gzip;q=1, chunked"] {
            assert!(matches!(of(unknown), Err(Error::UnknownCoding(_))), "{unknown}");
        }
        for not_last in ["chunked, gzip", "chunked, x, chunked"] {
            assert!(matches!(of(not_last), Err(Error::Malformed(_))), "{not_last}");
        }
    }

    #[test]
    fn the_only_transfer_coding_of_a_request_is_chunked() {
        let of = |codings: &[&'static str]| {
            let fields: Vec<_> = codings.iter().map(|coding| ("transfer-encoding", *coding)).collect();
            Framing::of_request(&headers(&fields))
        };
        for codings in [&["chunked"][..], &["CHUNKED"], &["chunked ,"], &[", chunked"], &["", "chunked"]] {
            assert_eq!(of(codings).unwrap(), Framing::Chunked(Chunk::Size), "{codings:?}");
        }
        for codings in [&["gzip, chunked"][..], &["gzip", "chunked"], &["x"], &["identity"], &["chunked, x"]] {
            assert!(matches!(of(codings), Err(Error::UnknownCoding(_))), "{codings:?}");
        }
        for codings in [&["gzip"][..], &[""], &[","], &["chunked, gzip"], &["chunked", "chunked"]] {
            assert!(matches!(of(codings), Err(Error::Malformed(_))), "{codings:?}");
        }
        let both = headers(&[("transfer-encoding", "chunked"), ("content-length", "0")]);
        assert!(matches!(Framing::of_request(&both), Err(Error::Malformed(_))));
    }
}
