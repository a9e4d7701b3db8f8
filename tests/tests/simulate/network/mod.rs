//! The simulated network: the latency and bandwidth of links, faults, and sockets that behave like those of the system.
//!
//! Alone: `cargo test -p tests --test simulate network`. Time is simulated, so tests compare it to the nanosecond.

mod addresses;
mod faults;
mod leftovers;
mod links;
mod sockets;

use executor::Runtime;
use executor::net::{TcpListener, TcpStream};
use executor::test::{Host, Link, Network};
use executor::time::{Duration, now};
use futures_lite::{AsyncReadExt, future};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};

const MS: Duration = Duration::from_millis(1);
/// The latency of a default link.
const LATENCY: Duration = MS;
const WINDOW: usize = 64 * 1024;

fn simulated<R, F: Future<Output = R>>(test: impl FnOnce(Network) -> F) -> R {
    let runtime = Runtime::builder().deterministic(0).build().unwrap();
    runtime.block_on(test(runtime.network().unwrap()))
}

/// A connection from `main` to a host of its own, and that host.
async fn connected(network: &Network) -> (TcpStream, TcpStream, Host) {
    let server = network.host("server");
    let listener = server.run(TcpListener::bind("0.0.0.0:80")).await.unwrap().unwrap();
    let (client, accepted) = future::zip(TcpStream::connect((server.address(), 80)), listener.accept()).await;
    (client.unwrap(), accepted.unwrap().0, server)
}

fn link(network: &Network, link: Link) {
    network.set_link(&network.host("main"), &network.host("server"), link);
}

async fn took<T>(operation: impl Future<Output = T>) -> (T, Duration) {
    let start = now();
    let output = operation.await;
    (output, now() - start)
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

/// Reads up to the end of the stream or up to an error.
async fn read_all(mut stream: &TcpStream) -> (Vec<u8>, Option<ErrorKind>) {
    let mut bytes = Vec::new();
    let error = stream.read_to_end(&mut bytes).await.err();
    (bytes, error.map(|error| error.kind()))
}

/// The message of the panic that a misuse causes.
fn refusal(misuse: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(misuse)).unwrap_err();
    panic.downcast_ref::<String>().expect("a message").clone()
}

/// The byte that is sent at this position.
fn nth(position: usize) -> u8 {
    (position as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]
}
