//! `demo serve`: the built-in site, or files from disk.
//!
//! | file | what it holds |
//! |---|---|
//! | `args.rs` | the options |
//! | `pages.rs` | the built-in site |
//! | `files.rs`, `conditional.rs` | files of a directory; preconditions and ranges |
//! | `access_log.rs` | a line for each request |

mod access_log;
mod args;
mod conditional;
mod files;
mod pages;

pub use args::ServeArgs;
pub use files::Files;
pub use pages::Site;

use crate::descriptors;
use crate::http::server::{Handler, serve_at_most};
use crate::signals::{Interrupts, print_tasks_on_request};
use crate::{Exit, Failure};
use access_log::Logged;
use executor::JoinHandle;
use executor::io::Async;
use executor::net::TcpListener;
use futures_lite::{AsyncReadExt, FutureExt, future};
use std::io::{self, Write, stdin};
use std::net::SocketAddr;
use std::rc::Rc;

/// Serves until an interrupt.
///
/// # Errors
/// Fails if the server can't listen or accept, or the directory can't be opened.
pub async fn run(args: ServeArgs) -> Result<Exit, Failure> {
    let mut interrupts = Interrupts::new().map_err(Failure::Signals)?;
    print_tasks_on_request(crate::stderr::print).map_err(Failure::Signals)?;
    descriptors::raise_limit();
    let listener = listen(args.address()).await?;
    let address = listener.local_addr().map_err(|error| Failure::listen(args.address(), error))?;
    let serving = match args.directory.as_deref().or(args.root.as_deref()) {
        Some(root) => {
            let files = Files::open(root)?;
            announce(&root.display().to_string(), address);
            start(&args, listener, files)?
        }
        None => {
            announce("the built-in site", address);
            start(&args, listener, Site::new(args.delay))?
        }
    };
    let interrupted = async { Ok(interrupts.next().await.exit()) };
    let broken = async { Err(Failure::listen(address, serving.await?)) };
    let abandoned = async {
        if !args.until_eof {
            return future::pending().await;
        }
        let mut input = Async::new(stdin()).map_err(Failure::Input)?;
        while input.read(&mut [0; 64]).await.is_ok_and(|bytes| bytes > 0) {}
        Ok(Exit::Success)
    };
    interrupted.or(broken).or(abandoned).await
}

/// Prints what is served. If standard output is closed, the server still runs; `println!` would panic.
fn announce(what: &str, address: SocketAddr) {
    let _closed = writeln!(io::stdout(), "serving {what} at http://{address}/; Ctrl-C stops it");
}

/// Starts the server in a task of its own.
fn start(args: &ServeArgs, listener: TcpListener, handler: impl Handler) -> Result<JoinHandle<io::Error>, Failure> {
    Ok(match &args.access_log {
        Some(path) => {
            let logged = Logged::new(handler, path)?;
            executor::spawn_local(serve_at_most(args.connections, listener, Rc::new(logged)))
        }
        None => executor::spawn_local(serve_at_most(args.connections, listener, Rc::new(handler))),
    })
}

/// Listens on an address.
///
/// # Errors
/// Fails if the address is in use or not available.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| Failure::listen(address, error))
}
