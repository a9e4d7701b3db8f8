//! A client that is dropped at any await leaves nothing behind; and whatever happens, bytes arrive in order or not at all.

use super::{MS, connected, link, nth, read_all};
use executor::net::{TcpListener, TcpStream};
use executor::test::{Host, Link};
use executor::time::{Duration, Instant, sleep, timeout};
use executor::{Runtime, spawn_local, yield_now};
use futures_lite::future::poll_once;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use proptest::prelude::*;
use reactor::observer::{SourceId, TimerId};
use std::io::{self};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

// ---- dropped clients leave nothing behind ----

/// Counts registered sources and set timers.
#[derive(Default)]
struct Left {
    sources: AtomicI64,
    timers: AtomicI64,
}

impl reactor::Observer for Left {
    fn source_added(&self, _: SourceId, fd: i32) {
        assert_eq!(fd, -1);
        self.sources.fetch_add(1, Ordering::Relaxed);
    }
    fn source_removed(&self, _: SourceId) {
        self.sources.fetch_sub(1, Ordering::Relaxed);
    }
    fn timer_set(&self, _: TimerId, _: Instant, _: &'static Location<'static>) {
        self.timers.fetch_add(1, Ordering::Relaxed);
    }
    fn timer_cancelled(&self, _: TimerId) {
        self.timers.fetch_sub(1, Ordering::Relaxed);
    }
    fn timer_fired(&self, _: TimerId) {
        self.timers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl executor::Observer for Left {}

/// A client that connects, sends a request, and reads the answer.
async fn exchange(host: Host) -> io::Result<()> {
    let stream = timeout(Duration::from_secs(9), TcpStream::connect((host.address(), 80))).await??;
    (&stream).write_all(&[0; 100_000]).await?;
    (&stream).read_exact(&mut [0; 10]).await?;
    Ok(())
}

#[test]
fn a_client_that_is_dropped_at_any_await_leaves_nothing() {
    for polls in 0.. {
        let left = Arc::new(Left::default());
        let runtime = Runtime::builder().deterministic(0).observer(left.clone()).build().unwrap();
        let network = runtime.network().unwrap();
        let was_done = runtime.block_on(async {
            let host = network.host("server");
            let serving = host.run(async {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                let (mut stream, _) = listener.accept().await?;
                stream.read_exact(&mut [0; 100_000]).await?;
                stream.write_all(&[0; 10]).await?;
                stream.read(&mut [0]).await
            });
            let serving = spawn_local(serving);
            yield_now().await;
            let mut client = Box::pin(exchange(host));
            let mut was_done = false;
            for _ in 0..polls {
                was_done = was_done || poll_once(&mut client).await.is_some();
                sleep(MS).await;
            }
            drop(client);
            timeout(Duration::from_secs(200), serving.cancel_on_drop()).await.ok();
            sleep(Duration::from_secs(1)).await;
            was_done
        });
        assert_eq!(left.sources.load(Ordering::Relaxed), 0, "after {polls} polls");
        assert_eq!(left.timers.load(Ordering::Relaxed), 0, "after {polls} polls");
        assert!(format!("{network:?}").ends_with(", 0 sockets)"), "{network:?} after {polls} polls");
        if was_done {
            assert!(polls > 4, "{polls}");
            return;
        }
    }
}

// ---- random faults ----

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Read(usize),
    Wait(u64),
    Cut,
    Heal,
    Crash,
    Slow(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..100_000usize).prop_map(Step::Write),
        4 => (1..100_000usize).prop_map(Step::Read),
        3 => (0..20u64).prop_map(Step::Wait),
        1 => Just(Step::Cut),
        2 => Just(Step::Heal),
        1 => (1..1000u64).prop_map(Step::Slow),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    // Shrinking a case that ends in a deadlock takes long, because each deadlock makes a task dump.
    #![proptest_config(ProptestConfig { max_shrink_time: 5_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_bytes_read_are_a_prefix_of_those_written(
        seed: u64,
        loss in prop_oneof![Just(0.0), 0.0..0.2],
        jitter in 0..5_000u64,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let runtime = Runtime::builder().deterministic(seed).build().unwrap();
        let network = runtime.network().unwrap();
        runtime.block_on(async {
            let (client, server, host) = connected(&network).await;
            let main = network.host("main");
            let normal = Link { loss, jitter: Duration::from_micros(jitter), ..Link::default() };
            link(&network, normal);
            let (mut written, mut read, mut has_failed) = (0, 0, false);
            let mut buf = vec![0; 100_000];
            for step in steps {
                match step {
                    Step::Write(count) => {
                        let bytes: Vec<u8> = (written..written + count).map(nth).collect();
                        match poll_once(client.write(&bytes)).await {
                            Some(Ok(count)) => written += count,
                            Some(Err(_)) => has_failed = true,
                            None => {}
                        }
                    }
                    Step::Read(count) => match poll_once(server.read(&mut buf[..count])).await {
                        Some(Ok(count)) => {
                            let expected: Vec<u8> = (read..read + count).map(nth).collect();
                            assert!(buf[..count] == expected, "{count} bytes from {read} on");
                            read += count;
                        }
                        Some(Err(_)) => has_failed = true,
                        None => {}
                    },
                    Step::Wait(time) => sleep(Duration::from_millis(time)).await,
                    Step::Cut => network.partition(&main, &host),
                    Step::Heal => network.heal(&main, &host),
                    Step::Slow(rate) => link(&network, Link { bandwidth: Some(rate * 1000), ..normal }),
                    Step::Crash => main.crash(),
                }
                assert!(read <= written);
            }
            network.heal(&main, &host);
            drop(client);
            let (rest, error) = read_all(&server).await;
            let expected: Vec<u8> = (read..read + rest.len()).map(nth).collect();
            assert!(rest == expected, "the rest, from {read} on");
            if error.is_none() && !has_failed {
                // An end without a reset means that all bytes arrived.
                assert_eq!(read + rest.len(), written);
            }
        });
    }
}
