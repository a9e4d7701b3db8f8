//! The options of `demo lab`.

use clap::{Args, Subcommand, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Options of `demo lab`.
#[derive(Clone, Debug, Args)]
#[command(subcommand_value_name = "COMMAND")]
pub struct LabArgs {
    /// Clone of the project with the labs [default: that of the tree, or where this program was built]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) course: Option<PathBuf>,
    /// What to do; without a command, the labs are listed
    #[command(subcommand)]
    pub(crate) command: Option<LabCommand>,
}

/// The commands of `demo lab`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// List the labs
    List,
    /// Begin a lab: make a tree of the runtime with the lab's holes
    Start {
        /// Number of the lab
        lab: u32,
        /// Directory for the tree; it must be new
        dir: PathBuf,
    },
    /// Run the tests, up to the first that fails
    Check,
    /// Show the failing run in the stepper
    Show {
        /// Show the program of the lab, also after a test has failed
        #[arg(long)]
        program: bool,
    },
    /// Print a hint for a task
    Hint {
        /// Number of the task [default: the first that is not written]
        task: Option<usize>,
    },
    /// Show your functions next to ours, once the tests pass
    Beside,
    /// Change the tree to the following lab
    Next {
        /// Keep your functions of the labs so far
        #[arg(long)]
        mine: bool,
        /// Go to this lab instead
        #[arg(long, value_name = "LAB")]
        to: Option<u32>,
    },
    /// Bring the tree up to date with the clone and keep your functions
    Update,
    /// Crawl the built-in site with the downloader on your own runtime
    Crawl,
    /// Read the chapter of a lab
    Read {
        /// Number of the lab [default: the one of the tree]
        lab: Option<u32>,
        /// Show the answers to the questions
        #[arg(long)]
        answers: bool,
        /// Write all chapters to DIR as pages for a browser instead
        #[arg(long, value_name = "DIR", conflicts_with_all = ["lab", "answers"])]
        html: Option<PathBuf>,
    },
    /// Ask questions about a recorded run
    Quiz {
        /// Recording; EXECUTOR_TRACE=FILE makes one
        recording: PathBuf,
        /// Number of questions
        #[arg(long, default_value = "5")]
        questions: NonZeroUsize,
        /// Seed from which the questions follow [default: a new one each time]
        #[arg(long)]
        seed: Option<u64>,
    },
    /// For teachers: run the tests of a lab on submissions
    Grade(GradeArgs),
    /// For teachers: count the instructions and allocations of submissions, relative to ours
    Score {
        /// Trees of submissions
        #[arg(required = true)]
        dirs: Vec<PathBuf>,
        /// Format of the result
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// For teachers: create the files of a new lab
    New {
        /// Short name, such as `own-mutex`
        name: String,
    },
    /// For teachers: verify that the tests and the chapter of a lab are right
    Verify {
        /// Numbers of labs [default: all]
        labs: Vec<u32>,
        /// Only labs that have changed since they were verified
        #[arg(long, conflicts_with = "labs")]
        changed: bool,
        /// Fill in the excerpts and the screens of the chapters
        #[arg(long)]
        bless: bool,
        /// Skip the wrong solutions
        #[arg(long)]
        quick: bool,
        /// Directory of a lab with hidden tests, to verify in place of the public ones
        #[arg(long, value_name = "DIR", conflicts_with_all = ["changed", "bless", "text"])]
        hidden: Option<PathBuf>,
        /// Check only the manifests and the chapters, and build nothing
        #[arg(long, conflicts_with_all = ["quick", "tree"])]
        text: bool,
        /// Keep the tree and its build in DIR, for the next call
        #[arg(long, value_name = "DIR")]
        tree: Option<PathBuf>,
    },
}

/// Options of `demo lab grade`.
#[derive(Clone, Debug, Args)]
pub(crate) struct GradeArgs {
    /// Trees of submissions, or directories of such trees
    #[arg(required = true)]
    pub(crate) dirs: Vec<PathBuf>,
    /// Number of the lab [default: the one of each tree]
    #[arg(long)]
    pub(crate) lab: Option<u32>,
    /// Directory of a lab with hidden tests: its lab.toml and its tests/check.rs
    #[arg(long, value_name = "DIR")]
    pub(crate) hidden: Option<PathBuf>,
    /// Format of the result
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// The format of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people
    Table,
    /// One object for each submission, each in a line
    Json,
    /// Comma-separated values with a header
    Csv,
}
