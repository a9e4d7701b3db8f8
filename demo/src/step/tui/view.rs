//! The layout of the screen. The most important parts stay on the smallest screen.
//!
//! ```text
//!   at 80 × 24                        from 150 columns on
//!   ┌ title ─────────────────────┐    ┌ title ─────────────────────────────────┐
//!   │ the current event          │    │ the current event                      │
//!   ├ tasks ──────┬ source ──────┤    ├ tasks ──────┬ source ──────┬ events ───┤
//!   ├ queue ──────┤              │    │             │              │           │
//!   ├ reactor ────┤              │    ├ queue ──────┤              │           │
//!   ├ events ─────┴──────────────┤    │             ├ the task ────┤           │
//!   │                            │    ├ reactor ────┤              │           │
//!   └ keys ──────────────────────┘    └ keys ───────┴──────────────┴───────────┘
//! ```
//!
//! `m` replaces the source and the task with the runtime's code and its words; at 80 × 24 also the left column.

use super::app::{App, Mode};
use super::panes;
use super::{runtime, source};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

/// Draws the screen.
pub fn draw(frame: &mut Frame<'_>, app: &App) {
    let current = panes::current(app);
    let [title, event, body, keys] = rows(frame.area(), &current);
    frame.render_widget(panes::title(app, title.width).style(Modifier::REVERSED), title);
    frame.render_widget(Paragraph::new(current).wrap(Wrap { trim: true }), event);
    match body.width >= 150 {
        true => wide(frame, app, body),
        false => narrow(frame, app, body),
    }
    frame.render_widget(panes::keys(app, keys.width), keys);
    // On the smallest screens an overlay covers the event too.
    let body = if body.height < 2 * PANE { event.union(body) } else { body };
    match app.mode {
        Mode::Help => cover(frame, body, " keys ", panes::help(app)),
        Mode::Findings(chosen) => findings(frame, app, body, chosen),
        Mode::Stepping | Mode::Asking(..) => {}
    }
}

/// The title, the current event, the panes and the keys. On a small screen the title stays longest, then the event,
/// then the keys.
fn rows(area: Rect, current: &Line<'_>) -> [Rect; 4] {
    let wrapped = textwrap::wrap(&current.to_string(), usize::from(area.width.max(1))).len().min(4) as u16;
    let keys = u16::from(area.height > 1 + wrapped);
    let left = area.height.saturating_sub(1 + keys);
    let event = wrapped.max(2).min(left);
    // A pane has a frame: if no line fits into it, the event gets its room.
    let event = if left - event < PANE { left } else { event };
    let rows = [1, event, left - event, keys].map(Constraint::Length);
    Layout::vertical(rows).areas(area)
}

/// The lines of the smallest pane.
const PANE: u16 = 3;

fn narrow(frame: &mut Frame<'_>, app: &App, area: Rect) {
    if app.shows_runtime {
        return narrow_runtime(frame, app, area);
    }
    let events = match area.height {
        14.. => (area.height / 3).clamp(6, 16),
        11..14 => 5,
        _ => 0,
    };
    let [upper, events_area] = Layout::vertical([Constraint::Fill(1), Constraint::Length(events)]).areas(area);
    let [left, right] = Layout::horizontal([Constraint::Percentage(46), Constraint::Percentage(54)]).areas(upper);
    column(frame, app, left);
    middle(frame, app, right, 8);
    pane(frame, events_area, " events ", |area| panes::events(app, area));
}

/// The runtime's code takes the whole width: its lines are long. The queues are below it.
fn narrow_runtime(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let events = match area.height {
        28.. => area.height / 4,
        18..28 => 5,
        _ => 0,
    };
    let words = if area.height >= 9 { WORDS } else { 0 };
    let rows = [Constraint::Fill(1), Constraint::Length(words), Constraint::Length(events)];
    let [code, words, events] = Layout::vertical(rows).areas(area);
    runtime_panes(frame, app, code, words);
    pane(frame, events, " events ", |area| panes::events(app, area));
}

/// The lines of the pane with the words and queues: four, and its frame.
const WORDS: u16 = 6;

fn runtime_panes(frame: &mut Frame<'_>, app: &App, code: Rect, words: Rect) {
    pane(frame, code, &runtime::code_title(app), |area| runtime::code(app, area));
    pane(frame, words, &runtime::words_title(app), |area| runtime::words(app, area));
}

fn wide(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let columns = [Constraint::Percentage(27), Constraint::Percentage(38), Constraint::Percentage(35)];
    let [left, centre, right] = Layout::horizontal(columns).areas(area);
    column(frame, app, left);
    middle(frame, app, centre, 13);
    pane(frame, right, " events ", |area| panes::events(app, area));
}

/// The source, and below it the task, if both fit.
fn middle(frame: &mut Frame<'_>, app: &App, area: Rect, task: u16) {
    let task = if area.height >= 10 + task { task } else { 0 };
    if app.shows_runtime {
        let [code, words] = Layout::vertical([Constraint::Fill(1), Constraint::Length(WORDS + 1)]).areas(area);
        return runtime_panes(frame, app, code, words);
    }
    let [source, task] = Layout::vertical([Constraint::Fill(1), Constraint::Length(task)]).areas(area);
    pane(frame, source, &source::source_title(app), |area| source::source(app, area));
    pane(frame, task, &panes::task_title(app), |area| panes::task(app, area));
}

/// Tasks, the run queue and the reactor, one below the other. On a small screen the last ones are left out first.
fn column(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let reactor = if area.height >= 11 { (area.height * 3 / 10).max(4) } else { 0 };
    let queue = if area.height >= 7 { PANE } else { 0 };
    let rows = [Constraint::Fill(1), Constraint::Length(queue), Constraint::Length(reactor)];
    let [tasks, queue, reactor] = Layout::vertical(rows).areas(area);
    let title = panes::tasks_title(app);
    pane(frame, tasks, &title, |area| panes::tasks(app, area));
    // The heads stand in the frame, above their columns.
    let before = (tasks.width.saturating_sub(2) as usize).saturating_sub(panes::TASK_COLUMNS);
    if tasks.height >= PANE && before > title.chars().count() {
        let (x, width) = (tasks.x + 1 + before as u16, panes::TASK_HEADS.len() as u16);
        frame.render_widget(Line::from(panes::TASK_HEADS).dim(), Rect { x, width, height: 1, ..tasks });
    }
    pane(frame, queue, " run queue ", |area| panes::queue(app, area));
    pane(frame, reactor, &panes::reactor_title(app), |area| panes::reactor(app, area));
}

/// The list of findings over the panes, and the whole text of the one that is chosen.
fn findings(frame: &mut Frame<'_>, app: &App, area: Rect, chosen: usize) {
    let area = centred(area, 120);
    frame.render_widget(Clear, area);
    let wanted = app.findings.len().clamp(1, 99) as u16 + 2;
    let list = Constraint::Length(wanted.min(area.height / 2).max(PANE));
    let [list, text] = Layout::vertical([list, Constraint::Fill(1)]).areas(area);
    pane(frame, list, &panes::findings_title(app), |area| panes::findings(app, chosen, area));
    let Some(finding) = app.findings.get(chosen) else { return };
    let block = Block::bordered().title(format!(" {}, at event {} ", finding.kind, finding.event + 1));
    frame.render_widget(Paragraph::new(finding.text.clone()).wrap(Wrap { trim: false }).block(block), text);
}

fn pane(frame: &mut Frame<'_>, area: Rect, title: &str, text: impl FnOnce(Rect) -> Vec<Line<'static>>) {
    if area.height < PANE {
        return;
    }
    let block = Block::bordered().title(title.to_owned()).border_style(Style::new().add_modifier(Modifier::DIM));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    frame.render_widget(Paragraph::new(text(inner)), inner);
}

/// A text over the panes.
fn cover(frame: &mut Frame<'_>, area: Rect, title: &str, text: Vec<Line<'static>>) {
    let area = centred(area, 96);
    frame.render_widget(Clear, area);
    let text = Paragraph::new(Text::from(text)).wrap(Wrap { trim: false });
    frame.render_widget(text.block(Block::bordered().title(title.to_owned())), area);
}

/// The middle of an area, at most this wide.
fn centred(area: Rect, width: u16) -> Rect {
    let width = area.width.min(width);
    Rect { x: area.x + (area.width - width) / 2, width, ..area }
}
