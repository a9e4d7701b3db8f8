//! Where tasks stand, what held the thread, and that nothing can go on any more: what a runtime tells when asked,
//! and what it tells by itself.
//!
//! What is checked: the list has every task, with the chain of its futures down to the line; asking changes nothing,
//! above all no wake is lost by it; slow polls and deadlocks are told when there are some, and only then.

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

/// Runs a future on a virtual clock; a wake that is lost is a panic with the list of all tasks.
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

/// Function and line of each frame of a wait, all of which are in this folder.
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

/// Runs one of a module's children in a process of its own. Gives what it printed to standard error.
fn child(module: &str, name: &str) -> String {
    let output = tests::alone::test(module, name).env("RUST_BACKTRACE", "0").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}{text}", String::from_utf8_lossy(&output.stdout));
    text
}

/// A leaf that is not the runtime's.
async fn pending_announced() {
    poll_fn(|_| {
        reactor::leaf::pending(|| "something of its own".into());
        Poll::Pending
    })
    .await
}

fn hold_the_thread(time: Duration) {
    thread::sleep(time);
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
