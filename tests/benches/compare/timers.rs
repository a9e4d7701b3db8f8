//! The row about timers.

use crate::harness::{Scale, nanos_each, process_cpu};
use crate::rt::Rt;
use async_channel::{Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A million tasks, each of which sleeps once, for up to a second. They take that second in any runtime, so
/// the row measures processor time: that of the whole process with its helper threads.
pub(crate) fn sleeps<R: Rt>(scale: Scale) -> Vec<f64> {
    let sleeps = scale.of(1_000_000);
    let spread = scale.time(Duration::from_secs(1)).max(Duration::from_millis(10));
    let before = process_cpu();
    R::block_on(async {
        let (done, all_done) = bounded(1);
        let crowd = Arc::new(Crowd { left: AtomicUsize::new(sleeps), done });
        let mut random = Random(0x5EED);
        let start = Instant::now();
        for _ in 0..sleeps {
            let (time, crowd) = (random.up_to(spread), crowd.clone());
            R::detach(R::spawn(async move {
                R::sleep(time).await;
                crowd.leave();
            }));
        }
        all_done.recv().await.expect("a sleeper is lost");
        assert!(start.elapsed() > spread / 2, "{sleeps} sleeps of up to {spread:?} can't be over yet");
    });
    vec![nanos_each(process_cpu() - before, sleeps)]
}

/// The sleepers. The last one reports the end.
struct Crowd {
    left: AtomicUsize,
    done: Sender<()>,
}

impl Crowd {
    fn leave(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.try_send(()).expect("only one is the last");
        }
    }
}

/// A generator of the same numbers every time. After George Marsaglia, "Xorshift RNGs", 2003.
struct Random(u64);

impl Random {
    fn up_to(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_nanos(self.0 % most.as_nanos() as u64)
    }
}
