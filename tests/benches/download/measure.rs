//! One run of one program: time, processor time, memory.
//!
//! The system reports the peak of memory for all children of a process together. So each program is the only child of a
//! small process, which is this benchmark started again.

use nix::sys::resource::{UsageWho, getrusage};
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio, exit};
use std::time::Instant;

/// What a run has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Seconds.
    pub time: f64,
    /// Seconds of processor time, user and system.
    pub processor: f64,
    /// Peak of resident memory, in bytes.
    pub memory: f64,
    pub status: i32,
    /// Files and bytes saved.
    pub files: usize,
    pub bytes: u64,
}

/// Runs a program in a directory.
pub fn of(command: &[String], directory: &Path) -> Usage {
    let this = env::current_exe().expect("the system knows this program");
    let output = Command::new(this).arg("run-measured").args(command).current_dir(directory).output();
    let output = output.expect("this program can be started");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse::<f64>().ok());
    let mut next =
        || numbers.next().unwrap_or_else(|| panic!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)));
    Usage { time: next(), processor: next(), memory: next(), status: next() as i32, files: 0, bytes: 0 }
}

/// The small process: runs a program, and prints what it has used.
pub fn run(command: &[String]) {
    let start = Instant::now();
    let mut running = Command::new(&command[0]);
    running.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = running.status().unwrap_or_else(|error| {
        eprintln!("cannot start: {error}");
        exit(1);
    });
    let time = start.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the system counts");
    let seconds = |value: nix::sys::time::TimeVal| value.tv_sec() as f64 + value.tv_usec() as f64 / 1e6;
    let processor = seconds(usage.user_time()) + seconds(usage.system_time());
    println!("{time} {processor} {} {}", usage.max_rss() * 1024, status.code().unwrap_or(-1));
}

/// The number of files below a directory, and their total size in bytes.
pub fn saved(directory: &Path) -> (usize, u64) {
    let (mut files, mut bytes) = (0, 0);
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("it can be listed").flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => directories.push(entry.path()),
                _ => {
                    files += 1;
                    bytes += entry.metadata().map_or(0, |metadata| metadata.len());
                }
            }
        }
    }
    (files, bytes)
}
