//! A task without a waker or a handle: exactly one thread sees that, and ends it.

use super::kit::{Drops, WakerPlace, every_interleaving, interleavings_with, polled, spawn, spawn_watched};
use loom::thread;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Leaves a waker in its first poll; a second poll completes it.
fn leaves_a_waker(place: &Arc<WakerPlace>) -> impl FnMut(&mut Context<'_>) -> Poll<()> + use<> {
    let (place, mut polls) = (place.clone(), 0);
    move |cx| {
        polls += 1;
        if polls == 2 {
            return Poll::Ready(());
        }
        place.leave(cx);
        Poll::Pending
    }
}

// The handle is dropped on another thread while a poll that leaves no waker ends.
#[test]
fn a_handle_dropped_as_the_task_suspends_frees_the_task() {
    every_interleaving(|| {
        let drops = Drops::new();
        let (slot, handle, freed) = spawn(polled(&drops, |_| Poll::Pending::<()>));
        let other = thread::spawn(move || drop(handle));
        slot.run_if_ready();
        other.join().unwrap();
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// The last two references, a waker and the handle, are dropped on two threads.
#[test]
fn a_waker_and_a_handle_dropped_at_once_free_the_task() {
    for spawn in [spawn, spawn_watched] {
        interleavings_with(3, move || {
            let (drops, place) = (Drops::new(), WakerPlace::new());
            let (slot, handle, freed) = spawn(polled(&drops, leaves_a_waker(&place)));
            slot.run_if_ready();
            let waker = place.take();
            let other = thread::spawn(move || drop(waker));
            drop(handle);
            other.join().unwrap();
            assert_eq!((drops.count(), freed.count()), (1, 1), "drops of the future, frees of the memory");
        });
    }
}

// A wake that comes first takes precedence: the task runs, and is not ended instead.
#[test]
fn a_handle_dropped_during_the_last_wake_loses_no_poll() {
    every_interleaving(|| {
        let (drops, place) = (Drops::new(), WakerPlace::new());
        let (slot, handle, freed) = spawn(polled(&drops, leaves_a_waker(&place)));
        slot.run_if_ready();
        let waker = place.take();
        let other = thread::spawn(move || waker.wake());
        drop(handle);
        other.join().unwrap();
        assert_eq!((drops.count(), freed.count()), (0, 0), "it is queued");
        slot.run_to_the_end();
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// A canceller is a reference too: it can still cancel, and the task ends once.
#[test]
fn a_cancel_during_the_drop_of_the_last_waker_ends_the_task_once() {
    every_interleaving(|| {
        let (drops, place) = (Drops::new(), WakerPlace::new());
        let (slot, handle, freed) = spawn(polled(&drops, leaves_a_waker(&place)));
        slot.run_if_ready();
        let (waker, canceller) = (place.take(), handle.canceller());
        drop(handle);
        let other = thread::spawn(move || drop(waker));
        canceller.cancel();
        drop(canceller);
        other.join().unwrap();
        slot.run_to_the_end();
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}
