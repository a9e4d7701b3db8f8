//! Commands for the connection, and those that clients send first.

use super::call::{Call, Outcome, check_arity, integer};
use super::refusal::Refusal;
use crate::pubsub::matches;

/// The version of Redis that replies follow.
const VERSION: &str = "7.0.15";
/// The options that redis-benchmark reads.
const OPTIONS: [(&str, &str); 2] = [("save", ""), ("appendonly", "no")];

/// A subscriber gets a message in reply, because it expects nothing else.
pub fn ping(call: &mut Call<'_>) -> Outcome {
    if call.args.len() > 2 {
        return Err(Refusal::arity("ping"));
    }
    match (call.session.subscribed(), call.args.get(1)) {
        (0, None) => call.reply.simple("PONG"),
        (0, Some(_)) => call.echo(1),
        (_, text) => {
            call.reply.array(2);
            call.reply.bulk(b"pong");
            call.reply.bulk(text.unwrap_or_default());
        }
    }
    Ok(())
}

pub fn echo(call: &mut Call<'_>) -> Outcome {
    call.echo(1);
    Ok(())
}

/// There is one database.
pub fn select(call: &mut Call<'_>) -> Outcome {
    match integer(&call.args[1])? {
        0 => call.reply.ok(),
        _ => return Err(Refusal::of("ERR DB index is out of range")),
    }
    Ok(())
}

pub fn quit(call: &mut Call<'_>) -> Outcome {
    call.reply.ok();
    call.session.closing = true;
    Ok(())
}

/// Describes the server. Refuses protocols other than RESP2.
pub fn hello(call: &mut Call<'_>) -> Outcome {
    if let Some(version) = call.args.get(1) {
        let not_a_number = Refusal::of("ERR Protocol version is not an integer or out of range");
        match integer(version) {
            Ok(2) => {}
            Ok(_) => return Err(Refusal::of("NOPROTO unsupported protocol version")),
            Err(_) => return Err(not_a_number),
        }
    }
    hello_options(call)?;
    let (reply, id) = (&mut call.reply, call.session.id);
    reply.array(14);
    for (name, value) in [("server", "redis"), ("version", VERSION)] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    for (name, number) in [("proto", 2), ("id", id as i64)] {
        reply.bulk(name.as_bytes());
        reply.integer(number);
    }
    for (name, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
    Ok(())
}

fn hello_options(call: &Call<'_>) -> Outcome {
    let mut words = call.args.from(2);
    while let Some(word) = words.next() {
        match words.next() {
            Some(name) if word.eq_ignore_ascii_case(b"setname") => check_name(name)?,
            _ => return Err(Refusal::showing("ERR Syntax error in HELLO option '", word, "'")),
        }
    }
    Ok(())
}

/// Names of clients and libraries are accepted and ignored: no command shows them.
pub fn client(call: &mut Call<'_>) -> Outcome {
    match call.args[1].to_ascii_lowercase().as_slice() {
        b"setname" => {
            check_arity(call, "client|setname", 3)?;
            check_name(&call.args[2])?;
            call.reply.ok();
        }
        b"setinfo" => {
            check_arity(call, "client|setinfo", 4)?;
            call.reply.ok();
        }
        b"id" => {
            check_arity(call, "client|id", 2)?;
            call.reply.integer(call.session.id as i64);
        }
        _ => return Err(Refusal::unknown_sub("CLIENT", &call.args[1])),
    }
    Ok(())
}

fn check_name(name: &[u8]) -> Outcome {
    let text = "ERR Client names cannot contain spaces, newlines or special characters.";
    match name.iter().all(u8::is_ascii_graphic) {
        true => Ok(()),
        false => Err(Refusal::of(text)),
    }
}

pub fn config(call: &mut Call<'_>) -> Outcome {
    if !call.args[1].eq_ignore_ascii_case(b"get") {
        return Err(Refusal::unknown_sub("CONFIG", &call.args[1]));
    }
    check_arity(call, "config|get", -3)?;
    let patterns: Vec<_> = call.args.from(2).map(<[u8]>::to_ascii_lowercase).collect();
    let asked = |name: &str| patterns.iter().any(|pattern| matches(pattern, name.as_bytes()));
    let found: Vec<_> = OPTIONS.iter().filter(|(name, _)| asked(name)).collect();
    call.reply.array(found.len() * 2);
    for (name, value) in found {
        call.reply.bulk(name.as_bytes());
        call.reply.bulk(value.as_bytes());
    }
    Ok(())
}

/// redis-cli calls this for completions; there are none.
pub fn command(call: &mut Call<'_>, count: usize) -> Outcome {
    match call.args.get(1).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"docs" | b"info" | b"list") => call.reply.array(0),
        Some(b"count") => call.reply.integer(count as i64),
        Some(_) => return Err(Refusal::unknown_sub("COMMAND", &call.args[1])),
    }
    Ok(())
}
