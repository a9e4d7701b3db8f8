//! Writes the recording while the program runs. So a program that is killed, crashes or calls `exit` leaves a recording
//! too, and a recording can be read before the program ends. Used by `env.rs`.
//!
//! A thread writes the new events. If the destination is a file, the end of each `block_on` waits until the file has
//! all events; and when the runtime is dropped, the whole recording is written once more and replaces the file. A pipe
//! or a terminal receives the recording once, as it grows. The program waits for it only at the end and for a limited
//! time, since it may have no reader.

use super::claim::{claim, replace};
use super::feed::Feed;
use super::recorder::Recorder;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The time between two writes. If the program is killed, the events since the last write are lost.
const PAUSE: Duration = Duration::from_millis(50);
/// The maximum time for which the end of the runtime waits for a reader that does not read.
const PATIENCE: Duration = Duration::from_secs(2);

/// A recording that is being written to a file, a pipe or a terminal.
pub(super) struct Spool {
    shared: Arc<Shared>,
    /// The thread that writes, from the first `block_on` on; `None` if it could not be started.
    writer: OnceLock<Option<Writer>>,
    /// The process that created this: a forked process has no such thread, and does not own the file.
    process: u32,
}

struct Shared {
    recorder: Arc<Recorder>,
    path: PathBuf,
    target: Target,
    /// A failure has been printed.
    has_failed: AtomicBool,
    /// The runtime is being dropped.
    ends: AtomicBool,
}

enum Target {
    /// A file that can be replaced.
    File,
    /// A pipe, terminal or other stream: what was written cannot be replaced. The descriptor is non-blocking.
    Stream(Mutex<File>),
}

/// A request to write all events so far. It is answered when that is done.
type Request = Sender<()>;

/// The thread that writes a recording, and the channel for requests to it.
struct Writer {
    requests: Sender<Request>,
    thread: JoinHandle<()>,
}

impl Spool {
    /// Opens the path before the program runs, so that errors are reported early. From the second runtime of the
    /// process on, the path gets the runtime's number appended. The path is made absolute, so that a change of the
    /// working directory does not affect it.
    pub(super) fn create(recorder: Arc<Recorder>, path: &Path, number: usize) -> io::Result<Spool> {
        let path = resolved(path)?;
        let (path, target) = match stream(&path)? {
            Some(stream) => (path, Target::Stream(Mutex::new(stream))),
            None => (file(&recorder, &path, number)?, Target::File),
        };
        let (has_failed, ends) = Default::default();
        let shared = Arc::new(Shared { recorder, path, target, has_failed, ends });
        Ok(Spool { shared, writer: OnceLock::new(), process: std::process::id() })
    }

    /// Starts the thread when the first `block_on` begins.
    pub(super) fn begin(&self) {
        if self.process == std::process::id() {
            self.writer.get_or_init(|| Writer::start(self.shared.clone()));
        }
    }

    /// Waits, at the end of a `block_on`, until a file has all events so far.
    pub(super) fn catch_up(&self) {
        if self.process != std::process::id() || matches!(self.shared.target, Target::Stream(_)) {
            return;
        }
        if let Some(Some(writer)) = self.writer.get() {
            let _failure_was_reported = writer.catch_up();
        }
    }

    /// Ends the thread when the runtime is dropped, and replaces a file by the whole recording.
    pub(super) fn finish(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        let Some(writer) = self.writer.take() else { return };
        self.shared.ends.store(true, Ordering::Relaxed);
        if let Some(writer) = writer {
            drop(writer.requests);
            let _panicked = writer.thread.join();
        }
        if let Target::File = self.shared.target {
            let whole = |file: &File| self.shared.recorder.trace().write(file);
            let finished = replace(&self.shared.path, whole);
            self.shared.report(finished.map(drop));
        }
    }
}

/// Resolves symbolic links, so that the file that a link leads to is replaced and not the link.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut path = std::path::absolute(path)?;
    if is_of_process(&path) {
        return Ok(path);
    }
    // A link may lead to a file that does not exist yet, which `canonicalize` does not resolve.
    for _ in 0..40 {
        match (path.canonicalize(), path.read_link()) {
            (Ok(known), _) => return Ok(known),
            (Err(_), Ok(to)) => path = path.parent().unwrap_or(Path::new("/")).join(to),
            (Err(_), Err(_)) => break,
        }
    }
    Ok(path)
}

/// Whether the path stands for a descriptor of this process, such as `/dev/stdout`. This may be a file, but must not be
/// replaced.
fn is_of_process(path: &Path) -> bool {
    ["/dev/std", "/dev/fd/", "/proc/self/fd/"].iter().any(|start| path.to_string_lossy().starts_with(start))
}

/// Opens what is at the path if it must be written to and not replaced. Returns `None` for a file, or if nothing is
/// there.
fn stream(path: &Path) -> io::Result<Option<File>> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(None) };
    let kind = metadata.file_type();
    let refused = |what: &str| Err(io::Error::new(ErrorKind::InvalidInput, what.to_owned()));
    if kind.is_dir() {
        return refused("it is a directory");
    } else if kind.is_socket() {
        return refused("it is a socket");
    } else if kind.is_block_device() {
        return refused("it is a block device");
    } else if kind.is_file() && !is_of_process(path) {
        return Ok(None);
    }
    // With NONBLOCK, neither opening nor writing to a pipe waits for a reader.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = OpenOptions::new().append(true).custom_flags(flags.bits() as i32).open(path);
    let file = match opened {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            return refused("it is a pipe, and no program reads from it: start the reader first");
        }
        opened => opened?,
    };
    // Refuses other devices, since writing to a device may have any effect. The three here only discard or refuse data.
    let is = |device: &&str| fs::metadata(device).is_ok_and(|device| device.rdev() == metadata.rdev());
    if kind.is_char_device() && !file.is_terminal() && !["/dev/null", "/dev/zero", "/dev/full"].iter().any(is) {
        return refused("it is a device and not a terminal");
    }
    Ok(Some(file))
}

/// Creates the file for the runtime of this number, which is appended to the path unless it is 1.
fn file(recorder: &Recorder, path: &Path, number: usize) -> io::Result<PathBuf> {
    let head = Feed::begin(recorder)?.lines;
    let first = claim(path, &head)?;
    if number == 1 {
        return Ok(first);
    }
    let mut path = first.into_os_string();
    path.push(format!("-{number}"));
    let path = PathBuf::from(path);
    replace(&path, |mut file| file.write_all(&head))?;
    Ok(path)
}

impl Shared {
    /// Prints the first failure and ignores further ones. It is printed because there is no caller to return it to.
    fn report(&self, written: io::Result<()>) {
        let Err(error) = written else { return };
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            let path = self.path.display();
            eprintln!("executor: EXECUTOR_TRACE={path}: {error}; the recording ends here and the program continues");
        }
    }

    /// Writes new events until the runtime is dropped.
    fn follow(&self, requests: &Receiver<Request>) -> io::Result<()> {
        if let Target::Stream(file) = &self.target {
            return self.stream(&file.lock().unwrap_or_else(PoisonError::into_inner), requests);
        }
        let mut request = None;
        loop {
            let (file, (feed, events)) = replace(&self.path, |file| self.begin(file))?;
            if !self.append(&file, feed, events, requests, &mut request)? {
                return Ok(());
            }
        }
    }

    /// Writes the events so far to a new file, and returns their number.
    fn begin(&self, mut file: &File) -> io::Result<(Feed, usize)> {
        let (mut feed, mut events, limit) = (Feed::begin(&self.recorder)?, 0, self.recorder.limit());
        loop {
            let added = feed.add(&self.recorder, false)?;
            file.write_all(&feed.lines)?;
            feed.lines.clear();
            events += added.events;
            // The limit ends this loop if the program records faster than this writes.
            if added.is_all || events >= limit {
                return Ok((feed, events));
            }
        }
    }

    /// Appends new events to a file, and answers `request` when all events so far are written. Returns `false` when the
    /// runtime is dropped; and `true` when the file must be replaced, because it has twice the events that the recorder
    /// keeps or its head is no longer right.
    fn append(
        &self,
        mut file: &File,
        mut feed: Feed,
        mut events: usize,
        requests: &Receiver<Request>,
        request: &mut Option<Request>,
    ) -> io::Result<bool> {
        let enough = events.max(self.recorder.limit()).saturating_add(self.recorder.limit());
        while events <= enough && feed.has_right_head(&self.recorder) {
            let added = feed.add(&self.recorder, false)?;
            events += added.events;
            let before = file.stream_position()?;
            if let Err(error) = file.write_all(&feed.lines) {
                // Removes a line that was written in part.
                let _is_cut = file.set_len(before).and_then(|()| file.seek(SeekFrom::Start(before)));
                return Err(error);
            }
            feed.lines.clear();
            if added.is_all {
                if let Some(done) = request.take() {
                    let _may_be_gone = done.send(());
                }
                *request = match requests.recv_timeout(PAUSE) {
                    Err(RecvTimeoutError::Disconnected) => return Ok(false),
                    received => received.ok(),
                };
            }
        }
        Ok(true)
    }

    /// Writes new events to a stream, until the runtime is dropped and all events are written.
    fn stream(&self, file: &File, requests: &Receiver<Request>) -> io::Result<()> {
        let mut feed = Feed::begin(&self.recorder)?;
        loop {
            let ends = self.ends.load(Ordering::Relaxed);
            let added = feed.add(&self.recorder, false)?;
            self.write(file, &feed.lines)?;
            feed.lines.clear();
            match added.is_all {
                true if ends => return Ok(()),
                true => drop(requests.recv_timeout(PAUSE)),
                false => {}
            }
        }
    }

    /// Writes all bytes to a stream, and waits while it is full. Once the runtime is being dropped, waits up to
    /// `PATIENCE`.
    fn write(&self, mut file: &File, mut bytes: &[u8]) -> io::Result<()> {
        let mut waits_since = None;
        while !bytes.is_empty() {
            match file.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    bytes = &bytes[taken..];
                    waits_since = None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let ends = self.ends.load(Ordering::Relaxed);
                    let since = *waits_since.get_or_insert_with(Instant::now);
                    if ends && since.elapsed() >= PATIENCE {
                        return Err(io::Error::new(ErrorKind::TimedOut, "its reader has stopped reading"));
                    }
                    let pause = Timespec { tv_sec: 0, tv_nsec: PAUSE.subsec_nanos().into() };
                    let _interrupted = poll(&mut [PollFd::new(file, PollFlags::OUT)], Some(&pause));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Writer {
    fn start(shared: Arc<Shared>) -> Option<Writer> {
        let (requests, received) = channel();
        let follow = move || shared.report(shared.follow(&received));
        // If no thread can be started, the file is written when the runtime is dropped.
        let thread = thread::Builder::new().name("executor-trace".into()).spawn(follow).ok()?;
        Some(Writer { requests, thread })
    }

    /// Waits until the file has all events so far. Returns `false` if the thread has failed.
    fn catch_up(&self) -> bool {
        let (done, is_done) = channel();
        self.requests.send(done).is_ok() && is_done.recv().is_ok()
    }
}
