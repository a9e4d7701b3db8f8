//! Publish and subscribe: the subscribers of channels and patterns.
//!
//! A message is appended to the outbox of each subscriber, whose task is woken to send it. The publisher never waits:
//! the outbox disconnects a subscriber that does not keep up.

use crate::buffers::{BEHIND_LIMIT, Outbox};
use crate::large::Part;
use crate::resp::Reply;
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// The name of a channel, or a pattern.
type Name = Rc<[u8]>;

/// What can be subscribed to.
#[derive(Clone, Copy)]
pub enum Kind {
    Channel,
    Pattern,
}

/// The part of a client that commands use.
pub struct Session {
    pub id: u64,
    pub outbox: Rc<Outbox>,
    /// The client is to be disconnected once its output is sent.
    pub closing: bool,
    /// A large value after the replies so far. Until it is sent, no further request is run.
    pub large: Option<Part>,
    /// By kind.
    subscriptions: [BTreeSet<Name>; 2],
}

impl Session {
    pub fn new(id: u64, outbox: Rc<Outbox>) -> Session {
        Session { id, outbox, closing: false, large: None, subscriptions: Default::default() }
    }

    /// Whether the next request may be run.
    pub fn goes_on(&self) -> bool {
        !self.closing && self.large.is_none()
    }

    /// The number of subscriptions.
    pub fn subscribed(&self) -> usize {
        self.subscriptions.iter().map(BTreeSet::len).sum()
    }

    /// The subscribed channels or patterns.
    pub fn names(&self, kind: Kind) -> Vec<Name> {
        self.subscriptions[kind as usize].iter().cloned().collect()
    }
}

/// All subscriptions, by kind.
#[derive(Default)]
pub struct PubSub([HashMap<Name, Subscribers, RandomState>; 2]);

/// By client id, in the order of connecting.
type Subscribers = BTreeMap<u64, Rc<Outbox>>;

impl PubSub {
    pub fn join(&mut self, session: &mut Session, kind: Kind, name: &[u8]) {
        let name = Name::from(name);
        if session.subscriptions[kind as usize].insert(name.clone()) {
            self.0[kind as usize].entry(name).or_default().insert(session.id, session.outbox.clone());
        }
    }

    pub fn leave(&mut self, session: &mut Session, kind: Kind, name: &[u8]) {
        session.subscriptions[kind as usize].remove(name);
        let subscribers = &mut self.0[kind as usize];
        let Some(of_name) = subscribers.get_mut(name) else { return };
        of_name.remove(&session.id);
        if of_name.is_empty() {
            subscribers.remove(name);
        }
    }

    pub fn leave_all(&mut self, session: &mut Session) {
        for kind in [Kind::Channel, Kind::Pattern] {
            session.names(kind).iter().for_each(|name| self.leave(session, kind, name));
        }
    }

    /// Sends a message to all subscribers. Returns their number.
    pub fn publish(&self, channel: &[u8], message: &[u8]) -> usize {
        let [channels, patterns] = &self.0;
        let mut count = 0;
        if let Some(subscribers) = channels.get(channel) {
            count += deliver(subscribers, &[b"message", channel, message]);
        }
        for (pattern, subscribers) in patterns {
            if matches(pattern, channel) {
                count += deliver(subscribers, &[b"pmessage", pattern, channel, message]);
            }
        }
        count
    }
}

/// Encodes a message once, and appends it to each outbox.
fn deliver(subscribers: &Subscribers, parts: &[&[u8]]) -> usize {
    if parts.iter().map(|part| part.len()).sum::<usize>() > BEHIND_LIMIT {
        subscribers.values().for_each(|outbox| outbox.overrun());
        return subscribers.len();
    }
    let mut bytes = Vec::new();
    let mut message = Reply(&mut bytes);
    message.array(parts.len());
    parts.iter().for_each(|part| message.bulk(part));
    subscribers.values().for_each(|outbox| outbox.push(&bytes));
    subscribers.len()
}

/// Whether a text matches a pattern: `*` stands for any bytes, `?` for one, `[a-c]` and `[^a-c]` for one of these or
/// none of these; `\` takes the next byte literally.
///
/// After a mismatch, only the last star takes another byte: an earlier star could not do better. So the cost is at most
/// the length of the pattern times that of the text, however many stars there are.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut left) = (pattern, text);
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', after @ ..] = rest {
            (star, rest) = (Some((after, left)), after);
            continue;
        }
        match (one(rest, left.first().copied()), star) {
            (Some(after), _) => (rest, left) = (after, &left[1..]),
            _ if rest.is_empty() && left.is_empty() => return true,
            (None, Some((after, [_, shorter @ ..]))) => {
                (star, rest, left) = (Some((after, shorter)), after, shorter);
            }
            (None, _) => return false,
        }
    }
}

/// The rest of a pattern, which is not at a star, after it matched this byte; `None` if it does not match.
fn one(pattern: &[u8], byte: Option<u8>) -> Option<&[u8]> {
    let byte = byte?;
    match pattern {
        [] => None,
        [b'?', after @ ..] => Some(after),
        [b'[', set @ ..] => one_of(set, byte),
        [b'\\', literal, after @ ..] | [literal, after @ ..] => (*literal == byte).then_some(after),
    }
}

/// As [`one`], for a set without its opening bracket. An unclosed set extends to the end of the pattern.
fn one_of(mut set: &[u8], byte: u8) -> Option<&[u8]> {
    let mut found = false;
    let wanted = set.first() != Some(&b'^');
    if !wanted {
        set = &set[1..];
    }
    loop {
        let (hit, after) = match set {
            [] => return (found == wanted).then_some(set),
            [b']', after @ ..] => return (found == wanted).then_some(after),
            [b'\\', literal, after @ ..] => (*literal == byte, after),
            [from, b'-', to, after @ ..] => ((*from.min(to)..=*from.max(to)).contains(&byte), after),
            [literal, after @ ..] => (*literal == byte, after),
        };
        found |= hit;
        set = after;
    }
}
