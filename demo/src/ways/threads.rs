//! A pool of ten threads that do what `blocking.rs` does; or a thread for each page.
//!
//! Good at: keeping the code as it was, and using several processors.
//! Costs: a stack and an entry in the system's scheduler for each, so there are few; and a lock for everything they
//! share. Ten at once are ten times as fast, and no more.

use super::blocking::fetch;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const POOL: usize = 10;

/// Downloads the pages, ten at a time.
pub fn download(server: SocketAddr, paths: &[String]) -> io::Result<Vec<Vec<u8>>> {
    on_threads(server, paths, POOL)
}

/// Downloads the pages, all at once.
pub fn download_unpooled(server: SocketAddr, paths: &[String]) -> io::Result<Vec<Vec<u8>>> {
    on_threads(server, paths, paths.len())
}

fn on_threads(server: SocketAddr, paths: &[String], threads: usize) -> io::Result<Vec<Vec<u8>>> {
    let next = AtomicUsize::new(0);
    // Takes the next page that no thread has taken, until there is none.
    let work = || -> io::Result<Vec<(usize, Vec<u8>)>> {
        let mut done = Vec::new();
        while let n @ 0.. = next.fetch_add(1, Ordering::Relaxed)
            && let Some(path) = paths.get(n)
        {
            done.push((n, fetch(server, path)?));
        }
        Ok(done)
    };
    let mut pages = thread::scope(|scope| {
        // If one cannot be started, the scope joins the others.
        let start = |_| thread::Builder::new().spawn_scoped(scope, work);
        let workers = (0..threads).map(start).collect::<io::Result<Vec<_>>>()?;
        let done = workers.into_iter().map(|worker| worker.join().expect("a thread of the pool panicked"));
        done.collect::<io::Result<Vec<_>>>()
    })?
    .concat();
    pages.sort_unstable_by_key(|(n, _)| *n);
    Ok(pages.into_iter().map(|(_, page)| page).collect())
}
