//! `check`: builds the tests and runs them in order, up to the first that fails. It shows only that one, in three lines.

use super::update::mine;
use crate::Exit;
use crate::lab::build::plain;
use crate::lab::cut::{body, is_hole};
use crate::lab::error::LabError;
use crate::lab::items::find;
use crate::lab::judge::{Judge, sentence};
use crate::lab::manifest::{Hole, Test};
use crate::lab::names;
use crate::lab::run::End;
use crate::lab::tree::{Tree, hash_of_tests, parts_of_tests};
use std::io::{IsTerminal, stderr};
use std::ops::ControlFlow;

/// Runs the tests.
pub(crate) fn check(tree: &mut Tree) -> Result<Exit, LabError> {
    if !tree.top.join("target").exists() && stderr().is_terminal() {
        eprintln!("building the runtime and the tests; the first time, this takes a minute or two");
    }
    let failed = {
        let lab = tree.lab()?;
        if let Some(why) = refused(tree) {
            say!("{why}; `lab grade` refuses it, too");
            return Ok(Exit::SomeFailed);
        }
        let Some(judge) = built(tree)? else { return Ok(Exit::SomeFailed) };
        say!("lab {}: {}", lab.number, lab.manifest.title);
        let tracks = tracks_begun(tree)?;
        if !tracks.is_empty() {
            say!("of the tracks {}, this checks {}", lab.manifest.tracks().join(", "), tracks.join(", "));
        }
        let mut failed = None;
        judge.run_all(lab.manifest.tests_of(&tracks), |test, outcome| match outcome.end.failure() {
            Some(what) => {
                let is_of_test = matches!(outcome.end, End::Failed(_));
                say!("  FAILED  {}\n", sentence(&test.name));
                match unwritten(tree, what) {
                    Some(hole) => print_hole(&hole, test),
                    None => print_failure(test, what, is_of_test),
                }
                failed = Some(test.name.clone());
                ControlFlow::Break(())
            }
            None => {
                say!("  ok      {}", sentence(&test.name));
                ControlFlow::Continue(())
            }
        })?;
        failed
    };
    let changed = changed_tests(tree)?;
    (tree.state.has_passed, tree.state.failed) = (failed.is_none() && changed.is_empty(), failed);
    tree.save()?;
    if !changed.is_empty() {
        say!("\nnote: these tests were changed; grading uses the course's:");
        changed.iter().for_each(|file| say!("  {file}"));
    }
    match (&tree.state.failed, tree.state.has_passed) {
        (Some(_), _) => Ok(Exit::SomeFailed),
        (None, false) => {
            say!("the tests of this tree passed; ./lab update restores the course's");
            Ok(Exit::SomeFailed)
        }
        (None, true) => {
            print_passed(tree)?;
            Ok(Exit::Success)
        }
    }
}

/// Why the student's functions are refused, if they are.
fn refused(tree: &Tree) -> Option<String> {
    let holes = &tree.lab().ok()?.manifest.holes;
    holes.iter().find_map(|hole| {
        let text = tree.text(&hole.file).ok()?;
        let why = names::check(if hole.whole { &text } else { body(&text, &hole.item).ok()? }).err()?;
        Some(format!("{} in {}: it {why}", hole.item, hole.file))
    })
}

/// The files of the tests that the student has changed.
fn changed_tests(tree: &Tree) -> Result<Vec<String>, LabError> {
    let lab = tree.lab()?;
    if hash_of_tests(&tree.top, lab)? == tree.state.tests {
        return Ok(Vec::new());
    }
    let mut changed = Vec::new();
    for part in parts_of_tests(lab) {
        for file in tree.course.files(&part)? {
            let ours = tree.course.source(&file)?;
            changed.extend((tree.text(&file).ok() != Some(ours)).then_some(file));
        }
    }
    Ok(changed)
}

/// In a lab with a choice: the tracks that the student has begun; the first, if none.
pub(super) fn tracks_begun(tree: &Tree) -> Result<Vec<&str>, LabError> {
    let is_written =
        |hole: &Hole| tree.text(&hole.file).is_ok_and(|text| body(&text, &hole.item).is_ok_and(|body| !is_hole(body)));
    Ok(tree.lab()?.manifest.tracks_begun(is_written))
}

/// What is to be written next, if a test has reached a hole: the first one, with its file and line.
fn unwritten(tree: &Tree, what: &str) -> Option<String> {
    let lab = tree.lab().ok()?;
    let holes = &lab.manifest.holes;
    let name = |number: usize| format!("task {}: {}", number + 1, holes[number].item);
    let reached =
        (0..holes.len()).find(|number| what == format!("lab {}, {} is not written yet", lab.number, name(*number)))?;
    let is_next = |hole: &Hole| {
        let text = tree.text(&hole.file).unwrap_or_default();
        hole.track == holes[reached].track && body(&text, &hole.item).is_ok_and(is_hole)
    };
    let first = holes.iter().position(is_next)?;
    let hole = &holes[first];
    let text = tree.text(&hole.file).ok()?;
    let line = 1 + text[..find(&text, &hole.item).ok()?.body?.start].matches('\n').count();
    let and = if first == reached { String::new() } else { format!("; this test needs {}, too", name(reached)) };
    Some(format!("{}, in {}:{line}{and}", name(first), hole.file))
}

/// Prints what is to be written next.
fn print_hole(hole: &str, test: &Test) {
    print_line("write", hole);
    print_line("invariant", &test.invariant);
    print_line("help", "./lab hint");
}

/// Prints a failure: what broke, which invariant, how to see it.
fn print_failure(test: &Test, what: &str, is_of_test: bool) {
    let mut what = what.lines();
    let first = capitalized(what.next().unwrap_or_default());
    // A test that did not reach its assertion says nothing about what the assertion is for.
    let broke = if is_of_test { format!("{} {first}", test.broke) } else { first };
    print_line("broke", &broke);
    const SHOWN: usize = 6;
    let rest: Vec<&str> = what.filter(|line| !line.trim().is_empty()).collect();
    rest.iter().take(SHOWN).for_each(|line| print_line("", line));
    if rest.len() > SHOWN {
        print_line("", "…");
    }
    print_line("invariant", &test.invariant);
    print_line("see it", "./lab show");
}

/// The sentence with a capital letter, unless it begins with a name.
pub(crate) fn capitalized(sentence: &str) -> String {
    let first = sentence.chars().next().filter(char::is_ascii_lowercase);
    let is_name = sentence.split_whitespace().next().is_some_and(|word| word.contains(['_', '(', ':', '.']));
    match first {
        Some(first) if !is_name => format!("{}{}", first.to_ascii_uppercase(), &sentence[1..]),
        _ => sentence.to_owned(),
    }
}

/// Prints a line with a title, wrapped at 80 columns.
fn print_line(title: &str, text: &str) {
    let first = format!("{title:<9}  ");
    let options = textwrap::Options::new(80).initial_indent(&first).subsequent_indent("           ");
    say!("{}", textwrap::fill(text.trim_end(), options));
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
    say!("the tree does not compile{more}");
}

/// The compiler's text, without colours unless it goes to a terminal.
fn styled(text: &str) -> String {
    if std::io::stdout().is_terminal() { text.to_owned() } else { plain(text) }
}

fn print_passed(tree: &Tree) -> Result<(), LabError> {
    let lab = tree.lab()?;
    say!("\nall public tests passed");
    for file in changed_outside(tree) {
        say!(
            "  note: {file} differs from ours outside of your functions;\n        \
             grading, ./lab next --mine and ./lab update take only the functions"
        );
    }
    say!("  ./lab beside   your functions next to ours");
    match tree.course.labs.iter().any(|other| other.number > lab.number) {
        true => say!("  ./lab next     the following lab; with --mine it keeps your functions"),
        false => say!("  ./lab crawl    the downloader on your own runtime"),
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
