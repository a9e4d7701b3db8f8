//! Where the recording goes while the program runs: so that there is one also of a program that is killed, crashes or
//! calls `exit`, and one can look into it before its end.
//!
//! A thread writes down what has come. A file is waited for when a `block_on` ends; and when the runtime goes, the whole
//! recording takes its place, written as it is known then. A pipe or a terminal gets all of it once, as it comes, and is
//! never waited for longer than a moment: its reader may be gone, or may have never been there. Used by `env.rs`.

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

/// So much of what happened last is lost if the program is killed.
const PAUSE: Duration = Duration::from_millis(50);
/// The end of the program waits no longer than this for a reader that takes nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// A recording that is written somewhere.
pub(super) struct Spool {
    shared: Arc<Shared>,
    /// The thread that writes, since the first `block_on`.
    writer: OnceLock<Option<Writer>>,
    /// The process whose thread that is: one that was forked has no such thread, and the file is not its.
    process: u32,
}

struct Shared {
    recorder: Arc<Recorder>,
    path: PathBuf,
    target: Target,
    /// A failure was printed.
    has_failed: AtomicBool,
    /// The runtime goes.
    ends: AtomicBool,
}

enum Target {
    /// A file that can be replaced.
    File,
    /// What is written there stays. Writing never blocks.
    Stream(Mutex<File>),
}

/// A thread that writes a recording down, and answers when all is there.
struct Writer {
    asked: Sender<Sender<()>>,
    thread: JoinHandle<()>,
}

impl Spool {
    /// Opens what is at the path, so that a path that can't be written is reported before the program runs. From the second
    /// runtime of the process on, this is a path of its own beside the given one. It stays the same when the program changes
    /// its directory.
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

    /// A `block_on` begins.
    pub(super) fn begin(&self) {
        if self.process == std::process::id() {
            self.writer.get_or_init(|| Writer::start(self.shared.clone()));
        }
    }

    /// A `block_on` has ended: a file has all of it when this returns.
    pub(super) fn catch_up(&self) {
        if self.process != std::process::id() || matches!(self.shared.target, Target::Stream(_)) {
            return;
        }
        if let Some(Some(writer)) = self.writer.get() {
            let _has_failed_and_said_so = writer.catch_up();
        }
    }

    /// The runtime goes: puts the whole recording into place.
    pub(super) fn finish(&mut self) {
        if self.process != std::process::id() {
            return;
        }
        let Some(writer) = self.writer.take() else { return };
        self.shared.ends.store(true, Ordering::Relaxed);
        if let Some(writer) = writer {
            drop(writer.asked);
            let _panicked = writer.thread.join();
        }
        if let Target::File = self.shared.target {
            let whole = |file: &File| self.shared.recorder.trace().write(file);
            let finished = replace(&self.shared.path, whole);
            self.shared.report(finished.map(drop));
        }
    }
}

/// The path without links, so that a link stays one, and what it leads to is replaced.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut path = std::path::absolute(path)?;
    if is_of_process(&path) {
        return Ok(path);
    }
    // A link may lead to a file that is not there yet.
    for _ in 0..40 {
        match (path.canonicalize(), path.read_link()) {
            (Ok(known), _) => return Ok(known),
            (Err(_), Ok(to)) => path = path.parent().unwrap_or(Path::new("/")).join(to),
            (Err(_), Err(_)) => break,
        }
    }
    Ok(path)
}

/// What stands for one of this process's own descriptors, such as `/dev/stdout`: it may be a file, but must not be replaced.
fn is_of_process(path: &Path) -> bool {
    ["/dev/std", "/dev/fd/", "/proc/self/fd/"].iter().any(|start| path.to_string_lossy().starts_with(start))
}

/// What is at the path, if it can be written but not replaced.
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
    // With a pipe, neither this nor a write waits for a reader.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = OpenOptions::new().append(true).custom_flags(flags.bits() as i32).open(path);
    let file = match opened {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
            return refused("it is a pipe, and no program reads from it: start the reader first");
        }
        opened => opened?,
    };
    // What a device does with what it is sent is unknown, unless it throws it away, or says that it is full.
    let is = |device: &&str| fs::metadata(device).is_ok_and(|device| device.rdev() == metadata.rdev());
    if kind.is_char_device() && !file.is_terminal() && !["/dev/null", "/dev/zero", "/dev/full"].iter().any(is) {
        return refused("it is a device, and no terminal");
    }
    Ok(Some(file))
}

/// Makes the file of the runtime of this number: others than the first have it at their end.
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
    /// Prints the first failure, as there is no caller to return it to, and no other.
    fn report(&self, written: io::Result<()>) {
        let Err(error) = written else { return };
        if !self.has_failed.swap(true, Ordering::Relaxed) {
            let path = self.path.display();
            eprintln!("executor: EXECUTOR_TRACE={path}: {error}; the recording ends here, and the program goes on");
        }
    }

    /// Writes what comes, until the runtime goes.
    fn follow(&self, asks: &Receiver<Sender<()>>) -> io::Result<()> {
        if let Target::Stream(file) = &self.target {
            return self.stream(&file.lock().unwrap_or_else(PoisonError::into_inner), asks);
        }
        let mut asked = None;
        loop {
            let (file, (feed, events)) = replace(&self.path, |file| self.begin(file))?;
            if !self.append(&file, feed, events, asks, &mut asked)? {
                return Ok(());
            }
        }
    }

    /// Writes all that there is, and says how many events that are.
    fn begin(&self, mut file: &File) -> io::Result<(Feed, usize)> {
        let (mut feed, mut events, limit) = (Feed::begin(&self.recorder)?, 0, self.recorder.limit());
        loop {
            let added = feed.add(&self.recorder, false)?;
            file.write_all(&feed.lines)?;
            feed.lines.clear();
            events += added.events;
            // A program may be faster than this.
            if added.is_all || events >= limit {
                return Ok((feed, events));
            }
        }
    }

    /// Adds to a file what comes; `false` when the runtime goes, `true` when the file is to be begun anew since it still has
    /// what was forgotten in the meantime. Answers `asked` when all is there.
    fn append(
        &self,
        mut file: &File,
        mut feed: Feed,
        mut events: usize,
        asks: &Receiver<Sender<()>>,
        asked: &mut Option<Sender<()>>,
    ) -> io::Result<bool> {
        let enough = events.max(self.recorder.limit()).saturating_add(self.recorder.limit());
        while events <= enough && feed.has_right_head(&self.recorder) {
            let added = feed.add(&self.recorder, false)?;
            events += added.events;
            let before = file.stream_position()?;
            if let Err(error) = file.write_all(&feed.lines) {
                // A line that is not whole is none.
                let _is_cut = file.set_len(before).and_then(|()| file.seek(SeekFrom::Start(before)));
                return Err(error);
            }
            feed.lines.clear();
            if added.is_all {
                if let Some(done) = asked.take() {
                    let _waits_no_more = done.send(());
                }
                *asked = match asks.recv_timeout(PAUSE) {
                    Err(RecvTimeoutError::Disconnected) => return Ok(false),
                    asked => asked.ok(),
                };
            }
        }
        Ok(true)
    }

    fn stream(&self, file: &File, asks: &Receiver<Sender<()>>) -> io::Result<()> {
        let mut feed = Feed::begin(&self.recorder)?;
        loop {
            let ends = self.ends.load(Ordering::Relaxed);
            let added = feed.add(&self.recorder, false)?;
            self.write(file, &feed.lines)?;
            feed.lines.clear();
            match added.is_all {
                true if ends => return Ok(()),
                true => drop(asks.recv_timeout(PAUSE)),
                false => {}
            }
        }
    }

    /// Writes all of it to what may have no room. Only the end is in a hurry.
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
                        return Err(io::Error::new(ErrorKind::TimedOut, "its reader takes no more"));
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
        let (asked, asks) = channel();
        let follow = move || shared.report(shared.follow(&asks));
        // Without a thread, the file is written when the runtime goes.
        let thread = thread::Builder::new().name("executor-trace".into()).spawn(follow).ok()?;
        Some(Writer { asked, thread })
    }

    /// Waits until all that has happened is in the file. `false` if the thread has failed.
    fn catch_up(&self) -> bool {
        let (done, is_done) = channel();
        self.asked.send(done).is_ok() && is_done.recv().is_ok()
    }
}
