//! Replies of a server, to be cut at every byte.
//!
//! Each reply has its outcome when it arrives whole, the number of bytes from which on it is whole, and how its body
//! ends, which decides the outcome of a cut before that.

/// The outcome of a reply that arrives whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The page is saved, with these bytes.
    Saved(&'static [u8]),
    /// It redirects to another page, at this path.
    Leads(&'static str),
    /// It gives no page, and the error contains this text.
    Fails(&'static str),
}

/// A reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// A name, which can be part of a path.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its outcome.
    pub outcome: Outcome,
    /// The outcome is certain once this number of bytes has arrived.
    pub whole: usize,
    /// What marks the end of the body.
    pub end: End,
}

/// What marks the end of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its length or its chunks.
    Framing,
    /// The close of the connection, which cannot be told from a cut.
    Close,
    /// The close of the connection, and the coding of the body.
    CloseAndCoding,
}

/// The body of most replies.
pub const HELLO: &[u8] = b"hello, decoders";
/// The same in gzip.
pub const GZIP: &[u8] =
    b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\x48\xcd\xc9\xc9\xd7\x51\x48\x49\x4d\xce\x4f\x49\x2d\x2a\x06\0\xee\x28\xc7\
    \xc9\x0f\0\0\0";
const ZLIB: &[u8] = b"\x78\x9c\xcb\x48\xcd\xc9\xc9\xd7\x51\x48\x49\x4d\xce\x4f\x49\x2d\x2a\x06\0\x2c\x4c\x05\xaa";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd\x04\x58\x79\0\0hello, decoders\x59\xc8\x77\x37";
const BROTLI: &[u8] = b"\x0b\x07\x80hello, decoders\x03";
/// gzip within gzip.
const TWICE: &[u8] =
    b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\x93\xef\xe6\x60\0\x01\x26\xe6\xd3\x1e\x67\x4f\x9e\xbc\x1e\xe8\xe1\xe9\x7b\
    \xce\xdf\x53\x57\x8b\x8d\xe1\x9d\xc6\xf1\x93\xfc\x40\x29\0\xc8\xd1\xfb\x80\x23\0\0\0";

/// A reply that is whole with its last byte.
fn reply(name: &'static str, head: &str, body: &[u8], outcome: Outcome) -> Reply {
    let bytes = [head.as_bytes(), body].concat();
    Reply { name, whole: bytes.len(), bytes, outcome, end: End::Framing }
}

/// A reply followed by bytes that do not belong to it.
fn followed_by(mut reply: Reply, more: &[u8]) -> Reply {
    reply.bytes.extend(more);
    reply
}

/// A reply whose outcome is certain after its head.
fn head_only(name: &'static str, head: &str, body: &[u8], outcome: Outcome) -> Reply {
    Reply { whole: head.len(), ..reply(name, head, body, outcome) }
}

fn chunked(body: &[u8], size: usize, trailers: &str) -> Vec<u8> {
    let mut chunks = Vec::new();
    for chunk in body.chunks(size) {
        chunks.extend(format!("{:X};n=v\r\n", chunk.len()).into_bytes());
        chunks.extend(chunk);
        chunks.extend(b"\r\n");
    }
    chunks.extend(format!("0\r\n{trailers}\r\n").into_bytes());
    chunks
}

/// All replies.
pub fn replies() -> Vec<Reply> {
    let saved = Outcome::Saved(HELLO);
    let ok = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    let sized = |fields: &str, body: &[u8]| ok(&format!("{fields}Content-Length: {}\r\n", body.len()));
    let until_close = |name, fields: &str| Reply { end: End::Close, ..reply(name, &ok(fields), HELLO, saved) };
    let coded =
        |name, coding: &str, body| reply(name, &sized(&format!("Content-Encoding: {coding}\r\n"), body), body, saved);
    let in_chunks = |name, fields: &str, body, size, trailers| {
        reply(name, &ok(&format!("Transfer-Encoding: {fields}\r\n")), &chunked(body, size, trailers), saved)
    };
    let leads = |name, status: &str, to: &str, body| {
        let head = format!("HTTP/1.1 {status}\r\nLocation: {to}\r\nContent-Length: 5\r\n\r\n");
        head_only(name, &head, body, Outcome::Leads("/good/0"))
    };
    let whole_in_a_part = "HTTP/1.1 206 Part\r\nContent-Range: bytes 0-14/15\r\nContent-Length: 15\r\n\r\n";
    let mended = "\r\nHTTP/1.1  200\nX : y\nno field\n folded\nContent-Length:\n 15\n\n";
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    vec![
        reply("length", &sized("", HELLO), HELLO, saved),
        reply("typed", &sized("Content-Type: text/html\r\nServer: x\r\n", HELLO), HELLO, saved),
        followed_by(reply("longer", &sized("", HELLO), HELLO, saved), b"HTTP/1.1 200 OK\r\n\r\nmore"),
        reply("empty", &sized("", b""), b"", Outcome::Saved(b"")),
        followed_by(reply("no-content", "HTTP/1.1 204 None\r\n\r\n", b"", Outcome::Saved(b"")), b"a body"),
        reply("mended", mended, HELLO, saved),
        reply("early", &format!("{early}{}", sized("", HELLO)), HELLO, saved),
        reply("part", whole_in_a_part, HELLO, saved),
        until_close("until-close", ""),
        until_close("http-1-0", "Connection: close\r\n"),
        in_chunks("chunks", "chunked", HELLO, 4, ""),
        in_chunks("one-chunk", "chunked", HELLO, 99, ""),
        in_chunks("trailers", "chunked", HELLO, 7, "X: y\r\nVery-Long-Name: z\r\n"),
        in_chunks("gzip-transfer", "gzip, chunked", GZIP, 10, ""),
        reply("both", &sized("Transfer-Encoding: chunked\r\n", b"123"), &chunked(HELLO, 6, ""), saved),
        coded("gzip", "gzip", GZIP),
        coded("x-gzip", "X-GZip", GZIP),
        coded("zlib", "deflate", ZLIB),
        coded("bare-deflate", "deflate", &ZLIB[2..ZLIB.len() - 4]),
        coded("zstd", "zstd", ZSTD),
        coded("brotli", "br", BROTLI),
        coded("twice", "gzip, gzip", TWICE),
        reply(
            "gzip-in-chunks",
            &ok("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
            &chunked(GZIP, 9, ""),
            saved,
        ),
        Reply { end: End::CloseAndCoding, ..reply("gzip-until-close", &ok("Content-Encoding: gzip\r\n"), GZIP, saved) },
        leads("moved", "301 Moved", "/good/0", b"12345"),
        leads("found", "302 Found", "../../../good/0", b"12345"),
        leads("raw-location", "307 R\u{fc}ckwärts", "/good/0#\u{e4}", b"12345"),
        head_only("missing", "HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n", b"12345", Outcome::Fails("answered 404")),
        head_only("unasked", "HTTP/1.1 304 Not\r\n\r\n", b"", Outcome::Fails("answered 304")),
        head_only(
            "half",
            "HTTP/1.1 206 Part\r\nContent-Range: bytes 0-4/15\r\nContent-Length: 5\r\n\r\n",
            b"hello",
            Outcome::Fails("incomplete"),
        ),
    ]
}

impl Reply {
    /// Checks the outcome when only the first `cut` bytes arrived: the saved bytes, where it led, or the error.
    ///
    /// # Errors
    /// If the outcome is wrong. The message says how.
    pub fn judge(
        &self,
        cut: usize,
        reset: bool,
        saved: Option<&[u8]>,
        led: Option<&str>,
        error: Option<&str>,
    ) -> Result<(), String> {
        /// The error of a cut contains one of these texts.
        const NAMED: [&str; 4] = [
            "the response is incomplete: it ends",
            "the connection broke: ",
            "without sending a response",
            "Connection reset",
        ];
        let is_right = match self.outcome {
            Outcome::Saved(bytes) => error.is_none() && saved == Some(bytes),
            Outcome::Leads(to) => error.is_none() && led.is_some_and(|led| led.ends_with(to)),
            Outcome::Fails(why) => error.is_some_and(|error| error.contains(why)),
        };
        let is_named = error.is_some_and(|error| NAMED.iter().any(|named| error.contains(named))) && saved.is_none();
        let is_a_prefix = self.end == End::Close && !reset && saved.is_some_and(|saved| HELLO.starts_with(saved));
        let is_fine = match cut >= self.whole {
            // If only the end of the connection marks the end of the body, a reset may overtake it.
            true => is_right || reset && self.end != End::Framing && is_named,
            false => is_named || is_a_prefix,
        };
        match is_fine {
            true => Ok(()),
            false => Err(format!(
                "`{}`, cut at {cut} of {} ({}): saved {:?}, led to {led:?}, error {error:?}",
                self.name,
                self.bytes.len(),
                if reset { "reset" } else { "closed" },
                saved.map(String::from_utf8_lossy),
            )),
        }
    }
}
