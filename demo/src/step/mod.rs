//! `demo step`: a run of a program, one event at a time, forwards and backwards.
//!
//! | file | what it holds |
//! |---|---|
//! | `args.rs` | the options |
//! | `programs/` | small programs to step through |
//! | `model.rs` | the state at each event |
//! | `words.rs` | events as sentences |
//! | `lints/` | what is wrong with a run |
//! | `runtime_code.rs` | the code of the runtime behind each event |
//! | `source.rs` | the text of source files |
//! | `printable.rs` | texts of recordings, without control characters |
//! | `tui/` | the stepper in the terminal |
//! | `screen.rs` | one of its screens as text |
//! | `html/` | the run as one page for a browser |
//! | `perfetto.rs` | the run for ui.perfetto.dev |

mod args;
mod html;
pub mod lints;
pub mod model;
mod perfetto;
mod printable;
mod programs;
mod runtime_code;
mod screen;
mod source;
pub mod tui;
pub mod words;

pub use args::StepArgs;
pub(crate) use printable::clean_last;
pub use printable::printable;
pub use programs::Program;
pub(crate) use screen::{guilty_event, screen, show};
pub use source::Sources;

use crate::{Exit, Failure};
use bytesize::ByteSize;
use executor::trace::{Event, Record, Trace};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;
use tui::{App, Live};

/// Runs `demo step`.
///
/// # Errors
/// Fails if the recording can't be read or a file can't be written.
pub fn run(args: &StepArgs) -> Result<Exit, Failure> {
    let sources = Sources::new(args.source.clone());
    let program = args.program;
    if args.live {
        tui::show(App::live(program.title(), Live::start(program), sources))?;
        return Ok(Exit::Success);
    }
    let (title, trace) = match &args.replay {
        Some(path) => (path.display().to_string(), open(path)?),
        None => {
            let mut trace = program.record().map_err(Failure::Runtime)?;
            trace.head.program = program.title();
            (program.title(), trace)
        }
    };
    let sources = sources.recorded_in(&trace.head.directory);
    if let Some(path) = &args.html {
        write(path, |file| html::write(&trace, &sources, file))?;
        if args.replay.is_some() {
            print_left_out(&html::left_out(&trace, &sources));
        }
    }
    if let Some(path) = &args.perfetto {
        write(path, |file| perfetto::write(&trace, file))?;
    }
    if args.lint {
        return print_findings(&trace);
    }
    if args.html.is_none() && args.perfetto.is_none() {
        match args.print {
            true => screen::print(&screen(title, trace, sources, args.at.unwrap_or(1)))?,
            false => tui::show(screen::app(title, trace, sources, args.at))?,
        }
    }
    Ok(Exit::Success)
}

/// Opens a recording, for `step` and `top`.
pub(crate) fn open(path: &Path) -> Result<Trace, Failure> {
    let mut trace = Trace::open(path).map_err(|error| Failure::recording(path, error))?;
    printable::clean(&mut trace);
    Ok(trace)
}

/// Prints which source files the page lacks, and why.
fn print_left_out(files: &BTreeMap<&str, Rc<str>>) {
    const SHOWN: usize = 5;
    if !files.is_empty() {
        let are = if files.len() == 1 { "is" } else { "are" };
        eprintln!("demo: {} of the recording {are} left out of the page:", words::count(files.len(), "source file"));
        files.iter().take(SHOWN).for_each(|(file, why)| eprintln!("    {file}: {why}"));
        files.len().checked_sub(SHOWN + 1).inspect(|more| eprintln!("    and {} more", more + 1));
    }
}

/// Prints what is wrong with the run.
fn print_findings(trace: &Trace) -> Result<Exit, Failure> {
    let (findings, names_runs) = (lints::lint(trace), model::has_several_runs(trace));
    let mut out = io::stdout().lock();
    for finding in &findings {
        // People count events from 1.
        let run = if names_runs { format!("run {}, ", finding.run) } else { String::new() };
        let text = format!("event {}, {run}{}: {}", finding.event + 1, finding.kind, finding.text);
        let lines = textwrap::fill(&text, textwrap::Options::new(WIDTH).subsequent_indent("    "));
        writeln!(out, "{lines}").map_err(Failure::Output)?;
    }
    if !findings.is_empty() {
        return Ok(Exit::SomeFailed);
    }
    let is_spawn = |record: &&Record| matches!(record.event, Event::Spawned { .. });
    let (events, tasks) = (trace.records.len(), trace.records.iter().filter(is_spawn).count());
    writeln!(out, "nothing wrong was found in {} of {}", words::count(events, "event"), words::count(tasks, "task"))
        .map_err(Failure::Output)?;
    Ok(Exit::Success)
}

/// The width of the lines in which findings are printed.
const WIDTH: usize = 80;

/// Writes a file, and prints its path and size.
fn write(path: &Path, write: impl FnOnce(&File) -> io::Result<()>) -> Result<(), Failure> {
    let written = File::create(path).and_then(|file| {
        write(&file)?;
        file.metadata()
    });
    let size = written.map_err(|source| Failure::Written { path: path.into(), source })?.len();
    eprintln!("wrote {} ({})", path.display(), ByteSize::b(size).display().si());
    Ok(())
}
