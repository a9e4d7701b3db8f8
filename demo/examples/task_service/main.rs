//! A service of background jobs: HTTP in front, SQLite below, a task of the runtime for each job.
//!
//! A client starts a job and gets its answer at once; the job goes on in the background, in small steps. Clients can query,
//! pause, resume and cancel it. Jobs outlive the program: after Ctrl-C, `kill -9` or a power cut, the next start resumes
//! those that were running.
//!
//! ```sh
//! cargo run --release -p demo --example task_service
//! curl -i http://127.0.0.1:8080/task -d '{"name": "report", "seconds": 60}'   # 201, Location: /task/1
//! curl http://127.0.0.1:8080/task/1                                           # its progress
//! curl http://127.0.0.1:8080/task?status=running                              # all running jobs
//! curl -X PUT http://127.0.0.1:8080/task/1 -d '{"action": "pause"}'           # or resume, or cancel
//! ```
//!
//! `--listen` sets the address, `--database` the file. An error is answered with the right status and `{"error": "…"}`,
//! which says what to send instead.
//!
//! | file | what it holds |
//! |---|---|
//! | `api.rs` | the HTTP side: paths, methods, JSON |
//! | `jobs.rs` | running jobs: a task for each |
//! | `store.rs` | jobs on disk: the only file with SQL |
//! | `body.rs` | the bodies of requests |
//! | `job.rs` | a job, and the actions that are possible |
//!
//! Each file uses only files below it in this table.

mod api;
mod body;
mod job;
mod jobs;
mod store;

use api::Api;
use clap::Parser;
use demo::descriptors;
use demo::http::server::serve;
use demo::signals::{Interrupts, print_tasks_on_request};
use demo::site::listen;
use executor::Runtime;
use futures_lite::FutureExt;
use jobs::Jobs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

/// A service of background jobs: POST /task starts one, GET /task/ID shows its progress.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    /// Address to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Database file for the jobs; created if it does not exist
    #[arg(long, value_name = "FILE", default_value = "tasks.db")]
    database: PathBuf,
}

/// Why the service failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Demo(#[from] demo::Failure),
    #[error("cannot keep tasks in {}: {source}; choose another file with --database", .path.display())]
    Database { path: PathBuf, source: store::Error },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = Runtime::builder().build().map_err(|error| demo::Failure::Runtime(error).into());
    match runtime.and_then(|runtime| runtime.block_on(run(args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("task_service: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until an interrupt.
async fn run(args: Args) -> Result<(), Failure> {
    let mut interrupts = Interrupts::new().map_err(demo::Failure::Signals)?;
    print_tasks_on_request(|tasks| eprintln!("{tasks}")).map_err(demo::Failure::Signals)?;
    descriptors::raise_limit();
    let listener = listen(args.listen).await?;
    let broken = |address, source| Failure::from(demo::Failure::Listen { address, source });
    let address = listener.local_addr().map_err(|error| broken(args.listen, error))?;
    let database = |source| Failure::Database { path: args.database.clone(), source };

    let jobs = Jobs::open(args.database.clone()).await.map_err(database)?;
    for job in jobs.go_on().await.map_err(database)? {
        eprintln!("task {} goes on from {} %: it ran when the program ended", job.id, job.percentage());
    }
    println!("listening on http://{address}/ — start tasks at /task; Ctrl-C stops it");

    // When the first of the two ends, the other is dropped, and the listener with it.
    let interrupted = async {
        interrupts.next().await;
        Ok(())
    };
    let serving = async { Err(broken(address, serve(listener, Rc::new(Api::new(jobs.clone()))).await)) };
    let ended = interrupted.or(serving).await;
    let left = jobs.stop().await.map_err(database)?;
    eprintln!("stored; tasks that continue at the next start: {left}");
    ended
}
