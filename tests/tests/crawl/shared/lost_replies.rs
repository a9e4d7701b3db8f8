//! Connections to Redis that break after a command was executed and before its reply was received.

use super::kit::{all, each_is_saved_once, page};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tests::demo::{Place, within_after_build};
use tests::faults::FaultServer;
use tests::redis::RedisServer;

/// Forwards connections to `redis`. Closes one instead of forwarding a reply that contains `marker` or follows a request
/// that does, every third time. Returns where it listens, and the number of lost replies.
fn forgetful(redis: SocketAddr, marker: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counter = lost.clone();
    // The inner threads end with their connections, the outer one with the process.
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(redis) else { continue };
            let (seen, lost) = (seen.clone(), counter.clone());
            thread::spawn(move || forward(client, server, marker, &seen, &lost));
        }
    });
    (address, lost)
}

/// Forwards one connection. Its client waits for each reply before it sends the next command.
fn forward(mut client: TcpStream, mut server: TcpStream, marker: &str, seen: &AtomicUsize, lost: &AtomicUsize) {
    let mut piece = vec![0; 1 << 20];
    while let Ok(count @ 1..) = client.read(&mut piece) {
        let request = String::from_utf8_lossy(&piece[..count]).into_owned();
        if server.write_all(&piece[..count]).is_err() {
            break;
        }
        let Ok(count @ 1..) = server.read(&mut piece) else { break };
        let reply = String::from_utf8_lossy(&piece[..count]);
        let is_marked = !request.contains("EVAL\r\n") && (request.contains(marker) || reply.contains(marker));
        if is_marked && seen.fetch_add(1, Ordering::SeqCst).is_multiple_of(3) && !reply.contains("NOSCRIPT") {
            lost.fetch_add(1, Ordering::SeqCst);
            break;
        }
        if client.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

/// Crawls with a lease that is longer than the test, so that a page whose lease did not arrive would be missing for
/// ever.
fn crawl(marker: &'static str) {
    within_after_build(120, move || {
        let Some(redis) = RedisServer::start() else { return };
        let server = FaultServer::start(|visit| page(visit, 40));
        let (address, lost) = forgetful(redis.address(), marker);
        let frontier = format!("redis://{address}/0");
        let place = Place::new();
        let args = ["--frontier", &frontier, "--job", "test", "--lease", "1h", &server.url("/0")];
        let ran = place.crawl(&args).exits(0).says("40 pages saved under download");
        assert!(!ran.stderr.contains("discarded"), "{}", ran.stderr);
        each_is_saved_once(&place.report(), &all(40));
        assert_eq!(server.requests().len(), 40);
        assert!(lost.load(Ordering::SeqCst) > 3, "{} replies were lost", lost.load(Ordering::SeqCst));
    });
}

#[test]
fn a_page_whose_completion_was_not_acknowledged_is_recorded_once() {
    crawl("\"elapsed_ms\"");
}

#[test]
fn pages_leased_in_a_lost_reply_are_leased_again() {
    crawl("\"token\"");
}
