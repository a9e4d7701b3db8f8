//! The summary at the end of a run: what was saved, what failed (grouped by cause), and which links were not followed.

use super::report::Record;
use crate::engine::references::{BrokenAnchor, References};
use crate::engine::skipped::Skipped;
use bytesize::ByteSize;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

/// Maximum number of failures to print for one cause. The report has all.
const PRINTED: usize = 10;
/// Maximum number of failures to keep for one cause.
const KEPT: usize = 1000;

/// What happened in a run.
#[derive(Default)]
pub struct Summary {
    /// URLs that were fetched or failed.
    pub done: u64,
    saved: u64,
    /// Redirects to pages that are already known or out of scope.
    redirected: u64,
    /// Responses without a page to save.
    not_kept: u64,
    /// Bytes of bodies that were received.
    pub bytes: u64,
    /// How many URLs and bytes of these are from earlier runs.
    earlier: (u64, u64),
    failures: BTreeMap<String, Failures>,
}

/// The failures of one cause.
#[derive(Default)]
struct Failures {
    count: u64,
    first: Vec<Failed>,
}

/// A URL that failed.
#[derive(Clone, Debug, Serialize)]
struct Failed {
    cause: String,
    url: String,
    referrer: Option<String>,
    error: String,
}

/// The counts of a crawl that many processes share.
#[derive(Clone, Debug, Serialize)]
pub struct JobCounts {
    /// The name of the job.
    pub name: String,
    /// Pages that were fetched or failed.
    pub pages: u64,
    /// Pages that failed.
    pub failed: u64,
    /// Known pages that are not done.
    pub left: u64,
}

/// What the summary says about a run besides its pages.
pub struct Ending<'a> {
    /// The time since the start.
    pub elapsed: Duration,
    /// Where pages are saved; `None` if they are not.
    pub saved_under: Option<&'a str>,
    /// Whether pages are only listed.
    pub is_list: bool,
    /// Pages that are known and were not fetched.
    pub left: u64,
    /// The counts of all processes together, if the crawl is shared.
    pub job: Option<JobCounts>,
    /// Links that were not followed.
    pub skipped: &'a BTreeMap<Skipped, u64>,
    /// The word for a URL: `page` or `file`.
    pub what: &'static str,
    /// Which pages link to which URLs, if that was kept.
    pub references: Option<&'a References>,
    /// Links to anchors that their target pages lack.
    pub broken_anchors: Vec<BrokenAnchor>,
}

impl Summary {
    /// Counts a page that was fetched or failed.
    pub fn record(&mut self, record: &Record) {
        self.done += 1;
        match &record.error {
            None if record.path.is_some() => self.saved += 1,
            None if record.final_url.is_some() => self.redirected += 1,
            None => self.not_kept += 1,
            Some(error) => {
                let cause = record.cause.clone().unwrap_or_default();
                let failures = self.failures.entry(cause.clone()).or_default();
                failures.count += 1;
                if failures.first.len() < KEPT {
                    let (url, referrer) = (record.url.clone(), record.referrer.clone());
                    failures.first.push(Failed { cause, url, referrer, error: error.clone() });
                }
            }
        }
    }

    /// Counts a page that an earlier run has fetched.
    pub fn restore(&mut self, record: &Record) {
        self.record(record);
        self.bytes += record.bytes;
        self.earlier = (self.earlier.0 + 1, self.earlier.1 + record.bytes);
    }

    /// The bytes that this run has received.
    pub fn new_bytes(&self) -> u64 {
        self.bytes - self.earlier.1
    }

    /// The number of pages that failed.
    pub fn failed(&self) -> u64 {
        self.failures.values().map(|failures| failures.count).sum()
    }

    /// The summary for people, in lines.
    pub fn text(&self, ending: &Ending<'_>) -> String {
        let seconds = ending.elapsed.as_secs_f64().max(0.001);
        let result = match ending.saved_under {
            Some(directory) if ending.is_list => {
                format!("{} would be saved under {directory}; nothing was saved", count(self.saved, ending.what))
            }
            Some(directory) => format!("{} saved under {directory}", count(self.saved, ending.what)),
            None => format!("{} checked", count(self.done, "URL")),
        };
        let mut text = format!("{result}, {} in {}", ByteSize::b(self.bytes), rounded(ending.elapsed));
        // The rate of failures would say nothing.
        if self.failed() < self.done {
            let urls = ((self.done - self.earlier.0) as f64 / seconds).round() as u64;
            let bytes = ByteSize::b((self.new_bytes() as f64 / seconds) as u64);
            let _ = write!(text, ": {}/s, {bytes}/s", count(urls, "URL"));
        }
        text.push('\n');
        if self.earlier.0 > 0 {
            let earlier = count(self.earlier.0, "URL");
            let _ = writeln!(text, "of these, {earlier} and {} are from earlier runs", ByteSize::b(self.earlier.1));
        }
        self.write_failures(&mut text, ending);
        let mut rest = Vec::new();
        if self.redirected > 0 && ending.saved_under.is_some() {
            rest.push(format!("{} led to pages already known or out of scope", count(self.redirected, "redirect")));
        }
        if self.not_kept > 0 && ending.saved_under.is_some() {
            rest.push(format!("{} without a page to save", count(self.not_kept, "response")));
        }
        if ending.left > 0 {
            rest.push(format!("{} known and not fetched", count(ending.left, ending.what)));
        }
        if !rest.is_empty() {
            let _ = writeln!(text, "{}", rest.join("; "));
        }
        if !ending.skipped.is_empty() {
            let reasons: Vec<_> = ending.skipped.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            let _ = writeln!(text, "links not followed: {}", reasons.join(", "));
        }
        if let Some(JobCounts { name, pages, failed, left }) = &ending.job {
            let pages = count(*pages, ending.what);
            let _ = writeln!(text, "the job \"{name}\": {pages} by all workers, {failed} failed, {left} not fetched");
        }
        text
    }

    fn write_failures(&self, text: &mut String, ending: &Ending<'_>) {
        // `demo check` lists all that are kept.
        let printed = if ending.references.is_some() { KEPT } else { PRINTED };
        if !self.failures.is_empty() {
            let _ = match ending.references {
                Some(_) => writeln!(text, "{}:", count(self.failed(), "broken link")),
                None => writeln!(text, "{} failed:", count(self.failed(), ending.what)),
            };
        }
        for failures in self.failures.values() {
            for failed in failures.first.iter().take(printed) {
                let _ = writeln!(text, "  {}", failed.line(&ending.pages(failed)));
            }
            let rest = failures.count.saturating_sub(printed as u64);
            if rest > 0 {
                let cause = &failures.first[0].cause;
                let _ = writeln!(text, "  [{cause}] {rest} more; --report FILE lists all");
            }
        }
        if !ending.broken_anchors.is_empty() {
            let _ = writeln!(text, "{}:", count(ending.broken_anchors.len() as u64, "broken anchor"));
        }
        for broken in &ending.broken_anchors {
            let _ = writeln!(text, "  {}{}", broken.url, arrow(&broken.pages));
        }
    }

    /// The summary for programs.
    pub fn json(&self, ending: &Ending<'_>) -> String {
        #[derive(Serialize)]
        struct Json<'a> {
            saved: u64,
            done: u64,
            earlier: u64,
            redirected: u64,
            failed: u64,
            bytes: u64,
            seconds: f64,
            left: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            job: &'a Option<JobCounts>,
            failures: Vec<JsonFailure<'a>>,
            broken_anchors: &'a [BrokenAnchor],
            skipped: BTreeMap<String, u64>,
        }
        #[derive(Serialize)]
        struct JsonFailure<'a> {
            #[serde(flatten)]
            failed: &'a Failed,
            pages: Vec<Rc<str>>,
        }
        let failed = self.failed();
        let failures = self.failures.values().flat_map(|failures| &failures.first);
        let json = Json {
            saved: self.saved,
            done: self.done,
            earlier: self.earlier.0,
            redirected: self.redirected,
            failed,
            bytes: self.bytes,
            seconds: (ending.elapsed.as_secs_f64() * 1e3).round() / 1e3,
            left: ending.left,
            job: &ending.job,
            failures: failures.map(|failed| JsonFailure { failed, pages: ending.pages(failed) }).collect(),
            broken_anchors: &ending.broken_anchors,
            skipped: ending.skipped.iter().map(|(reason, count)| (reason.to_string(), *count)).collect(),
        };
        serde_json::to_string(&json).expect("strings and numbers make JSON")
    }
}

impl Failed {
    /// `[404] url ← page`, and the error if the cause is not a status.
    fn line(&self, pages: &[Rc<str>]) -> String {
        let mut line = format!("[{}] {}{}", self.cause, self.url, arrow(pages));
        if self.cause.parse::<u16>().is_err() {
            line += &format!(": {}", self.error);
        }
        line
    }
}

impl Ending<'_> {
    /// The pages that link to a URL, as far as they are known.
    fn pages(&self, failed: &Failed) -> Vec<Rc<str>> {
        let known = self.references.map(|references| references.pages(&failed.url));
        let first = || failed.referrer.as_deref().map(Rc::from).into_iter().collect();
        known.filter(|pages| !pages.is_empty()).unwrap_or_else(first)
    }
}

/// ` ← page, page and 3 more`
fn arrow(pages: &[Rc<str>]) -> String {
    const SHOWN: usize = 3;
    if pages.is_empty() {
        return String::new();
    }
    let shown: Vec<&str> = pages.iter().take(SHOWN).map(|page| &**page).collect();
    let rest = pages.len().saturating_sub(SHOWN);
    let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!(" ← {}{rest}", shown.join(", "))
}

/// A number and its unit, such as `1 page` or `2 pages`.
pub fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn rounded(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0..60 => format!("{:.2} s", elapsed.as_secs_f64()),
        seconds => humantime::format_duration(Duration::from_secs(seconds)).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(url: &str, cause: &str, referrer: Option<&str>) -> Record {
        Record {
            url: url.into(),
            cause: Some(cause.into()),
            error: Some(format!("it is {cause}")),
            referrer: referrer.map(str::to_owned),
            ..Record::default()
        }
    }

    fn ending(skipped: &BTreeMap<Skipped, u64>) -> Ending<'_> {
        Ending {
            elapsed: Duration::from_secs(2),
            saved_under: Some("here"),
            is_list: false,
            left: 1,
            job: None,
            skipped,
            what: "page",
            references: None,
            broken_anchors: Vec::new(),
        }
    }

    #[test]
    fn a_run_without_a_page_has_no_rate() {
        let mut summary = Summary::default();
        let first_line = |summary: &Summary| summary.text(&ending(&BTreeMap::new())).lines().next().unwrap().to_owned();
        assert_eq!(first_line(&summary), "0 pages saved under here, 0 B in 2.00 s");
        summary.record(&failed("http://h/", "connect", None));
        assert_eq!(first_line(&summary), "0 pages saved under here, 0 B in 2.00 s");
    }

    #[test]
    fn failures_are_grouped_by_cause_with_the_page_that_links_to_them() {
        let mut summary = Summary::default();
        summary.record(&failed("http://h/b", "timeout", Some("http://h/")));
        summary.record(&failed("http://h/a", "404", Some("http://h/")));
        for number in 0..12 {
            summary.record(&failed(&format!("http://h/{number}"), "500", None));
        }
        summary.record(&Record { path: Some("x".into()), ..Record::default() });
        let skipped = BTreeMap::from([(Skipped::OtherHost, 3)]);
        let ending = ending(&skipped);
        let text = summary.text(&ending);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "1 page saved under here, 0 B in 2.00 s: 8 URLs/s, 0 B/s");
        assert_eq!(lines[1], "14 pages failed:");
        assert_eq!(lines[2], "  [404] http://h/a ← http://h/");
        assert_eq!(lines[3], "  [500] http://h/0");
        assert_eq!(lines[13], "  [500] 2 more; --report FILE lists all");
        assert_eq!(lines[14], "  [timeout] http://h/b ← http://h/: it is timeout");
        assert_eq!(lines[15..], ["1 page known and not fetched", "links not followed: 3 lead to other hosts"]);
        let json: serde_json::Value = serde_json::from_str(&summary.json(&ending)).unwrap();
        assert_eq!((json["failed"].as_u64(), json["failures"][0]["cause"].as_str()), (Some(14), Some("404")));
        assert_eq!(json["skipped"]["lead to other hosts"], 3);
    }
}
