//! Two tasks on the executor of this lab: "reader" waits for a page, and "network" delivers it.
//!
//! Record it: `EXECUTOR_TRACE=run.jsonl cargo run -p lab-01 --example show`.
//! Step through it: `cargo run -p demo -- step --replay run.jsonl`.

use lab_01::executor::Executor;
use lab_01::switch::Switch;
use std::future::poll_fn;
use std::task::Poll;
use tests::kit::Recording;

fn main() {
    let recording = Recording::new("lab 1: sixty lines");
    let executor = Executor::new();
    let arrived = Switch::default();

    // Suspended until the page has arrived.
    let page = arrived.clone();
    executor.spawn(recording.task("reader", async move {
        page.wait().await;
        println!("reader: the page is here");
    }));

    // The first poll wakes its own task and returns `Poll::Pending`, so the task is queued again, behind all others.
    let mut polls = 0;
    let other_tasks_had_a_turn = poll_fn(move |cx| {
        polls += 1;
        match polls {
            1 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    });
    executor.spawn(recording.task("network", async move {
        other_tasks_had_a_turn.await;
        arrived.turn_on();
        println!("network: delivered the page");
    }));

    println!("run() returned: {} tasks are stuck", executor.run());
    recording.run_ends();
}
