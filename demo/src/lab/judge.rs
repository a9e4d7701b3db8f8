//! Runs the tests of a lab in their order. `check`, `verify` and `grade` look at the results.

use super::build::{Built, build};
use super::course::Lab;
use super::error::LabError;
use super::manifest::{Limits, Target, Test};
use super::run::{End, Outcome, TestRun};
use crate::temporary::Temporary;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The built tests of a lab.
pub(crate) struct Judge<'a> {
    pub(crate) lab: &'a Lab,
    top: PathBuf,
    /// The binaries that were built so far. The models take long to build, and often another test fails before them.
    binaries: RefCell<BTreeMap<Target, PathBuf>>,
    /// The compiler's warnings.
    pub(crate) warnings: Vec<String>,
    /// Where tests write.
    place: Temporary,
    /// The user to run the tests as, and the limit on that user's processes.
    pub(crate) user: Option<u32>,
    pub(crate) processes: Option<u64>,
}

impl<'a> Judge<'a> {
    /// Builds the first tests of a tree. `Err` in the result: the compiler's errors.
    ///
    /// # Errors
    /// If cargo can't be run, or a directory can't be made.
    pub(crate) fn build(top: &Path, lab: &'a Lab) -> Result<Result<Judge<'a>, Vec<String>>, LabError> {
        let first = lab.manifest.tests.first().map(|test| test.target).unwrap_or_default();
        let (binary, warnings) = match build(top, lab, first)? {
            Built::Tests { binary, warnings } => (binary, warnings),
            Built::Errors(errors) => return Ok(Err(errors)),
        };
        let (top, binaries) = (top.to_owned(), RefCell::new(BTreeMap::from([(first, binary)])));
        let place = temporary()?;
        Ok(Ok(Judge { lab, top, binaries, warnings, place, user: None, processes: None }))
    }

    /// Runs a test, and records it if `is_recorded`. Returns the recording and the steps of a model, as far as there are
    /// any: they are removed with this.
    pub(crate) fn run(&self, test: &Test, is_recorded: bool) -> Result<(Outcome, Recorded), LabError> {
        let binary = self.binary(test.target)?;
        let run = TestRun {
            binary: &binary,
            name: &test.name,
            limits: self.lab.manifest.limits,
            place: self.place.path(),
            is_recorded,
            user: self.user,
            processes: self.processes,
        };
        let outcome = run.run()?;
        if outcome.end == End::Missing {
            let name = &test.name;
            return Err(LabError::Other(format!(
                "the tree has no test `{name}`: the course has changed since the tree was made; `./lab update` brings the tree up to date and keeps your functions"
            )));
        }
        Ok((outcome, Recorded { run: run.recording(), steps: run.steps() }))
    }

    /// The binary with these tests, built if it is the first of them.
    fn binary(&self, target: Target) -> Result<PathBuf, LabError> {
        if let Some(binary) = self.binaries.borrow().get(&target) {
            return Ok(binary.clone());
        }
        let binary = match build(&self.top, self.lab, target)? {
            Built::Tests { binary, .. } => binary,
            Built::Errors(errors) => {
                return Err(LabError::Other(format!("the models do not compile:\n{}", errors.join("\n"))));
            }
        };
        self.binaries.borrow_mut().insert(target, binary.clone());
        Ok(binary)
    }

    /// Runs these tests in order and passes each result on, until `see` breaks.
    pub(crate) fn run_all<'t>(
        &self,
        tests: impl IntoIterator<Item = &'t Test>,
        mut see: impl FnMut(&'t Test, &Outcome) -> ControlFlow<()>,
    ) -> Result<(), LabError> {
        for test in tests {
            let (outcome, _) = self.run(test, false)?;
            if see(test, &outcome).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The same binaries, for a lab with other limits.
    pub(crate) fn with_lab<'b>(self, lab: &'b Lab) -> Judge<'b> {
        let Judge { top, binaries, warnings, place, user, processes, .. } = self;
        Judge { lab, top, binaries, warnings, place, user, processes }
    }

    pub(crate) fn limits(&self) -> Limits {
        self.lab.manifest.limits
    }

    /// The directory in which tests write.
    pub(crate) fn place(&self) -> &Path {
        self.place.path()
    }
}

/// The files that a recorded test may leave.
pub(crate) struct Recorded {
    pub(crate) run: PathBuf,
    pub(crate) steps: PathBuf,
}

/// A directory that is removed at the end.
pub(crate) fn temporary() -> Result<Temporary, LabError> {
    Temporary::new().map_err(|failure| LabError::Other(failure.to_string()))
}

/// The name of a test as a sentence.
pub(crate) fn sentence(name: &str) -> String {
    name.rsplit("::").next().unwrap_or(name).replace('_', " ")
}
