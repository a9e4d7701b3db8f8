//! Turns each event that a runtime shows to the recorder into a record. Runtimes call these methods; see `recorder.rs`.

use super::recorder::{Calls, Recorder};
use super::timeline::nanoseconds;
use super::{Direction, End, Event, How, Waiting};
use crate::sync::Handover;
use crate::task::{Finish, TaskId, TaskRef};
use crate::watch::dump::{AwaitChain, Stack};
use crate::watch::observer::{Observer, PollEnd, WokenBy};
use reactor::Handle;
use reactor::backend::Readiness;
use reactor::observer::{ReadinessWord, SourceId, TimerId, WheelSlot};
use reactor::time::{Duration, Instant};
use std::os::fd::RawFd;
use std::panic::Location;
use std::sync::Arc;

impl Observer for Recorder {
    fn for_runtime(self: Arc<Self>) -> Option<Arc<dyn Observer>> {
        Some(Arc::new(self.of_runtime()))
    }

    fn for_run(self: Arc<Self>) -> Option<Arc<dyn Observer>> {
        Some(Arc::new(self.of_run()))
    }

    fn run_begins(&self) {
        let clock = Handle::current().filter(Handle::is_simulated);
        let mut state = self.lock();
        state.simulated |= clock.is_some();
        self.timeline.set_clock(clock);
        if !self.is_of_run() {
            self.timeline.begin(&mut state.clocks);
        }
        drop(state);
        self.record(|_| Event::RunBegins);
    }

    fn run_ends(&self) {
        self.record(|_| Event::RunEnds);
        let _dropped_without_lock = self.timeline.take_clock();
    }

    fn task_spawned(&self, task: TaskRef<'_>, by: Option<TaskId>) {
        let (name, size) = (task.name().map(Arc::from), task.size() as u64);
        let (task, by, place) = (task.id().0, by.map(|by| by.0), task.spawned_at());
        self.record_transition(|state| Event::Spawned { task, by, name, place: state.places.number(*place), size });
    }

    fn task_woken(&self, task: TaskRef<'_>, by: WokenBy) {
        // For a wake by the reactor, no line of the program is on the stack.
        let is_called = matches!(by, WokenBy::Task(_) | WokenBy::Outside) && self.has_chains();
        let stack = is_called.then(|| Calls::All(Stack::here()));
        self.record_transition(|state| {
            let (by, chain) = (state.by(by), stack.map(|stack| state.chain(stack)));
            Event::Woken { task: task.id().0, by, chain }
        });
    }

    fn handed_over(&self, to: TaskRef<'_>, what: Handover) {
        self.record(|state| {
            let (kind, place) = (state.text(what.kind), state.places.number(*what.made_at));
            Event::HandedOver { task: to.id().0, kind, place }
        });
    }

    fn task_cancelled(&self, task: TaskRef<'_>, by: WokenBy) {
        let reason = task.cancellation().and_then(|cancellation| cancellation.reason.as_deref()).map(Arc::from);
        self.record_transition(|state| {
            let place = task.cancellation().map(|cancellation| state.places.number(*cancellation.at));
            Event::Cancelled { task: task.id().0, by: state.by(by), place, reason }
        });
    }

    fn task_asked(&self, task: TaskRef<'_>) {
        self.record_transition(|_| Event::Asked { task: task.id().0 });
    }

    fn lost_wake(&self, task: TaskRef<'_>) {
        self.record(|_| Event::LostWake { task: task.id().0 });
    }

    fn last_waker_dropped(&self, task: TaskRef<'_>, by: WokenBy) {
        let stack = self.has_chains().then(|| Calls::All(Stack::here()));
        self.record(|state| {
            let (by, chain) = (state.by(by), stack.map(|stack| state.chain(stack)));
            Event::WakerDropped { task: task.id().0, by, chain }
        });
    }

    fn poll_begins(&self, task: TaskRef<'_>) {
        self.record_transition(|_| Event::PollBegins { task: task.id().0 });
    }

    fn wants_await_chains(&self) -> bool {
        self.has_chains()
    }

    fn task_waits(&self, task: TaskId, chains: &[AwaitChain]) {
        self.record(|state| {
            let mut waits: Vec<Waiting> = Vec::new();
            for AwaitChain { leaf, stack } in chains {
                let chain = state.chain(Calls::Futures(stack.clone()));
                match waits.last_mut().filter(|last| last.chain == chain && *last.leaf == **leaf) {
                    Some(last) => last.times += 1,
                    None => waits.push(Waiting { leaf: leaf.as_str().into(), chain, times: 1 }),
                }
            }
            Event::Waits { task: task.0, waits: waits.into() }
        });
    }

    fn poll_ends(&self, task: TaskId, end: PollEnd) {
        let end = match end {
            PollEnd::Pending => End::Pending,
            PollEnd::PendingWoken => End::PendingWoken,
            PollEnd::Finished => End::Finished,
        };
        self.record_transition(|_| Event::PollEnds { task: task.0, end });
    }

    fn task_stranded(&self, task: TaskRef<'_>, lost: bool) {
        self.record(|_| Event::Stranded { task: task.id().0, lost });
    }

    fn task_panicked(&self, task: TaskRef<'_>, message: Option<&str>) {
        self.record(|_| Event::Panicked { task: task.id().0, message: message.map(Arc::from) });
    }

    fn task_finished(&self, task: TaskRef<'_>, finish: Finish) {
        let wakers = task.wakers() as u64;
        self.record_transition(|_| Event::Finished { task: task.id().0, how: how(finish), wakers });
    }

    fn output_dropped(&self, task: TaskRef<'_>, finish: Finish) {
        self.record(|_| Event::OutputDropped { task: task.id().0, how: how(finish) });
    }

    fn task_freed(&self, task: TaskRef<'_>) {
        self.record_transition(|_| Event::Freed { task: task.id().0 });
    }

    fn slow_poll(&self, task: TaskId, took: Duration) {
        self.record(|_| Event::SlowPoll { task: task.0, took: nanoseconds(took) });
    }

    fn blocking_queued(&self, task: TaskId) {
        self.record(|_| Event::BlockingQueued { task: task.0 });
    }

    fn blocking_begins(&self, task: TaskId) {
        self.record(|_| Event::BlockingBegins { task: task.0 });
    }

    fn blocking_ends(&self, task: TaskId) {
        self.record(|_| Event::BlockingEnds { task: task.0 });
    }
}

impl reactor::Observer for Recorder {
    fn source_added(&self, source: SourceId, fd: RawFd) {
        self.record(|_| Event::SourceAdded { source: source.0, fd });
    }

    fn source_removed(&self, source: SourceId) {
        self.record(|_| Event::SourceRemoved { source: source.0 });
    }

    fn source_waits(&self, source: SourceId, direction: reactor::observer::Direction) {
        self.record(|_| Event::SourceWaits {
            source: source.0,
            direction: direction.into(),
            word: ReadinessWord::current(),
        });
    }

    fn source_left(&self, source: SourceId, direction: reactor::observer::Direction) {
        self.record(|_| Event::SourceLeft { source: source.0, direction: direction.into() });
    }

    fn source_ready(&self, source: SourceId, readiness: Readiness, woken: usize) {
        self.record(|_| Event::SourceReady { source: source.0, readiness, woken, word: ReadinessWord::current() });
    }

    fn timer_set(&self, timer: TimerId, deadline: Instant, place: &'static Location<'static>) {
        self.record(|state| {
            let deadline = self.timeline.since_start(&mut state.clocks, deadline);
            let place = state.places.number(*place);
            let slot = WheelSlot::current().map(|WheelSlot { wheel, slot }| (wheel, slot));
            Event::TimerSet { timer: timer.0, deadline, place, slot }
        });
    }

    fn timer_cancelled(&self, timer: TimerId) {
        self.record(|_| Event::TimerCancelled { timer: timer.0 });
    }

    fn timer_fired(&self, timer: TimerId) {
        self.record(|_| Event::TimerFired { timer: timer.0 });
    }

    fn wait_begins(&self, timeout: Option<Duration>) {
        self.record(|_| Event::WaitBegins { timeout: timeout.map(nanoseconds) });
    }

    fn wait_ends(&self, sources: usize, timers: usize) {
        self.record(|_| Event::WaitEnds { sources, timers });
    }

    fn notified(&self) {
        self.record(|_| Event::Notified);
    }
}

impl From<reactor::observer::Direction> for Direction {
    fn from(direction: reactor::observer::Direction) -> Direction {
        match direction {
            reactor::observer::Direction::Read => Direction::Read,
            reactor::observer::Direction::Write => Direction::Write,
        }
    }
}

fn how(finish: Finish) -> How {
    match finish {
        Finish::Ready => How::Ready,
        Finish::Cancelled => How::Cancelled,
        Finish::Panicked => How::Panicked,
    }
}
