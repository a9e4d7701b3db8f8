//! A client's connection: a request, its response, and further exchanges if both sides agree.

use super::buffer::Buffer;
use super::error::Error;
use super::framing::{Framing, Step};
use super::transport::Transport;
use bytesize::ByteSize;
use executor::time::timeout;
use futures_lite::AsyncWriteExt;
use futures_lite::future::poll_once;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::future::Future;
use std::io;
use std::time::Duration;
use url::{Position, Url};

/// The limits of an exchange.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time for the name look-up and the connection.
    pub connect: Duration,
    /// Time from the request to the end of the response's head.
    pub header: Duration,
    /// Time between two pieces of the body.
    pub idle: Duration,
    /// Bytes of a body.
    pub body: u64,
}

/// The most bytes of a response's head, without informational (1xx) responses before it.
const HEAD_LIMIT: usize = 64 * 1024;
/// The most fields of a response's head.
const FIELDS_LIMIT: usize = 256;
/// The most informational (1xx) responses before the final one.
const INFORMATIONAL_LIMIT: usize = 16;

const USER_AGENT: &str = concat!("demo/", env!("CARGO_PKG_VERSION"));

/// A connection to a server.
pub struct Connection {
    transport: Box<dyn Transport>,
    input: Buffer,
    /// The number of completed exchanges.
    exchanges: usize,
    reusable: bool,
}

/// The head of a response, with access to its body.
pub struct Response<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    connection: &'a mut Connection,
    framing: Framing,
    /// Whether the connection may be reused after the body.
    keep: bool,
    limits: Limits,
    received: u64,
}

impl Connection {
    /// A connection over an open transport.
    pub fn new(transport: Box<dyn Transport>) -> Connection {
        Connection { transport, input: Buffer::default(), exchanges: 0, reusable: true }
    }

    /// Whether an exchange was completed on it before.
    pub fn was_used(&self) -> bool {
        self.exchanges > 0
    }

    /// Whether another request may be sent: the response was read to its end, no bytes followed it, and neither side
    /// wants to close.
    pub fn is_reusable(&self) -> bool {
        self.reusable && self.input.unread().is_empty()
    }

    /// Whether the idle connection is still open and has received nothing. Bytes that arrived would not be the answer to
    /// the next request.
    pub async fn is_quiet(&mut self) -> bool {
        let Connection { input, transport, .. } = self;
        poll_once(input.fill(&mut **transport)).await.is_none()
    }

    /// Sends a request without a body and reads the head of its response.
    pub async fn request(&mut self, method: Method, url: &Url, limits: &Limits) -> Result<Response<'_>, Error> {
        self.reusable = false; // until the response has been read to its end
        let request = request_head(&method, url);
        let exchange = async {
            self.transport.write_all(&request).await.map_err(|error| self.no_reply(error))?;
            self.transport.flush().await?;
            self.read_final_head().await
        };
        let (status, headers, keep_alive) = in_time(limits.header, "waiting for the response's head", exchange).await?;
        let (framing, delimited) = Framing::of_response(&method, status, &headers)?;
        let keep = keep_alive && delimited;
        let mut response =
            Response { status, headers, framing, keep, limits: limits.clone(), received: 0, connection: self };
        if response.framing == Framing::Done {
            response.complete();
        }
        Ok(response)
    }

    /// Skips informational responses.
    async fn read_final_head(&mut self) -> Result<(StatusCode, HeaderMap, bool), Error> {
        for _ in 0..=INFORMATIONAL_LIMIT {
            let head = self.read_head().await?;
            if !head.0.is_informational() || head.0 == StatusCode::SWITCHING_PROTOCOLS {
                return Ok(head);
            }
        }
        Err(Error::TooManyInformational(INFORMATIONAL_LIMIT))
    }

    async fn read_head(&mut self) -> Result<(StatusCode, HeaderMap, bool), Error> {
        loop {
            if let Some((used, head)) = parse_head(self.input.unread())? {
                self.input.consume(used);
                return Ok(head);
            }
            if self.input.unread().len() > HEAD_LIMIT {
                return Err(Error::HeadTooLarge(ByteSize::b(HEAD_LIMIT as u64)));
            }
            match self.input.fill(&mut *self.transport).await {
                Ok(0) if self.input.unread().is_empty() => return Err(Error::NoReply),
                Ok(0) => return Err(Error::Incomplete("inside the head".into())),
                Ok(_) => {}
                Err(error) => return Err(self.no_reply(error)),
            }
        }
    }

    /// The error for a connection that broke. Before the first byte of a response it means that the server closed it, for
    /// example an idle connection just when it was reused.
    fn no_reply(&self, error: io::Error) -> Error {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match error.kind() {
            BrokenPipe | ConnectionAborted | ConnectionReset if self.input.unread().is_empty() => Error::NoReply,
            _ => Error::Io(error),
        }
    }
}

impl Response<'_> {
    /// A field as text, which may contain more than ASCII.
    pub fn field(&self, name: HeaderName) -> Option<&str> {
        std::str::from_utf8(self.headers.get(name)?.as_bytes()).ok()
    }

    /// The next piece of the body; `None` at its end.
    pub async fn piece(&mut self) -> Result<Option<&[u8]>, Error> {
        if matches!(self.framing, Framing::Length(left) if self.received + left > self.limits.body) {
            return Err(Error::TooLarge(ByteSize::b(self.limits.body))); // known before the body arrives
        }
        let count = loop {
            match self.framing.step(self.connection.input.unread())? {
                Step::Data(count) => break count,
                Step::Skip(count) => self.connection.input.consume(count),
                Step::Done => {
                    self.complete();
                    return Ok(None);
                }
                Step::More => self.more().await?,
            }
        };
        self.received += count as u64;
        if self.received > self.limits.body {
            return Err(Error::TooLarge(ByteSize::b(self.limits.body)));
        }
        Ok(Some(self.connection.input.take(count)))
    }

    /// Reads the rest of the body, up to `limit` bytes, so that the connection can be reused. Beyond that, closing it is
    /// cheaper.
    pub async fn discard(&mut self, limit: u64) -> Result<(), Error> {
        while self.received <= limit && self.piece().await?.is_some() {}
        Ok(())
    }

    /// Notes the end of the body.
    fn complete(&mut self) {
        self.connection.exchanges += 1;
        self.connection.reusable = self.keep;
    }

    async fn more(&mut self) -> Result<(), Error> {
        let Connection { input, transport, .. } = &mut *self.connection;
        let read = async { input.fill(&mut **transport).await.map_err(Error::Io) };
        match in_time(self.limits.idle, "waiting for more of the body", read).await? {
            0 => self.framing.end_of_stream(),
            _ => Ok(()),
        }
    }
}

/// Limits the time of an operation. `what` continues "… took longer than".
pub async fn in_time<T>(
    time: Duration,
    what: &'static str,
    operation: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(time, operation).await.unwrap_or(Err(Error::Timeout { what, after: time }))
}

fn request_head(method: &Method, url: &Url) -> Vec<u8> {
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let host = &url[Position::BeforeHost..Position::AfterPort];
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\nAccept: */*\r\n\r\n")
        .into_bytes()
}

type Head = (StatusCode, HeaderMap, bool);

/// Parses the head at the beginning of `input`: its length in bytes, and whether it allows reuse of the connection. `None`
/// if it is incomplete.
fn parse_head(input: &[u8]) -> Result<Option<(usize, Head)>, Error> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_LIMIT];
    let mut response = httparse::Response::new(&mut fields);
    let used = match response.parse(input) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Error::TooManyFields(FIELDS_LIMIT)),
        Err(error) => return Err(Error::Malformed(error.to_string())),
    };
    let (Some(code), Some(version)) = (response.code, response.version) else {
        return Err(Error::Malformed("no status line".into()));
    };
    let status = StatusCode::from_u16(code).map_err(|_| Error::Malformed(format!("the status {code}")))?;
    let headers = header_map(response.headers)?;
    let keep_alive = keep_alive(version, &headers);
    Ok(Some((used, (status, headers, keep_alive))))
}

pub(super) fn header_map(fields: &[httparse::Header<'_>]) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let bad = || Error::Malformed(format!("the field `{}`", field.name));
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| bad())?;
        headers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| bad())?);
    }
    Ok(headers)
}

/// Whether a message keeps the connection open: the default in HTTP/1.1, on request in HTTP/1.0.
pub(super) fn keep_alive(version: u8, headers: &HeaderMap) -> bool {
    let says = |word: &str| {
        let fields = headers.get_all(header::CONNECTION).iter().filter_map(|field| field.to_str().ok());
        fields.flat_map(|field| field.split(',')).any(|option| option.trim().eq_ignore_ascii_case(word))
    };
    match version {
        0 => says("keep-alive") && !says("close"),
        _ => !says("close"),
    }
}
