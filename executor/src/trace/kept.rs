//! Keeps the events that have left the recording but describe what still exists. Used by `recorder.rs`.
//!
//! An old event may be the only one about a task that still exists. So the events of the creation of tasks, sources and
//! timers, and of the last poll of each task, are kept as long as these exist, and placed at the beginning of the
//! recording. A recording therefore never refers to something that it does not describe.

use super::{Event, Record};
use std::collections::BTreeMap;

/// The kept events, each with its number. The key of a task is its run and number, that of a source or timer is its
/// runtime and number.
#[derive(Default)]
pub(super) struct Kept {
    /// The beginning of each runtime's current run.
    runs: BTreeMap<u32, (u64, Record)>,
    tasks: BTreeMap<(u32, u64), KeptTask>,
    sources: BTreeMap<(u32, u64), KeptSource>,
    timers: BTreeMap<(u32, u64), (u64, Record)>,
}

struct KeptTask {
    spawned: (u64, Record),
    /// Its events from its last poll on.
    polled: Vec<(u64, Record)>,
}

/// The maximum number of events in `KeptTask::polled`. A scheduler that reports no polls would add to them without
/// limit.
const POLLED: usize = 64;

struct KeptSource {
    added: (u64, Record),
    /// The last events by which a task waited to read, and to write.
    waits: [Option<(u64, Record)>; 2],
}

impl Kept {
    /// Adds the event of this number, which was dropped from the recording, or forgets what it ends.
    pub(super) fn add(&mut self, number: u64, record: Record) {
        let (run, runtime) = (record.run, record.runtime);
        match record.event {
            Event::RunBegins => {
                // Limits what is kept for a scheduler that never reports the end of a task.
                self.tasks.retain(|(of, _), task| task.spawned.1.runtime != runtime || *of == run);
                self.runs.insert(runtime, (number, record));
            }
            Event::RunEnds => drop(self.runs.remove(&runtime)),
            Event::Spawned { task, .. } => {
                self.tasks.insert((run, task), KeptTask { spawned: (number, record), polled: Vec::new() });
            }
            Event::Finished { task, .. } => drop(self.tasks.remove(&(run, task))),
            Event::TimerSet { timer, .. } => drop(self.timers.insert((runtime, timer), (number, record))),
            Event::TimerFired { timer } | Event::TimerCancelled { timer } => {
                drop(self.timers.remove(&(runtime, timer)));
            }
            _ if record.event.task().is_some() => self.add_to_task(number, record),
            _ => self.add_to_source(number, record),
        }
    }

    fn add_to_task(&mut self, number: u64, record: Record) {
        let Some(task) = record.event.task().and_then(|task| self.tasks.get_mut(&(record.run, task))) else { return };
        if let Event::PollBegins { .. } = record.event {
            task.polled.clear();
        }
        if task.polled.len() < POLLED {
            task.polled.push((number, record));
        }
    }

    fn add_to_source(&mut self, number: u64, record: Record) {
        let runtime = record.runtime;
        match record.event {
            Event::SourceAdded { source, .. } => {
                self.sources.insert((runtime, source), KeptSource { added: (number, record), waits: [None, None] });
            }
            Event::SourceRemoved { source } => drop(self.sources.remove(&(runtime, source))),
            Event::SourceWaits { source, direction, .. } => {
                let source = self.sources.get_mut(&(runtime, source));
                source.into_iter().for_each(|source| source.waits[direction as usize] = Some((number, record.clone())));
            }
            Event::SourceLeft { source, direction } => {
                let source = self.sources.get_mut(&(runtime, source));
                source.into_iter().for_each(|source| source.waits[direction as usize] = None);
            }
            _ => {}
        }
    }

    /// Returns the kept events in the order in which they happened.
    pub(super) fn records(&self) -> Vec<Record> {
        let tasks = self.tasks.values().flat_map(|task| [&task.spawned].into_iter().chain(&task.polled));
        let sources = self.sources.values();
        let sources = sources.flat_map(|source| [&source.added].into_iter().chain(source.waits.iter().flatten()));
        let runs = self.runs.values();
        let mut all: Vec<_> = runs.chain(tasks).chain(sources).chain(self.timers.values()).collect();
        all.sort_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, record)| record.clone()).collect()
    }
}
