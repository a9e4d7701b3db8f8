//! The run in the format of Chrome's traces, which ui.perfetto.dev opens.
//!
//! Each run is a process and each task a thread of it. On a task's thread, slices (`X`) follow each other: suspended,
//! queued, a poll. A wake is a flow (`s`, `f`) from the slice that it comes from to the poll that it leads to. Times
//! are in microseconds. Each event is at least a nanosecond after the previous one, so even on a simulated clock every
//! slice has a width and events keep their order.

use super::model::{ROOT, is_root, title};
use executor::trace::{By, End, Event, How, Record, Trace, Waiting};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufWriter, Write};

/// Writes the file.
///
/// # Errors
/// Fails if the writer does.
pub fn write(trace: &Trace, to: impl Write) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    let file = json!({ "displayTimeUnit": "ns", "traceEvents": events(trace) });
    serde_json::to_writer(&mut to, &file)?;
    to.flush()
}

/// An event of the format. Fields without a value are left out.
#[derive(Debug, Default, Serialize)]
struct Chrome {
    ph: &'static str,
    name: String,
    cat: &'static str,
    /// In microseconds.
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    pid: u64,
    tid: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// For the end of a flow: it leads to the slice around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    /// For an instant: it belongs to its thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    args: Value,
}

fn events(trace: &Trace) -> Vec<Chrome> {
    let (out, others, lanes) = Default::default();
    let mut writer = Writer { trace, out, run: None, tids: 0, flows: 0, lanes, others };
    for record in &trace.records {
        writer.record(record);
    }
    writer.end();
    // The end of a flow must follow the slice that it leads to.
    let rank = |ph| ["M", "X"].iter().position(|first| *first == ph).unwrap_or(2);
    writer.out.sort_by(|a, b| a.ts.total_cmp(&b.ts).then(rank(a.ph).cmp(&rank(b.ph))));
    writer.out
}

/// A slice that has not ended.
struct Open {
    from: u64,
    name: String,
    args: Value,
}

#[derive(Default)]
struct Task {
    tid: u64,
    polls: u64,
    poll: Option<Open>,
    /// The time suspended or queued.
    between: Option<Open>,
    waits: Vec<String>,
    /// The thread and the time of the wake that leads to the next poll.
    woken_from: Option<(u64, u64)>,
    /// The thread and the time at which its blocking call returned.
    returned: Option<(u64, u64)>,
}

/// The open slices of a run.
#[derive(Default)]
struct Lanes {
    /// In nanoseconds.
    now: u64,
    tasks: HashMap<u64, Task>,
    reactor: u64,
    /// The slice of the reactor: parked, or reporting a source or a timer.
    turn: Option<Open>,
    is_waiting: bool,
    /// Blocking calls, each in the first free row.
    pool: Vec<(u64, Option<(u64, Open)>)>,
}

struct Writer<'a> {
    trace: &'a Trace,
    out: Vec<Chrome>,
    /// The run of the current event, its lanes, and the lanes of the other runs.
    run: Option<u32>,
    lanes: Lanes,
    others: BTreeMap<u32, Lanes>,
    /// The number of the last thread. Numbers are unique over all runs, because Perfetto names threads by them.
    tids: u64,
    flows: u64,
}

fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

impl Writer<'_> {
    fn record(&mut self, record: &Record) {
        self.enter(record.run);
        self.lanes.now = record.at.max(self.lanes.now.saturating_add(1));
        // A report of the reactor ends after the wakes that it causes.
        if !self.lanes.is_waiting && !matches!(record.event, Event::Woken { .. } | Event::HandedOver { .. }) {
            self.end_turn(json!({}));
        }
        self.event(&record.event);
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Spawned { task, by, name, place, size } => {
                let place = self.trace.places[*place as usize].to_string();
                self.spawned(*task, *by, name.as_deref(), json!({ "place": place, "size": size }));
            }
            Event::Woken { task, by, .. } => self.woken(*task, by),
            Event::Cancelled { task, by, reason, .. } => {
                self.instant(*task, "cancelled", json!({ "by": by.to_string(), "reason": reason }));
                self.woken(*task, by);
            }
            Event::PollBegins { task } => self.poll_begins(*task),
            Event::Waits { task, waits } => self.task(*task).waits = waits.iter().map(leaf).collect(),
            Event::PollEnds { task, end } => self.poll_ends(*task, *end),
            Event::LostWake { task } => self.instant(*task, "lost wake", Value::Null),
            Event::WakerDropped { task, by, .. } => {
                self.instant(*task, "last waker dropped", json!({ "by": by.to_string() }))
            }
            Event::Stranded { task, lost } => self.instant(*task, "no waker is left", json!({ "lost": lost })),
            Event::Panicked { task, message } => self.instant(*task, "panicked", json!({ "message": message })),
            Event::SlowPoll { task, took } => {
                self.instant(*task, "slow poll", json!({ "microseconds": microseconds(*took) }))
            }
            Event::Finished { task, how, .. } => self.finished(*task, *how),
            // There is no slice for the time in which it is queued for a thread.
            Event::BlockingQueued { .. } => {}
            Event::BlockingBegins { task } => self.blocking_begins(*task),
            Event::BlockingEnds { task } => self.blocking_ends(*task),
            Event::SourceReady { source, woken, .. } => {
                self.begin_turn(format!("source {source}"), json!({ "woken": woken }))
            }
            Event::TimerFired { timer } => self.begin_turn(format!("timer {timer}"), Value::Null),
            Event::WaitBegins { timeout } => {
                let timeout = timeout.map(microseconds);
                self.begin_turn("parked".into(), json!({ "timeout_microseconds": timeout }));
                self.lanes.is_waiting = true;
            }
            Event::WaitEnds { sources, timers } => self.end_turn(json!({ "sources": sources, "timers": timers })),
            Event::Asked { .. } => {}
            Event::RunBegins
            | Event::RunEnds
            | Event::HandedOver { .. }
            | Event::OutputDropped { .. }
            | Event::Freed { .. } => {}
            Event::SourceAdded { .. } | Event::SourceRemoved { .. } | Event::SourceWaits { .. } => {}
            Event::SourceLeft { .. } => {}
            Event::TimerSet { .. } | Event::TimerCancelled { .. } | Event::Notified => {}
        }
    }

    // Threads.

    /// Switches to the lanes of a run.
    fn enter(&mut self, run: u32) {
        if self.run == Some(run) {
            return;
        }
        let lanes = self.others.remove(&run);
        let is_new = lanes.is_none();
        let left = std::mem::replace(&mut self.lanes, lanes.unwrap_or_default());
        if let Some(before) = self.run.replace(run) {
            self.others.insert(before, left);
        }
        if is_new {
            let name = format!("\"{}\", run {run}", self.trace.head.program);
            self.metadata("process_name", 0, json!({ "name": name }));
            self.lanes.reactor = self.thread("the reactor".into());
        }
    }

    /// Ends all open slices at the end of the recording.
    fn end(&mut self) {
        let runs: Vec<u32> = self.others.keys().copied().chain(self.run).collect();
        for run in runs {
            self.enter(run);
            self.end_run();
        }
    }

    fn end_run(&mut self) {
        // A slice that began with the last event has a width, too.
        self.lanes.now = self.lanes.now.saturating_add(1);
        let mut tasks: Vec<u64> = self.lanes.tasks.keys().copied().collect();
        tasks.sort_unstable();
        for task in tasks {
            self.end_poll(task, "in progress");
            self.end_between(task);
        }
        let calls: Vec<u64> = self.lanes.pool.iter().flat_map(|(_, call)| call.as_ref().map(|call| call.0)).collect();
        calls.into_iter().for_each(|task| self.free_thread(task));
        self.end_turn(json!({}));
    }

    fn thread(&mut self, name: String) -> u64 {
        self.tids += 1;
        self.metadata("thread_name", self.tids, json!({ "name": name }));
        self.metadata("thread_sort_index", self.tids, json!({ "sort_index": self.tids }));
        self.tids
    }

    /// The process that a run is in Perfetto.
    fn pid(&self) -> u64 {
        self.run.unwrap_or_default().into()
    }

    fn metadata(&mut self, name: &str, tid: u64, args: Value) {
        self.out.push(Chrome { ph: "M", name: name.into(), pid: self.pid(), tid, args, ..Chrome::default() });
    }

    /// A task that was spawned before the recording is added here.
    fn task(&mut self, task: u64) -> &mut Task {
        if !self.lanes.tasks.contains_key(&task) {
            let tid = self.thread(title(task, None));
            self.lanes.tasks.insert(task, Task { tid, ..Task::default() });
        }
        self.lanes.tasks.get_mut(&task).expect("just inserted")
    }

    // Slices.

    fn slice(&mut self, tid: u64, open: Open) {
        let Open { from, name, args } = open;
        let (ts, dur) = (microseconds(from), Some(microseconds(self.lanes.now.saturating_sub(from))));
        self.out.push(Chrome { ph: "X", name, cat: "slice", ts, dur, pid: self.pid(), tid, args, ..Chrome::default() });
    }

    fn instant(&mut self, task: u64, name: &str, args: Value) {
        let (ts, tid) = (microseconds(self.lanes.now), self.task(task).tid);
        let (name, s) = (name.to_owned(), Some("t"));
        self.out.push(Chrome { ph: "i", name, cat: "task", ts, s, pid: self.pid(), tid, args, ..Chrome::default() });
    }

    fn poll_begins(&mut self, task: u64) {
        self.end_between(task);
        let now = self.lanes.now;
        let known = self.task(task);
        known.polls += 1;
        known.waits.clear();
        let (name, args) = ("poll".to_owned(), json!({ "number": known.polls }));
        known.poll = Some(Open { from: now, name, args });
        if let Some(from) = known.woken_from.take() {
            let to = (known.tid, now);
            self.flow(from, to);
        }
    }

    fn poll_ends(&mut self, task: u64, end: End) {
        self.end_poll(
            task,
            match end {
                End::Pending => "pending",
                End::PendingWoken => "pending, woken during the poll",
                End::Finished => "completed",
            },
        );
        let waits = &self.task(task).waits;
        let words = if waits.is_empty() { "suspended".into() } else { waits.join(", or ") };
        match end {
            End::Pending => self.begin_between(task, words),
            End::PendingWoken => self.begin_between(task, QUEUED.into()),
            End::Finished => {}
        }
    }

    fn end_poll(&mut self, task: u64, end: &str) {
        let known = self.task(task);
        let tid = known.tid;
        if let Some(mut poll) = known.poll.take() {
            poll.args["end"] = end.into();
            poll.args["waits_for"] = known.waits.clone().into();
            self.slice(tid, poll);
        }
    }

    fn begin_between(&mut self, task: u64, name: String) {
        self.end_between(task);
        self.task(task).between = Some(Open { from: self.lanes.now, name, args: Value::Null });
    }

    fn end_between(&mut self, task: u64) {
        let known = self.task(task);
        let tid = known.tid;
        if let Some(between) = known.between.take() {
            self.slice(tid, between);
        }
    }

    // Wakes.

    fn spawned(&mut self, task: u64, by: Option<u64>, name: Option<&str>, args: Value) {
        let tid = self.thread(title(task, name.or(is_root(task, by).then_some(ROOT))));
        let woken_from = by.and_then(|by| self.place_in_poll(by));
        self.lanes.tasks.insert(task, Task { tid, woken_from, ..Task::default() });
        self.instant(task, "spawned", args);
        self.begin_between(task, QUEUED.into());
    }

    fn woken(&mut self, task: u64, by: &By) {
        let from = match by {
            By::Task(by) => self.place_in_poll(*by),
            By::Source(_) | By::Timer(_) => self.lanes.turn.as_ref().map(|_| (self.lanes.reactor, self.lanes.now)),
            By::Thread(_) => self.return_awaited_by(task),
        };
        if from.is_none() {
            self.instant(task, "woken", json!({ "by": by.to_string() }));
        }
        let known = self.task(task);
        known.woken_from = known.woken_from.or(from);
        if known.poll.is_none() {
            self.begin_between(task, QUEUED.into());
        }
    }

    /// The start of a flow that a task's current poll causes.
    fn place_in_poll(&mut self, task: u64) -> Option<(u64, u64)> {
        let now = self.lanes.now;
        let known = self.task(task);
        known.poll.as_ref().map(|_| (known.tid, now))
    }

    /// The return of the blocking call that a task joins.
    fn return_awaited_by(&mut self, task: u64) -> Option<(u64, u64)> {
        let awaited = |leaf: &String| leaf.strip_prefix("the end of task ")?.split(' ').next()?.parse::<u64>().ok();
        let calls: Vec<u64> = self.task(task).waits.iter().filter_map(awaited).collect();
        calls.iter().find_map(|call| self.lanes.tasks.get(call)?.returned)
    }

    fn flow(&mut self, from: (u64, u64), to: (u64, u64)) {
        self.flows += 1;
        let id = Some(self.flows.to_string());
        let end = |ph, (tid, at), bp| Chrome {
            ph,
            name: "wake".into(),
            cat: "wake",
            ts: microseconds(at),
            pid: self.pid(),
            tid,
            id: id.clone(),
            bp,
            ..Chrome::default()
        };
        self.out.extend([end("s", from, None), end("f", to, Some("e"))]);
    }

    // Everything but polls.

    fn finished(&mut self, task: u64, how: How) {
        self.free_thread(task);
        self.end_between(task);
        let words = match how {
            How::Ready => "completed: returned",
            How::Cancelled => "completed: cancelled",
            How::Panicked => "completed: panicked",
        };
        self.instant(task, words, Value::Null);
    }

    fn blocking_begins(&mut self, task: u64) {
        self.end_between(task);
        let free = self.lanes.pool.iter().position(|(_, call)| call.is_none()).unwrap_or_else(|| {
            let tid = self.thread(format!("blocking calls {}", self.lanes.pool.len() + 1));
            self.lanes.pool.push((tid, None));
            self.lanes.pool.len() - 1
        });
        let call = Open { from: self.lanes.now, name: format!("blocking call, task {task}"), args: Value::Null };
        self.lanes.pool[free].1 = Some((task, call));
    }

    /// The slice lasts until the task has completed, so the flow that begins here begins inside it.
    fn blocking_ends(&mut self, task: u64) {
        let tid = self.thread_of(task).map(|thread| self.lanes.pool[thread].0);
        self.task(task).returned = tid.map(|tid| (tid, self.lanes.now));
    }

    fn thread_of(&self, task: u64) -> Option<usize> {
        self.lanes.pool.iter().position(|(_, call)| call.as_ref().is_some_and(|(of, _)| *of == task))
    }

    fn free_thread(&mut self, task: u64) {
        let Some(thread) = self.thread_of(task) else { return };
        let (tid, call) = &mut self.lanes.pool[thread];
        let (tid, call) = (*tid, call.take());
        if let Some((_, call)) = call {
            self.slice(tid, call);
        }
    }

    fn begin_turn(&mut self, name: String, args: Value) {
        self.end_turn(json!({}));
        self.lanes.turn = Some(Open { from: self.lanes.now, name, args });
    }

    fn end_turn(&mut self, results: Value) {
        self.lanes.is_waiting = false;
        let Some(mut turn) = self.lanes.turn.take() else { return };
        for (name, result) in results.as_object().into_iter().flatten() {
            turn.args[name] = result.clone();
        }
        let reactor = self.lanes.reactor;
        self.slice(reactor, turn);
    }
}

const QUEUED: &str = "queued";

fn leaf(waiting: &Waiting) -> String {
    match waiting.times {
        1 => waiting.leaf.to_string(),
        times => format!("{times} × {}", waiting.leaf),
    }
}
