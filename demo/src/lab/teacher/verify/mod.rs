//! `demo lab verify`: verifies that the tests of a lab find mistakes, and that its chapter shows the sources and runs.
//!
//! 1. The chapter has its parts, and its excerpts and pictures equal the sources and the runs.
//! 2. The starter compiles without a warning, and fails each test.
//! 3. Our solution passes each test, several times, within a quarter of each limit.
//! 4. Each wrong solution fails by the test that its manifest names, and by none before it, with its message.
//!
//! | file | what it holds |
//! |---|---|
//! | `bench.rs` | the lab, the tree and the problems so far |
//! | `solutions.rs` | the tests on the starter, on ours and on the wrong ones |
//! | `text.rs` | the blocks of the chapter |
//! | `stamps.rs` | which labs have changed since they were verified |

mod bench;
mod solutions;
mod stamps;
mod text;

use crate::lab::course::{Course, Lab};
use crate::lab::error::LabError;
use crate::lab::judge::temporary;
use crate::lab::teacher::hidden::with_hidden as with_hidden_tests;
use crate::{Exit, Failure};
use bench::Bench;
use stamps::Stamps;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

/// What to verify.
pub(crate) struct Settings {
    /// The numbers of the labs; if there are none, all.
    pub(crate) labs: Vec<u32>,
    /// Only the labs that have changed since they were verified.
    pub(crate) is_changed: bool,
    /// Whether to write the blocks of the chapters.
    pub(crate) bless: bool,
    /// Whether to leave out the wrong solutions.
    pub(crate) quick: bool,
    /// Hidden tests, to verify in place of the public ones.
    pub(crate) hidden: Option<PathBuf>,
    /// Whether to look at the manifests and the chapters only.
    pub(crate) is_text: bool,
    /// Where to keep the tree.
    pub(crate) tree: Option<PathBuf>,
}

/// Verifies labs and prints what is wrong.
pub(crate) fn verify(course: &Course, settings: Settings) -> Result<Exit, Failure> {
    let mut labs: Vec<&Lab> = match &settings.labs[..] {
        [] => course.labs.iter().collect(),
        numbers => numbers.iter().map(|number| course.lab(*number)).collect::<Result<_, _>>()?,
    };
    let mut stamps = Stamps::read(course);
    if settings.is_changed {
        let mut changed = Vec::new();
        for lab in labs {
            changed.extend(stamps.is_changed(course, lab)?.then_some(lab));
        }
        labs = changed;
        say!("{} of {} labs have changed since they were verified", labs.len(), course.labs.len());
    }
    let place = temporary()?;
    // Programs run elsewhere, so the path must be absolute.
    let given = settings.tree.as_deref().map(std::path::absolute).transpose();
    let given =
        given.map_err(|source| LabError::Unreadable { path: settings.tree.clone().unwrap_or_default(), source })?;
    let top = given.unwrap_or_else(|| place.path().join("tree"));
    let mut problems = of_course(course);
    let (mut wrongs, start) = (0, Instant::now());
    if settings.hidden.is_some() && labs.len() != 1 {
        return Err(LabError::Usage("--hidden needs the number of one lab".into()).into());
    }
    for lab in &labs {
        let (with_hidden, overlay);
        (with_hidden, overlay) = match &settings.hidden {
            Some(dir) => {
                let (lab, file) = with_hidden_tests(course, lab, dir)?;
                (Some(lab), Some(file))
            }
            None => (None, None),
        };
        let mut bench = Bench::new(course, with_hidden.as_ref().unwrap_or(lab), &top, overlay);
        bench.verify(&settings)?;
        wrongs += bench.wrongs;
        if bench.problems.is_empty() && !settings.is_text && !settings.quick && settings.hidden.is_none() {
            stamps.stamp(course, lab)?;
        }
        problems.extend(bench.problems);
    }
    let failing = match settings.is_text || settings.quick {
        true => String::new(),
        false => format!(", {wrongs} wrong solutions that fail as they should"),
    };
    say!("\n{} labs{failing}, {:.0?}", labs.len(), start.elapsed());
    if problems.is_empty() {
        say!("everything holds");
        return Ok(Exit::Success);
    }
    say!("{} problems:", problems.len());
    problems.iter().for_each(|problem| say!("  {}", problem.replace('\n', "\n    ")));
    Ok(Exit::SomeFailed)
}

/// What is wrong with the labs together.
fn of_course(course: &Course) -> Vec<String> {
    let mut problems = Vec::new();
    let mut owners = BTreeMap::new();
    for lab in &course.labs {
        for hole in &lab.manifest.holes {
            if let Some(other) = owners.insert((&hole.file, &hole.item), lab.number) {
                problems.push(format!("`{}` is a hole in labs {other} and {}", hole.item, lab.number));
            }
        }
        for needed in lab.manifest.needs.iter().filter(|needed| **needed >= lab.number || course.lab(**needed).is_err())
        {
            problems.push(format!("lab {} needs lab {needed}, which does not come before it", lab.number));
        }
    }
    problems
}
