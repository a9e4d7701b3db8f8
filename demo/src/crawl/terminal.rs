//! The terminal of the line of progress, with a margin at its right side.
//!
//! indicatif fills a line up to the last column. A terminal that echoes a key there, as `^C` for Ctrl-C, continues on the
//! next line, and indicatif then clears that one and leaves its own. The margin has room for the echo.

use indicatif::{ProgressDrawTarget, TermLike};
use ratatui::crossterm::terminal;
use std::io::{self, IsTerminal, Write, stderr};

/// Columns that are never written to: room for the echo of a few keys.
const MARGIN: u16 = 8;

/// Standard error, if it is a terminal; otherwise nothing is drawn.
pub fn target() -> ProgressDrawTarget {
    match stderr().is_terminal() {
        true => ProgressDrawTarget::term_like_with_hz(Box::new(Terminal), 20),
        false => ProgressDrawTarget::hidden(),
    }
}

#[derive(Debug)]
struct Terminal;

impl Terminal {
    /// Moves the cursor by `n`, in a direction of the escape sequence `CSI n direction`.
    fn move_cursor(&self, n: usize, direction: char) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.write_str(&format!("\x1b[{n}{direction}")) }
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        terminal::size().map_or(80, |(width, _)| width).saturating_sub(MARGIN).max(1)
    }

    fn height(&self) -> u16 {
        terminal::size().map_or(24, |(_, height)| height)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.move_cursor(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(&format!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        stderr().write_all(text.as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write_str("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        stderr().flush()
    }
}
