//! `hint`: one more hint for a task, the gentlest first.

use super::check::tracks_begun;
use crate::lab::cut::{body, is_hole};
use crate::lab::error::LabError;
use crate::lab::manifest::Hole;
use crate::lab::tree::Tree;

/// Prints the hints so far for a task, and one more. Without a number, the task is the first that is not written.
pub(crate) fn hint(tree: &mut Tree, task: Option<usize>) -> Result<(), LabError> {
    let (item, text) = {
        let (number, hole) = task_of(tree, task)?;
        let shown = 1 + tree.state.hints.get(&hole.item).copied().unwrap_or(0);
        let mut text = format!("task {number}: {}\n", hole.item);
        for (at, hint) in hole.hints.iter().take(shown).enumerate() {
            let indent = format!("{:>3}. ", at + 1);
            let options = textwrap::Options::new(80).initial_indent(&indent).subsequent_indent("     ");
            text.push_str(&textwrap::fill(hint, options));
            text.push('\n');
        }
        text.push_str(&match hole.hints.len().saturating_sub(shown) {
            0 => "there is no further hint for this task; ./lab show shows what goes wrong".to_owned(),
            1 => format!("one more hint follows: ./lab hint {number}"),
            more => format!("{more} more hints follow: ./lab hint {number}"),
        });
        (hole.item.clone(), text)
    };
    say!("{text}");
    *tree.state.hints.entry(item).or_default() += 1;
    tree.save()
}

fn task_of(tree: &Tree, task: Option<usize>) -> Result<(usize, &Hole), LabError> {
    let holes = &tree.lab()?.manifest.holes;
    let tracks = tracks_begun(tree)?;
    let is_next = |hole: &Hole| {
        hole.track.as_deref().is_none_or(|track| tracks.contains(&track))
            && tree.text(&hole.file).is_ok_and(|text| body(&text, &hole.item).is_ok_and(is_hole))
    };
    let written = || {
        let why = "all functions are written; give the number of the task that a hint is for, such as ./lab hint 2";
        LabError::Usage(why.into())
    };
    let number = task.or_else(|| Some(1 + holes.iter().position(is_next)?)).ok_or_else(written)?;
    let hole = number.checked_sub(1).and_then(|at| holes.get(at));
    let hole =
        hole.ok_or_else(|| LabError::Usage(format!("there is no task {number}; the tasks are 1 to {}", holes.len())))?;
    Ok((number, hole))
}
