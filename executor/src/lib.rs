//! A coroutine runtime for Rust, small enough to read in an afternoon.
//!
//! ```
//! use executor::net::{TcpListener, TcpStream};
//! use futures_lite::{AsyncReadExt, AsyncWriteExt};
//!
//! fn main() -> std::io::Result<()> {
//!     executor::block_on(async {
//!         let listener = TcpListener::bind("127.0.0.1:0").await?;
//!         let address = listener.local_addr()?;
//!
//!         let server = executor::spawn(async move {
//!             let (mut stream, _) = listener.accept().await?;
//!             stream.write_all(b"hello").await
//!         });
//!
//!         let mut text = String::new();
//!         TcpStream::connect(address).await?.read_to_string(&mut text).await?;
//!         assert_eq!(text, "hello");
//!         server.await?
//!     })
//! }
//! ```
//!
//! [`block_on`] runs a future on this thread, together with the tasks that it [`spawn`]s. Tasks wait for sockets,
//! timers and other descriptors with [`net`], [`time`] and [`io`], and share data with [`sync`]. [`spawn_blocking`]
//! runs calls that block. [`tasks`] returns a task dump, and an [`Observer`] is shown every event inside the runtime.
//!
//! # Coming from asyncio, Go or tokio
//! Each line has an example in `executor/examples/`: `cargo run -p executor --example NAME`.
//!
//! | what | here | asyncio | Go | tokio | example |
//! |---|---|---|---|---|---|
//! | run a coroutine | [`block_on`] | `asyncio.run` | `main` | `#[tokio::main]` | `hello` |
//! | start a task | [`spawn`], [`spawn_local`] | `create_task` | `go f()` | `spawn`, `spawn_local` | `states` |
//! | a task's name and state | [`named`], [`JoinHandle::state`] | `Task.get_name`, `print(task)` | – | `task::Builder` (unstable) | `states` |
//! | a task's result | `handle.await` | `await task` | a channel | `handle.await` | `callback` |
//! | a callback when a task completes | [`JoinHandle::on_done`] | `add_done_callback` | `defer` | – | `callback` |
//! | all results, in order | [`join_all`] | `gather` | `WaitGroup` | `futures::join_all` | `gather` |
//! | all results, stopping at the first error | [`try_join_all`] | `TaskGroup` | `errgroup` | `try_join!` | `gather` |
//! | results as tasks complete | [`as_completed`] | `as_completed` | a channel | `JoinSet`, `FuturesUnordered` | `completed` |
//! | some of the results, and the futures that are left | [`wait`] | `wait(return_when=…)` | – | – | `wait` |
//! | the first of several | [`select`], [`race`] | `wait(FIRST_COMPLETED)` | `select` | `select!` | `race` |
//! | tasks that belong together | [`task_group`] | `TaskGroup` | `errgroup.Group` | `JoinSet`, nearly | `group` |
//! | a time limit | [`time::timeout`], [`deadline`] | `timeout` | `context.WithTimeout` | `timeout` | `group`, `race` |
//! | the time left until a deadline | [`time_left`] | `timeout.when` | `ctx.Deadline` | – | `group` |
//! | cancel a task | [`JoinHandle::cancel`] | `Task.cancel` | `cancel()` of a context | `abort` | `cancel` |
//! | what cancelled a task, and why | [`JoinHandle::explained`] | `CancelledError.args` | `context.Cause` | – | `cancel` |
//! | delay cancellation for a section | [`shield()`] | `shield` | `context.WithoutCancel` | `spawn` | `group` |
//! | limit concurrency | [`sync::Semaphore`] | `Semaphore` | `semaphore.Weighted` | `Semaphore` | `completed` |
//! | locks and signals | [`sync::Mutex`], [`sync::RwLock`], [`sync::Event`], [`sync::Condvar`], [`sync::Barrier`] | `Lock`, –, `Event`, `Condition`, `Barrier` | `sync.Mutex`, `RWMutex`, `close(ch)`, `Cond`, – | `Mutex`, `RwLock`, `Notify`, –, `Barrier` | `share` |
//! | messages | [`sync::channel()`], [`sync::unbounded`] | `Queue` | `chan T` | `mpsc` | `messages` |
//! | one message; every message to all receivers; the newest value | [`sync::oneshot()`], [`sync::broadcast()`], [`sync::watch()`] | `Future`, –, – | a channel | `oneshot`, `broadcast`, `watch` | `messages` |
//! | task-local values | [`task_local!`] | `contextvars` | `context.Value` | `task_local!` | `locals` |
//! | wait for a time, or periodically | [`time::sleep`], [`time::interval`] | `sleep` | `time.Sleep`, `Ticker` | `sleep`, `interval` | `race` |
//! | run a blocking call | [`spawn_blocking`] | `to_thread` | any goroutine | `spawn_blocking` | `blocking` |
//! | sockets | [`net`] | `open_connection`, `start_server` | `net` | `net` | `download` |
//! | all tasks with their await chains | [`tasks`] | `all_tasks`, `Task.print_stack` | SIGQUIT | `Handle::dump` (unstable) | `cancel` |
//! | a recording of a run | [`mod@trace`] | `set_debug`, nearly | `runtime/trace` | `tokio-console`, live only | any, with `EXECUTOR_TRACE` |
//! | repeatable runs | [`Builder::deterministic`], [`test::explore`] | – | `testing/synctest`, partly | `turmoil`, `loom` | `explore` |
//! | a scheduler of your own | [`task::Schedule`], [`CustomRuntime`] | an event loop policy | – | – | `priority`, `two_threads` |
//! | detect a deadlock | [`Builder::detect_deadlock`] | – | `all goroutines are asleep` | – | `deadlock` |
//!
//! # Where to read
//! The folders, roughly from bottom to top. Each file opens with what it is for.
//!
//! | folder or file | what it holds |
//! |---|---|
//! | [`task/`](mod@task) | the task: its cell, state word, wakers and join handle. Begin with `state.rs` |
//! | [`sync/`](mod@sync) | what tasks share: locks, signals and channels, all on `wait_list.rs` |
//! | [`combine/`](mod@join) | futures made of futures: join, select, race, groups, deadlines, shields, task-locals |
//! | [`watch/`](mod@observer) | everything that only observes: observers, task dumps, deadlocks, lost wakes, slow polls |
//! | `schedule/` | the run queue (`run_queue.rs`), the single-thread loop (`single.rs`), the blocking pool (`pool.rs`) |
//! | [`trace/`](mod@trace) | the recorder and its file format |
//! | `runtime.rs`, `spawn.rs`, [`net.rs`](mod@net), [`test.rs`](mod@test) | the public functions, which compose the rest |
//!
//! Sockets and timers are in the crate [`reactor`].

#[doc(hidden)] // for `task_local!`
pub mod combine;
pub mod net;
mod runtime;
mod schedule;
mod shim;
mod spawn;
mod stack;
pub mod sync;
pub mod task;
mod tasks;
pub mod test;
pub mod trace;
mod watch;

pub use combine::cancel::{deadline, deadline_at, shield, time_left};
pub use combine::group::{GroupError, TaskGroup, task_group};
pub use combine::join::{Either, Until, as_completed, join_all, race, select, try_join_all, wait};
pub use combine::local::{TaskLocal, TaskLocalScope};
pub use combine::{cancel, join};
pub use reactor::{io, leaf, time};
pub use runtime::{Builder, Runtime, block_on};
pub use schedule::custom::{self, CustomRuntime};
pub use spawn::{Named, named, spawn, spawn_blocking, spawn_local, yield_now};
pub use task::{JoinError, JoinHandle, TaskId};
pub use tasks::tasks;
pub use watch::observer::{Observer, ReactorObserver};
pub use watch::{dump, observer};

/// Compiles and runs the README's example as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
