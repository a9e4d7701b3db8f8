//! Wakers that are not there though a task waits, and that are there for ever.
//!
//! A task that is suspended without a waker is reported at the end of the run: it may be polled again for another
//! reason. One that never left a waker and is cancelled by its program has done what `std::future::pending()` is there
//! for. A dropped last waker counts as lost even if the task makes progress later, as it may when
//! it is polled for its await chain.
//!
//! A task that made progress in such a poll is proof of a lost wake, whatever has become of its waker.

use super::{Findings, Kind, View};
use crate::step::words;
use executor::trace::{By, Event};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Wakers {
    /// Who waits and can't be woken: since which event, and whether there was a waker.
    stranded: BTreeMap<u64, (usize, bool)>,
    /// Tasks whose last waker was dropped without a wake since their last poll after a wake, with that event.
    dropped: BTreeMap<u64, usize>,
    /// Who is being polled without a wake.
    asked: BTreeSet<u64>,
    /// Whose wakers have outlived it: since which event, and how many.
    outlived: BTreeMap<u64, (usize, u64)>,
    /// Who is over and not freed.
    over: BTreeSet<u64>,
    /// Who of them has woken whom by ending: that waker stays in its memory. The memory of a
    /// blocking call may go a moment after the run, when its thread lets go of it.
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
                self.over.insert(*task);
                self.outlived.extend((*wakers > 0).then_some((*task, (view.number, *wakers))));
            }
            Event::Woken { task, by: By::Task(by), .. } if self.over.contains(by) => {
                self.joined.insert(*by, *task);
            }
            Event::Freed { task } => {
                self.over.remove(task);
                self.outlived.remove(task);
                self.joined.remove(task);
            }
            Event::RunEnds => self.has_ended = true,
            _ => {}
        }
    }

    /// It may have waited for nothing on purpose.
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
        // While the run goes on, whoever has a waker may still let it go.
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

fn lost_wake(view: &View<'_>, task: u64, at: Option<usize>) -> String {
    format!(
        "is suspended, and its last waker was dropped{}: nothing can wake it any more.{} Store the waker where the code \
         that makes the future ready finds it, and call wake() there; a structure that is dropped must wake its waiters.",
        dropped_by(view, at),
        view.standing(task)
    )
}

fn made_progress(view: &View<'_>, task: u64, at: Option<usize>) -> String {
    let waker = match at {
        Some(at) => format!(" Its last waker was dropped{}.", dropped_by(view, Some(at))),
        None => " Its waker still exists.".into(),
    };
    format!(
        "made progress in a poll that no wake had asked for: what it waited for had come, and its waker was not called.\
         {}{waker} The code that makes a future ready must call wake() on the waker that its last poll left there.",
        view.standing(task)
    )
}

/// By whom, and in which line, as far as that was recorded.
fn dropped_by(view: &View<'_>, at: Option<usize>) -> String {
    let Some(Event::WakerDropped { by, chain, .. }) = at.map(|at| &view.trace.records[at].event) else {
        return String::new();
    };
    let frames = chain.and_then(|chain| view.trace.chains.get(chain as usize));
    let place = frames.and_then(|frames| frames.last()).map(|frame| format!(", in {}", words::frame(frame)));
    format!(" by {by}{}", place.unwrap_or_default())
}

fn never_woken(view: &View<'_>, task: u64) -> String {
    format!(
        "waits, and has left no waker with anybody: nobody can ever wake it.{} Before a future returns Pending it \
         has to put cx.waker().clone() where whoever makes it ready finds it, or to poll a future that does.",
        view.standing(task)
    )
}

fn leaked_waker(view: &View<'_>, task: u64, wakers: u64) -> String {
    let place = view.place(task).map(|place| format!(" It has waited in {place}.")).unwrap_or_default();
    let (wakers, are) = if wakers == 1 { ("a waker".to_owned(), "is") } else { (format!("{wakers} wakers"), "are") };
    format!(
        "is over, but {wakers} of it {are} still there at the end of the run: its memory can't be freed.{place} Whoever \
         keeps wakers lets them go when the future that left them is dropped: take the waker back in its Drop."
    )
}
