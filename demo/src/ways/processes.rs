//! A pool of ten processes, each of which does what `blocking.rs` does with its share of the pages.
//!
//! Good at: keeping the code as it was, using several processors, and keeping a crash to itself.
//! Costs: a whole program for each: its start, its memory, and a pipe for everything that it returns. Ten at once are
//! ten times as fast, less these costs.

use super::blocking::fetch;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

const POOL: usize = 10;

/// Downloads the pages, ten at a time.
pub fn download(server: SocketAddr, paths: &[String]) -> io::Result<Vec<Vec<u8>>> {
    let start = |n: usize| {
        let mut worker = Command::new(std::env::current_exe()?);
        worker.args(["ways-worker", &server.to_string()]).args(share(paths, n));
        worker.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
    };
    let workers = (0..POOL).map(start).collect::<io::Result<Vec<_>>>()?;
    let mut pages = vec![Vec::new(); paths.len()];
    for (n, mut worker) in workers.into_iter().enumerate() {
        let mut output = worker.stdout.take().expect("its output is a pipe");
        for page in pages.iter_mut().skip(n).step_by(POOL) {
            let mut length = [0; 8];
            output.read_exact(&mut length)?;
            page.resize(u64::from_le_bytes(length) as usize, 0);
            output.read_exact(page)?;
        }
        if !worker.wait()?.success() {
            return Err(io::Error::other("a process of the pool failed"));
        }
    }
    Ok(pages)
}

fn share(paths: &[String], worker: usize) -> impl Iterator<Item = &String> {
    paths.iter().skip(worker).step_by(POOL)
}

/// Runs in a process of the pool: downloads its share, and writes the length of each page and then the page.
pub fn work(server: SocketAddr, paths: &[String]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for path in paths {
        let page = fetch(server, path)?;
        output.write_all(&(page.len() as u64).to_le_bytes())?;
        output.write_all(&page)?;
    }
    output.flush()
}
