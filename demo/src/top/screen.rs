//! The screen: which table, in what order, which row of it; and what keys do to that.

use super::tables::{self, Column, Id, Table};
use super::watched::{Status, Watched};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::widgets::TableState;

/// A table that can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// Of tasks.
    Tasks,
    /// Of the reactor's sources.
    Sockets,
    /// Of timers.
    Timers,
}

impl Tab {
    /// All of them.
    pub const ALL: [Tab; 3] = [Tab::Tasks, Tab::Sockets, Tab::Timers];
}

/// What is looked at.
pub struct Screen {
    pub(super) tab: Tab,
    pub(super) sort: Column,
    pub(super) reverse: bool,
    /// The task, source or timer that is selected in each table; it keeps being that wherever its row goes.
    selected: [Option<Id>; 3],
    /// Where in each table that was, and what is scrolled out of sight.
    pub(super) states: [TableState; 3],
    /// How many rows fit.
    pub(super) page: usize,
    /// It shows what was known then.
    pub(super) paused: Option<Watched>,
    /// What the keys do covers the tables.
    pub(super) helps: bool,
}

impl Screen {
    /// The table of tasks, in this order.
    pub fn new(sort: Column) -> Screen {
        let (reverse, selected, states, page, paused, helps) = Default::default();
        Screen { tab: Tab::Tasks, sort, reverse, selected, states, page, paused, helps }
    }

    /// A table as it is to be shown.
    pub(super) fn table(&self, tab: Tab, watched: &Watched) -> Table {
        match tab {
            Tab::Tasks => tables::tasks(watched, self.sort, self.reverse),
            Tab::Sockets => tables::sources(watched),
            Tab::Timers => tables::timers(watched),
        }
    }

    /// The row that is selected: the one with what was selected, or else the one where that was.
    pub(super) fn row(&mut self, table: &Table) -> Option<usize> {
        let tab = self.tab as usize;
        let last = table.rows.len().checked_sub(1);
        let found = self.selected[tab].and_then(|id| table.rows.iter().position(|row| row.id == id));
        let row = last.map(|last| found.unwrap_or(self.states[tab].selected().unwrap_or(0)).min(last));
        self.states[tab].select(row);
        self.selected[tab] = row.map(|row| table.rows[row].id);
        row
    }

    /// A key was pressed. Whether that is the end.
    pub fn press(&mut self, key: KeyEvent, watched: &Watched) -> bool {
        let table = self.table(self.tab, self.paused.as_ref().unwrap_or(watched));
        let is_covered = std::mem::take(&mut self.helps);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            _ if is_covered => {} // any key uncovers them
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char(digit @ '1'..='3') => self.tab = Tab::ALL[digit as usize - '1' as usize],
            KeyCode::Tab | KeyCode::Right => self.tab = Tab::ALL[(self.tab as usize + 1) % 3],
            KeyCode::BackTab | KeyCode::Left => self.tab = Tab::ALL[(self.tab as usize + 2) % 3],
            KeyCode::Down | KeyCode::Char('j') => self.select(&table, 1),
            KeyCode::Up | KeyCode::Char('k') => self.select(&table, -1),
            KeyCode::PageDown => self.select(&table, self.page as isize),
            KeyCode::PageUp => self.select(&table, -(self.page as isize)),
            KeyCode::Home => self.select(&table, isize::MIN),
            KeyCode::End => self.select(&table, isize::MAX),
            KeyCode::Char('s') => self.sort = next(self.sort),
            KeyCode::Char('r') => self.reverse = !self.reverse,
            KeyCode::Char('?') => self.helps = true,
            KeyCode::Char(' ') => {
                self.paused = match self.paused.take() {
                    // What does not change any more can't be paused.
                    None => (watched.status() == Status::Running).then(|| watched.frozen()),
                    Some(_) => None,
                };
            }
            _ => {}
        }
        false
    }

    fn select(&mut self, table: &Table, by: isize) {
        let Some(row) = self.row(table) else { return };
        let row = row.saturating_add_signed(by).min(table.rows.len() - 1);
        self.selected[self.tab as usize] = Some(table.rows[row].id);
    }
}

fn next(column: Column) -> Column {
    match column {
        Column::Task => Column::Name,
        Column::Name => Column::State,
        Column::State => Column::Polls,
        Column::Polls => Column::Wakes,
        Column::Wakes => Column::SelfWakes,
        Column::SelfWakes => Column::Busy,
        Column::Busy => Column::Scheduled,
        Column::Scheduled => Column::Idle,
        Column::Idle => Column::Task,
    }
}
