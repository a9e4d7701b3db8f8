//! The file of a recording while the program runs: so that there is one also of a program that is killed, crashes or
//! calls `exit`, and one can look into it before its end.
//!
//! A thread writes down what has come, and is waited for when a `block_on` ends. When the runtime goes, the whole
//! recording takes the file's place, written as it is known then. Used by `env.rs`.

use super::feed::Feed;
use super::recorder::Recorder;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// So much of what happened last is lost if the program is killed.
const PAUSE: Duration = Duration::from_millis(50);

/// A file that holds a recording.
pub(super) struct Spool {
    recorder: Arc<Recorder>,
    path: PathBuf,
    /// Who writes since the first `block_on`, if what is there can be written more than once.
    writer: OnceLock<Option<Writer>>,
}

/// A thread that writes a recording down until nobody can ask it any more, and tells whoever asks when all is there.
struct Writer {
    asked: Sender<Sender<()>>,
    thread: JoinHandle<io::Result<()>>,
}

impl Spool {
    /// Makes the file now, so that a path that can't be written is told before the program runs. The path is the same
    /// one when the program has changed its directory.
    pub(super) fn create(recorder: Arc<Recorder>, path: &Path) -> io::Result<Spool> {
        File::create(path)?;
        // A link stays one, and what it leads to is written. A pipe has no path but the given one.
        let path = path.canonicalize().or_else(|_| std::path::absolute(path))?;
        Ok(Spool { recorder, path, writer: OnceLock::new() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A `block_on` begins.
    pub(super) fn begin(&self) {
        self.writer.get_or_init(|| Writer::start(&self.recorder, &self.path));
    }

    /// A `block_on` has ended: writes down what is not yet.
    pub(super) fn catch_up(&self) -> io::Result<()> {
        match self.writer.get() {
            Some(Some(writer)) if writer.catch_up() => Ok(()),
            _ => self.recorder.save(&self.path),
        }
    }

    /// The runtime goes: puts the whole recording into place.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let Some(Some(writer)) = self.writer.take() else { return Ok(()) };
        drop(writer.asked);
        // What kept it from writing keeps whoever writes the whole from it, too, and he says so.
        let _failed = writer.thread.join();
        replace(&self.path, |file| self.recorder.trace().write(file))
    }
}

impl Writer {
    /// What is not a file of its own, a terminal or a pipe, gets none: what is written there could not be replaced.
    fn start(recorder: &Arc<Recorder>, path: &Path) -> Option<Writer> {
        if !path.is_file() {
            return None;
        }
        let (asked, asks) = channel();
        let (recorder, path) = (recorder.clone(), path.to_owned());
        let follow = move || follow(&recorder, &path, &asks);
        let thread = thread::Builder::new().name("executor-trace".into()).spawn(follow).ok()?;
        Some(Writer { asked, thread })
    }

    /// Waits until all that has happened is in the file. `false` if the thread has failed.
    fn catch_up(&self) -> bool {
        let (done, is_done) = channel();
        self.asked.send(done).is_ok() && is_done.recv().is_ok()
    }
}

fn follow(recorder: &Recorder, path: &Path, asks: &Receiver<Sender<()>>) -> io::Result<()> {
    loop {
        let (mut feed, mut events) = replace(path, |file| begin(file, recorder))?;
        // What is forgotten in the meantime is still in the file; so now and then that is begun anew.
        let enough = events.max(recorder.limit()).saturating_add(recorder.limit());
        while events <= enough {
            let done = match asks.recv_timeout(PAUSE) {
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                asked => asked.ok(),
            };
            events += feed.write_new(recorder)?;
            if let Some(done) = done {
                let _nobody_waits = done.send(());
            }
        }
    }
}

/// Begins a file with all that is known, and says how many events that are.
fn begin(file: File, recorder: &Recorder) -> io::Result<(Feed<File>, usize)> {
    let mut feed = Feed::begin(file, recorder)?;
    let events = feed.write_new(recorder)?;
    Ok((feed, events))
}

/// Has a file written beside the one of this path and then puts it into its place: so that there is a whole one at any
/// moment. Where no second file may be made, the first one is written over.
fn replace<T>(path: &Path, write: impl FnOnce(File) -> io::Result<T>) -> io::Result<T> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let Ok(file) = File::create(&beside) else { return write(File::create(path)?) };
    let written = write(file).and_then(|written| fs::rename(&beside, path).map(|()| written));
    if written.is_err() {
        let _is_gone = fs::remove_file(&beside);
    }
    written
}
