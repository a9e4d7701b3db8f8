//! Clocks, rounds and the table.

use rustix::time::{ClockId, clock_gettime};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// In the order of [`Row::measure`]; ours is first.
pub(crate) const RUNTIMES: [&str; 3] = ["ours", "tokio", "smol"];

/// Runtimes closer than this are level: the medians of two runs of the same runtime differ by as much.
const LEVEL: f64 = 0.97;

/// The divisor of the full sizes.
#[derive(Clone, Copy)]
pub(crate) struct Scale(u32);

impl Scale {
    pub(crate) fn full() -> Scale {
        Scale(1)
    }

    pub(crate) fn quick() -> Scale {
        Scale(10)
    }

    /// Just enough to see that a row works.
    pub(crate) fn sanity() -> Scale {
        Scale(2000)
    }

    pub(crate) fn of(self, full: usize) -> usize {
        (full / self.0 as usize).max(1)
    }

    pub(crate) fn time(self, full: Duration) -> Duration {
        full / self.0
    }
}

/// A quantity that a row measures.
pub(crate) struct Metric {
    unit: &'static str,
    higher_is_better: bool,
    /// The target: how many times better `ours` is than the better of the other two.
    target: f64,
}

impl Metric {
    pub(crate) fn lower(unit: &'static str, target: f64) -> Metric {
        Metric { unit, higher_is_better: false, target }
    }

    pub(crate) fn higher(unit: &'static str, target: f64) -> Metric {
        Metric { unit, higher_is_better: true, target }
    }

    /// How many times better `ours` is.
    fn ahead(&self, ours: f64, other: f64) -> f64 {
        if self.higher_is_better { ours / other } else { other / ours }
    }
}

/// One benchmark: on each runtime it gives a figure for each metric.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) measure: [fn(Scale) -> Vec<f64>; 3],
}

/// What runs, and how often.
pub(crate) struct Plan {
    pub(crate) scale: Scale,
    pub(crate) rounds: usize,
    /// Whether an extra round runs first, which does not count.
    pub(crate) warm_up: bool,
    /// Which of [`RUNTIMES`] run: all, unless a profiler looks at one.
    pub(crate) runtimes: Vec<usize>,
}

impl Plan {
    pub(crate) fn run<'a>(&self, rows: &'a [Row]) -> Vec<Measured<'a>> {
        rows.iter().flat_map(|row| self.run_row(row)).collect()
    }

    /// Runs a row on the runtimes in turn. The first one changes from round to round.
    fn run_row<'a>(&self, row: &'a Row) -> Vec<Measured<'a>> {
        let mut results: Vec<Measured<'a>> =
            row.metrics.iter().map(|metric| Measured { name: row.name, metric, figures: Default::default() }).collect();
        if self.warm_up {
            progress(format_args!("{}: warming up", row.name));
            self.runtimes.iter().for_each(|runtime| drop(row.measure[*runtime](self.scale)));
        }
        for round in 0..self.rounds {
            for turn in 0..self.runtimes.len() {
                let runtime = self.runtimes[(round + turn) % self.runtimes.len()];
                let figures = row.measure[runtime](self.scale);
                assert_eq!(figures.len(), row.metrics.len(), "{} gives a figure for each of its metrics", row.name);
                for (result, figure) in results.iter_mut().zip(figures) {
                    result.figures[runtime].push(figure);
                }
            }
            progress(format_args!("{}: round {} of {}", row.name, round + 1, self.rounds));
        }
        progress(format_args!(""));
        results
    }
}

/// Replaces the line of progress, if standard error is a terminal.
fn progress(line: fmt::Arguments<'_>) {
    let mut terminal = io::stderr();
    if terminal.is_terminal() {
        let _ = write!(terminal, "\r\x1b[K{line}").and_then(|()| terminal.flush());
    }
}

/// The figures of one metric of one row: for each runtime, one for each round.
pub(crate) struct Measured<'a> {
    name: &'static str,
    metric: &'a Metric,
    figures: [Vec<f64>; 3],
}

/// A median with its extremes.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// `None` if there are no values.
    fn of(mut values: Vec<f64>) -> Option<Spread> {
        if values.is_empty() {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => values[middle],
        };
        Some(Spread { median, least: values[0], most: values[values.len() - 1] })
    }

    fn show(&self) -> String {
        format!("{} ({}–{})", number(self.median), number(self.least), number(self.most))
    }
}

impl Measured<'_> {
    /// How many times better ours is than the closest of the others, by the ratios within each round.
    fn ahead(&self) -> Option<(&'static str, Spread)> {
        let [ours, others @ ..] = &self.figures;
        let against = others.iter().zip(&RUNTIMES[1..]).filter_map(|(other, name)| {
            let ratios = ours.iter().zip(other).map(|(ours, other)| self.metric.ahead(*ours, *other));
            Some((*name, Spread::of(ratios.collect())?))
        });
        against.min_by(|a, b| a.1.median.total_cmp(&b.1.median))
    }

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.name.to_owned(), self.metric.unit.to_owned()];
        for figures in &self.figures {
            cells.push(Spread::of(figures.clone()).map_or(String::new(), |spread| spread.show()));
        }
        let Some((name, ahead)) = self.ahead() else {
            cells.resize(COLUMNS.len(), String::new());
            return cells;
        };
        let mark = match ahead.median / self.metric.target {
            1.0.. => "✓",
            LEVEL.. => "~",
            _ => "✗",
        };
        cells.push(format!("{:.2}× {name} ({:.2}–{:.2})", ahead.median, ahead.least, ahead.most));
        cells.push(format!("{mark} ≥ {:.2}", self.metric.target));
        cells
    }
}

const COLUMNS: [&str; 7] = ["row", "unit", RUNTIMES[0], RUNTIMES[1], RUNTIMES[2], "ahead of the best other", "target"];

/// Prints the table, and the machine on which it was made.
pub(crate) fn print(results: &[Measured<'_>], markdown: bool) {
    let mut table = vec![COLUMNS.map(str::to_owned).to_vec()];
    table.extend(results.iter().map(Measured::cells));
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let rounds = results.iter().flat_map(|row| &row.figures).map(Vec::len).max().unwrap_or(0);
    println!("{}. Medians (least–most) of {rounds} rounds.\n", machine());
    for (line, row) in table.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        match markdown {
            true => println!("| {} |", cells.join(" | ")),
            false => println!("{}", cells.join("  ").trim_end()),
        }
        if markdown && line == 0 {
            println!("|{}|", widths.iter().map(|width| "-".repeat(width + 2)).collect::<Vec<_>>().join("|"));
        }
    }
}

/// The processor, the kernel and the load, as far as Linux reports them.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    format!(
        "{cores} × {}, {} {}, load {}",
        model.unwrap_or(std::env::consts::ARCH),
        std::env::consts::OS,
        kernel.trim(),
        load.split(' ').next().unwrap_or("unknown")
    )
}

/// Three significant figures below 100, thousands set apart above.
fn number(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{value:.0}");
            let groups: Vec<&str> =
                digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or("")).collect();
            groups.join(",")
        }
    }
}

/// Nanoseconds for each of `count`.
pub(crate) fn nanos_each(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count as f64
}

/// `count` operations since a time, as operations per second.
pub(crate) fn per_second(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

/// Processor time that this process has used: all threads, user and system.
pub(crate) fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

/// Processor time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    clock_gettime(clock).try_into().expect("processor time is not negative")
}
