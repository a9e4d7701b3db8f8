//! Two lints: functions that find a mistake in a recording. The whole file is yours: add what you need.

use executor::trace::{End, Event, Trace};
use std::collections::{HashMap, HashSet};

/// A mistake in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The runtime of the task, from 1.
    pub runtime: u32,
    /// The run of the task, from 1.
    pub run: u32,
    /// The task.
    pub task: u64,
    /// The event at which the mistake shows: its index in [`Trace::records`].
    pub event: usize,
}

/// Finds tasks that do not wait: those that were woken during `polls` polls in a row. Each task is reported once, at the
/// end of the last of these polls.
///
/// Such a task is queued again at the end of each poll. It keeps the processor busy, and its thread never parks.
pub fn never_waits(trace: &Trace, polls: usize) -> Vec<Finding> {
    let mut in_a_row = HashMap::new();
    let mut findings = Vec::new();
    for (event, record) in trace.records.iter().enumerate() {
        let Event::PollEnds { task, end } = record.event else { continue };
        let count = in_a_row.entry((record.runtime, record.run, task)).or_insert(0);
        match end {
            // A task that was reported is not reported again, so it keeps its count.
            End::Pending if *count < polls => *count = 0,
            End::PendingWoken => {
                *count += 1;
                if *count == polls {
                    findings.push(Finding { runtime: record.runtime, run: record.run, task, event });
                }
            }
            _ => {}
        }
    }
    findings
}

/// Finds tasks that were woken after they had completed. Each is reported once, at the first such wake.
///
/// A waker of a completed task may be called, and does nothing then. An executor that reports such a call as a wake may
/// have queued the task once more.
pub fn woken_after_the_end(trace: &Trace) -> Vec<Finding> {
    let (mut completed, mut reported, mut findings) = (HashSet::new(), HashSet::new(), Vec::new());
    for (event, record) in trace.records.iter().enumerate() {
        match record.event {
            Event::Finished { task, .. } => _ = completed.insert((record.runtime, record.run, task)),
            Event::Woken { task, .. } => {
                let key = (record.runtime, record.run, task);
                if completed.contains(&key) && reported.insert(key) {
                    findings.push(Finding { runtime: record.runtime, run: record.run, task, event });
                }
            }
            _ => {}
        }
    }
    findings
}
