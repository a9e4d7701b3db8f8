//! Sockets that don't block, in a loop that asks each of them again and again.
//!
//! Good at: having all pages under way at once, on one thread.
//! Costs: a whole processor, all the time, to hear "not yet". And where a page stands is no longer a line
//! of code but the content of some variables.

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

/// A page under way.
struct Download {
    stream: TcpStream,
    /// What is left to be sent.
    request: Vec<u8>,
    response: Vec<u8>,
    is_done: bool,
}

impl Download {
    fn begin(server: SocketAddr, path: &str) -> io::Result<Download> {
        let (stream, request) = (page::connect(server)?, page::request(server, path));
        Ok(Download { stream, request, response: Vec::new(), is_done: false })
    }

    /// Tries what comes next. Whether all is done.
    fn go_on(&mut self) -> io::Result<bool> {
        if self.is_done {
            return Ok(true);
        }
        let result = match self.request.is_empty() {
            false => self.stream.write(&self.request).map(|sent| drop(self.request.drain(..sent))),
            true => self.stream.read_to_end(&mut self.response).map(|_| self.is_done = true),
        };
        match result {
            // Still connecting, or nothing there yet.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => Ok(false),
            Err(error) => Err(error),
            Ok(()) => Ok(self.is_done),
        }
    }
}
