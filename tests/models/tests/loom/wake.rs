//! Wakes, polls, cancels and the end of a task.

use super::kit::{Drops, WakerPlace, every_interleaving, interleavings_with, polled, spawn};
use crate::task::JoinError;
use loom::sync::Arc as LoomArc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use std::task::{Context, Poll};

/// A flag that two threads pass on without any order of its own: only a wake makes it seen.
fn flag() -> (LoomArc<AtomicUsize>, LoomArc<AtomicUsize>) {
    let flag = LoomArc::new(AtomicUsize::new(0));
    (flag.clone(), flag)
}

// Invariant 1: a wake is never lost, nor runs a task twice. Both threads write before they wake;
// the poll that comes last must see both, though one of the wakes found the task woken already.
#[test]
fn two_wakes_and_a_poll() {
    interleavings_with(2, || {
        let drops = Drops::new();
        let place = WakerPlace::new();
        let (written, seen) = flag();
        let (slot, handle, freed) = spawn(polled(&drops, {
            let place = place.clone();
            move |cx: &mut Context<'_>| {
                place.leave(cx);
                if seen.load(Ordering::Relaxed) == 2 { Poll::Ready(()) } else { Poll::Pending }
            }
        }));
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
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// Invariant 1: a wake that comes during a poll leads to another one; one that comes as the poll
// ends is either seen by its runner or schedules the task, never both (the slot has room for one).
#[test]
fn a_wake_during_a_poll() {
    every_interleaving(|| {
        let drops = Drops::new();
        let (written, seen) = flag();
        let mut wakes = None;
        let (slot, handle, freed) = spawn(polled(&drops, {
            move |cx: &mut Context<'_>| {
                // The first poll brings the thread to life that wakes; so it may do so within it.
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
fn a_wake_by_itself_and_two_by_another_thread() {
    every_interleaving(|| {
        let drops = Drops::new();
        let place = WakerPlace::new();
        let (written, seen) = flag();
        let (slot, handle, freed) = spawn(polled(&drops, {
            let place = place.clone();
            let mut polls = 0;
            move |cx: &mut Context<'_>| {
                polls += 1;
                if polls == 1 {
                    place.leave(cx);
                } else if polls == 2 {
                    cx.waker().wake_by_ref();
                }
                if seen.load(Ordering::Relaxed) == 2 { Poll::Ready(()) } else { Poll::Pending }
            }
        }));
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
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// Invariants 1, 2 and 9: a wake beside the last poll. The task is never polled after it finished,
// the future goes with it, the memory with the waker or the runner, whoever is last.
#[test]
fn a_wake_and_the_finish() {
    every_interleaving(|| {
        let drops = Drops::new();
        let place = WakerPlace::new();
        let (slot, handle, freed) = spawn(polled(&drops, {
            let place = place.clone();
            let mut polls = 0;
            move |cx: &mut Context<'_>| {
                polls += 1;
                assert!(polls <= 2, "polled after it was ready");
                place.leave(cx);
                cx.waker().wake_by_ref();
                if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
            }
        }));
        drop(handle);
        assert!(slot.run_if_ready());
        let waker = place.take();
        let other = thread::spawn(move || waker.wake());
        slot.run_to_the_end();
        assert_eq!(drops.count(), 1, "the future goes at the finish, whoever has wakers");
        assert_eq!(freed.count(), 0, "its memory does not");
        drop(place.take());
        other.join().unwrap();
        assert_eq!(freed.count(), 1);
        assert!(!slot.run_if_ready(), "a finished task was scheduled");
    });
}

// Invariants 2 and 9: the last waker is dropped on another thread while the task finishes.
#[test]
fn the_last_waker_dropped_and_the_finish() {
    every_interleaving(|| {
        let drops = Drops::new();
        let place = WakerPlace::new();
        let (slot, handle, freed) = spawn(polled(&drops, {
            let place = place.clone();
            move |cx: &mut Context<'_>| {
                place.leave(cx);
                Poll::Ready(())
            }
        }));
        drop(handle);
        // A clone of the waker is dropped as well, so that a count that is off by one shows.
        let runner = thread::spawn({
            let slot = slot.clone();
            move || assert!(slot.run_if_ready())
        });
        runner.join().unwrap();
        assert_eq!((drops.count(), freed.count()), (1, 0));
        let waker = place.take();
        let clone = waker.clone();
        let other = thread::spawn(move || drop(clone));
        drop(waker);
        other.join().unwrap();
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// Invariants 2 and 9: the waker that causes the last run is dropped beside it. Whether that or the
// finish comes last, the memory goes after both.
#[test]
fn a_waker_dropped_during_the_last_run() {
    every_interleaving(|| {
        let drops = Drops::new();
        let place = WakerPlace::new();
        let (slot, handle, freed) = spawn(polled(&drops, {
            let place = place.clone();
            let mut polls = 0;
            move |cx: &mut Context<'_>| {
                polls += 1;
                if polls == 1 {
                    place.leave(cx);
                    return Poll::Pending;
                }
                Poll::Ready(())
            }
        }));
        drop(handle);
        assert!(slot.run_if_ready());
        let waker = place.take();
        let other = thread::spawn(move || waker.wake());
        slot.run_to_the_end();
        assert_eq!(drops.count(), 1);
        other.join().unwrap();
        assert_eq!(freed.count(), 1);
    });
}

// Invariant 3: a cancel beside a poll that suspends. The future is dropped by the runner, never
// by the canceller, and the handle learns of it after.
#[test]
fn a_cancel_and_a_poll() {
    interleavings_with(3, || {
        let drops = Drops::new();
        let (slot, handle, freed) = spawn(polled(&drops, |_: &mut Context<'_>| Poll::<()>::Pending));
        let canceller = thread::spawn({
            let drops = drops.clone();
            move || {
                handle.cancel();
                handle.cancel();
                let joined = super::kit::block_on(handle, false);
                assert!(matches!(joined, Err(JoinError::Cancelled)));
                assert_eq!(drops.count(), 1, "the handle resolves after the future's drop");
            }
        });
        slot.run_to_the_end();
        canceller.join().unwrap();
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// Invariant 3: a cancel beside the finish: the handle gives the output or says that it was
// cancelled, and the future is dropped once in either case.
#[test]
fn a_cancel_and_the_finish() {
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
        assert!(handle.is_finished());
        match super::kit::block_on(handle, false) {
            Ok(output) => output.touch(),
            Err(error) => assert!(error.is_cancelled() && outputs.count() == 0),
        }
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// Invariants 1 and 3: a cancel and a wake of a sleeping task: one of them schedules it, not both,
// and it is not polled once more.
#[test]
fn a_cancel_and_a_wake() {
    interleavings_with(3, || {
        let drops = Drops::new();
        let place = WakerPlace::new();
        let (slot, handle, freed) = spawn(polled(&drops, {
            let place = place.clone();
            move |cx: &mut Context<'_>| {
                place.leave(cx);
                Poll::<()>::Pending
            }
        }));
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
        assert!(matches!(super::kit::block_on(handle, false), Err(JoinError::Cancelled)));
        place.clear();
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// Invariants 2 and 3: the right to run is dropped instead of used, while another thread wakes and
// cancels: it ends there and then, once.
#[test]
fn a_dropped_right_to_run_and_a_wake() {
    every_interleaving(|| {
        let drops = Drops::new();
        let place = WakerPlace::new();
        let (slot, handle, freed) = spawn(polled(&drops, {
            let place = place.clone();
            move |cx: &mut Context<'_>| {
                place.leave(cx);
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            }
        }));
        assert!(slot.run_if_ready());
        let waker = place.take();
        let other = thread::spawn(move || {
            waker.wake();
            handle.cancel();
            handle
        });
        slot.drop_if_ready();
        assert_eq!(drops.count(), 1);
        let handle = other.join().unwrap();
        assert!(matches!(super::kit::block_on(handle, false), Err(JoinError::Cancelled)));
        assert!(!slot.run_if_ready());
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// Invariants 1 and 2: two threads run one task in turn: what the first poll wrote without any
// order, the second sees. Between the two stand only a suspend on the one thread, and a wake and a
// begin on the other.
#[test]
fn two_runners_take_turns() {
    every_interleaving(|| {
        let drops = Drops::new();
        let place = WakerPlace::new();
        let (slot, handle, freed) = spawn(polled(&drops, {
            let place = place.clone();
            let mut polls = 0;
            move |cx: &mut Context<'_>| {
                polls += 1;
                if polls == 1 {
                    place.leave(cx);
                }
                Poll::<()>::Pending
            }
        }));
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
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}
