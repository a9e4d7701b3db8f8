//! How the program ends: its exit codes, and what it says when it can't do its work.

use executor::JoinError;
use executor::trace::TraceError;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How a run ended that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All well.
    Success,
    /// Some URLs failed; or something is wrong with a run that was looked at.
    SomeFailed,
    /// Ctrl-C.
    Interrupted,
    /// Our own failure.
    Failure,
    /// The command line is wrong.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::SomeFailed => 3,
            Exit::Interrupted => 130,
        })
    }
}

/// Why the program could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was given on the command line can't be crawled.
    #[error("{}", .0.join("\ndemo: "))]
    Urls(Vec<String>),
    /// The runtime can't be made.
    #[error("the runtime can't start: {0}")]
    Runtime(#[source] io::Error),
    /// The handler of Ctrl-C can't be set.
    #[error("Ctrl-C can't be handled: {0}")]
    Signals(#[source] io::Error),
    /// The server's address can't be had.
    #[error("can't serve at {address}: {source}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// What was given as a recording, or came from a console, is none.
    #[error("{}: {}", .path.display(), shortened(.source))]
    Recording {
        /// The file or the socket.
        path: PathBuf,
        /// Why.
        source: TraceError,
    },
    /// A file can't be read.
    #[error("can't read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nobody to look at it.
    #[error("a terminal is needed to step: --html FILE writes the run as a page, --perfetto FILE for ui.perfetto.dev")]
    NoTerminal,
    /// The program that is to be watched can't be reached.
    #[error("nobody shows itself at {}: {source}; start the program with EXECUTOR_CONSOLE={}, and look while it runs", .path.display(), .path.display())]
    Console {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program that is to be watched says nothing.
    #[error("{} says nothing: is it a console that a program has opened with EXECUTOR_CONSOLE, and has it begun to run?", .path.display())]
    Silent {
        /// The socket.
        path: PathBuf,
    },
    /// A file can't be written.
    #[error("can't write {}: {source}", .path.display())]
    Written {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory that is to be served can't be opened.
    #[error("can't serve {}: {source}", .path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing can be saved.
    #[error("can't save under {}: {source}; choose another directory with -P", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The report can't be written.
    #[error("can't write the report {}: {source}", .path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not even one page can be fetched.
    #[error("there are too few file descriptors for a single page: raise the limit of open files (ulimit -n)")]
    Descriptors,
    /// Another process of this program can't be started or watched.
    #[error("can't run another process of this program: {0}")]
    Process(#[source] io::Error),
    /// A way of `demo ways` went wrong.
    #[error("the way `{way}` failed: {why}")]
    Way {
        /// Its name.
        way: &'static str,
        /// What it said.
        why: String,
    },
    /// The end of standard input can't be waited for.
    #[error("can't wait for the end of standard input: {0}; give a pipe or a terminal, or leave --until-eof out")]
    Input(#[source] io::Error),
    /// The result can't be printed.
    #[error("can't write to standard output: {0}")]
    Output(#[source] io::Error),
    /// The chart can't be written.
    #[error("can't draw the chart {}: {why}", .path.display())]
    Chart {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The system gives no thread.
    #[error("{0}; raise the limit of processes and threads (ulimit -u)")]
    Threads(#[source] io::Error),
    /// A task of ours panicked.
    #[error("a bug in demo: {0}")]
    Bug(#[source] JoinError),
}

impl From<JoinError> for Failure {
    /// A blocking call that no thread could be started for ends with the system's error.
    fn from(error: JoinError) -> Failure {
        match error {
            JoinError::Panicked(panic) if panic.is_io_error() => Failure::Threads(JoinError::Panicked(panic).into()),
            error => Failure::Bug(error),
        }
    }
}

/// What is wrong with a recording, which may come from a stranger and be quoted there.
fn shortened(source: &TraceError) -> String {
    const MOST: usize = 500;
    let text = crate::step::printable(&source.to_string()).into_owned();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

impl Failure {
    /// The exit code for it.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Urls(_) => Exit::Usage,
            _ => Exit::Failure,
        }
    }

    /// What is at this path can't be shown as a recording.
    pub(crate) fn recording(path: &Path, source: TraceError) -> Failure {
        match source {
            // It names the file itself.
            TraceError::Io { path, source } => Failure::Unreadable { path, source },
            source => Failure::Recording { path: path.into(), source },
        }
    }

    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> Failure {
        Failure::Listen { address, source }
    }
}
