//! Commands for keys: existence and expiry.

use super::call::{Call, Outcome, millis, moment};
use super::refusal::Refusal;
use crate::resp::Args;
use executor::time::{Duration, Instant, now};

pub fn del(call: &mut Call<'_>) -> Outcome {
    let mut db = call.server.db.borrow_mut();
    let removed = call.args.from(1).filter(|key| db.remove(key)).count();
    call.reply.integer(removed as i64);
    Ok(())
}

/// A key that is named twice counts twice.
pub fn exists(call: &mut Call<'_>) -> Outcome {
    let db = call.server.db.borrow();
    let there = call.args.from(1).filter(|key| db.get(key).is_some()).count();
    call.reply.integer(there as i64);
    Ok(())
}

/// EXPIRE and PEXPIRE. A time that has passed removes the key.
pub fn expire(call: &mut Call<'_>, name: &str, unit: i64) -> Outcome {
    let condition = condition(call.args)?;
    let millis = millis(&call.args[2], unit, name)?;
    let deadline = moment(millis, name)?;
    let (mut db, key) = (call.server.db.borrow_mut(), &call.args[1]);
    let set = db.deadline(key).is_some_and(|before| condition.allows(before, deadline));
    match set {
        true if millis <= 0 => drop(db.remove(key)),
        true => db.set_deadline(key, Some(deadline)),
        false => {}
    }
    call.reply.integer(set.into());
    Ok(())
}

/// The condition of EXPIRE: NX, XX, GT and LT.
#[derive(Default)]
struct Condition {
    without: bool,
    with: bool,
    later: bool,
    sooner: bool,
}

impl Condition {
    /// A key without a deadline lives for ever, so every deadline is sooner.
    fn allows(&self, before: Option<Instant>, deadline: Instant) -> bool {
        let refused = (self.without && before.is_some())
            || (self.with && before.is_none())
            || (self.later && before.is_none_or(|before| deadline <= before))
            || (self.sooner && before.is_some_and(|before| deadline >= before));
        !refused
    }
}

fn condition(args: Args<'_>) -> Result<Condition, Refusal> {
    let mut condition = Condition::default();
    for word in args.from(3) {
        match word.to_ascii_lowercase().as_slice() {
            b"nx" => condition.without = true,
            b"xx" => condition.with = true,
            b"gt" => condition.later = true,
            b"lt" => condition.sooner = true,
            _ => return Err(Refusal::showing("ERR Unsupported option ", word, "")),
        }
    }
    let Condition { without, with, later, sooner } = condition;
    if without && (with || later || sooner) {
        let text = "ERR NX and XX, GT or LT options at the same time are not compatible";
        return Err(Refusal::of(text));
    }
    if later && sooner {
        return Err(Refusal::of("ERR GT and LT options at the same time are not compatible"));
    }
    Ok(condition)
}

/// TTL and PTTL: -2 if there is no such key, -1 if it has no deadline.
pub fn ttl(call: &mut Call<'_>, unit: fn(Duration) -> u128) -> Outcome {
    let left = match call.server.db.borrow().deadline(&call.args[1]) {
        None => -2,
        Some(None) => -1,
        // Rounded up: a key that exists has more than 0 milliseconds left.
        Some(Some(deadline)) => unit(deadline - now() + Duration::from_nanos(999_999)) as i64,
    };
    call.reply.integer(left);
    Ok(())
}

pub fn persist(call: &mut Call<'_>) -> Outcome {
    let (mut db, key) = (call.server.db.borrow_mut(), &call.args[1]);
    let had_one = db.deadline(key).flatten().is_some();
    if had_one {
        db.set_deadline(key, None);
    }
    call.reply.integer(had_one.into());
    Ok(())
}

pub fn dbsize(call: &mut Call<'_>) -> Outcome {
    call.reply.integer(call.server.db.borrow().len() as i64);
    Ok(())
}

/// FLUSHDB and FLUSHALL, which are the same, as there is one database.
pub fn flush(call: &mut Call<'_>) -> Outcome {
    let how = call.args.get(1).map(<[u8]>::to_ascii_lowercase);
    if call.args.len() > 2 || !matches!(how.as_deref(), None | Some(b"sync" | b"async")) {
        return Err(Refusal::SYNTAX);
    }
    call.server.db.borrow_mut().clear();
    call.reply.ok();
    Ok(())
}
