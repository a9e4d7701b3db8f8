//! `demo/examples/mini_redis`: requests that are very large, and those that a web page sends.

use super::kit::{Client, Server, bulk, request};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A browser sends these to any port that a page names, with a body of the page's choice.
#[test]
fn an_http_request_is_disconnected_and_its_body_is_not_executed() {
    let server = Server::start();
    for http in [
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 12\r\n\r\nSET evil 1\r\n",
        "post / HTTP/1.1\r\n\r\nSET evil 1\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET evil 1\r\n",
        "PUT / HTTP/1.1\r\nhOST: 127.0.0.1\r\n\r\nSET evil 1\r\n",
        "OPTIONS / HTTP/1.1\r\nHost:\t127.0.0.1\r\n\r\nSET evil 1\r\n",
        "SET before 1\r\nHost: x\r\nSET evil 1\r\n",
    ] {
        let mut client = server.client();
        client.send(http);
        assert_eq!(client.rest(), b"", "{http}");
    }
    for words in [&[&b"POST"[..]][..], &[b"Host:", b"x"]] {
        let mut client = server.client();
        client.send([request(words), request(&[b"SET", b"evil", b"1"])].concat());
        assert_eq!(client.rest(), b"");
    }
    let mut subscriber = server.client();
    subscriber.ask("SUBSCRIBE a", "*3⏎$9⏎subscribe⏎$1⏎a⏎:1");
    subscriber.send("POST /\r\nSET evil 1\r\n");
    assert_eq!(subscriber.rest(), b"");
    server.client().ask("EXISTS evil before", ":1");
    server.client().ask("SET Host: POST", "+OK"); // these words are allowed as arguments
}

/// Sends requests while `work` runs. Returns the longest time that a reply took.
fn longest_wait(server: &Server, work: impl FnOnce()) -> Duration {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut other, mut longest) = (server.client(), Duration::ZERO);
            while !done.load(Ordering::Relaxed) {
                let start = Instant::now();
                other.ask("PING", "+PONG");
                longest = longest.max(start.elapsed());
            }
            longest
        });
        work();
        done.store(true, Ordering::Relaxed);
        asking.join().expect("it only asks")
    })
}

/// The peak of the server's resident memory in bytes, on systems that report it.
fn peak(server: &Server) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.running.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().unwrap() * 1024)
}

const LARGE: usize = 300 << 20;

/// Checks that a bulk string of `LARGE` times `x` arrives.
#[track_caller]
fn gets_large(client: &mut Client) {
    client.gets(format!("${LARGE}\r\n"));
    let (mut left, mut piece) = (LARGE, vec![0; 1 << 20]);
    while left > 0 {
        let count = client.0.read(&mut piece[..left.min(1 << 20)]).unwrap();
        assert!(count > 0 && piece[..count].iter().all(|byte| *byte == b'x'), "{left} bytes before the end");
        left -= count;
    }
    client.gets("\r\n");
}

#[test]
fn a_large_value_is_set_and_got_without_a_copy_and_without_delaying_others() {
    let server = Server::start();
    let mut client = server.client();
    let large = vec![b'x'; LARGE];
    let longest = longest_wait(&server, || {
        client.send([request(&[b"PING"]), b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$".to_vec()].concat());
        client.send(format!("{LARGE}\r\n"));
        client.send(&large);
        client.send("\r\nPING\r\n");
        client.gets("+PONG\r\n+OK\r\n+PONG\r\n");
        client.send("PING\r\nGET key\r\nPING\r\nSET key small GET\r\nGET key\r\n");
        client.gets("+PONG\r\n");
        gets_large(&mut client);
        client.gets("+PONG\r\n");
        gets_large(&mut client);
        client.gets("$5\r\nsmall\r\n");
    });
    assert!(longest < Duration::from_millis(700), "another client waited {longest:?}");
    if let Some(bytes) = peak(&server) {
        assert!(bytes < LARGE as u64 + (40 << 20), "{bytes} bytes for a value of {LARGE}");
    }
}

#[test]
fn large_arguments_are_returned_unchanged() {
    let server = Server::start();
    let mut client = server.client();
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let before = request(&[b"SET", b"small", b"1"]); // so that the large request does not begin the buffer
    client.send([before, request(&[b"ECHO", &large]), request(&[b"PING", &large]), request(&[b"PING"])].concat());
    client.gets([b"+OK\r\n", &*bulk(&large), &bulk(&large), b"+PONG\r\n"].concat());
    client.send([request(&[b"SET", &large, &large]), request(&[b"GET", &large])].concat());
    client.gets([b"+OK\r\n", &*bulk(&large)].concat());
    client.send([request(&[b"SET", &large, b"x", b"GET"]), request(&[b"GET", &large])].concat());
    client.gets([&*bulk(&large), &bulk(b"x")].concat());
    client.send([request(&[b"SET", b"n", &large]), request(&[b"INCR", b"n"])].concat());
    client.gets("+OK\r\n-ERR value is not an integer or out of range\r\n");
    // A reply has the value at the time of the request, even if it is sent later.
    client.send([request(&[b"GET", b"n"]), request(&[b"DEL", b"n"])].concat());
    client.gets([&*bulk(&large), b":1\r\n"].concat());
}

#[test]
fn a_message_that_is_too_large_for_a_subscriber_disconnects_only_that_subscriber() {
    let server = Server::start();
    let (mut subscriber, mut publisher) = (server.client(), server.client());
    subscriber.ask("SUBSCRIBE a", "*3⏎$9⏎subscribe⏎$1⏎a⏎:1");
    publisher.send(request(&[b"PUBLISH", b"a", &vec![b'x'; 33 << 20]]));
    publisher.gets(":1\r\n");
    assert_eq!(subscriber.rest(), b"");
    publisher.ask("PING", "+PONG");
    publisher.ask("PUBLISH a b", ":0");
}

#[test]
fn a_request_above_the_limit_is_refused_before_it_takes_more_memory() {
    let server = Server::start();
    let mut client = server.client();
    // Three arguments within their limits, which together are above that of a request.
    let piece = vec![b'x'; 1 << 20];
    let bulk = 400_usize;
    client.send("*4\r\n$3\r\nDEL\r\n");
    let mut sending = || -> std::io::Result<()> {
        for _ in 0..3 {
            client.0.write_all(format!("${}\r\n", bulk << 20).as_bytes())?;
            (0..bulk).try_for_each(|_| client.0.write_all(&piece))?;
            client.0.write_all(b"\r\n")?;
        }
        Ok(())
    };
    let longest = longest_wait(&server, || assert!(sending().is_err(), "it is disconnected before the end"));
    assert!(longest < Duration::from_millis(1500), "another client waited {longest:?}");
    if let Some(bytes) = peak(&server) {
        assert!(bytes < (1 << 30) + (30 << 20), "{bytes} bytes");
    }
    server.client().ask("DBSIZE", ":0");
}
