//! A request with a deadline, and a task that only sleeps: three timers, of which one is cancelled.
//!
//! Record it with `EXECUTOR_TRACE=FILE`, and step through the recording. The clock is simulated: it jumps from one
//! deadline to the next, so the program takes no time, and each timer is exact to the nanosecond.

use executor::time::{Duration, now, sleep, timeout};
use executor::{Runtime, named};

fn main() {
    let runtime = Runtime::builder().deterministic(0).build().expect("a simulation needs no system");
    runtime.block_on(async {
        let start = now();

        // Two timers: the server answers after 20 ms, and the deadline is 50 ms. The answer comes first, so the timer
        // of the deadline is dropped before it fires. The queue removes it at once.
        let request = named("request").spawn(async {
            let server = sleep(Duration::from_millis(20));
            timeout(Duration::from_millis(50), server).await.expect("20 ms are less than 50 ms");
        });

        // A third timer. On this clock a tick is a nanosecond, and a slot of wheel 4 holds the timers of 16.8 ms: this
        // one is in the same slot as that of the server.
        let pause = named("pause").spawn(async {
            sleep(Duration::from_millis(25)).await;
        });

        request.await.expect("the request does not panic");
        assert_eq!(now() - start, Duration::from_millis(20));
        pause.await.expect("the pause does not panic");
        assert_eq!(now() - start, Duration::from_millis(25));
    });
}
