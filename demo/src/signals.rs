//! Signals, as something to await: Ctrl-C, and the wish to know where every task stands.
//!
//! `signal-hook` writes a byte into a socket pair when a signal comes; the other end is a stream
//! of the runtime like any other.

use executor::dump::Tasks;
use executor::net::UnixStream;
use executor::tasks;
use futures_lite::future::pending;
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use std::io;
use std::os::unix::net;

/// A stream with a byte for each of these signals that comes from now on.
fn listen(signals: [i32; 2]) -> io::Result<UnixStream> {
    let (ours, hook) = net::UnixStream::pair()?;
    for signal in signals {
        signal_hook::low_level::pipe::register(signal, hook.try_clone()?)?;
    }
    UnixStream::from_std(ours)
}

/// Waits for the next one.
async fn next(signals: &mut UnixStream) {
    // One byte a signal. The hook's end is never closed, so neither an end nor an error comes.
    let mut byte = [0];
    let _ = signals.read(&mut byte).await;
}

/// Whom the crawl listens to while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    /// Whoever sends signals to this process.
    OfProcess,
    /// Nobody: there are none where the runtime is not in the real world.
    None,
}

impl Signals {
    /// The interrupts that come from now on.
    pub fn interrupts(self) -> io::Result<Interrupts> {
        match self {
            Signals::OfProcess => Interrupts::new(),
            Signals::None => Ok(Interrupts(None)),
        }
    }

    /// As [`print_tasks_on_request`].
    pub fn print_tasks_on_request(self, print: impl Fn(Tasks) + 'static) -> io::Result<()> {
        match self {
            Signals::OfProcess => print_tasks_on_request(print),
            Signals::None => Ok(()),
        }
    }
}

/// The interrupts that come from now on.
pub struct Interrupts(Option<UnixStream>);

impl Interrupts {
    /// Takes over SIGINT and SIGTERM.
    pub fn new() -> io::Result<Interrupts> {
        Ok(Interrupts(Some(listen([SIGINT, SIGTERM])?)))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        match &mut self.0 {
            Some(signals) => next(signals).await,
            None => pending().await,
        }
    }
}

/// From now on SIGUSR1, and SIGQUIT, which is Ctrl-\\ on a terminal, have `print` called with all tasks.
pub fn print_tasks_on_request(print: impl Fn(Tasks) + 'static) -> io::Result<()> {
    let mut requests = listen([SIGUSR1, SIGQUIT])?;
    executor::named("SIGUSR1, SIGQUIT").spawn_local(async move {
        loop {
            next(&mut requests).await;
            print(tasks());
        }
    });
    Ok(())
}
