//! The failures of `demo lab`.

use std::io;
use std::path::PathBuf;

/// Why a command on a lab failed.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The folder of the labs is not there.
    #[error("there are no labs in {}/demo/labs; run `cargo run --release -- lab` in your clone of the project, or give the clone with --course DIR", .root.display())]
    NoCourse {
        /// Where it was looked for.
        root: PathBuf,
    },
    /// No lab has this number.
    #[error("there is no lab {number}; the labs are 1 to {last}")]
    NoLab {
        /// The number.
        number: u32,
        /// The highest number.
        last: u32,
    },
    /// A manifest is wrong.
    #[error("{}: {why}", .path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The reason.
        why: String,
    },
    /// A source file does not have what it should.
    #[error("{file}: {why}")]
    Source {
        /// The file, from the top of the tree.
        file: String,
        /// The reason.
        why: String,
    },
    /// The current directory is in no tree of a lab.
    #[error("this is not the tree of a lab; make one with `lab start 1 DIR`, and run `./lab` there")]
    NoTree,
    /// The directory for a new tree is in use.
    #[error("{} exists and is not empty; give a new directory", .0.display())]
    InUse(PathBuf),
    /// The directory for a new tree would be inside of the clone's workspace.
    #[error("{} is inside of the clone; give a directory outside of it, such as ../rt", .0.display())]
    Inside(PathBuf),
    /// A file can't be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// A file can't be written.
    #[error("cannot write {}: {source}", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// A program can't be run.
    #[error("cannot run {program}: {source}")]
    Program {
        /// The program.
        program: String,
        /// The error.
        source: io::Error,
    },
    /// The packages are not there.
    #[error("the packages that the runtime needs are not on this machine; run `cargo fetch` once in {}, with a network:\n{why}", .root.display())]
    Offline {
        /// The clone.
        root: PathBuf,
        /// What cargo says.
        why: String,
    },
    /// A value of the command line is wrong.
    #[error("{0}")]
    Usage(String),
    /// Another failure: its message.
    #[error("{0}")]
    Other(String),
}

impl LabError {
    /// Makes an error about a file from its reason.
    pub(crate) fn source(file: &str) -> impl FnOnce(String) -> LabError + use<> {
        let file = file.to_owned();
        move |why| LabError::Source { file, why }
    }

    /// Makes an error about a program that can't be run.
    pub(crate) fn program(program: &str) -> impl FnOnce(io::Error) -> LabError + use<> {
        let program = program.to_owned();
        move |source| LabError::Program { program, source }
    }

    /// Whether the command line is wrong.
    pub(crate) fn is_usage(&self) -> bool {
        use LabError::*;
        matches!(self, NoLab { .. } | NoTree | InUse(_) | Inside(_) | Usage(_))
    }
}

impl From<LabError> for String {
    fn from(error: LabError) -> String {
        error.to_string()
    }
}
