//! An event loop over `polling` (epoll, kqueue) that calls a method when a socket is ready.
//!
//! Good at: downloading all pages at once, on one thread, which sleeps while nothing happens.
//! Costs: the order of the steps. One function becomes a method for each event, local variables become fields, and an
//! error surfaces in the loop, far from the code that caused it.

use super::page;
use polling::{Event, Events, Poller};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Downloads the pages.
pub fn download(server: SocketAddr, paths: &[String]) -> io::Result<Vec<Vec<u8>>> {
    let poller = Poller::new()?;
    let begin = |(key, path): (usize, &String)| Download::begin(&poller, key, server, path);
    let mut downloads = paths.iter().enumerate().map(begin).collect::<io::Result<Vec<_>>>()?;
    let (mut left, mut events) = (downloads.len(), Events::new());
    while left > 0 {
        events.clear();
        poller.wait(&mut events, None)?;
        for event in events.iter() {
            let download = &mut downloads[event.key];
            if event.writable {
                download.on_writable()?;
            } else if download.on_readable()? {
                left -= 1;
            }
        }
    }
    downloads.into_iter().map(|mut download| page::body(std::mem::take(&mut download.response))).collect()
}

/// A download in progress.
struct Download<'a> {
    poller: &'a Poller,
    key: usize,
    stream: TcpStream,
    /// What is left to send.
    request: Vec<u8>,
    response: Vec<u8>,
}

impl Download<'_> {
    fn begin<'a>(poller: &'a Poller, key: usize, server: SocketAddr, path: &str) -> io::Result<Download<'a>> {
        let stream = page::connect(server)?;
        // SAFETY: `drop` removes the stream from the poller before the stream is closed.
        unsafe { poller.add(&stream, Event::writable(key))? };
        Ok(Download { poller, key, stream, request: page::request(server, path), response: Vec::new() })
    }

    /// Called when the socket is connected or has room: sends more.
    fn on_writable(&mut self) -> io::Result<()> {
        let sent = self.stream.write(&self.request)?;
        self.request.drain(..sent);
        let next = if self.request.is_empty() { Event::readable } else { Event::writable };
        self.poller.modify(&self.stream, next(self.key)) // an event is reported only once
    }

    /// Called when bytes have arrived: reads more. Returns whether that was the end.
    fn on_readable(&mut self) -> io::Result<bool> {
        match self.stream.read_to_end(&mut self.response) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.poller.modify(&self.stream, Event::readable(self.key))?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for Download<'_> {
    fn drop(&mut self) {
        let _ = self.poller.delete(&self.stream);
    }
}
