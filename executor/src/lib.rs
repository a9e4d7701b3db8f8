//! Tasks become polls: a coroutine runtime small enough to read in an afternoon.
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
//! [`block_on`] runs a future on this thread, together with all that it [`spawn`]s; [`net`],
//! [`time`] and [`io`] are what tasks wait for, [`sync`] what they share; [`spawn_blocking`] is for calls that
//! block. [`tasks`] says where each of them stands, and all that happens inside can be watched by an [`Observer`].
//!
//! # Coming from asyncio, Go or tokio
//! Each line has a program under `executor/examples/`: `cargo run -p executor --example NAME`.
//!
//! | you want | here | asyncio | Go | tokio | example |
//! |---|---|---|---|---|---|
//! | to run a coroutine | [`block_on`] | `asyncio.run` | `main` | `#[tokio::main]` | `hello` |
//! | a task | [`spawn`], [`spawn_local`] | `create_task` | `go f()` | `spawn`, `spawn_local` | `states` |
//! | its name and state | [`named`], [`JoinHandle::state`] | `Task.get_name`, `print(task)` | – | `task::Builder` (unstable) | `states` |
//! | its result | `handle.await` | `await task` | a channel | `handle.await` | `callback` |
//! | to be called at its end | [`JoinHandle::on_done`] | `add_done_callback` | `defer` | – | `callback` |
//! | all results, in order | [`join_all`] | `gather` | `WaitGroup` | `futures::join_all` | `gather` |
//! | the first error ends all | [`try_join_all`] | `TaskGroup` | `errgroup` | `try_join!` | `gather` |
//! | results as they come | [`as_completed`] | `as_completed` | a channel | `JoinSet`, `FuturesUnordered` | `completed` |
//! | some of the results | [`wait`] | `wait(return_when=…)` | – | – | `wait` |
//! | the first of several | [`select`], [`race`] | `wait(FIRST_COMPLETED)` | `select` | `select!` | `race` |
//! | tasks that belong together | [`task_group`] | `TaskGroup` | `errgroup.Group` | `JoinSet`, nearly | `group` |
//! | a time limit | [`time::timeout`], [`deadline`] | `timeout` | `context.WithTimeout` | `timeout` | `group`, `race` |
//! | what is left of it | [`time_left`] | `timeout.when` | `ctx.Deadline` | – | `group` |
//! | to end a task | [`JoinHandle::cancel`] | `Task.cancel` | `cancel()` of a context | `abort` | `cancel` |
//! | to know who did, and why | [`JoinHandle::explained`] | `CancelledError.args` | `context.Cause` | – | `cancel` |
//! | a part that is not cut off | [`shield()`] | `shield` | `context.WithoutCancel` | `spawn` | `group` |
//! | so many at once | [`sync::Semaphore`] | `Semaphore` | `semaphore.Weighted` | `Semaphore` | `completed` |
//! | locks and signals | [`sync::Mutex`], [`sync::RwLock`], [`sync::Event`], [`sync::Condvar`], [`sync::Barrier`] | `Lock`, –, `Event`, `Condition`, `Barrier` | `sync.Mutex`, `RWMutex`, `close(ch)`, `Cond`, – | `Mutex`, `RwLock`, `Notify`, –, `Barrier` | `share` |
//! | messages | [`sync::channel()`], [`sync::unbounded`] | `Queue` | `chan T` | `mpsc` | `messages` |
//! | one message, one to all, the newest | [`sync::oneshot()`], [`sync::broadcast()`], [`sync::watch()`] | `Future`, –, – | a channel | `oneshot`, `broadcast`, `watch` | `messages` |
//! | values of a task | [`task_local!`] | `contextvars` | `context.Value` | `task_local!` | `locals` |
//! | to wait, again and again | [`time::sleep`], [`time::interval`] | `sleep` | `time.Sleep`, `Ticker` | `sleep`, `interval` | `race` |
//! | a call that blocks | [`spawn_blocking`] | `to_thread` | any goroutine | `spawn_blocking` | `blocking` |
//! | sockets | [`net`] | `open_connection`, `start_server` | `net` | `net` | `download` |
//! | where every task stands | [`tasks`] | `all_tasks`, `Task.print_stack` | SIGQUIT | `Handle::dump` (unstable) | `cancel` |
//! | to see afterwards what happened | [`mod@trace`] | `set_debug`, nearly | `runtime/trace` | `tokio-console`, live only | any, with `EXECUTOR_TRACE` |
//! | the same run again | [`Builder::deterministic`], [`test::explore`] | – | `testing/synctest`, partly | `turmoil`, `loom` | `explore` |
//! | a scheduler of your own | [`task::Schedule`], [`CustomRuntime`] | an event loop policy | – | – | `priority`, `two_threads` |
//! | to be told of a deadlock | [`Builder::detect_deadlock`] | – | `all goroutines are asleep` | – | `deadlock` |
//!
//! # Where to read
//! [`mod@task`] is the heart: one piece of memory, one word of state. `run_queue.rs` says who runs next,
//! `single.rs` is the loop around it all, `blocking.rs` the thread pool; `sync/wait_list.rs` is under all that
//! tasks wait for each other at. Sockets and timers are in the crate [`reactor`].

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

/// The README's example is compiled and run like those in here.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
