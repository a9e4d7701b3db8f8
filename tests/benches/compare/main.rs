//! Our runtime beside tokio and smol, on one thread each: the same work, written once, in one run.
//!
//! ```text
//! cargo bench -p tests --bench compare -- [row…] [--quick] [--rounds N] [--only NAME] [--markdown] [--list]
//! ```
//!
//! Each row runs on the three runtimes in turn, round after round, so that other load on the machine
//! affects all three alike. The figures are medians, and ratios are taken within a round before
//! the median. A row is named in full or in part (`GETs` runs both). `--quick` takes a tenth of the
//! size and three rounds, `--only ours` leaves the others out, for a profiler. Under `cargo test`,
//! which does not pass `--bench`, each row runs once with tiny sizes: that checks the benchmark and
//! measures nothing.
//!
//! | file | what it holds |
//! |---|---|
//! | `rt.rs` | the interface between the rows and a runtime, and its three implementations |
//! | `tasks.rs`, `timers.rs`, `memory.rs`, `net.rs` | the rows |
//! | `server.rs`, `client.rs` | the other end of the network rows: raw epoll, no runtime |
//! | `one_cpu.rs` | keeps two threads that take turns on one processor |
//! | `harness.rs` | clocks, rounds and the table |

mod harness;
mod memory;
mod rt;
mod tasks;
mod timers;

#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod net;
#[cfg(target_os = "linux")]
mod one_cpu;
#[cfg(target_os = "linux")]
mod server;

use harness::{Metric, Plan, RUNTIMES, Row, Scale};
use rt::{Ours, Smol, Tokio};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// `row!("name", module::function, metrics…)`: the function is generic over the runtime.
macro_rules! row {
    ($name:literal, $module:ident::$measure:ident, $($metric:expr),+) => {
        Row {
            name: $name,
            metrics: vec![$($metric),+],
            measure: [$module::$measure::<Ours>, $module::$measure::<Tokio>, $module::$measure::<Smol>],
        }
    };
}

fn rows() -> Vec<Row> {
    let mut rows = vec![
        row!("spawn", tasks::spawn, Metric::lower("ns of CPU a task", 2.0)),
        row!("chained spawn", tasks::chained_spawn, Metric::lower("ns of CPU a task", 2.0)),
        row!("yield", tasks::yields, Metric::lower("ns of CPU a yield", 1.4)),
        row!("ping-pong", tasks::ping_pong, Metric::lower("ns of CPU a round trip", 1.0)),
        row!("own channels, ping-pong", tasks::own_ping_pong, Metric::lower("ns of CPU a round trip", 1.5)),
        row!("own channels, four to one", tasks::own_stream, Metric::lower("ns of CPU a message", 1.0)),
        row!("sleeps", timers::sleeps, Metric::lower("ns of CPU a sleep", 3.0)),
        row!("idle task, bare", memory::bare, Metric::lower("bytes a task", 1.0 / 0.75)),
        row!("idle task on a channel", memory::channel, Metric::lower("bytes a task", 1.0 / 0.75)),
        row!("idle task on own semaphore", memory::semaphore, Metric::lower("bytes a task", 1.0)),
    ];
    // The other end of these rows needs epoll.
    #[cfg(target_os = "linux")]
    rows.extend([
        row!("echo 1", net::echo_1, rate(), cpu()),
        row!("echo 64", net::echo_64, rate(), cpu()),
        row!("echo 1, one thread", net::echo_within_1, rate(), cpu()),
        row!("echo 64, one thread", net::echo_within_64, rate(), cpu()),
        row!("short GETs", net::short_gets, rate(), cpu()),
        row!("kept-alive GETs", net::kept_gets, rate(), cpu()),
    ]);
    rows
}

#[cfg(target_os = "linux")]
fn rate() -> Metric {
    Metric::higher("round trips/s", 1.0)
}

#[cfg(target_os = "linux")]
fn cpu() -> Metric {
    Metric::lower("ns of CPU each", 1.0)
}

#[derive(Default)]
struct Arguments {
    names: Vec<String>,
    bench: bool,
    quick: bool,
    markdown: bool,
    list: bool,
    rounds: Option<usize>,
    only: Option<usize>,
}

impl Arguments {
    fn parse() -> Result<Arguments, String> {
        let mut arguments = Arguments::default();
        let mut given = std::env::args().skip(1);
        while let Some(argument) = given.next() {
            match argument.as_str() {
                "--bench" => arguments.bench = true,
                "--quick" => arguments.quick = true,
                "--markdown" => arguments.markdown = true,
                "--list" => arguments.list = true,
                "--rounds" => {
                    let rounds = given.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
                    arguments.rounds = Some(rounds.ok_or("--rounds takes a number of at least 1")?);
                }
                "--only" => {
                    let name = given.next().unwrap_or_default();
                    let runtime = RUNTIMES.iter().position(|runtime| **runtime == name);
                    arguments.only = Some(runtime.ok_or_else(|| format!("--only takes one of {RUNTIMES:?}"))?);
                }
                other if !other.starts_with('-') => arguments.names.push(other.to_owned()),
                // `cargo test -- --nocapture` and the like are passed to every target; this one ignores them.
                _ if !arguments.bench => {}
                other => return Err(format!("no such option: {other} (see the top of benches/compare/main.rs)")),
            }
        }
        Ok(arguments)
    }

    fn wants(&self, row: &Row) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| row.name.contains(name.as_str()))
    }

    fn plan(&self) -> Plan {
        let (scale, rounds, warm_up) = match (self.bench, self.quick) {
            (false, _) => (Scale::sanity(), 1, false),
            (true, true) => (Scale::quick(), 3, true),
            (true, false) => (Scale::full(), 7, true),
        };
        let runtimes = self.only.map_or((0..RUNTIMES.len()).collect(), |only| vec![only]);
        Plan { scale, rounds: self.rounds.unwrap_or(rounds), warm_up, runtimes }
    }
}

fn main() {
    let arguments = Arguments::parse().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(2);
    });
    let rows: Vec<Row> = rows().into_iter().filter(|row| arguments.wants(row)).collect();
    if arguments.list {
        // Test runners list the tests of a target before they run it; this target has no names to list.
        rows.iter().filter(|_| arguments.bench).for_each(|row| println!("{}", row.name));
        return;
    }
    let results = arguments.plan().run(&rows);
    if arguments.bench {
        harness::print(&results, arguments.markdown);
    }
}
