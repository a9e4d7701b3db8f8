//! Runs the tests of a lab in their order, for `check`, `verify` and `grade`.

use super::build::{Built, build};
use super::course::Lab;
use super::error::LabError;
use super::manifest::{Limits, Target, Test};
use super::run::{End, Outcome, TestRun};
use crate::temporary::Temporary;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The built tests of a lab.
pub(crate) struct Judge<'a> {
    pub(crate) lab: &'a Lab,
    binaries: BTreeMap<Target, PathBuf>,
    /// The compiler's warnings.
    pub(crate) warnings: Vec<String>,
    /// Where tests write.
    place: Temporary,
    /// The user to run the tests as, and the limit on that user's processes.
    pub(crate) user: Option<u32>,
    pub(crate) processes: Option<u64>,
}

impl<'a> Judge<'a> {
    /// Builds the tests of a tree. `Err` in the result: the compiler's errors.
    ///
    /// # Errors
    /// If cargo can't be run, or a directory can't be made.
    pub(crate) fn build(top: &Path, lab: &'a Lab) -> Result<Result<Judge<'a>, Vec<String>>, LabError> {
        let (binaries, warnings) = match build(top, lab)? {
            Built::Tests { binaries, warnings } => (binaries, warnings),
            Built::Errors(errors) => return Ok(Err(errors)),
        };
        let place = temporary()?;
        Ok(Ok(Judge { lab, binaries, warnings, place, user: None, processes: None }))
    }

    /// Runs a test, and records it if `is_recorded`. Returns the recording and the steps of a model, as far as there are
    /// any: they are removed with this.
    pub(crate) fn run(&self, test: &Test, is_recorded: bool) -> Result<(Outcome, Recorded), LabError> {
        let Some(binary) = self.binaries.get(&test.target) else {
            return Err(LabError::Other(format!("the build made no binary for the test `{}`", test.name)));
        };
        let run = TestRun {
            binary,
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
        let Judge { binaries, warnings, place, user, processes, .. } = self;
        Judge { lab, binaries, warnings, place, user, processes }
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
