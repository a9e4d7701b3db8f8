//! `show`: the test that failed, run once more with a recorder and shown in the stepper at the event where it goes
//! wrong. A failing model is shown as the list of its steps.

use crate::lab::build::build_program;
use crate::lab::confine::confined;
use crate::lab::course::read;
use crate::lab::error::LabError;
use crate::lab::explain::places_of_panic;
use crate::lab::judge::{Recorded, sentence};
use crate::lab::manifest::{Limits, Test};
use crate::lab::run::{Outcome, run_to_the_end};
use crate::lab::student::check::built;
use crate::lab::tree::Tree;
use crate::step::{self, Sources};
use crate::temporary::Temporary;
use crate::{Exit, Failure};
use executor::trace::{Event, Trace};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Shows the run of the test that failed last; or of the lab's program, if none did or `of_program`.
pub(crate) fn show(tree: &Tree, of_program: bool) -> Result<Exit, Failure> {
    let lab = tree.lab()?;
    let Some(judge) = built(tree)? else { return Ok(Exit::SomeFailed) };
    let failed = lab.manifest.tests.iter().find(|test| Some(&test.name) == tree.state.failed.as_ref());
    let Some(test) = failed.filter(|_| !of_program) else {
        if !of_program {
            eprintln!("no test has failed since the last `check`: this is the program of the lab");
        }
        let place = Temporary::new()?;
        let program = build_program(&tree.top, lab)?;
        show_run(tree, step::open(&record_program(&program, place.path())?)?, &format!("lab {}", lab.number))?;
        return Ok(Exit::Success);
    };
    let (outcome, recorded) = judge.run(test, true)?;
    let Some(what) = outcome.end.failure() else {
        eprintln!("`{}` passes now; run ./lab check", sentence(&test.name));
        return Ok(Exit::Success);
    };
    if recorded.steps.metadata().is_ok_and(|file| file.len() > 0) {
        let steps = read(&recorded.steps)?;
        say!("{}: {what}\n\n{}", sentence(&test.name), steps.trim_end());
        return Ok(Exit::SomeFailed);
    }
    match recording_of(&outcome, &recorded).map(|path| step::open(&path)).transpose()? {
        Some(trace) if trace.records.iter().any(|record| matches!(record.event, Event::Spawned { .. })) => {
            show_run(tree, trace, &sentence(&test.name))?;
        }
        _ => print_output(tree, test, &outcome),
    }
    Ok(Exit::SomeFailed)
}

/// The recording of the failed run: that of a seed, which the message names, or that of the last runtime.
pub(crate) fn recording_of(outcome: &Outcome, recorded: &Recorded) -> Option<PathBuf> {
    let named = outcome.output.split("demo step --replay ").nth(1).and_then(|rest| rest.split_whitespace().next());
    // The second runtime of a process writes to a file with `-2` at its end, and so on.
    let numbered = |number: usize| PathBuf::from(format!("{}-{number}", recorded.run.display()));
    let last = (2..).map(numbered).take_while(|path| path.exists()).last();
    let candidates = named.map(PathBuf::from).into_iter().chain(last).chain([recorded.run.clone()]);
    candidates.into_iter().find(|path| path.metadata().is_ok_and(|file| file.len() > 0))
}

/// Runs the lab's program with a recorder. It may fail or hang: then the recording ends there.
pub(crate) fn record_program(program: &Path, place: &Path) -> Result<PathBuf, LabError> {
    let recording = place.join("program.jsonl");
    let limits = Limits { output: 64, ..Limits::default() };
    let mut command = confined(limits, None, None)?;
    command.arg(program).env("EXECUTOR_TRACE", &recording).current_dir(place);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    run_to_the_end(&mut command, limits).map_err(LabError::program("the lab's program"))?;
    match recording.exists() {
        true => Ok(recording),
        false => Err(LabError::Other("the lab's program ended before its runtime started".into())),
    }
}

/// Shows a recording at the event where it goes wrong, with the sources of the tree.
fn show_run(tree: &Tree, trace: Trace, title: &str) -> Result<(), Failure> {
    let at = step::guilty_event(&trace);
    step::show(title.to_owned(), trace, Sources::new(Some(tree.top.clone())), Some(at))
}

/// Prints what a test printed that ran on no runtime, and the line that panicked.
fn print_output(tree: &Tree, test: &Test, outcome: &Outcome) {
    say!(
        "`{}` runs no task, so there is nothing to step through;\n./lab show --program steps through the program of the lab on your code. The test printed:\n",
        sentence(&test.name)
    );
    let is_own = |line: &&str| {
        const OF_HARNESS: [&str; 5] = ["running ", "test result", "failures:", "FAILED", "note: run with"];
        !line.trim().is_empty()
            && !OF_HARNESS.iter().any(|start| line.trim_start().starts_with(start))
            && line.trim() != test.name
    };
    let printed = outcome.output.split("stack backtrace:").next().unwrap_or_default();
    printed.lines().filter(is_own).for_each(|line| say!("    {line}"));
    // The innermost line in a file of the tree; a test includes some of them by a path with `..`.
    let of_tree = |(file, line): (&str, usize)| {
        let path = tree.top.join(file).canonicalize().ok()?;
        let file = path.strip_prefix(tree.top.canonicalize().ok()?).ok()?.to_str()?.to_owned();
        Some((tree.text(&file).ok()?, file, line))
    };
    let found = places_of_panic(&outcome.output).into_iter().find_map(of_tree);
    let Some((text, file, line)) = found else { return };
    say!("\n{file}:{line}\n");
    const AROUND: usize = 8;
    let shown = text.lines().enumerate().skip(line.saturating_sub(AROUND + 1)).take(2 * AROUND);
    for (number, text) in shown {
        let mark = if number + 1 == line { "▶" } else { " " };
        say!("{mark}{:>4} {text}", number + 1);
    }
}
