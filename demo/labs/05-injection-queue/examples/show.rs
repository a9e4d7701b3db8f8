//! Two wakes from another thread: one while the runtime's thread runs a task, one while it is parked.
//! `EXECUTOR_TRACE=run.jsonl cargo run -p lab-05 --example show` records the run.

use executor::named;
use lab_05::Signal;
use std::thread;
use tests::kit::Steps;

fn main() {
    // With this backend, other threads act at fixed moments, so every run is the same.
    let steps = Steps::new();
    let (early, late) = (Signal::new(), Signal::new());
    steps.during_a_park({
        let late = late.clone();
        move || late.set() // called by another thread, while the runtime's thread is parked
    });
    steps.runtime().block_on(async {
        let first = named("first").spawn({
            let early = early.clone();
            async move { early.wait().await }
        });
        let second = named("second").spawn(async move { late.wait().await });
        let calls = named("calls").spawn(async move {
            // The wake comes from another thread in the middle of this poll.
            let other = thread::Builder::new().name("other".into());
            let other = other.spawn(move || early.set()).expect("a thread can be started");
            other.join().expect("it only sets a signal");
        });
        calls.await.expect("it does not panic");
        first.await.expect("it does not panic");
        second.await.expect("it does not panic");
    });
    println!("the thread parked {} time(s), and its notifier was written {} time(s)", steps.parks(), steps.notifies());
}
