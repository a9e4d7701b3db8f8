//! The suite for a mutex, on both mutexes.

use course::{fair, simple};
use tests::conformance;

struct Fair(fair::Mutex<u64>);

impl conformance::Mutex for Fair {
    type Guard<'a> = fair::Guard<'a, u64>;

    async fn lock(&self) -> fair::Guard<'_, u64> {
        self.0.lock().await
    }
}

struct Simple(simple::Mutex<u64>);

impl conformance::Mutex for Simple {
    type Guard<'a> = simple::Guard<'a, u64>;

    // The simple mutex does not promise these. Remove a line to see what the suite finds.
    const CANCEL_SAFE: bool = false;
    const FAIR: bool = false;

    async fn lock(&self) -> simple::Guard<'_, u64> {
        self.0.lock().await
    }
}

#[test]
fn the_fair_mutex_conforms() {
    conformance::mutex(|| Fair(fair::Mutex::new(0)));
}

#[test]
fn the_simple_mutex_conforms_as_far_as_it_promises() {
    conformance::mutex(|| Simple(simple::Mutex::new(0)));
}

/// How a suite fails: `cargo test -- --ignored`.
#[test]
#[ignore = "it fails on purpose"]
fn the_wrong_mutex_conforms() {
    conformance::mutex(|| Simple(simple::Mutex::wrong(0)));
}

/// How the simple mutex fails if its waits are dropped, as `timeout` drops them.
#[test]
#[ignore = "it fails on purpose"]
fn the_simple_mutex_is_cancel_safe() {
    struct Strict(Simple);

    impl conformance::Mutex for Strict {
        type Guard<'a> = simple::Guard<'a, u64>;

        const FAIR: bool = false;

        async fn lock(&self) -> simple::Guard<'_, u64> {
            self.0.0.lock().await
        }
    }

    conformance::mutex(|| Strict(Simple(simple::Mutex::new(0))));
}
