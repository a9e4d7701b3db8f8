//! The source pane: the line that the current event or the selected task is at.

use super::app::App;
use super::breakpoint::lines;
use super::panes::{CHOSEN, is_dropping, window};
use crate::step::model::{Phase, Task};
use crate::step::words::shortened;
use executor::trace::{By, Event, Frame};
use ratatui::layout::Rect;
use ratatui::style::Stylize;
use ratatui::text::Line;

/// A line of a file, and what happens there.
struct Place {
    file: String,
    line: u32,
    why: String,
}

impl Place {
    fn new(file: &str, line: u32, why: impl Into<String>) -> Place {
        Place { file: file.to_owned(), line, why: why.into() }
    }
}

/// The line to show: of the current event, or of the selected task.
fn place(app: &App) -> Option<Place> {
    of_event(app).or_else(|| of_task(app, app.selected()?))
}

/// The line of the current event, if the selection follows the events.
fn of_event(app: &App) -> Option<Place> {
    let (trace, current) = (&app.run.trace, app.run.current()?);
    let is_selected = |id: u64| app.selected_id() == Some((current.run, id)) && app.selected().is_some();
    if app.pinned.is_some() || !current.event.task().is_none_or(is_selected) {
        return None;
    }
    let finding = app.findings.iter().find(|finding| Some(finding.event) == app.current());
    if let Some((finding, at)) = finding.and_then(|finding| Some((finding, finding.at.as_ref()?))) {
        return Some(Place::new(&at.file, at.first, format!("{} here", finding.kind)));
    }
    if let Some((file, line)) = lines(trace, &current.event).first() {
        let why = match current.event {
            Event::Spawned { .. } => "spawned here",
            Event::Woken { .. } => "woken from here",
            Event::WakerDropped { .. } => "waker dropped here",
            Event::TimerSet { .. } => "set here",
            Event::Cancelled { .. } => "cancelled here",
            _ => "suspended here",
        };
        return Some(Place::new(file, *line, why));
    }
    let set = trace.places.get(timer_set(app)? as usize)?;
    Some(Place::new(&set.file, set.line, "timer set here"))
}

/// The location that created the timer which wakes a task in the current event.
fn timer_set(app: &App) -> Option<u32> {
    let records = &app.run.trace.records;
    let number = app.current()?;
    let Event::Woken { by: By::Timer(_), .. } = records[number].event else { return None };
    let fired = app.run.cause(number)?;
    match records[app.run.cause(fired)?].event {
        Event::TimerSet { place, .. } => Some(place),
        _ => None,
    }
}

/// The innermost line of a task's await chain, or its spawn location.
fn of_task(app: &App, task: &Task) -> Option<Place> {
    let trace = &app.run.trace;
    let innermost = |chain: u32| trace.chains.get(chain as usize)?.iter().rfind(|frame| frame.line > 0);
    match (task.chain.and_then(innermost), task.place) {
        (Some(Frame { file, line, .. }), _) if !task.phase.is_completed() => {
            let is_dropping = is_dropping(app, task);
            let why = match task.phase {
                // A cancelled task does not resume, and if the recording ends here it is not known whether it does.
                Phase::Running if is_dropping.unwrap_or(task.is_cancelled) => "was suspended here",
                Phase::Running => "resumed from here",
                _ => "suspended here",
            };
            Some(Place::new(file, *line, why))
        }
        (_, Some(place)) => {
            let place = trace.places.get(place as usize)?;
            Some(Place::new(&place.file, place.line, "spawned here"))
        }
        _ => None,
    }
}

pub fn source_title(app: &App) -> String {
    match place(app) {
        Some(Place { file, line, why }) => shortened(&format!(" {file}:{line} · {why} ")),
        None => " source ".into(),
    }
}

pub fn source(app: &App, area: Rect) -> Vec<Line<'static>> {
    let Some(Place { file, line, .. }) = place(app) else { return vec![Line::from(" no line to show").dim()] };
    let Some(text) = app.sources.lines(&file) else {
        let why = app.sources.why_not(&file).unwrap_or_default();
        let why = textwrap::wrap(&why, usize::from(area.width).saturating_sub(1).max(1));
        let why = why.into_iter().map(|line| Line::from(format!(" {line}")).dim());
        return [Line::from(format!(" {file}:{line}"))].into_iter().chain(why).collect();
    };
    let chosen = (line as usize).saturating_sub(1);
    let shown = window(area.height, chosen, text.len());
    let indents = text[shown.clone()].iter().filter(|line| !line.is_empty());
    let indent = indents.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    let width = usize::from(area.width);
    let lines = |number: usize| {
        let code = text[number].get(indent..).unwrap_or_default();
        if number != chosen {
            return vec![Line::from(format!(" {:>3} {code}", number + 1))];
        }
        // This line is shown whole even on a narrow screen.
        let mark = format!("▶{:>3} ", number + 1);
        let rows =
            textwrap::wrap(code, textwrap::Options::new(width).initial_indent(&mark).subsequent_indent("         "));
        rows.iter().map(|row| Line::from(format!("{row:<width$}")).style(CHOSEN)).collect()
    };
    shown.flat_map(lines).collect()
}
