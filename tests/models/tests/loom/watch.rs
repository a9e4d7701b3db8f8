//! What is told of a task that somebody watches, while other threads have its wakers.

use super::kit::{Drops, interleavings_with, polled, spawn_watched};
use loom::thread::{self, JoinHandle};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

type Threads = Arc<Mutex<Vec<JoinHandle<()>>>>;

/// At the task's first poll, so many threads get a waker each; the second poll ends it.
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

// The last wakers go on other threads while the poll that made them ends: whoever is the last to see it says that
// nobody can wake the task any more, and nobody else does.
#[test]
fn the_last_wakers_go_as_the_poll_ends() {
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

// A waker that goes with its wake strands nobody, however early that is seen.
#[test]
fn the_last_waker_goes_with_its_wake() {
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

// The task is cancelled meanwhile, and may be over and its memory free before the other thread knows: it is told
// at most once, and of a task that is there.
#[test]
fn the_last_waker_goes_as_the_task_is_cancelled() {
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
