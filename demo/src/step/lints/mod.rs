//! What is wrong with a run, as far as its events show: the line, the reason, and what to write instead.
//!
//! | file | what it looks at |
//! |---|---|
//! | `finding.rs` | what a lint finds |
//! | `collect.rs` | what the lints are shown; the findings so far |
//! | `polls.rs` | a poll: one that blocks the thread, one that never yields, tasks that wake themselves |
//! | `wakers.rs` | wakers: one that was never left, one that was lost, one that leaks |
//! | `runtime.rs` | the executor and the reactor: tasks not run or run wrongly, early timers, lost permits |
//! | `tasks.rs` | a task as a whole: its size, its unobserved panic |
//!
//! All lints share one fold over the events. Used by `demo step --lint`, the stepper and the page.

mod collect;
mod finding;
mod polls;
mod runtime;
mod tasks;
mod wakers;

pub use finding::{Finding, Kind, Lines};

use super::model::{Runs, State};
use collect::{Findings, View};
use executor::trace::{Event, Trace, Waiting};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// Everything that is wrong with a run, in the order of the events. Each kind is reported once for a task, and once for
/// all tasks with the same spawn location.
///
/// ```
/// use demo::step::{Program, lints::{Kind, lint}};
///
/// let findings = lint(&Program::LostWake.record()?);
/// assert_eq!(findings[0].kind, Kind::LostWake);
/// assert!(findings[0].text.starts_with("task 2 \"waits\" (spawned at demo/src/step/programs/lost_wake.rs:13)"));
/// # std::io::Result::Ok(())
/// ```
pub fn lint(trace: &Trace) -> Vec<Finding> {
    let mut findings = Findings::default();
    let (mut states, mut runs) = (Runs::default(), BTreeMap::<u32, Run>::new());
    for (number, record) in trace.records.iter().enumerate() {
        states.apply(number, record);
        let Some(state) = states.get(record.run) else { continue };
        runs.entry(record.run).or_default().see(trace, number, state, &mut findings);
    }
    for (run, mut seen) in runs {
        states.get(run).into_iter().for_each(|state| seen.end(trace, state, &mut findings));
    }
    findings.finish(trace)
}

/// As [`lint`], for a program that stops at each event while a person steps through it. Unless its clock is simulated,
/// lints that measure time are left out: the times include the stops.
pub fn lint_live(trace: &Trace) -> Vec<Finding> {
    let is_of_time = |kind| matches!(kind, Kind::Blocked | Kind::NeverYields | Kind::ParkedBesideQueue);
    let mut findings = lint(trace);
    findings.retain(|finding| trace.head.simulated || !is_of_time(finding.kind));
    findings
}

/// The events of one `block_on`, passed to all lints.
#[derive(Default)]
struct Run {
    /// The number of its last event.
    last: usize,
    /// What each task waits for, as it reported last.
    waits: HashMap<u64, Rc<[Waiting]>>,
    polls: polls::Polls,
    wakers: wakers::Wakers,
    runtime: runtime::Runtime,
}

impl Run {
    fn see(&mut self, trace: &Trace, number: usize, state: &State, findings: &mut Findings) {
        self.last = number;
        if let Event::Waits { task, waits } = &trace.records[number].event {
            self.waits.insert(*task, waits.iter().cloned().collect());
        }
        let view = View { trace, number, state, waits: &self.waits };
        self.polls.see(&view, findings);
        self.wakers.see(&view, findings);
        self.runtime.see(&view, findings);
        tasks::see(&view, findings);
    }

    fn end(&mut self, trace: &Trace, state: &State, findings: &mut Findings) {
        let view = View { trace, number: self.last, state, waits: &self.waits };
        self.polls.end(&view, findings);
        self.wakers.end(&view, findings);
        self.runtime.end(&view, findings);
    }
}
