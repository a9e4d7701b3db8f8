//! The output for people: a line of progress on a terminal, a line for each page if asked for, and a summary.

use super::report::Record;
use super::terminal;
use bytesize::ByteSize;
use executor::dump::Tasks;
use executor::time::{Duration, Instant, now};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use url::Url;

pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
    verbose: bool,
    start: Instant,
    done: Cell<u64>,
    failed: Cell<u64>,
    redirected: Cell<u64>,
    bytes: Cell<u64>,
    /// The pages in progress, the oldest first.
    in_progress: RefCell<BTreeMap<u64, (Instant, String)>>,
    begun: Cell<u64>,
}

impl Progress {
    pub fn new(quiet: bool, verbose: bool) -> Progress {
        let target = if quiet { ProgressDrawTarget::hidden() } else { terminal::target() };
        let style = ProgressStyle::with_template("{spinner:.cyan} {wide_msg}").expect("the template is right");
        Progress {
            bar: ProgressBar::with_draw_target(None, target).with_style(style),
            quiet,
            verbose,
            start: now(),
            done: Cell::new(0),
            failed: Cell::new(0),
            redirected: Cell::new(0),
            bytes: Cell::new(0),
            in_progress: RefCell::default(),
            begun: Cell::new(0),
        }
    }

    /// Counts a page as in progress until the guard is dropped.
    pub fn begin(&self, url: &Url) -> InProgress<'_> {
        let number = self.begun.replace(self.begun.get() + 1);
        self.in_progress.borrow_mut().insert(number, (now(), url.path().to_owned()));
        InProgress { progress: self, number }
    }

    /// Counts bytes that were received.
    pub fn received(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes as u64);
    }

    /// Counts a page that was fetched or failed, and prints its line.
    pub fn record(&self, record: &Record) {
        self.done.set(self.done.get() + 1);
        match record.error {
            Some(_) => self.failed.set(self.failed.get() + 1),
            None if record.path.is_none() => self.redirected.set(self.redirected.get() + 1),
            None => {}
        }
        if self.verbose {
            self.print(&line(record));
        } else if let Some(error) = &record.error {
            self.print(&format!("failed: {}: {error}", record.url));
        }
    }

    /// Prints a message, unless `--quiet` was given.
    pub fn say(&self, message: &str) {
        if !self.quiet {
            self.print(message);
        }
    }

    /// Updates the line of progress.
    pub fn show(&self, queued: usize) {
        if self.bar.is_hidden() {
            return;
        }
        let seconds = (now() - self.start).as_secs_f64().max(0.001);
        let rate = ByteSize::b((self.bytes.get() as f64 / seconds) as u64);
        let mut message =
            format!("{} done · {queued} queued · {} · {rate}/s", self.done.get(), ByteSize::b(self.bytes.get()));
        if let Some((since, path)) = self.in_progress.borrow().values().next() {
            message += &format!(" · slowest: {:.1}s {path}", (now() - *since).as_secs_f64());
        }
        self.bar.set_message(message);
        self.bar.tick();
    }

    /// Removes the line of progress.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// The number of pages that failed.
    pub fn failed(&self) -> u64 {
        self.failed.get()
    }

    /// Prints the summary.
    pub fn summary(&self, directory: &Path, left: usize) {
        let elapsed = now() - self.start;
        let seconds = elapsed.as_secs_f64().max(0.001);
        let (done, failed, redirected) = (self.done.get(), self.failed.get(), self.redirected.get());
        let saved = done - failed - redirected;
        eprintln!(
            "{} saved under {}, {} in {}: {}/s, {}/s",
            count(saved, "page"),
            directory.display(),
            ByteSize::b(self.bytes.get()),
            rounded(elapsed),
            count((done as f64 / seconds).round() as u64, "URL"),
            ByteSize::b((self.bytes.get() as f64 / seconds) as u64),
        );
        let mut rest = Vec::new();
        if redirected > 0 {
            rest.push(format!("{} led to pages already known or out of scope", count(redirected, "redirect")));
        }
        if failed > 0 {
            rest.push(format!("{} failed", count(failed, "page")));
        }
        if left > 0 {
            rest.push(format!("{} known and not fetched", count(left as u64, "page")));
        }
        if !rest.is_empty() {
            eprintln!("{}", rest.join("; "));
        }
    }

    /// Prints the task dump.
    pub fn print_tasks(&self, tasks: &Tasks) {
        self.bar.suspend(|| eprintln!("{tasks}"));
    }

    /// Prints a line. A server may have put control characters into it, which a terminal would execute.
    fn print(&self, line: &str) {
        let line = line.replace(char::is_control, "\u{fffd}");
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

pub(super) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn rounded(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0..60 => format!("{:.2} s", elapsed.as_secs_f64()),
        seconds => humantime::format_duration(Duration::from_secs(seconds)).to_string(),
    }
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
    }
}
