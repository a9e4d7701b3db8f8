//! The text of source files, as far as they can be found.

use super::Program;
use clap::ValueEnum;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Finds source files: in the directory that was given, where the run was recorded, in the present directory, where this
/// program was built; and those of the programs that it brings along anywhere.
#[derive(Debug)]
pub struct Sources {
    bases: Vec<PathBuf>,
    others: Vec<PathBuf>,
    read: RefCell<HashMap<String, Option<Rc<[String]>>>>,
}

impl Sources {
    /// Looks in this directory first.
    pub fn new(base: Option<PathBuf>) -> Sources {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned);
        let others = [PathBuf::from(".")].into_iter().chain(workspace).collect();
        Sources { bases: base.into_iter().collect(), others, read: RefCell::default() }
    }

    /// Then in the directory in which the run was recorded, and in those above it: a program may be run in a folder of
    /// the workspace by whose top its files are called.
    #[must_use]
    pub fn recorded_in(mut self, directory: &str) -> Sources {
        let directory = Path::new(directory);
        self.bases.extend(directory.ancestors().filter(|_| directory.is_absolute()).map(Path::to_owned));
        self
    }

    /// The lines of a file, if it is found.
    pub fn lines(&self, file: &str) -> Option<Rc<[String]>> {
        if let Some(read) = self.read.borrow().get(file) {
            return read.clone();
        }
        let text = self.text(file);
        let lines: Option<Rc<[String]>> =
            text.map(|text| text.lines().map(|line| line.replace('\t', "    ")).collect());
        self.read.borrow_mut().insert(file.to_owned(), lines.clone());
        lines
    }

    fn text(&self, file: &str) -> Option<String> {
        let mut bases = self.bases.iter().chain(&self.others);
        let found = bases.find_map(|base| fs::read_to_string(base.join(file)).ok());
        let own = || Program::value_variants().iter().map(|program| program.source());
        found.or_else(|| own().find(|(name, _)| *name == file).map(|(_, text)| text.to_owned()))
    }
}
