//! Async fns on the runtime of this workspace.
//!
//! Good at: all of it. `fetch` reads like the one in `blocking.rs`; all pages download at once, on one thread, which
//! sleeps while nothing happens. Each `.await` does what `callbacks.rs` does by hand.
//! Costs: the word `async` in all callers; and a call that blocks delays all tasks.

use super::page;
use executor::net::TcpStream;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use std::io;
use std::net::SocketAddr;

/// Downloads the pages.
pub fn download(server: SocketAddr, paths: &[String]) -> io::Result<Vec<Vec<u8>>> {
    executor::block_on(async {
        let start = |path: &String| executor::spawn_local(fetch(server, path.clone()));
        let tasks: Vec<_> = paths.iter().map(start).collect();
        let mut pages = Vec::new();
        for task in tasks {
            pages.push(task.await??);
        }
        Ok(pages)
    })
}

async fn fetch(server: SocketAddr, path: String) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&page::request(server, &path)).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    page::body(response)
}
