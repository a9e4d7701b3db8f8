//! Wakers that are missing while a task is suspended, and wakers that are never dropped.
//!
//! A task that is suspended without a waker is reported at the end of the run, because it may be polled again for
//! another reason. A task that never left a waker and is cancelled by its program is no mistake:
//! `std::future::pending()` does that. A dropped last waker counts as lost even if the task makes progress later, as it
//! may when it is polled for its await chain. Progress in such a poll proves a lost wake, whether or not a waker still
//! exists.

use super::collect::{Findings, View, line_of};
use super::finding::{Kind, Lines};
use crate::step::model::title;
use crate::step::words;
use executor::trace::{By, Event, Frame};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Wakers {
    /// Suspended tasks without a waker: the event since which, and whether there was a waker before.
    stranded: BTreeMap<u64, (usize, bool)>,
    /// Tasks whose last waker was dropped without a wake, with that event. A poll after a wake removes the task.
    dropped: BTreeMap<u64, usize>,
    /// Tasks that are about to be polled without a wake.
    asked: BTreeSet<u64>,
    /// Tasks with wakers that outlive them: the event since which, and the number of wakers.
    outlived: BTreeMap<u64, (usize, u64)>,
    /// Tasks that have completed and are not freed.
    completed: BTreeSet<u64>,
    /// For each completed task, the task that joins it: the joiner's waker stays in the completed task's cell. The cell
    /// of a blocking call may be freed a moment after the run, by its thread.
    joined: BTreeMap<u64, u64>,
    has_ended: bool,
}

impl Wakers {
    pub(super) fn see(&mut self, view: &View<'_>, findings: &mut Findings) {
        match view.event() {
            Event::Asked { task } => drop(self.asked.insert(*task)),
            Event::PollBegins { task } if self.asked.remove(task) => {}
            Event::WakerDropped { task, .. } => drop(self.dropped.insert(*task, view.number)),
            Event::LostWake { task } => {
                let at = self.dropped.get(task).copied();
                findings.add(view, at.unwrap_or(view.number), Kind::LostWake, *task, || made_progress(view, *task, at));
            }
            Event::Stranded { task, lost } => drop(self.stranded.insert(*task, (view.number, *lost))),
            Event::PollBegins { task } if !view.state.tasks.get(task).is_some_and(|task| task.is_cancelled) => {
                self.dropped.remove(task);
                self.is_excused(*task);
            }
            Event::Cancelled { task, place: Some(_), .. } => self.is_excused(*task),
            Event::Finished { task, wakers, .. } => {
                self.completed.insert(*task);
                self.outlived.extend((*wakers > 0).then_some((*task, (view.number, *wakers))));
            }
            Event::Woken { task, by: By::Task(by), .. } if self.completed.contains(by) => {
                self.joined.insert(*by, *task);
            }
            Event::Freed { task } => {
                self.completed.remove(task);
                self.outlived.remove(task);
                self.joined.remove(task);
            }
            Event::RunEnds => self.has_ended = true,
            _ => {}
        }
    }

    /// A task that never left a waker and is polled or cancelled was suspended on purpose.
    fn is_excused(&mut self, task: u64) {
        if self.stranded.get(&task).is_some_and(|(_, lost)| !lost) {
            self.stranded.remove(&task);
        }
    }

    pub(super) fn end(&mut self, view: &View<'_>, findings: &mut Findings) {
        for (task, (number, lost)) in std::mem::take(&mut self.stranded) {
            match lost {
                true => {
                    let at = self.dropped.get(&task).copied();
                    findings.add(view, at.unwrap_or(number), Kind::LostWake, task, || lost_wake(view, task, at));
                }
                false => findings.add(view, number, Kind::NeverWoken, task, || never_woken(view, task)),
            }
        }
        // Until the run ends, its wakers may still be dropped.
        if !self.has_ended {
            return;
        }
        for joiner in self.joined.values() {
            self.outlived.entry(*joiner).and_modify(|(_, wakers)| *wakers = wakers.saturating_sub(1));
        }
        let outlived = std::mem::take(&mut self.outlived).into_iter().filter(|(_, (_, wakers))| *wakers > 0);
        for (task, (number, wakers)) in outlived {
            findings.add(view, number, Kind::LeakedWaker, task, || leaked_waker(view, task, wakers));
        }
    }
}

fn lost_wake(view: &View<'_>, task: u64, at: Option<usize>) -> (Option<Lines>, String) {
    let text = format!(
        "is suspended, and its last waker was dropped{}: nothing can wake it any more.{} Store the waker where the code \
         that makes the future ready finds it, and call wake() there; a structure that is dropped must wake its waiters.",
        dropped_by(view, at),
        view.suspended_in(task)
    );
    (dropped_in(view, at).and_then(line_of), text)
}

fn made_progress(view: &View<'_>, task: u64, at: Option<usize>) -> (Option<Lines>, String) {
    let waker = match at {
        Some(at) => format!(" Its last waker was dropped{}.", dropped_by(view, Some(at))),
        None => " Its waker still exists.".into(),
    };
    let text = format!(
        "made progress in a poll without a wake: the condition that it waited for held, and its waker was not called.\
         {}{waker} The code that makes a future ready must call wake() on the waker that its last poll registered.",
        view.suspended_in(task)
    );
    (dropped_in(view, at).and_then(line_of).or_else(|| view.line(task)), text)
}

/// What dropped the waker, and in which line, as far as that was recorded.
fn dropped_by(view: &View<'_>, at: Option<usize>) -> String {
    let Some(Event::WakerDropped { by, .. }) = at.map(|at| &view.trace.records[at].event) else {
        return String::new();
    };
    let by = match by {
        By::Task(id) => title(*id, view.state.tasks.get(id).and_then(|task| task.name.as_deref())),
        other => other.to_string(),
    };
    let place = dropped_in(view, at).map(|frame| format!(", in {}", words::frame(frame)));
    format!(" by {by}{}", place.unwrap_or_default())
}

/// The frame that dropped the waker.
fn dropped_in<'a>(view: &View<'a>, at: Option<usize>) -> Option<&'a Frame> {
    match &view.trace.records[at?].event {
        Event::WakerDropped { chain, .. } => view.trace.chains.get((*chain)? as usize)?.last(),
        _ => None,
    }
}

fn never_woken(view: &View<'_>, task: u64) -> (Option<Lines>, String) {
    let text = format!(
        "is suspended, and left no waker: nothing can ever wake it.{} Before a future returns Pending it must store \
         cx.waker().clone() where the code that makes it ready finds it, or poll a future that does.",
        view.suspended_in(task)
    );
    (view.line(task), text)
}

fn leaked_waker(view: &View<'_>, task: u64, wakers: u64) -> (Option<Lines>, String) {
    let place = view.innermost(task).map(|at| format!(" It was suspended in {}.", words::frame(at)));
    let (wakers, exist) =
        if wakers == 1 { ("a waker".to_owned(), "exists") } else { (format!("{wakers} wakers"), "exist") };
    let text = format!(
        "has completed, but {wakers} of it still {exist} at the end of the run, so its memory can't be freed.{} A future \
         that stores its waker must remove it in its Drop.",
        place.unwrap_or_default()
    );
    (view.line(task), text)
}
