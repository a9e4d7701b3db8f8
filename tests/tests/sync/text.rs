//! The `Debug` output of the primitives, and how a task that waits for one is listed.

use super::kit::{panic_text, waiting};
use executor::Runtime;
use executor::sync::{
    Barrier, Condvar, Event, Mutex, RwLock, Semaphore, broadcast, channel, oneshot, unbounded, watch,
};
use futures_lite::StreamExt;
use std::future::Future;

/// The file that the primitives below are made in, as their texts name it.
const HERE: &str = file!();

#[test]
fn debug_output_names_the_kind_and_the_creation_location() {
    let at = |line: u32, column: u32| format!("made at {HERE}:{line}:{column}");
    let (semaphore, line) = (Semaphore::new(2), line!());
    assert_eq!(format!("{semaphore:?}"), format!("the semaphore {} (2 available)", at(line, 30)));
    let permit = format!("{:?}", semaphore.try_acquire().unwrap());
    assert!(permit.contains("(1 available)") && permit.contains("permits: 1"), "{permit}");
    let (event, line) = (Event::new(), line!());
    assert_eq!(format!("{event:?}"), format!("the event {} (not set)", at(line, 26)));
    event.set();
    assert_eq!(format!("{event:?}"), format!("the event {} (set)", at(line, 26)));
    let (changed, line) = (Condvar::new(), line!());
    assert_eq!(format!("{changed:?}"), format!("the condition {}", at(line, 28)));
    let (barrier, line) = (Barrier::new(3), line!());
    let _waits = waiting(barrier.wait());
    assert_eq!(format!("{barrier:?}"), format!("the barrier {} (1 of 3 have arrived)", at(line, 28)));
    let ((tx, rx), line) = (channel(1), line!());
    tx.try_send(1).unwrap();
    assert_eq!(format!("{tx:?}"), format!("Sender of the channel {} (1 message)", at(line, 29)));
    rx.close();
    assert_eq!(format!("{rx:?}"), format!("Receiver of the channel {} (closed, 1 message)", at(line, 29)));
    let ((tx, _), line) = (unbounded::<()>(), line!());
    assert_eq!(format!("{tx:?}"), format!("Sender of the channel {} (closed, 0 messages)", at(line, 28)));
    let ((tx, rx), line) = (oneshot::<()>(), line!());
    let place = at(line, 29);
    assert_eq!(
        format!("{tx:?}, {rx:?}"),
        format!("Sender of the oneshot channel {place}, Receiver of the oneshot channel {place}")
    );
    let ((tx, rx), line) = (broadcast::<()>(1), line!());
    let place = at(line, 29);
    assert_eq!(
        format!("{tx:?}, {rx:?}"),
        format!("Sender of the broadcast channel {place}, Receiver of the broadcast channel {place}")
    );
    let ((tx, rx), line) = (watch(1), line!());
    let place = at(line, 29);
    assert_eq!(
        format!("{tx:?}, {rx:?}"),
        format!("Sender of the watched value {place}, Receiver of the watched value {place}")
    );
    let (event, line) = (Event::default(), line!());
    assert!(format!("{event:?}").contains(&at(line, 26)), "also if it was made by default");
}

/// Returns the deadlock report for a future that is never woken.
fn why_it_waits(future: impl Future<Output = ()>) -> String {
    let runtime = Runtime::builder().detect_deadlock(true).build().unwrap();
    panic_text(|| runtime.block_on(future))
}

/// Checks that the deadlock report lists a task with the primitive that it waits for and the creation location of that.
#[track_caller]
fn waits_for(kind: &str, wait: impl Future<Output = ()> + 'static) {
    let text = why_it_waits(wait);
    let place = format!("{kind} made at {HERE}:");
    assert!(text.contains(&place), "`{place}` is not in:\n{text}");
}

#[test]
fn a_task_that_waits_for_a_lock_or_a_signal_is_listed_with_it() {
    waits_for("acquire on the semaphore", async { drop(Semaphore::new(0).acquire().await) });
    waits_for("acquire on the mutex", async {
        let mutex = Mutex::new(());
        let _guard = mutex.lock().await;
        drop(mutex.lock().await);
    });
    waits_for("acquire on the read-write lock", async {
        let lock = RwLock::new(());
        let _guard = lock.read().await;
        drop(lock.write().await);
    });
    waits_for("wait for the event", async { Event::new().wait().await });
    waits_for("wait for the condition", async {
        let mutex = Mutex::new(());
        drop(Condvar::new().wait(mutex.lock().await).await);
    });
    waits_for("wait for the others at the barrier", async { assert!(Barrier::new(2).wait().await) });
}

#[test]
fn a_task_that_waits_for_a_message_is_listed_with_its_channel() {
    waits_for("receive on the channel", async {
        let (_tx, rx) = channel::<()>(1);
        rx.recv().await.unwrap();
    });
    waits_for("receive on the channel", async {
        let (_tx, mut rx) = unbounded::<()>();
        rx.next().await;
    });
    waits_for("send on the channel", async {
        let (tx, _rx) = channel(0);
        tx.send(()).await.unwrap();
    });
    waits_for("receive on the oneshot channel", async {
        let (_tx, rx) = oneshot::<()>();
        rx.await.unwrap();
    });
    waits_for("wait for the close of the oneshot channel", async {
        let (mut tx, _rx) = oneshot::<()>();
        tx.closed().await;
    });
    waits_for("receive on the broadcast channel", async {
        let (_tx, mut rx) = broadcast::<()>(1);
        rx.recv().await.unwrap();
    });
    waits_for("wait for a change of the watched value", async {
        let (_tx, mut rx) = watch(());
        rx.changed().await.unwrap();
    });
}
