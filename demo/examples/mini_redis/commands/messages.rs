//! PUBLISH, SUBSCRIBE and the like.

use super::call::{Call, Outcome};
use crate::pubsub::Kind;

/// The commands that a subscriber may call. Replies to other commands would look like messages.
pub const SUBSCRIBERS_MAY: [&str; 6] = ["subscribe", "unsubscribe", "psubscribe", "punsubscribe", "ping", "quit"];

pub fn publish(call: &mut Call<'_>) -> Outcome {
    let count = call.server.pubsub.borrow().publish(&call.args[1], &call.args[2]);
    call.reply.integer(count as i64);
    Ok(())
}

pub fn subscribe(call: &mut Call<'_>) -> Outcome {
    join(call, Kind::Channel, "subscribe")
}

pub fn unsubscribe(call: &mut Call<'_>) -> Outcome {
    leave(call, Kind::Channel, "unsubscribe")
}

pub fn psubscribe(call: &mut Call<'_>) -> Outcome {
    join(call, Kind::Pattern, "psubscribe")
}

pub fn punsubscribe(call: &mut Call<'_>) -> Outcome {
    leave(call, Kind::Pattern, "punsubscribe")
}

fn join(call: &mut Call<'_>, kind: Kind, word: &str) -> Outcome {
    for name in call.args.from(1) {
        call.server.pubsub.borrow_mut().join(call.session, kind, name);
        confirm(call, word, Some(name));
    }
    Ok(())
}

/// Leaves the named channels or patterns; without a name, all.
fn leave(call: &mut Call<'_>, kind: Kind, word: &str) -> Outcome {
    let all = if call.args.len() == 1 { call.session.names(kind) } else { Vec::new() };
    for name in call.args.from(1).chain(all.iter().map(|name| &**name)) {
        call.server.pubsub.borrow_mut().leave(call.session, kind, name);
        confirm(call, word, Some(name));
    }
    if call.args.len() == 1 && all.is_empty() {
        confirm(call, word, None);
    }
    Ok(())
}

/// Confirms one name, with the current number of subscriptions. Each name gets a reply of its own.
fn confirm(call: &mut Call<'_>, word: &str, name: Option<&[u8]>) {
    call.reply.array(3);
    call.reply.bulk(word.as_bytes());
    call.reply.bulk_or_null(name);
    call.reply.integer(call.session.subscribed() as i64);
}
