//! Which task or thread cancelled a task, and why.

use super::{Alive, ms, shielded, virtually};
use executor::task::{CancelledBy, Finish, TaskState};
use executor::time::sleep;
use executor::{block_on, named, spawn, yield_now};
use futures_lite::future::pending;
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use tests::{Log, within};

#[test]
fn a_cancelled_error_names_the_task_that_cancelled_the_line_and_the_reason() {
    virtually(async {
        let victim = named("victim").spawn(pending::<()>());
        let id = victim.id();
        let line = Arc::new(AtomicUsize::new(0));
        let canceller = victim.canceller();
        let killer = named("killer").spawn({
            let line = line.clone();
            async move {
                line.store(line!() as usize + 1, Ordering::Relaxed);
                canceller.cancel_because("too slow");
            }
        });
        let killer_id = killer.id();
        killer.await.unwrap();
        let place = victim.spawned_at();
        let error = victim.explained().await.unwrap_err();
        let cancellation = error.cancellation.clone().unwrap();
        assert_eq!(cancellation.by, CancelledBy::Task { id: killer_id, name: Some("killer".into()) });
        assert_eq!((cancellation.at.file(), cancellation.at.line() as usize), (file!(), line.load(Ordering::Relaxed)));
        assert_eq!(cancellation.reason.as_deref(), Some("too slow"));
        let text = format!(
            "task {id} \"victim\" (spawned at {place}) was cancelled by task {killer_id} \"killer\" at {}: too slow",
            cancellation.at
        );
        assert_eq!(error.to_string(), text);
        assert!(error.error.is_cancelled());

        // Without names and reasons.
        let victim = spawn(pending::<()>());
        let (id, place, line) = (victim.id(), victim.spawned_at(), line!() + 1);
        victim.cancel();
        let error = victim.explained().await.unwrap_err();
        let at = error.cancellation.as_ref().unwrap().at;
        assert_eq!((at.file(), at.line()), (file!(), line));
        assert_eq!(error.to_string(), format!("task {id} (spawned at {place}) was cancelled by task 1 at {at}"));
    });
}

#[test]
fn a_cancel_outside_of_a_task_is_reported_with_the_name_of_its_thread() {
    within(20, || {
        block_on(async {
            for (name, told) in [(Some("butler"), "thread \"butler\""), (None, "thread \"without a name\"")] {
                let task = spawn(pending::<()>());
                yield_now().await;
                let canceller = task.canceller();
                let thread = name.iter().fold(thread::Builder::new(), |new, name| new.name((*name).to_owned()));
                let line = line!() + 1;
                let thread = thread.spawn(move || canceller.cancel()).unwrap();
                thread.join().unwrap();
                let cancellation = task.explained().await.unwrap_err().cancellation.unwrap();
                assert_eq!((cancellation.by.to_string(), cancellation.at.line()), (told.to_owned(), line));
            }
            // A blocking call is a task, so a cancel on its thread is reported with the call.
            let task = spawn(pending::<()>());
            let canceller = task.canceller();
            let call = named("call").spawn_blocking(move || canceller.clone().cancel());
            let id = call.id();
            call.await.unwrap();
            let cancellation = task.explained().await.unwrap_err().cancellation.unwrap();
            assert_eq!(cancellation.by, CancelledBy::Task { id, name: Some("call".into()) });
        });
    });
}

#[test]
fn the_first_cancel_is_the_one_that_is_reported() {
    virtually(async {
        let task = spawn(pending::<()>());
        task.cancel_because("first");
        task.canceller().cancel_because("second");
        task.cancel();
        let told = task.explained().await.unwrap_err();
        assert_eq!(told.cancellation.unwrap().reason.as_deref(), Some("first"));

        // The same for a shielded task.
        let task = spawn(shielded(10, Log::new()));
        sleep(ms(1)).await;
        task.cancel_because("first");
        sleep(ms(1)).await;
        task.cancel_because("second");
        let told = task.explained().await.unwrap_err();
        assert_eq!(told.cancellation.unwrap().reason.as_deref(), Some("first"));

        // A task that has completed was not cancelled.
        let task = spawn(async { 7 });
        yield_now().await;
        task.cancel_because("too late");
        assert!(task.canceller().task().cancellation().is_none());
        assert_eq!(task.explained().await.unwrap(), 7);
    });
}

#[test]
fn one_of_several_concurrent_cancels_is_reported() {
    within(30, || {
        block_on(async {
            for _ in 0..200 {
                let task = spawn(pending::<()>());
                yield_now().await;
                let go = Arc::new(Barrier::new(3));
                let threads: Vec<_> = (0..2)
                    .map(|n| {
                        let (go, canceller) = (go.clone(), task.canceller());
                        thread::spawn(move || {
                            go.wait();
                            canceller.cancel_because(n.to_string());
                        })
                    })
                    .collect();
                go.wait();
                let reason = task.explained().await.unwrap_err().cancellation.unwrap().reason.unwrap();
                assert!(["0", "1"].contains(&&*reason));
                threads.into_iter().for_each(|thread| thread.join().unwrap());
            }
        });
    });
}

#[test]
fn an_explained_error_reports_panics_and_the_end_of_the_runtime() {
    let left = RefCell::new(None);
    virtually(async {
        let task = named("fragile").spawn(async {
            if true {
                panic!("on purpose")
            }
        });
        let (id, place) = (task.id(), task.spawned_at());
        let error = task.explained().await.unwrap_err();
        assert_eq!(error.to_string(), format!("task {id} \"fragile\" (spawned at {place}) panicked: on purpose"));
        assert!(error.cancellation.is_none() && error.error.is_panic());
        assert_eq!(spawn(async { 7 }).explained().await.unwrap(), 7);
        *left.borrow_mut() = Some(spawn(pending::<()>()));
    });
    let error = futures_lite::future::block_on(left.take().unwrap().explained()).unwrap_err();
    assert!(error.to_string().ends_with(" was cancelled, as its runtime ended"), "{error}");
}

#[test]
fn a_handle_that_cancels_on_drop_does_so_unless_its_task_is_over() {
    virtually(async {
        let alive = Alive::new();
        let task = spawn(alive.clone().park::<()>());
        let canceller = task.canceller();
        yield_now().await;
        drop(task.cancel_on_drop());
        yield_now().await;
        assert_eq!((alive.count(), canceller.task().state()), (0, TaskState::Completed(Finish::Cancelled)));
        let cancellation = canceller.task().cancellation().unwrap();
        assert_eq!(cancellation.reason.as_deref(), Some("its handle was dropped"));

        let task = spawn(async { 7 });
        let canceller = task.canceller();
        assert_eq!(task.cancel_on_drop().await.unwrap(), 7);
        assert!(canceller.task().cancellation().is_none());
        assert_eq!(canceller.task().state(), TaskState::Completed(Finish::Ready));

        let task = spawn(async { 7 });
        let canceller = task.canceller();
        yield_now().await;
        drop(task.cancel_on_drop());
        assert!(canceller.task().cancellation().is_none());
    });
}

#[test]
fn a_canceller_outlives_the_handle_the_task_and_the_runtime_and_keeps_neither_future_nor_output() {
    let (alive, canceller) = virtually(async {
        let alive = Alive::new();
        let task = spawn({
            let output = alive.clone();
            async move { output }
        });
        let done = task.canceller();
        drop(task.await.unwrap());
        assert_eq!(alive.count(), 0);
        done.cancel();
        assert_eq!(done.task().state(), TaskState::Completed(Finish::Ready));

        let task = named("parked").spawn(alive.clone().park::<()>());
        let canceller = task.canceller().clone();
        drop(task);
        yield_now().await;
        assert_eq!(alive.count(), 1);
        canceller.cancel();
        yield_now().await;
        assert_eq!(alive.count(), 0);
        (alive, canceller)
    });
    canceller.cancel();
    let text = format!("{canceller:?}");
    assert!(
        text.starts_with("Canceller(task 3 \"parked\" (cancelled, spawned at tests/tests/combine/cancellation.rs:"),
        "{text}"
    );
    thread::spawn(move || drop(canceller)).join().unwrap();
    assert_eq!(alive.count(), 0);
}
