//! What the environment asks for: a recording of this program, as a file or at a socket. See `mod.rs`.
//!
//! Used by `runtime.rs`.

use super::console::Console;
use super::recorder::Recorder;
use super::spool::Spool;
use crate::watch::observer::Observer;
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where a recording goes that the environment asks for.
#[derive(Default)]
pub(crate) struct Outlets {
    file: Option<Spool>,
    _console: Option<Console>,
}

impl Outlets {
    /// Looks what the environment asks for; if it does, it is another observer beside the given one. A file that can't be
    /// written is reported on the standard error, and the program goes on without.
    pub(crate) fn open(observer: &mut Option<Arc<dyn Observer>>) -> io::Result<Outlets> {
        let path = |name| env::var_os(name).filter(|path| !path.is_empty());
        let (file, console) = (path("EXECUTOR_TRACE"), path("EXECUTOR_CONSOLE"));
        if file.is_none() && console.is_none() {
            return Ok(Outlets::default());
        }
        let recorder = Arc::new(recorder()?);
        let number = RUNTIMES.fetch_add(1, Ordering::Relaxed) + 1;
        let create = |path: PathBuf| {
            let path = with_process(&path);
            Spool::create(recorder.clone(), &path, number).map_err(|error| refused("EXECUTOR_TRACE", &path, &error))
        };
        // A program runs whether or not it can be recorded.
        let told = |error: io::Error| eprintln!("executor: {error}; the program goes on and is not recorded");
        let file = file.map(PathBuf::from).and_then(|path| create(path).map_err(told).ok());
        let open = |path: PathBuf| {
            let path = numbered(with_process(&path), number);
            Console::open(path.clone(), recorder.clone()).map_err(|error| refused("EXECUTOR_CONSOLE", &path, &error))
        };
        let console = console.map(PathBuf::from).map(open).transpose()?;
        if file.is_none() && console.is_none() {
            return Ok(Outlets::default());
        }
        let recorded: Arc<dyn Observer> = recorder;
        *observer = Some(match observer.take() {
            Some(own) => Arc::new((own, recorded)),
            None => recorded,
        });
        Ok(Outlets { file, _console: console })
    }

    /// While the guard lives, the program runs, and what it does is written down; then all of it is, also if it unwinds.
    pub(crate) fn saving(&self) -> Saving<'_> {
        Saving(self.file.as_ref().inspect(|file| file.begin()))
    }
}

impl Drop for Outlets {
    fn drop(&mut self) {
        self.file.iter_mut().for_each(Spool::finish);
    }
}

/// As it is asked for.
fn recorder() -> io::Result<Recorder> {
    let mut recorder = Recorder::new();
    if env::var_os("EXECUTOR_TRACE_CHAINS").is_some_and(|chains| chains == "off") {
        recorder = recorder.without_chains();
    }
    if let Some(events) = env::var_os("EXECUTOR_TRACE_EVENTS") {
        let limit = events.to_str().and_then(|events| events.parse().ok()).filter(|limit| *limit > 0);
        let wrong = || {
            let message = format!("EXECUTOR_TRACE_EVENTS={}: give a number of events, from 1", events.display());
            io::Error::new(io::ErrorKind::InvalidInput, message)
        };
        recorder = recorder.with_limit(limit.ok_or_else(wrong)?);
    }
    Ok(recorder)
}

/// See [`Outlets::saving`].
pub(crate) struct Saving<'a>(Option<&'a Spool>);

impl Drop for Saving<'_> {
    fn drop(&mut self) {
        self.0.inspect(|file| file.catch_up());
    }
}

/// How many runtimes of this process were recorded.
static RUNTIMES: AtomicUsize = AtomicUsize::new(0);

/// The path with the number of the process where it says `%p`.
fn with_process(path: &Path) -> PathBuf {
    // A path that is no text has no `%p` in it that could be told from other bytes.
    path.to_str().map_or_else(|| path.into(), |text| text.replace("%p", &std::process::id().to_string()).into())
}

/// The path for the runtime of this number: others than the first have it at their end.
fn numbered(path: PathBuf, number: usize) -> PathBuf {
    let mut path = path.into_os_string();
    if number > 1 {
        path.push(format!("-{number}"));
    }
    path.into()
}

fn refused(variable: &str, path: &Path, error: &io::Error) -> io::Error {
    let message = format!("{variable}={}: {error}; give a path that this program may write to", path.display());
    io::Error::new(error.kind(), message)
}
