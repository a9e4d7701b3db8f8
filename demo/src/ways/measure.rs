//! Measures a way: its own process reports some figures when it is done, and others are sampled while it runs.

use super::way::Way;
use crate::Failure;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a way took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// From the first connect to the last byte.
    pub seconds: f64,
    /// Processor time, of all threads and processes.
    pub cpu_seconds: f64,
    /// The most threads at once, in all processes.
    pub threads: u64,
    /// The most processes at once.
    pub processes: u64,
    /// The sum of each process's peak memory, in bytes.
    pub memory: u64,
    /// Context switches.
    pub switches: u64,
    /// System calls, if the kernel reports them.
    pub syscalls: Option<u64>,
    /// Bytes that were downloaded.
    pub bytes: u64,
    /// A hash of those bytes.
    pub digest: u64,
}

/// What a way took for a number of pages: a row of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The way.
    pub way: Way,
    /// The number of pages.
    pub pages: usize,
    /// How many times as fast as `blocking` it was, if that ran too.
    pub times_faster: Option<f64>,
    /// What it took.
    #[serde(flatten)]
    pub measured: Measured,
}

impl Measured {
    /// The run with the median time, with the median of the processor times.
    pub fn median(mut runs: Vec<Measured>) -> Measured {
        let middle = runs.len() / 2;
        let mut cpu: Vec<f64> = runs.iter().map(|run| run.cpu_seconds).collect();
        cpu.sort_by(f64::total_cmp);
        runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        Measured { cpu_seconds: cpu[middle], ..runs.swap_remove(middle) }
    }
}

/// Measures a download from inside its process.
pub fn around(download: impl FnOnce() -> io::Result<Vec<Vec<u8>>>) -> io::Result<Measured> {
    let mut counter = syscalls::Counter::start();
    let (before, start) = (Used::now()?, Instant::now());
    let pages = download()?;
    let (seconds, after) = (start.elapsed().as_secs_f64(), Used::now()?);
    let mut hasher = DefaultHasher::new();
    pages.hash(&mut hasher);
    Ok(Measured {
        seconds,
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        threads: 1,
        processes: 1,
        memory: 0,
        switches: after.switches - before.switches,
        syscalls: counter.as_mut().and_then(syscalls::Counter::read),
        bytes: pages.iter().map(|page| page.len() as u64).sum(),
        digest: hasher.finish(),
    })
}

/// The resources used by this process and its ended children.
struct Used {
    cpu_seconds: f64,
    switches: u64,
}

impl Used {
    fn now() -> io::Result<Used> {
        let usages = [getrusage(UsageWho::RUSAGE_SELF)?, getrusage(UsageWho::RUSAGE_CHILDREN)?];
        let cpu = |usage: &Usage| (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6;
        let switches =
            |usage: &Usage| (usage.voluntary_context_switches() + usage.involuntary_context_switches()) as u64;
        Ok(Used { cpu_seconds: usages.iter().map(cpu).sum(), switches: usages.iter().map(switches).sum() })
    }
}

/// Runs a download in a process of its own, and observes it.
pub fn measure(server: SocketAddr, way: Way, pages: usize, unpooled: bool) -> Result<Measured, Failure> {
    let mut command = Command::new(std::env::current_exe().map_err(Failure::Process)?);
    command.args(["ways-run", way.name(), &server.to_string(), &pages.to_string()]);
    command.args(unpooled.then_some("--unpooled")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().map_err(Failure::Process)?;
    let seen = observe(&mut process).map_err(Failure::Process)?;
    let output = process.wait_with_output().map_err(Failure::Process)?;
    let failed = || Failure::Way { way: way.name(), why: String::from_utf8_lossy(&output.stderr).trim().to_owned() };
    let reported: Measured = serde_json::from_slice(&output.stdout).map_err(|_| failed())?;
    Ok(Measured { threads: seen.threads, processes: seen.processes, memory: seen.memory.values().sum(), ..reported })
}

/// Samples of a process and its children.
#[derive(Default)]
struct Seen {
    threads: u64,
    processes: u64,
    /// The peak of each process.
    memory: HashMap<u32, u64>,
}

/// Samples a process every few milliseconds until it ends.
fn observe(process: &mut Child) -> io::Result<Seen> {
    let mut seen = Seen { threads: 1, processes: 1, ..Seen::default() };
    loop {
        let family: Vec<_> = children(process.id()).into_iter().chain([process.id()]).collect();
        let states: Vec<_> = family.into_iter().filter_map(|id| Some((id, state(id)?))).collect();
        seen.processes = seen.processes.max(states.len() as u64);
        seen.threads = seen.threads.max(states.iter().map(|(_, (threads, _))| threads).sum());
        for (id, (_, memory)) in states {
            let peak = seen.memory.entry(id).or_default();
            *peak = memory.max(*peak);
        }
        if process.try_wait()?.is_some() {
            return Ok(seen);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// The children of a process, on systems with /proc.
fn children(id: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// The number of threads and the peak memory of a process, on systems with /proc.
fn state(id: u32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line[name.len()..].split_whitespace().next()?.parse::<u64>().ok()
    };
    Some((field("Threads:")?, field("VmHWM:")? * 1024))
}

/// Counts system calls with the kernel's tracepoint, which requires privileges and a mounted tracefs.
mod syscalls {
    #[cfg(target_os = "linux")]
    pub struct Counter(perf_event::Counter);

    #[cfg(target_os = "linux")]
    impl Counter {
        /// Counts for this process and the threads and processes that it starts from now on.
        pub fn start() -> Option<Counter> {
            const EVENT: &str = "events/raw_syscalls/sys_enter/id";
            let read = |place: &str| std::fs::read_to_string(format!("{place}/{EVENT}")).ok();
            let id = read("/sys/kernel/tracing").or_else(|| read("/sys/kernel/debug/tracing"))?;
            let event = perf_event::events::Tracepoint::with_id(id.trim().parse().ok()?);
            let mut counter = perf_event::Builder::new(event).include_kernel().inherit(true).build().ok()?;
            counter.enable().ok()?;
            Some(Counter(counter))
        }

        pub fn read(&mut self) -> Option<u64> {
            self.0.read().ok()
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub struct Counter;

    #[cfg(not(target_os = "linux"))]
    impl Counter {
        pub fn start() -> Option<Counter> {
            None
        }

        pub fn read(&mut self) -> Option<u64> {
            None
        }
    }
}
