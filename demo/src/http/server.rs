//! The other side: answers requests on connections that it accepts.
//!
//! For the built-in site, for files and for services. It reads requests with their bodies, keeps
//! connections alive and answers what it can't understand with the status that says so. GET and HEAD
//! is what a [`Handler`] is asked for unless it takes more.
//!
//! A connection that waits for a request takes its task and its socket, and no buffer.

use super::Error;
use super::answer::{send, write};
use super::buffer::Buffer;
use super::connection::in_time;
use super::framing::{Framing, Step};
use super::request::{self, Head, status_of};
use crate::descriptors;
use bytesize::ByteSize;
use executor::net::{Shutdown, TcpListener, TcpStream};
use executor::sync::{OwnedPermit, Semaphore};
use executor::time::{sleep, timeout};
use http::{Method, StatusCode, header};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use super::answer::{Answer, Body, LocalFuture, PieceByPiece};
pub use super::request::Request;

/// A client has so long for a request.
const PATIENCE: Duration = Duration::from_secs(30);
/// So long a client may go on sending after the last answer.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes of a request's head.
const HEAD_LIMIT: usize = 32 * 1024;
/// Bytes of a request's body, with its framing. Commands to a service are small.
pub const BODY_LIMIT: usize = 64 * 1024;
/// Connections at once, unless there are descriptors for fewer.
pub const CONNECTIONS: u32 = 10_000;
/// Descriptors for a connection: its socket, and a file.
const EACH: u64 = 2;
/// Connections above the limit that are told so at once. Further ones wait to be accepted.
const REFUSALS: usize = 64;

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

/// Accepts connections for ever, each in a task of its own, as many at once as there are descriptors for and
/// [`CONNECTIONS`] at most. Ends only when accepting is beyond hope.
pub async fn serve(listener: TcpListener, handler: Rc<impl Handler>) -> io::Error {
    serve_at_most(CONNECTIONS, listener, handler).await
}

/// Like [`serve`], with at most so many connections at once. One more is answered with the status 503 and closed.
pub async fn serve_at_most(connections: u32, listener: TcpListener, handler: Rc<impl Handler>) -> io::Error {
    let count = connections.min(descriptors::enough_for(EACH));
    let places = Arc::new(Semaphore::new(count as usize));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    loop {
        match listener.accept().await {
            Ok((stream, _)) if places.available_permits() > 0 => {
                let place = places.acquire_owned().await;
                executor::named("connection").spawn_local(connection(stream, handler.clone(), place));
            }
            Ok((stream, _)) => {
                let place = refusals.acquire_owned().await;
                executor::named("refusal").spawn_local(refuse(stream, handler.clone(), place));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // No descriptor left, perhaps: others will be closed. Trying at once would only spin.
            Err(error) if error.raw_os_error().is_some() => sleep(Duration::from_millis(50)).await,
            Err(error) => return error,
        }
    }
}

/// One connection, until either side has had enough. What goes wrong here concerns that client alone.
async fn connection(stream: TcpStream, handler: Rc<impl Handler>, _place: OwnedPermit) {
    let _ = stream.set_nodelay(true);
    let mut input = Buffer::default();
    // An exchange takes kilobytes. In a box of its own it takes them only while there is one.
    while begins(&mut input, &stream).await && Box::pin(exchange(&mut input, &stream, &*handler)).await {}
}

/// Waits for the first bytes of a request. `false` if none come.
async fn begins(input: &mut Buffer, mut stream: &TcpStream) -> bool {
    !input.unread().is_empty() || matches!(timeout(PATIENCE, input.fill(&mut stream)).await, Ok(Ok(1..)))
}

/// One request and its answer. `false` if the connection is over then.
async fn exchange(input: &mut Buffer, stream: &TcpStream, handler: &impl Handler) -> bool {
    let (keep, result) = match read_request(input, stream, handler).await {
        Ok(None) => return false,
        Err(status) => (false, send(stream, handler.refuse(status), false, true).await),
        Ok(Some((request, keep))) => {
            input.release(); // an answer may take long
            let (body_wanted, version) = (request.method != Method::HEAD, request.version);
            let mut answer = handler.answer(request).await;
            if let (0, Body::Chunked(body)) = (version, &mut answer.body) {
                answer.body = Body::UntilClose(std::mem::take(body)); // HTTP/1.0 knows no chunks
            }
            let keep = keep && !matches!(answer.body, Body::UntilClose(_));
            (keep, send(stream, answer, keep, body_wanted).await)
        }
    };
    if result.is_ok() && !keep {
        linger(stream).await;
    }
    result.is_ok() && keep
}

/// A connection above the limit.
async fn refuse(stream: TcpStream, handler: Rc<impl Handler>, _place: OwnedPermit) {
    let answer = handler.refuse(StatusCode::SERVICE_UNAVAILABLE).with("retry-after", "1");
    if send(&stream, answer, false, true).await.is_ok() {
        linger(&stream).await;
    }
}

/// Reads to the client's end, so that what it still sends does not reset the connection before it has read our
/// answer.
async fn linger(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let _ = in_time(LINGER, "the client's end", drain(stream)).await;
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
            if let Some((used, head)) = request::parse(input.unread())? {
                input.consume(used);
                if !handler.takes(&head.request.method) {
                    return Ok(Err(StatusCode::METHOD_NOT_ALLOWED));
                }
                return read_body(head, input, stream).await.map(|request| Ok(Some(request)));
            }
            if input.unread().len() > HEAD_LIMIT {
                return Err(Error::HeadTooLarge(ByteSize::b(HEAD_LIMIT as u64)));
            }
            if input.fill(&mut stream).await? == 0 {
                return Ok(Ok(None));
            }
        }
    };
    match in_time(PATIENCE, "a request", reading).await {
        Ok(result) => result,
        Err(error) => status_of(&error).map_or(Ok(None), Err),
    }
}

async fn read_body(head: Head, input: &mut Buffer, mut stream: &TcpStream) -> Result<(Request, bool), Error> {
    let too_large = || Error::TooLarge(ByteSize::b(BODY_LIMIT as u64));
    let Head { mut request, mut framing, keep } = head;
    let (mut body, mut skipped) = (Vec::new(), 0);
    if matches!(framing, Framing::Length(length) if length > BODY_LIMIT as u64) {
        return Err(too_large()); // known before it comes
    }
    if framing != Framing::Done && input.unread().is_empty() && waits_to_continue(&request) {
        write(stream, b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    loop {
        match framing.step(input.unread())? {
            Step::Done => {
                request.body = body;
                return Ok((request, keep));
            }
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
