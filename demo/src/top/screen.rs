//! The screen: which table, in what order, which row; and what each key does.

use super::observed::{Observed, Status};
use super::tables::{self, Column, Id, Table};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::widgets::TableState;

/// A table to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// The tasks.
    Tasks,
    /// The reactor's sources.
    Sockets,
    /// The timers.
    Timers,
}

impl Tab {
    /// All tables.
    pub const ALL: [Tab; 3] = [Tab::Tasks, Tab::Sockets, Tab::Timers];
}

/// What is shown, and how.
pub struct Screen {
    pub(super) tab: Tab,
    pub(super) sort: Column,
    pub(super) reverse: bool,
    /// The selected task, source or timer of each table. It stays selected when its row moves.
    selected: [Option<Id>; 3],
    /// The selected row and the scroll offset of each table.
    pub(super) states: [TableState; 3],
    /// The number of rows that fit.
    pub(super) page: usize,
    /// The state at the pause, while paused.
    pub(super) paused: Option<Observed>,
    /// Whether the help covers the tables.
    pub(super) helps: bool,
    /// The answer to the last key, in place of the keys.
    pub(super) message: Option<String>,
}

impl Screen {
    /// Shows the tasks in this order.
    pub fn new(sort: Column) -> Screen {
        let (reverse, selected, states, page, paused, helps, message) = Default::default();
        Screen { tab: Tab::Tasks, sort, reverse, selected, states, page, paused, helps, message }
    }

    /// A table, in the order to show.
    pub(super) fn table(&self, tab: Tab, observed: &Observed) -> Table {
        match tab {
            Tab::Tasks => tables::tasks(observed, self.sort, self.reverse),
            Tab::Sockets => tables::sources(observed),
            Tab::Timers => tables::timers(observed),
        }
    }

    /// The selected row: the one with the selected item, or else the one at the same position.
    pub(super) fn row(&mut self, table: &Table) -> Option<usize> {
        let tab = self.tab as usize;
        let last = table.rows.len().checked_sub(1);
        let found = self.selected[tab].and_then(|id| table.rows.iter().position(|row| row.id == id));
        let row = last.map(|last| found.unwrap_or(self.states[tab].selected().unwrap_or(0)).min(last));
        self.states[tab].select(row);
        self.selected[tab] = row.map(|row| table.rows[row].id);
        row
    }

    /// Handles a key. Returns whether it quits.
    pub fn press(&mut self, key: KeyEvent, observed: &Observed) -> bool {
        let table = self.table(self.tab, self.paused.as_ref().unwrap_or(observed));
        let is_covered = std::mem::take(&mut self.helps);
        self.message = None;
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            _ if is_covered => {} // any key closes the help
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
            KeyCode::Char('s' | 'r') if self.tab != Tab::Tasks => {
                self.say("only the tasks can be sorted: 1 shows them")
            }
            KeyCode::Char('s') => self.sort = next(self.sort),
            KeyCode::Char('r') => self.reverse = !self.reverse,
            KeyCode::Char('?') => self.helps = true,
            KeyCode::Char(' ') if self.paused.is_some() => self.paused = None,
            KeyCode::Char(' ') if observed.status() == Status::Running => self.paused = Some(observed.frozen()),
            KeyCode::Char(' ') => self.say("only a running program can be paused"),
            other => self.say(&format!("`{other}` does nothing here: ? lists the keys")),
        }
        false
    }

    fn say(&mut self, message: &str) {
        self.message = Some(message.to_owned());
    }

    fn select(&mut self, table: &Table, by: isize) {
        let Some(before) = self.row(table) else { return self.say("the table is empty") };
        let row = before.saturating_add_signed(by).min(table.rows.len() - 1);
        if row == before {
            self.say(if by < 0 { "this is the first row" } else { "this is the last row" });
        }
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
        Column::SelfWakes => Column::Running,
        Column::Running => Column::Queued,
        Column::Queued => Column::Suspended,
        Column::Suspended => Column::Task,
    }
}
