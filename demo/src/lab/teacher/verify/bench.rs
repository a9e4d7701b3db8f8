//! The verification of one lab: the lab, its tree, and the problems so far.

use crate::lab::course::{Course, Lab};
use crate::lab::error::LabError;
use std::path::Path;

/// The verification of one lab.
pub(super) struct Bench<'a> {
    pub(super) course: &'a Course,
    pub(super) lab: &'a Lab,
    /// The tree, which holds one solution after the other.
    pub(super) top: &'a Path,
    /// The hidden tests, if those are verified: a file of the tree, and its text.
    pub(super) hidden: Option<(String, String)>,
    /// What is wrong.
    pub(super) problems: Vec<String>,
    /// The wrong solutions that fail as they should.
    pub(super) wrongs: usize,
}

impl<'a> Bench<'a> {
    pub(super) fn new(course: &'a Course, lab: &'a Lab, top: &'a Path, hidden: Option<(String, String)>) -> Bench<'a> {
        Bench { course, lab, top, hidden, problems: Vec::new(), wrongs: 0 }
    }

    pub(super) fn problem(&mut self, of: &str, what: impl AsRef<str>) {
        let problem = format!("lab {}, {of}: {}", self.lab.number, what.as_ref());
        // The chapter is looked at once for each solution.
        if !self.problems.contains(&problem) {
            say!("  PROBLEM  {of}: {}", what.as_ref());
            self.problems.push(problem);
        }
    }

    pub(super) fn source(&self, file: &str) -> Result<String, LabError> {
        self.course.source(file)
    }
}
