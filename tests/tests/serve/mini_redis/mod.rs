//! `demo/examples/mini_redis`, run as a program. The clients are Redis's own, where they are installed, and
//! bare sockets for what those can't do. The real server is compared with it.

mod kit;
mod limits;
mod memory;
mod programs;

use kit::{Client, Server, bulk, request};
use rustix::process::Signal;
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
fn the_first_requests_of_clients_are_answered() {
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
fn an_unknown_command_is_refused_with_the_message_of_redis() {
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
fn a_key_expires_after_its_time_to_live() {
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
fn a_request_may_arrive_in_any_pieces() {
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
fn a_request_may_be_a_line_of_words() {
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
fn a_malformed_request_is_answered_and_its_connection_closed() {
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
        // The answer must arrive although the server has not read all of the request.
        (&digits.repeat(20), "too big inline request"),
    ] {
        let mut client = server.client();
        client.send("PING\r\n");
        client.send(bytes);
        if bytes.ends_with('\n') {
            client.send("PING\r\n"); // gets no answer; after a line that is too long, it would end that line
        }
        let reply = format!("+PONG\r\n-ERR Protocol error: {error}\r\n");
        assert_eq!(client.rest().escape_ascii().to_string(), reply.as_bytes().escape_ascii().to_string());
    }
    server.client().ask("PING", "+PONG");
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
fn a_client_that_ends_its_side_still_gets_its_replies() {
    let server = Server::start();
    let mut client = server.client();
    client.send("SET a b\r\nGET a\r\nGET");
    client.0.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"+OK\r\n$1\r\nb\r\n");
}

#[test]
fn two_hundred_clients_at_once_increment_one_counter() {
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
fn a_message_reaches_all_subscribers() {
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
            assert!(bytes < 100_000_000, "{bytes} bytes, for messages that are not read");
        }
    }
    assert_eq!(receivers, 1, "100 MB of messages, and it is still there");
    assert!(slow.rest().len() < 50_000_000);
    good.ask("PING", "*2⏎$4⏎pong⏎$0⏎");
}

#[test]
fn ctrl_c_and_sigterm_end_the_server_cleanly() {
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
fn a_port_in_use_is_an_error_that_says_what_to_do() {
    let server = Server::start();
    let mut second = Command::new(example("mini_redis"));
    let ran = Running::start(second.args(["--listen", &server.address.to_string()])).wait().exits(1);
    ran.says(&format!("cannot listen on {}", server.address)).says("choose another address with --listen");
}
