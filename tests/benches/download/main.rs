//! The downloader beside wget2, wget, curl, aria2 and a client on tokio, hyper and rustls: whole programs, in one run.
//!
//! ```text
//! cargo bench -p tests --bench download -- [row…] [--rounds N] [--quick] [--markdown] [--list]
//! ```
//!
//! Each row runs all programs in turn, round after round, against one nginx on the loopback; files are saved in memory.
//! Figures are medians of the rounds. The column "ours" is the median of the ratios within each round: how many times
//! as much of the figure the other program needs. A program that is not installed is skipped with a message. `--quick`
//! takes a twentieth of the sizes. Under `cargo test`, which does not pass `--bench`, each row runs once with tiny
//! sizes: that checks the benchmark and measures nothing.
//!
//! | file | what it holds |
//! |---|---|
//! | `rows.rs` | the rows: what is served, what is fetched, by which commands |
//! | `server.rs` | nginx, its certificate and its files |
//! | `measure.rs` | one run of one program: time, processor time, memory |
//! | `table.rs` | medians, ratios, the table |
//! | `client.rs` | the client on tokio, hyper and rustls |

mod client;
mod measure;
mod rows;
mod server;
mod table;

use measure::Usage;
use rows::{Job, Row};
use server::Server;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::process::exit;

/// The command line.
#[derive(Default)]
struct Arguments {
    names: Vec<String>,
    bench: bool,
    quick: bool,
    markdown: bool,
    list: bool,
    rounds: Option<usize>,
}

impl Arguments {
    fn parse() -> Result<Arguments, String> {
        let mut arguments = Arguments::default();
        let mut given = env::args().skip(1);
        while let Some(argument) = given.next() {
            match argument.as_str() {
                "--bench" => arguments.bench = true,
                "--quick" => arguments.quick = true,
                "--markdown" => arguments.markdown = true,
                "--list" => arguments.list = true,
                "--rounds" => {
                    let rounds = given.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                    arguments.rounds = Some(rounds.ok_or("--rounds needs a number from 1 up")?);
                }
                name if !name.starts_with('-') => arguments.names.push(name.to_owned()),
                // `cargo test -- --nocapture` and the like are passed to every target; this one ignores them.
                _ if !arguments.bench => {}
                other => return Err(format!("no such option: {other} (see the top of benches/download/main.rs)")),
            }
        }
        Ok(arguments)
    }

    /// The divisor of the full sizes.
    fn scale(&self) -> usize {
        match (self.bench, self.quick) {
            (false, _) => 1_000,
            (true, true) => 20,
            (true, false) => 1,
        }
    }
}

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        // This program, started again by itself.
        Some("run-client") => return client::run(&args[1..]),
        Some("run-measured") => return measure::run(&args[1..]),
        _ => {}
    }
    let arguments = Arguments::parse().unwrap_or_else(|error| {
        eprintln!("{error}");
        exit(2);
    });
    let wanted = |row: &Row| arguments.names.is_empty() || arguments.names.iter().any(|name| row.name.contains(name));
    let rows: Vec<Row> = rows::all().into_iter().filter(wanted).collect();
    if arguments.list {
        // Test runners list the tests of a target before they run it; this target has no names to list.
        rows.iter().filter(|_| arguments.bench).for_each(|row| println!("{}", row.name));
        return;
    }
    let Some(server) = Server::start(arguments.scale()) else { return };
    let rounds = arguments.rounds.unwrap_or(if arguments.bench { 5 } else { 1 });
    for row in rows {
        let measured = run(&row, &server, rounds, arguments.bench);
        if arguments.bench {
            table::print(&row, &measured, arguments.markdown);
        }
    }
}

/// The usages of each program, round by round.
type Measured = BTreeMap<&'static str, Vec<Usage>>;

/// Runs the programs of a row in turn. The first one changes from round to round.
fn run(row: &Row, server: &Server, rounds: usize, warm_up: bool) -> Measured {
    let Some(job) = (row.job)(server) else { return Measured::new() };
    let mut measured = Measured::new();
    for round in 0..rounds + usize::from(warm_up) {
        for turn in 0..job.programs.len() {
            let (name, command) = &job.programs[(round + turn) % job.programs.len()];
            progress(&format!("{}: {name}, round {round} of {rounds}", row.name));
            let usage = one(server, &job, name, command);
            if round >= usize::from(warm_up) {
                measured.entry(*name).or_default().push(usage);
            }
        }
    }
    progress("");
    measured
}

/// Runs a program once, in an empty directory, and checks that it has saved everything.
fn one(server: &Server, job: &Job, name: &str, command: &[String]) -> Usage {
    let directory = server.path("saved");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).expect("the directory can be created");
    let usage = measure::of(command, &directory);
    let (files, bytes) = measure::saved(&directory);
    if files < job.files || bytes < job.bytes {
        eprintln!(
            "{name} saved {files} files with {bytes} bytes, and not {} with {} (exit status {})",
            job.files, job.bytes, usage.status
        );
    }
    fs::remove_dir_all(&directory).expect("the directory can be removed");
    Usage { files, bytes, ..usage }
}

/// Replaces the line of progress, if standard error is a terminal.
fn progress(line: &str) {
    let mut terminal = io::stderr();
    if terminal.is_terminal() {
        let _ = write!(terminal, "\r\x1b[K{line}").and_then(|()| terminal.flush());
    }
}
