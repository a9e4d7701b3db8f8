//! What a command is called with, and what several commands use.

use super::refusal::Refusal;
use crate::db::{NewValue, Value};
use crate::large::Part;
use crate::pubsub::Session;
use crate::resp::{Args, Reply};
use crate::server::Server;
use executor::time::{Duration, Instant, now};

/// The units of time, in milliseconds.
pub const MILLIS: i64 = 1;
pub const SECONDS: i64 = 1000;

/// The arguments and the context of a command.
pub struct Call<'a> {
    pub server: &'a Server,
    pub session: &'a mut Session,
    pub args: Args<'a>,
    /// The request that contains the arguments, if it is large.
    pub request: Option<&'a Part>,
    pub reply: Reply<'a>,
}

impl<'a> Call<'a> {
    /// An argument, as a value to store.
    pub fn to_store(&self, index: usize) -> NewValue<'a> {
        let bytes = self.args.get(index).unwrap_or_default();
        self.request.and_then(|request| request.of(bytes)).map_or(NewValue::Copied(bytes), NewValue::Kept)
    }

    /// Replies with an argument. It must be the last part of the command's reply.
    pub fn echo(&mut self, index: usize) {
        match self.to_store(index) {
            NewValue::Copied(bytes) => self.reply.bulk(bytes),
            NewValue::Kept(part) => self.show_large(part),
        }
    }

    /// Replies with a value or null. It must be the last part of the command's reply.
    pub fn show(&mut self, value: Option<&Value>) {
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
pub type Outcome = Result<(), Refusal>;

pub fn check_arity(call: &Call<'_>, name: &str, arity: isize) -> Outcome {
    let right = match arity {
        0.. => call.args.len() == arity.unsigned_abs(),
        _ => call.args.len() >= arity.unsigned_abs(),
    };
    if right { Ok(()) } else { Err(Refusal::arity(name)) }
}

pub fn integer(text: &[u8]) -> Result<i64, Refusal> {
    crate::resp::integer(text).ok_or(Refusal::NOT_AN_INTEGER)
}

/// The time this many milliseconds from now. A negative number gives a time that has passed.
///
/// Redis counts from 1970, and refuses times that do not fit into 64 bits. This server does so a few years earlier.
pub fn moment(in_millis: i64, name: &str) -> Result<Instant, Refusal> {
    const SINCE_1970: i64 = 2_000_000_000_000;
    in_millis.checked_add(SINCE_1970).ok_or_else(|| Refusal::expire_time(name))?;
    let time = Duration::from_millis(in_millis.max(0).unsigned_abs());
    now().checked_add(time).ok_or_else(|| Refusal::expire_time(name))
}

/// Parses a number of units, and converts it to milliseconds.
pub fn millis(text: &[u8], unit: i64, name: &str) -> Result<i64, Refusal> {
    integer(text)?.checked_mul(unit).ok_or_else(|| Refusal::expire_time(name))
}
