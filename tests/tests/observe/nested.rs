//! An event that an observer's own action causes has its own details, and afterwards the outer event has its own again.
//!
//! The details are what an observer can query at an event: the transition of a task, the word of a source, the slot of a
//! timer.

use executor::observer::WokenBy;
use executor::task::{Edge, Finish, PollEnd, TaskRef, Transition};
use executor::time::{Sleep, sleep};
use executor::{JoinHandle, Runtime, TaskId, spawn, tasks, yield_now};
use reactor::io::Async;
use reactor::observer::{Direction, ReadinessWord, SourceId, TimerId, WheelSlot};
use reactor::{Reactor, backend};
use std::future::{Future, pending};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The edge of the transition that is reported, or none.
fn edge() -> Option<Edge> {
    Transition::current().map(|transition| transition.edge)
}

/// The edge of an event before and after the observer's action, and those of the events that the action caused.
type Seen = (Option<Edge>, Vec<Option<Edge>>, Option<Edge>);

/// Drops the handle of a completed task at each event, which drops the output and frees the task.
#[derive(Default)]
struct DropsHandles {
    handles: Mutex<Vec<JoinHandle<u32>>>,
    /// The edges of the nested events; `None` outside of an outer event.
    nested: Mutex<Option<Vec<Option<Edge>>>>,
    seen: Mutex<Vec<Seen>>,
}

impl DropsHandles {
    fn event(&self) {
        if let Some(nested) = &mut *self.nested.lock().unwrap() {
            return nested.push(edge());
        }
        let Some(handle) = self.handles.lock().unwrap().pop() else { return };
        *self.nested.lock().unwrap() = Some(Vec::new());
        let before = edge();
        drop(handle);
        let nested = self.nested.lock().unwrap().take().expect("it was set above");
        self.seen.lock().unwrap().push((before, nested, edge()));
    }
}

impl executor::ReactorObserver for DropsHandles {}

impl executor::Observer for DropsHandles {
    fn task_spawned(&self, _: TaskRef<'_>, _: Option<TaskId>) {
        self.event();
    }
    fn task_woken(&self, _: TaskRef<'_>, _: WokenBy) {
        self.event();
    }
    fn task_asked(&self, _: TaskRef<'_>) {
        self.event();
    }
    fn task_cancelled(&self, _: TaskRef<'_>, _: WokenBy) {
        self.event();
    }
    fn poll_begins(&self, _: TaskRef<'_>) {
        self.event();
    }
    fn poll_ends(&self, _: TaskId, _: PollEnd) {
        self.event();
    }
    fn task_finished(&self, _: TaskRef<'_>, _: Finish) {
        self.event();
    }
    fn output_dropped(&self, _: TaskRef<'_>, _: Finish) {
        self.event();
    }
    fn task_freed(&self, _: TaskRef<'_>) {
        self.event();
    }
}

#[test]
fn after_a_nested_event_of_a_task_the_outer_event_has_its_transition_again() {
    let observer = Arc::new(DropsHandles::default());
    let runtime = Runtime::builder().virtual_clock().observer(observer.clone()).build().unwrap();
    runtime.block_on(async {
        let completed: Vec<_> = (0..100).map(|n| spawn(async move { n })).collect();
        yield_now().await;
        assert!(completed.iter().all(JoinHandle::is_finished));
        *observer.handles.lock().unwrap() = completed;
        let cancelled = spawn(pending::<()>());
        yield_now().await;
        tasks(); // polls the suspended task
        cancelled.cancel();
        assert!(cancelled.await.unwrap_err().is_cancelled());
        drop(spawn(async { 1 }));
        yield_now().await;
        // Outside of an event, there is no transition.
        assert_eq!(edge(), None);
        let rest = std::mem::take(&mut *observer.handles.lock().unwrap());
        drop(rest);
    });
    let seen = observer.seen.lock().unwrap();
    for (before, nested, after) in &*seen {
        assert_eq!(before, after, "{seen:?}");
        assert_eq!(*nested, [None, Some(Edge::DropReference)], "the output is dropped, and the task is freed");
    }
    for edge in Edge::ALL.map(Some).into_iter().chain([None]) {
        assert!(seen.iter().any(|(before, ..)| *before == edge), "no event of {edge:?} was an outer one");
    }
}

/// The details that the reactor has for an event.
type Details = (Option<ReadinessWord>, Option<WheelSlot>);

fn details() -> Details {
    (ReadinessWord::current(), WheelSlot::current())
}

/// Sets a timer at the first event, and notes the details of each event as it begins and as it ends.
#[derive(Default)]
struct SetsTimer {
    timer: Mutex<Option<Pin<Box<Sleep>>>>,
    /// The observer panics in an event in which it sets no timer.
    panics: bool,
    log: Mutex<Vec<(&'static str, Details)>>,
}

impl SetsTimer {
    fn event(&self) {
        let note = |at| self.log.lock().unwrap().push((at, details()));
        note("begins");
        let timer = self.timer.lock().unwrap().take();
        match timer {
            Some(mut timer) => assert!(poll(timer.as_mut()).is_pending()),
            None => assert!(!self.panics, "the observer's own panic"),
        }
        note("ends");
    }
}

impl reactor::Observer for SetsTimer {
    fn source_waits(&self, _: SourceId, _: Direction) {
        self.event();
    }
    fn timer_set(&self, _: TimerId, _: Instant, _: &'static Location<'static>) {
        self.event();
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs `outer`, which causes an event, with an observer that sets a timer of `delay` in it. Returns the details as the
/// outer event begins, as the nested one begins and ends, and as the outer one ends.
fn details_of(delay: Duration, outer: impl FnOnce()) -> [Details; 4] {
    let observer = Arc::new(SetsTimer::default());
    let reactor = Reactor::with(backend::operating_system().unwrap(), Some(observer.clone()));
    let _current = reactor.handle().enter();
    *observer.timer.lock().unwrap() = Some(Box::pin(sleep(delay)));
    outer();
    assert_eq!(details(), (None, None), "outside of an event, there are no details");
    let log = std::mem::take(&mut *observer.log.lock().unwrap());
    let (at, details): (Vec<_>, Vec<_>) = log.into_iter().unzip();
    assert_eq!(at, ["begins", "begins", "ends", "ends"]);
    details.try_into().unwrap()
}

#[test]
fn after_a_nested_event_of_the_reactor_the_outer_event_has_its_details_again() {
    const HOUR: Duration = Duration::from_secs(3600);
    let set_timer = || assert!(poll(pin!(sleep(Duration::from_millis(10)))).is_pending());
    let [outer, nested, nested_end, outer_end] = details_of(HOUR, set_timer);
    assert_eq!((outer_end, nested_end), (outer, nested));
    assert!(outer.1.unwrap().wheel < nested.1.unwrap().wheel, "{outer:?}, {nested:?}");

    let wait_for_source = || {
        let (stream, _peer) = UnixStream::pair().unwrap();
        let stream = Async::new(stream).unwrap();
        assert!(poll(pin!(stream.readable())).is_pending());
    };
    let [outer, nested, nested_end, outer_end] = details_of(HOUR, wait_for_source);
    assert_eq!((outer_end, nested_end), (outer, nested));
    assert!(matches!(outer, (Some(_), None)) && matches!(nested, (None, Some(_))), "{outer:?}, {nested:?}");
}

#[test]
fn an_observer_that_panics_leaves_no_details_behind() {
    let observer = Arc::new(SetsTimer { panics: true, ..SetsTimer::default() });
    let reactor = Reactor::with(backend::operating_system().unwrap(), Some(observer.clone()));
    let _current = reactor.handle().enter();
    let timer = pin!(sleep(Duration::from_secs(1)));
    let panicked = catch_unwind(AssertUnwindSafe(|| poll(timer)));
    assert!(panicked.is_err());
    let log = observer.log.lock().unwrap();
    assert!(matches!(log[..], [("begins", (None, Some(_)))]), "{log:?}");
    assert_eq!(details(), (None, None));
}
