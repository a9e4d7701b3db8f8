//! Wakes, polls, cancels and the end of a task.

use super::kit::{Drops, Shared, WakerPlace, block_on, every_interleaving, interleavings_with, polled, spawn};
use crate::task::{JoinError, JoinHandle};
use loom::sync::Arc as LoomArc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A flag with relaxed ordering: only a wake makes what one thread wrote visible to the other.
fn flag() -> (LoomArc<AtomicUsize>, LoomArc<AtomicUsize>) {
    let flag = LoomArc::new(AtomicUsize::new(0));
    (flag.clone(), flag)
}

/// A task with all that refers to it: its slot, its handle, its waker and its counters.
struct Task<T> {
    slot: LoomArc<Shared>,
    handle: JoinHandle<T>,
    place: Arc<WakerPlace>,
    ends: Ends,
}

/// Counts the drops of a task's future, and the frees of its memory.
struct Ends {
    drops: LoomArc<Drops>,
    freed: LoomArc<Drops>,
}

impl Ends {
    #[track_caller]
    fn are(&self, drops: usize, freed: usize) {
        let found = (self.drops.count(), self.freed.count());
        assert!(
            found == (drops, freed),
            "the future was dropped {} times and its memory was freed {} times; expected {drops} and {freed}",
            found.0,
            found.1
        );
    }
}

/// Makes a task, which is queued. Each poll calls `poll` with its number, from 1, and a slot for a waker.
fn task<T: Send + 'static>(
    mut poll: impl FnMut(usize, &WakerPlace, &mut Context<'_>) -> Poll<T> + Send + 'static,
) -> Task<T> {
    let (drops, place) = (Drops::new(), WakerPlace::new());
    let (slot, handle, freed) = spawn(polled(&drops, {
        let (place, mut number) = (place.clone(), 0);
        move |cx: &mut Context<'_>| {
            number += 1;
            poll(number, &place, cx)
        }
    }));
    Task { slot, handle, place, ends: Ends { drops, freed } }
}

// Invariant 1: a wake is never lost, nor runs a task twice. Both threads write before they wake;
// the last poll must see both, although one of the wakes was redundant.
#[test]
fn two_wakes_during_a_poll_are_both_seen() {
    interleavings_with(2, || {
        let (written, seen) = flag();
        let Task { slot, handle, place, ends } = task(move |_, place, cx| {
            place.leave(cx);
            if seen.load(Ordering::Relaxed) == 2 { Poll::Ready(()) } else { Poll::Pending }
        });
        drop(handle);
        assert!(slot.run_if_ready());
        let waker = place.take();
        let threads = [waker.clone(), waker].map(|waker| {
            let written = written.clone();
            thread::spawn(move || {
                written.fetch_add(1, Ordering::Relaxed);
                waker.wake();
            })
        });
        slot.run_to_the_end();
        place.clear();
        for thread in threads {
            thread.join().unwrap();
        }
        ends.are(1, 1);
    });
}

// Invariant 1: a wake that comes during a poll leads to another one; one that comes as the poll
// ends is either seen by its runner or schedules the task, never both (the slot has room for one).
#[test]
fn a_wake_during_a_poll_leads_to_another_poll() {
    every_interleaving(|| {
        let drops = Drops::new();
        let (written, seen) = flag();
        let mut wakes = None;
        let (slot, handle, freed) = spawn(polled(&drops, {
            move |cx: &mut Context<'_>| {
                // The first poll starts the thread that wakes, so the wake may come during that poll.
                if wakes.is_none() {
                    let (waker, written) = (cx.waker().clone(), written.clone());
                    wakes = Some(thread::spawn(move || {
                        written.store(1, Ordering::Relaxed);
                        waker.wake_by_ref();
                    }));
                }
                match seen.load(Ordering::Relaxed) {
                    0 => Poll::Pending,
                    _ => {
                        wakes.take().unwrap().join().unwrap();
                        Poll::Ready(())
                    }
                }
            }
        }));
        drop(handle);
        slot.run_to_the_end();
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// Invariants 1 and 9: a task that wakes itself while another thread wakes it, twice.
#[test]
#[ignore = "it takes long: tests/long.sh runs it"]
fn a_task_that_wakes_itself_during_two_wakes_loses_none() {
    every_interleaving(|| {
        let (written, seen) = flag();
        let Task { slot, handle, place, ends } = task(move |polls, place, cx| {
            if polls == 1 {
                place.leave(cx);
            } else if polls == 2 {
                cx.waker().wake_by_ref();
            }
            if seen.load(Ordering::Relaxed) == 2 { Poll::Ready(()) } else { Poll::Pending }
        });
        drop(handle);
        assert!(slot.run_if_ready());
        let waker = place.take();
        let other = thread::spawn(move || {
            written.fetch_add(1, Ordering::Relaxed);
            waker.wake_by_ref();
            written.fetch_add(1, Ordering::Relaxed);
            waker.wake();
        });
        slot.run_to_the_end();
        other.join().unwrap();
        ends.are(1, 1);
    });
}

// Invariants 1, 2 and 9: a wake during the last poll. The task is never polled after it has completed, the future is
// dropped with it, and the waker or the runner, whichever is last, frees the memory.
#[test]
fn a_wake_during_the_finish_does_not_run_the_task_again() {
    every_interleaving(|| {
        let Task { slot, handle, place, ends } = task(move |polls, place, cx| {
            assert!(polls <= 2, "polled after it was ready");
            place.leave(cx);
            cx.waker().wake_by_ref();
            if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
        });
        drop(handle);
        assert!(slot.run_if_ready());
        let waker = place.take();
        let other = thread::spawn(move || waker.wake());
        slot.run_to_the_end();
        assert_eq!(ends.drops.count(), 1, "the future is dropped at the finish, although there are wakers");
        assert_eq!(ends.freed.count(), 0, "the memory is not freed");
        drop(place.take());
        other.join().unwrap();
        assert_eq!(ends.freed.count(), 1);
        assert!(!slot.run_if_ready(), "a completed task was queued");
    });
}

// Invariants 2 and 9: the last waker is dropped on another thread while the task finishes.
#[test]
fn the_last_waker_dropped_during_the_finish_frees_the_task_once() {
    every_interleaving(|| {
        let Task { slot, handle, place, ends } = task(move |_, place, cx| {
            place.leave(cx);
            Poll::Ready(())
        });
        drop(handle);
        // A clone of the waker is dropped as well, so that a count that is off by one is found.
        let runner = thread::spawn({
            let slot = slot.clone();
            move || assert!(slot.run_if_ready())
        });
        runner.join().unwrap();
        ends.are(1, 0);
        let waker = place.take();
        let clone = waker.clone();
        let other = thread::spawn(move || drop(clone));
        drop(waker);
        other.join().unwrap();
        ends.are(1, 1);
    });
}

// Invariants 2 and 9: the waker that causes the last run is dropped during that run. Whether the drop or the finish
// comes last, the memory is freed after both.
#[test]
fn a_waker_dropped_during_the_last_run_frees_the_task_once() {
    every_interleaving(|| {
        let Task { slot, handle, place, ends } = task(move |polls, place, cx| {
            if polls == 1 {
                place.leave(cx);
                return Poll::Pending;
            }
            Poll::Ready(())
        });
        drop(handle);
        assert!(slot.run_if_ready());
        let waker = place.take();
        let other = thread::spawn(move || waker.wake());
        slot.run_to_the_end();
        assert_eq!(ends.drops.count(), 1);
        other.join().unwrap();
        assert_eq!(ends.freed.count(), 1);
    });
}

// Invariant 3: a cancel during a poll that suspends the task. The future is dropped by the runner, never by the
// canceller, and the handle resolves after that.
#[test]
fn a_cancel_during_a_poll_lets_the_runner_drop_the_future() {
    interleavings_with(3, || {
        let drops = Drops::new();
        let (slot, handle, freed) = spawn(polled(&drops, |_: &mut Context<'_>| Poll::<()>::Pending));
        let canceller = thread::spawn({
            let drops = drops.clone();
            move || {
                handle.cancel();
                handle.cancel();
                let joined = block_on(handle, false);
                assert!(matches!(joined, Err(JoinError::Cancelled)));
                assert_eq!(drops.count(), 1, "the handle resolves after the future's drop");
            }
        });
        slot.run_to_the_end();
        canceller.join().unwrap();
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// Invariant 3: a cancel of a queued, running or suspended task. The run that drops the future sees what the canceller
// wrote with relaxed ordering before the cancel. Unless the task is suspended, only the cancel and `begin` order these.
#[test]
fn the_drop_after_a_cancel_sees_what_the_canceller_wrote() {
    /// Reads a flag when it is dropped. A panic in the drop would end the task and not the model, so the value is kept.
    struct ReadsOnDrop(LoomArc<AtomicUsize>, LoomArc<AtomicUsize>);

    impl Drop for ReadsOnDrop {
        fn drop(&mut self) {
            self.1.store(self.0.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    every_interleaving(|| {
        let (written, seen) = flag();
        let (kept, keeps) = flag();
        let reads = ReadsOnDrop(seen, keeps);
        let Task { slot, handle, ends, .. } = task(move |_, _, _| {
            let _reads = &reads;
            Poll::<()>::Pending
        });
        let canceller = thread::spawn(move || {
            written.store(1, Ordering::Relaxed);
            handle.cancel();
            handle
        });
        slot.run_to_the_end();
        let kept = kept.load(Ordering::Relaxed);
        assert!(kept == 1, "the drop of the cancelled future did not see what the canceller wrote before the cancel");
        drop(canceller.join().unwrap());
        ends.are(1, 1);
    });
}

// Invariant 3: a cancel during the finish: the handle returns the output or says that it was cancelled, and the future
// is dropped once in either case.
#[test]
fn a_cancel_during_the_finish_drops_the_future_once() {
    every_interleaving(|| {
        let drops = Drops::new();
        let outputs = Drops::new();
        let (slot, handle, freed) = spawn(polled(&drops, {
            let outputs = outputs.clone();
            move |_: &mut Context<'_>| Poll::Ready(super::kit::Tracked::new(&outputs))
        }));
        let canceller = thread::spawn(move || {
            handle.cancel();
            handle
        });
        slot.run_to_the_end();
        let handle = canceller.join().unwrap();
        assert!(handle.is_finished(), "the task has run to its end, and its handle is not finished");
        match block_on(handle, false) {
            Ok(output) => output.touch(),
            Err(error) => assert!(error.is_cancelled() && outputs.count() == 0),
        }
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// Invariants 1 and 3: a cancel and a wake of a suspended task: one of them queues it, not both, and it is not polled
// again.
#[test]
#[ignore = "it takes long: tests/long.sh runs it"]
fn a_cancel_during_a_wake_queues_the_task_once() {
    interleavings_with(3, || {
        let Task { slot, handle, place, ends } = task(move |_, place, cx| {
            place.leave(cx);
            Poll::<()>::Pending
        });
        assert!(slot.run_if_ready());
        let waker = place.take();
        let waking = thread::spawn(move || waker.wake());
        let cancelling = thread::spawn(move || {
            handle.cancel();
            handle
        });
        slot.run_to_the_end();
        waking.join().unwrap();
        let handle = cancelling.join().unwrap();
        assert!(matches!(block_on(handle, false), Err(JoinError::Cancelled)));
        place.clear();
        ends.are(1, 1);
    });
}

// Invariants 2 and 3: the runnable is dropped instead of run, while another thread wakes and cancels: the task ends at
// once, and only once.
#[test]
fn a_runnable_dropped_during_a_wake_ends_the_task_once() {
    every_interleaving(|| {
        let Task { slot, handle, place, ends } = task(move |_, place, cx| {
            place.leave(cx);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        });
        assert!(slot.run_if_ready());
        let waker = place.take();
        let other = thread::spawn(move || {
            waker.wake();
            handle.cancel();
            handle
        });
        slot.drop_if_ready();
        assert_eq!(ends.drops.count(), 1);
        let handle = other.join().unwrap();
        assert!(matches!(block_on(handle, false), Err(JoinError::Cancelled)));
        assert!(!slot.run_if_ready());
        ends.are(1, 1);
    });
}

// Invariants 1 and 2: two threads run one task in turn. The second poll sees what the first one wrote with relaxed
// ordering. Between the two there are only a suspend on one thread, and a wake and a begin on the other.
#[test]
fn each_of_two_runners_sees_what_the_other_wrote() {
    every_interleaving(|| {
        let Task { slot, handle, place, ends } = task(move |polls, place, cx| {
            if polls == 1 {
                place.leave(cx);
            }
            Poll::<()>::Pending
        });
        assert!(slot.run_if_ready());
        let waker = place.take();
        waker.wake_by_ref();
        let runner = thread::spawn({
            let slot = slot.clone();
            move || slot.run_if_ready()
        });
        waker.wake();
        slot.run_if_ready();
        runner.join().unwrap();
        handle.cancel();
        slot.run_to_the_end();
        drop(handle);
        ends.are(1, 1);
    });
}
