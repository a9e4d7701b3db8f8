//! `demo lab`: the course, whose labs are cut from the real runtime.
//!
//! A lab is a folder of `demo/labs/`. A student's tree is a copy of the runtime in which the bodies of a few functions
//! are cut out. `demo/labs/TEACHERS.md` describes the course and the format of a lab.
//!
//! | file | what it holds |
//! |---|---|
//! | `args.rs`, `error.rs` | the options; the failures |
//! | `items.rs`, `cut.rs` | functions found by name, cut out and put back |
//! | `manifest.rs`, `course.rs` | a lab's manifest; all labs of the clone |
//! | `tree.rs`, `state.rs` | a student's tree, and its state |
//! | `confine.rs`, `build.rs`, `run.rs`, `judge.rs` | limits, building, one test, all tests of a lab |
//! | `explain.rs` | what the output of a test says |
//! | `names.rs` | names that no solution needs |
//! | `student/` | the commands of a student |
//! | `chapter/` | the text: in the terminal, as pages; its excerpts and pictures |
//! | `quiz/` | questions about a recorded run |
//! | `teacher/` | verifying, grading, scoring and creating labs |

/// As `println!`; but a reader that closes the pipe, such as `head`, ends the program without a word.
macro_rules! say {
    ($($text:tt)*) => { $crate::lab::say(format_args!($($text)*)) };
}

mod args;
mod build;
mod chapter;
mod confine;
mod course;
mod cut;
mod error;
mod explain;
pub mod items;
mod judge;
mod list;
pub mod manifest;
mod names;
mod quiz;
mod run;
mod state;
mod student;
mod teacher;
mod tree;

pub use args::LabArgs;
pub use confine::ConfineArgs;
pub use error::LabError;

use crate::{Exit, Failure};
use args::LabCommand;
use course::Course;
use std::fmt::Arguments;
use std::io::{self, Write};
use student::{beside, check, crawl, hint, next, show, start, update};
use tree::Tree;

/// Runs `demo lab`.
///
/// # Errors
/// Fails if there is no such lab or no tree, or if a file or a program can't be used.
pub fn run(args: LabArgs) -> Result<Exit, Failure> {
    let root = args.course.as_deref();
    let (course, tree) = (|| Course::open(root), || Tree::open(root));
    match args.command.unwrap_or(LabCommand::List) {
        LabCommand::List => list::list(&course()?),
        LabCommand::Start { lab, dir } => start::start(&course()?, lab, &dir)?,
        LabCommand::Check => return Ok(check::check(&mut tree()?)?),
        LabCommand::Show { program } => return show::show(&tree()?, program),
        LabCommand::Hint { task } => hint::hint(&mut tree()?, task)?,
        LabCommand::Beside => beside::beside(&tree()?, chapter::columns())?,
        LabCommand::Next { mine, to } => return Ok(next::next(tree()?, mine, to)?),
        LabCommand::Update => update::update(tree()?)?,
        LabCommand::Crawl => return Ok(crawl::crawl(&tree()?)?),
        LabCommand::Read { lab, answers, html } => chapter::read(root, lab, answers, html.as_deref())?,
        LabCommand::Quiz { recording, questions, seed } => return quiz::run(&recording, questions.get(), seed),
        LabCommand::Grade(args) => return Ok(teacher::grade::grade(&course()?, &args)?),
        LabCommand::Score { dirs, format } => return Ok(teacher::score::score(&course()?, &dirs, format)?),
        LabCommand::New { name } => teacher::new::new(&course()?, &name)?,
        LabCommand::Verify { labs, changed, bless, quick, hidden, text, tree } => {
            let settings =
                teacher::verify::Settings { labs, is_changed: changed, bless, quick, hidden, is_text: text, tree };
            return teacher::verify::verify(&course()?, settings);
        }
    }
    Ok(Exit::Success)
}

/// Runs `demo lab-confine`, which becomes another program.
///
/// # Errors
/// Fails if the program can't be run.
pub fn confine(args: &ConfineArgs) -> Result<Exit, Failure> {
    match confine::run(args)? {}
}

/// See [`say!`].
fn say(text: Arguments<'_>) {
    if let Err(error) = writeln!(io::stdout(), "{text}") {
        let is_quiet = error.kind() == io::ErrorKind::BrokenPipe;
        std::process::exit(if is_quiet { 0 } else { Exit::Failure.code().into() });
    }
}
