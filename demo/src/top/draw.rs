//! Draws the screen, on a terminal of any size and as plain text.

use super::observed::{Observed, Status};
use super::screen::{Screen, Tab};
use super::tables::{self, Head, Id, Table, amount, time};
use crate::step::model::Phase;
use comfy_table::{CellAlignment, presets};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{self, Block, Borders, Paragraph};
use std::borrow::Cow;
use std::fmt::Write;

/// Columns that narrow screens leave out. The details of the selected task contain most of them.
const WIDE_ONLY: [&str; 4] = ["WAKES", "SELF", "QUEUED", "FD"];
/// The width from which all columns are shown.
const WIDE: u16 = 110;

/// Draws the screen.
pub fn draw(frame: &mut Frame<'_>, screen: &mut Screen, observed: &Observed) {
    let paused = screen.paused.take();
    let shown = paused.as_ref().unwrap_or(observed);
    let [top, tabs, table, details, bottom] = rows(frame.area());
    frame.render_widget(totals(shown, observed, paused.is_some(), top.width), top);
    frame.render_widget(Paragraph::new(tab_line(screen, shown)), tabs);
    let selected = draw_table(frame, table, screen, shown);
    let lines = selected.map(|task| tables::details(shown, task)).unwrap_or_default();
    let lines = lines.iter().flat_map(|line| wrapped(line, details.width)).map(Line::from).collect::<Vec<_>>();
    let block = Block::new().borders(Borders::TOP).border_style(Style::new().dim());
    frame.render_widget(Paragraph::new(lines).block(block), details);
    let goes_on = observed.status() == Status::Running;
    let status = match &screen.message {
        Some(message) => Line::from(format!(" {message}")).yellow(),
        None => Line::from(keys(bottom.width, goes_on, paused.is_some())).dim(),
    };
    frame.render_widget(status, bottom);
    if screen.helps {
        draw_help(frame, table.union(details));
    }
    screen.paused = paused;
}

/// The totals, the names of the tables, the table, the details and the keys. A small screen has only the first ones.
fn rows(area: Rect) -> [Rect; 5] {
    let details = if area.height >= 10 { (area.height / 3).clamp(4, 16) } else { 0 };
    let first = |lines: u16| Constraint::Length(u16::from(area.height >= lines));
    Layout::vertical([first(1), first(2), Constraint::Fill(1), Constraint::Length(details), first(6)]).areas(area)
}

/// The keys, or only the most important ones if they do not fit.
fn keys(width: u16, goes_on: bool, is_paused: bool) -> String {
    let space = match (goes_on, is_paused) {
        (_, true) => "space resume  ",
        (true, false) => "space pause  ",
        (false, false) => "",
    };
    let all = format!(" ↑↓ select  1 2 3 tables  s sort  r reverse  {space}? help  q quit");
    if all.chars().count() <= width.into() { all } else { " ? help  q quit".to_owned() }
}

/// The help, over the table and the details.
fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    const KEYS: [(&str, &str); 8] = [
        ("↑ ↓  k j", "select another row; its task is described below"),
        ("PgUp PgDn", "a page of rows"),
        ("Home End", "the first row, the last"),
        ("1 2 3  ← → Tab", "the tables: tasks, sockets, timers"),
        ("s", "sort the tasks by the next column"),
        ("r", "reverse the order of the tasks"),
        ("space", "pause or resume the view of a running program"),
        ("q  Esc  Ctrl-C", "quit"),
    ];
    let lines = KEYS.map(|(key, what)| Line::from(vec![format!("{key:>16}  ").bold(), what.into()]));
    let height = area.height.min(KEYS.len() as u16 + 2);
    let area = Rect { height, ..area };
    frame.render_widget(widgets::Clear, area);
    let block = Block::bordered().title(" keys: any key closes ");
    frame.render_widget(Paragraph::new(lines.to_vec()).block(block), area);
}

/// Wraps a line; further lines are indented.
fn wrapped(line: &str, width: u16) -> Vec<String> {
    let indent = " ".repeat(line.len() - line.trim_start().len() + 4);
    let options = textwrap::Options::new(width.into()).subsequent_indent(&indent);
    textwrap::wrap(line, options).into_iter().map(Cow::into_owned).collect()
}

fn totals<'a>(shown: &Observed, present: &Observed, is_paused: bool, width: u16) -> Line<'a> {
    let status = match (is_paused, present.status()) {
        (true, Status::Running) => "paused".yellow(),
        (true, ended) => format!("paused, {}", word(ended)).yellow(),
        (false, Status::Running) => word(Status::Running).green(),
        (false, ended) => word(ended).into(),
    };
    let program = format!(" {}  ", shown.trace().head.program);
    let mut line = Line::from(vec![program.bold(), status.bold()]);
    for part in summary(shown) {
        let part = Span::from(format!("  {part}"));
        // A number that is cut would read as a smaller number.
        if line.width() + part.width() > width.into() {
            break;
        }
        line.push_span(part);
    }
    line
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Running => "running",
        Status::Ended => "ended",
        Status::Recorded => "recorded",
    }
}

/// The totals: `3 alive, 17 completed`, `12 polls/s`, …
fn summary(observed: &Observed) -> [String; 5] {
    let (totals, rates) = (observed.totals(), observed.rates());
    [
        format!("{} alive, {} completed", amount(observed.alive() as u64), amount(totals.completed)),
        per_second(rates.polls, "poll"),
        format!("busy {:.0}%", rates.busy * 100.0),
        time(totals.now),
        per_second(rates.events, "event"),
    ]
}

/// `1 poll/s`, `12 polls/s`.
fn per_second(rate: f64, of: &str) -> String {
    let rate = rate.round() as u64;
    format!("{} {of}{}/s", amount(rate), if rate == 1 { "" } else { "s" })
}

/// The number of events that were dropped before they were read, if any.
fn dropped(observed: &Observed) -> Option<String> {
    let dropped = observed.trace().head.dropped;
    let (events, were) = if dropped == 1 { ("event", "was") } else { ("events", "were") };
    (dropped > 0).then(|| format!("  {} {events} {were} dropped", amount(dropped)))
}

fn tab_line<'a>(screen: &Screen, observed: &Observed) -> Line<'a> {
    let all = || observed.runs().all();
    let counts = [
        all().map(|state| state.tasks.len()).sum::<usize>(),
        all().map(|state| state.sources.len()).sum(),
        all().map(|state| state.timers.len()).sum(),
    ];
    let mut spans = vec![Span::from(" ")];
    for ((tab, name), count) in Tab::ALL.into_iter().zip(["tasks", "sockets", "timers"]).zip(counts) {
        let title = format!(" {} {name} {count} ", tab as usize + 1);
        spans.push(if tab == screen.tab { title.reversed() } else { title.dim() });
    }
    if screen.tab == Tab::Tasks {
        let order = if screen.reverse { ", reversed" } else { "" };
        spans.push(format!("  by {:?}{order}", screen.sort).to_lowercase().dim());
    }
    spans.extend(dropped(observed).map(|dropped| dropped.yellow()));
    Line::from(spans)
}

/// Draws the table, and returns the task of the selected row.
fn draw_table(frame: &mut Frame<'_>, area: Rect, screen: &mut Screen, observed: &Observed) -> Option<Id> {
    let table = screen.table(screen.tab, observed);
    let row = screen.row(&table);
    screen.page = usize::from(area.height.saturating_sub(2)).max(1);
    if row.is_none() {
        let nothing = match screen.tab {
            Tab::Tasks => " There is no task.",
            Tab::Sockets => " No socket is open.",
            Tab::Timers => " No timer is set.",
        };
        frame.render_widget(Paragraph::new(nothing).dim(), area);
    } else {
        let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
        frame.render_stateful_widget(widget(&table, area.width), inner, &mut screen.states[screen.tab as usize]);
    }
    row.and_then(|row| table.rows[row].task)
}

/// The table, with the columns that fit.
fn widget(table: &Table, width: u16) -> widgets::Table<'_> {
    let is_shown = |head: &Head| width >= WIDE || !WIDE_ONLY.contains(&head.title);
    let shown: Vec<usize> = (0..table.heads.len()).filter(|column| is_shown(&table.heads[*column])).collect();
    let cells = |texts: &dyn Fn(usize) -> String| {
        let cell = |column: &usize| match table.heads[*column].is_number {
            true => Text::from(texts(*column)).right_aligned(),
            false => Text::from(texts(*column)),
        };
        widgets::Row::new(shown.iter().map(cell).collect::<Vec<_>>())
    };
    let widths = shown.iter().map(|column| match table.heads[*column].width {
        0 => Constraint::Fill(1),
        width => Constraint::Length(width),
    });
    let rows = table
        .rows
        .iter()
        .map(|row| cells(&|column| row.cells[column].clone()).style(row.phase.map(style).unwrap_or_default()));
    let heads = cells(&|column| table.heads[column].title.to_owned()).style(Style::new().bold());
    widgets::Table::new(rows, widths).header(heads).row_highlight_style(Modifier::REVERSED)
}

fn style(phase: Phase) -> Style {
    match phase {
        Phase::Suspended => Style::new(),
        Phase::Queued | Phase::Pooled => Style::new().fg(Color::Yellow),
        Phase::Running => Style::new().fg(Color::Green),
        Phase::Blocking => Style::new().fg(Color::Cyan),
        Phase::Returned | Phase::Cancelled => Style::new().dim(),
        Phase::Panicked => Style::new().fg(Color::Red),
    }
}

/// All tables as text.
pub fn plain(screen: &Screen, observed: &Observed) -> String {
    let status = word(observed.status());
    let (program, dropped) = (&observed.trace().head.program, dropped(observed).unwrap_or_default());
    let mut text = format!("{program}  {status}  {}{dropped}\n", summary(observed).join("  "));
    for tab in Tab::ALL {
        let table = screen.table(tab, observed);
        if !table.rows.is_empty() {
            let _ = write!(text, "\n{}\n", plain_table(&table));
        }
    }
    text
}

fn plain_table(table: &Table) -> String {
    let mut plain = comfy_table::Table::new();
    plain.load_style(presets::NOTHING).set_header(table.heads.iter().map(|head| head.title));
    plain.add_rows(table.rows.iter().map(|row| &row.cells));
    for (column, head) in plain.column_iter_mut().zip(&table.heads) {
        column.set_padding((0, 2));
        if head.is_number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    plain.trim_fmt()
}
