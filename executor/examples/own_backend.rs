//! A backend of your own: `polling` in its default mode, which disarms a source after reporting it.
//!
//! ```sh
//! cargo run -p executor --example own_backend
//! ```
//!
//! This file does not depend on the rest of the repository. As a crate elsewhere, it needs `executor` and `reactor` as
//! path dependencies, and `polling`. `tests`, also by its path, has the suite that checks a backend:
//! `tests::conformance::backend(OneShot::make)`.

use executor::Runtime;
use executor::net::{TcpListener, TcpStream};
use executor::time::{Duration, Instant, sleep};
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use polling::{Events, Poller};
use reactor::backend::{Backend, Event, Readiness, Token};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of times that the backends of this process have waited.
pub static WAITS: AtomicUsize = AtomicUsize::new(0);

/// Reports a source once for each `rearm`, as the system's one-shot mode does.
pub struct OneShot {
    poller: Poller,
    events: Mutex<Events>,
}

impl OneShot {
    /// Creates a backend, as `Builder::backend` takes it.
    pub fn make() -> io::Result<Box<dyn Backend>> {
        Ok(Box::new(OneShot { poller: Poller::new()?, events: Mutex::new(Events::new()) }))
    }
}

impl Backend for OneShot {
    fn now(&self) -> Instant {
        Instant::now()
    }

    unsafe fn add(&self, fd: BorrowedFd<'_>, token: Token) -> io::Result<()> {
        // SAFETY: the caller keeps the descriptor open until `remove`.
        unsafe { self.poller.add(fd.as_raw_fd(), polling::Event::none(token.0)) }
    }

    fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.poller.delete(fd)
    }

    fn needs_rearm(&self) -> bool {
        true
    }

    fn rearm(&self, fd: BorrowedFd<'_>, token: Token, interest: Readiness) -> io::Result<()> {
        let (readable, writable) = (interest.contains(Readiness::READABLE), interest.contains(Readiness::WRITABLE));
        self.poller.modify(fd, polling::Event::new(token.0, readable, writable))
    }

    fn wait(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        WAITS.fetch_add(1, Ordering::Relaxed);
        let mut reported = self.events.lock().unwrap();
        reported.clear(); // `Poller::wait` appends
        match self.poller.wait(&mut reported, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        events.extend(reported.iter().map(|event| {
            let mut readiness = Readiness::empty();
            readiness.set(Readiness::READABLE, event.readable);
            readiness.set(Readiness::WRITABLE, event.writable);
            Event { token: Token(event.key), readiness }
        }));
        Ok(())
    }

    fn notify(&self) -> io::Result<()> {
        self.poller.notify()
    }
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    let (mut client, _) = listener.accept().await?;
    let mut ping = [0; 4];
    while client.read_exact(&mut ping).await.is_ok() {
        sleep(Duration::from_millis(100)).await;
        client.write_all(&ping).await?;
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let runtime = Runtime::builder().backend(OneShot::make()?).build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut server = TcpStream::connect(listener.local_addr()?).await?;
        let serving = executor::spawn(serve(listener));
        for round in 1..=3 {
            let mut pong = [0; 4];
            server.write_all(b"ping").await?;
            server.read_exact(&mut pong).await?;
            println!("round {round}: {}", String::from_utf8_lossy(&pong));
        }
        let before = WAITS.load(Ordering::Relaxed);
        sleep(Duration::from_millis(300)).await; // the server waits to read, while its connection is always writable
        println!("waits while idle for 300 ms: {}", WAITS.load(Ordering::Relaxed) - before);
        drop(server);
        serving.await.map_err(io::Error::other)?
    })
}
