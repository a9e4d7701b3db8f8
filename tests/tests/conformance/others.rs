//! The primitives of other runtimes: the suites require nothing that only ours fulfil.

use std::future::Future;
use tests::conformance::{self, Message, channel, mutex, semaphore, shared_channel};

struct TokioMutex(tokio::sync::Mutex<u64>);

impl conformance::Mutex for TokioMutex {
    type Guard<'a> = tokio::sync::MutexGuard<'a, u64>;

    fn lock(&self) -> impl Future<Output = Self::Guard<'_>> {
        self.0.lock()
    }
}

struct TokioSemaphore(tokio::sync::Semaphore);

impl conformance::Semaphore for TokioSemaphore {
    type Permit<'a> = tokio::sync::SemaphorePermit<'a>;

    async fn acquire(&self) -> Self::Permit<'_> {
        self.0.acquire().await.unwrap()
    }
}

#[derive(Clone)]
struct TokioSender(tokio::sync::mpsc::Sender<Message>);

impl conformance::Sender for TokioSender {
    async fn send(&self, message: Message) -> Result<(), Message> {
        self.0.send(message).await.map_err(|error| error.0)
    }
}

struct TokioReceiver(tokio::sync::mpsc::Receiver<Message>);

impl conformance::Receiver for TokioReceiver {
    const KEEPS_WAKER: bool = true;

    async fn recv(&mut self) -> Option<Message> {
        self.0.recv().await
    }
}

#[test]
fn tokios_primitives_conform() {
    mutex(|| TokioMutex(tokio::sync::Mutex::new(0)));
    semaphore(|permits| TokioSemaphore(tokio::sync::Semaphore::new(permits)));
    channel(|capacity| {
        let (tx, rx) = tokio::sync::mpsc::channel(capacity);
        (TokioSender(tx), TokioReceiver(rx))
    });
}

struct SmolMutex(smol::lock::Mutex<u64>);

impl conformance::Mutex for SmolMutex {
    type Guard<'a> = smol::lock::MutexGuard<'a, u64>;

    const FAIR: bool = false;

    async fn lock(&self) -> Self::Guard<'_> {
        self.0.lock().await
    }
}

struct SmolSemaphore(smol::lock::Semaphore);

impl conformance::Semaphore for SmolSemaphore {
    type Permit<'a> = smol::lock::SemaphoreGuard<'a>;

    const FAIR: bool = false;

    async fn acquire(&self) -> Self::Permit<'_> {
        self.0.acquire().await
    }
}

#[derive(Clone)]
struct SmolSender(smol::channel::Sender<Message>);

impl conformance::Sender for SmolSender {
    const FAIR: bool = false;

    async fn send(&self, message: Message) -> Result<(), Message> {
        self.0.send(message).await.map_err(|error| error.0)
    }
}

#[derive(Clone)]
struct SmolReceiver(smol::channel::Receiver<Message>);

impl conformance::Receiver for SmolReceiver {
    async fn recv(&mut self) -> Option<Message> {
        self.0.recv().await.ok()
    }
}

#[test]
fn smols_primitives_conform_except_for_their_order() {
    mutex(|| SmolMutex(smol::lock::Mutex::new(0)));
    semaphore(|permits| SmolSemaphore(smol::lock::Semaphore::new(permits)));
    shared_channel(|capacity| {
        let (tx, rx) = smol::channel::bounded(capacity);
        (SmolSender(tx), SmolReceiver(rx))
    });
}
