//! `demo/examples/mini_redis`: run as a program; by Redis's own clients where they are installed, by
//! bare sockets for what those can't do, and beside the real server.

#[path = "mini_redis/kit.rs"]
mod kit;

use kit::{Client, Server, bulk, request};
use rustix::process::Signal;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::Shutdown;
use std::process::Command;
use tests::demo::{Running, example};
use tests::eventually;

const NOT_A_NUMBER: &str = "-ERR value is not an integer or out of range";

#[test]
fn values_are_set_and_got_and_counted() {
    let server = Server::start();
    let mut client = server.client();
    for (line, reply) in [
        ("GET a", "$-1"),
        ("SET a b", "+OK"),
        ("get a", "$1⏎b"),
        ("SET a longer", "+OK"),
        ("GET a", "$6⏎longer"),
        ("SET a x NX", "$-1"),
        ("SET c x nx", "+OK"),
        ("SET none x XX", "$-1"),
        ("SET a y XX GET", "$6⏎longer"),
        ("SET a z NX GET", "$1⏎y"),
        ("EXISTS a a c none", ":3"),
        ("DEL a c none", ":2"),
        ("DBSIZE", ":0"),
        ("INCR n", ":1"),
        ("INCRBY n 41", ":42"),
        ("DECR n", ":41"),
        ("DECRBY n -9", ":50"),
        ("GET n", "$2⏎50"),
        ("SET n 9223372036854775807", "+OK"),
        ("INCR n", "-ERR increment or decrement would overflow"),
        ("DECRBY n -9223372036854775808", "-ERR decrement would overflow"),
        ("INCRBY n x", NOT_A_NUMBER),
        ("SET n ' 1'", "+OK"),
        ("INCR n", NOT_A_NUMBER),
        ("SET n 01", "+OK"),
        ("INCR n", NOT_A_NUMBER),
        ("FLUSHALL", "+OK"),
        ("FLUSHDB ASYNC", "+OK"),
        ("FLUSHDB NOW", "-ERR syntax error"),
        ("DBSIZE", ":0"),
    ] {
        client.ask(line, reply);
    }
}

#[test]
fn the_connection_answers_what_clients_ask_first() {
    let server = Server::start();
    let mut client = server.client();
    for (line, reply) in [
        ("PING", "+PONG"),
        ("PING hello", "$5⏎hello"),
        ("ECHO hello", "$5⏎hello"),
        ("SELECT 0", "+OK"),
        ("SELECT 1", "-ERR DB index is out of range"),
        ("SELECT x", NOT_A_NUMBER),
        ("HELLO 3", "-NOPROTO unsupported protocol version"),
        ("HELLO 4", "-NOPROTO unsupported protocol version"),
        ("HELLO x", "-ERR Protocol version is not an integer or out of range"),
        ("HELLO 2 NICE day", "-ERR Syntax error in HELLO option 'NICE'"),
        ("CLIENT SETNAME me", "+OK"),
        ("CLIENT SETNAME 'my self'", "-ERR Client names cannot contain spaces, newlines or special characters."),
        ("CLIENT SETINFO LIB-NAME tests", "+OK"),
        ("CLIENT LIST", "-ERR unknown subcommand 'LIST'. Try CLIENT HELP."),
        ("CONFIG GET save", "*2⏎$4⏎save⏎$0⏎"),
        ("CONFIG GET APPEND* nothing", "*2⏎$10⏎appendonly⏎$2⏎no"),
        ("CONFIG GET", "-ERR wrong number of arguments for 'config|get' command"),
        ("COMMAND DOCS", "*0"),
        ("COMMAND", "*0"),
    ] {
        client.ask(line, reply);
    }
    let id = client.number("CLIENT ID");
    let hello = format!(
        "*14⏎$6⏎server⏎$5⏎redis⏎$7⏎version⏎$6⏎7.0.15⏎$5⏎proto⏎:2⏎$2⏎id⏎:{id}⏎$4⏎mode⏎$10⏎standalone⏎\
         $4⏎role⏎$6⏎master⏎$7⏎modules⏎*0"
    );
    client.ask("HELLO 2 SETNAME me", &hello);
    client.send("QUIT\r\nPING\r\n");
    assert_eq!(client.rest(), b"+OK\r\n");
}

#[test]
fn what_is_no_command_is_refused_in_redis_own_words() {
    let server = Server::start();
    let mut client = server.client();
    client.ask("NOPE", "-ERR unknown command 'NOPE', with args beginning with: ");
    client.ask("nope a 'b c'", "-ERR unknown command 'nope', with args beginning with: 'a' 'b c' ");
    client.ask("\"a\\r\\nb\"", "-ERR unknown command 'a  b', with args beginning with: ");
    for line in [
        "get",
        "get a b",
        "set a",
        "incr",
        "incrby a",
        "decr a b",
        "decrby a",
        "del",
        "exists",
        "expire a",
        "pexpire a",
        "ttl",
        "pttl",
        "persist",
        "ping a b",
        "echo",
        "dbsize a",
        "hello 2 setname",
        "client",
        "config",
        "select",
        "publish a",
        "subscribe",
        "psubscribe",
    ] {
        let name = line.split(' ').next().unwrap();
        match name {
            "hello" => client.ask(line, "-ERR Syntax error in HELLO option 'setname'"),
            _ => client.ask(line, &format!("-ERR wrong number of arguments for '{name}' command")),
        }
    }
    client.ask("PING", "+PONG");
}

#[test]
fn a_key_lives_as_long_as_it_was_told() {
    let server = Server::start();
    let mut client = server.client();
    for (line, reply) in [
        ("TTL a", ":-2"),
        ("PTTL a", ":-2"),
        ("EXPIRE a 10", ":0"),
        ("SET a b", "+OK"),
        ("TTL a", ":-1"),
        ("PERSIST a", ":0"),
        ("EXPIRE a 100", ":1"),
        ("TTL a", ":100"),
        ("INCR count", ":1"),
        ("PEXPIRE count 50000", ":1"),
        ("INCR count", ":2"),
        ("TTL count", ":50"),
        ("SET a c KEEPTTL", "+OK"),
        ("TTL a", ":100"),
        ("SET a c", "+OK"),
        ("TTL a", ":-1"),
        ("SET a b EX 100", "+OK"),
        ("EXPIRE a 50 GT", ":0"),
        ("EXPIRE a 50 NX", ":0"),
        ("EXPIRE a 50 XX LT", ":1"),
        ("TTL a", ":50"),
        ("PERSIST a", ":1"),
        ("EXPIRE a 50 GT", ":0"),
        ("EXPIRE a 50 LT", ":1"),
        ("EXPIRE a 50 MAYBE", "-ERR Unsupported option MAYBE"),
        ("EXPIRE a 50 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE a 50 GT LT", "-ERR GT and LT options at the same time are not compatible"),
        ("EXPIRE a 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
        ("PEXPIRE a 9223372036854775807", "-ERR invalid expire time in 'pexpire' command"),
        ("EXPIRE a x", NOT_A_NUMBER),
        ("SET a b EX 0", "-ERR invalid expire time in 'set' command"),
        ("SET a b PX -1", "-ERR invalid expire time in 'set' command"),
        ("SET a b EX 9223372036854775807", "-ERR invalid expire time in 'set' command"),
        ("SET a b EX x", NOT_A_NUMBER),
        ("SET a b EX", "-ERR syntax error"),
        ("SET a b EX 1 PX 1", "-ERR syntax error"),
        ("SET a b EX 1 KEEPTTL", "-ERR syntax error"),
        ("SET a b NX XX", "-ERR syntax error"),
        ("EXPIRE a -1", ":1"),
        ("GET a", "$-1"),
    ] {
        client.ask(line, reply);
    }
}

#[test]
fn a_key_whose_time_is_over_is_gone_at_once_and_its_memory_soon() {
    let server = Server::start();
    let mut client = server.client();
    client.ask("SET brief x PX 30", "+OK");
    let left = client.number("PTTL brief");
    assert!((-2..=30).contains(&left), "{left}");
    eventually("it is gone", || client.number("EXISTS brief") == 0);
    client.ask("GET brief", "$-1");
    client.ask("SET brief y NX", "+OK");
    client.ask("TTL brief", ":-1");

    // A deadline after a later one, and one that is moved, also come when nobody asks for the keys.
    client.ask("SET late x EX 1000", "+OK");
    client.ask("SET soon x PX 40", "+OK");
    client.ask("SET moved x EX 500", "+OK");
    client.ask("PEXPIRE moved 50", ":1");
    client.ask("DBSIZE", ":4");
    eventually("two are removed", || client.number("DBSIZE") == 2);
    client.ask("EXISTS brief late", ":2");

    // Many at once take several turns of the task that removes them.
    let sets: Vec<u8> = (0..5000).flat_map(|n| format!("SET key:{n} {n} PX 200\r\n").into_bytes()).collect();
    client.send(sets);
    client.gets("+OK\r\n".repeat(5000));
    eventually("all are removed", || client.number("DBSIZE") == 2);
}

#[test]
fn ten_thousand_requests_in_one_write_are_answered_in_order() {
    let server = Server::start();
    let mut client = server.client();
    let mut requests = Vec::new();
    let mut replies = Vec::new();
    for n in 0..5000 {
        let value = n.to_string();
        requests.extend(request(&[b"SET", b"key", value.as_bytes()]));
        replies.extend(b"+OK\r\n");
        requests.extend(request(&[b"GET", b"key"]));
        replies.extend(bulk(value.as_bytes()));
    }
    client.send(requests);
    client.gets(replies);
}

#[test]
fn a_request_may_come_in_any_pieces() {
    let server = Server::start();
    let (mut client, mut other) = (server.client(), server.client());
    let requests = [
        &request(&[b"SET", b"key", b"some\r\nvalue"])[..],
        b"GET key\r\n*0\r\n\r\n",
        &request(&[b"ECHO", b""]),
        b"echo \"a b\"\r\n",
        &request(&[b"DEL", b"key"]),
    ];
    let (requests, replies) = (requests.concat(), "+OK\r\n$11\r\nsome\r\nvalue\r\n$0\r\n\r\n$3\r\na b\r\n:1\r\n");
    for cut in 0..requests.len() {
        client.send(&requests[..cut]);
        other.ask("PING", "+PONG"); // the server has seen the first piece before this one
        client.send(&requests[cut..]);
        client.gets(replies);
    }
    for byte in &requests {
        client.send([*byte]);
        other.ask("PING", "+PONG");
    }
    client.gets(replies);
}

#[test]
fn a_line_is_a_request_too() {
    let server = Server::start();
    let mut client = server.client();
    client.send("\r\n  \r\n\n");
    client.ask("  echo   spaced  ", "$6⏎spaced");
    client.ask("\techo\ttabs", "$4⏎tabs");
    client.ask(r#"echo "two words""#, "$9⏎two words");
    client.ask(r#"echo "\x41\x4g\n\t\"\\""#, "$8⏎Ax4g\n\t\"\\");
    client.ask(r"echo 'it\'s \n'", "$7⏎it's \\n");
    client.ask("echo ''", "$0⏎");
    client.send("ping\n");
    client.gets("+PONG\r\n");
    let long = "x".repeat(60_000);
    client.ask(&format!("echo {long}"), &format!("$60000⏎{long}"));
}

#[test]
fn what_is_malformed_is_answered_and_the_connection_closed() {
    let server = Server::start();
    let digits = "1".repeat(64 * 1024 + 1);
    for (bytes, error) in [
        ("*x\r\n", "invalid multibulk length"),
        ("*1048577\r\n", "invalid multibulk length"),
        ("*1\r\n$x\r\n", "invalid bulk length"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$536870913\r\n", "invalid bulk length"),
        ("*1\r\n+4\r\nPING\r\n", "expected '$', got '+'"),
        ("*1\r\n\n\r\n", "expected '$', got ' '"),
        ("echo \"open\r\n", "unbalanced quotes in request"),
        ("echo \"a\"b\r\n", "unbalanced quotes in request"),
        (&format!("*{digits}"), "too big mbulk count string"),
        (&format!("*1\r\n${digits}"), "too big bulk count string"),
        (&digits, "too big inline request"),
        // More than was read when it was refused must not swallow the answer.
        (&digits.repeat(20), "too big inline request"),
    ] {
        let mut client = server.client();
        client.send("PING\r\n");
        client.send(bytes);
        if bytes.ends_with('\n') {
            client.send("PING\r\n"); // is not answered any more; elsewhere it would end the line that is too long
        }
        let reply = format!("+PONG\r\n-ERR Protocol error: {error}\r\n");
        assert_eq!(client.rest().escape_ascii().to_string(), reply.as_bytes().escape_ascii().to_string());
    }
    server.client().ask("PING", "+PONG");
}

#[test]
fn what_is_only_announced_takes_no_memory() {
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
fn a_client_that_waits_takes_next_to_no_memory() {
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
fn keys_and_values_are_any_bytes() {
    let server = Server::start();
    let mut client = server.client();
    let all: Vec<u8> = (0..=255).collect();
    let reversed: Vec<u8> = all.iter().rev().copied().collect();
    client.send(request(&[b"SET", &all, &reversed]));
    client.gets("+OK\r\n");
    client.send(request(&[b"GET", &all]));
    client.gets(bulk(&reversed));
    client.send(request(&[b"SET", b"", b""]));
    client.gets("+OK\r\n");
    client.send(request(&[b"GET", b""]));
    client.gets("$0\r\n\r\n");
    client.ask("DBSIZE", ":2");
}

#[test]
fn a_large_value_goes_in_and_out() {
    let server = Server::start();
    let mut client = server.client();
    let value: Vec<u8> = (0..10_000_000_u32).map(|n| (n % 251) as u8).collect();
    client.send(request(&[b"SET", b"large", &value]));
    client.gets("+OK\r\n");
    client.send(request(&[b"GET", b"large"]));
    client.gets(bulk(&value));
}

#[test]
fn the_memory_of_values_is_free_for_others_when_their_time_is_over() {
    let server = Server::start();
    let mut client = server.client();
    let value = [b'x'; 1_000_000];
    // What is free is the allocator's first, which need not give it back to the system.
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
fn who_does_not_read_the_replies_waits_and_nobody_else() {
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
        assert!(bytes < 20_000_000, "{bytes} bytes, for replies that nobody reads");
    }
    (0..200).for_each(|_| slow.gets(bulk(&value)));
}

#[test]
fn a_client_that_ends_its_side_still_gets_its_replies() {
    let server = Server::start();
    let mut client = server.client();
    client.send("SET a b\r\nGET a\r\nGET");
    client.0.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"+OK\r\n$1\r\nb\r\n");
}

#[test]
fn two_hundred_clients_at_once_count_together() {
    let server = Server::start();
    let mut clients: Vec<Client> = (0..200).map(|_| server.client()).collect();
    for round in 0..20 {
        clients.iter_mut().for_each(|client| client.send("INCR count\r\n"));
        let mut counts: Vec<i64> = clients.iter_mut().map(Client::gets_number).collect();
        counts.sort_unstable();
        assert_eq!(counts, Vec::from_iter(round * 200 + 1..=round * 200 + 200));
    }
    clients[0].ask("GET count", "$4⏎4000");
    clients.truncate(1);
    clients[0].ask("PING", "+PONG");
}

#[test]
fn messages_reach_all_who_subscribed() {
    let server = Server::start();
    let (mut one, mut two, mut publisher) = (server.client(), server.client(), server.client());
    one.ask("UNSUBSCRIBE", "*3⏎$11⏎unsubscribe⏎$-1⏎:0");
    one.ask("SUBSCRIBE news sport", "*3⏎$9⏎subscribe⏎$4⏎news⏎:1⏎*3⏎$9⏎subscribe⏎$5⏎sport⏎:2");
    one.ask("SUBSCRIBE news", "*3⏎$9⏎subscribe⏎$4⏎news⏎:2");
    two.ask("PSUBSCRIBE n?w* [r-t]port", "*3⏎$10⏎psubscribe⏎$4⏎n?w*⏎:1⏎*3⏎$10⏎psubscribe⏎$9⏎[r-t]port⏎:2");
    two.ask("SUBSCRIBE news", "*3⏎$9⏎subscribe⏎$4⏎news⏎:3");

    publisher.ask("PUBLISH news hello", ":3");
    publisher.ask("PUBLISH other hello", ":0");
    one.gets("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
    two.gets("*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
    two.gets("*4\r\n$8\r\npmessage\r\n$4\r\nn?w*\r\n$4\r\nnews\r\n$5\r\nhello\r\n");

    one.ask("PING", "*2⏎$4⏎pong⏎$0⏎");
    one.ask("ping you", "*2⏎$4⏎pong⏎$3⏎you");
    let refused = "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
    one.ask("GET a", &format!("-ERR Can't execute 'get': {refused}"));
    one.ask("UNSUBSCRIBE", "*3⏎$11⏎unsubscribe⏎$4⏎news⏎:1⏎*3⏎$11⏎unsubscribe⏎$5⏎sport⏎:0");
    one.ask("GET a", "$-1");
    two.ask("PUNSUBSCRIBE n?w*", "*3⏎$12⏎punsubscribe⏎$4⏎n?w*⏎:2");
    publisher.ask("PUBLISH sport goal", ":1");
    two.gets("*4\r\n$8\r\npmessage\r\n$9\r\n[r-t]port\r\n$5\r\nsport\r\n$4\r\ngoal\r\n");
    drop(two);
    eventually("the one that went is forgotten", || publisher.number("PUBLISH news x") == 0);
}

#[test]
fn a_subscriber_that_does_not_read_is_disconnected() {
    let server = Server::start();
    let (mut slow, mut good, mut publisher) = (server.client(), server.client(), server.client());
    slow.ask("SUBSCRIBE news", "*3⏎$9⏎subscribe⏎$4⏎news⏎:1");
    good.ask("SUBSCRIBE news", "*3⏎$9⏎subscribe⏎$4⏎news⏎:1");
    let publish = request(&[b"PUBLISH", b"news", &[b'x'; 1_000_000]]);
    let message = [&b"*3\r\n"[..], &bulk(b"message"), &bulk(b"news"), &bulk(&[b'x'; 1_000_000])].concat();
    // The system's own buffers take some megabytes, ours 32 at most.
    let mut receivers = 2;
    for _ in 0..100 {
        publisher.send(&publish);
        good.gets(&message);
        receivers = publisher.gets_number();
        if receivers == 1 {
            break;
        }
        if let Some(bytes) = server.memory() {
            assert!(bytes < 100_000_000, "{bytes} bytes, for messages that nobody reads");
        }
    }
    assert_eq!(receivers, 1, "100 MB of messages, and it is still there");
    assert!(slow.rest().len() < 50_000_000);
    good.ask("PING", "*2⏎$4⏎pong⏎$0⏎");
}

#[test]
fn redis_cli_sets_gets_and_fills() {
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

/// What redis-cli says of requests that it only passes on.
fn pipe(server: &Server, file: File) -> String {
    let mut command = server.program("redis-cli", &["--pipe"]).expect("it was there a moment ago");
    let output = command.stdin(file).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn redis_cli_subscribes_and_one_that_is_killed_is_forgotten() {
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

#[test]
fn ctrl_c_and_sigterm_end_it_well() {
    for signal in [Signal::INT, Signal::TERM] {
        let server = Server::start();
        let mut client = server.client();
        client.ask("PING", "+PONG");
        server.running.signal(signal);
        assert_eq!(client.rest(), b"");
        server.running.wait().exits(0);
    }
}

#[test]
fn a_port_that_is_taken_is_said_with_what_to_do() {
    let server = Server::start();
    let mut second = Command::new(example("mini_redis"));
    let ran = Running::start(second.args(["--listen", &server.address.to_string()])).wait().exits(1);
    ran.says(&format!("cannot listen on {}", server.address)).says("choose another address with --listen");
}

/// Each line goes to both servers; what comes back must be the same bytes.
const SCRIPT: &str = include_str!("mini_redis/script.txt");

#[test]
fn the_real_server_says_the_same_byte_for_byte() {
    let Some(real) = Server::real() else { return };
    let ours = Server::start();
    let (mut ours, mut theirs) = (ours.client(), real.client());
    // The lines one by one, so that it is clear which one is answered differently.
    for line in SCRIPT.lines().filter(|line| !line.starts_with('#')) {
        // An echo ends each reply, as the replies differ in their number of lines.
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
fn patterns_fit_what_they_fit_in_the_real_server() {
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
