//! Where what is known of a program comes from: a recording, or the console that it opened with `EXECUTOR_CONSOLE`.
//!
//! A thread reads the console's lines; they are applied on the thread that shows them, as often as that wants to.

use super::watched::Watched;
use crate::Failure;
use executor::trace::TraceError;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

/// So many lines may wait to be shown; whoever sends more than are looked at has to wait, and then to leave some out.
const LINES: usize = 100_000;
/// A program that hangs says nothing, not even what there is: then no longer than this is waited for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// A line of more bytes is cut, and then is none of a recording: something else is at that socket.
const LINE: u64 = 16 << 20;

/// The next line; `None` at the end.
fn next_line(from: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    let read = from.take(LINE).read_until(b'\n', &mut line).ok()?;
    let line = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
    (read > 0).then_some(line)
}

/// Where it comes from.
pub struct Feed {
    watched: Watched,
    console: Option<Console>,
}

struct Console {
    path: PathBuf,
    lines: Receiver<String>,
}

impl Console {
    fn failure(&self, error: TraceError) -> Failure {
        Failure::recording(&self.path, error)
    }
}

impl Feed {
    /// What is there already, and does not change.
    pub fn still(watched: Watched) -> Feed {
        Feed { watched, console: None }
    }

    /// A program that runs.
    ///
    /// # Errors
    /// If no console is there.
    pub fn connect(path: &Path) -> Result<Feed, Failure> {
        let failure = |source| Failure::Console { path: path.into(), source };
        let stream = UnixStream::connect(path).map_err(failure)?;
        let (send, lines) = sync_channel(LINES);
        let read = move || {
            let mut stream = BufReader::new(stream);
            while let Some(line) = next_line(&mut stream) {
                if send.send(line).is_err() {
                    return; // nobody looks any more
                }
            }
        };
        thread::Builder::new().name("console".into()).spawn(read).map_err(failure)?;
        Ok(Feed { watched: Watched::live(), console: Some(Console { path: path.into(), lines }) })
    }

    /// What is known.
    pub fn watched(&self) -> &Watched {
        &self.watched
    }

    /// Waits until all that there is has come.
    ///
    /// # Errors
    /// If what comes is no recording, or nothing comes.
    pub fn catch_up(&mut self) -> Result<(), Failure> {
        while let Some(console) = &self.console {
            match console.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let is_all = self.watched.add_line(&line).map_err(|error| console.failure(error))?;
                    if is_all {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Err(Failure::Silent { path: console.path.clone() }),
                Err(RecvTimeoutError::Disconnected) => self.end()?,
            }
        }
        Ok(())
    }

    /// Applies what has come.
    ///
    /// # Errors
    /// If it is no recording.
    pub fn look(&mut self) -> Result<(), Failure> {
        // Not more than fits, so that the keys are heard also while more comes than can be shown.
        for _ in 0..LINES {
            let Some(console) = &self.console else { break };
            match console.lines.try_recv() {
                Ok(line) => {
                    self.watched.add_line(&line).map_err(|error| console.failure(error))?;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.end()?,
            }
        }
        self.watched.sample();
        Ok(())
    }

    /// The program has ended, or has closed its console.
    fn end(&mut self) -> Result<(), Failure> {
        self.watched.end();
        match self.console.take() {
            Some(console) if self.watched.totals().events == 0 => Err(Failure::Silent { path: console.path }),
            _ => Ok(()),
        }
    }
}
