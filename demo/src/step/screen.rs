//! One screen of the stepper as text: for a pipe, and for the pictures of a chapter.

use super::lints::lint;
use super::source::Sources;
use super::tui::{self, App};
use crate::Failure;
use executor::trace::{Event, Trace};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::io::{self, IsTerminal, Write};

/// The size of the screen.
const SIZE: (u16, u16) = (80, 24);

/// The stepper at this event, which counts from 1.
pub(super) fn app(title: String, trace: Trace, sources: Sources, at: Option<usize>) -> App {
    let mut app = App::new(title, trace, sources);
    at.inspect(|at| app.seek(*at));
    app
}

/// The stepper's screen at this event, which counts from 1.
pub(crate) fn screen(title: String, trace: Trace, sources: Sources, at: usize) -> String {
    let app = app(title, trace, sources, Some(at));
    let Ok(mut terminal) = Terminal::new(TestBackend::new(SIZE.0, SIZE.1));
    let Ok(_) = terminal.draw(|frame| tui::draw(frame, &app));
    let cells = terminal.backend().buffer().content();
    let row = |cells: &[ratatui::buffer::Cell]| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    cells.chunks(SIZE.0.into()).map(|cells| row(cells).trim_end().to_owned() + "\n").collect()
}

/// Prints a screen. A reader that closes the pipe, such as `head`, is no error.
///
/// # Errors
/// If it can't be written.
pub(super) fn print(screen: &str) -> Result<(), Failure> {
    match io::stdout().write_all(screen.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// Shows the stepper at this event. Without a terminal, prints the screen.
///
/// # Errors
/// If the terminal fails.
pub(crate) fn show(title: String, trace: Trace, sources: Sources, at: Option<usize>) -> Result<(), Failure> {
    if io::stdout().is_terminal() && io::stdin().is_terminal() {
        return tui::show(app(title, trace, sources, at));
    }
    print(&screen(title, trace, sources, at.unwrap_or(1)))
}

/// The event at which the run goes wrong, counted from 1: that of the first finding, or else of the first panic, or else
/// the last one.
pub(crate) fn guilty_event(trace: &Trace) -> usize {
    let finding = lint(trace).iter().map(|finding| finding.event).min();
    let is_panic = |event: &Event| matches!(event, Event::Panicked { .. });
    let panic = trace.records.iter().position(|record| is_panic(&record.event));
    finding.or(panic).map_or(trace.records.len(), |event| event + 1).max(1)
}
