//! The labs of this clone: `demo/labs/NN-name/`.

use super::cut::cut;
use super::error::LabError;
use super::manifest::{Hole, Manifest};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf, absolute};

/// The folder of the labs, from the top of the workspace.
pub(crate) const LABS: &str = "demo/labs";

/// All labs of a clone of this project.
pub(crate) struct Course {
    /// The top of the clone.
    pub(crate) root: PathBuf,
    /// The labs, by number.
    pub(crate) labs: Vec<Lab>,
}

/// A lab.
pub(crate) struct Lab {
    pub(crate) number: u32,
    /// The folder's name: the number and a short name.
    pub(crate) folder: String,
    pub(crate) manifest: Manifest,
}

impl Course {
    /// Reads the labs of `root`, or of the clone that this program was built in.
    ///
    /// # Errors
    /// If there are none, or a manifest is wrong.
    pub(crate) fn open(root: Option<&Path>) -> Result<Course, LabError> {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"));
        // The state of a tree, which is in another directory, has this path.
        let root = &absolute(root.unwrap_or(built))
            .map_err(|source| LabError::Unreadable { path: root.unwrap_or(built).into(), source })?;
        let entries = fs::read_dir(root.join(LABS)).map_err(|_| LabError::NoCourse { root: root.into() })?;
        let mut labs = Vec::new();
        for entry in entries.flatten() {
            let folder = entry.file_name().to_string_lossy().into_owned();
            let number = folder.split('-').next().and_then(|number| number.parse().ok());
            let manifest = entry.path().join("lab.toml");
            let (Some(number), true) = (number, manifest.exists()) else { continue };
            let text = read(&manifest)?;
            let parsed = Manifest::parse(&text);
            let manifest = parsed.map_err(|why| LabError::Manifest { path: manifest, why })?;
            labs.push(Lab { number, folder, manifest });
        }
        labs.sort_by_key(|lab| lab.number);
        if labs.is_empty() {
            return Err(LabError::NoCourse { root: root.into() });
        }
        Ok(Course { root: root.into(), labs })
    }

    /// The lab with this number.
    pub(crate) fn lab(&self, number: u32) -> Result<&Lab, LabError> {
        let last = self.labs.last().map_or(0, |lab| lab.number);
        self.labs.iter().find(|lab| lab.number == number).ok_or(LabError::NoLab { number, last })
    }

    /// The files below a folder of the clone, by their paths from the top.
    pub(crate) fn files(&self, folder: &str) -> Result<Vec<String>, LabError> {
        let path = self.root.join(folder);
        let unreadable = |source| LabError::Unreadable { path: path.clone(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(&path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let inside = format!("{folder}/{}", entry.file_name().to_string_lossy());
            match entry.path().is_dir() {
                true => files.extend(self.files(&inside)?),
                false => files.push(inside),
            }
        }
        Ok(files)
    }

    /// The text of a source file of the clone.
    pub(crate) fn source(&self, file: &str) -> Result<String, LabError> {
        read(&self.root.join(file))
    }
}

impl Lab {
    /// The name of its package.
    pub(crate) fn package(&self) -> String {
        format!("lab-{:02}", self.number)
    }

    /// Its folder, from the top of the workspace.
    pub(crate) fn path(&self) -> String {
        format!("{LABS}/{}", self.folder)
    }

    /// The files that have holes.
    pub(crate) fn files(&self) -> BTreeSet<&str> {
        self.manifest.holes.iter().map(|hole| &*hole.file).collect()
    }

    /// The holes of a file, each with the number of its task.
    pub(crate) fn holes_of<'a>(&'a self, file: &str) -> Vec<(usize, &'a Hole)> {
        self.manifest
            .holes
            .iter()
            .filter(|hole| hole.file == file)
            .map(|hole| (self.manifest.task_of(hole), hole))
            .collect()
    }

    /// The files of the starter that differ from ours: those with holes.
    pub(crate) fn starter(&self, source: impl Fn(&str) -> Result<String, LabError>) -> Result<Edits, LabError> {
        let cut_file = |file: &str| {
            let text = cut(&source(file)?, self.number, &self.holes_of(file)).map_err(LabError::source(file))?;
            Ok((file.to_owned(), text))
        };
        self.files().into_iter().map(cut_file).collect()
    }
}

/// Files of a tree that differ from ours, by their path from the top.
pub(crate) type Edits = BTreeMap<String, String>;

pub(crate) fn read(path: &Path) -> Result<String, LabError> {
    fs::read_to_string(path).map_err(|source| LabError::Unreadable { path: path.into(), source })
}

pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<(), LabError> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|source| LabError::Unwritable { path: path.into(), source })
}
