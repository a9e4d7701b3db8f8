//! What the lints are shown, and where they put what they find.

use super::finding::{Finding, Kind, Lines};
use crate::step::model::{State, title};
use crate::step::words;
use executor::trace::{Event, Frame, Trace, Waiting};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// What a lint is shown: an event, and the state of its run after it.
pub(super) struct View<'a> {
    pub(super) trace: &'a Trace,
    pub(super) number: usize,
    pub(super) state: &'a State,
    /// What each task waits for, as it reported last.
    pub(super) waits: &'a HashMap<u64, Rc<[Waiting]>>,
}

impl View<'_> {
    pub(super) fn at(&self) -> u64 {
        self.trace.records[self.number].at
    }

    pub(super) fn event(&self) -> &Event {
        &self.trace.records[self.number].event
    }

    /// The number of a task's latest await chain, down to the first leaf.
    pub(super) fn chain(&self, task: u64) -> Option<u32> {
        Some(self.waits.get(&task)?.first()?.chain)
    }

    /// The innermost frame of that chain.
    pub(super) fn innermost(&self, task: u64) -> Option<&Frame> {
        self.trace.chains.get(self.chain(task)? as usize)?.last()
    }

    /// The line of that frame.
    pub(super) fn line(&self, task: u64) -> Option<Lines> {
        self.innermost(task).and_then(line_of)
    }

    /// ` It is suspended in main::fetch at src/main.rs:7.`, if that is known.
    pub(super) fn suspended_in(&self, task: u64) -> String {
        self.innermost(task).map(|at| format!(" It is suspended in {}.", words::frame(at))).unwrap_or_default()
    }
}

/// The line of a frame, if it has one.
pub(super) fn line_of(frame: &Frame) -> Option<Lines> {
    (frame.line > 0).then(|| Lines::one(&frame.file, frame.line))
}

/// The findings so far.
#[derive(Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    /// The kinds reported for each task of each run.
    reported: HashSet<(Kind, u32, u64)>,
}

impl Findings {
    /// Adds a finding that shows at the event of this number. `what` returns the line at fault, if it is known, and the
    /// reason, which continues the sentence after the task's name and spawn location.
    pub(super) fn add(
        &mut self,
        view: &View<'_>,
        number: usize,
        kind: Kind,
        task: u64,
        what: impl FnOnce() -> (Option<Lines>, String),
    ) {
        if !self.reported.insert((kind, view.state.run, task)) {
            return;
        }
        let known = view.state.tasks.get(&task);
        let place = known.and_then(|task| task.place);
        let same = |found: &&mut Finding| found.kind == kind && place.is_some() && found.place == place;
        if let Some(same) = self.found.iter_mut().find(same) {
            same.others.push((number, task));
            return;
        }
        let title = title(task, known.and_then(|task| task.name.as_deref()));
        let spawned = place.map(|place| format!(" (spawned at {})", words::place_of(view.trace, place)));
        // `finish` appends the reason.
        let text = format!("{title}{} ", spawned.unwrap_or_default());
        let (others, run, (at, reason)) = (Vec::new(), view.state.run, what());
        self.found.push(Finding { kind, event: number, task, run, others, place, at, reason, text });
    }

    /// As [`add`](Findings::add), for a finding that is not about a task: `what` returns its whole text.
    pub(super) fn add_of_runtime(&mut self, view: &View<'_>, number: usize, kind: Kind, what: impl FnOnce() -> String) {
        let run = view.state.run;
        if self.reported.insert((kind, run, 0)) {
            let (others, text, reason) = (Vec::new(), String::new(), what());
            let (place, at) = (None, None);
            self.found.push(Finding { kind, event: number, task: 0, run, others, place, at, reason, text });
        }
    }

    /// The findings, in the order of the events.
    pub(super) fn finish(mut self, trace: &Trace) -> Vec<Finding> {
        // If the runtime failed to run a task, its lost or leaked wakers are not reported: the program is not at fault.
        let failed: HashSet<(u32, u64)> = self
            .found
            .iter()
            .filter(|found| found.kind.is_of_runtime())
            .flat_map(|found| {
                found.others.iter().map(|(_, task)| *task).chain([found.task]).map(|task| (found.run, task))
            })
            .collect();
        let blames = |kind| matches!(kind, Kind::LostWake | Kind::NeverWoken | Kind::LeakedWaker);
        self.found.retain(|found| !(blames(found.kind) && failed.contains(&(found.run, found.task))));
        let finished = |mut finding: Finding| {
            if let (Some(place), others @ 1..) = (finding.place, finding.others.len()) {
                let others = words::count(others, "other task");
                finding.reason +=
                    &format!(" The same holds for {others} spawned at {}.", words::place_of(trace, place));
            }
            finding.text += &finding.reason;
            finding
        };
        let mut findings: Vec<_> = self.found.into_iter().map(finished).collect();
        findings.sort_by_key(|finding| finding.event);
        findings
    }
}
