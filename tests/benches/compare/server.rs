//! The server of the GET rows: one thread, one level-triggered epoll, no runtime. It costs less than any
//! client, so that the rows measure the client.

use crate::harness::thread_cpu;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::net::{SocketFlags, accept_with};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What a client sends. The server only looks for the empty line at the end of it.
pub(crate) const REQUEST: &[u8] =
    b"GET /index.html HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: compare\r\naccept: */*\r\n\r\n";

/// What a client receives, about 200 bytes. It says `connection: close` even if the server keeps the
/// connection open, because no client here reads that field.
pub(crate) const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nserver: compare\r\ncontent-type: text/plain\r\n\
content-length: 100\r\nconnection: close\r\n\r\n\
0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

const LISTENER: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;
/// The number of connections to accept before the open ones are served.
const ACCEPTS: usize = 16;

/// A server that runs until it is stopped.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Arc<OwnedFd>,
    thread: JoinHandle<io::Result<(usize, Duration)>>,
}

impl Server {
    /// On a port that the system chooses. `short`: it closes each connection after the first answer.
    pub(crate) fn start(short: bool) -> io::Result<Server> {
        let listener = TcpListener::bind("127.0.0.1:0")?; // std sets SO_REUSEADDR and a long backlog
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let mut serving = Serving {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            listener,
            short,
            connections: Vec::new(),
            served: 0,
        };
        serving.watch(LISTENER, &serving.listener)?;
        serving.watch(STOP, &stop)?;
        // The thread keeps the eventfd open as long as its epoll has it.
        let kept = stop.clone();
        let thread = thread::spawn(move || {
            serving.run()?;
            drop(kept);
            Ok((serving.served, thread_cpu()))
        });
        Ok(Server { address, stop, thread })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops the server. Returns how many requests it has answered, and the processor time that this took.
    pub(crate) fn stop(self) -> (usize, Duration) {
        rustix::io::write(&self.stop, &1u64.to_ne_bytes()).expect("the server's eventfd");
        self.thread.join().expect("the server panicked").expect("the server failed")
    }
}

struct Serving {
    epoll: OwnedFd,
    listener: TcpListener,
    short: bool,
    /// The connections, by the number of their descriptor.
    connections: Vec<Option<Connection>>,
    served: usize,
}

impl Serving {
    fn watch(&self, token: u64, fd: impl rustix::fd::AsFd) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?)
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(256);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                match event.data.u64() {
                    STOP => return Ok(()),
                    LISTENER => self.accept()?,
                    token => self.serve(token as usize),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        for _ in 0..ACCEPTS {
            let stream = match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => TcpStream::from(socket),
                Err(error) if io::Error::from(error).kind() == ErrorKind::WouldBlock => break,
                Err(rustix::io::Errno::CONNABORTED | rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if !self.short {
                stream.set_nodelay(true)?;
            }
            let place = stream.as_raw_fd() as usize;
            self.watch(place as u64, &stream)?;
            if self.connections.len() <= place {
                self.connections.resize_with(place + 1, || None);
            }
            self.connections[place] = Some(Connection { stream, line_ends: 0 });
        }
        Ok(())
    }

    /// Reads what has arrived on a ready connection, and answers the requests that are complete.
    fn serve(&mut self, place: usize) {
        let Some(connection) = &mut self.connections[place] else { return };
        let open = match connection.answer() {
            Ok(None) => false,
            Ok(Some(answered)) => {
                self.served += answered;
                !(self.short && answered > 0)
            }
            // A reset is no failure of the server: the client's own count shows what is missing.
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        if !open {
            self.connections[place] = None; // closes its only descriptor, which removes it from the epoll, too
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// How many bytes of "\r\n\r\n" are at the end of what was read.
    line_ends: usize,
}

impl Connection {
    /// Returns how many requests it answered; `None` at the end of the stream.
    fn answer(&mut self) -> io::Result<Option<usize>> {
        let mut buf = [0; 1024];
        let n = self.stream.read(&mut buf)?;
        if n == 0 {
            return Ok(None);
        }
        let requests = self.count_ends(&buf[..n]);
        for _ in 0..requests {
            // A client reads each answer before it asks again, so there always is room for one.
            self.stream.write_all(RESPONSE).map_err(|_| ErrorKind::BrokenPipe)?;
        }
        Ok(Some(requests))
    }

    /// How many requests end in these bytes.
    fn count_ends(&mut self, bytes: &[u8]) -> usize {
        if self.line_ends == 0 && bytes == REQUEST {
            return 1; // almost always
        }
        let mut ends = 0;
        for byte in bytes {
            self.line_ends = match (byte, self.line_ends) {
                (b'\r', 0 | 2) | (b'\n', 1 | 3) => self.line_ends + 1,
                (b'\r', _) => 1,
                _ => 0,
            };
            if self.line_ends == 4 {
                (self.line_ends, ends) = (0, ends + 1);
            }
        }
        ends
    }
}
