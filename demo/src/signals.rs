//! Signals to await: interrupts, and requests for a task dump.
//!
//! For each signal, `signal-hook` writes a byte to a socket pair, whose other end is a stream of the runtime.
//!
//! Other signals keep their effect. SIGHUP ends the program at once, unless `nohup` ignores it; like SIGKILL it leaves
//! no file half written under its name.

use crate::Exit;
use executor::dump::Tasks;
use executor::net::UnixStream;
use executor::tasks;
use futures_lite::future::pending;
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM, SIGUSR1};
use std::io;
use std::os::unix::net;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A stream that receives a byte for each of these signals from now on.
fn listen(signals: [i32; 2]) -> io::Result<UnixStream> {
    let (ours, hook) = net::UnixStream::pair()?;
    for signal in signals {
        signal_hook::low_level::pipe::register(signal, hook.try_clone()?)?;
    }
    UnixStream::from_std(ours)
}

/// Waits for the next signal.
async fn next(signals: &mut UnixStream) {
    // The hook's end is never closed, so the read returns neither an end nor an error.
    let mut byte = [0];
    let _ = signals.read(&mut byte).await;
}

/// The signals that a crawl handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    /// The signals of this process.
    OfProcess,
    /// None, as in a simulation.
    None,
}

impl Signals {
    /// The interrupts from now on.
    pub fn interrupts(self) -> io::Result<Interrupts> {
        match self {
            Signals::OfProcess => Interrupts::new(),
            Signals::None => Ok(Interrupts::none()),
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

/// A request to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// SIGINT, as by Ctrl-C.
    Interrupted,
    /// SIGTERM, as by `kill` and `timeout`.
    Terminated,
}

impl Interrupt {
    /// The exit code of a program that ends because of it.
    pub fn exit(self) -> Exit {
        match self {
            Interrupt::Interrupted => Exit::Interrupted,
            Interrupt::Terminated => Exit::Terminated,
        }
    }
}

/// The interrupts of this process, or none.
pub struct Interrupts {
    signals: Option<UnixStream>,
    /// Whether SIGTERM came since the last check.
    terminated: Arc<AtomicBool>,
}

impl Interrupts {
    /// Handles SIGINT and SIGTERM from now on.
    ///
    /// # Errors
    /// Fails if the system has no descriptor for it.
    pub fn new() -> io::Result<Interrupts> {
        let terminated = Arc::new(AtomicBool::new(false));
        // Registered before the stream, so that it is set when the stream's byte comes.
        signal_hook::flag::register(SIGTERM, terminated.clone())?;
        Ok(Interrupts { signals: Some(listen([SIGINT, SIGTERM])?), terminated })
    }

    /// No interrupt ever.
    fn none() -> Interrupts {
        Interrupts { signals: None, terminated: Arc::default() }
    }

    /// Waits for the next interrupt.
    ///
    /// # Cancel safety
    /// If this future is dropped, no interrupt is lost: the next call returns it.
    pub async fn next(&mut self) -> Interrupt {
        match &mut self.signals {
            Some(signals) => next(signals).await,
            None => pending().await,
        }
        match self.terminated.swap(false, Ordering::SeqCst) {
            true => Interrupt::Terminated,
            false => Interrupt::Interrupted,
        }
    }
}

/// Calls `print` with a task dump at each SIGUSR1 and SIGQUIT (Ctrl-\\ on a terminal) from now on.
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
