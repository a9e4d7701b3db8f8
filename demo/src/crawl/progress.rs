//! What a person sees: a line that changes, on a terminal; a line a page, if asked for; a summary.

use super::report::Record;
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
    /// The pages under way, the oldest first.
    under_way: RefCell<BTreeMap<u64, (Instant, String)>>,
    begun: Cell<u64>,
}

impl Progress {
    pub fn new(quiet: bool, verbose: bool) -> Progress {
        // Hidden by itself where standard error is not a terminal.
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
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
            under_way: RefCell::default(),
            begun: Cell::new(0),
        }
    }

    /// A page is under way until the guard goes.
    pub fn begin(&self, url: &Url) -> UnderWay<'_> {
        let number = self.begun.replace(self.begun.get() + 1);
        self.under_way.borrow_mut().insert(number, (now(), url.path().to_owned()));
        UnderWay { progress: self, number }
    }

    /// Bytes came in.
    pub fn received(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes as u64);
    }

    /// A page is done.
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

    /// Something that a person should know now.
    pub fn say(&self, message: &str) {
        if !self.quiet {
            self.print(message);
        }
    }

    /// Brings the line up to date.
    pub fn show(&self, queued: usize) {
        if self.bar.is_hidden() {
            return;
        }
        let seconds = (now() - self.start).as_secs_f64().max(0.001);
        let rate = ByteSize::b((self.bytes.get() as f64 / seconds) as u64);
        let mut message =
            format!("{} done · {queued} queued · {} · {rate}/s", self.done.get(), ByteSize::b(self.bytes.get()));
        if let Some((since, path)) = self.under_way.borrow().values().next() {
            message += &format!(" · slowest: {:.1}s {path}", (now() - *since).as_secs_f64());
        }
        self.bar.set_message(message);
        self.bar.tick();
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// How many pages failed.
    pub fn failed(&self) -> u64 {
        self.failed.get()
    }

    /// What was done in all.
    pub fn summary(&self, directory: &Path, left: usize) {
        let elapsed = now() - self.start;
        let seconds = elapsed.as_secs_f64().max(0.001);
        let (done, failed, redirected) = (self.done.get(), self.failed.get(), self.redirected.get());
        let saved = done - failed - redirected;
        eprintln!(
            "{} saved under {}, {} in {}: {:.0} URLs/s, {}/s",
            count(saved, "page"),
            directory.display(),
            ByteSize::b(self.bytes.get()),
            rounded(elapsed),
            done as f64 / seconds,
            ByteSize::b((self.bytes.get() as f64 / seconds) as u64),
        );
        let mut rest = Vec::new();
        if redirected > 0 {
            rest.push(format!("{} led to pages already known or outside", count(redirected, "redirect")));
        }
        if failed > 0 {
            rest.push(format!("{failed} failed"));
        }
        if left > 0 {
            rest.push(format!("{left} known and not fetched"));
        }
        if !rest.is_empty() {
            eprintln!("{}", rest.join("; "));
        }
    }

    /// Where every task stands, for somebody who asked.
    pub fn print_tasks(&self, tasks: &Tasks) {
        self.bar.suspend(|| eprintln!("{tasks}"));
    }

    /// A line of text, whatever a server put into it: nothing that a terminal would obey.
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

/// A page that is under way. Made by [`Progress::begin`].
pub struct UnderWay<'a> {
    progress: &'a Progress,
    number: u64,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.progress.under_way.borrow_mut().remove(&self.number);
    }
}
