//! An unobserved panic: the task panics, and its handle was dropped.

use executor::named;
use executor::time::{Duration, sleep};

pub(super) async fn main() {
    drop(named("fails").spawn(async {
        let line = "port: none";
        let port: u16 = line["port: ".len()..].parse().expect("a number");
        assert!(port > 0);
    }));
    sleep(Duration::from_millis(10)).await; // goes on as if nothing had happened
}
