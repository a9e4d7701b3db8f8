//! The output for people: progress on a terminal, a line for each page with `--verbose`, and a summary.

use super::files::{Bars, File};
use super::hosts::{HostState, Table};
use super::report::Record;
use super::summary::{Ending, Summary};
use super::terminal;
use crate::engine::urls::server;
use bytesize::ByteSize;
use clap::ValueEnum;
use executor::dump::Tasks;
use executor::time::{Instant, now};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use url::Url;

/// The form of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people, on standard error
    Text,
    /// One line of JSON, on standard output
    Json,
}

/// What a terminal shows above the line of progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// A bar for each file in progress.
    Files,
    /// A table of hosts.
    Hosts,
}

pub struct Progress {
    screen: MultiProgress,
    /// The line of progress, the last row.
    line: ProgressBar,
    /// What is above it; nothing if colors are disabled.
    view: Option<View>,
    bars: RefCell<Bars>,
    table: RefCell<Table>,
    quiet: bool,
    verbose: bool,
    start: Instant,
    summary: RefCell<Summary>,
    /// The pages in progress, the oldest first.
    in_progress: RefCell<BTreeMap<u64, Fetching>>,
    begun: Cell<u64>,
}

/// A page in progress.
struct Fetching {
    since: Instant,
    url: Url,
    file: File,
}

impl Progress {
    pub fn new(quiet: bool, verbose: bool, view: View) -> Progress {
        let target = if quiet { ProgressDrawTarget::hidden() } else { terminal::target() };
        let style = ProgressStyle::with_template("{spinner:.cyan} {wide_msg}").expect("the template is right");
        let screen = MultiProgress::with_draw_target(target);
        let wants_colors = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Progress {
            line: screen.add(ProgressBar::no_length().with_style(style)),
            screen,
            view: Some(view).filter(|_| wants_colors),
            bars: RefCell::default(),
            table: RefCell::default(),
            quiet,
            verbose,
            start: now(),
            summary: RefCell::default(),
            in_progress: RefCell::default(),
            begun: Cell::new(0),
        }
    }

    /// Counts a page as in progress until the guard is dropped. `name` is that of its file.
    pub fn begin(&self, url: &Url, name: String) -> InProgress<'_> {
        let number = self.begun.replace(self.begun.get() + 1);
        let file = File { name, received: 0, total: None };
        self.in_progress.borrow_mut().insert(number, Fetching { since: now(), url: url.clone(), file });
        InProgress { progress: self, number }
    }

    /// Notes that the page `of` has `received` bytes of `total`, if that is known.
    pub fn expect(&self, of: &str, received: u64, total: Option<u64>) {
        let mut in_progress = self.in_progress.borrow_mut();
        if let Some(page) = in_progress.values_mut().find(|page| page.url.as_str() == of) {
            (page.file.received, page.file.total) = (received, total);
        }
    }

    /// Counts bytes that were received for the page `of`.
    pub fn received(&self, of: &str, bytes: usize) {
        self.summary.borrow_mut().bytes += bytes as u64;
        if self.screen.is_hidden() {
            return;
        }
        let mut in_progress = self.in_progress.borrow_mut();
        if let Some(page) = in_progress.values_mut().find(|page| page.url.as_str() == of) {
            page.file.received += bytes as u64;
            if self.view == Some(View::Hosts) {
                self.table.borrow_mut().received(&server(&page.url), bytes as u64);
            }
        }
    }

    /// Counts a page that was fetched or failed, and prints its line.
    pub fn record(&self, record: &Record) {
        self.summary.borrow_mut().record(record);
        if self.view == Some(View::Hosts)
            && !self.screen.is_hidden()
            && let Ok(url) = Url::parse(&record.url)
        {
            self.table.borrow_mut().record(&server(&url), record.error.is_some());
        }
        match &record.error {
            _ if self.verbose => self.print(&line(record)),
            // Without a summary, this is where the error is printed.
            Some(error) if self.quiet => self.print(&format!("failed: {}: {error}", record.url)),
            _ => {}
        }
    }

    /// Counts a page that an earlier run has fetched.
    pub fn restore(&self, record: &Record) {
        self.summary.borrow_mut().restore(record);
    }

    /// Prints the file of a page that is only listed, on standard output.
    ///
    /// # Errors
    /// Fails if it can't be printed.
    pub fn list(&self, url: &str, path: &Path) -> io::Result<()> {
        self.screen.suspend(|| listed(url, path))
    }

    /// Prints a message, unless `--quiet` was given.
    pub fn say(&self, message: &str) {
        if !self.quiet {
            self.print(message);
        }
    }

    /// Updates what is on the terminal. `hosts` are those of the crawl.
    pub fn show(&self, queued: usize, hosts: impl FnOnce() -> Vec<HostState>) {
        if self.screen.is_hidden() {
            return;
        }
        let in_progress = self.in_progress.borrow();
        let mut without_bar = 0;
        match self.view {
            Some(View::Files) => {
                let files = in_progress.iter().map(|(number, page)| (number, &page.file));
                without_bar = self.bars.borrow_mut().show(&self.screen, &self.line, files, now());
            }
            Some(View::Hosts) => self.table.borrow_mut().show(&self.screen, &self.line, &hosts(), now()),
            None => {}
        }
        let mut message = self.counts(queued, without_bar);
        if self.view != Some(View::Files)
            && let Some(page) = in_progress.values().next()
        {
            message += &format!(" · slowest: {:.1}s {}", (now() - page.since).as_secs_f64(), page.url.path());
        }
        self.line.set_message(message);
        self.line.tick();
    }

    fn counts(&self, queued: usize, without_bar: usize) -> String {
        let seconds = (now() - self.start).as_secs_f64().max(0.001);
        let summary = self.summary.borrow();
        let rate = ByteSize::b((summary.new_bytes() as f64 / seconds) as u64);
        let mut counts = vec![format!("{} done", summary.done)];
        if summary.failed() > 0 {
            counts.push(format!("{} failed", summary.failed()));
        }
        if without_bar > 0 {
            counts.push(format!("{without_bar} more in progress"));
        }
        counts.extend([format!("{queued} queued"), ByteSize::b(summary.bytes).to_string(), format!("{rate}/s")]);
        counts.join(" · ")
    }

    /// Removes the progress from the terminal.
    pub fn finish(&self) {
        self.bars.borrow_mut().clear(&self.screen);
        self.table.borrow_mut().clear(&self.screen);
        self.line.finish_and_clear();
    }

    /// The number of pages that failed.
    pub fn failed(&self) -> u64 {
        self.summary.borrow().failed()
    }

    /// Prints the summary: for people to standard error, or as JSON to standard output.
    pub fn summary(&self, format: Format, mut ending: Ending<'_>) -> io::Result<()> {
        ending.elapsed = now() - self.start;
        let summary = self.summary.borrow();
        match format {
            Format::Json => writeln!(io::stdout(), "{}", summary.json(&ending)),
            Format::Text if self.quiet => Ok(()),
            Format::Text => {
                summary.text(&ending).lines().for_each(|line| crate::stderr::print(printable(line)));
                Ok(())
            }
        }
    }

    /// Prints the task dump.
    pub fn print_tasks(&self, tasks: &Tasks) {
        self.screen.suspend(|| crate::stderr::print(tasks));
    }

    fn print(&self, line: &str) {
        let line = printable(line);
        self.screen.suspend(|| crate::stderr::print(line));
    }
}

/// Prints where a URL would be saved, on standard output.
///
/// # Errors
/// Fails if it can't be printed.
pub fn listed(url: &str, path: &Path) -> io::Result<()> {
    writeln!(io::stdout(), "{}", printable(&format!("{url} → {}", path.display())))
}

/// Replaces the control characters of a line: a terminal would execute those that a server put into it.
fn printable(line: &str) -> String {
    line.replace(char::is_control, "\u{fffd}")
}

fn line(record: &Record) -> String {
    let status = record.status.map_or("---".to_owned(), |status| status.to_string());
    let size = ByteSize::b(record.bytes).to_string();
    let mut line = format!("{status} {size:>10} {:>8.1}ms {}", record.elapsed_ms, record.url);
    if let Some(final_url) = &record.final_url {
        line += &format!(" -> {final_url}");
    }
    if let Some(error) = &record.error {
        line += &format!(": {error}");
    }
    line
}

/// A page in progress. Made by [`Progress::begin`].
pub struct InProgress<'a> {
    progress: &'a Progress,
    number: u64,
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.progress.in_progress.borrow_mut().remove(&self.number);
        self.progress.bars.borrow_mut().remove(&self.progress.screen, self.number);
    }
}
