//! The chapters: one `README.md` for each lab.
//!
//! | file | what it holds |
//! |---|---|
//! | `terminal.rs` | a chapter as text for a terminal |
//! | `page.rs` | all chapters as pages for a browser |
//! | `blocks.rs` | the code blocks that are filled in from the sources and from runs |

pub(crate) mod blocks;
mod page;
mod terminal;

use super::course::{Course, LABS, Lab, read as read_file};
use super::error::LabError;
use super::tree::Tree;
use std::env;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// The file of a chapter, in the folder of its lab.
pub(crate) const CHAPTER: &str = "README.md";

/// Shows a chapter in the terminal, or writes all of them as pages.
pub(crate) fn read(
    root: Option<&Path>,
    lab: Option<u32>,
    with_answers: bool,
    html: Option<&Path>,
) -> Result<(), LabError> {
    let tree = if root.is_none() { Tree::open(None).ok() } else { None };
    let number = lab.or(tree.as_ref().map(|tree| tree.state.lab)).unwrap_or(1);
    let course = tree.map_or_else(|| Course::open(root), |tree| Ok(tree.course))?;
    if let Some(to) = html {
        return page::write_all(&course, to);
    }
    let text = text(&course, course.lab(number)?)?;
    let text = terminal::render(&text, columns().min(80), with_answers, io::stdout().is_terminal());
    print_in_pages(&text)
}

/// The text of a chapter.
pub(crate) fn text(course: &Course, lab: &Lab) -> Result<String, LabError> {
    read_file(&course.root.join(LABS).join(&lab.folder).join(CHAPTER))
}

/// The columns of the terminal; 80 without one.
pub(crate) fn columns() -> usize {
    ratatui::crossterm::terminal::size().map_or(80, |(columns, _)| columns.into())
}

/// Prints a text through the user's pager if it goes to a terminal.
fn print_in_pages(text: &str) -> Result<(), LabError> {
    if io::stdout().is_terminal() {
        let pager = env::var("PAGER").ok().filter(|pager| !pager.is_empty()).unwrap_or_else(|| "less -R".into());
        let mut words = pager.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or("less"));
        if env::var_os("LESS").is_none() {
            command.env("LESS", "R"); // headings are bold
        }
        if let Ok(mut shown) = command.args(words).stdin(Stdio::piped()).spawn() {
            // A pager that is quit early does not read the rest.
            shown.stdin.take().into_iter().for_each(|mut stdin| _ = stdin.write_all(text.as_bytes()));
            return shown.wait().map(drop).map_err(LabError::program(&pager));
        }
    }
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(LabError::Unwritable { path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}
