//! A program on several threads, each with a runtime of its own and a recording.

use super::{Progress, breaks};
use crate::kit::Dice;
use executor::time::{Duration, sleep};
use executor::trace::Recorder;
use executor::{Runtime, select};
use std::any::Any;
use std::env;
use std::fmt::Write;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// How many threads a program runs on.
pub(super) const THREADS: usize = 3;

/// Programs that make no progress for this long wait for ever.
const STANDSTILL: Duration = Duration::from_secs(8);

/// The newest events that a thread's recording keeps.
const EVENTS: usize = 20_000;

/// What the threads of a run share with each other and with the thread that watches them.
struct Run {
    progress: Progress,
    /// The number of threads whose programs are not over.
    running: AtomicUsize,
    /// Set when the programs must be dropped.
    is_over: AtomicBool,
    recorders: Vec<Arc<Recorder>>,
}

/// For each seed, runs a program on [`THREADS`] threads at the same time, each inside of a runtime of its own.
///
/// `start` makes what the threads of a run share: a closure that makes the program of the thread with that number, on
/// that thread. A program calls [`Progress::tick`] whenever it makes progress.
///
/// # Panics
/// When a program panics, or when none makes progress for [`STANDSTILL`]. The message has the seed and the recordings.
pub(super) fn on_threads<P, F>(noun: &str, suite: &Progress, runs: u64, start: impl Fn(&mut Dice) -> P)
where
    P: Fn(usize, Dice, Progress) -> F + Send + Sync + 'static,
    F: Future<Output = ()>,
{
    let wanted = env::var("EXECUTOR_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    for seed in wanted.map_or(0..runs, |seed| seed..seed + 1) {
        suite.tick();
        let recorders = (0..THREADS).map(|_| Arc::new(Recorder::new().with_limit(EVENTS).without_chains())).collect();
        let (progress, running, is_over) = (Progress::default(), AtomicUsize::new(THREADS), AtomicBool::new(false));
        let run = Arc::new(Run { progress, running, is_over, recorders });
        let mut dice = Dice::new(seed);
        let program = Arc::new(start(&mut dice));
        if let Err(said) = run.clone().finish(noun, &mut dice, program) {
            panic!("{said}\non {THREADS} threads, with seed {seed} for what they choose{}", run.save(seed));
        }
    }
}

impl Run {
    /// Runs to the end. Returns the message of a failure.
    fn finish<P, F>(self: Arc<Self>, noun: &str, dice: &mut Dice, program: Arc<P>) -> Result<(), String>
    where
        P: Fn(usize, Dice, Progress) -> F + Send + Sync + 'static,
        F: Future<Output = ()>,
    {
        let threads: Vec<_> = (0..THREADS)
            .map(|number| {
                let (run, program, dice) = (self.clone(), program.clone(), Dice::new(dice.roll(u64::MAX)));
                thread::spawn(move || run.thread(number, |progress| program(number, dice, progress)))
            })
            .collect();
        let hangs = self.watch();
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("it catches its panics")).collect();
        ended.into_iter().collect::<Result<(), String>>()?;
        if hangs {
            let what =
                format!("no task on any of {THREADS} threads made progress for {STANDSTILL:?}, and all of them wait");
            return Err(breaks(noun, "each wait comes to an end", what));
        }
        Ok(())
    }

    /// Runs the program of one thread.
    fn thread<F: Future<Output = ()>>(&self, number: usize, program: impl FnOnce(Progress) -> F) -> Result<(), String> {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let runtime = Runtime::builder().observer(self.recorders[number].clone()).build();
            runtime.expect("there are descriptors for a runtime").block_on(async {
                let until_over = async {
                    while !self.is_over.load(Ordering::SeqCst) {
                        sleep(Duration::from_millis(5)).await;
                    }
                };
                select(program(self.progress.clone()), until_over).await;
            });
        }));
        self.running.fetch_sub(1, Ordering::SeqCst);
        if ended.is_err() {
            self.is_over.store(true, Ordering::SeqCst);
        }
        ended.map_err(|panic| message(&*panic))
    }

    /// Waits until the programs are over. If none makes progress, drops them and returns true.
    fn watch(&self) -> bool {
        let (mut seen, mut since) = (self.progress.count(), Instant::now());
        while self.running.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(1));
            let now = self.progress.count();
            if now != seen {
                (seen, since) = (now, Instant::now());
            } else if since.elapsed() > STANDSTILL {
                self.is_over.store(true, Ordering::SeqCst);
                return true;
            }
        }
        false
    }

    /// Saves the recordings. Returns a text that says where they are.
    fn save(&self, seed: u64) -> String {
        let thread = thread::current();
        let name = thread.name().filter(|name| *name != "main").unwrap_or_default().replace("::", "-");
        let mut saved = String::new();
        for (number, recorder) in self.recorders.iter().enumerate() {
            let file = env::temp_dir().join(format!("executor-{name}-{seed}-thread-{number}.jsonl"));
            let _infallible = match recorder.save(&file) {
                Ok(()) => write!(saved, "\nstep through thread {number}: demo step --replay {}", file.display()),
                Err(error) => write!(saved, "\nthread {number} could not be recorded in {}: {error}", file.display()),
            };
        }
        saved
    }
}

/// The message of a panic.
fn message(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal.or_else(|| panic.downcast_ref().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}
