//! Runs one test in a process of its own, within its limits, and finds out how it ended.

use super::confine::confined;
use super::error::LabError;
use super::explain::{self, failure};
use super::manifest::Limits;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A test, and how to run it.
pub(crate) struct TestRun<'a> {
    /// The binary.
    pub(crate) binary: &'a Path,
    /// The name of the test.
    pub(crate) name: &'a str,
    pub(crate) limits: Limits,
    /// An existing directory for its output, its recording and its temporary files.
    pub(crate) place: &'a Path,
    /// Whether to record it: for the stepper, and the steps of a model.
    pub(crate) is_recorded: bool,
    /// The user to run it as, if not the current one, and the limit on that user's processes.
    pub(crate) user: Option<u32>,
    pub(crate) processes: Option<u64>,
}

/// The result of a test.
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// The processor time that it took.
    pub(crate) cpu: Duration,
    /// What it printed.
    pub(crate) output: String,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Passed,
    /// An assertion failed: what happened, in a sentence or more.
    Failed(String),
    /// It ended before an assertion could fail: how, in a sentence.
    Crashed(String),
    /// It reached a limit: which one, in a sentence.
    Exceeded(String),
    /// The binary has no test of this name.
    Missing,
}

/// How long a test may use no processor time at all. No test waits for real time.
const STILL: Duration = Duration::from_secs(5);

impl End {
    /// What happened, if the test did not pass.
    pub(crate) fn failure(&self) -> Option<&str> {
        match self {
            End::Failed(what) | End::Crashed(what) | End::Exceeded(what) => Some(what),
            End::Passed | End::Missing => None,
        }
    }
}

impl TestRun<'_> {
    /// The recording of the run, if it was recorded and ran on this runtime.
    pub(crate) fn recording(&self) -> PathBuf {
        self.place.join("run.jsonl")
    }

    /// The steps of the failing interleaving of a model, if it was recorded.
    pub(crate) fn steps(&self) -> PathBuf {
        self.place.join("steps.txt")
    }

    /// Runs the test.
    ///
    /// # Errors
    /// If it can't be started.
    pub(crate) fn run(&self) -> Result<Outcome, LabError> {
        let path = self.place.join("output.txt");
        _ = fs::remove_file(&path); // that of the test before
        // The directory may belong to the user who runs the tests: a link that the user has put there is not followed.
        let created = File::options().read(true).write(true).create_new(true).open(&path);
        let mut file = created.map_err(|source| LabError::Unwritable { path, source })?;
        let [output, error] = [file.try_clone(), file.try_clone()];
        let (output, error) =
            (output.map_err(LabError::program("the test"))?, error.map_err(LabError::program("the test"))?);
        // A recording is a file too.
        let limits = if self.is_recorded { Limits { output: 64, ..self.limits } } else { self.limits };
        let mut command = confined(limits, self.processes, self.user)?;
        command.arg(self.binary).args([self.name, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
        command
            .env("MODELS_OWN_PROCESS", "1")
            .env("TMPDIR", self.place)
            .env("RUST_BACKTRACE", if self.is_recorded { "1" } else { "0" });
        command.current_dir(self.place).stdin(Stdio::null()).stdout(output).stderr(error);
        if self.is_recorded {
            // Those of the test before, which this one may not write.
            [self.recording(), self.steps()].iter().for_each(|file| _ = fs::remove_file(file));
            command.env("EXECUTOR_TRACE", self.recording()).env("MODELS_STEPS", self.steps());
        }
        let (status, cpu) = run_to_the_end(&mut command, limits).map_err(LabError::program("the test"))?;
        let output = beginning(&mut file);
        let end = self.end(status, cpu, &output);
        Ok(Outcome { end, cpu, output })
    }

    fn end(&self, status: Option<ExitStatus>, cpu: Duration, output: &str) -> End {
        let Limits { cpu: seconds, memory, output: size } = self.limits;
        let Some(status) = status else {
            return End::Exceeded("the test hangs: it waits for something that never happens".into());
        };
        if let Some(failure) = failure(output, self.name, status.signal() == Some(SIGABRT)) {
            let explain::Failure { what, is_of_test } = failure;
            return if is_of_test { End::Failed(what) } else { End::Crashed(what) };
        }
        match status.signal() {
            _ if output.contains("memory allocation of") => {
                End::Exceeded(format!("the test needs more than {memory} MiB of memory"))
            }
            Some(SIGXFSZ) => End::Exceeded(format!("the test prints more than {size} MiB")),
            Some(SIGXCPU | SIGKILL) if cpu.as_secs() + 1 >= seconds => End::Exceeded(format!(
                "the test took {seconds} s of processor time and had not ended: is there a loop without an end?"
            )),
            _ if output.contains("has overflowed its stack") => {
                End::Crashed("the stack overflowed: does a function call itself without an end?".into())
            }
            Some(SIGSEGV) => End::Crashed("an access to invalid memory (signal 11): look at the pointers".into()),
            Some(signal) => End::Crashed(format!("the test was ended by signal {signal} ({})", signal_name(signal))),
            None if status.success() && output.contains("test result: ok. 1 passed") => End::Passed,
            None if status.success() && output.contains("test result: ok. 0 passed") => End::Missing,
            None => End::Crashed(format!(
                "the process ended with code {} before the test was over: does something call `exit`?",
                status.code().unwrap_or(-1)
            )),
        }
    }
}

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

fn signal_name(signal: i32) -> &'static str {
    nix::sys::signal::Signal::try_from(signal).map_or("unknown", nix::sys::signal::Signal::as_str)
}

/// Runs a confined program to its end, and kills the processes that it leaves behind. There is no status if it hangs.
pub(crate) fn run_to_the_end(command: &mut Command, limits: Limits) -> io::Result<(Option<ExitStatus>, Duration)> {
    let mut child = command.spawn()?;
    let ended = wait(&mut child, Duration::from_secs(limits.cpu * 10 + 60));
    end_group(child.id());
    if let Ok((None, _)) = ended {
        child.kill()?;
        child.wait()?;
    }
    ended
}

/// Waits for the end of a process. `None` if it hangs, or is not over after `most`.
fn wait(child: &mut Child, most: Duration) -> io::Result<(Option<ExitStatus>, Duration)> {
    let start = Instant::now();
    let mut progress = (Duration::ZERO, Instant::now());
    let mut pause = Duration::from_millis(2);
    loop {
        let cpu = cpu_of(child.id());
        if let Some(status) = child.try_wait()? {
            return Ok((Some(status), progress.0.max(cpu.unwrap_or_default())));
        }
        if let Some(cpu) = cpu.filter(|cpu| *cpu > progress.0) {
            progress = (cpu, Instant::now());
        }
        if progress.1.elapsed() > STILL || start.elapsed() > most {
            return Ok((None, progress.0));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// The processor time of a process so far, where the system has `/proc`. On other systems only `most` ends a hang.
fn cpu_of(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in parentheses, may contain spaces.
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks * 10))
}

/// Kills what is left of the process's group, if the process had a group of its own.
fn end_group(process: u32) {
    use nix::sys::signal::{Signal, killpg};
    let group = nix::unistd::Pid::from_raw(process as i32);
    // Only the process of a submission has a group, and usually nothing is left of it.
    _ = killpg(group, Signal::SIGKILL);
}

/// The beginning of the output, which is as much as people read.
fn beginning(file: &mut File) -> String {
    const MOST: u64 = 4 << 20;
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.take(MOST).read_to_end(&mut bytes));
    read.map_or_else(|_| String::new(), |_| String::from_utf8_lossy(&bytes).into_owned())
}
