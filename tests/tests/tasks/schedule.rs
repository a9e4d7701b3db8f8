//! A custom scheduler: the metadata of its tasks, and the events that an observer is shown.

use executor::observer::PollEnd;
use executor::task::{Finish, JoinHandle, Runnable, Schedule, TaskEvent, TaskId, TaskRef, builder, spawn_with};
use executor::trace::{By, End, Event, How, Recorder};
use executor::{JoinError, Observer, yield_now};
use futures_lite::future::block_on;
use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

/// A first-in, first-out scheduler with a recorder.
struct Fifo {
    queue: Mutex<VecDeque<Runnable>>,
    recorder: Recorder,
}

impl Schedule for Fifo {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        self.queue.lock().unwrap().push_back(task);
    }

    fn is_watched(&self) -> bool {
        true
    }

    fn happened(self: &Arc<Self>, task: TaskRef<'_>, what: TaskEvent<'_>) {
        self.recorder.show(task, what);
    }
}

impl Fifo {
    fn new() -> Arc<Fifo> {
        Arc::new(Fifo { queue: Mutex::default(), recorder: Recorder::new() })
    }

    fn run(self: &Arc<Self>) {
        loop {
            let Some(task) = self.queue.lock().unwrap().pop_front() else { break };
            if let Some(again) = task.run() {
                self.schedule(again);
            }
        }
    }

    #[track_caller]
    fn spawn<F: Future<Output: Send> + Send + 'static>(self: &Arc<Self>, id: u64, future: F) -> JoinHandle<F::Output> {
        let (task, handle) = builder().id(TaskId(id)).spawn(future, self.clone());
        self.schedule(task);
        handle
    }

    fn events(&self) -> Vec<Event> {
        self.recorder.trace().records.into_iter().map(|record| record.event).collect()
    }
}

#[test]
fn a_task_has_the_name_the_number_and_the_metadata_it_was_built_with() {
    #[derive(Debug, PartialEq)]
    struct Priority(u8);
    let fifo = Fifo::new();
    let builder = builder().name("first").id(TaskId(7)).metadata("replaced").metadata(Priority(3));
    let (task, handle) = builder.spawn(async { 1 }, fifo.clone());
    let seen = task.task();
    assert_eq!((seen.id(), seen.name(), seen.home()), (TaskId(7), Some("first"), None));
    assert_eq!((seen.metadata(), seen.metadata::<&str>()), (Some(&Priority(3)), None));
    assert_eq!((handle.id(), handle.name()), (TaskId(7), Some("first")));
    assert!(task.run().is_none());
    assert_eq!(block_on(handle).unwrap(), 1);
}

#[test]
fn tasks_without_a_number_get_different_ones() {
    let (a, b) = (spawn_with(async {}, Fifo::new()), spawn_with(async {}, Fifo::new()));
    assert!(0 < a.1.id().0 && a.1.id() < b.1.id());
}

#[test]
fn a_scheduler_numbers_its_tasks() {
    struct FromAHundred(Mutex<u64>);
    impl Schedule for FromAHundred {
        fn schedule(self: &Arc<Self>, _: Runnable) {}
        fn next_id(&self) -> TaskId {
            let mut id = self.0.lock().unwrap();
            *id += 1;
            TaskId(*id)
        }
    }
    let scheduler = Arc::new(FromAHundred(Mutex::new(100)));
    let ids = [(); 2].map(|()| spawn_with(async {}, scheduler.clone()).1.id());
    assert_eq!(ids, [TaskId(101), TaskId(102)]);
}

#[test]
fn a_recording_has_every_event_of_a_students_executor_in_its_order() {
    let fifo = Fifo::new();
    let wakers = Arc::<Mutex<Vec<Waker>>>::default();
    let waits = {
        let (wakers, mut polls) = (wakers.clone(), 0);
        poll_fn(move |cx| {
            polls += 1;
            wakers.lock().unwrap().push(cx.waker().clone());
            if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
        })
    };
    let waits = fifo.spawn(1, waits);
    let wakes = fifo.spawn(2, {
        let wakers = wakers.clone();
        async move {
            yield_now().await;
            wakers.lock().unwrap().drain(..).for_each(Waker::wake);
        }
    });
    fifo.run();
    wakers.lock().unwrap().clear();
    drop((waits, wakes));
    let (begins, ends) = (|task| Event::PollBegins { task }, |task, end| Event::PollEnds { task, end });
    let finished = |task, wakers| Event::Finished { task, how: How::Ready, wakers };
    let mut events = fifo.events();
    for event in &mut events {
        match event {
            Event::Spawned { place, size, .. } => (*place, *size) = (0, 0),
            Event::Woken { chain, .. } => *chain = None,
            Event::Waits { waits, .. } => *waits = Box::default(),
            _ => {}
        }
    }
    let spawned = |task| Event::Spawned { task, by: None, name: None, place: 0, size: 0 };
    let woken = |task, by| Event::Woken { task, by: By::Task(by), chain: None };
    let waits = |task| Event::Waits { task, waits: Box::default() };
    #[rustfmt::skip]
    assert_eq!(events, [
        spawned(1), spawned(2),
        begins(1), waits(1), ends(1, End::Pending),
        begins(2), woken(2, 2), waits(2), ends(2, End::PendingWoken),
        begins(2), woken(1, 2), finished(2, 0), ends(2, End::Finished),
        begins(1), finished(1, 1), ends(1, End::Finished),
        Event::OutputDropped { task: 1, how: How::Ready }, Event::Freed { task: 1 },
        Event::OutputDropped { task: 2, how: How::Ready }, Event::Freed { task: 2 },
    ]);
}

#[test]
fn a_recording_of_a_students_executor_has_await_chains() {
    async fn turns() {
        yield_now().await;
    }
    let fifo = Fifo::new();
    let _detached = fifo.spawn(1, async { turns().await });
    fifo.run();
    let trace = fifo.recorder.trace();
    let waits = trace.records.iter().find_map(|record| match &record.event {
        Event::Waits { waits, .. } => Some(waits.clone()),
        _ => None,
    });
    let [wait] = &waits.expect("it was pending once")[..] else { panic!("it waits for one thing") };
    assert_eq!(&*wait.leaf, "its next poll (yield_now)");
    let chain = &trace.chains[wait.chain as usize];
    assert!(chain.iter().all(|frame| !frame.function.contains("Fifo")), "the executor is no part of it: {chain:?}");
    assert!(chain.last().unwrap().function.ends_with("turns"), "{chain:?}");
}

#[test]
fn tasks_of_two_executors_with_the_same_number_are_distinguished() {
    let (outer, inner) = (Fifo::new(), Fifo::new());
    let _detached = outer.spawn(1, {
        let inner = inner.clone();
        async move {
            let task = inner.spawn(1, pending::<()>());
            task.cancel();
        }
    });
    outer.run();
    inner.run();
    let causes = |event: &Event| match event {
        Event::Spawned { by, .. } => by.map(By::Task),
        Event::Cancelled { by, .. } => Some(by.clone()),
        _ => None,
    };
    let causes: Vec<By> = inner.events().iter().filter_map(causes).collect();
    assert!(matches!(&causes[..], [By::Thread(_)]), "{causes:?}");
}

#[test]
fn a_local_task_names_the_thread_that_may_run_it() {
    let fifo = Fifo::new();
    let shared = Rc::new(5);
    let (task, handle) = builder().name("local").spawn_local(async move { Rc::new(*shared + 1) }, fifo.clone());
    assert_eq!((task.task().home(), task.task().size()), (Some(thread::current().id()), size_of::<Rc<u32>>() * 2));
    fifo.schedule(task);
    fifo.run();
    assert_eq!(*block_on(handle).unwrap(), 6);
}

/// The result of a local task whose `Runnable` is passed to `misuse` on another thread.
fn misused(misuse: fn(Runnable)) -> (String, usize) {
    let inside = Rc::new(());
    let kept = inside.clone();
    let future = async move {
        let _kept = kept;
        pending::<()>().await;
    };
    let (task, handle) = builder().spawn_local(future, Fifo::new());
    thread::Builder::new().name("other".into()).spawn(move || misuse(task)).unwrap().join().unwrap();
    let Err(JoinError::Panicked(panic)) = block_on(handle) else { panic!("the misuse was not reported") };
    (panic.to_string(), Rc::strong_count(&inside))
}

#[test]
fn a_local_task_on_another_thread_is_an_error_and_its_future_is_not_touched() {
    let (run, dropped) = (misused(|task| drop(task.run())), misused(drop));
    for ((error, references), what) in [(run, "run"), (dropped, "dropped")] {
        assert!(error.contains(&format!("its Runnable was {what} on the thread \"other\"")), "{error}");
        assert!(error.contains("look at task.task().home()"), "{error}");
        assert_eq!(references, 2, "leaked, as it may not be dropped there");
    }
}

#[test]
fn each_poll_of_a_students_task_has_a_full_budget() {
    let fifo = Fifo::new();
    let semaphore = Arc::new(executor::sync::Semaphore::new(1));
    let polls = |operations: usize| {
        let semaphore = semaphore.clone();
        let task = fifo.spawn(1, async move {
            for _ in 0..operations {
                drop(semaphore.acquire().await);
            }
        });
        let canceller = task.canceller();
        fifo.run();
        canceller.task().polls()
    };
    assert_eq!([polls(100), polls(100), polls(100)], [1, 1, 1]);
    assert!(polls(1000) > 5, "and no more than that");
}

/// The events of one task, in the order in which they were reported.
#[derive(Default)]
struct Order(Mutex<Vec<&'static str>>);

impl Schedule for Order {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        let this = self.clone();
        thread::spawn(move || {
            if let Some(again) = task.run() {
                this.schedule(again);
            }
        });
    }

    fn is_watched(&self) -> bool {
        true
    }

    fn happened(self: &Arc<Self>, _: TaskRef<'_>, what: TaskEvent<'_>) {
        let what = match what {
            TaskEvent::Woken => "woken",
            TaskEvent::Cancelled => "cancelled",
            TaskEvent::PollBegins { .. } => "begins",
            TaskEvent::PollEnds(PollEnd::Pending) => "pending",
            TaskEvent::PollEnds(PollEnd::PendingWoken) => "woken again",
            TaskEvent::PollEnds(PollEnd::Finished) => "ends",
            TaskEvent::Finished(Finish::Ready | Finish::Panicked) => "finished",
            TaskEvent::Finished(Finish::Cancelled) => "dropped",
            _ => return,
        };
        self.0.lock().unwrap().push(what);
    }
}

/// Checks that each event follows from those before it.
#[track_caller]
fn follow(events: &[&str]) {
    let (mut woken, mut running, mut cancelled, mut finished) = (true, false, false, false);
    for (number, event) in events.iter().enumerate() {
        let is_right = match *event {
            "woken" => !std::mem::replace(&mut woken, true) && !finished,
            "cancelled" => {
                woken = true;
                !std::mem::replace(&mut cancelled, true) && !finished
            }
            "begins" => std::mem::take(&mut woken) && !std::mem::replace(&mut running, true),
            "pending" => !woken && std::mem::take(&mut running),
            "woken again" => woken && std::mem::take(&mut running),
            "ends" => finished && std::mem::take(&mut running),
            "finished" => running && !std::mem::replace(&mut finished, true),
            "dropped" => running && cancelled && !std::mem::replace(&mut finished, true),
            _ => false,
        };
        assert!(is_right, "`{event}` after {:?}", &events[number.saturating_sub(8)..number]);
    }
    assert!(finished && !running);
}

#[test]
fn events_of_one_task_on_many_threads_are_reported_in_a_possible_order() {
    for round in 0..40 {
        let order = Arc::new(Order::default());
        let waker = Arc::<Mutex<Option<Waker>>>::default();
        let (task, handle) = spawn_with(
            {
                let (waker, mut polls) = (waker.clone(), 0);
                poll_fn(move |cx| {
                    polls += 1;
                    *waker.lock().unwrap() = Some(cx.waker().clone());
                    if polls == 30 { Poll::Ready(()) } else { Poll::Pending }
                })
            },
            order.clone(),
        );
        let wake = || {
            while !handle.is_finished() {
                let waker = waker.lock().unwrap().clone();
                waker.into_iter().for_each(Waker::wake);
            }
        };
        thread::scope(|scope| {
            scope.spawn(wake);
            scope.spawn(wake);
            order.schedule(task);
            if round % 3 == 0 {
                scope.spawn(|| handle.cancel());
            }
        });
        // The end of the last poll is reported after the handle resolves.
        while order.0.lock().unwrap().last() != Some(&"ends") {
            thread::yield_now();
        }
        follow(&order.0.lock().unwrap());
    }
}

/// A task that never completes, its handle, and a value that its future keeps.
fn waits_for_nothing(fifo: &Arc<Fifo>) -> (JoinHandle<()>, Arc<()>) {
    let inside = Arc::new(());
    let kept = inside.clone();
    let handle = fifo.spawn(1, async move {
        let _kept = kept;
        pending::<()>().await;
    });
    (handle, inside)
}

#[test]
fn a_task_that_nothing_can_wake_join_or_cancel_is_freed_at_once() {
    let fifo = Fifo::new();
    let (handle, inside) = waits_for_nothing(&fifo);
    fifo.run();
    let canceller = handle.canceller();
    drop(handle);
    assert_eq!(Arc::strong_count(&inside), 2, "it can still be cancelled");
    drop(canceller);
    assert_eq!((Arc::strong_count(&inside), Arc::strong_count(&fifo)), (1, 1), "the handle goes last");

    let (handle, inside) = waits_for_nothing(&fifo);
    drop(handle);
    fifo.run();
    assert_eq!((Arc::strong_count(&inside), Arc::strong_count(&fifo)), (1, 1), "the poll ends last");

    let (inside, wakers) = (Arc::new(()), Arc::<Mutex<Vec<Waker>>>::default());
    let (kept, left) = (inside.clone(), wakers.clone());
    drop(fifo.spawn(1, async move {
        let _kept = kept;
        poll_fn(|cx| -> Poll<()> {
            *left.lock().unwrap() = vec![cx.waker().clone(), cx.waker().clone()];
            Poll::Pending
        })
        .await;
    }));
    fifo.run();
    let mut wakers = std::mem::take(&mut *wakers.lock().unwrap());
    wakers.pop();
    assert_eq!(Arc::strong_count(&inside), 2, "it can still be woken");
    thread::spawn(move || drop(wakers)).join().unwrap();
    assert_eq!((Arc::strong_count(&inside), Arc::strong_count(&fifo)), (1, 1), "a waker goes last");
}

#[test]
fn a_local_task_that_nothing_can_wake_is_freed_on_its_thread() {
    let (fifo, inside) = (Fifo::new(), Rc::new(()));
    let kept = inside.clone();
    let future = async move {
        let _kept = kept;
        pending::<()>().await;
    };
    let (task, handle) = builder().spawn_local(future, fifo.clone());
    fifo.schedule(task);
    fifo.run();
    thread::spawn(move || drop(handle)).join().unwrap();
    assert_eq!(Rc::strong_count(&inside), 2, "not on that thread");
    fifo.run();
    assert_eq!((Rc::strong_count(&inside), Arc::strong_count(&fifo)), (1, 1));
}

#[test]
fn a_task_of_a_runtime_that_nothing_can_wake_stays_in_its_task_dump() {
    let inside = Arc::new(());
    executor::block_on(async {
        let kept = inside.clone();
        drop(executor::named("forgotten").spawn(async move {
            let _kept = kept;
            pending::<()>().await;
        }));
        yield_now().await;
        assert_eq!(executor::tasks()[1].task.name.as_deref(), Some("forgotten"));
    });
    assert_eq!(Arc::strong_count(&inside), 1, "its end is the runtime's");
}
