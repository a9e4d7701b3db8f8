//! One page after the other, each with calls that wait.
//!
//! Good at: being read. A line does what it says, and the next one runs when it is done.
//! Costs: time. While one page is under way nothing else is, so the times add up; the processor sleeps
//! through nearly all of it.

use super::page;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Downloads the pages.
pub fn download(server: SocketAddr, paths: &[String]) -> io::Result<Vec<Vec<u8>>> {
    paths.iter().map(|path| fetch(server, path)).collect()
}

/// Downloads one page; the threads and the processes do the same.
pub fn fetch(server: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server)?;
    stream.write_all(&page::request(server, path))?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    page::body(response)
}
