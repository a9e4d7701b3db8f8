//! Where a body begins and ends (RFC 9112, sections 6 and 7), without any I/O.

use super::error::Error;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// The longest line with a chunk's size, and the longest trailers, in bytes.
const LINE_LIMIT: usize = 16 * 1024;

/// The registered transfer codings (RFC 9112, 7). Only chunked is supported.
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
    /// After the last chunk, before the trailers.
    Trailers,
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
    /// The framing of a response (RFC 9112, 6.3), and whether the connection may be reused after it.
    pub fn of_response(method: &Method, status: StatusCode, headers: &HeaderMap) -> Result<(Framing, bool), Error> {
        let length = content_length(headers)?;
        let codings = transfer_codings(headers)?;
        let bodiless = status.is_informational() || matches!(status.as_u16(), 204 | 304);
        if method == Method::HEAD {
            return Ok((Framing::Done, true));
        }
        if bodiless {
            // Some servers send a body with a 204 all the same, perhaps late, so the connection is not reused.
            return Ok((Framing::Done, status == StatusCode::NOT_MODIFIED));
        }
        match (codings.as_slice(), length) {
            ([], Some(0)) => Ok((Framing::Done, true)),
            ([], Some(length)) => Ok((Framing::Length(length), true)),
            ([], None) => Ok((Framing::UntilClose, false)),
            // With both a coding and a length, a proxy may have read the length. The connection is not reused.
            ([only], length) if only == "chunked" => Ok((Framing::Chunked(Chunk::Size), length.is_none())),
            (codings, _) => Err(Error::Malformed(format!("unknown transfer coding `{}`", codings.join(", ")))),
        }
    }

    /// The framing of a request (RFC 9112, 6.1 and 6.3). Without a length it has no body.
    pub fn of_request(headers: &HeaderMap) -> Result<Framing, Error> {
        let length = content_length(headers)?;
        if !headers.contains_key(header::TRANSFER_ENCODING) {
            return Ok(length.filter(|length| *length > 0).map_or(Framing::Done, Framing::Length));
        }
        let mut codings = transfer_codings(headers)?;
        codings.retain(|coding| !coding.is_empty()); // RFC 9110, 5.6.1
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
            Framing::Chunked(Chunk::Trailers) => match trailers(input)? {
                None => more(input),
                Some(used) => {
                    *self = Framing::Done;
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
            Framing::Chunked(_) => "before the last chunk".to_owned(),
        };
        Err(Error::Incomplete(where_it_ends))
    }
}

impl Chunk {
    fn step(&mut self, input: &[u8]) -> Result<Step, Error> {
        match self {
            // httparse reads a line without a digit as a size of 0.
            Chunk::Size if !input.iter().take(1).all(u8::is_ascii_hexdigit) => Err(bad_size()),
            // It does not check extensions either. Another implementation may end the line at a line feed there (7.1.1).
            Chunk::Size if has_control(input) => Err(bad_size()),
            Chunk::Size => match httparse::parse_chunk_size(input) {
                Ok(httparse::Status::Complete((used, size))) => {
                    *self = if size == 0 { Chunk::Trailers } else { Chunk::Data(size) };
                    Ok(Step::Skip(used))
                }
                Ok(httparse::Status::Partial) => more(input),
                Err(_) => Err(bad_size()),
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
            Chunk::Trailers => Ok(Step::Done),
        }
    }
}

/// Whether the first line of `input` contains control characters before its CR LF.
fn has_control(input: &[u8]) -> bool {
    let line = input.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\r")).unwrap_or(line);
    line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}

fn bad_size() -> Error {
    Error::Malformed("a chunk without a valid size".into())
}

/// The length of the trailers and the empty line that ends them, if they are complete.
fn trailers(input: &[u8]) -> Result<Option<usize>, Error> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    match httparse::parse_headers(input, &mut fields) {
        Ok(httparse::Status::Complete((used, _))) => Ok(Some(used)),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(Error::Malformed(format!("trailers: {error}"))),
    }
}

fn more(input: &[u8]) -> Result<Step, Error> {
    match input.len() {
        0..LINE_LIMIT => Ok(Step::More),
        _ => Err(Error::Malformed("a chunk's size or trailers that do not end".into())),
    }
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

    /// Feeds `input` in pieces of `size` bytes, and gives the body and what is left behind it.
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
    fn a_chunked_body_is_read_whatever_the_pieces_it_comes_in() {
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
        let endless = [b"5;".as_slice(), &b"x".repeat(100_000)].concat();
        assert!(matches!(read(Framing::Chunked(Chunk::Size), &endless, 1000), Err(Error::Malformed(_))));
    }

    #[test]
    fn a_length_takes_what_was_promised_and_no_more() {
        let (body, left) = read(Framing::Length(5), b"helloextra", 3).unwrap();
        assert_eq!((&body[..], &left[..]), (&b"hello"[..], &b"extra"[..]));
        assert!(matches!(read(Framing::Length(5), b"hell", 3), Err(Error::Incomplete(_))));
    }

    #[test]
    fn the_kind_of_body_follows_rfc_9112() {
        let of = |method: Method, status: u16, fields: &[(&'static str, &'static str)]| {
            Framing::of_response(&method, StatusCode::from_u16(status).unwrap(), &headers(fields))
        };
        assert_eq!(of(Method::GET, 200, &[]).unwrap(), (Framing::UntilClose, false));
        assert_eq!(of(Method::GET, 200, &[("content-length", "7")]).unwrap(), (Framing::Length(7), true));
        assert_eq!(of(Method::GET, 200, &[("content-length", "7, 7")]).unwrap(), (Framing::Length(7), true));
        assert_eq!(of(Method::HEAD, 200, &[("content-length", "7")]).unwrap(), (Framing::Done, true));
        assert_eq!(of(Method::GET, 304, &[("content-length", "7")]).unwrap(), (Framing::Done, true));
        assert_eq!(of(Method::GET, 204, &[]).unwrap(), (Framing::Done, false));
        assert_eq!(of(Method::GET, 204, &[("content-length", "7")]).unwrap(), (Framing::Done, false));
        let both = [("content-length", "7"), ("transfer-encoding", "Chunked")];
        assert_eq!(of(Method::GET, 200, &both).unwrap(), (Framing::Chunked(Chunk::Size), false));
        for bad in ["-1", "+1", "1e3", "", "99999999999999999999", "7, 8"] {
            assert!(of(Method::GET, 200, &[("content-length", bad)]).is_err(), "{bad:?}");
        }
        assert!(of(Method::GET, 200, &[("content-length", "7"), ("content-length", "8")]).is_err());
        assert!(of(Method::GET, 200, &[("transfer-encoding", "gzip, chunked")]).is_err());
    }

    #[test]
    fn of_the_codings_of_a_request_chunked_alone_is_understood() {
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
