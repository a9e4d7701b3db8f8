//! The memory that clients take: large values, idle clients, clients that do not read.

use super::kit::{Client, Server, bulk, request};
use tests::eventually;

#[test]
fn a_value_that_is_only_announced_takes_no_memory() {
    let server = Server::start();
    let before = server.memory();
    let mut clients: Vec<Client> = (0..20).map(|_| server.client()).collect();
    for client in &mut clients {
        client.send("*1048576\r\n$3\r\nDEL\r\n$536870912\r\nabc");
    }
    server.client().ask("PING", "+PONG");
    if let (Some(before), Some(after)) = (before, server.memory()) {
        assert!(after < before + 4_000_000, "from {before} to {after} bytes");
    }
}

#[test]
fn an_idle_client_takes_almost_no_memory() {
    let server = Server::start();
    server.client().ask("PING", "+PONG");
    let before = server.memory();
    let mut clients: Vec<Client> = (0..300).map(|_| server.client()).collect();
    for client in &mut clients {
        client.ask("PING", "+PONG");
        client.send("*2\r\n$3\r\nGET\r\n$5\r\nun");
    }
    server.client().ask("PING", "+PONG");
    if let (Some(before), Some(after)) = (before, server.memory()) {
        assert!(after < before + 300 * 8192, "from {before} to {after} bytes");
    }
    for client in &mut clients {
        client.send("til\r\n");
        client.gets("$-1\r\n");
    }
}

#[test]
fn a_large_value_is_set_and_got() {
    let server = Server::start();
    let mut client = server.client();
    let value: Vec<u8> = (0..10_000_000_u32).map(|n| (n % 251) as u8).collect();
    client.send(request(&[b"SET", b"large", &value]));
    client.gets("+OK\r\n");
    client.send(request(&[b"GET", b"large"]));
    client.gets(bulk(&value));
}

#[test]
fn the_memory_of_expired_values_is_free_for_others() {
    let server = Server::start();
    let mut client = server.client();
    let value = [b'x'; 1_000_000];
    // The allocator may keep what is freed, and need not return it to the system.
    for round in 0..5 {
        for n in 0..40 {
            client.send(request(&[b"SET", format!("{round}:{n}").as_bytes(), &value, b"EX", b"1000"]));
            client.gets("+OK\r\n");
        }
        (0..40).for_each(|n| client.ask(&format!("PEXPIRE {round}:{n} 20"), ":1"));
        eventually("they are removed", || client.number("DBSIZE") == 0);
    }
    if let Some(bytes) = server.memory() {
        assert!(bytes < 100_000_000, "{bytes} bytes after 200 MB of values, never more than 40 MB at once");
    }
}

#[test]
fn a_client_that_does_not_read_its_replies_delays_only_itself() {
    let server = Server::start();
    let (mut slow, mut other) = (server.client(), server.client());
    let value = vec![b'x'; 1_000_000];
    other.send(request(&[b"SET", b"key", &value]));
    other.gets("+OK\r\n");
    slow.send("GET key\r\n".repeat(200));
    for n in 1..=100 {
        assert_eq!(other.number("INCR count"), n);
    }
    if let Some(bytes) = server.memory() {
        assert!(bytes < 20_000_000, "{bytes} bytes, for replies that are not read");
    }
    (0..200).for_each(|_| slow.gets(bulk(&value)));
}

#[test]
fn an_expired_key_is_gone_at_once_and_its_memory_soon() {
    let server = Server::start();
    let mut client = server.client();
    client.ask("SET brief x PX 30", "+OK");
    let left = client.number("PTTL brief");
    assert!((-2..=30).contains(&left), "{left}");
    eventually("it is gone", || client.number("EXISTS brief") == 0);
    client.ask("GET brief", "$-1");
    client.ask("SET brief y NX", "+OK");
    client.ask("TTL brief", ":-1");

    // Keys also expire without a request for them: a key that is set after one with a later deadline, and a key whose
    // deadline is moved.
    client.ask("SET late x EX 1000", "+OK");
    client.ask("SET soon x PX 40", "+OK");
    client.ask("SET moved x EX 500", "+OK");
    client.ask("PEXPIRE moved 50", ":1");
    client.ask("DBSIZE", ":4");
    eventually("two are removed", || client.number("DBSIZE") == 2);
    client.ask("EXISTS brief late", ":2");

    // Many keys that expire at once take several rounds of the task that removes them.
    let sets: Vec<u8> = (0..5000).flat_map(|n| format!("SET key:{n} {n} PX 200\r\n").into_bytes()).collect();
    client.send(sets);
    client.gets("+OK\r\n".repeat(5000));
    eventually("all are removed", || client.number("DBSIZE") == 2);
}
