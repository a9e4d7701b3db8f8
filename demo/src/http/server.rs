//! The other side: answers requests on connections that it accepts.
//!
//! For the built-in site, for files and for services. It reads requests with their bodies, keeps
//! connections alive and answers what it can't understand with the status that says so. GET and HEAD
//! is what a [`Handler`] is asked for unless it takes more.

use super::buffer::Buffer;
use super::connection::{header_map, in_time, keep_alive};
use super::framing::{Framing, Step};
use super::{Error, Transport};
use executor::net::{TcpListener, TcpStream};
use executor::time::sleep;
use futures_lite::AsyncWriteExt;
use http::{HeaderMap, Method, StatusCode, header};
use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;
use url::{Position, Url};

/// A client has so long for a request, and to take in a piece of the response.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD_LIMIT: usize = 32 * 1024;
const FIELDS_LIMIT: usize = 100;
/// Bytes of a request's body, with its framing. Commands to a service are small.
pub const BODY_LIMIT: usize = 64 * 1024;

/// A request that was understood.
#[derive(Debug)]
pub struct Request {
    /// One that the handler takes.
    pub method: Method,
    /// The path and query as they were sent.
    pub target: String,
    /// The minor version: 1 for HTTP/1.1.
    pub version: u8,
    /// The fields.
    pub headers: HeaderMap,
    /// The body. Most requests have none.
    pub body: Vec<u8>,
}

/// What to answer.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Fields beside those that delimit the body.
    pub fields: Vec<(&'static str, String)>,
    /// The body; its length or chunks are the server's business.
    pub body: Body,
}

/// The body of an answer.
pub enum Body {
    /// All of it, sent with its length.
    Whole(Vec<u8>),
    /// All of it, sent in chunks.
    Chunked(Vec<u8>),
    /// All of it, ended by closing the connection.
    UntilClose(Vec<u8>),
    /// So many bytes of a file or the like, sent while they are read.
    Stream(u64, Box<dyn PieceByPiece + Send>),
}

/// A boxed future for one thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A source of bytes.
pub trait PieceByPiece {
    /// The next piece; an empty one at the end.
    fn next(&mut self) -> LocalFuture<'_, io::Result<Vec<u8>>>;
}

/// Answers requests.
pub trait Handler: 'static {
    /// The answer to a request. For HEAD, which is to be answered as GET, the server leaves the body out.
    fn answer(&self, request: Request) -> LocalFuture<'_, Answer>;

    /// Whether it wants to be asked with this method.
    fn takes(&self, method: &Method) -> bool {
        method == Method::GET || method == Method::HEAD
    }

    /// The answer to what it is not asked, as it can't be understood or has a method that it doesn't
    /// take. The connection is closed after it.
    fn refuse(&self, status: StatusCode) -> Answer {
        match status {
            StatusCode::METHOD_NOT_ALLOWED => Answer::plain(status).with("allow", "GET, HEAD"),
            _ => Answer::plain(status),
        }
    }
}

impl Answer {
    /// A page of a type.
    pub fn new(status: StatusCode, content_type: &str, body: Body) -> Answer {
        Answer { status, fields: vec![("content-type", content_type.to_owned())], body }
    }

    /// A line that says what the status means.
    pub fn plain(status: StatusCode) -> Answer {
        Answer::new(status, "text/plain; charset=utf-8", Body::Whole(format!("{status}\n").into_bytes()))
    }

    /// With another field.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.fields.push((name, value.into()));
        self
    }
}

/// Accepts connections for ever, each in a task of its own. Ends only when accepting is beyond hope.
pub async fn serve(listener: TcpListener, handler: Rc<impl Handler>) -> io::Error {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                executor::named("connection").spawn_local(connection(stream, handler.clone()));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // No descriptor left, perhaps: others will be closed. Trying at once would only spin.
            Err(error) if error.raw_os_error().is_some() => sleep(Duration::from_millis(50)).await,
            Err(error) => return error,
        }
    }
}

/// One connection, until either side has had enough. What goes wrong here concerns that client alone.
async fn connection(stream: TcpStream, handler: Rc<impl Handler>) {
    let _ = stream.set_nodelay(true);
    let (mut input, mut output) = (Buffer::default(), &stream);
    loop {
        let (keep, result) = match read_request(&mut input, &stream, &*handler).await {
            Ok(None) => return,
            Err(status) => (false, send(&mut output, handler.refuse(status), false, true).await),
            Ok(Some((request, keep))) => {
                let (body_wanted, version) = (request.method != Method::HEAD, request.version);
                let mut answer = handler.answer(request).await;
                if let (0, Body::Chunked(body)) = (version, &mut answer.body) {
                    answer.body = Body::UntilClose(std::mem::take(body)); // HTTP/1.0 knows no chunks
                }
                let keep = keep && !matches!(answer.body, Body::UntilClose(_));
                (keep, send(&mut output, answer, keep, body_wanted).await)
            }
        };
        if result.is_err() {
            return;
        }
        if !keep {
            // Reading to the client's end, so that what it still sends does not reset the connection
            // before it has read our answer.
            let _ = output.close().await;
            let _ = in_time(Duration::from_secs(1), "the client's end", drain(&stream)).await;
            return;
        }
    }
}

async fn drain(stream: &TcpStream) -> Result<(), Error> {
    let mut scratch = vec![0; 4096]; // not in the task of each connection
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

/// The next request and whether the connection may be kept after it; `None` if the client is done.
async fn read_request(
    input: &mut Buffer,
    mut stream: &TcpStream,
    handler: &impl Handler,
) -> Result<Option<(Request, bool)>, StatusCode> {
    let reading = async {
        loop {
            if let Some((used, mut request, keep)) = parse_request(input.unread())? {
                input.consume(used);
                request.body = read_body(&request, input, stream).await?;
                return Ok(Ok(Some((request, keep))));
            }
            if input.unread().len() > HEAD_LIMIT {
                return Ok(Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
            }
            if input.fill(&mut stream).await? == 0 {
                return Ok(Ok(None));
            }
        }
    };
    match in_time(PATIENCE, "a request", reading).await {
        Ok(result) => result.and_then(|request| check(request, handler)),
        Err(Error::TooManyFields(_)) => Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Err(Error::TooLarge(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(Error::Malformed(_)) => Err(StatusCode::BAD_REQUEST),
        Err(_) => Ok(None), // too slow, or gone
    }
}

fn check(request: Option<(Request, bool)>, handler: &impl Handler) -> Result<Option<(Request, bool)>, StatusCode> {
    match &request {
        Some((Request { method, .. }, _)) if !handler.takes(method) => Err(StatusCode::METHOD_NOT_ALLOWED),
        Some((Request { target, .. }, _)) if !target.starts_with('/') => Err(StatusCode::BAD_REQUEST),
        Some((Request { version: 1, headers, .. }, _)) if !headers.contains_key(header::HOST) => {
            Err(StatusCode::BAD_REQUEST)
        }
        _ => Ok(request),
    }
}

fn parse_request(input: &[u8]) -> Result<Option<(usize, Request, bool)>, Error> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_LIMIT];
    let mut request = httparse::Request::new(&mut fields);
    let used = match request.parse(input) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Error::TooManyFields(FIELDS_LIMIT)),
        Err(error) => return Err(Error::Malformed(error.to_string())),
    };
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Error::Malformed("no request line".into()));
    };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Error::Malformed("the method".into()))?;
    let headers = header_map(request.headers)?;
    let keep = keep_alive(version, &headers);
    // A proxy's client sends the whole URL, and RFC 9112 has every server understand that.
    let target = match Url::parse(target) {
        Ok(url) if url.scheme() == "http" => url[Position::BeforePath..Position::AfterQuery].to_owned(),
        _ => target.to_owned(),
    };
    Ok(Some((used, Request { method, target, version, headers, body: Vec::new() }, keep)))
}

async fn read_body(request: &Request, input: &mut Buffer, mut stream: &TcpStream) -> Result<Vec<u8>, Error> {
    let too_large = || Error::TooLarge(bytesize::ByteSize::b(BODY_LIMIT as u64));
    let (mut framing, mut body, mut skipped) = (Framing::of_request(&request.headers)?, Vec::new(), 0);
    if matches!(framing, Framing::Length(length) if length > BODY_LIMIT as u64) {
        return Err(too_large()); // known before it comes
    }
    if framing != Framing::Done && input.unread().is_empty() && waits_to_continue(request) {
        write(&mut stream, b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    loop {
        match framing.step(input.unread())? {
            Step::Done => return Ok(body),
            Step::Data(count) => body.extend(input.take(count)),
            Step::Skip(count) => {
                skipped += count;
                input.consume(count);
            }
            Step::More => {
                if input.fill(&mut stream).await? == 0 {
                    framing.end_of_stream()?;
                }
            }
        }
        if body.len() + skipped > BODY_LIMIT {
            return Err(too_large());
        }
    }
}

/// Whether the client sends the body only when it is told that it is wanted (RFC 9110, 10.1.1).
fn waits_to_continue(request: &Request) -> bool {
    let expects = request.headers.get(header::EXPECT);
    request.version == 1 && expects.is_some_and(|what| what.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

async fn send(to: &mut impl Transport, answer: Answer, keep: bool, body_wanted: bool) -> Result<(), Error> {
    let mut message = head(&answer, keep).into_bytes();
    match answer.body {
        _ if !body_wanted => write(to, &message).await,
        Body::Whole(body) | Body::UntilClose(body) => {
            message.extend(body);
            write(to, &message).await
        }
        Body::Chunked(body) => {
            for chunk in body.chunks(8 * 1024) {
                message.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
                message.extend(chunk);
                message.extend(b"\r\n");
            }
            message.extend(b"0\r\n\r\n");
            write(to, &message).await
        }
        Body::Stream(mut left, mut pieces) => {
            write(to, &message).await?;
            while left > 0 {
                let piece = pieces.next().await?;
                let count = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                if count == 0 {
                    // It shrank meanwhile. Only an early end tells the client that some is missing.
                    return Err(Error::Incomplete("before the length that was promised".into()));
                }
                write(to, &piece[..count]).await?;
                left -= count as u64;
            }
            Ok(())
        }
    }
}

/// Writes all of it; the client has to take in some from time to time.
async fn write(to: &mut impl Transport, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        let writing = async { to.write(bytes).await.map_err(Error::Io) };
        match in_time(PATIENCE, "the client to read", writing).await? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            count => bytes = &bytes[count..],
        }
    }
    Ok(())
}

fn head(answer: &Answer, keep: bool) -> String {
    let status = answer.status;
    let mut head = format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or("-"));
    for (name, value) in &answer.fields {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let length = match &answer.body {
        Body::Whole(body) => Some(body.len() as u64),
        Body::Stream(length, _) => Some(*length),
        Body::Chunked(_) | Body::UntilClose(_) => None,
    };
    let _ = match (&answer.body, length) {
        (_, Some(length)) => write!(head, "content-length: {length}\r\n"),
        (Body::Chunked(_), None) => write!(head, "transfer-encoding: chunked\r\n"),
        _ => Ok(()),
    };
    head.push_str(if keep { "connection: keep-alive\r\n\r\n" } else { "connection: close\r\n\r\n" });
    head
}
