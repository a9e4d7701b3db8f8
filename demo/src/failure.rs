//! The exit codes of the program, and its failures.

use crate::engine::StateError;
use executor::JoinError;
use executor::trace::TraceError;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command succeeded.
    Success,
    /// Some URLs failed, or a lint found something.
    SomeFailed,
    /// The command was interrupted by Ctrl-C.
    Interrupted,
    /// The command was ended by SIGTERM.
    Terminated,
    /// The command failed.
    Failure,
    /// The command line is wrong.
    Usage,
}

impl Exit {
    /// The number that the process exits with.
    pub fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::SomeFailed => 3,
            // As a shell reports a signal: 128 and its number.
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// URLs of the command line can't be crawled.
    #[error("{}", .0.join("\ndemo: "))]
    Urls(Vec<String>),
    /// A crawl can't be shared with other processes.
    #[error(transparent)]
    Shared(#[from] crate::engine::SharedError),
    /// A command on a lab failed.
    #[error(transparent)]
    Lab(#[from] crate::lab::LabError),
    /// An option of the network has a wrong value.
    #[error(transparent)]
    Network(#[from] crate::http::OptionError),
    /// A command is mistyped.
    #[error("there is no command `{given}`; did you mean `demo {meant}`?")]
    Command {
        /// The word in its place.
        given: String,
        /// The most similar command.
        meant: String,
    },
    /// The file with options is wrong.
    #[error("{}: {why}", .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The line and the reason.
        why: String,
    },
    /// The runtime can't be built.
    #[error("cannot build the runtime: {0}")]
    Runtime(#[source] io::Error),
    /// The handler of Ctrl-C can't be installed.
    #[error("cannot handle Ctrl-C: {0}")]
    Signals(#[source] io::Error),
    /// The server can't listen.
    #[error("cannot listen on {address}: {source}; choose another address with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error.
        source: io::Error,
    },
    /// A file, or what a console sent, is not a recording.
    #[error("{}: {}", .path.display(), shortened(.source))]
    Recording {
        /// The file or the socket.
        path: PathBuf,
        /// The error.
        source: TraceError,
    },
    /// A file can't be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The stepper has no terminal.
    #[error("stepping needs a terminal; --print prints one screen, --html FILE writes the run as a page")]
    NoTerminal,
    /// The console of a program can't be reached.
    #[error("cannot connect to {}: {source}; is the program running with EXECUTOR_CONSOLE={}?", .path.display(), .path.display())]
    Console {
        /// The socket.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The console of a program sends nothing.
    #[error("{} sent no events; did a program open it with EXECUTOR_CONSOLE, and has its runtime started?", .path.display())]
    Silent {
        /// The socket.
        path: PathBuf,
    },
    /// A file can't be written.
    #[error("cannot write {}: {source}", .path.display())]
    Written {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The directory to serve can't be opened.
    #[error("cannot serve {}: {source}", .path.display())]
    Root {
        /// The directory.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// Pages can't be saved.
    #[error("cannot save under {}: {source}; choose another directory with -P", .path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// An archive can't be written.
    #[error("cannot write the archive {}: {source}; choose another file with --warc", .path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// No temporary directory can be created.
    #[error("cannot create {}: {source}; set TMPDIR to a writable directory", .path.display())]
    Temporary {
        /// The directory.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The report can't be written.
    #[error("cannot write the report {}: {source}", .path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// A crawl can't be kept in this file, or continued from it.
    #[error("--state {}: {source}", .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// The error.
        source: StateError,
    },
    /// There are too few file descriptors to fetch a page.
    #[error("there are too few file descriptors for a single page: raise the limit of open files (ulimit -n)")]
    Descriptors,
    /// Another process of this program can't be started or observed.
    #[error("cannot run another process of this program: {0}")]
    Process(#[source] io::Error),
    /// A way of `demo ways` failed.
    #[error("the way `{way}` failed: {why}")]
    Way {
        /// Its name.
        way: &'static str,
        /// Its error.
        why: String,
    },
    /// Standard input can't be polled.
    #[error("cannot wait for the end of standard input: {0}; use a pipe or a terminal, or omit --until-eof")]
    Input(#[source] io::Error),
    /// The result can't be printed.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// The chart can't be written.
    #[error("cannot draw the chart {}: {why}", .path.display())]
    Chart {
        /// The file.
        path: PathBuf,
        /// The error.
        why: String,
    },
    /// No thread can be started.
    #[error("{0}; raise the limit of processes and threads (ulimit -u)")]
    Threads(#[source] io::Error),
    /// A task of this program panicked.
    #[error("a bug in demo: {0}")]
    Bug(#[source] JoinError),
}

impl From<JoinError> for Failure {
    /// If no thread can be started for a blocking call, the call ends with the system's error.
    fn from(error: JoinError) -> Failure {
        match error {
            JoinError::Panicked(panic) if panic.is_io_error() => Failure::Threads(JoinError::Panicked(panic).into()),
            error => Failure::Bug(error),
        }
    }
}

/// The error of a recording, shortened and printable: it may quote an untrusted recording.
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
            Failure::State { source, .. } if source.is_usage() => Exit::Usage,
            Failure::Urls(_) | Failure::Network(_) | Failure::Command { .. } | Failure::Config { .. } => Exit::Usage,
            Failure::Lab(error) if error.is_usage() => Exit::Usage,
            Failure::Shared(error) if error.is_usage() => Exit::Usage,
            _ => Exit::Failure,
        }
    }

    /// The failure to open a recording at this path.
    pub(crate) fn recording(path: &Path, source: TraceError) -> Failure {
        match source {
            // This error names the file.
            TraceError::Io { path, source } => Failure::Unreadable { path, source },
            source => Failure::Recording { path: path.into(), source },
        }
    }

    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> Failure {
        Failure::Listen { address, source }
    }
}
