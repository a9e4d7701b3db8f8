//! Two tasks wait at one listener, and one of them gives up. Then a client connects.
//!
//! Record it with `EXECUTOR_TRACE=FILE`, and step through the recording. Look at source 1, the listener: which tasks
//! wait there, and which one is woken? The network is simulated, so every run is the same.

use executor::net::{TcpListener, TcpStream};
use executor::time::{Duration, sleep, timeout};
use executor::{Runtime, named, yield_now};
use std::sync::Arc;

fn main() {
    let runtime = Runtime::builder().deterministic(0).build().expect("a simulation needs no system");
    runtime.block_on(async {
        let listener = Arc::new(TcpListener::bind("0.0.0.0:80").await.expect("the port is free"));
        let address = listener.local_addr().expect("it is bound");

        let shared = listener.clone();
        let patient = named("patient").spawn(async move { shared.accept().await.map(|_connection| ()) });
        yield_now().await; // "patient" is polled, and is the first waiter in the list

        // Its wait is dropped after 10 ms, and its waker is removed from the source.
        let hasty = named("hasty").spawn(async move {
            timeout(Duration::from_millis(10), listener.accept()).await.expect_err("no client comes so early");
        });

        let client = named("client").spawn(async move {
            sleep(Duration::from_millis(20)).await;
            TcpStream::connect(address).await.map(|_connection| ())
        });

        hasty.await.expect("it does not panic");
        client.await.expect("it does not panic").expect("the listener is there");
        let accepted = timeout(Duration::from_secs(1), patient).await.expect("a client waits, and is not accepted");
        accepted.expect("it does not panic").expect("a connection is there");
    });
}
