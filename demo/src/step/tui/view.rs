//! How the screen is divided: what is most important keeps its place on the smallest screen.
//!
//! ```text
//!   at 80 × 24                        from 150 columns on
//!   ┌ title ─────────────────────┐    ┌ title ─────────────────────────────────┐
//!   │ the present event          │    │ the present event                      │
//!   ├ tasks ──────┬ source ──────┤    ├ tasks ──────┬ source ──────┬ events ───┤
//!   ├ queue ──────┤              │    │             │              │           │
//!   ├ reactor ────┤              │    ├ queue ──────┤              │           │
//!   ├ events ─────┴──────────────┤    │             ├ the task ────┤           │
//!   │                            │    ├ reactor ────┤              │           │
//!   └ keys ──────────────────────┘    └ keys ───────┴──────────────┴───────────┘
//! ```

use super::app::{App, Mode};
use super::panes;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

/// Draws all of it.
pub fn draw(frame: &mut Frame<'_>, app: &App) {
    let rows = [Constraint::Length(1), Constraint::Length(2), Constraint::Min(10), Constraint::Length(1)];
    let [title, event, body, keys] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(panes::title(app, title.width).style(Modifier::REVERSED), title);
    frame.render_widget(Paragraph::new(panes::present(app)).wrap(Wrap { trim: true }), event);
    match body.width >= 150 {
        true => wide(frame, app, body),
        false => narrow(frame, app, body),
    }
    frame.render_widget(panes::keys(app, keys.width), keys);
    match app.mode {
        Mode::Help => cover(frame, body, " keys ", panes::help(app)),
        Mode::Findings => cover(frame, body, " what is wrong ", panes::findings(app)),
        Mode::Stepping | Mode::Asking(..) => {}
    }
}

fn narrow(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let events = (area.height / 3).clamp(6, 16);
    let [upper, events_area] = Layout::vertical([Constraint::Min(8), Constraint::Length(events)]).areas(area);
    let [left, right] = Layout::horizontal([Constraint::Percentage(46), Constraint::Percentage(54)]).areas(upper);
    column(frame, app, left);
    match right.height >= 18 {
        true => {
            let [source, task] = Layout::vertical([Constraint::Min(8), Constraint::Length(8)]).areas(right);
            pane(frame, source, &panes::source_title(app), |area| panes::source(app, area));
            pane(frame, task, &panes::task_title(app), |area| panes::task(app, area));
        }
        false => pane(frame, right, &panes::source_title(app), |area| panes::source(app, area)),
    }
    pane(frame, events_area, " events ", |area| panes::events(app, area));
}

fn wide(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let columns = [Constraint::Percentage(27), Constraint::Percentage(38), Constraint::Percentage(35)];
    let [left, middle, right] = Layout::horizontal(columns).areas(area);
    column(frame, app, left);
    let [source, task] = Layout::vertical([Constraint::Min(8), Constraint::Length(13)]).areas(middle);
    pane(frame, source, &panes::source_title(app), |area| panes::source(app, area));
    pane(frame, task, &panes::task_title(app), |area| panes::task(app, area));
    pane(frame, right, " events ", |area| panes::events(app, area));
}

/// Tasks, the ready queue and the reactor, one below the other.
fn column(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let reactor = (area.height * 3 / 10).max(4);
    let rows = [Constraint::Min(4), Constraint::Length(3), Constraint::Length(reactor)];
    let [tasks, queue, reactor] = Layout::vertical(rows).areas(area);
    pane(frame, tasks, &panes::tasks_title(app), |area| panes::tasks(app, area));
    let columns = Rect { x: tasks.x + 1, width: tasks.width.saturating_sub(3), height: 1, ..tasks };
    frame.render_widget(Line::from("polls, state").dim().right_aligned(), columns.intersection(frame.area()));
    pane(frame, queue, " ready queue ", |area| panes::queue(app, area));
    pane(frame, reactor, &panes::reactor_title(app), |area| panes::reactor(app, area));
}

fn pane(frame: &mut Frame<'_>, area: Rect, title: &str, text: impl FnOnce(Rect) -> Vec<Line<'static>>) {
    let block = Block::bordered().title(title.to_owned()).border_style(Style::new().add_modifier(Modifier::DIM));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    frame.render_widget(Paragraph::new(text(inner)), inner);
}

/// A text over the panes.
fn cover(frame: &mut Frame<'_>, area: Rect, title: &str, text: Vec<Line<'static>>) {
    let width = area.width.min(96);
    let area = Rect { x: area.x + (area.width - width) / 2, width, ..area };
    frame.render_widget(Clear, area);
    let text = Paragraph::new(Text::from(text)).wrap(Wrap { trim: false });
    frame.render_widget(text.block(Block::bordered().title(title.to_owned())), area);
}
