//! The interface between the rows and a runtime, and its three implementations. Only this file differs
//! between runtimes.
//!
//! Each operation is the quickest call that the runtime's own documentation suggests. All run on
//! one thread: ours by `block_on`, tokio as `new_current_thread().enable_all()`, smol as a
//! `LocalExecutor` inside `smol::block_on` (its reactor also keeps a helper thread).

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

/// A runtime under test. The futures are `Send` because tokio's plain `spawn`, its fastest, requires it.
pub(crate) trait Rt: 'static {
    type Handle<T: Send + 'static>: Send + 'static;
    type Listener;
    type Stream: AsFd + Send + 'static;
    type Sender: Clone + Send + Sync + 'static;
    type Receiver: Send + 'static;
    type Semaphore: Send + Sync + 'static;

    fn block_on<T>(future: impl Future<Output = T>) -> T;
    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> impl Future<Output = T> + Send;
    fn detach<T: Send + 'static>(handle: Self::Handle<T>);
    fn yield_now() -> impl Future<Output = ()> + Send;
    fn sleep(time: Duration) -> impl Future<Output = ()> + Send;

    /// The runtime's own bounded channel.
    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver);
    fn send(sender: &Self::Sender, number: usize) -> impl Future<Output = ()> + Send;
    /// `None` when it is closed.
    fn recv(receiver: &mut Self::Receiver) -> impl Future<Output = Option<usize>> + Send;

    /// The runtime's own semaphore, without permits.
    fn semaphore() -> Self::Semaphore;
    fn add_permits(semaphore: &Self::Semaphore, permits: usize);
    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = ()> + Send;

    fn listener(listener: net::TcpListener) -> io::Result<Self::Listener>;
    /// The next connection, with TCP_NODELAY set.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>>;
    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    fn read<'a>(stream: &'a mut Self::Stream, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
    fn write_all<'a>(stream: &'a mut Self::Stream, buf: &'a [u8]) -> impl Future<Output = io::Result<()>> + Send;
}

/// The runtime of this workspace.
pub(crate) struct Ours;

impl Rt for Ours {
    type Handle<T: Send + 'static> = executor::JoinHandle<T>;
    type Listener = executor::net::TcpListener;
    type Stream = executor::net::TcpStream;
    type Sender = executor::sync::Sender<usize>;
    type Receiver = executor::sync::Receiver<usize>;
    type Semaphore = executor::sync::Semaphore;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        executor::block_on(future)
    }

    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        executor::spawn(future)
    }

    async fn join<T: Send + 'static>(handle: Self::Handle<T>) -> T {
        handle.await.expect("a task of a benchmark failed")
    }

    fn detach<T: Send + 'static>(handle: Self::Handle<T>) {
        drop(handle);
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        executor::yield_now()
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        executor::time::sleep(time)
    }

    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
        executor::sync::channel(capacity)
    }

    async fn send(sender: &Self::Sender, number: usize) {
        sender.send(number).await.expect("the receiver left too early");
    }

    async fn recv(receiver: &mut Self::Receiver) -> Option<usize> {
        receiver.recv().await.ok()
    }

    fn semaphore() -> Self::Semaphore {
        executor::sync::Semaphore::new(0)
    }

    fn add_permits(semaphore: &Self::Semaphore, permits: usize) {
        semaphore.add_permits(permits);
    }

    async fn acquire(semaphore: &Self::Semaphore) {
        drop(semaphore.acquire().await);
    }

    fn listener(listener: net::TcpListener) -> io::Result<Self::Listener> {
        executor::net::TcpListener::from_std(listener)
    }

    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        executor::net::TcpStream::connect(address)
    }

    fn read<'a>(stream: &'a mut Self::Stream, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + Send {
        futures_lite::AsyncReadExt::read(stream, buf)
    }

    fn write_all<'a>(stream: &'a mut Self::Stream, buf: &'a [u8]) -> impl Future<Output = io::Result<()>> + Send {
        futures_lite::AsyncWriteExt::write_all(stream, buf)
    }
}

/// tokio's current-thread runtime.
pub(crate) struct Tokio;

impl Rt for Tokio {
    type Handle<T: Send + 'static> = tokio::task::JoinHandle<T>;
    type Listener = tokio::net::TcpListener;
    type Stream = tokio::net::TcpStream;
    type Sender = tokio::sync::mpsc::Sender<usize>;
    type Receiver = tokio::sync::mpsc::Receiver<usize>;
    type Semaphore = tokio::sync::Semaphore;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("tokio could not make a runtime").block_on(future)
    }

    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(future)
    }

    async fn join<T: Send + 'static>(handle: Self::Handle<T>) -> T {
        handle.await.expect("a task of a benchmark failed")
    }

    fn detach<T: Send + 'static>(handle: Self::Handle<T>) {
        drop(handle);
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }

    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
        tokio::sync::mpsc::channel(capacity)
    }

    async fn send(sender: &Self::Sender, number: usize) {
        sender.send(number).await.expect("the receiver left too early");
    }

    async fn recv(receiver: &mut Self::Receiver) -> Option<usize> {
        receiver.recv().await
    }

    fn semaphore() -> Self::Semaphore {
        tokio::sync::Semaphore::new(0)
    }

    fn add_permits(semaphore: &Self::Semaphore, permits: usize) {
        semaphore.add_permits(permits);
    }

    async fn acquire(semaphore: &Self::Semaphore) {
        drop(semaphore.acquire().await);
    }

    fn listener(listener: net::TcpListener) -> io::Result<Self::Listener> {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    }

    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        tokio::net::TcpStream::connect(address)
    }

    fn read<'a>(stream: &'a mut Self::Stream, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + Send {
        tokio::io::AsyncReadExt::read(stream, buf)
    }

    fn write_all<'a>(stream: &'a mut Self::Stream, buf: &'a [u8]) -> impl Future<Output = io::Result<()>> + Send {
        tokio::io::AsyncWriteExt::write_all(stream, buf)
    }
}

/// smol's executor for one thread. Its streams are `Async<std's>`, which is a little quicker than `smol::net`.
pub(crate) struct Smol;

thread_local! {
    /// The local executor of this thread, for `spawn`. smol has no `spawn` that finds it, as the other two have.
    static EXECUTOR: RefCell<Option<Rc<smol::LocalExecutor<'static>>>> = const { RefCell::new(None) };
}

impl Rt for Smol {
    type Handle<T: Send + 'static> = smol::Task<T>;
    type Listener = smol::Async<net::TcpListener>;
    type Stream = smol::Async<net::TcpStream>;
    type Sender = async_channel::Sender<usize>;
    type Receiver = async_channel::Receiver<usize>;
    type Semaphore = smol::lock::Semaphore;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let executor = Rc::new(smol::LocalExecutor::new());
        EXECUTOR.set(Some(executor.clone()));
        let output = smol::block_on(executor.run(future));
        EXECUTOR.take();
        output
    }

    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        EXECUTOR.with_borrow(|executor| executor.as_ref().expect("spawn outside of block_on").spawn(future))
    }

    fn join<T: Send + 'static>(handle: Self::Handle<T>) -> impl Future<Output = T> + Send {
        handle
    }

    fn detach<T: Send + 'static>(handle: Self::Handle<T>) {
        handle.detach();
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }

    async fn sleep(time: Duration) {
        smol::Timer::after(time).await;
    }

    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
        async_channel::bounded(capacity)
    }

    async fn send(sender: &Self::Sender, number: usize) {
        sender.send(number).await.expect("the receiver left too early");
    }

    async fn recv(receiver: &mut Self::Receiver) -> Option<usize> {
        receiver.recv().await.ok()
    }

    fn semaphore() -> Self::Semaphore {
        smol::lock::Semaphore::new(0)
    }

    fn add_permits(semaphore: &Self::Semaphore, permits: usize) {
        semaphore.add_permits(permits);
    }

    async fn acquire(semaphore: &Self::Semaphore) {
        drop(semaphore.acquire().await);
    }

    fn listener(listener: net::TcpListener) -> io::Result<Self::Listener> {
        smol::Async::new(listener)
    }

    async fn accept(listener: &Self::Listener) -> io::Result<Self::Stream> {
        let (stream, _) = listener.accept().await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(stream)
    }

    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        smol::Async::<net::TcpStream>::connect(address)
    }

    fn read<'a>(stream: &'a mut Self::Stream, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + Send {
        futures_lite::AsyncReadExt::read(stream, buf)
    }

    fn write_all<'a>(stream: &'a mut Self::Stream, buf: &'a [u8]) -> impl Future<Output = io::Result<()>> + Send {
        futures_lite::AsyncWriteExt::write_all(stream, buf)
    }
}
