//! Wakers that are not there though a task waits, and that are there for ever.
//!
//! Who waits without a waker is only told of at the end of the run: it may be polled again for another reason. One
//! that never left a waker and is cancelled by its program has done what `std::future::pending()` is there for. But a
//! waker that was dropped is one that somebody had to call, also if the task goes on all the same: that it does when it
//! is asked where it stands.

use super::{Findings, Kind, View};
use executor::trace::{By, Event};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(super) struct Wakers {
    /// Who waits and can't be woken: since which event, and whether there was a waker.
    stranded: BTreeMap<u64, (usize, bool)>,
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
    pub(super) fn see(&mut self, view: &View<'_>) {
        match view.event() {
            Event::Stranded { task, lost } => drop(self.stranded.insert(*task, (view.number, *lost))),
            Event::PollBegins { task } if !view.state.tasks.get(task).is_some_and(|task| task.is_cancelled) => {
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
                true => findings.add(view, number, Kind::LostWake, task, || lost_wake(view, task)),
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

fn lost_wake(view: &View<'_>, task: u64) -> String {
    format!(
        "waits, and its last waker was dropped: nobody can wake it any more.{} Keep the waker where whoever makes \
         the future ready finds it, and call wake() there; a structure that goes away has to wake who waits at it.",
        view.standing(task)
    )
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
