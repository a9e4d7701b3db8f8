//! GET, SET, and counting.

use super::call::{Call, MILLIS, Outcome, SECONDS, integer, millis, moment};
use super::refusal::Refusal;
use crate::db::{Expiry, NewValue};
use crate::resp::Args;

pub fn get(call: &mut Call<'_>) -> Outcome {
    let db = call.server.db.borrow();
    call.show(db.get(&call.args[1]));
    Ok(())
}

/// The options of SET.
struct Options {
    expiry: Expiry,
    /// Set only if the key exists (`true`) or does not exist (`false`).
    only_if: Option<bool>,
    /// Reply with the previous value.
    get: bool,
}

pub fn set(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    if args.len() == 3 {
        call.server.db.borrow_mut().set(&args[1], call.to_store(2), Expiry::Never);
        call.reply.ok();
        return Ok(());
    }
    let options = options(args)?;
    let mut db = call.server.db.borrow_mut();
    let before = db.get(&args[1]);
    let does = options.only_if.is_none_or(|there| there == before.is_some());
    match (options.get, does) {
        (true, _) => call.show(before),
        (false, true) => call.reply.ok(),
        (false, false) => call.reply.bulk_or_null(None),
    }
    if does {
        db.set(&args[1], call.to_store(2), options.expiry);
    }
    Ok(())
}

fn options(args: Args<'_>) -> Result<Options, Refusal> {
    let (mut time, mut keep, mut only_if, mut get) = (None, false, None, false);
    let mut words = args.from(3);
    // An option that contradicts an earlier one is a syntax error; one that repeats it is not.
    while let Some(word) = words.next() {
        let may_last = |unit| !keep && time.is_none_or(|(_, before)| before == unit);
        match word.to_ascii_lowercase().as_slice() {
            b"nx" if only_if != Some(true) => only_if = Some(false),
            b"xx" if only_if != Some(false) => only_if = Some(true),
            b"get" => get = true,
            b"keepttl" if time.is_none() => keep = true,
            b"ex" if may_last(SECONDS) => time = Some((words.next().ok_or(Refusal::SYNTAX)?, SECONDS)),
            b"px" if may_last(MILLIS) => time = Some((words.next().ok_or(Refusal::SYNTAX)?, MILLIS)),
            _ => return Err(Refusal::SYNTAX),
        }
    }
    let expiry = match time {
        None if keep => Expiry::Keep,
        None => Expiry::Never,
        Some((text, unit)) => match millis(text, unit, "set")? {
            ..=0 => return Err(Refusal::expire_time("set")),
            millis => Expiry::At(moment(millis, "set")?),
        },
    };
    Ok(Options { expiry, only_if, get })
}

pub fn incrby(call: &mut Call<'_>) -> Outcome {
    let number = integer(&call.args[2])?;
    add(call, number)
}

pub fn decrby(call: &mut Call<'_>) -> Outcome {
    let number = integer(&call.args[2])?;
    add(call, number.checked_neg().ok_or(Refusal::of("ERR decrement would overflow"))?)
}

/// Adds to the number in a key, or to 0 if there is no such key.
pub fn add(call: &mut Call<'_>, number: i64) -> Outcome {
    let mut db = call.server.db.borrow_mut();
    let before = db.get(&call.args[1]).map_or(Ok(0), |value| integer(value))?;
    let overflow = || Refusal::of("ERR increment or decrement would overflow");
    let sum = before.checked_add(number).ok_or_else(overflow)?;
    let mut digits = itoa::Buffer::new();
    db.set(&call.args[1], NewValue::Copied(digits.format(sum).as_bytes()), Expiry::Keep);
    call.reply.integer(sum);
    Ok(())
}
