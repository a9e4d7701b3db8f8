//! What an observer is shown of a task besides its polls: hand-overs, dropped wakers, panics, outputs that are not
//! taken.
//!
//! Observed through the recorder, which keeps exactly what it is shown.

use executor::sync::{Semaphore, channel};
use executor::time::{Duration, sleep};
use executor::trace::{By, Event, How, Recorder, Trace};
use executor::{Runtime, join_all, named, spawn, spawn_blocking, spawn_local, yield_now};
use futures_lite::future::pending;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;

/// Records this program on a virtual clock.
fn record<F: Future>(program: F) -> Trace {
    let recorder = Arc::new(Recorder::new());
    let runtime = Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    runtime.block_on(program);
    recorder.trace()
}

/// The events that concern a task.
fn of(trace: &Trace, task: u64) -> Vec<&Event> {
    trace.records.iter().map(|record| &record.event).filter(|event| event.task() == Some(task)).collect()
}

fn strandings(trace: &Trace) -> Vec<(u64, bool)> {
    let stranded = |event: &Event| match event {
        Event::Stranded { task, lost } => Some((*task, *lost)),
        _ => None,
    };
    trace.records.iter().filter_map(|record| stranded(&record.event)).collect()
}

// ---- dropped wakers ----

#[test]
fn a_task_that_leaves_no_waker_is_stranded() {
    let trace = record(async {
        let never = spawn(pending::<()>());
        yield_now().await;
        never.cancel();
    });
    assert_eq!(strandings(&trace), [(2, false)]);
}

#[test]
fn a_task_is_stranded_when_its_last_waker_is_dropped() {
    let trace = record(async {
        let (give, taken) = mpsc::channel::<Waker>();
        let lost = spawn(poll_fn(move |cx| {
            give.send(cx.waker().clone()).unwrap();
            Poll::<()>::Pending
        }));
        yield_now().await;
        let waker = taken.recv().unwrap();
        let second = waker.clone();
        drop(waker);
        yield_now().await;
        drop(second); // the last one
        yield_now().await;
        lost.cancel();
    });
    assert_eq!(strandings(&trace), [(2, true)]);
    let events = of(&trace, 2);
    let at = events.iter().position(|event| matches!(event, Event::Stranded { .. })).unwrap();
    assert!(matches!(events[at - 1], Event::WakerDropped { by: By::Task(1), chain: Some(_), .. }), "{events:?}");
    assert!(matches!(events[at - 2], Event::PollEnds { .. }), "not before the last one goes: {events:?}");
}

#[test]
fn a_task_whose_waker_is_dropped_within_its_poll_is_stranded_when_the_poll_ends() {
    let trace = record(async {
        let lost = spawn(poll_fn(|cx| {
            drop(cx.waker().clone());
            Poll::<()>::Pending
        }));
        yield_now().await;
        lost.cancel();
    });
    assert_eq!(strandings(&trace), [(2, true)]);
}

#[test]
fn a_poll_that_makes_no_waker_strands_its_task_even_after_polls_that_made_one() {
    let trace = record(async {
        let mut wakes = Some(());
        drop(spawn(poll_fn(move |cx| {
            if wakes.take().is_some() {
                let waker = cx.waker().clone();
                waker.wake(); // which consumes it, the only waker
            }
            Poll::<()>::Pending
        })));
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(strandings(&trace), [(2, false)]); // by its second poll, which made no waker
}

#[test]
fn wakes_between_two_polls_are_one_event_and_wakes_after_the_end_are_none() {
    let trace = record(async {
        let waker = Rc::new(RefCell::new(None));
        let stash = waker.clone();
        let task = spawn_local(poll_fn(move |cx| match stash.borrow_mut().replace(cx.waker().clone()) {
            Some(_) => Poll::Ready(()),
            None => Poll::Pending,
        }));
        yield_now().await;
        let wake = || waker.borrow().iter().for_each(Waker::wake_by_ref);
        wake();
        wake();
        task.await.unwrap();
        wake();
    });
    assert_eq!(of(&trace, 2).iter().filter(|event| matches!(event, Event::Woken { .. })).count(), 1);
}

#[test]
fn tasks_that_are_left_at_the_end_are_cancelled_in_the_order_of_spawning() {
    let waits = |waits: bool| async move {
        if waits {
            pending().await
        }
    };
    let trace = record(async {
        let first = spawn(waits(false));
        drop(spawn(waits(true)));
        first.await.unwrap();
        drop(spawn(waits(true))); // in the slab slot of the first
    });
    let cancelled = trace.records.iter().filter(|record| matches!(record.event, Event::Cancelled { .. }));
    assert_eq!(cancelled.filter_map(|record| record.event.task()).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn a_task_that_can_still_be_woken_is_not_stranded() {
    let trace = record(async {
        let semaphore = Semaphore::new(0);
        let (send, receive) = channel::<()>(1);
        let waits = async { drop(semaphore.acquire().await) };
        let sleeps = spawn(sleep(Duration::from_secs(1)));
        let calls = spawn_blocking(|| thread::sleep(Duration::from_millis(1)));
        let receives = spawn(async move { receive.recv().await });
        let gives = async {
            yield_now().await;
            semaphore.add_permits(1);
        };
        futures_lite::future::zip(waits, gives).await;
        sleeps.await.unwrap();
        calls.await.unwrap();
        drop(send);
        assert!(receives.await.unwrap().is_err());
    });
    assert_eq!(strandings(&trace), []);
}

#[test]
fn a_waker_that_is_dropped_as_its_thread_ends_is_reported() {
    thread_local! {
        static KEPT: RefCell<Option<Waker>> = const { RefCell::new(None) };
    }
    let recorder = Arc::new(Recorder::new());
    let runtime = Runtime::builder().observer(recorder.clone()).build().unwrap();
    runtime.block_on(async {
        let lost = spawn(poll_fn(|cx| {
            let waker = cx.waker().clone();
            thread::spawn(move || KEPT.set(Some(waker))).join().unwrap();
            Poll::<()>::Pending
        }));
        yield_now().await;
        lost.cancel();
    });
    assert_eq!(strandings(&recorder.trace()), [(2, true)]);
}

// ---- hand-overs ----

#[test]
fn a_hand_over_is_reported_before_the_wake_with_the_creation_location_of_the_primitive() {
    let trace = record(async {
        let (send, receive) = channel(0);
        let receives = spawn(async move { receive.recv().await });
        yield_now().await;
        send.send(1).await.unwrap();
        receives.await.unwrap().unwrap();
    });
    let events = of(&trace, 2);
    let at = events.iter().position(|event| matches!(event, Event::HandedOver { .. })).expect("a message was");
    let Event::HandedOver { kind, place, .. } = events[at] else { unreachable!() };
    assert_eq!(&**kind, "channel");
    assert!(trace.places[*place as usize].file.ends_with("handovers.rs"));
    assert!(matches!(events[at + 1], Event::Woken { by: By::Task(1), .. }));
}

#[test]
fn a_wake_without_a_hand_over_reports_none() {
    let trace = record(async {
        sleep(Duration::from_millis(1)).await;
        yield_now().await;
        spawn(async {}).await.unwrap();
    });
    assert!(!trace.records.iter().any(|record| matches!(record.event, Event::HandedOver { .. })));
}

#[test]
fn the_wake_of_a_blocking_call_names_the_call() {
    let trace = record(async { spawn_blocking(|| ()).await.unwrap() });
    let by = of(&trace, 1).into_iter().find_map(|event| match event {
        Event::Woken { by, .. } => Some(by),
        _ => None,
    });
    // There is no wake if the call ended before the task waited for it.
    assert!(by.is_none_or(|by| *by == By::Task(2)), "{by:?}");
}

// ---- ends ----

#[test]
fn an_event_of_a_runtime_inside_a_blocking_call_is_not_attributed_to_the_call() {
    executor::block_on(async {
        let inner = spawn_blocking(|| record(async { drop(spawn(pending::<()>())) })).await.unwrap();
        let is_by = |by: fn(&Event) -> bool| inner.records.iter().any(|record| by(&record.event));
        assert!(is_by(|event| matches!(event, Event::Spawned { task: 1, by: None, .. })));
        assert!(is_by(|event| matches!(event, Event::Cancelled { task: 2, by: By::Thread(_), .. })));
    });
}

#[test]
fn a_panic_is_reported_with_its_message_and_an_output_that_is_not_taken_as_dropped() {
    let trace = record(async {
        let seen = spawn(async { std::panic::resume_unwind(Box::new("seen")) });
        drop(spawn(async { std::panic::resume_unwind(Box::new("unseen".to_owned())) }));
        let _: Result<(), _> = seen.await;
        drop(spawn(async { 3 }));
        yield_now().await;
    });
    let said = |task| {
        of(&trace, task).into_iter().find_map(|event| match event {
            Event::Panicked { message, .. } => message.clone(),
            _ => None,
        })
    };
    assert_eq!((said(2).as_deref(), said(3).as_deref()), (Some("seen"), Some("unseen")));
    let dropped = |task| {
        of(&trace, task).into_iter().find_map(|event| match event {
            Event::OutputDropped { how, .. } => Some(*how),
            _ => None,
        })
    };
    assert_eq!((dropped(2), dropped(3), dropped(4)), (None, Some(How::Panicked), Some(How::Ready)));
}

#[test]
fn a_task_is_freed_with_its_last_waker() {
    let (give, taken) = mpsc::channel::<Waker>();
    let recorder = Arc::new(Recorder::new());
    let runtime = Runtime::builder().observer(recorder.clone()).build().unwrap();
    runtime.block_on(async move {
        spawn(poll_fn(move |cx| {
            give.send(cx.waker().clone()).unwrap();
            Poll::Ready(())
        }))
        .await
        .unwrap();
    });
    let is_freed = || of(&recorder.trace(), 2).contains(&&Event::Freed { task: 2 });
    assert!(!is_freed());
    drop(taken.recv().unwrap());
    assert!(is_freed());
}

// ---- observing changes nothing ----

#[test]
fn a_recorder_polls_no_task_that_was_not_woken() {
    let polls = |recorded: bool| {
        let polls = std::rc::Rc::new(std::cell::Cell::new(0));
        let counting = polls.clone();
        let program = async move {
            let child = |n: u64| {
                let (counting, mut sleep) = (counting.clone(), Box::pin(sleep(Duration::from_millis(n))));
                poll_fn(move |cx| {
                    counting.set(counting.get() + 1);
                    sleep.as_mut().poll(cx)
                })
            };
            join_all((1..=10).map(child)).await;
        };
        match recorded {
            true => drop(record(program)),
            false => Runtime::builder().virtual_clock().build().unwrap().block_on(program),
        }
        polls.get()
    };
    assert_eq!(polls(true), polls(false));
}

#[test]
fn the_task_dump_of_a_recorded_run_is_complete() {
    let listed = |recorded: bool| {
        let (give, taken) = mpsc::channel();
        let program = async move {
            let children = (0..3).map(|_| sleep(Duration::from_secs(1)));
            let waits = named("waits").spawn(join_all(children.collect::<Vec<_>>()));
            yield_now().await;
            give.send(executor::tasks()[1].waits.len()).unwrap();
            waits.await.unwrap();
        };
        match recorded {
            true => drop(record(program)),
            false => Runtime::builder().virtual_clock().build().unwrap().block_on(program),
        }
        taken.recv().unwrap()
    };
    assert_eq!((listed(true), listed(false)), (3, 3));
}

#[test]
fn a_recorder_is_dropped_with_its_last_owner() {
    let recorder = Arc::new(Recorder::new());
    let left = Arc::downgrade(&recorder);
    let runtime = Runtime::builder().virtual_clock().observer(recorder).build().unwrap();
    runtime.block_on(sleep(Duration::from_secs(1)));
    drop(runtime);
    assert!(left.upgrade().is_none());
}

#[test]
fn a_program_that_recurses_does_not_fill_the_memory_with_its_stacks() {
    /// Waits with two to the power of `depth` different stacks.
    fn branch(depth: u32) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            if depth == 0 {
                return yield_now().await;
            }
            branch(depth - 1).await;
            branch(depth - 1).await;
        })
    }
    let trace = record(branch(14));
    assert!((16_384..16_400).contains(&trace.chains.len()), "{}", trace.chains.len());
    let waits = trace.records.iter().filter(|record| matches!(record.event, Event::Waits { .. }));
    assert_eq!(waits.count(), 1 << 14);
}

#[test]
fn two_observers_see_the_same() {
    let (first, second) = (Arc::new(Recorder::new()), Arc::new(Recorder::new()));
    let both = Arc::new((first.clone(), second.clone()));
    let runtime = Runtime::builder().virtual_clock().observer(both).build().unwrap();
    runtime.block_on(async {
        named("other").spawn(sleep(Duration::from_millis(3))).await.unwrap();
    });
    assert_eq!(first.trace(), second.trace());
    assert!(first.events() > 10);
}

#[test]
fn the_callback_of_a_recorder_gets_each_event_after_it_is_recorded() {
    let (tell, told) = mpsc::channel();
    let recorder = Arc::new(Recorder::new().and_then(move |record| tell.send(record.clone()).unwrap()));
    let runtime = Runtime::builder().virtual_clock().observer(recorder.clone()).build().unwrap();
    runtime.block_on(yield_now());
    drop(runtime);
    let trace = recorder.trace();
    drop(recorder);
    assert_eq!(told.iter().collect::<Vec<_>>(), trace.records);
}
