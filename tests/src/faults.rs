//! A server that runs a script of the test, which may break the protocol in any way.
//!
//! It has a thread for each connection and uses plain blocking sockets, so that it shares no code with
//! what it tests. It calls the script for each request; the script writes any bytes and returns
//! whether the connection stays open. To stall, a script does not sleep: it waits until the other side
//! closes the connection, or until the test opens a [`Gate`].

use rustix::net::sockopt::set_socket_linger;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What becomes of the connection when a script is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It waits for the next request.
    Next,
    /// It is closed.
    Close,
}

/// A request, and the connection on which it came.
pub struct Visit<'a> {
    /// Path and query, as they were sent.
    pub path: String,
    /// How often this path was requested, including this time.
    pub attempt: usize,
    /// The number of the connection, from 1.
    pub connection: usize,
    /// How many requests came on the connection, including this one.
    pub nth: usize,
    head: String,
    stream: TcpStream,
    server: &'a Shared,
}

impl Visit<'_> {
    /// A field of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// Sends bytes. Returns `false` if the other side has closed the connection.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends the same bytes until the other side closes the connection, and returns how often they were sent.
    pub fn send_for_ever(&mut self, bytes: impl AsRef<[u8]>) -> usize {
        let mut sent = 0;
        while self.send(bytes.as_ref()) {
            sent += 1;
        }
        sent
    }

    /// Answers with a page of HTML.
    pub fn page(&mut self, html: impl AsRef<[u8]>) -> After {
        self.answer("200 OK", "Content-Type: text/html\r\n", html)
    }

    /// Answers with a status, fields, and a body with its length. Each field ends with its end of line.
    pub fn answer(&mut self, status: &str, fields: &str, body: impl AsRef<[u8]>) -> After {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
        self.send([head.as_bytes(), body].concat());
        After::Next
    }

    /// Answers with a page of links.
    pub fn links<S: AsRef<str>>(&mut self, to: impl IntoIterator<Item = S>) -> After {
        let links: String = to.into_iter().map(|to| format!("<a href=\"{}\">x</a>\n", to.as_ref())).collect();
        self.page(links)
    }

    /// Answers with a redirect.
    pub fn redirect(&mut self, to: &str) -> After {
        self.answer("302 Found", &format!("Location: {to}\r\n"), "")
    }

    /// Sends nothing more until the other side closes the connection, or the test is over.
    pub fn stall(&mut self) -> After {
        let mut scratch = [0; 1024];
        while let Ok(1..) = self.stream.read(&mut scratch) {}
        After::Close
    }

    /// Breaks the connection with a reset instead of an end.
    pub fn reset(&mut self) -> After {
        set_socket_linger(&self.stream, Some(Duration::ZERO)).expect("a socket takes the option");
        After::Close
    }

    /// Waits until `path` was requested, on any connection.
    pub fn until_requested(&self, path: &str) {
        let mut log = self.server.lock();
        while !self.server.is_over() && !log.requests.iter().any(|request| request.path == path) {
            log = self.server.changed.wait(log).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Opens a gate.
    pub fn open(&self, gate: &Gate) {
        self.server.open(gate);
    }

    /// Waits for a gate; `false` if the test ended before it was opened.
    pub fn until_open(&self, gate: &Gate) -> bool {
        let mut log = self.server.lock();
        while !self.server.is_over() && !gate.0.load(Ordering::SeqCst) {
            log = self.server.changed.wait(log).unwrap_or_else(PoisonError::into_inner);
        }
        gate.0.load(Ordering::SeqCst)
    }
}

/// Something that a script waits for. Closed at first; a server opens it.
#[derive(Clone, Default)]
pub struct Gate(Arc<AtomicBool>);

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path and query, as they were sent.
    pub path: String,
    /// The number of the connection, from 1.
    pub connection: usize,
}

#[derive(Default)]
struct Log {
    connections: usize,
    requests: Vec<Request>,
    /// The open streams, by the number of the connection. They are shut down at the end.
    streams: HashMap<usize, TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    log: Mutex<Log>,
    /// Notified when a request has come, a gate was opened, or the test is over.
    changed: Condvar,
    over: AtomicBool,
}

impl Shared {
    // A script that panics fails the test, and leaves the log consistent.
    fn lock(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, gate: &Gate) {
        gate.0.store(true, Ordering::SeqCst);
        drop(self.lock()); // a thread that has just checked the gate waits by now, and is woken
        self.changed.notify_all();
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// The server. Dropping it ends all its connections and threads.
pub struct FaultServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl FaultServer {
    /// Serves with this script. The server itself answers `/robots.txt`, with 404, and does not count such requests.
    pub fn start(script: impl Fn(&mut Visit<'_>) -> After + Send + Sync + 'static) -> FaultServer {
        FaultServer::serve(script, false)
    }

    /// Serves with this script, which also answers requests for `/robots.txt`.
    pub fn start_with_robots(script: impl Fn(&mut Visit<'_>) -> After + Send + Sync + 'static) -> FaultServer {
        FaultServer::serve(script, true)
    }

    fn serve(script: impl Fn(&mut Visit<'_>) -> After + Send + Sync + 'static, robots: bool) -> FaultServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::<Shared>::default();
        let (ours, script) = (shared.clone(), Arc::new(script));
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if ours.is_over() {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (shared, script) = (ours.clone(), script.clone());
                let mut log = ours.lock();
                log.connections += 1;
                let number = log.connections;
                log.streams.extend(stream.try_clone().ok().map(|stream| (number, stream)));
                log.threads.push(thread::spawn(move || connection(stream, number, robots, &shared, &*script)));
            }
        });
        FaultServer { address, shared, accepting: Some(accepting) }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// The requests, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// How often a path was requested.
    pub fn hits(&self, path: &str) -> usize {
        self.shared.lock().requests.iter().filter(|request| request.path == path).count()
    }

    /// Waits until `count` requests have come in all.
    #[track_caller]
    pub fn until_requests(&self, count: usize) {
        crate::eventually(&format!("{count} requests"), || self.shared.lock().requests.len() >= count);
    }

    /// Lets all requests that wait for a gate continue.
    pub fn open(&self, gate: &Gate) {
        self.shared.open(gate);
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address)); // wakes the thread that accepts
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let mut log = self.shared.lock();
        for (_, stream) in log.streams.drain() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.shared.changed.notify_all();
        let threads = std::mem::take(&mut log.threads);
        drop(log);
        let panicked = threads.into_iter().filter_map(|thread| thread.join().err()).count();
        assert!(panicked == 0 || thread::panicking(), "{panicked} scripts panicked");
    }
}

fn connection(
    mut stream: TcpStream,
    number: usize,
    robots: bool,
    shared: &Shared,
    script: &dyn Fn(&mut Visit<'_>) -> After,
) {
    let _ = stream.set_nodelay(true);
    let mut nth = 0;
    while let Some(head) = read_head(&mut stream) {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        if path == "/robots.txt" && !robots {
            match stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") {
                Ok(()) => continue,
                Err(_) => break,
            }
        }
        nth += 1;
        let mut log = shared.lock();
        log.requests.push(Request { path: path.clone(), connection: number });
        let attempt = log.requests.iter().filter(|request| request.path == path).count();
        drop(log);
        shared.changed.notify_all();
        let Ok(stream) = stream.try_clone() else { break };
        let mut visit = Visit { path, attempt, connection: number, nth, head, stream, server: shared };
        if script(&mut visit) == After::Close {
            break;
        }
    }
    // The copy that is kept for the end of the test would hold the connection open.
    shared.lock().streams.remove(&number);
}

/// The head of a request; `None` if no more comes.
fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    // A byte at a time: the script reads what follows the head.
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}
