//! Non-blocking sockets, in a loop that tries each of them again and again.
//!
//! Good at: downloading all pages at once, on one thread.
//! Costs: a whole processor, only to get "not yet". And the progress of a page is no longer a line of code but the
//! values of variables.

use super::page;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Downloads the pages.
pub fn download(server: SocketAddr, paths: &[String]) -> io::Result<Vec<Vec<u8>>> {
    let begin = |path: &String| Download::begin(server, path);
    let mut downloads = paths.iter().map(begin).collect::<io::Result<Vec<_>>>()?;
    loop {
        let mut left = 0;
        for download in &mut downloads {
            left += usize::from(!download.go_on()?);
        }
        if left == 0 {
            break;
        }
    }
    downloads.into_iter().map(|download| page::body(download.response)).collect()
}

/// A download in progress.
struct Download {
    stream: TcpStream,
    /// What is left to send.
    request: Vec<u8>,
    response: Vec<u8>,
    is_done: bool,
}

impl Download {
    fn begin(server: SocketAddr, path: &str) -> io::Result<Download> {
        let (stream, request) = (page::connect(server)?, page::request(server, path));
        Ok(Download { stream, request, response: Vec::new(), is_done: false })
    }

    /// Tries the next step. Returns whether the download is done.
    fn go_on(&mut self) -> io::Result<bool> {
        if self.is_done {
            return Ok(true);
        }
        let result = match self.request.is_empty() {
            false => self.stream.write(&self.request).map(|sent| drop(self.request.drain(..sent))),
            true => self.stream.read_to_end(&mut self.response).map(|_| self.is_done = true),
        };
        match result {
            // Still connecting, or no bytes yet.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => Ok(false),
            Err(error) => Err(error),
            Ok(()) => Ok(self.is_done),
        }
    }
}
