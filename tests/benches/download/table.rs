//! Medians, ratios and the table.

use super::Measured;
use super::measure::Usage;
use super::rows::Row;

/// The name of our own program.
pub const OURS: &str = "demo";

type Figure = (&'static str, fn(&Usage) -> f64, fn(f64) -> String);

const FIGURES: [Figure; 3] = [
    ("time", |usage| usage.time, seconds),
    ("processor time", |usage| usage.processor, seconds),
    ("peak memory", |usage| usage.memory, |bytes| format!("{:.1} MB", bytes / 1e6)),
];

fn seconds(value: f64) -> String {
    format!("{value:.2} s")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

/// Prints what the programs of a row have used.
pub fn print(row: &Row, measured: &Measured, markdown: bool) {
    let mut table =
        vec![["program", "files", "MiB", "time", "", "processor time", "", "peak memory", ""].map(str::to_owned)];
    let ours = measured.get(OURS);
    for (name, usages) in measured {
        let mut cells = vec![(*name).to_owned(), usages[0].files.to_string(), (usages[0].bytes >> 20).to_string()];
        for (_, of, show) in FIGURES {
            cells.push(show(median(usages.iter().map(of).collect())));
            let ratios = ours.map(|ours| usages.iter().zip(ours).map(|(other, ours)| of(other) / of(ours)).collect());
            cells.push(
                ratios.filter(|_| *name != OURS).map_or(String::new(), |ratios| format!("{:.2}×", median(ratios))),
            );
        }
        table.push(cells.try_into().expect("a cell for each column"));
    }
    let rounds = measured.values().map(Vec::len).max().unwrap_or(0);
    println!("\n{}: {}. Medians of {rounds} rounds.\n", row.name, row.what);
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    for (line, cells) in table.iter().enumerate() {
        let cells: Vec<String> =
            (0..cells.len()).map(|column| format!("{:<1$}", cells[column], width(column))).collect();
        match markdown {
            true => println!("| {} |", cells.join(" | ")),
            false => println!("{}", cells.join("  ").trim_end()),
        }
        if markdown && line == 0 {
            println!("|{}", "---|".repeat(cells.len()));
        }
    }
}
