//! A small Redis: many clients, one thread, one event loop.
//!
//! ```sh
//! cargo run --release --example mini_redis -- --listen 127.0.0.1:6379
//! redis-cli set greeting hello
//! redis-benchmark -t get,set -P 16
//! ```
//!
//! It offers strings with expiry, publish and subscribe, over RESP2, which redis-cli and all client libraries speak. Nothing
//! is saved. Replies are those of Redis 7.0, byte for byte, errors included.
//!
//! | file | what it holds |
//! |---|---|
//! | `accept.rs` | accepting clients |
//! | `client.rs` | one client: reads, answers, sends |
//! | `commands/` | the table of commands, and what each does |
//! | `expiry.rs` | the task that removes keys at their deadlines |
//! | `server.rs` | the state that all clients share |
//! | `db.rs` | the keys, their values and their deadlines |
//! | `pubsub.rs` | channels, patterns and their subscribers |
//! | `buffers.rs` | input and output buffers, and the limit for slow subscribers |
//! | `resp.rs` | the protocol: requests are parsed in place, replies appended |
//! | `large.rs` | large values, which are never copied |
//!
//! Each file uses only files below it in this table.
//!
//! On one thread, a command runs to its end before another starts. So there are no locks, and INCR is atomic without
//! further code.

mod accept;
mod buffers;
mod client;
mod commands;
mod db;
mod expiry;
mod large;
mod pubsub;
mod resp;
mod server;

use clap::Parser;
use demo::signals::{Interrupts, print_tasks_on_request};
use executor::Runtime;
use executor::net::TcpListener;
use futures_lite::future;
use server::Server;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;

/// A small Redis on one thread: strings with expiry, publish and subscribe.
#[derive(Parser)]
struct Cli {
    /// Address to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6379")]
    listen: SocketAddr,
    /// How long to poll for requests before parking. The next request is often already on its way, and a wake-up would
    /// delay both sides
    #[arg(long, value_name = "TIME", default_value = "10us")]
    stay_awake: humantime::Duration,
}

/// Why the server failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot build the runtime: {0}")]
    Runtime(#[source] io::Error),
    #[error("cannot handle Ctrl-C: {0}")]
    Signals(#[source] io::Error),
    #[error("cannot listen on {0}: {1}; choose another address with --listen, as --listen 127.0.0.1:0 for a free port")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("cannot accept clients any more: {0}")]
    Accept(#[source] io::Error),
}

fn main() -> ExitCode {
    allow_many_clients();
    let cli = Cli::parse();
    let runtime = Runtime::builder().stay_awake(cli.stay_awake.into()).build().map_err(Failure::Runtime);
    match runtime.and_then(|runtime| runtime.block_on(run(cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("mini_redis: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Raises the limit on file descriptors, of which each client takes one. A shell's default is about a thousand.
fn allow_many_clients() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _as_it_is = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// Serves until Ctrl-C. The clients' tasks are dropped with the runtime.
async fn run(cli: Cli) -> Result<(), Failure> {
    let mut interrupts = Interrupts::new().map_err(Failure::Signals)?;
    print_tasks_on_request(|tasks| eprintln!("{tasks}")).map_err(Failure::Signals)?;
    let bound = async {
        let listener = TcpListener::bind(cli.listen).await?;
        io::Result::Ok((listener.local_addr()?, listener))
    };
    let (address, listener) = bound.await.map_err(|error| Failure::Listen(cli.listen, error))?;
    println!("listening on {address}");
    let server = Rc::new(Server::default());
    executor::named("expiry").spawn_local(expiry::expire(server.clone()));
    let interrupted = async {
        interrupts.next().await;
        Ok(())
    };
    future::or(interrupted, async { Err(Failure::Accept(accept::accept(listener, server).await)) }).await
}
