//! An observer that writes a line for each event.

use executor::TaskId;
use executor::observer::{PollEnd, WokenBy};
use executor::task::{Finish, TaskRef};
use executor::time::{Duration, Instant, now};
use reactor::backend::Readiness;
use reactor::observer::{Direction, SourceId, TimerId};
use std::fmt::Write as _;
use std::panic::Location;
use std::sync::Mutex;

/// Writes a line for each event.
#[derive(Default)]
pub(crate) struct Lines {
    start: Mutex<Option<Instant>>,
    text: Mutex<String>,
}

impl Lines {
    /// All lines.
    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    fn line(&self, line: std::fmt::Arguments<'_>) {
        let now = now();
        let start = *self.start.lock().unwrap().get_or_insert(now);
        writeln!(self.text.lock().unwrap(), "{:>6?} {line}", now - start).unwrap();
    }
}

/// The file's name and the line: the path differs between machines.
fn at(place: &Location<'_>) -> String {
    let file = place.file().rsplit(['/', '\\']).next().unwrap_or_default();
    format!("{file}:{}", place.line())
}

impl reactor::Observer for Lines {
    fn source_added(&self, source: SourceId, fd: i32) {
        self.line(format_args!("{source:?} added, descriptor {fd}"));
    }
    fn source_removed(&self, source: SourceId) {
        self.line(format_args!("{source:?} removed"));
    }
    fn source_waits(&self, source: SourceId, direction: Direction) {
        self.line(format_args!("{source:?} waits to {direction:?}"));
    }
    fn source_ready(&self, source: SourceId, readiness: Readiness, woken: usize) {
        self.line(format_args!("{source:?} ready for {readiness:?}, {woken} woken"));
    }
    fn timer_set(&self, timer: TimerId, deadline: Instant, place: &'static Location<'static>) {
        self.line(format_args!("{timer:?} set for {:?} from now at {}", deadline - now(), at(place)));
    }
    fn timer_cancelled(&self, timer: TimerId) {
        self.line(format_args!("{timer:?} cancelled"));
    }
    fn timer_fired(&self, timer: TimerId) {
        self.line(format_args!("{timer:?} fired"));
    }
    fn wait_begins(&self, timeout: Option<Duration>) {
        self.line(format_args!("wait begins, timeout {timeout:?}"));
    }
    fn wait_ends(&self, sources: usize, timers: usize) {
        self.line(format_args!("wait ends, {sources} sources and {timers} timers"));
    }
}

impl executor::Observer for Lines {
    fn task_spawned(&self, task: TaskRef<'_>, by: Option<TaskId>) {
        let (id, name, place) = (task.id(), task.name().unwrap_or("-"), at(task.spawned_at()));
        self.line(format_args!("{id:?} spawned by {by:?}, name {name}, at {place}"));
    }
    fn task_woken(&self, task: TaskRef<'_>, by: WokenBy) {
        self.line(format_args!("{:?} woken by {by:?}", task.id()));
    }
    fn task_cancelled(&self, task: TaskRef<'_>, by: WokenBy) {
        self.line(format_args!("{:?} cancelled by {by:?}", task.id()));
    }
    fn poll_begins(&self, task: TaskRef<'_>) {
        self.line(format_args!("{:?} poll begins", task.id()));
    }
    fn poll_ends(&self, task: TaskId, end: PollEnd) {
        self.line(format_args!("{task:?} poll ends: {end:?}"));
    }
    fn task_finished(&self, task: TaskRef<'_>, how: Finish) {
        self.line(format_args!("{:?} finished: {how:?}", task.id()));
    }
}
