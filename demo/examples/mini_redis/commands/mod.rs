//! The table of commands, and running one.

mod connection;
mod keys;
mod messages;
mod refusal;
mod values;

use crate::db::{NewValue, Value};
use crate::large::Part;
use crate::pubsub::Session;
use crate::resp::{Args, Reply};
use crate::server::Server;
use executor::time::{Duration, Instant, now};
use refusal::Refusal;

/// The units of time, in milliseconds.
const MILLIS: i64 = 1;
const SECONDS: i64 = 1000;

/// What a command is called with.
struct Call<'a> {
    server: &'a Server,
    session: &'a mut Session,
    args: Args<'a>,
    /// The request that the arguments are in, if it is a large one.
    request: Option<&'a Part>,
    reply: Reply<'a>,
}

impl<'a> Call<'a> {
    /// An argument, to be stored.
    fn to_store(&self, index: usize) -> NewValue<'a> {
        let bytes = self.args.get(index).unwrap_or_default();
        self.request.and_then(|request| request.of(bytes)).map_or(NewValue::Copied(bytes), NewValue::Kept)
    }

    /// Replies with an argument, which is the last of what the command replies.
    fn echo(&mut self, index: usize) {
        match self.to_store(index) {
            NewValue::Copied(bytes) => self.reply.bulk(bytes),
            NewValue::Kept(part) => self.show_large(part),
        }
    }

    /// Replies with a value, or that there is none, which is the last of what the command replies.
    fn show(&mut self, value: Option<&Value>) {
        match value {
            Some(Value::Large(part)) => self.show_large(Part::clone(part)),
            small => self.reply.bulk_or_null(small.map(|value| &**value)),
        }
    }

    fn show_large(&mut self, part: Part) {
        self.reply.bulk_head(part.len());
        self.session.large = Some(part);
    }
}

/// A command either replies or refuses, never both.
type Outcome = Result<(), Refusal>;

struct Command {
    name: &'static str,
    /// How many arguments with the name; below zero, at least so many.
    arity: isize,
    run: fn(&mut Call<'_>) -> Outcome,
}

const fn command(name: &'static str, arity: isize, run: fn(&mut Call<'_>) -> Outcome) -> Command {
    Command { name, arity, run }
}

/// Looked through from the top, where those stand that are called most.
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
    command("command", -1, connection::command),
];

/// Runs a request and appends its reply. A large request is given as such, too.
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

/// A page in a browser can send requests of HTTP to any port, and have commands in their bodies. Each of them has one
/// of these words at the beginning of a line, so the client is disconnected without a reply, as by Redis.
#[cold]
fn unknown(call: &mut Call<'_>, name: &[u8]) -> Outcome {
    if name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:") {
        call.reply.0.clear();
        call.session.closing = true;
        return Ok(());
    }
    Err(Refusal::unknown(name, call.args))
}

fn check_arity(call: &Call<'_>, name: &str, arity: isize) -> Outcome {
    let right = match arity {
        0.. => call.args.len() == arity.unsigned_abs(),
        _ => call.args.len() >= arity.unsigned_abs(),
    };
    if right { Ok(()) } else { Err(Refusal::arity(name)) }
}

fn integer(text: &[u8]) -> Result<i64, Refusal> {
    crate::resp::integer(text).ok_or(Refusal::NOT_AN_INTEGER)
}

/// The moment so many milliseconds from now.
///
/// Redis counts from 1970, and refuses what does not fit into its 64 bits then; so do we, a few years
/// sooner. Below zero it is a moment that has passed.
fn moment(in_millis: i64, name: &str) -> Result<Instant, Refusal> {
    const SINCE_1970: i64 = 2_000_000_000_000;
    in_millis.checked_add(SINCE_1970).ok_or_else(|| Refusal::expire_time(name))?;
    let time = Duration::from_millis(in_millis.max(0).unsigned_abs());
    now().checked_add(time).ok_or_else(|| Refusal::expire_time(name))
}

/// That many units of so many milliseconds, given as text.
fn millis(text: &[u8], unit: i64, name: &str) -> Result<i64, Refusal> {
    integer(text)?.checked_mul(unit).ok_or_else(|| Refusal::expire_time(name))
}
