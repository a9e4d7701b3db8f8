//! `check`: builds the tests and runs them in order, up to the first that fails. It shows only that one, in three lines.

use super::update::mine;
use crate::Exit;
use crate::lab::build::plain;
use crate::lab::cut::{body, is_hole};
use crate::lab::error::LabError;
use crate::lab::items::find;
use crate::lab::judge::{Judge, sentence};
use crate::lab::manifest::{Hole, Test};
use crate::lab::tree::Tree;
use std::io::{IsTerminal, stderr};
use std::ops::ControlFlow;

/// Runs the tests.
pub(crate) fn check(tree: &mut Tree) -> Result<Exit, LabError> {
    if !tree.top.join("target").exists() && stderr().is_terminal() {
        eprintln!("building the runtime and the tests; the first time, this takes a minute or two");
    }
    let failed = {
        let lab = tree.lab()?;
        let Some(judge) = built(tree)? else { return Ok(Exit::SomeFailed) };
        println!("lab {}: {}", lab.number, lab.manifest.title);
        let tracks = tracks_begun(tree)?;
        if !tracks.is_empty() {
            println!("of the tracks {}, this checks {}", lab.manifest.tracks().join(", "), tracks.join(", "));
        }
        let mut failed = None;
        judge.run_all(lab.manifest.tests_of(&tracks), |test, outcome| match outcome.end.failure() {
            Some(what) => {
                println!("  FAILED  {}\n", sentence(&test.name));
                match unwritten(tree, what) {
                    Some(hole) => print_hole(&hole, test),
                    None => print_failure(test, what),
                }
                failed = Some(test.name.clone());
                ControlFlow::Break(())
            }
            None => {
                println!("  ok      {}", sentence(&test.name));
                ControlFlow::Continue(())
            }
        })?;
        failed
    };
    (tree.state.has_passed, tree.state.failed) = (failed.is_none(), failed);
    tree.save()?;
    if tree.state.failed.is_some() {
        return Ok(Exit::SomeFailed);
    }
    print_passed(tree)?;
    Ok(Exit::Success)
}

/// In a lab with a choice: the tracks that the student has begun; the first, if none.
pub(super) fn tracks_begun(tree: &Tree) -> Result<Vec<&str>, LabError> {
    let is_written =
        |hole: &Hole| tree.text(&hole.file).is_ok_and(|text| body(&text, &hole.item).is_ok_and(|body| !is_hole(body)));
    Ok(tree.lab()?.manifest.tracks_begun(is_written))
}

/// The hole that a test has reached: its task, file and line.
fn unwritten(tree: &Tree, what: &str) -> Option<String> {
    let lab = tree.lab().ok()?;
    let (number, hole) = lab.manifest.holes.iter().enumerate().find(|(number, hole)| {
        what == format!("lab {}, task {}: {} is not written yet", lab.number, number + 1, hole.item)
    })?;
    let text = tree.text(&hole.file).ok()?;
    let line = 1 + text[..find(&text, &hole.item).ok()?.body?.start].matches('\n').count();
    Some(format!("task {}, {}, in {}:{line}", number + 1, hole.item, hole.file))
}

/// Prints what is to be written next.
fn print_hole(hole: &str, test: &Test) {
    print_line("write", hole);
    print_line("invariant", &test.invariant);
    print_line("help", "./lab hint");
}

/// Prints a failure: what broke, which invariant, how to see it.
fn print_failure(test: &Test, what: &str) {
    let mut what = what.lines();
    let first = what.next().unwrap_or_default();
    print_line("broke", &format!("{} {first}", test.broke));
    const SHOWN: usize = 6;
    let rest: Vec<&str> = what.filter(|line| !line.trim().is_empty()).collect();
    rest.iter().take(SHOWN).for_each(|line| print_line("", line));
    if rest.len() > SHOWN {
        print_line("", "…");
    }
    print_line("invariant", &test.invariant);
    print_line("see it", "./lab show");
}

/// Prints a line with a title, wrapped at 80 columns.
fn print_line(title: &str, text: &str) {
    let first = format!("{title:<9}  ");
    let options = textwrap::Options::new(80).initial_indent(&first).subsequent_indent("           ");
    println!("{}", textwrap::fill(text.trim_end(), options));
}

/// Builds the tests of the tree; or prints the errors of the compiler.
pub(crate) fn built(tree: &Tree) -> Result<Option<Judge<'_>>, LabError> {
    match Judge::build(&tree.top, tree.lab()?)? {
        Ok(judge) => Ok(Some(judge)),
        Err(errors) => {
            print_errors(&errors);
            Ok(None)
        }
    }
}

/// Prints the first errors of the compiler.
fn print_errors(errors: &[String]) {
    const SHOWN: usize = 3;
    errors.iter().take(SHOWN).for_each(|error| print!("{}", styled(error)));
    let more = errors.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("; {more} more errors follow") } else { String::new() };
    println!("the tree does not compile{more}");
}

/// The compiler's text, without colours unless it goes to a terminal.
fn styled(text: &str) -> String {
    if std::io::stdout().is_terminal() { text.to_owned() } else { plain(text) }
}

fn print_passed(tree: &Tree) -> Result<(), LabError> {
    let lab = tree.lab()?;
    println!("\nall public tests passed");
    for file in changed_outside(tree) {
        println!(
            "  note: {file} differs from ours outside of your functions;\n        \
             grading, ./lab next --mine and ./lab update take only the functions"
        );
    }
    println!("  ./lab beside   your functions next to ours");
    match tree.course.labs.iter().any(|other| other.number > lab.number) {
        true => println!("  ./lab next     the following lab; with --mine it keeps your functions"),
        false => println!("  ./lab crawl    the downloader on your own runtime"),
    }
    Ok(())
}

/// The files that differ from ours outside of the student's functions, for instance by an import.
fn changed_outside(tree: &Tree) -> Vec<String> {
    let labs = [&*tree.state.mine, &[tree.state.lab]].concat();
    // If the clone has changed, the functions may not be there any more.
    let taken = mine(tree, &labs).unwrap_or_default();
    let is_changed = |(file, text): &(String, String)| tree.text(file).is_ok_and(|theirs| theirs != *text);
    taken.into_iter().filter(is_changed).map(|(file, _)| file).collect()
}
