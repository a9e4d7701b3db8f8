//! Two runs of one runtime: an event of one is not attributed to a task of the other.

use executor::observer::WokenBy;
use executor::task::TaskRef;
use executor::{Observer, ReactorObserver, Runtime, named, spawn_blocking};
use std::future::poll_fn;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use tests::within;

/// Keeps the cause of each wake of a task with the name `second`.
#[derive(Default)]
struct Causes(Mutex<Vec<WokenBy>>);

impl ReactorObserver for Causes {}

impl Observer for Causes {
    fn task_woken(&self, task: TaskRef<'_>, by: WokenBy) {
        if task.name() == Some("second") {
            self.0.lock().unwrap().push(by);
        }
    }
}

#[test]
fn a_blocking_call_that_outlives_its_run_is_no_task_of_the_next_run() {
    within(20, || {
        let causes = Arc::new(Causes::default());
        let runtime = Runtime::builder().observer(causes.clone()).build().unwrap();
        let (send, wakers): (Sender<Waker>, Receiver<Waker>) = channel();
        let (begun, has_begun) = channel();
        runtime.block_on(async {
            // Dropped with the run, while the call waits for the second run.
            drop(spawn_blocking(move || {
                begun.send(()).unwrap();
                wakers.recv().unwrap().wake();
            }));
            has_begun.recv().unwrap();
        });
        runtime.block_on(async {
            let mut sent = false;
            let woken = named("second").spawn(poll_fn(move |cx| {
                if std::mem::replace(&mut sent, true) {
                    return Poll::Ready(());
                }
                send.send(cx.waker().clone()).unwrap();
                Poll::Pending
            }));
            woken.await.unwrap();
        });
        assert_eq!(*causes.0.lock().unwrap(), [WokenBy::Outside]);
    });
}
