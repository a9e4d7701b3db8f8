//! The library on a custom scheduler: the examples as a student runs them, their recordings, and which runtime is
//! current.

use demo::step::lints::lint;
use executor::observer::WokenBy;
use executor::task::{Edge, Finish, PollEnd, Queue, Runnable, Schedule, TaskEvent, TaskRef, Transition};
use executor::trace::{Event, Trace};
use executor::{
    CustomRuntime, JoinError, JoinHandle, Observer, ReactorObserver, TaskId, named, spawn, spawn_blocking, spawn_local,
    task_group, tasks, yield_now,
};
use futures_lite::future::block_on;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::future::{Future, pending};
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use tests::Log;
use tests::demo::executor_examples;

#[derive(Default)]
struct Fifo(Mutex<VecDeque<Runnable>>);

impl Schedule for Fifo {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        self.0.lock().unwrap().push_back(task);
    }
}

impl Fifo {
    fn run(self: &Arc<Self>) {
        loop {
            let Some(task) = self.0.lock().unwrap().pop_front() else { break };
            if let Some(again) = task.run() {
                self.schedule(again);
            }
        }
    }
}

/// Runs a future on a custom scheduler without a reactor.
fn run<F: Future<Output: Send> + Send + 'static>(future: F) -> Result<F::Output, JoinError> {
    let fifo = Arc::new(Fifo::default());
    let runtime = CustomRuntime::builder(fifo.clone()).build();
    let root: JoinHandle<_> = runtime.spawn(future);
    runtime.enter(|| fifo.run());
    block_on(root)
}

#[test]
fn spawn_finds_the_custom_runtime() {
    let numbers = run(async {
        let (a, b) = (spawn(async { 1 }), named("b").metadata(7_u8).spawn(async { 2 }));
        let numbers = (a.id().0, b.id().0, b.name().map(str::to_owned));
        assert_eq!(a.await.unwrap() + b.await.unwrap(), 3);
        numbers
    });
    assert_eq!(numbers.unwrap(), (2, 3, Some("b".into())));
}

#[test]
fn spawn_local_finds_the_custom_runtime() {
    run(async {
        // The `Rc` is not held across an await, so the task itself is Send.
        let six = {
            let five = Rc::new(5);
            spawn_local(async move {
                yield_now().await;
                *five + 1
            })
        };
        assert_eq!(six.await.unwrap(), 6);
    })
    .unwrap();
}

#[test]
fn task_groups_work_on_a_custom_runtime() {
    let sum = run(task_group(|group| async move {
        let (a, b) = (group.spawn(async { Ok::<_, ()>(1) }), group.spawn_named("b", async { Ok(2) }));
        Ok(a.await.unwrap() + b.await.unwrap())
    }));
    assert_eq!(sum.unwrap().unwrap(), 3);
    let failed = run(task_group(|group| async move {
        group.spawn(pending::<Result<(), _>>());
        group.spawn(async { Err::<(), _>("no luck") });
        Ok(())
    }));
    assert_eq!(failed.unwrap().unwrap_err().into_error(), Some("no luck"));
}

#[test]
fn the_task_dump_lists_the_tasks_of_a_custom_runtime() {
    async fn visit() {
        executor::sync::Semaphore::new(0).acquire().await.forget();
    }
    let dump = run(async {
        let visitor = named("visitor").spawn(visit());
        yield_now().await;
        let dump = tasks();
        visitor.cancel();
        dump
    })
    .unwrap();
    assert_eq!(dump.len(), 2, "{dump}");
    assert_eq!(dump[1].task.name.as_deref(), Some("visitor"));
    assert!(dump[1].waits[0].leaf.starts_with("acquire on the semaphore made at "), "{dump}");
    assert!(dump[1].waits[0].chain.last().unwrap().function.ends_with("visit"), "{dump}");
}

#[test]
fn misuse_fails_and_says_what_to_write_instead() {
    let said = |result: Result<(), JoinError>| result.unwrap_err().to_string();
    let blocking = said(run(async { spawn_blocking(|| ()).await.unwrap() }));
    assert!(
        blocking.contains("write CustomRuntime::builder(scheduler).reactor(reactor.handle()).build()"),
        "{blocking}"
    );
    let sleep = said(run(async { executor::time::sleep(executor::time::Duration::from_millis(1)).await }));
    assert!(sleep.contains("let _entered = reactor.handle().enter()"), "{sleep}");
    let nested = said(run(async { executor::block_on(async {}) }));
    assert!(nested.contains("write `.await` instead"), "{nested}");
    let outside = catch_unwind(AssertUnwindSafe(|| drop(spawn(async {})))).unwrap_err();
    let outside = outside.downcast::<String>().unwrap();
    assert!(outside.contains("CustomRuntime::builder(scheduler).build().enter(|| …)"), "{outside}");
}

#[test]
fn the_innermost_runtime_is_the_current_one() {
    let outer = executor::block_on(async {
        let inner = run(async { spawn(async { tasks().len() }).await.unwrap() }).unwrap();
        assert_eq!(inner, 2, "the custom runtime inside of block_on");
        spawn(async { tasks().len() }).await.unwrap()
    });
    assert_eq!(outer, 2, "and block_on's again");
    let fifo = Arc::new(Fifo::default());
    let runtime = CustomRuntime::builder(fifo).build();
    let inner = runtime.enter(|| executor::block_on(async { spawn(async { 1 }).await.unwrap() + tasks().len() }));
    assert_eq!(inner, 2, "a runtime on the thread of the loop, outside of a task");
}

#[test]
fn cancel_all_leaves_no_task() {
    let (fifo, inside) = (Arc::new(Fifo::default()), Arc::new(()));
    let runtime = CustomRuntime::builder(fifo.clone()).build();
    let handles: Vec<_> = (0..3)
        .map(|_| {
            let kept = inside.clone();
            runtime.spawn(async move {
                let _kept = kept;
                pending::<()>().await;
            })
        })
        .collect();
    runtime.enter(|| fifo.run());
    assert_eq!(runtime.unfinished(), 3);
    runtime.cancel_all();
    runtime.enter(|| fifo.run());
    assert_eq!((runtime.unfinished(), Arc::strong_count(&inside)), (0, 1));
    assert!(handles.iter().all(JoinHandle::is_finished));
    drop((handles, runtime));
    assert_eq!(Arc::strong_count(&fifo), 1, "nothing keeps the scheduler");
}

/// A scheduler that is shown the events of its tasks and notes a queue; and an observer of the same tasks. Both write
/// the transition of each event to one log.
#[derive(Default)]
struct Shown {
    fifo: Arc<Fifo>,
    log: Log<(&'static str, Edge, Option<Queue>)>,
}

impl Shown {
    fn show(&self, to: &'static str) {
        Transition::current().inspect(|transition| self.log.push((to, transition.edge, transition.queue)));
    }
}

impl Schedule for Shown {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        self.fifo.schedule(task);
    }

    fn is_watched(&self) -> bool {
        true
    }

    fn happened(self: &Arc<Self>, _: TaskRef<'_>, _: TaskEvent<'_>) {
        Transition::note_queue(|| Queue::Injection);
        self.show("scheduler");
    }
}

struct ShownLater(Arc<Shown>);

impl ReactorObserver for ShownLater {}

impl Observer for ShownLater {
    fn task_spawned(&self, _: TaskRef<'_>, _: Option<TaskId>) {
        self.0.show("observer");
    }
    fn task_woken(&self, _: TaskRef<'_>, _: WokenBy) {
        self.0.show("observer");
    }
    fn task_cancelled(&self, _: TaskRef<'_>, _: WokenBy) {
        self.0.show("observer");
    }
    fn poll_begins(&self, _: TaskRef<'_>) {
        self.0.show("observer");
    }
    fn poll_ends(&self, _: TaskId, _: PollEnd) {
        self.0.show("observer");
    }
    fn task_finished(&self, _: TaskRef<'_>, _: Finish) {
        self.0.show("observer");
    }
    fn task_freed(&self, _: TaskRef<'_>) {
        self.0.show("observer");
    }
}

#[test]
fn the_observer_is_shown_each_event_after_the_scheduler_with_the_queue_that_the_scheduler_noted() {
    let shown = Arc::new(Shown::default());
    let runtime = CustomRuntime::builder(shown.clone()).observer(Arc::new(ShownLater(shown.clone()))).build();
    let root = runtime.spawn(async {
        let suspended = spawn(pending::<()>());
        yield_now().await;
        suspended.cancel();
        assert!(suspended.await.unwrap_err().is_cancelled());
    });
    runtime.enter(|| shown.fifo.run());
    block_on(root).unwrap();
    let log = shown.log.take();
    for event in log.chunks(2) {
        let &[("scheduler", edge, queue), ("observer", same_edge, same_queue)] = event else { panic!("{log:?}") };
        assert_eq!((edge, queue), (same_edge, same_queue), "{log:?}");
    }
    for (edge, queue) in
        [(Edge::Wake, Some(Queue::Injection)), (Edge::Cancel, Some(Queue::Injection)), (Edge::Wake, None)]
    {
        assert!(log.contains(&("observer", edge, queue)), "{edge} with {queue:?} in {log:?}");
    }
}

/// Runs an example with a recorder. Returns what it prints, and its recording.
fn recorded(name: &str) -> (String, Trace) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.jsonl");
    let output = Command::new(executor_examples().join(name)).arg(&path).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let trace = Trace::read(BufReader::new(File::open(&path).unwrap())).unwrap();
    (String::from_utf8(output.stdout).unwrap(), trace)
}

/// Checks that each task is spawned once, polled only when it was woken, by one thread at a time, and finishes.
#[track_caller]
fn is_whole(trace: &Trace) {
    #[derive(Default)]
    struct Seen {
        is_ready: bool,
        is_running: bool,
        is_finished: bool,
        /// A blocking call has no polls.
        is_blocking: bool,
    }
    let mut tasks = BTreeMap::<u64, Seen>::new();
    for (number, record) in trace.records.iter().enumerate() {
        let Some(id) = record.event.task() else { continue };
        let is_new = !tasks.contains_key(&id);
        let task = tasks.entry(id).or_default();
        let is_right = match &record.event {
            Event::Spawned { .. } => is_new && !std::mem::replace(&mut task.is_ready, true),
            Event::Woken { .. } => !std::mem::replace(&mut task.is_ready, true) && !task.is_finished,
            Event::Cancelled { .. } => {
                task.is_ready = true;
                !task.is_finished
            }
            Event::PollBegins { .. } => {
                std::mem::take(&mut task.is_ready) && !std::mem::replace(&mut task.is_running, true)
            }
            Event::PollEnds { .. } => std::mem::take(&mut task.is_running),
            Event::BlockingBegins { .. } => {
                std::mem::take(&mut task.is_ready) && !std::mem::replace(&mut task.is_blocking, true)
            }
            Event::Finished { .. } => {
                (task.is_running || task.is_blocking) && !std::mem::replace(&mut task.is_finished, true)
            }
            _ => !is_new,
        };
        assert!(is_right, "event {number}, {:?}", record.event);
    }
    assert!(tasks.values().all(|task| task.is_finished && !task.is_running));
    assert_eq!(tasks.keys().copied().collect::<Vec<_>>(), (1..=tasks.len() as u64).collect::<Vec<_>>());
}

#[test]
fn the_priority_executor_runs_urgent_tasks_first_and_is_recorded() {
    let (printed, trace) = recorded("priority");
    let lines: Vec<_> = printed.lines().filter(|line| line.contains("step")).collect();
    assert_eq!(lines, ["high: step 1", "high: step 2", "low: step 1", "low: step 2"]);
    assert!(printed.contains("all are done, and 1 + 2 = 3"), "{printed}");
    is_whole(&trace);
    assert_eq!(lint(&trace), []);
}

#[test]
fn the_executor_on_two_threads_has_timers_and_sockets_and_is_recorded() {
    let (printed, trace) = recorded("two_threads");
    assert_eq!(printed, "hello from the other task\nand a hundred sleeps are over\n");
    is_whole(&trace);
    assert_eq!(lint(&trace), []);
    let waits = |record: &&executor::trace::Record| matches!(record.event, Event::Waits { .. });
    assert!(trace.records.iter().filter(waits).count() >= 101, "each sleep has its await chain");
}
