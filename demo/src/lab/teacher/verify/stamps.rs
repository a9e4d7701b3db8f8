//! Which labs have changed since they were verified. `demo/labs/verified.txt` has a line for each lab: its number, and a
//! hash of what its verification depends on most. Sentences do not count: those of a chapter, tasks and hints.

use crate::lab::chapter::blocks::{Holds, blocks};
use crate::lab::chapter::{self, CHAPTER};
use crate::lab::course::{Course, LABS, Lab, read, write};
use crate::lab::error::LabError;
use crate::lab::manifest::{Manifest, Target};
use ring::digest::{Context, SHA256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The models. What all tests use does not count: `cargo test` runs the tests of all labs on ours at each change.
const OF_MODELS: &str = "tests/models/tests";

/// The hash of each lab when it was verified last.
pub(super) struct Stamps {
    path: PathBuf,
    verified: BTreeMap<u32, String>,
}

impl Stamps {
    pub(super) fn read(course: &Course) -> Stamps {
        let path = course.root.join(LABS).join("verified.txt");
        let text = read(&path).unwrap_or_default(); // without the file, no lab is verified
        let line = |line: &str| {
            let (number, hash) = line.split_once(' ')?;
            Some((number.parse().ok()?, hash.to_owned()))
        };
        Stamps { path, verified: text.lines().filter_map(line).collect() }
    }

    /// Whether the lab differs from what was verified last.
    pub(super) fn is_changed(&self, course: &Course, lab: &Lab) -> Result<bool, LabError> {
        Ok(self.verified.get(&lab.number) != Some(&hash(course, lab)?))
    }

    /// Notes that the lab was verified.
    pub(super) fn stamp(&mut self, course: &Course, lab: &Lab) -> Result<(), LabError> {
        self.verified.insert(lab.number, hash(course, lab)?);
        let text = self.verified.iter().fold(String::new(), |mut text, (number, hash)| {
            _ = writeln!(text, "{number:02} {hash}");
            text
        });
        write(&self.path, text)
    }
}

fn hash(course: &Course, lab: &Lab) -> Result<String, LabError> {
    let mut context = Context::new(&SHA256);
    let mut add = |name: &str, text: &[u8]| {
        context.update(name.as_bytes());
        context.update(&(text.len() as u64).to_le_bytes());
        context.update(text);
    };
    for file in files(course, lab) {
        let path = course.root.join(&file);
        let text = fs::read(&path).map_err(|source| LabError::Unreadable { path, source })?;
        add(&file.to_string_lossy(), &text);
    }
    let Manifest { holes, tests, wrongs, limits, .. } = &lab.manifest;
    let holes: Vec<_> = holes.iter().map(|hole| (&hole.file, &hole.item, hole.whole, &hole.track)).collect();
    let tests: Vec<_> = tests.iter().map(|test| (&test.name, test.target, &test.track)).collect();
    add("manifest", format!("{holes:?} {tests:?} {wrongs:?} {limits:?}").as_bytes());
    let chapter = chapter::text(course, lab)?;
    for block in blocks(&chapter) {
        if let Holds::Screen { .. } | Holds::Steps { .. } = block.holds {
            add(&format!("{:?}", block.holds), &chapter.as_bytes()[block.text]);
        }
    }
    let hash = context.finish();
    Ok(hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The files that count as a whole.
fn files(course: &Course, lab: &Lab) -> BTreeSet<PathBuf> {
    let mut files: Vec<PathBuf> = lab.files().into_iter().map(PathBuf::from).collect();
    let models = lab.manifest.tests.iter().any(|test| test.target == Target::Models).then_some(OF_MODELS);
    for part in [&*lab.path()].into_iter().chain(models) {
        list(&course.root, Path::new(part), &mut files);
    }
    let is_text = |file: &Path| file.ends_with(CHAPTER) || file.ends_with("lab.toml");
    files.into_iter().filter(|file| !is_text(file)).collect()
}

/// All files below a directory, by their path from the top.
fn list(root: &Path, part: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root.join(part)).into_iter().flatten().flatten() {
        let inside = part.join(entry.file_name());
        match entry.path().is_dir() {
            true => list(root, &inside, files),
            false => files.push(inside),
        }
    }
}
