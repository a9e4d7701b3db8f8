//! What became of each URL: a line of JSON.

use crate::Failure;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A line of the report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    /// As it was found, in its one spelling.
    pub url: String,
    /// Where the redirects led, if there were any.
    pub final_url: Option<String>,
    /// The last status that came.
    pub status: Option<u16>,
    /// Bytes of the body that were received.
    pub bytes: u64,
    /// As the server said.
    pub content_type: Option<String>,
    /// Links away from where the crawl began.
    pub depth: u32,
    /// The page that linked to it first.
    pub referrer: Option<String>,
    /// Requests that were tried for it.
    pub attempts: u32,
    /// From the first attempt to the end.
    pub elapsed_ms: f64,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// Where it was saved, below the directory of the crawl.
    pub path: Option<PathBuf>,
}

/// Where the lines go.
pub struct Report {
    path: PathBuf,
    out: Option<Box<dyn Write>>,
}

impl Report {
    /// Opens the file, if one is wanted; `-` is standard output.
    pub fn open(path: Option<&Path>) -> Result<Report, Failure> {
        let Some(path) = path else { return Ok(Report { path: PathBuf::new(), out: None }) };
        let out: Box<dyn Write> = if path == Path::new("-") {
            Box::new(BufWriter::new(io::stdout()))
        } else {
            let file = File::create(path).map_err(|source| Failure::Report { path: path.to_owned(), source })?;
            Box::new(BufWriter::new(file))
        };
        Ok(Report { path: path.to_owned(), out: Some(out) })
    }

    /// Appends a line.
    pub fn write(&mut self, record: &Record) -> Result<(), Failure> {
        let Some(out) = &mut self.out else { return Ok(()) };
        let written = serde_json::to_writer(&mut *out, record).map_err(io::Error::from);
        // Whoever follows the file sees each line when its page is done.
        let written = written.and_then(|()| writeln!(out)).and_then(|()| out.flush());
        written.map_err(|source| Failure::Report { path: self.path.clone(), source })
    }

    /// Sees to it that all lines are there.
    pub fn close(&mut self) -> Result<(), Failure> {
        let closed = self.out.as_mut().map_or(Ok(()), |out| out.flush());
        closed.map_err(|source| Failure::Report { path: self.path.clone(), source })
    }
}
