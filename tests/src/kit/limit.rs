//! Time limits for tests that may hang.

use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Runs `body` on a thread of its own, with a time limit in seconds. A test that hangs fails by
/// name instead of blocking the others; a panic of `body` is passed on unchanged.
///
/// The thread of a body that hangs is left behind.
///
/// # Panics
/// When `body` panics, or when the time is over.
///
/// ```
/// assert_eq!(tests::kit::within(10, || 1 + 1), 2);
/// ```
#[track_caller]
pub fn within<R: Send + 'static>(seconds: u64, body: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, is_done) = mpsc::channel();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let runner = thread::Builder::new().name(name).spawn(move || {
        let result = body();
        let _ = done.send(());
        result
    });
    let runner = runner.expect("the system gives a thread");
    if let Err(mpsc::RecvTimeoutError::Timeout) = is_done.recv_timeout(Duration::from_secs(seconds)) {
        panic!("it hangs: not done after {seconds} s");
    }
    runner.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Waits for a condition that other threads bring about without announcing it.
///
/// # Panics
/// When it does not hold within 60 seconds.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicBool, Ordering::SeqCst}};
///
/// let flag = Arc::new(AtomicBool::new(false));
/// std::thread::spawn({ let flag = flag.clone(); move || flag.store(true, SeqCst) });
/// tests::kit::eventually("the thread runs", || flag.load(SeqCst));
/// ```
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "did not happen within 60 s: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
