//! Polls tasks that were not woken, to find their await chains and lost wakes.
//!
//! Used by the schedulers, and by `deadlock.rs`.

use super::dump::{TaskDump, Tasks};
use super::lost_wake::{self, Asked, Suspect};
use super::monitor::{FIRST_CHECK, Monitored, fail_on_lost_wake};
use crate::combine::cancel::within;
use crate::stack::Names;
use crate::task::{Canceller, Finish, TaskRef};
use reactor::budget;

/// On a deterministic run, if lost wakes fail it: looks for them before the clock advances, at 1, 2, 4, 8, … seconds of
/// its time. This finds a task that waits forever even while a timer keeps others busy, with few checks.
pub(crate) fn check_in_time<S: Monitored>(scheduler: &S) {
    let (monitor, observers) = (scheduler.monitor(), scheduler.observers());
    if !monitor.is_simulated() || observers.checks.is_none() {
        return;
    }
    let now = scheduler.now();
    if now >= monitor.next_check.get() {
        monitor.next_check.set(now + (now - monitor.start).max(FIRST_CHECK));
        find_lost_wakes(scheduler);
        fail_on_lost_wake(observers);
    }
}

/// Called when the first task has returned. If lost wakes fail the run, checks the other tasks before they are
/// cancelled.
pub(crate) fn check_the_rest<S: Monitored>(scheduler: &S) {
    if scheduler.observers().checks.is_some() {
        find_lost_wakes(scheduler);
        fail_on_lost_wake(scheduler.observers());
    }
}

/// Polls every suspended task, to find those whose wake was lost.
fn find_lost_wakes<S: Monitored>(scheduler: &S) {
    scheduler.monitor().slow.not_counting(|| each_task(scheduler, true, |_, poll| poll()));
}

/// The task dump of a run. `others_wake` says that a wake may be under way on another thread.
pub(crate) fn dump<S: Monitored>(scheduler: &S, others_wake: bool) -> Tasks {
    let (monitor, now) = (scheduler.monitor(), scheduler.now());
    let mut names = Names::default();
    let asked = |task: TaskRef<'_>, poll: &mut dyn FnMut()| {
        TaskDump::asked(task, monitor.age(task.id(), now), &mut names, poll)
    };
    // The time this takes must not count as poll time of the task that calls it.
    let tasks = monitor.slow.not_counting(|| each_task(scheduler, others_wake, asked));
    let mut dumps: Vec<_> = tasks.into_iter().map(|(dump, lost_wake)| dump.with(lost_wake)).collect();
    let calls = scheduler.calls().into_iter();
    dumps.extend(calls.map(|call| (monitor.age(call.task.id, now), call)).map(|(age, call)| call.dump(age)));
    Tasks::new(dumps)
}

/// Calls `f` with every task that has not completed, and with a closure that polls the task if it is suspended. Returns
/// the results, each with whether the task has made progress in that poll: then its wake was lost. `others_wake` says
/// that a wake may be under way on another thread.
fn each_task<S: Monitored, T>(
    scheduler: &S,
    others_wake: bool,
    mut f: impl FnMut(TaskRef<'_>, &mut dyn FnMut()) -> T,
) -> Vec<(T, bool)> {
    let (simulated, observers) = (&scheduler.monitor().simulated, scheduler.observers());
    // Otherwise the first poll would cancel the tasks of a crashed host, and that would count as its progress.
    simulated.iter().for_each(|simulated| simulated.end_crashed());
    // Their order in memory depends on the size of their futures, and so on how the program was compiled.
    let mut tasks = scheduler.tasks();
    tasks.sort_by_key(|task| task.task().id());
    let (mut shown, mut suspects) = (Vec::new(), Vec::new());
    for task in &tasks {
        // The poll of an earlier task may have completed this one.
        if task.task().state().is_over() {
            continue;
        }
        let mut poll = || {
            let wakers = task.task().wakers();
            match ask(scheduler, task) {
                Asked::Suspended => {}
                asked => suspects.push(Suspect { task: task.clone(), asked, wakers }),
            }
        };
        shown.push((f(task.task(), &mut poll), task.task().id()));
    }
    let lost = lost_wake::confirmed(suspects, others_wake && simulated.is_none());
    for suspect in &lost {
        observers.show(|observer| observer.lost_wake(suspect.task.task()));
        observers.checks.iter().for_each(|checks| checks.lost_wake(suspect));
    }
    let is_lost = |id| lost.iter().any(|suspect| suspect.task.task().id() == id);
    shown.into_iter().map(|(shown, id)| (shown, is_lost(id))).collect()
}

/// Polls a task without a wake, if it is suspended.
fn ask<S: Monitored>(scheduler: &S, task: &Canceller) -> Asked {
    let Some((right, transition)) = task.wake_up() else { return Asked::Suspended };
    let asking = &scheduler.monitor().asking;
    transition.report(|| scheduler.observers().show(|observer| observer.task_asked(task.task())));
    let queued = scheduler.queued();
    let _its_own = budget::enter();
    let before = asking.replace(Some(Asked::Suspended));
    let is_over = within(None, || scheduler.run_once(right));
    match asking.replace(before) {
        Some(Asked::WokeItself) => Asked::WokeItself,
        // A panic proves nothing about the condition: the poll may have borrowed what the caller of `tasks` has
        // borrowed.
        _ if is_over && task.task().header().state.finish() == Some(Finish::Panicked) => Asked::Suspended,
        _ if is_over || scheduler.queued() > queued => Asked::Progress,
        _ => Asked::Suspended,
    }
}
