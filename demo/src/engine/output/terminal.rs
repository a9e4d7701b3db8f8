//! The terminal that progress is drawn on: rows at the bottom of the screen.
//!
//! indicatif fills each row with spaces up to the last column, and relies on the terminal to continue in the next row.
//! A terminal that echoes a key there, such as `^C` for Ctrl-C, would continue in the next row too; and one that
//! becomes narrower would break each row into two. So this file writes rows without trailing spaces, ends them itself,
//! and keeps a margin at the right side for the echo of a few keys. If the terminal still becomes narrower than a
//! written row, the extra rows are cleared.

use indicatif::{ProgressDrawTarget, TermLike};
use ratatui::crossterm::terminal;
use std::io::{self, IsTerminal, Write, stderr};
use std::sync::{Mutex, PoisonError};
use textwrap::core::display_width;

/// Columns that are never written to: room for the echo of a few keys.
const MARGIN: u16 = 8;

/// Standard error, if it is a terminal; otherwise nothing is drawn.
pub fn target() -> ProgressDrawTarget {
    match stderr().is_terminal() {
        true => ProgressDrawTarget::term_like_with_hz(Box::new(Terminal::default()), 20),
        false => ProgressDrawTarget::hidden(),
    }
}

/// The columns that are written to, and the rows.
pub fn size() -> (usize, usize) {
    let (width, height) = whole_size();
    (width.saturating_sub(MARGIN).max(1).into(), height.into())
}

fn whole_size() -> (u16, u16) {
    terminal::size().ok().filter(|(width, height)| *width > 0 && *height > 0).unwrap_or((80, 24))
}

#[derive(Debug, Default)]
struct Terminal {
    drawing: Mutex<Drawing>,
}

/// What is on the screen, or is about to be.
#[derive(Debug, Default)]
struct Drawing {
    /// What is written when the drawing is complete, so that it appears at once.
    out: Vec<u8>,
    /// The width of the text of each row, in columns.
    rows: Vec<usize>,
    /// The column after the last text or padding.
    column: usize,
    /// The width of the terminal.
    width: u16,
    /// Whether it is on the screen, so that further changes are part of the next drawing.
    is_complete: bool,
}

impl Drawing {
    /// Begins the next drawing. Clears the rows into which a narrower terminal broke the last one.
    fn begin(&mut self) {
        if !self.is_complete && self.width > 0 {
            return;
        }
        let (width, _) = whole_size();
        let added = if width < self.width { self.added_rows(width) } else { 0 };
        let below = self.rows.len().saturating_sub(1);
        *self = Drawing { width, ..Drawing::default() };
        if added > 0 {
            // The cursor is in the last row. It returns to where that row was in the wider terminal.
            self.control(&format!("\r\x1b[{}A\x1b[J", added + below));
            self.move_cursor(below, 'B');
        }
    }

    /// The number of rows that a terminal of this width adds, because it breaks longer rows.
    fn added_rows(&self, width: u16) -> usize {
        let rows = self.rows.iter().map(|row| row.div_ceil(width.max(1).into()).saturating_sub(1));
        rows.sum()
    }

    fn write(&mut self, text: &str) {
        self.begin();
        let (columns, written) = (display_width(text), text.trim_end_matches(' '));
        let is_full = self.column + columns > self.width.saturating_sub(MARGIN).max(1).into();
        if self.column > 0 && is_full && !written.is_empty() {
            self.end_row();
        }
        self.column += columns;
        match self.rows.last_mut() {
            Some(row) => *row += display_width(written),
            None => self.rows.push(display_width(written)),
        }
        self.control(written);
    }

    fn end_row(&mut self) {
        self.rows.push(0);
        self.column = 0;
        self.control("\r\n");
    }

    /// Moves the cursor by `n`, in a direction of the escape sequence `CSI n direction`.
    fn move_cursor(&mut self, n: usize, direction: char) {
        if n > 0 {
            self.control(&format!("\x1b[{n}{direction}"));
        }
    }

    fn control(&mut self, text: &str) {
        self.out.extend(text.as_bytes());
    }
}

impl Terminal {
    /// Changes the current drawing. If that is complete, begins the next one.
    fn draw(&self, change: impl FnOnce(&mut Drawing)) -> io::Result<()> {
        let mut drawing = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
        drawing.begin();
        change(&mut drawing);
        Ok(())
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        whole_size().0.saturating_sub(MARGIN).max(1)
    }

    fn height(&self) -> u16 {
        whole_size().1
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.draw(|drawing| drawing.move_cursor(n, 'A'))
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.draw(|drawing| drawing.move_cursor(n, 'B'))
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.draw(|drawing| drawing.move_cursor(n, 'C'))
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.draw(|drawing| drawing.move_cursor(n, 'D'))
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(|drawing| {
            drawing.write(text);
            drawing.end_row();
        })
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(|drawing| drawing.write(text))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw(|drawing| drawing.control("\r\x1b[2K"))
    }

    fn flush(&self) -> io::Result<()> {
        let mut out = Vec::new();
        self.draw(|drawing| {
            out = std::mem::take(&mut drawing.out);
            drawing.is_complete = true;
        })?;
        stderr().write_all(&out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_end_without_spaces_and_before_the_margin() {
        let mut drawing = Drawing { width: 20, ..Drawing::default() };
        for text in ["abc", "         ", "def  ", "       ", "\x1b[36mghi\x1b[0m", "\r"] {
            drawing.write(text);
        }
        assert_eq!(String::from_utf8_lossy(&drawing.out), "abc\r\ndef\r\n\x1b[36mghi\x1b[0m\r");
        assert_eq!(drawing.rows, [3, 3, 3]);
    }

    #[test]
    fn a_narrower_terminal_breaks_the_rows_that_are_longer() {
        let drawing = Drawing { rows: vec![72, 60, 0, 10], ..Drawing::default() };
        assert_eq!([80, 72, 71, 60, 36, 30, 10].map(|width| drawing.added_rows(width)), [0, 0, 1, 1, 2, 3, 12]);
    }
}
