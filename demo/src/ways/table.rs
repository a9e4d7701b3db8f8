//! The rows as a table with bars, as JSON or as CSV.

use super::args::{Format, WaysArgs};
use super::measure::Row;
use crate::step::words::count;
use bytesize::ByteSize;
use comfy_table::{CellAlignment, Table, presets};
use std::io::{self, Write};

/// The longest bar, in characters.
const BAR: f64 = 7.0;

/// Prints the rows on standard output, in the chosen format.
pub fn print(rows: &[Row], args: &WaysArgs) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match args.format {
        Format::Table => writeln!(output, "{}", text(rows, args)),
        Format::Json => writeln!(output, "{}", serde_json::to_string_pretty(rows)?),
        Format::Csv => csv(rows, output),
    }
}

fn csv(rows: &[Row], output: impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(output);
    writer.write_record(COLUMNS)?;
    for row in rows {
        let m = &row.measured;
        let optional = |value: Option<String>| value.unwrap_or_default();
        writer.write_record([
            row.way.name().to_owned(),
            row.pages.to_string(),
            m.seconds.to_string(),
            optional(row.times_faster.map(|times| times.to_string())),
            m.cpu_seconds.to_string(),
            m.threads.to_string(),
            m.processes.to_string(),
            m.memory.to_string(),
            m.switches.to_string(),
            optional(m.syscalls.map(|calls| calls.to_string())),
            m.bytes.to_string(),
        ])?;
    }
    writer.flush()
}

const COLUMNS: [&str; 11] = [
    "way",
    "pages",
    "seconds",
    "times_faster",
    "cpu_seconds",
    "threads",
    "processes",
    "memory",
    "switches",
    "syscalls",
    "bytes",
];

fn text(rows: &[Row], args: &WaysArgs) -> String {
    let mut tables = Vec::new();
    for &pages in &args.pages {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.pages == pages).collect();
        tables.push(format!(
            "{}, the server takes {} for each\n{}",
            count(pages, "page"),
            humantime::format_duration(args.delay),
            table(&rows)
        ));
    }
    if rows.iter().any(|row| row.measured.syscalls.is_none()) {
        tables.push("system calls: not available (requires root and a mounted tracefs)".to_owned());
    }
    tables.join("\n\n")
}

fn table(rows: &[&Row]) -> Table {
    let slowest = rows.iter().map(|row| row.measured.seconds).fold(0.0, f64::max);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "way",
        "seconds",
        "",
        "times\nfaster",
        "cpu\nseconds",
        "threads",
        "proc-\nesses",
        "memory",
        "context\nswitches",
        "system\ncalls",
    ]);
    for row in rows {
        let m = &row.measured;
        table.add_row([
            row.way.name().to_owned(),
            format!("{:.2}", m.seconds),
            bar(m.seconds / slowest),
            row.times_faster.map_or("-".to_owned(), |times| format!("{times:.1}×")),
            format!("{:.3}", m.cpu_seconds),
            m.threads.to_string(),
            m.processes.to_string(),
            memory(m.memory),
            m.switches.to_string(),
            m.syscalls.map_or("-".to_owned(), |calls| calls.to_string()),
        ]);
    }
    for (n, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if n != 0 && n != 2 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A bar of eighths of a character.
fn bar(part: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (part * BAR * 8.0).round() as usize;
    let bar = "█".repeat(eighths / 8) + EIGHTHS[eighths % 8];
    if bar.is_empty() { EIGHTHS[1].to_owned() } else { bar }
}

/// In at most seven characters.
fn memory(bytes: u64) -> String {
    match bytes {
        100_000_000..1_000_000_000 => format!("{} MB", (bytes + 500_000) / 1_000_000),
        _ => ByteSize::b(bytes).display().si().to_string(),
    }
}
