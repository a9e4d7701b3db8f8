//! The report: a line of JSON for each URL.

use crate::Failure;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A line of the report, which `--state` keeps too.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Record {
    /// The URL, normalized.
    pub url: String,
    /// The target of the last redirect, if there was one.
    pub final_url: Option<String>,
    /// The status of the last response.
    pub status: Option<u16>,
    /// Bytes of the body that were received.
    pub bytes: u64,
    /// The `Content-Type` of the response.
    pub content_type: Option<String>,
    /// Number of links from the first page.
    pub depth: u32,
    /// The page that linked to it first.
    pub referrer: Option<String>,
    /// Number of requests.
    pub attempts: u32,
    /// Time from the first request to the end, in milliseconds.
    pub elapsed_ms: f64,
    /// The cause, if it failed: the status, or a word such as `timeout`.
    pub cause: Option<String>,
    /// The error, if it failed.
    pub error: Option<String>,
    /// The path of the saved file, relative to the directory of the crawl.
    pub path: Option<PathBuf>,
}

/// The file that the lines go to.
pub struct Report {
    path: PathBuf,
    out: Option<Box<dyn Write>>,
}

impl Report {
    /// Creates the file, if there is to be a report; `-` is standard output.
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
        // Flushed, so that a reader of the file sees each line when its page is done.
        let written = written.and_then(|()| writeln!(out)).and_then(|()| out.flush());
        written.map_err(|source| Failure::Report { path: self.path.clone(), source })
    }

    /// Whether a report is written.
    pub fn is_wanted(&self) -> bool {
        self.out.is_some()
    }

    /// Appends a line that is JSON already.
    pub fn write_line(&mut self, line: &str) -> Result<(), Failure> {
        let Some(out) = &mut self.out else { return Ok(()) };
        writeln!(out, "{line}").map_err(|source| Failure::Report { path: self.path.clone(), source })
    }

    /// Flushes the last lines.
    pub fn close(&mut self) -> Result<(), Failure> {
        let closed = self.out.as_mut().map_or(Ok(()), |out| out.flush());
        closed.map_err(|source| Failure::Report { path: self.path.clone(), source })
    }
}
