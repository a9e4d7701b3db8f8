//! `update`: makes the tree again from a newer clone and keeps the student's functions, as `next --mine` does.

use crate::lab::course::{Course, Edits, Lab};
use crate::lab::cut::{body, is_hole, with_bodies};
use crate::lab::error::LabError;
use crate::lab::items;
use crate::lab::tree::{Tree, commit, commit_work, hash_of_tests, write_tree};
use std::collections::BTreeMap;

/// Makes the tree again from the clone as it is now. The student's functions stay.
pub(crate) fn update(mut tree: Tree) -> Result<(), LabError> {
    let lab = tree.lab()?;
    let earlier: Vec<u32> = tree.state.mine.iter().copied().filter(|number| *number != lab.number).collect();
    let mut edits = mine(&tree, &earlier)?;
    let source = |file: &str| edits.get(file).cloned().map_or_else(|| tree.course.source(file), Ok);
    // A function that the student has not written is cut again: its hole may have changed.
    let mut starter = lab.starter(source)?;
    carry(&mut starter, &tree.course, own(&tree, lab)?)?;
    edits.extend(starter);
    commit_work(&tree.top, lab, "Before an update from the clone")?;
    write_tree(&tree.course, lab, &tree.top, &edits)?;
    tree.state.tests = hash_of_tests(&tree.top, lab)?;
    tree.save()?;
    let lab = tree.lab()?;
    commit(&tree.top, &format!("Lab {}, updated from the clone", lab.number));
    say!("the tree is up to date; your functions are kept");
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
        if hole.whole {
            own.insert((hole.file.clone(), None), text);
            continue;
        }
        items::parse(&text).map_err(LabError::source(&hole.file))?;
        match body(&text, &hole.item) {
            Ok(body) if is_hole(body) => {}
            Ok(body) => _ = own.insert((hole.file.clone(), Some(hole.item.clone())), body.to_owned()),
            // It was renamed: here, or in the clone since the tree was made.
            Err(why) => eprintln!("{}: {why}, so the clone's is used; the history has yours", hole.file),
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
