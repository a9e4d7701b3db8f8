//! `demo serve`: the built-in site, or files from disk.
//!
//! | file | what it holds |
//! |---|---|
//! | `args.rs` | the options |
//! | `pages.rs` | the built-in site |
//! | `files.rs` | files of a directory |

mod args;
mod files;
mod pages;

pub use args::ServeArgs;
pub use files::Files;
pub use pages::Site;

use crate::descriptors;
use crate::http::server::serve_at_most;
use crate::signals::{Interrupts, print_tasks_on_request};
use crate::{Exit, Failure};
use executor::io::Async;
use executor::net::TcpListener;
use futures_lite::{AsyncReadExt, FutureExt, future};
use std::io::stdin;
use std::net::SocketAddr;
use std::rc::Rc;

/// Serves until an interrupt.
///
/// # Errors
/// Fails if the server can't listen or accept, or the directory can't be opened.
pub async fn run(args: ServeArgs) -> Result<Exit, Failure> {
    let mut interrupts = Interrupts::new().map_err(Failure::Signals)?;
    print_tasks_on_request(|tasks| eprintln!("{tasks}")).map_err(Failure::Signals)?;
    descriptors::raise_limit();
    let listener = listen(args.listen).await?;
    let address = listener.local_addr().map_err(|error| Failure::listen(args.listen, error))?;
    let serving = match &args.root {
        Some(root) => {
            let files = Files::open(root)?;
            println!("serving {} at http://{address}/; Ctrl-C stops it", root.display());
            executor::spawn_local(serve_at_most(args.connections, listener, Rc::new(files)))
        }
        None => {
            println!("serving the built-in site at http://{address}/; Ctrl-C stops it");
            executor::spawn_local(serve_at_most(args.connections, listener, Rc::new(Site::new(args.delay))))
        }
    };
    let interrupted = async {
        interrupts.next().await;
        Ok(Exit::Interrupted)
    };
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

/// Listens on an address.
///
/// # Errors
/// Fails if the address is in use or not available.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| Failure::listen(address, error))
}
