//! The state of a student's tree between two commands: `.lab/state.json`.

use super::course::{read, write};
use super::error::LabError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The state of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The lab.
    pub(crate) lab: u32,
    /// The clone that the tree was made from.
    pub(crate) root: PathBuf,
    /// The labs whose functions in this tree are the student's.
    #[serde(default)]
    pub(crate) mine: Vec<u32>,
    /// The number of hints that were shown, by item.
    #[serde(default)]
    pub(crate) hints: BTreeMap<String, usize>,
    /// The test that failed at the last `check`.
    #[serde(default)]
    pub(crate) failed: Option<String>,
    /// A hash of the tests as they were when the tree was written.
    #[serde(default)]
    pub(crate) tests: String,
    /// Whether all tests of the lab have passed at the last `check`.
    #[serde(default)]
    pub(crate) has_passed: bool,
}

impl State {
    pub(crate) fn path(top: &Path) -> PathBuf {
        top.join(".lab/state.json")
    }

    pub(crate) fn read(top: &Path) -> Result<State, LabError> {
        let path = State::path(top);
        serde_json::from_str(&read(&path)?).map_err(|error| LabError::Manifest { path, why: error.to_string() })
    }

    pub(crate) fn write(&self, top: &Path) -> Result<(), LabError> {
        let text = serde_json::to_string_pretty(self).map_err(|error| LabError::Other(error.to_string()))?;
        // A disk that is full must not leave half a file.
        let (path, new) = (State::path(top), top.join(".lab/state.new"));
        write(&new, text + "\n")?;
        fs::rename(&new, &path).map_err(|source| LabError::Unwritable { path, source })
    }
}
