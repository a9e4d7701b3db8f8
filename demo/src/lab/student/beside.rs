//! `beside`: the student's functions next to ours, once the tests pass.

use crate::lab::cut::{body, is_hole};
use crate::lab::error::LabError;
use crate::lab::items::unindented;
use crate::lab::tree::Tree;
use crate::lab::{items, manifest::Hole};
use textwrap::core::display_width as columns;

/// Prints each function twice, side by side, or one below the other in a narrow terminal.
///
/// # Errors
/// If a test still fails.
pub(crate) fn beside(tree: &Tree, width: usize) -> Result<(), LabError> {
    let lab = tree.lab()?;
    if !tree.state.has_passed {
        return Err(LabError::Usage("`beside` shows our solution once yours passes: run ./lab check first".into()));
    }
    for hole in &lab.manifest.holes {
        let yours = tree.text(&hole.file)?;
        if is_hole(body(&yours, &hole.item).map_err(LabError::source(&hole.file))?) {
            continue; // of a track that was not chosen
        }
        let ours = tree.course.source(&hole.file)?;
        say!("{} in {}\n", hole.item, hole.file);
        print_both(&function(&yours, hole)?, &function(&ours, hole)?, width);
        say!("");
    }
    Ok(())
}

/// A function without its documentation.
fn function(text: &str, hole: &Hole) -> Result<String, LabError> {
    let found = items::find(text, &hole.item).map_err(LabError::source(&hole.file))?;
    let whole = unindented(text, found.whole);
    let lines: Vec<&str> = whole.lines().skip_while(|line| line.starts_with("///") || line.starts_with("#[")).collect();
    Ok(lines.join("\n"))
}

fn print_both(yours: &str, ours: &str, width: usize) {
    let widest = |text: &str| text.lines().map(columns).max().unwrap_or(0);
    let (left, right) = (widest(yours).max(5), widest(ours).max(4));
    if left + 3 + right > width {
        return say!("yours\n{}\n\nours\n{}", indented(yours), indented(ours));
    }
    say!("{} │ ours", fit("yours", left));
    let (mut yours, mut ours) = (yours.lines(), ours.lines());
    loop {
        let (your, our) = (yours.next(), ours.next());
        if your.is_none() && our.is_none() {
            break;
        }
        say!("{}", format!("{} │ {}", fit(your.unwrap_or_default(), left), our.unwrap_or_default()).trim_end());
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// The text, with spaces up to a width.
fn fit(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}
