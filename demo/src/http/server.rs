//! The server: accepts connections and answers their requests.
//!
//! Used by the built-in site, the file server and services. It reads requests with their bodies, keeps connections
//! alive, and answers malformed requests with the right status. A [`Handler`] gets GET and HEAD requests unless it
//! accepts more methods.
//!
//! An idle connection takes a task and a socket, but no buffer.

use super::answer::{send, write};
use super::buffer::Buffer;
use super::error::Error;
use super::framing::{Framing, Step};
use super::limits::in_time;
use super::request::{self, Head, status_of};
use crate::descriptors;
use bytesize::ByteSize;
use executor::net::{Shutdown, TcpListener, TcpStream};
use executor::sync::{OwnedPermit, Semaphore};
use executor::time::{sleep, timeout};
use http::{Method, StatusCode, header};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use super::answer::{Answer, Body, LocalFuture, PieceByPiece};
pub use super::request::Request;

/// The time a client has to send a request.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time a client may go on sending after the last answer.
const LINGER: Duration = Duration::from_secs(1);
/// Maximum size of a request's head, in bytes.
const HEAD_LIMIT: usize = 32 * 1024;
/// Maximum size of a request's body with its framing, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;
/// The default limit on connections at once. It is lower if there are fewer file descriptors.
pub const CONNECTIONS: u32 = 10_000;
/// File descriptors for each connection: its socket, and a file.
const EACH: u64 = 2;
/// Maximum number of connections above the limit that are being refused. Until one of them ends, no further connection
/// is answered.
const REFUSALS: usize = 64;

/// Answers requests.
pub trait Handler: 'static {
    /// Answers a request. HEAD is answered as GET; the server leaves the body out.
    fn answer(&self, request: Request) -> LocalFuture<'_, Answer>;

    /// Whether it accepts this method.
    fn takes(&self, method: &Method) -> bool {
        method == Method::GET || method == Method::HEAD
    }

    /// The answer to a request that is malformed or has a method that is not accepted. The connection is closed after
    /// it.
    fn refuse(&self, status: StatusCode) -> Answer {
        match status {
            StatusCode::METHOD_NOT_ALLOWED => Answer::plain(status).with("allow", "GET, HEAD"),
            _ => Answer::plain(status),
        }
    }
}

/// Accepts connections, each in a task of its own. There are at most [`CONNECTIONS`] at once, or fewer if there are not
/// enough file descriptors. Returns only if the listener fails for good.
pub async fn serve(listener: TcpListener, handler: Rc<impl Handler>) -> io::Error {
    serve_at_most(CONNECTIONS, listener, handler).await
}

/// As [`serve`], with a limit on connections at once. A connection above it is answered with the status 503 and closed.
pub async fn serve_at_most(connections: u32, listener: TcpListener, handler: Rc<impl Handler>) -> io::Error {
    let count = connections.min(descriptors::enough_for(EACH));
    let permits = Arc::new(Semaphore::new(count as usize));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    loop {
        match listener.accept().await {
            Ok((stream, peer)) if permits.available_permits() > 0 => {
                let permit = permits.acquire_owned().await;
                executor::named("connection").spawn_local(connection(stream, peer, handler.clone(), permit));
            }
            Ok((stream, _)) => {
                let permit = refusals.acquire_owned().await;
                executor::named("refusal").spawn_local(refuse(stream, handler.clone(), permit));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Most likely no file descriptor is left until a connection closes. Retrying at once would spin.
            Err(error) if error.raw_os_error().is_some() => sleep(Duration::from_millis(50)).await,
            Err(error) => return error,
        }
    }
}

/// Serves one connection until either side closes it. Errors affect only that client.
async fn connection(stream: TcpStream, peer: SocketAddr, handler: Rc<impl Handler>, _permit: OwnedPermit) {
    let _ = stream.set_nodelay(true);
    let mut input = Buffer::default();
    // The future of an exchange takes kilobytes. Boxed, it takes them only during an exchange.
    while begins(&mut input, &stream).await && Box::pin(exchange(&mut input, &stream, peer, &*handler)).await {}
}

/// Waits for the first bytes of a request. Returns `false` if none arrive.
async fn begins(input: &mut Buffer, mut stream: &TcpStream) -> bool {
    !input.unread().is_empty() || matches!(timeout(PATIENCE, input.fill(&mut stream)).await, Ok(Ok(1..)))
}

/// Reads one request and answers it. Returns `false` if the connection is to be closed.
async fn exchange(input: &mut Buffer, stream: &TcpStream, peer: SocketAddr, handler: &impl Handler) -> bool {
    let (keep, result) = match read_request(input, stream, handler).await {
        Ok(None) => return false,
        Err(status) => (false, send(stream, handler.refuse(status), false, true).await),
        Ok(Some((mut request, keep))) => {
            request.peer = Some(peer);
            input.release(); // the answer may take long
            let (body_wanted, version) = (request.method != Method::HEAD, request.version);
            let mut answer = handler.answer(request).await;
            if let (0, Body::Chunked(body)) = (version, &mut answer.body) {
                answer.body = Body::UntilClose(std::mem::take(body)); // HTTP/1.0 has no chunks
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

/// Refuses a connection above the limit.
async fn refuse(stream: TcpStream, handler: Rc<impl Handler>, _permit: OwnedPermit) {
    let answer = handler.refuse(StatusCode::SERVICE_UNAVAILABLE).with("retry-after", "1");
    if send(&stream, answer, false, true).await.is_ok() {
        linger(&stream).await;
    }
}

/// Reads until the client closes. Otherwise bytes that it still sends would reset the connection before it has read the
/// answer.
async fn linger(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let _ = in_time(LINGER, "the client's end", drain(stream)).await;
}

async fn drain(stream: &TcpStream) -> Result<(), Error> {
    let mut scratch = vec![0; 4096]; // an array would enlarge the task of each connection
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

/// Reads the next request, and whether the connection may be kept after it. `None` if the client closed.
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
        return Err(too_large()); // known before the body arrives
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

/// Whether the client waits for a `100 Continue` before it sends the body (RFC 9110, 10.1.1).
fn waits_to_continue(request: &Request) -> bool {
    let expects = request.headers.get(header::EXPECT);
    request.version == 1 && expects.is_some_and(|what| what.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}
