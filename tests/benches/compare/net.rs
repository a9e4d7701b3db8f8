//! Rows about sockets, over 127.0.0.1. The runtime under test is one end and has a thread to itself; the
//! other end is raw epoll on another thread, the same for all. In the rows "…, one thread", both ends are
//! tasks of the runtime under test instead, so no thread ever waits for another.
//!
//! On a busy machine, the rate says as much about the other end and the scheduler. So the rows also give
//! the processor time of the end under test: that of the process with its helper threads, without that
//! of the other end.

use crate::client;
use crate::harness::{Scale, nanos_each, per_second, process_cpu};
use crate::one_cpu::OneCpu;
use crate::rt::Rt;
use crate::server::{REQUEST, RESPONSE, Server};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Clients at once, where there are many.
const MANY: usize = 64;
/// All reads have room for this much: more than any message has.
const BUFFER: usize = 1024;

/// A server that echoes, and a client that sends 64 bytes and waits for them, 50,000 times. Only one of
/// them has something to do at any time, so they share a processor.
pub(crate) fn echo_1<R: Rt>(scale: Scale) -> Vec<f64> {
    let _one = OneCpu::enter().expect("a processor to stay on");
    echo::<R>(1, scale.of(50_000), client::echo_blocking)
}

/// The same with 64 clients at once, 400,000 times altogether.
pub(crate) fn echo_64<R: Rt>(scale: Scale) -> Vec<f64> {
    echo::<R>(MANY, scale.of(400_000), |address, trips| client::echo_epoll(address, MANY, trips))
}

fn echo<R: Rt>(
    connections: usize,
    trips: usize,
    run_clients: impl FnOnce(SocketAddr, usize) -> io::Result<client::Outcome> + Send + 'static,
) -> Vec<f64> {
    let before = process_cpu();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port to listen on");
    let address = listener.local_addr().expect("the port");
    let clients = thread::spawn(move || run_clients(address, trips));
    R::block_on(serve_echo::<R>(listener, connections)).expect("the echo server failed");
    let outcome = clients.join().expect("the clients panicked").expect("the clients failed");
    let cpu = process_cpu() - before - outcome.cpu;
    vec![trips as f64 / outcome.wall.as_secs_f64(), nanos_each(cpu, trips)]
}

/// Serves this many connections, each in a task, until their clients close them.
async fn serve_echo<R: Rt>(listener: TcpListener, connections: usize) -> io::Result<()> {
    let listener = R::listener(listener)?;
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let mut stream = R::accept(&listener).await?;
        tasks.push(R::spawn(async move {
            let mut buf = [0; BUFFER];
            loop {
                match R::read(&mut stream, &mut buf).await? {
                    0 => return io::Result::Ok(()),
                    n => R::write_all(&mut stream, &buf[..n]).await?,
                }
            }
        }));
    }
    for task in tasks {
        R::join(task).await?;
    }
    Ok(())
}

/// As `echo_1`, with the client in the same runtime.
pub(crate) fn echo_within_1<R: Rt>(scale: Scale) -> Vec<f64> {
    echo_within::<R>(1, scale.of(50_000))
}

/// As `echo_64`, with the clients in the same runtime.
pub(crate) fn echo_within_64<R: Rt>(scale: Scale) -> Vec<f64> {
    echo_within::<R>(MANY, scale.of(200_000))
}

fn echo_within<R: Rt>(connections: usize, trips: usize) -> Vec<f64> {
    let before = process_cpu();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port to listen on");
    let address = listener.local_addr().expect("the port");
    let rate = R::block_on(async {
        let left = Arc::new(AtomicUsize::new(trips));
        let start = Instant::now();
        let clients = (0..connections).map(|_| R::spawn(send_echoes::<R>(address, left.clone())));
        let clients = clients.collect::<Vec<_>>();
        serve_echo::<R>(listener, connections).await.expect("the echo server failed");
        let mut done = 0;
        for client in clients {
            done += R::join(client).await.expect("a client failed");
        }
        assert_eq!(done, trips);
        per_second(trips, start)
    });
    vec![rate, nanos_each(process_cpu() - before, trips)]
}

/// Sends one message after the other, until none is left. Returns how many it sent.
async fn send_echoes<R: Rt>(address: SocketAddr, left: Arc<AtomicUsize>) -> io::Result<usize> {
    let mut done = 0;
    let mut buf = [0; BUFFER];
    let mut stream = R::connect(address).await?;
    rustix::net::sockopt::set_tcp_nodelay(&stream, true)?;
    while take(&left) {
        R::write_all(&mut stream, &client::MESSAGE).await?;
        let mut length = 0;
        while length < client::MESSAGE.len() {
            match R::read(&mut stream, &mut buf).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => length += n,
            }
        }
        done += 1;
    }
    Ok(done)
}

/// 40,000 GETs with a connection for each, 64 at once.
pub(crate) fn short_gets<R: Rt>(scale: Scale) -> Vec<f64> {
    gets::<R>(scale.of(40_000), true)
}

/// 400,000 GETs over 64 connections.
pub(crate) fn kept_gets<R: Rt>(scale: Scale) -> Vec<f64> {
    gets::<R>(scale.of(400_000), false)
}

fn gets<R: Rt>(gets: usize, short: bool) -> Vec<f64> {
    let before = process_cpu();
    let server = Server::start(short).expect("the server did not start");
    let address = server.address();
    let rate = R::block_on(async {
        let left = Arc::new(AtomicUsize::new(gets));
        let start = Instant::now();
        let workers = (0..MANY).map(|_| match short {
            true => R::spawn(get_short::<R>(address, left.clone())),
            false => R::spawn(get_kept::<R>(address, left.clone())),
        });
        let mut done = 0;
        for worker in workers.collect::<Vec<_>>() {
            done += R::join(worker).await.expect("a GET failed");
        }
        assert_eq!(done, gets);
        per_second(gets, start)
    });
    let (served, server_cpu) = server.stop();
    assert_eq!(served, gets);
    vec![rate, nanos_each(process_cpu() - before - server_cpu, gets)]
}

/// Takes one of the operations that are left to do. Returns whether there was one.
fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
}

/// Sends one GET after the other, each on a connection of its own, until none is left. Returns how many it sent.
///
/// The server closes first, as HTTP requires. The client then closes with a reset (a linger of zero), which does
/// not affect the server but avoids TIME_WAIT: 120,000 sockets in that state per round would fill the kernel's
/// table, and later rounds would run under other conditions than the first ones.
async fn get_short<R: Rt>(address: SocketAddr, left: Arc<AtomicUsize>) -> io::Result<usize> {
    let mut done = 0;
    let mut buf = [0; BUFFER];
    while take(&left) {
        let mut stream = R::connect(address).await?;
        R::write_all(&mut stream, REQUEST).await?;
        let mut length = 0;
        loop {
            match R::read(&mut stream, &mut buf).await? {
                0 => break,
                n => length += n,
            }
        }
        assert_eq!(length, RESPONSE.len());
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        done += 1;
    }
    Ok(done)
}

/// Sends one GET after the other on the same connection, until none is left. Returns how many it sent.
async fn get_kept<R: Rt>(address: SocketAddr, left: Arc<AtomicUsize>) -> io::Result<usize> {
    let mut done = 0;
    let mut buf = [0; BUFFER];
    let mut stream = R::connect(address).await?;
    while take(&left) {
        R::write_all(&mut stream, REQUEST).await?;
        let mut length = 0;
        while length < RESPONSE.len() {
            match R::read(&mut stream, &mut buf).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => length += n,
            }
        }
        assert_eq!(length, RESPONSE.len());
        done += 1;
    }
    Ok(done)
}
