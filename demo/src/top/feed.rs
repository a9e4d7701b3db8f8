//! The events of a program: from a recording, or from the console that it opened with `EXECUTOR_CONSOLE`.
//!
//! A thread reads the console's lines. The thread that draws applies them before each frame.

use super::observed::Observed;
use crate::Failure;
use executor::trace::TraceError;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

/// Maximum number of lines that are read ahead. A program that sends more must wait, and then drops events.
const LINES: usize = 100_000;
/// How long to wait for a program that sends nothing: one that hangs does not even send its state.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest line, in bytes. A longer one is cut, which makes it invalid: such a socket is not a console.
const LINE: u64 = 16 << 20;

/// Reads the next line; `None` at the end.
fn next_line(from: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    let read = from.take(LINE).read_until(b'\n', &mut line).ok()?;
    let line = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
    (read > 0).then_some(line)
}

/// The state of a program, and the source of its events.
pub struct Feed {
    observed: Observed,
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
    /// A feed without further events.
    pub fn still(observed: Observed) -> Feed {
        Feed { observed, console: None }
    }

    /// Connects to the console of a running program.
    ///
    /// # Errors
    /// Fails if there is no console at that path.
    pub fn connect(path: &Path) -> Result<Feed, Failure> {
        let failure = |source| Failure::Console { path: path.into(), source };
        let stream = UnixStream::connect(path).map_err(failure)?;
        let (send, lines) = sync_channel(LINES);
        let read = move || {
            let mut stream = BufReader::new(stream);
            while let Some(line) = next_line(&mut stream) {
                if send.send(line).is_err() {
                    return; // the feed was dropped
                }
            }
        };
        thread::Builder::new().name("console".into()).spawn(read).map_err(failure)?;
        Ok(Feed { observed: Observed::live(), console: Some(Console { path: path.into(), lines }) })
    }

    /// The state of the program.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Waits until the whole current state has arrived.
    ///
    /// # Errors
    /// Fails if the lines are not a recording, or none arrive.
    pub fn catch_up(&mut self) -> Result<(), Failure> {
        while let Some(console) = &self.console {
            match console.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let is_all = self.observed.add_line(&line).map_err(|error| console.failure(error))?;
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

    /// Applies the lines that have arrived.
    ///
    /// # Errors
    /// Fails if they are not a recording.
    pub fn update(&mut self) -> Result<(), Failure> {
        // Limited, so that keys are handled even while lines arrive faster than they are applied.
        for _ in 0..LINES {
            let Some(console) = &self.console else { break };
            match console.lines.try_recv() {
                Ok(line) => {
                    self.observed.add_line(&line).map_err(|error| console.failure(error))?;
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.end()?,
            }
        }
        self.observed.sample();
        Ok(())
    }

    /// Handles the end of the program, or of its console.
    fn end(&mut self) -> Result<(), Failure> {
        self.observed.end();
        match self.console.take() {
            Some(console) if self.observed.totals().events == 0 => Err(Failure::Silent { path: console.path }),
            _ => Ok(()),
        }
    }
}
