//! The program whose events are compared. In a file of its own, so that the lines at which it
//! spawns and sleeps change only when it does.

use executor::time::{Duration, interval, sleep, timeout};
use executor::{Runtime, named, spawn, spawn_local, yield_now};
use futures_lite::StreamExt;
use futures_lite::future::pending;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// One task sleeps, another one waits for it to set a flag and wake it; a third panics, a fourth
/// is cancelled, a fifth is left; timers fire, one is taken back.
pub(crate) fn run(runtime: &Runtime) {
    runtime.block_on(async {
        let place: Rc<RefCell<Option<Waker>>> = Rc::default();
        let woken = named("woken").spawn_local({
            let place = place.clone();
            let mut polls = 0;
            poll_fn(move |cx| {
                polls += 1;
                place.borrow_mut().replace(cx.waker().clone());
                if polls == 2 { Poll::Ready(polls) } else { Poll::Pending }
            })
        });
        let sleeper = spawn_local(async move {
            sleep(Duration::from_millis(100)).await;
            let waker = place.borrow_mut().take().expect("the other one was polled first");
            waker.wake_by_ref();
            waker.wake();
        });
        assert_eq!(woken.await.unwrap(), 2);
        sleeper.await.unwrap();

        let panics = spawn(async { std::panic::resume_unwind(Box::new("quietly")) });
        let cancelled = spawn(pending::<()>());
        yield_now().await;
        cancelled.cancel();
        let panicked: Result<(), _> = panics.await;
        assert!(panicked.is_err() && cancelled.await.is_err());

        let in_time = timeout(Duration::from_secs(60), sleep(Duration::from_micros(500)));
        in_time.await.expect("half a millisecond is less than a minute");
        let mut ticks = interval(Duration::from_millis(10));
        for _ in 0..3 {
            ticks.next().await;
        }

        drop(named("left").spawn(async {
            loop {
                sleep(Duration::from_secs(3600)).await;
            }
        }));
        yield_now().await;
    });
}
