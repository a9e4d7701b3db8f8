//! The recording as it grows, for the clients of a Unix socket such as `demo top --connect`.
//!
//! A client is sent the lines of the recording's file, from the oldest that there is. What was not sent yet is in the
//! recorder, once for all clients; each has only the few lines that are on their way to it. One thread serves all of
//! them. It belongs to no runtime: it also works while that hangs, which is when one wants to look.

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

/// No client sees more than so many pictures a second.
const PAUSE: Duration = Duration::from_millis(20);
/// So many clients are served at once.
const CLIENTS: usize = 16;
/// A client that has read nothing for so long makes room for a new one where there are too many.
const STALLED: Duration = Duration::from_secs(1);

/// A socket that shows a recording; while it lives.
pub(super) struct Console {
    path: PathBuf,
    recorder: Arc<Recorder>,
    /// Of the process that opened it: one that was forked has no thread that serves.
    process: u32,
}

impl Console {
    /// Opens the socket, in place of one that no program listens at any more.
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
            let _gone_already = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether it is a socket, and none that a program listens at.
fn is_abandoned(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    is_socket && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// What the thread has.
struct Server {
    listener: UnixListener,
    /// There is a byte in it when more was recorded, or the recording is closed.
    bell: UnixStream,
    recorder: Arc<Recorder>,
    clients: Vec<Client>,
    /// The system has no file descriptor for another client: the listener is not looked at for a moment.
    is_full: bool,
}

/// A connection.
struct Client {
    stream: UnixStream,
    feed: Feed,
    /// So many bytes of the feed's lines have been sent.
    sent: usize,
    /// When it last took some, or had all.
    took: Instant,
    /// All that there was has been sent.
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
                Err(_) => false, // it has gone
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
                    // Out of file descriptors, most likely: the client goes on waiting.
                    self.is_full = error.kind() != ErrorKind::WouldBlock;
                    return;
                }
            }
        }
    }

    fn add(&mut self, stream: UnixStream) {
        if self.clients.len() >= CLIENTS {
            let laziest =
                (0..CLIENTS).filter(|of| self.clients[*of].is_stalled()).min_by_key(|of| self.clients[*of].took);
            match laziest {
                Some(laziest) => drop(self.clients.swap_remove(laziest)),
                None => {
                    let why = format!("it serves {CLIENTS} clients already, and no more at once");
                    let _gone = stream.set_nonblocking(true).and_then(|()| write_refused(&mut &stream, why));
                    return;
                }
            }
        }
        // A client has nothing to say: what it writes is refused by the system.
        let set_up = stream.set_nonblocking(true).and_then(|()| stream.shutdown(Shutdown::Read));
        if let (Ok(()), Ok(feed)) = (set_up, Feed::begin(&self.recorder)) {
            self.clients.push(Client { stream, feed, sent: 0, took: Instant::now(), has_all: false });
        }
    }

    /// Waits until a client comes, goes, or takes more, or there is more for one that has all.
    fn wait(&mut self, has_sent: bool) {
        // What comes meanwhile is sent in one go, and the program is not held up to wake this thread for each event.
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
            // The program may have no descriptors, which poll takes for a mistake.
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
    /// Sends what there is, as far as the client takes it and others have their turn. Says how many bytes it took.
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
