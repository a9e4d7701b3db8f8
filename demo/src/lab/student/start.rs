//! `demo lab start`: makes the tree of a lab. `lab update` makes it again from a newer clone and keeps the student's
//! functions.

use crate::lab::course::{Course, Edits, Lab};
use crate::lab::cut::{body, is_hole, with_bodies};
use crate::lab::error::LabError;
use crate::lab::state::State;
use crate::lab::tree::{Tree, commit, write_tree};
use std::collections::BTreeMap;
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
    let state = State { lab: number, root: course.root.clone(), ..State::default() };
    state.write(&to)?;
    commit(&to, &format!("Lab {number}: {}", lab.manifest.title));
    print_beginning(lab, Some(&to));
    Ok(())
}

/// Prints what a student needs to begin a lab.
pub(crate) fn print_beginning(lab: &Lab, to: Option<&Path>) {
    let manifest = &lab.manifest;
    println!("Lab {}: {} (about {} hours)\n", lab.number, manifest.title, manifest.hours);
    let mut file = "";
    for (task, hole) in manifest.holes.iter().enumerate() {
        if hole.file != file {
            file = &hole.file;
            println!("  {file}");
        }
        let text = format!("task {}: {}: {}", task + 1, hole.item, hole.task);
        println!(
            "{}",
            textwrap::fill(&text, textwrap::Options::new(80).initial_indent("    ").subsequent_indent("            "))
        );
    }
    if let Some(to) = to {
        println!("\n  cd {}", to.display());
    }
    println!(
        "\n  ./lab read     the chapter, which is README.md too\n  \
         ./lab check    the tests, up to the first that fails\n  \
         ./lab show     the failing run, in the stepper\n  \
         ./lab hint     a hint, the gentlest first"
    );
}

/// Makes the tree again from the clone as it is now. The student's functions stay.
pub(crate) fn update(tree: &Tree) -> Result<(), LabError> {
    let lab = tree.lab()?;
    let mut edits = mine(tree, &tree.state.mine)?;
    carry(&mut edits, &tree.course, own(tree, lab)?)?;
    let source = |file: &str| edits.get(file).cloned().map_or_else(|| tree.course.source(file), Ok);
    // A function that the student has not written is cut again: its hole may have changed.
    let mut starter = lab.starter(source)?;
    carry(&mut starter, &tree.course, own(tree, lab)?)?;
    edits.extend(starter);
    commit(&tree.top, "Before an update from the clone");
    write_tree(&tree.course, lab, &tree.top, &edits)?;
    commit(&tree.top, &format!("Lab {}, updated from the clone", lab.number));
    println!("the tree is up to date; your functions are kept");
    Ok(())
}

/// The files of ours with the student's functions of these labs.
pub(crate) fn mine(tree: &Tree, labs: &[u32]) -> Result<Edits, LabError> {
    let mut edits = Edits::new();
    for number in labs {
        carry(&mut edits, &tree.course, own(tree, tree.course.lab(*number)?)?)?;
    }
    Ok(edits)
}

/// A student's functions, by file and item; a whole file has no item.
type Own = BTreeMap<(String, Option<String>), String>;

/// The functions of a lab that the student has written in the tree.
fn own(tree: &Tree, lab: &Lab) -> Result<Own, LabError> {
    let mut own = Own::new();
    for hole in &lab.manifest.holes {
        let Ok(text) = tree.text(&hole.file) else { continue }; // the folder of an earlier lab is gone
        let body = body(&text, &hole.item).map_err(LabError::source(&hole.file))?;
        if hole.whole {
            own.insert((hole.file.clone(), None), text);
        } else if !is_hole(body) {
            own.insert((hole.file.clone(), Some(hole.item.clone())), body.to_owned());
        }
    }
    Ok(own)
}

/// Puts the student's functions into files of ours, or of `edits` where they are there.
fn carry(edits: &mut Edits, course: &Course, own: Own) -> Result<(), LabError> {
    for ((file, item), text) in own {
        let Some(item) = item else {
            edits.insert(file, text);
            continue;
        };
        let base = edits.get(&file).cloned().map_or_else(|| course.source(&file), Ok)?;
        let with = with_bodies(&base, &[(&item, &text)]).map_err(LabError::source(&file))?;
        edits.insert(file, with);
    }
    Ok(())
}
