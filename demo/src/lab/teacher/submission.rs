//! A submission: the functions of a lab in a student's tree. Everything else in the tree, such as changed tests, is
//! ignored.

use crate::lab::course::{Course, Edits, Lab};
use crate::lab::cut::{body, is_hole, with_bodies};
use crate::lab::error::LabError;
use crate::lab::names;
use crate::lab::state::State;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The functions of a lab in a student's tree.
pub(super) struct Submission<'a> {
    /// The files with the student's functions, in a tree that is otherwise ours.
    pub(super) edits: Edits,
    /// Items of the lab that are still holes, without those of tracks that the student has not begun.
    pub(super) unwritten: Vec<String>,
    /// The tracks that the student has begun, in a lab with a choice.
    pub(super) tracks: Vec<&'a str>,
    /// Why it must not be built: for instance, it names something that no solution needs.
    pub(super) refused: Option<String>,
}

/// The largest file that is read, in bytes. Ours are much smaller.
const LARGEST: u64 = 1 << 20;

impl<'a> Submission<'a> {
    /// Takes the functions of a lab out of a tree.
    ///
    /// # Errors
    /// If a source file of ours can't be read.
    pub(super) fn take(course: &Course, lab: &'a Lab, tree: &Path) -> Result<Submission<'a>, LabError> {
        let (edits, unwritten, tracks) = Default::default();
        let mut submission = Submission { edits, unwritten, tracks, refused: None };
        for file in lab.files() {
            let theirs = match submitted(tree, file) {
                Ok(theirs) => theirs,
                Err(error) => {
                    submission.refuse(format!("{file}: {error}"));
                    continue;
                }
            };
            let ours = course.source(file)?;
            match submission.of_file(lab, file, &theirs, &ours) {
                Ok(edited) => _ = submission.edits.insert(file.into(), edited),
                Err(why) => submission.refuse(format!("{file}: {why}")),
            }
        }
        let manifest = &lab.manifest;
        let unwritten = std::mem::take(&mut submission.unwritten);
        submission.tracks = manifest.tracks_begun(|hole| !unwritten.contains(&hole.item));
        let track_of = |item: &str| manifest.hole(item).and_then(|hole| hole.track.as_deref());
        let is_chosen = |item: &String| track_of(item).is_none_or(|track| submission.tracks.contains(&track));
        submission.unwritten = unwritten.into_iter().filter(is_chosen).collect();
        Ok(submission)
    }

    fn refuse(&mut self, why: String) {
        self.refused.get_or_insert(why);
    }

    /// Our file with the student's functions; or the student's file, where all of it is.
    fn of_file(&mut self, lab: &Lab, file: &str, theirs: &str, ours: &str) -> Result<String, String> {
        let (mut bodies, mut is_whole) = (Vec::new(), false);
        for (_, hole) in lab.holes_of(file) {
            let body = body(theirs, &hole.item)?;
            if is_hole(body) {
                self.unwritten.push(hole.item.clone());
            }
            is_whole |= hole.whole;
            names::check(body).map_err(|why| format!("`{}` {why}", hole.item))?;
            bodies.push((&*hole.item, body));
        }
        if is_whole {
            names::check(theirs)?;
            return Ok(theirs.to_owned());
        }
        with_bodies(ours, &bodies)
    }
}

/// Reads a file of a submission. A link that leads out of the tree, a pipe and a file of any length could show another
/// file, or stop the grading.
fn submitted(tree: &Path, file: &str) -> io::Result<String> {
    let tree = Dir::open_ambient_dir(tree, ambient_authority())?;
    let mut options = OpenOptions::new();
    // The open of a pipe does not wait for a writer.
    options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32);
    let opened = tree.open_with(file, &options)?;
    if !opened.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = String::new();
    opened.take(LARGEST + 1).read_to_string(&mut text)?;
    match text.len() as u64 > LARGEST {
        true => Err(io::Error::other(format!("it is larger than {LARGEST} bytes"))),
        false => Ok(text),
    }
}

/// The trees in a directory: itself, or those right below it, by name. Prints which directories are skipped.
pub(super) fn trees(dir: &Path) -> Vec<PathBuf> {
    let is_tree = |path: &Path| path.join("executor/src").is_dir() || path.join("demo/labs").is_dir();
    if is_tree(dir) {
        return vec![dir.into()];
    }
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let (mut trees, others): (Vec<PathBuf>, Vec<PathBuf>) =
        entries.filter(|path| path.is_dir()).partition(|path| is_tree(path));
    trees.sort();
    if !trees.is_empty() {
        others.iter().for_each(|other| eprintln!("skipped: {} is no tree of a lab", other.display()));
    }
    trees
}

/// The lab of a tree: the given one; or the one that the tree's state names; or, because a repository does not contain the
/// state, the one whose folder is in the tree.
pub(super) fn lab_of<'a>(course: &'a Course, tree: &Path, given: Option<u32>) -> Result<&'a Lab, LabError> {
    let state = || {
        let path = State::path(Path::new(""));
        serde_json::from_str::<State>(&submitted(tree, path.to_str()?).ok()?).ok()
    };
    if let Some(number) = given.or_else(|| Some(state()?.lab)) {
        return course.lab(number);
    }
    let mut labs = course.labs.iter().filter(|lab| tree.join(lab.path()).is_dir());
    match (labs.next(), labs.next()) {
        (Some(lab), None) => Ok(lab),
        _ => Err(LabError::Usage(format!("{} does not say which lab it is; give it with --lab", tree.display()))),
    }
}
