//! Opens the recordings that the environment requests, in a file or at a socket: see `mod.rs`. Used by `runtime.rs`.

use super::console::Console;
use super::recorder::Recorder;
use super::spool::Spool;
use crate::watch::observer::Observer;
use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The destinations of the recording that the environment requests.
#[derive(Default)]
pub(crate) struct Outlets {
    file: Option<Spool>,
    _console: Option<Console>,
}

impl Outlets {
    /// Opens the destinations that the environment requests. If there are any, adds a recorder to the given observer.
    /// If the file cannot be written, reports that on standard error; the program continues without it.
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
        let report = |error: io::Error| eprintln!("executor: {error}; the program continues without a recording");
        let file = file.map(PathBuf::from).and_then(|path| create(path).map_err(report).ok());
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

    /// Begins to write the file. When the guard is dropped, also by unwinding, the file has all events so far.
    pub(crate) fn saving(&self) -> Saving<'_> {
        Saving(self.file.as_ref().inspect(|file| file.begin()))
    }
}

impl Drop for Outlets {
    fn drop(&mut self) {
        self.file.iter_mut().for_each(Spool::finish);
    }
}

/// Returns a recorder with the settings in the environment.
fn recorder() -> io::Result<Recorder> {
    let mut recorder = Recorder::new();
    if env::var_os("EXECUTOR_TRACE_CHAINS").is_some_and(|chains| chains == "off") {
        recorder = recorder.without_chains();
    }
    if let Some(events) = env::var_os("EXECUTOR_TRACE_EVENTS") {
        let limit = events.to_str().and_then(|events| events.parse().ok()).filter(|limit| *limit > 0);
        let wrong = || {
            let message = format!("EXECUTOR_TRACE_EVENTS={}: must be a number of at least 1", events.display());
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

/// The number of runtimes of this process that were recorded.
static RUNTIMES: AtomicUsize = AtomicUsize::new(0);

/// Returns the path with the process ID in place of each `%p`.
fn with_process(path: &Path) -> PathBuf {
    // In a path that is not UTF-8, `%p` is not replaced.
    path.to_str().map_or_else(|| path.into(), |text| text.replace("%p", &std::process::id().to_string()).into())
}

/// Returns the path for the runtime of this number, which is appended unless it is 1.
fn numbered(path: PathBuf, number: usize) -> PathBuf {
    let mut path = path.into_os_string();
    if number > 1 {
        path.push(format!("-{number}"));
    }
    path.into()
}

fn refused(variable: &str, path: &Path, error: &io::Error) -> io::Error {
    let message = format!("{variable}={}: {error}; give a path that this program can write to", path.display());
    io::Error::new(error.kind(), message)
}
