//! The table of hosts of a crawl, in a few rows: those with pages in progress or queued pages.

use super::files::shortened;
use super::speed::Speed;
use super::terminal;
use bytesize::ByteSize;
use executor::time::{Duration, Instant};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::cmp::Reverse;
use std::collections::HashMap;

/// Maximum number of hosts to show.
const SHOWN: usize = 6;

/// The state of a host in the frontier.
#[derive(Clone, Debug)]
pub struct HostState {
    /// Scheme, name and port.
    pub server: String,
    /// Pages in progress.
    pub active: usize,
    /// Queued pages.
    pub queued: usize,
    /// Minimum time between two requests.
    pub delay: Duration,
    /// The time left of its pause.
    pub pause: Option<Duration>,
}

/// What was counted for a host.
#[derive(Default)]
struct Counts {
    done: u64,
    failed: u64,
    bytes: u64,
    speed: Speed,
}

/// The counts of all hosts, and the rows of the table.
#[derive(Default)]
pub struct Table {
    counts: HashMap<String, Counts>,
    rows: Vec<ProgressBar>,
}

impl Table {
    /// Counts bytes that a host sent.
    pub fn received(&mut self, server: &str, bytes: u64) {
        self.of(server).bytes += bytes;
    }

    /// Counts a page.
    pub fn record(&mut self, server: &str, has_failed: bool) {
        let counts = self.of(server);
        counts.done += 1;
        counts.failed += u64::from(has_failed);
    }

    fn of(&mut self, server: &str) -> &mut Counts {
        if !self.counts.contains_key(server) {
            self.counts.insert(server.to_owned(), Counts::default());
        }
        self.counts.get_mut(server).expect("it was inserted")
    }

    /// Updates the table, above the row `below`.
    pub fn show(&mut self, screen: &MultiProgress, below: &ProgressBar, hosts: &[HostState], now: Instant) {
        for host in hosts {
            let counts = self.of(&host.server);
            counts.speed.update(counts.bytes, now);
        }
        let lines = self.lines(hosts, terminal::size());
        while self.rows.len() > lines.len() {
            let Some(row) = self.rows.pop() else { break };
            row.finish_and_clear();
            screen.remove(&row);
        }
        for (index, line) in lines.into_iter().enumerate() {
            if index == self.rows.len() {
                let style = ProgressStyle::with_template("{wide_msg}").expect("the template is right");
                self.rows.push(screen.insert_before(below, ProgressBar::no_length().with_style(style)));
            }
            self.rows[index].set_message(line);
        }
    }

    /// Removes the table.
    pub fn clear(&mut self, screen: &MultiProgress) {
        for row in self.rows.drain(..) {
            row.finish_and_clear();
            screen.remove(&row);
        }
    }

    /// The header and a line for each host that matters. Empty if the line of progress is enough.
    fn lines(&self, hosts: &[HostState], (width, height): (usize, usize)) -> Vec<String> {
        let waits = |host: &&HostState| host.pause.is_some() || host.delay > Duration::ZERO;
        if height < 10 || hosts.len() < 2 && !hosts.iter().any(|host| waits(&host)) {
            return Vec::new();
        }
        let mut matter: Vec<_> =
            hosts.iter().enumerate().filter(|(_, host)| host.active > 0 || host.queued > 0).collect();
        matter.sort_by_key(|(_, host)| (!waits(host), Reverse(host.active + host.queued)));
        let others = matter.len().saturating_sub(SHOWN);
        matter.truncate(SHOWN);
        matter.sort_by_key(|(index, _)| *index); // so that rows keep their order
        if matter.is_empty() {
            return Vec::new();
        }
        let has_rate = width >= 60;
        let row = |host: &str, numbers: [&str; 3], rate: &str, wait: &str| {
            let [done, failed, active] = numbers;
            let rate = if has_rate { format!(" {rate:>12}") } else { String::new() };
            let columns = width.saturating_sub(if has_rate { 48 } else { 35 }).clamp(8, 40);
            let host = shortened(host, columns);
            format!("{host:columns$} {done:>7} {failed:>7} {active:>7}{rate} {wait:>10}")
        };
        let mut lines = vec![row("host", ["done", "failed", "active"], "rate", "wait")];
        lines.extend(matter.into_iter().map(|(_, host)| {
            let none = Counts::default();
            let counts = self.counts.get(&host.server).unwrap_or(&none);
            let numbers = [counts.done, counts.failed, host.active as u64].map(|number| number.to_string());
            let rate = format!("{}/s", ByteSize::b(counts.speed.bytes_per_second() as u64));
            row(name(&host.server), numbers.each_ref().map(String::as_str), &rate, &wait(host))
        }));
        if others > 0 {
            lines.push(format!("{others} more"));
        }
        lines
    }
}

/// A server without its scheme, and without the scheme's default port.
fn name(server: &str) -> &str {
    match server.split_once("://") {
        Some(("http", rest)) => rest.strip_suffix(":80").unwrap_or(rest),
        Some((_, rest)) => rest.strip_suffix(":443").unwrap_or(rest),
        None => server,
    }
}

/// Why no page of a host begins now.
fn wait(host: &HostState) -> String {
    match host.pause {
        Some(pause) => format!("pause {:.0?}", pause.max(Duration::from_secs(1))),
        None if host.delay >= Duration::from_secs(1) => format!("{:.1?}", host.delay),
        None if host.delay > Duration::ZERO => format!("{:.0?}", host.delay),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(server: &str, active: usize, queued: usize) -> HostState {
        HostState { server: server.into(), active, queued, delay: Duration::ZERO, pause: None }
    }

    #[test]
    fn the_table_has_the_hosts_that_matter_within_its_width() {
        let mut table = Table::default();
        table.record("http://b:80", true);
        let paused = HostState { pause: Some(Duration::from_secs(12)), ..host("http://b:80", 0, 3) };
        let delayed = HostState { delay: Duration::from_millis(1500), ..host("https://c.example:443", 1, 0) };
        let hosts = [host("http://a:8080", 4, 90), paused, delayed, host("http://idle:80", 0, 0)];
        let lines = table.lines(&hosts, (72, 24));
        assert_eq!(
            lines,
            [
                "host                        done  failed  active         rate       wait",
                "a:8080                         0       0       4        0 B/s           ",
                "b                              1       1       0        0 B/s  pause 12s",
                "c.example                      0       0       1        0 B/s       1.5s",
            ]
        );
        for width in [20, 52, 72, 120] {
            let lines = table.lines(&hosts, (width, 24));
            assert!(lines.iter().all(|line| line.chars().count() <= width.max(43)), "{width}: {lines:#?}");
        }
        assert_eq!(table.lines(&hosts[..1], (72, 24)), [""; 0]);
        assert_eq!(table.lines(&hosts, (72, 8)), [""; 0]);
        let many: Vec<_> = (0..20).map(|number| host(&format!("http://h{number}:80"), 1, 0)).collect();
        let lines = table.lines(&many, (72, 24));
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (8, Some("14 more")));
    }
}
