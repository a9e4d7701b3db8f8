//! Five tasks for the debugger's tour of the runtime: see `demo/debug/README.md`.
//!
//! ```sh
//! cargo build -p executor --example tour
//! rust-gdb -x demo/debug/tour.gdb --args target/debug/examples/tour
//! ```
//!
//! They wait for different leaves: the reader for a socket, the waiter in a wait list, the dreamer and the writer for
//! timers, and the task of `block_on` for the end of another task. The sockets are a pair within this process.

use executor::net::UnixStream;
use executor::sync::Event;
use executor::time::{Duration, sleep};
use executor::{JoinHandle, Runtime, named};
use std::io;
use std::sync::Arc;

/// Waits for a byte, and sets the event.
async fn read(socket: UnixStream, bell: Arc<Event>) -> io::Result<()> {
    let read = socket.read(&mut [0; 16]).await?;
    println!("the reader has read {read} byte, and rings");
    bell.set();
    Ok(())
}

/// Waits for the bell.
async fn wait(bell: Arc<Event>) {
    bell.wait().await;
}

/// Sleeps for longer than the program runs.
async fn dream() {
    sleep(Duration::from_secs(3600)).await;
}

/// Sleeps for a moment, then makes the reader's socket readable.
async fn write(socket: UnixStream) -> io::Result<usize> {
    sleep(Duration::from_millis(20)).await;
    socket.write(b"!").await
}

/// Joins one task, and cancels the other.
async fn join(waiter: JoinHandle<()>, dreamer: JoinHandle<()>) {
    waiter.await.expect("the waiter is not cancelled");
    dreamer.cancel_because("the others are done");
    println!("{}", dreamer.explained().await.expect_err("it was cancelled"));
}

fn main() -> io::Result<()> {
    // A poll that is stopped in a debugger is not to be reported as slow.
    let runtime = Runtime::builder().slow_poll(Duration::MAX).build()?;
    runtime.block_on(async {
        let (here, there) = UnixStream::pair()?;
        let bell = Arc::new(Event::new());
        named("reader").spawn(read(here, bell.clone()));
        let waiter = named("waiter").spawn(wait(bell));
        let dreamer = named("dreamer").spawn(dream());
        named("writer").spawn(write(there.clone()));
        join(waiter, dreamer).await;
        Ok(())
    })
}
