//! `next`: changes the tree to the following lab.

use super::check::check;
use super::start::print_beginning;
use super::update::mine;
use crate::Exit;
use crate::lab::error::LabError;
use crate::lab::tree::{Tree, commit, commit_work, hash_of_tests, write_tree};

/// Changes the tree to the following lab, or to lab `to`. With `is_mine`, the student's functions of this and earlier
/// labs stay; otherwise ours take their place. The work so far is committed first, so nothing is lost.
///
/// # Errors
/// If there is no further lab, or the student's functions are to stay and a test fails.
pub(crate) fn next(mut tree: Tree, is_mine: bool, to: Option<u32>) -> Result<Exit, LabError> {
    let number = tree.state.lab;
    let following = tree.course.labs.iter().map(|lab| lab.number).find(|other| *other > number);
    let Some(to) = to.or(following) else {
        return Err(LabError::Usage(
            "this is the last lab; ./lab crawl runs the downloader on your own runtime".into(),
        ));
    };
    tree.course.lab(to)?;
    if is_mine {
        if check(&mut tree)? != Exit::Success {
            say!("\n--mine keeps functions that pass; finish this lab, or go on without --mine");
            return Ok(Exit::SomeFailed);
        }
        if !tree.state.mine.contains(&number) {
            tree.state.mine.push(number);
        }
        say!("");
    } else {
        tree.state.mine.clear();
    }
    commit_work(&tree.top, tree.lab()?, &format!("Lab {number}: my work"))?;
    let lab = tree.course.lab(to)?;
    let mut edits = mine(&tree, &tree.state.mine)?;
    let source = |file: &str| edits.get(file).cloned().map_or_else(|| tree.course.source(file), Ok);
    let starter = lab.starter(source)?;
    edits.extend(starter);
    write_tree(&tree.course, lab, &tree.top, &edits)?;
    tree.state.tests = hash_of_tests(&tree.top, lab)?;
    (tree.state.lab, tree.state.failed, tree.state.has_passed) = (to, None, false);
    tree.save()?;
    let lab = tree.lab()?;
    commit(&tree.top, &format!("Lab {to}: {}", lab.manifest.title));
    print_beginning(lab, None);
    Ok(Exit::Success)
}
