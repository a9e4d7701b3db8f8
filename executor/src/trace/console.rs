//! The console: sends the recording, as it grows, to the clients of a Unix socket, such as `demo top --connect`. Used
//! by `env.rs`.
//!
//! A client receives the same lines as the recording's file, from the oldest event on. The recorder holds the events
//! that are not sent yet, once for all clients; a client's buffer holds only the lines that are being sent. One thread
//! serves all clients. It belongs to no runtime, so it also works while the runtime hangs.

use super::feed::Feed;
use super::file::write_refused;
use super::recorder::Recorder;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// The minimum time between two rounds of sending, which limits how often clients are updated.
const PAUSE: Duration = Duration::from_millis(20);
/// The maximum number of clients.
const CLIENTS: usize = 16;
/// When there are too many clients, a new one replaces a client that has read nothing for this time.
const STALLED: Duration = Duration::from_secs(1);

/// A socket that sends a recording, until this is dropped.
pub(super) struct Console {
    path: PathBuf,
    recorder: Arc<Recorder>,
    /// The process that opened the socket: a forked process does not have the thread that serves it.
    process: u32,
}

impl Console {
    /// Opens the socket. Replaces a socket on which no program listens any more.
    pub(super) fn open(path: PathBuf, recorder: Arc<Recorder>) -> io::Result<Console> {
        let listener = match UnixListener::bind(&path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_abandoned(&path) => {
                std::fs::remove_file(&path)?;
                UnixListener::bind(&path)?
            }
            bound => bound?,
        };
        listener.set_nonblocking(true)?;
        let (bell, rings) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rings.set_nonblocking(true)?;
        recorder.set_bell(rings);
        let server = Server { listener, bell, recorder: recorder.clone(), clients: Vec::new(), is_full: false };
        thread::Builder::new().name("executor-console".into()).spawn(move || server.serve())?;
        Ok(Console { path, recorder, process: std::process::id() })
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            self.recorder.close();
            let _is_gone = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether there is a socket at the path on which no program listens.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// The state of the thread that serves the clients.
struct Server {
    listener: UnixListener,
    /// Readable at an awaited event and when the recording is closed.
    bell: UnixStream,
    recorder: Arc<Recorder>,
    clients: Vec<Client>,
    /// The process has no file descriptor for another client. The listener is not polled for the length of `PAUSE`.
    is_full: bool,
}

/// A connected client.
struct Client {
    stream: UnixStream,
    feed: Feed,
    /// The number of bytes of the feed's lines that have been sent.
    sent: usize,
    /// When it last accepted bytes, or had received everything.
    took: Instant,
    /// It has received everything.
    has_all: bool,
}

impl Server {
    fn serve(mut self) {
        loop {
            let is_closed = self.recorder.is_closed();
            self.accept();
            let mut has_sent = false;
            let recorder = &self.recorder;
            self.clients.retain_mut(|client| match client.send(recorder) {
                Ok(sent) => {
                    has_sent |= sent > 0;
                    true
                }
                Err(_) => false, // it has disconnected
            });
            if is_closed {
                return;
            }
            self.wait(has_sent);
        }
    }

    fn accept(&mut self) {
        self.is_full = false;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.add(stream),
                Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {}
                Err(error) => {
                    // Most likely there is no file descriptor left. The client keeps waiting.
                    self.is_full = error.kind() != ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }

    fn add(&mut self, stream: UnixStream) {
        if self.clients.len() >= CLIENTS {
            let slowest =
                (0..CLIENTS).filter(|of| self.clients[*of].is_stalled()).min_by_key(|of| self.clients[*of].took);
            match slowest {
                Some(slowest) => drop(self.clients.swap_remove(slowest)),
                None => {
                    let why = format!("it already serves the maximum of {CLIENTS} clients");
                    let _gone = stream.set_nonblocking(true).and_then(|()| write_refused(&mut &stream, why));
                    return;
                }
            }
        }
        // Clients only read. After this shutdown, the system rejects what they write.
        let set_up = stream.set_nonblocking(true).and_then(|()| stream.shutdown(Shutdown::Read));
        if let (Ok(()), Ok(feed)) = (set_up, Feed::begin(&self.recorder)) {
            self.clients.push(Client { stream, feed, sent: 0, took: Instant::now(), has_all: false });
        }
    }

    /// Waits until a client connects, disconnects or accepts more, or there are new events for a client that has
    /// everything.
    fn wait(&mut self, has_sent: bool) {
        // After sending, pauses without awaiting an event. Events that come meanwhile are sent together, and the
        // program's threads do not wake this thread for each of them.
        let pause = if has_sent || self.is_full { Some(PAUSE) } else { None };
        let waits_for_more = || self.clients.iter().filter(|client| client.has_all);
        if pause.is_none() && !waits_for_more().all(|client| client.feed.await_more(&self.recorder)) {
            return;
        }
        let listens = if self.is_full { PollFlags::empty() } else { PollFlags::IN };
        let mut polled = vec![PollFd::new(&self.listener, listens), PollFd::new(&self.bell, PollFlags::IN)];
        polled.extend(self.clients.iter().map(|client| {
            let takes = if client.has_all { PollFlags::empty() } else { PollFlags::OUT };
            PollFd::new(&client.stream, takes)
        }));
        let timeout = pause.map(|pause| Timespec { tv_sec: 0, tv_nsec: pause.subsec_nanos().into() });
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            // `poll` fails if the limit of file descriptors is below the number of entries.
            Err(_) => thread::sleep(PAUSE),
        }
        let gone = |polled: &PollFd<'_>| polled.revents().intersects(PollFlags::HUP | PollFlags::ERR);
        let mut gone = polled.split_off(2).iter().map(gone).collect::<Vec<_>>().into_iter();
        drop(polled);
        self.clients.retain(|_| !gone.next().unwrap_or(false));
        while (&self.bell).read(&mut [0; 64]).is_ok_and(|read| read > 0) {}
    }
}

impl Client {
    /// Sends what is available and the client accepts, up to a limit that leaves time for the other clients. Returns
    /// the number of bytes sent.
    fn send(&mut self, recorder: &Recorder) -> io::Result<usize> {
        const AT_ONCE: usize = 1 << 20;
        let mut all = 0;
        self.has_all = false;
        while all < AT_ONCE {
            if self.sent == self.feed.lines.len() {
                self.feed.lines.clear();
                self.feed.lines.shrink_to(1 << 18);
                self.sent = 0;
                self.took = Instant::now();
                self.has_all = self.feed.add(recorder, true)?.is_all && self.feed.lines.is_empty();
                if self.has_all {
                    break;
                }
            }
            match (&self.stream).write(&self.feed.lines[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(took) => {
                    self.sent += took;
                    self.took = Instant::now();
                    all += took;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn is_stalled(&self) -> bool {
        !self.has_all && self.took.elapsed() >= STALLED
    }
}
