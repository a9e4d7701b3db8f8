//! The table of commands, and running one.
//!
//! | file | what it holds |
//! |---|---|
//! | `values.rs`, `keys.rs`, `messages.rs`, `connection.rs` | the commands |
//! | `call.rs` | what a command is called with |
//! | `refusal.rs` | why a command was not carried out |

mod call;
mod connection;
mod keys;
mod messages;
mod refusal;
mod values;

use crate::large::Part;
use crate::pubsub::Session;
use crate::resp::{Args, Reply};
use crate::server::Server;
use call::{Call, MILLIS, Outcome, SECONDS, check_arity};
use refusal::Refusal;

struct Command {
    name: &'static str,
    /// The number of arguments, including the name. If negative, the minimum number.
    arity: isize,
    run: fn(&mut Call<'_>) -> Outcome,
}

const fn command(name: &'static str, arity: isize, run: fn(&mut Call<'_>) -> Outcome) -> Command {
    Command { name, arity, run }
}

/// Searched from the top, so the most frequent commands come first.
const COMMANDS: &[Command] = &[
    command("get", 2, values::get),
    command("set", -3, values::set),
    command("incr", 2, |call| values::add(call, 1)),
    command("decr", 2, |call| values::add(call, -1)),
    command("incrby", 3, values::incrby),
    command("decrby", 3, values::decrby),
    command("del", -2, keys::del),
    command("exists", -2, keys::exists),
    command("expire", -3, |call| keys::expire(call, "expire", SECONDS)),
    command("pexpire", -3, |call| keys::expire(call, "pexpire", MILLIS)),
    command("ttl", 2, |call| keys::ttl(call, |left| (left.as_millis() + 500) / 1000)),
    command("pttl", 2, |call| keys::ttl(call, |left| left.as_millis())),
    command("persist", 2, keys::persist),
    command("dbsize", 1, keys::dbsize),
    command("flushdb", -1, keys::flush),
    command("flushall", -1, keys::flush),
    command("publish", 3, messages::publish),
    command("subscribe", -2, messages::subscribe),
    command("unsubscribe", -1, messages::unsubscribe),
    command("psubscribe", -2, messages::psubscribe),
    command("punsubscribe", -1, messages::punsubscribe),
    command("ping", -1, connection::ping),
    command("echo", 2, connection::echo),
    command("select", 2, connection::select),
    command("quit", -1, connection::quit),
    command("hello", -1, connection::hello),
    command("client", -2, connection::client),
    command("config", -2, connection::config),
    command("command", -1, |call| connection::command(call, COMMANDS.len())),
];

/// Runs a request and appends its reply. `request` is the request as a whole, if it is large.
pub fn run(server: &Server, session: &mut Session, args: Args<'_>, request: Option<&Part>, replies: &mut Vec<u8>) {
    let Some(name) = args.get(0) else { return }; // an empty line, or `*0`
    let mut call = Call { server, session, args, request, reply: Reply(replies) };
    if let Err(refusal) = dispatch(&mut call, name) {
        call.reply.error(&refusal.0);
    }
}

fn dispatch(call: &mut Call<'_>, name: &[u8]) -> Outcome {
    let found = COMMANDS.iter().find(|command| command.name.as_bytes().eq_ignore_ascii_case(name));
    let Some(command) = found else { return unknown(call, name) };
    check_arity(call, command.name, command.arity)?;
    if call.session.subscribed() > 0 && !messages::SUBSCRIBERS_MAY.contains(&command.name) {
        return Err(Refusal::subscribed(command.name));
    }
    (command.run)(call)
}

/// Refuses an unknown command. A web page can make a browser send HTTP requests to any port, with commands in their bodies.
/// Each such request has one of these words at the beginning of a line, so like Redis the server disconnects the client
/// without a reply.
#[cold]
fn unknown(call: &mut Call<'_>, name: &[u8]) -> Outcome {
    if name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:") {
        call.reply.0.clear();
        call.session.closing = true;
        return Ok(());
    }
    Err(Refusal::unknown(name, call.args))
}
