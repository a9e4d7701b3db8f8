//! The blocks of a chapter: filled in from the sources and from the runs of a solution.

use super::bench::Bench;
use crate::Failure;
use crate::lab::build::build_program;
use crate::lab::chapter::blocks::{Block, Holds, blocks};
use crate::lab::course::read;
use crate::lab::items::{find, unindented};
use crate::lab::judge::Judge;
use crate::lab::manifest::Wrong;
use crate::lab::student::show::record_program;
use crate::step::{self, Sources};

/// Fills in the blocks of `text` that show this solution: ours if `wrong` is `None`. Without a build, only the
/// excerpts.
pub(super) fn fill(
    bench: &mut Bench<'_>,
    judge: Option<&Judge<'_>>,
    wrong: Option<&Wrong>,
    text: &mut String,
) -> Result<(), Failure> {
    // From the last to the first, so that the positions of the others stay.
    for block in blocks(text).into_iter().rev() {
        let of = format!("line {} of the chapter", block.line);
        match content(bench, judge, wrong, &block) {
            Ok(Some(content)) => text.replace_range(block.text, &content),
            Ok(None) => {}
            Err(why) => bench.problem(&of, why),
        }
    }
    Ok(())
}

/// What a block must hold; `None` if it does not show this solution.
fn content(
    bench: &Bench<'_>,
    judge: Option<&Judge<'_>>,
    wrong: Option<&Wrong>,
    block: &Block,
) -> Result<Option<String>, String> {
    let shows = |name: Option<&str>| name == wrong.map(|wrong| &*wrong.name);
    match &block.holds {
        Holds::Excerpt { file, item } if wrong.is_none() => {
            if bench.lab.manifest.hole(item).is_some_and(|hole| hole.file == *file) {
                return Err(format!("the excerpt `{item}` is a hole of this lab"));
            }
            let source = bench.source(file)?;
            Ok(Some(unindented(&source, find(&source, item)?.whole) + "\n"))
        }
        Holds::Screen { event, wrong } if shows(wrong.as_deref()) => {
            let Some(judge) = judge else { return Ok(None) };
            let recording = record_program(&build_program(bench.top, bench.lab)?, judge.place())?;
            let trace = step::open(&recording).map_err(|failure| failure.to_string())?;
            if *event > trace.records.len() {
                return Err(format!("the run has {} events, so there is no event {event}", trace.records.len()));
            }
            let title = format!("lab {}", bench.lab.number);
            Ok(Some(step::screen(title, trace, Sources::new(Some(bench.top.into())), *event)))
        }
        Holds::Steps { test, wrong } if shows(Some(wrong)) => {
            let test = bench.lab.manifest.tests.iter().find(|other| other.name == *test);
            let test = test.ok_or("`steps=` names no test of this lab")?;
            let Some(judge) = judge else { return Ok(None) };
            let (_, recorded) = judge.run(test, true)?;
            let steps = read(&recorded.steps).map_err(|_| format!("`{}` runs no model that fails", test.name))?;
            Ok(Some(steps.trim_end().to_owned() + "\n"))
        }
        Holds::Screen { wrong: Some(name), .. } | Holds::Steps { wrong: name, .. }
            if !bench.lab.manifest.wrongs.iter().any(|wrong| wrong.name == *name) =>
        {
            Err(format!("there is no wrong solution `{name}`"))
        }
        _ => Ok(None),
    }
}
