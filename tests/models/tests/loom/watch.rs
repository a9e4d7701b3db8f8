//! The events of an observed task whose wakers are on other threads.

use super::kit::{Drops, interleavings_with, polled, spawn_watched};
use loom::thread::{self, JoinHandle};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

type Threads = Arc<Mutex<Vec<JoinHandle<()>>>>;

/// The first poll gives a waker to each of this many threads; the second one completes the task.
fn gives_wakers_away(count: usize, does: fn(Waker)) -> (Threads, impl FnMut(&mut Context<'_>) -> Poll<()>) {
    let threads = Threads::default();
    let poll = {
        let (threads, mut polls) = (threads.clone(), 0);
        move |cx: &mut Context<'_>| {
            polls += 1;
            if polls == 2 {
                return Poll::Ready(());
            }
            for _ in 0..count {
                let waker = cx.waker().clone();
                let thread = thread::spawn(move || does(waker));
                threads.lock().unwrap().push(thread);
            }
            Poll::Pending
        }
    };
    (threads, poll)
}

fn join(threads: &Threads) {
    let threads = std::mem::take(&mut *threads.lock().unwrap());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

// The last wakers are dropped on other threads while the poll that made them ends. The last of these threads reports
// that the task is stranded, and no other does.
#[test]
fn the_last_wakers_dropped_as_the_poll_ends_strand_the_task_once() {
    for count in [1, 2] {
        interleavings_with(3, move || {
            let drops = Drops::new();
            let (threads, poll) = gives_wakers_away(count, drop);
            let (slot, handle, freed) = spawn_watched(polled(&drops, poll));
            assert!(slot.run_if_ready());
            join(&threads);
            assert_eq!(slot.stranded(), 1);
            handle.cancel();
            slot.run_to_the_end();
            drop(handle);
            assert_eq!((slot.stranded(), drops.count(), freed.count()), (1, 1, 1));
        });
    }
}

// A waker that is dropped by its wake strands no task, however early another thread sees it.
#[test]
fn a_last_waker_that_wakes_the_task_does_not_strand_it() {
    interleavings_with(3, || {
        let drops = Drops::new();
        let (threads, poll) = gives_wakers_away(1, Waker::wake);
        let (slot, handle, freed) = spawn_watched(polled(&drops, poll));
        drop(handle);
        slot.run_to_the_end();
        join(&threads);
        assert_eq!((slot.stranded(), drops.count(), freed.count()), (0, 1, 1));
    });
}

// The task is cancelled meanwhile, and may have completed and been freed before the other thread drops the waker. The
// event is reported at most once, and only of a task that still exists.
#[test]
fn the_last_waker_dropped_during_a_cancel_is_reported_at_most_once() {
    interleavings_with(3, || {
        let drops = Drops::new();
        let (threads, poll) = gives_wakers_away(1, drop);
        let (slot, handle, freed) = spawn_watched(polled(&drops, poll));
        assert!(slot.run_if_ready());
        handle.cancel();
        slot.run_to_the_end();
        drop(handle);
        join(&threads);
        assert!(slot.stranded() <= 1);
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}
