//! Task dumps, slow polls and deadlocks: what a runtime reports on request, and what it reports by itself.
//!
//! What is checked: a task dump has every task, with its await chains down to the line; it changes nothing in the run,
//! and above all loses no wake; slow polls and deadlocks are reported if there are any, and only then.

mod asking;
mod chains;
mod deadlocks;
mod list;
mod slow;

use executor::dump::TaskDump;
use executor::observer::PollEnd;
use executor::task::TaskRef;
use executor::time::Duration;
use executor::{Observer, Runtime, TaskId, tasks};
use futures_lite::future::poll_fn;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use tests::Log;

/// Runs a future on a virtual clock. A lost wake is a panic with a task dump.
fn virtually<T>(future: impl Future<Output = T>) -> T {
    let runtime = Runtime::builder().virtual_clock().detect_deadlock(true).build().unwrap();
    runtime.block_on(future)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The task with that name.
fn dump_of(name: &str) -> TaskDump {
    let all = tasks();
    let found = all.iter().find(|task| task.task.name.as_deref() == Some(name)).cloned();
    found.unwrap_or_else(|| panic!("no `{name}` in: {all}"))
}

/// The function and line of each frame of a wait. Checks that all frames are in this folder.
fn chain(dump: &TaskDump, wait: usize) -> Vec<(String, u32)> {
    let place = |place: &executor::dump::SourceLine| {
        assert!(place.file.parent().is_some_and(|folder| folder.ends_with("tests/observe/dump")), "{place}");
        (place.function.rsplit("::").next().unwrap().to_owned(), place.line)
    };
    dump.waits[wait].chain.iter().map(place).collect()
}

fn leaf(dump: &TaskDump) -> &str {
    assert_eq!(dump.waits.len(), 1, "{dump}");
    &dump.waits[0].leaf
}

/// Runs a test of a module in a process of its own. Returns what it printed to standard error.
fn child(module: &str, name: &str) -> String {
    let output = tests::alone::test(module, name).env("RUST_BACKTRACE", "0").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}{text}", String::from_utf8_lossy(&output.stdout));
    text
}

/// A leaf future that is not the runtime's.
async fn pending_announced() {
    poll_fn(|_| {
        reactor::leaf::pending(|| "something of its own".into());
        Poll::Pending
    })
    .await
}

/// Above this limit a poll is slow, in milliseconds. Holding the thread for [`LONG`] is slow even when the kernel's coarse
/// clock shows it some milliseconds shorter. A quick poll stays below the limit even when a busy machine preempts it.
const LIMIT: u64 = 120;
const LONG: u64 = 200;
/// The least that the coarse clock shows for [`LONG`]: its ticks take up to 10 ms.
const SHOWN: u64 = LONG - 10;

fn hold_the_thread(milliseconds: u64) {
    thread::sleep(ms(milliseconds));
}

/// The duration that the line of a report gives, in milliseconds.
fn reported(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(" held the thread for ")?;
    rest.split_once(" ms in one poll, and nothing else could run")?.0.parse().ok()
}

/// Notes slow polls and counts polls.
#[derive(Default)]
struct Watches {
    slow: Log<(TaskId, Duration)>,
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl reactor::Observer for Watches {}
impl Observer for Watches {
    fn poll_begins(&self, _: TaskRef<'_>) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn poll_ends(&self, _: TaskId, _: PollEnd) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn slow_poll(&self, task: TaskId, took: Duration) {
        self.slow.push((task, took));
    }
}
