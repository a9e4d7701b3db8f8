//! Ctrl-C, as something to await.
//!
//! `signal-hook` writes a byte into a socket pair when a signal comes; the other end is a stream
//! of the runtime like any other.

use executor::net::UnixStream;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::os::unix::net;

/// The interrupts that come from now on.
pub struct Interrupts(UnixStream);

impl Interrupts {
    /// Takes over SIGINT and SIGTERM.
    pub fn new() -> io::Result<Interrupts> {
        let (ours, hook) = net::UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, hook.try_clone()?)?;
        }
        Ok(Interrupts(UnixStream::from_std(ours)?))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        // One byte a signal. The hook's end is never closed, so neither an end nor an error comes.
        let mut byte = [0];
        let _ = self.0.read(&mut byte).await;
    }
}
