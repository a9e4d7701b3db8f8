//! Redis's own programs as clients, and the real server beside ours.

use super::kit::{Client, Server, bulk, request};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::Shutdown;
use tests::demo::Running;
use tests::eventually;

#[test]
fn redis_cli_sets_gets_and_sends_a_file_of_requests() {
    let server = Server::start();
    let Some(set) = server.cli(&["set", "greeting", "hello world", "ex", "100"]) else { return };
    assert_eq!(set.stdout, "OK\n");
    let say = |args: &[&str]| server.cli(args).expect("it was there a moment ago").stdout;
    assert_eq!(say(&["get", "greeting"]), "hello world\n");
    assert_eq!(say(&["ttl", "greeting"]), "100\n");
    assert_eq!(say(&["nonsense"]).trim(), "ERR unknown command 'nonsense', with args beginning with:");
    assert_eq!(say(&["-3", "ping"]).lines().last(), Some("PONG"), "it goes on with RESP2");

    let mut file = tempfile::tempfile().unwrap();
    (0..10_000).for_each(|n| file.write_all(&request(&[b"SET", format!("key:{n}").as_bytes(), b"x"])).unwrap());
    file.rewind().unwrap();
    let output = pipe(&server, file);
    assert!(output.contains("errors: 0, replies: 10000"), "{output}");
    assert_eq!(say(&["dbsize"]), "10001\n");
}

/// The output of `redis-cli --pipe`, which sends the requests of a file.
fn pipe(server: &Server, file: File) -> String {
    let mut command = server.program("redis-cli", &["--pipe"]).expect("it was there a moment ago");
    let output = command.stdin(file).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn redis_cli_subscribes_and_a_killed_client_is_unsubscribed() {
    let server = Server::start();
    let subscribers: Vec<Running> =
        (0..3).map_while(|_| Some(Running::start(&mut server.program("redis-cli", &["subscribe", "news"])?))).collect();
    let [one, two, three] = match <[Running; 3]>::try_from(subscribers) {
        Ok(subscribers) => subscribers,
        Err(_) => return, // redis-cli is not installed
    };
    for subscriber in [&one, &two, &three] {
        eventually("it has subscribed", || subscriber.stdout() == "subscribe\nnews\n1\n");
    }
    let publish = |message: &str| server.cli(&["publish", "news", message]).map(|ran| ran.stdout);
    assert_eq!(publish("first").as_deref(), Some("3\n"));
    for subscriber in [&one, &two, &three] {
        eventually("the message comes", || subscriber.stdout().ends_with("message\nnews\nfirst\n"));
    }
    drop(three); // killed
    eventually("two are left", || publish("again").as_deref() == Some("2\n"));
    for subscriber in [&one, &two] {
        eventually("the message comes", || subscriber.stdout().ends_with("message\nnews\nagain\n"));
    }
}

#[test]
fn redis_benchmark_runs_to_its_end() {
    let server = Server::start();
    let args = ["-t", "ping,set,get,incr", "-n", "5000", "-c", "50", "-P", "16", "-r", "1000", "--csv"];
    let Some(mut benchmark) = server.program("redis-benchmark", &args) else { return };
    let ran = Running::start(&mut benchmark).wait().exits(0);
    assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (6, ""), "{}", ran.stdout);
    let keys = server.client().number("DBSIZE");
    assert!((900..=2000).contains(&keys), "{keys}");
}

/// Each line goes to both servers; what comes back must be the same bytes.
const SCRIPT: &str = include_str!("script.txt");

#[test]
fn the_real_server_replies_the_same_byte_for_byte() {
    let Some(real) = Server::real() else { return };
    let ours = Server::start();
    let (mut ours, mut theirs) = (ours.client(), real.client());
    // The lines are sent one by one, so that a failure names the line with a different reply.
    for line in SCRIPT.lines().filter(|line| !line.starts_with('#')) {
        // The reply to PING marks the end, as the replies differ in their number of lines.
        let lines = format!("{line}\r\nPING the-end\r\n");
        let [ours, theirs] = [&mut ours, &mut theirs].map(|client| {
            client.send(&lines);
            until_the_end(client)
        });
        assert_eq!(ours, theirs, "to `{line}`");
    }
}

#[track_caller]
fn until_the_end(client: &mut Client) -> String {
    let mut reply = Vec::new();
    let mut piece = [0; 4096];
    while !reply.ends_with(b"the-end\r\n") {
        let count = client.0.read(&mut piece).unwrap();
        assert!(count > 0, "closed after `{}`", reply.escape_ascii());
        reply.extend(&piece[..count]);
    }
    reply.escape_ascii().to_string()
}

#[test]
fn patterns_match_the_same_channels_as_in_the_real_server() {
    let Some(real) = Server::real() else { return };
    let ours = Server::start();
    let patterns = [
        "*", "a", "a*", "*a", "*a*b*", "**a", "a?", "??", "[abc]", "[^abc]", "[a-c]x", "[c-a]x", "[^a-c]?", "[a", "[]",
        "[]a]", "[^]", "[a-]", "[-a]", r"\*", r"a\", r"[\]]", r"[\^a]", "a[b]*c", "h[ae]llo", "*.*.c",
    ];
    let texts = [
        "a", "b", "ab", "ba", "abc", "bx", "dx", "x", "*", "]", "]a", "-", "^", r"\", r"a\", "aXbYc", "hello", "a.b.c",
    ];
    let counts = |server: &Server| -> Vec<(String, i64)> {
        let (mut subscriber, mut publisher) = (server.client(), server.client());
        let mut counts = Vec::new();
        for pattern in patterns {
            subscriber.send(request(&[b"PSUBSCRIBE", pattern.as_bytes()]));
            subscriber.gets([&b"*3\r\n$10\r\npsubscribe\r\n"[..], &bulk(pattern.as_bytes()), b":1\r\n"].concat());
            for text in texts {
                let quoted = text.replace('\\', r"\\");
                let count = publisher.number(&format!("PUBLISH \"{quoted}\" x"));
                counts.push((format!("{pattern} for {text}"), count));
            }
            subscriber.0.shutdown(Shutdown::Both).unwrap();
            subscriber = server.client();
            eventually("it is forgotten", || {
                publisher.number("PUBLISH a x") == 0 && publisher.number("PUBLISH ] x") == 0
            });
        }
        counts
    };
    for (ours, theirs) in counts(&ours).into_iter().zip(counts(&real)) {
        assert_eq!(ours, theirs);
    }
}
