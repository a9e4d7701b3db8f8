//! Which labs a change touches: those whose folder or whose holes' files differ from a commit.

use crate::lab::course::{Course, Lab};
use crate::lab::error::LabError;
use crate::lab::manifest::Target;
use std::process::Command;

/// What all labs depend on.
const OF_ALL: [&str; 3] = ["demo/src/lab/", "tests/src/kit/", "tests/src/conformance/"];

/// The labs that differ from the commit.
///
/// # Errors
/// If git does not know the commit.
pub(super) fn touched<'a>(course: &'a Course, commit: &str) -> Result<Vec<&'a Lab>, LabError> {
    let mut git = Command::new("git");
    git.arg("-C").arg(&course.root).args(["diff", "--name-only", commit, "--"]);
    let output = git.output().map_err(LabError::program("git"))?;
    if !output.status.success() {
        return Err(LabError::Usage(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()));
    }
    let changed = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(course.labs.iter().filter(|lab| changed.lines().any(|file| is_touched(lab, file))).collect())
}

fn is_touched(lab: &Lab, file: &str) -> bool {
    let uses_models = lab.manifest.tests.iter().any(|test| test.target == Target::Models);
    OF_ALL.iter().any(|part| file.starts_with(part))
        || file.starts_with(&format!("{}/", lab.path()))
        || lab.files().contains(file)
        || uses_models && file.starts_with("tests/models/")
}
