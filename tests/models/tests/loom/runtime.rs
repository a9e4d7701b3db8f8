//! A small complete runtime, modelled on `executor/src/schedule/single.rs`: a run queue, an injection queue, and a
//! park, which is ended by the push that finds the thread parked. A condition variable replaces the reactor's wait.

use super::kit::{Drops, Tracked, WakerPlace, every_interleaving, interleavings_with, polled};
use crate::run_queue::{InjectionQueue, RunQueue};
use crate::task::{Entered, Finish, JoinHandle, Meta, Runnable, Schedule, Slabs, TaskId, TaskRef, reserve};
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc as LoomArc, Condvar, Mutex};
use loom::thread::{self, ThreadId};
use std::cell::Cell;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

struct Runtime {
    home: ThreadId,
    injected: InjectionQueue,
    /// Used by the home thread only.
    queue: RunQueue,
    unfinished: Cell<usize>,
    notified: Mutex<bool>,
    bell: Condvar,
    /// How often the runtime was notified, which is at least as often as it slept.
    notifies: AtomicUsize,
    /// Loom reports it if the runtime leaks.
    alive: Tracked,
}

// SAFETY: `queue` and `unfinished` are used by the home thread only, which `at_home` checks.
unsafe impl Send for Runtime {}
// SAFETY: as above.
unsafe impl Sync for Runtime {}

impl Schedule for Runtime {
    fn schedule(self: &Arc<Self>, task: Runnable) {
        if self.at_home() {
            self.queue.push(task);
        } else if self.injected.push(task) {
            self.notifies.fetch_add(1, Ordering::Relaxed);
            *self.notified.lock().unwrap() = true;
            self.bell.notify_one();
        }
    }

    fn finished(self: &Arc<Self>, _: TaskRef<'_>, _: Finish) {
        assert!(self.at_home());
        self.unfinished.set(self.unfinished.get() - 1);
    }
}

/// What belongs to the home thread.
struct Home {
    slabs: Box<Slabs<Runtime>>,
    _entered: Entered,
    runtime: Arc<Runtime>,
}

impl Deref for Home {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        &self.runtime
    }
}

impl Runtime {
    fn at_home(&self) -> bool {
        thread::current().id() == self.home
    }

    fn pass(&self) {
        for _ in 0..self.queue.len() {
            let Some(task) = self.queue.pop() else { return };
            if let Some(again) = task.run() {
                self.queue.push(again);
            }
        }
    }

    /// Takes the tasks that other threads pushed, or waits for one. Returns whether it slept.
    fn turn(&self) -> bool {
        self.injected.take(&self.queue);
        if self.queue.len() > 0 {
            return false;
        }
        let sleeps = self.injected.park();
        if sleeps {
            let mut notified = self.notified.lock().unwrap();
            while !*notified {
                notified = self.bell.wait(notified).unwrap();
            }
            *notified = false;
        }
        self.injected.take(&self.queue);
        sleeps
    }

    /// Runs until the task has completed. Loom reports a lost wake as a deadlock.
    fn run<T>(&self, root: &JoinHandle<T>) {
        let mut slept = 0;
        loop {
            self.pass();
            if root.is_finished() {
                break;
            }
            slept += usize::from(self.turn());
        }
        assert!(self.notifies.load(Ordering::Relaxed) >= slept);
    }
}

impl Home {
    fn new(drops: &LoomArc<Drops>) -> Home {
        let runtime = Arc::new(Runtime {
            home: thread::current().id(),
            injected: InjectionQueue::new(),
            queue: RunQueue::default(),
            unfinished: Cell::new(0),
            notified: Mutex::new(false),
            bell: Condvar::new(),
            notifies: AtomicUsize::new(0),
            alive: Tracked::new(drops),
        });
        let slabs = Box::new(Slabs::new());
        Home { _entered: slabs.enter(), slabs, runtime }
    }

    #[track_caller]
    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let meta = Meta { id: TaskId(0), spawned_at: Location::caller(), extras: None };
        // SAFETY: the future is Send and 'static, and written before the task is made.
        let (task, handle) = unsafe {
            let cell = reserve(Some(&self.slabs), &self.runtime, meta);
            std::ptr::write(cell.future(), future);
            cell.into_task()
        };
        self.unfinished.set(self.unfinished.get() + 1);
        self.queue.push(task);
        handle
    }

    /// As `Core::end`: cancels what is left, and waits for tasks whose right to run is on another thread.
    fn end(&self) {
        self.slabs.cancel_all(false);
        while self.unfinished.get() > 0 {
            self.pass();
            if self.unfinished.get() > 0 {
                self.turn();
            }
        }
    }
}

/// Ready when `wanted` threads have written. Only a wake guarantees that the writes are seen.
fn waits_for(
    wanted: usize,
    written: &LoomArc<AtomicUsize>,
    place: &Arc<WakerPlace>,
) -> impl FnMut(&mut Context<'_>) -> Poll<()> + use<> {
    let (written, place) = (written.clone(), place.clone());
    move |cx| {
        place.leave(cx);
        if written.load(Ordering::Relaxed) == wanted { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn wakes(waker: Waker, written: &LoomArc<AtomicUsize>) -> thread::JoinHandle<()> {
    let written = written.clone();
    thread::spawn(move || {
        written.fetch_add(1, Ordering::Relaxed);
        waker.wake();
    })
}

// Invariants 1, 6 and 9: a wake from another thread is never lost, whatever the runtime does at that moment:
// it polls the task, takes what was injected, announces that it parks, or parks.
#[test]
fn a_wake_from_another_thread_is_never_lost() {
    every_interleaving(|| {
        let drops = Drops::new();
        let runtime = Home::new(&drops);
        let place = WakerPlace::new();
        let written = LoomArc::new(AtomicUsize::new(0));
        let root = runtime.spawn(polled(&drops, waits_for(1, &written, &place)));
        runtime.pass(); // the task has left its waker
        let other = wakes(place.take(), &written);
        runtime.run(&root);
        other.join().unwrap();
        assert!(runtime.notifies.load(Ordering::Relaxed) <= 1);
        place.clear();
        drop((root, runtime));
        assert_eq!(drops.count(), 2, "the future, and the runtime with the task's memory");
    });
}

// Invariants 1 and 6: two threads wake two tasks, and one of the tasks the other.
#[test]
#[ignore = "it takes long: tests/long.sh runs it"]
fn wakes_from_two_threads_are_never_lost() {
    interleavings_with(2, || {
        let drops = Drops::new();
        let runtime = Home::new(&drops);
        let places = [WakerPlace::new(), WakerPlace::new()];
        let written = [0, 1].map(|_| LoomArc::new(AtomicUsize::new(0)));
        let first = runtime.spawn(polled(&drops, waits_for(1, &written[0], &places[0])));
        let mut first = Some(first);
        let second = runtime.spawn(polled(&drops, {
            let mut waits = waits_for(1, &written[1], &places[1]);
            let mut over = false;
            move |cx: &mut Context<'_>| {
                over = over || waits(cx).is_ready();
                // This task joins the first one, too.
                let joined = first.as_mut().is_none_or(|first| std::pin::Pin::new(first).poll(cx).is_ready());
                if joined {
                    first = None;
                }
                if over && joined { Poll::Ready(()) } else { Poll::Pending }
            }
        }));
        runtime.pass();
        let others = [0, 1].map(|n| wakes(places[n].take(), &written[n]));
        runtime.run(&second);
        for other in others {
            other.join().unwrap();
        }
        assert!(runtime.notifies.load(Ordering::Relaxed) <= 2);
        places.iter().for_each(|place| place.clear());
        drop((second, runtime));
        assert_eq!(drops.count(), 3);
    });
}

// Invariants 2, 3 and 9: the end of a runtime, concurrent with a wake. Each task is dropped once, on the home thread,
// although another thread may hold the right to run it, and the memory is freed with the last waker.
#[test]
fn a_wake_during_the_end_of_the_runtime_is_safe() {
    every_interleaving(|| {
        let drops = Drops::new();
        let runtime = Home::new(&drops);
        let place = WakerPlace::new();
        let written = LoomArc::new(AtomicUsize::new(0));
        drop(runtime.spawn(polled(&drops, waits_for(2, &written, &place))));
        drop(runtime.spawn(polled(&drops, |_: &mut Context<'_>| Poll::<()>::Pending)));
        runtime.pass();
        let waker = place.take();
        let other = wakes(waker.clone(), &written);
        runtime.end();
        assert_eq!(drops.count(), 2, "all futures are dropped before the runtime is over");
        drop(runtime);
        place.clear();
        waker.wake(); // after the end of the runtime
        other.join().unwrap();
        assert_eq!(drops.count(), 3);
    });
}

// Invariant 3: a cancel from another thread reaches a runtime that sleeps or is about to sleep.
#[test]
#[ignore = "it takes long: tests/long.sh runs it"]
fn a_cancel_from_another_thread_is_never_lost() {
    every_interleaving(|| {
        let drops = Drops::new();
        let runtime = Home::new(&drops);
        let task = runtime.spawn(polled(&drops, |_: &mut Context<'_>| Poll::<()>::Pending));
        let canceller = thread::spawn(move || {
            task.cancel();
            drop(task);
        });
        while runtime.unfinished.get() > 0 {
            runtime.pass();
            if runtime.unfinished.get() > 0 {
                runtime.turn();
            }
        }
        assert_eq!(drops.count(), 1);
        canceller.join().unwrap();
    });
}

/// A future that is ready at once and too large to share a slab.
struct Large {
    _tracked: Tracked,
    _bytes: [u8; 600],
}

// SAFETY: as for the futures of `kit`.
unsafe impl Send for Large {}

impl Future for Large {
    type Output = ();

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

// Invariants 2 and 9: the last reference to a task is dropped on another thread, while the home thread allocates a cell
// for a new one and then ends. One of the threads frees the memory, once.
#[test]
fn a_cell_freed_on_another_thread_during_a_spawn_and_the_end_is_reclaimed_once() {
    every_interleaving(|| {
        let drops = Drops::new();
        let runtime = Home::new(&drops);
        let large = || Large { _tracked: Tracked::new(&drops), _bytes: [0; 600] };
        let handle = runtime.spawn(large());
        runtime.pass();
        assert!(handle.is_finished());
        let other = thread::spawn(move || drop(handle));
        drop(runtime.spawn(large()));
        runtime.end();
        drop(runtime);
        other.join().unwrap();
        assert_eq!(drops.count(), 3, "two futures, and the runtime with the slabs");
    });
}

// The last waker of a detached task is dropped on another thread while the runtime finds the task in its slab and ends
// it: after that, the other thread does not access the task.
#[test]
fn the_last_waker_dropped_as_the_runtime_ends_frees_the_task_once() {
    interleavings_with(3, || {
        let (drops, place) = (Drops::new(), WakerPlace::new());
        let home = Home::new(&drops);
        let left = place.clone();
        drop(home.spawn(polled(&drops, move |cx| {
            left.leave(cx);
            Poll::<()>::Pending
        })));
        home.pass();
        let waker = place.take();
        let other = thread::spawn(move || drop(waker));
        home.slabs.cancel_all(false);
        home.pass();
        drop(home);
        other.join().unwrap();
    });
}
