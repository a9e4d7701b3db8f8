//! What it costs to observe a run: no observer, an observer that ignores everything, the recorder without and with
//! chains.
//!
//! ```text
//! cargo bench -p tests --bench recording [-- --quick]
//! ```
//!
//! The four take turns, round after round. The figures are medians of the thread's processor time, in nanoseconds per
//! event: what a run takes beyond a run without an observer, divided by the number of its events. Under `cargo test`,
//! each program runs once with a tiny size, which checks the benchmark and measures nothing.

use executor::sync::channel;
use executor::time::{Duration, sleep};
use executor::trace::Recorder;
use executor::{Observer, ReactorObserver, Runtime, spawn, yield_now};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;

/// Ignores everything.
struct Ignores;

impl ReactorObserver for Ignores {}
impl Observer for Ignores {}

#[derive(Clone, Copy)]
enum Watch {
    Unobserved,
    Ignores,
    WithoutChains,
    WithChains,
}

const WATCHES: [Watch; 4] = [Watch::Unobserved, Watch::Ignores, Watch::WithoutChains, Watch::WithChains];

/// A program, its full size, and what it does.
struct Program {
    name: &'static str,
    size: usize,
    run: fn(&Runtime, usize),
}

const PROGRAMS: [Program; 4] = [
    Program { name: "yields of 100 tasks", size: 100_000, run: yields },
    Program { name: "ping-pong over channels", size: 50_000, run: ping_pong },
    Program { name: "tasks spawned and joined", size: 50_000, run: spawns },
    Program { name: "sleeps", size: 20_000, run: sleeps },
];

fn yields(runtime: &Runtime, size: usize) {
    runtime.block_on(async {
        let yielding = |_| {
            spawn(async move {
                for _ in 0..size / 100 {
                    yield_now().await
                }
            })
        };
        for task in (0..100).map(yielding).collect::<Vec<_>>() {
            task.await.expect("it only yields");
        }
    });
}

fn ping_pong(runtime: &Runtime, size: usize) {
    runtime.block_on(async {
        let ((to_there, there), (to_here, here)) = (channel(1), channel(1));
        let echo = spawn(async move {
            while let Ok(ball) = there.recv().await {
                to_here.send(ball).await.expect("the other player receives");
            }
        });
        for ball in 0..size {
            to_there.send(ball).await.expect("the other player receives");
            assert_eq!(here.recv().await, Ok(ball));
        }
        drop(to_there);
        echo.await.expect("it only echoes");
    });
}

fn spawns(runtime: &Runtime, size: usize) {
    runtime.block_on(async {
        for number in 0..size {
            assert_eq!(spawn(async move { number }).await.expect("it is ready at once"), number);
        }
    });
}

fn sleeps(runtime: &Runtime, size: usize) {
    runtime.block_on(async {
        let sleeping = |number| spawn(sleep(Duration::from_micros(number as u64 % 1_000)));
        for task in (0..size).map(sleeping).collect::<Vec<_>>() {
            task.await.expect("it only sleeps");
        }
    });
}

/// Runs it once: nanoseconds of processor time, and how many events were recorded.
fn measure(program: &Program, size: usize, watch: Watch) -> (f64, u64) {
    let recorder = Arc::new(match watch {
        Watch::WithChains => Recorder::new().with_limit(10_000_000),
        _ => Recorder::new().with_limit(10_000_000).without_chains(),
    });
    let builder = Runtime::builder();
    let runtime = match watch {
        Watch::Unobserved => builder.build(),
        Watch::Ignores => builder.observer(Arc::new(Ignores)).build(),
        Watch::WithoutChains | Watch::WithChains => builder.observer(recorder.clone()).build(),
    };
    let runtime = runtime.expect("there are descriptors left for a reactor");
    let before = processor_time();
    (program.run)(&runtime, size);
    ((processor_time() - before).as_nanos() as f64, recorder.events())
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("processor time is not negative")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let given = |name| std::env::args().any(|arg| arg == name);
    let (rounds, part) = match (given("--bench"), given("--quick")) {
        (false, _) => (1, 1_000),
        (true, true) => (3, 10),
        (true, false) => (7, 1),
    };
    println!("| ns of CPU an event | no observer, the whole | ignored | recorded | with chains | events |");
    println!("|---|---:|---:|---:|---:|---:|");
    for program in PROGRAMS {
        let size = (program.size / part).max(100);
        let mut times = [const { Vec::new() }; WATCHES.len()];
        let mut events = 1;
        for _ in 0..rounds {
            for (watch, times) in WATCHES.into_iter().zip(&mut times) {
                let (took, recorded) = measure(&program, size, watch);
                times.push(took);
                events = events.max(recorded);
            }
        }
        let [unobserved, rest @ ..] = times.map(median);
        let more: Vec<_> = rest.iter().map(|time| format!("{:.0}", (time - unobserved) / events as f64)).collect();
        println!("| {} | {:.1} ms | {} | {events} |", program.name, unobserved / 1e6, more.join(" | "));
    }
}
