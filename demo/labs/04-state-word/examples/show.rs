//! Three tasks, each of which takes another way through the picture of the state word:
//! `EXECUTOR_TRACE=run.jsonl cargo run -p lab-04 --example show` records the run.

use executor::sync::oneshot;
use executor::time::{Duration, sleep};
use executor::{Runtime, named, yield_now};

fn main() -> std::io::Result<()> {
    lab_04::exit_at_a_panic();
    // Deterministic: every run makes the same transitions in the same order.
    let runtime = Runtime::builder().deterministic(0).build()?;
    runtime.block_on(async {
        // Queued, running, queued again without being suspended: each `yield_now` wakes its own task in the poll.
        let steps = named("steps").spawn(async {
            for _ in 0..2 {
                yield_now().await;
            }
        });

        // Queued, running, suspended; queued by the wake that `send` makes; running, completed.
        let (sender, receiver) = oneshot();
        let waits = named("waits").spawn(async move { receiver.await.map(|value| value + 1) });

        // Queued, running, suspended; queued by the cancel; running for the drop of its future; completed.
        let sleeps = named("sleeps").spawn(sleep(Duration::from_secs(60)));

        steps.await.expect("it does not panic"); // this task is suspended until `steps` has completed
        sender.send(7).expect("the receiver exists");
        sleeps.cancel();
        println!("waits returned {:?}", waits.await);
        println!("sleeps returned {:?}", sleeps.await);
    });
    Ok(())
}
