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
//! [`time`] and [`io`] are what tasks wait for; [`spawn_blocking`] is for calls that block. What
//! happens inside can be watched by an [`Observer`].
//!
//! # Where to read
//! [`mod@task`] is the heart: one piece of memory, one word of state. `run_queue.rs` says who runs next,
//! `single.rs` is the loop around it all, `blocking.rs` the thread pool. Sockets and timers are in
//! the crate [`reactor`].

mod ages;
mod blocking;
mod cancel;
mod dump;
mod group;
mod join;
mod local;
pub mod net;
pub mod observer;
mod run_queue;
mod runtime;
mod shim;
mod single;
mod slow;
mod spawn;
pub mod sync;
pub mod task;

pub use cancel::{Deadline, Shield, deadline, deadline_at, shield, time_left};
pub use dump::{Place, TaskDump, Tasks, Wait as TaskWait, tasks};
pub use group::{GroupError, TaskGroup, task_group};
pub use join::{
    AsCompleted, Either, JoinAll, Race, Select, TryJoinAll, Until, Wait, Waited, as_completed, join_all, race, select,
    try_join_all, wait,
};
pub use local::{TaskLocal, TaskLocalScope};
pub use observer::Observer;
pub use reactor::{io, leaf, time};
pub use runtime::{Builder, Runtime, block_on};
pub use spawn::{Named, named, spawn, spawn_blocking, spawn_local, yield_now};
pub use task::{JoinError, JoinHandle, TaskId};

/// The README's example is compiled and run like those in here.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
