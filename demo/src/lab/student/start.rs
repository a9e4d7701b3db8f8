//! `demo lab start`: makes the tree of a lab.

use crate::lab::course::{Course, Lab};
use crate::lab::error::LabError;
use crate::lab::state::State;
use crate::lab::tree::{commit, hash_of_tests, quoted, write_tree};
use std::fs;
use std::path::{Path, absolute};

/// Makes the tree of a lab in a new directory, and prints how to go on.
pub(crate) fn start(course: &Course, number: u32, to: &Path) -> Result<(), LabError> {
    let lab = course.lab(number)?;
    let to = absolute(to).map_err(|source| LabError::Unreadable { path: to.into(), source })?;
    if fs::read_dir(&to).is_ok_and(|mut entries| entries.next().is_some()) || to.is_file() {
        return Err(LabError::InUse(to));
    }
    let parent = to.ancestors().find_map(|path| path.canonicalize().ok());
    let root = course.root.canonicalize().unwrap_or_else(|_| course.root.clone());
    if parent.is_some_and(|parent| parent.starts_with(&root)) {
        return Err(LabError::Inside(to));
    }
    write_tree(course, lab, &to, &lab.starter(|file| course.source(file))?)?;
    let tests = hash_of_tests(&to, lab)?;
    let state = State { lab: number, root: course.root.clone(), tests, ..State::default() };
    state.write(&to)?;
    commit(&to, &format!("Lab {number}: {}", lab.manifest.title));
    print_beginning(lab, Some(&to));
    Ok(())
}

/// Prints what a student needs to begin a lab.
pub(crate) fn print_beginning(lab: &Lab, to: Option<&Path>) {
    let manifest = &lab.manifest;
    say!("Lab {}: {} (about {} hours)\n", lab.number, manifest.title, manifest.hours);
    let mut file = "";
    for (task, hole) in manifest.holes.iter().enumerate() {
        if hole.file != file {
            file = &hole.file;
            say!("  {file}");
        }
        let text = format!("task {}: {}: {}", task + 1, hole.item, hole.task);
        say!(
            "{}",
            textwrap::fill(&text, textwrap::Options::new(80).initial_indent("    ").subsequent_indent("            "))
        );
    }
    if let Some(to) = to {
        let is_plain = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
        let shown = to.display().to_string();
        say!("\n  cd {}", if shown.chars().all(is_plain) { shown } else { quoted(to) });
    }
    say!(
        "\n  ./lab read     the chapter, which is README.md too\n  \
         ./lab check    the tests, up to the first that fails\n  \
         ./lab show     the failing run, in the stepper\n  \
         ./lab hint     a hint, the gentlest first"
    );
}
