//! The join handle, concurrent with the end of its task.

use super::kit::{
    Bell, Drops, RingBy, Tracked, WakerPlace, block_on, every_interleaving, interleavings_with, polled, spawn,
};
use crate::task::{Finish, JoinError, JoinHandle, TaskState};
use loom::thread;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

fn poll<T>(handle: &mut JoinHandle<T>, waker: &Waker) -> Poll<Result<T, JoinError>> {
    Pin::new(handle).poll(&mut Context::from_waker(waker))
}

/// A task that is ready at its first poll, with an output whose drop is counted.
macro_rules! ready_task {
    ($drops:expr, $outputs:expr) => {{
        let outputs = $outputs.clone();
        spawn(polled(&$drops, move |_: &mut Context<'_>| Poll::Ready(Tracked::new(&outputs))))
    }};
}

// Invariants 1, 2 and 3: a task that awaits a handle is woken at the finish, or sees it at once. By then the future is
// dropped, and only the handle has the output.
#[test]
fn a_handle_awaited_during_the_finish_resolves() {
    every_interleaving(|| {
        let (drops, outputs) = (Drops::new(), Drops::new());
        let (slot, handle, freed) = ready_task!(drops, outputs);
        let runner = thread::spawn(move || slot.run_to_the_end());
        let output = block_on(handle, false).unwrap();
        output.touch();
        assert_eq!((drops.count(), outputs.count()), (1, 0));
        drop(output);
        runner.join().unwrap();
        assert_eq!((outputs.count(), freed.count()), (1, 1));
    });
}

// Invariants 1 and 5: the waker of a handle is replaced during the finish. The last one is called; none is called while
// it is written, and none is left behind.
#[test]
fn a_handle_whose_waker_is_replaced_during_the_finish_calls_the_last_one() {
    interleavings_with(3, || {
        let (drops, outputs) = (Drops::new(), Drops::new());
        let (slot, mut handle, freed) = ready_task!(drops, outputs);
        let runner = thread::spawn(move || slot.run_to_the_end());
        let (first, second) = (Bell::new(), Bell::new());
        let output = match poll(&mut handle, &first.clone().waker()) {
            Poll::Ready(output) => output,
            Poll::Pending => match poll(&mut handle, &second.clone().waker()) {
                Poll::Ready(output) => output,
                Poll::Pending => {
                    second.wait();
                    let Poll::Ready(output) = poll(&mut handle, &first.clone().waker()) else {
                        panic!("woken before the output was there")
                    };
                    output
                }
            },
        };
        output.unwrap().touch();
        drop(handle);
        runner.join().unwrap();
        assert_eq!((drops.count(), outputs.count(), freed.count()), (1, 1, 1));
    });
}

// As above: a poll with the same waker leaves it in its slot all the time.
#[test]
fn a_handle_polled_again_with_the_same_waker_during_the_finish_resolves() {
    interleavings_with(3, || {
        let (drops, outputs) = (Drops::new(), Drops::new());
        let (slot, mut handle, freed) = ready_task!(drops, outputs);
        let runner = thread::spawn(move || slot.run_to_the_end());
        let bell = Bell::new();
        let waker = bell.clone().waker();
        if poll(&mut handle, &waker).is_pending() && poll(&mut handle, &waker).is_pending() {
            bell.wait();
            assert!(poll(&mut handle, &waker).is_ready());
        }
        drop(handle);
        runner.join().unwrap();
        assert_eq!((drops.count(), outputs.count(), freed.count()), (1, 1, 1));
    });
}

// Invariant 2: a handle dropped during the finish. The output is dropped once, by the handle or by the task, both on
// the fast path right after the spawn and on the slow one.
#[test]
fn a_handle_dropped_during_the_finish_drops_the_output_once() {
    for woken_before in [false, true] {
        every_interleaving(move || {
            let (drops, outputs) = (Drops::new(), Drops::new());
            let place = WakerPlace::new();
            let (slot, handle, freed) = spawn(polled(&drops, {
                let (place, outputs) = (place.clone(), outputs.clone());
                let mut polls = 0;
                move |cx: &mut Context<'_>| {
                    polls += 1;
                    if woken_before && polls == 1 {
                        place.leave(cx); // another reference, so the handle can't take the fast path
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    Poll::Ready(Tracked::new(&outputs))
                }
            }));
            if woken_before {
                assert!(slot.run_if_ready());
            }
            let dropper = thread::spawn(move || drop(handle));
            slot.run_to_the_end();
            dropper.join().unwrap();
            assert_eq!((drops.count(), outputs.count()), (1, 1));
            place.clear();
            assert_eq!(freed.count(), 1);
        });
    }
}

// Invariants 2 and 5: a handle that was awaited and is dropped during the finish: its waker is dropped as well, and not
// while it is called.
#[test]
fn a_handle_dropped_during_the_finish_drops_its_waker() {
    every_interleaving(|| {
        let (drops, outputs) = (Drops::new(), Drops::new());
        let (slot, mut handle, freed) = ready_task!(drops, outputs);
        let runner = thread::spawn(move || slot.run_to_the_end());
        let bell = Bell::new();
        let first = poll(&mut handle, &bell.clone().waker());
        drop(handle);
        drop(first);
        runner.join().unwrap();
        assert_eq!((drops.count(), outputs.count(), freed.count()), (1, 1, 1));
    });
}

// Invariant 3: a handle is awaited, cancelled and dropped, all during the run of its task and a wake.
#[test]
#[ignore = "it takes long: tests/long.sh runs it"]
fn a_task_that_is_cancelled_joined_and_dropped_at_once_ends_once() {
    interleavings_with(2, || {
        let (drops, outputs) = (Drops::new(), Drops::new());
        let place = WakerPlace::new();
        let (slot, mut handle, freed) = spawn(polled(&drops, {
            let (place, outputs) = (place.clone(), outputs.clone());
            let mut polls = 0;
            move |cx: &mut Context<'_>| {
                polls += 1;
                place.leave(cx);
                if polls == 2 { Poll::Ready(Tracked::new(&outputs)) } else { Poll::Pending }
            }
        }));
        assert!(slot.run_if_ready());
        let waker = place.take();
        let waking = thread::spawn(move || waker.wake());
        let joining = thread::spawn(move || {
            let bell = Bell::new();
            let first = poll(&mut handle, &bell.clone().waker());
            handle.cancel();
            if first.is_pending() {
                let second = poll(&mut handle, &Bell::new().waker());
                drop(second);
            }
            drop(handle);
        });
        slot.run_to_the_end();
        waking.join().unwrap();
        joining.join().unwrap();
        place.clear();
        assert!(!slot.run_if_ready());
        assert_eq!((drops.count(), freed.count()), (1, 1));
    });
}

// Invariant 3: one thread cancels by dropping the runnable, another one joins.
#[test]
fn a_dropped_runnable_resolves_the_handle() {
    interleavings_with(3, || {
        let drops = Drops::new();
        let (slot, handle, freed) = spawn(polled(&drops, |_: &mut Context<'_>| Poll::<()>::Pending));
        let dropper = thread::spawn(move || slot.drop_if_ready());
        let joined = block_on(handle, true);
        assert!(matches!(joined, Err(JoinError::Cancelled)));
        assert_eq!(drops.count(), 1, "the handle resolves after the future's drop");
        dropper.join().unwrap();
        assert_eq!(freed.count(), 1);
    });
}

// Invariant 4: a panic goes to the handle; its payload is dropped once: by the owner of the handle or,
// if it is not taken, by the task.
#[test]
fn a_panic_during_the_drop_of_the_handle_drops_the_payload_once() {
    every_interleaving(|| {
        let (drops, outputs) = (Drops::new(), Drops::new());
        struct Payload(#[allow(dead_code)] Tracked);
        // SAFETY: loom checks its own types on every thread.
        unsafe impl Send for Payload {}
        let (slot, handle, freed) = spawn(polled(&drops, {
            let outputs = outputs.clone();
            move |_: &mut Context<'_>| -> Poll<()> {
                std::panic::resume_unwind(Box::new(Payload(Tracked::new(&outputs)))) // prints no message
            }
        }));
        let dropper = thread::spawn(move || drop(handle));
        slot.run_to_the_end();
        dropper.join().unwrap();
        assert_eq!((drops.count(), outputs.count(), freed.count()), (1, 1, 1));
    });
}

// A callback is called once with the outcome, whether it was added before the finish or after it.
#[test]
fn a_callback_added_during_the_finish_is_called_once() {
    every_interleaving(|| {
        let (drops, outputs, called) = (Drops::new(), Drops::new(), Drops::new());
        let (slot, handle, freed) = ready_task!(drops, outputs);
        let runner = thread::spawn(move || slot.run_to_the_end());
        let call = Tracked::new(&called);
        handle.on_done(move |_, how| {
            assert_eq!(how, Finish::Ready);
            drop(call);
        });
        runner.join().unwrap();
        assert_eq!(called.count(), 1);
        drop(handle);
        assert_eq!((outputs.count(), freed.count()), (1, 1));
    });
}

// The same for a handle that is dropped at once: the callback stays.
#[test]
fn a_callback_is_called_after_the_handle_is_dropped() {
    every_interleaving(|| {
        let (drops, outputs, called) = (Drops::new(), Drops::new(), Drops::new());
        let (slot, handle, freed) = ready_task!(drops, outputs);
        let runner = thread::spawn(move || slot.run_to_the_end());
        let call = Tracked::new(&called);
        handle.on_done(move |_, _| drop(call));
        drop(handle);
        runner.join().unwrap();
        assert_eq!((called.count(), outputs.count(), freed.count()), (1, 1, 1));
    });
}

// A task is cancelled during its finish: its state afterwards agrees with what the handle returns.
#[test]
fn the_state_agrees_with_what_the_handle_returns_after_a_late_cancel() {
    every_interleaving(|| {
        let (drops, outputs) = (Drops::new(), Drops::new());
        let (slot, handle, freed) = ready_task!(drops, outputs);
        let canceller = handle.canceller();
        let cancels = thread::spawn(move || canceller.cancel_because("of a test"));
        slot.run_to_the_end();
        cancels.join().unwrap();
        let state = handle.state();
        let was_cancelled = matches!(block_on(handle, false), Err(JoinError::Cancelled));
        assert_eq!(state == TaskState::Completed(Finish::Cancelled), was_cancelled);
        assert!(state.is_over());
        assert_eq!(freed.count(), 1);
    });
}
