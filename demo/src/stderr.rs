//! Printing for people, on standard error. Used by everything that prints there.

use std::fmt::Display;
use std::io::{Write, stderr};

/// Prints a line. If the reader is gone, as in `demo 2>&1 | head -1`, the program goes on without it; `eprintln!` would
/// panic.
pub fn print(line: impl Display) {
    let _the_reader_is_gone = writeln!(stderr(), "{line}");
}
