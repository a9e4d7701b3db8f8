//! One page after the other, with blocking calls.
//!
//! Good at: being read. Each line runs when the previous one is done.
//! Costs: time. The times of all pages add up, and the processor is idle for nearly all of it.

use super::page;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Downloads the pages.
pub fn download(server: SocketAddr, paths: &[String]) -> io::Result<Vec<Vec<u8>>> {
    paths.iter().map(|path| fetch(server, path)).collect()
}

/// Downloads one page. The threads and the processes use it too.
pub fn fetch(server: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server)?;
    stream.write_all(&page::request(server, path))?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    page::body(response)
}
