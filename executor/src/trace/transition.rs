//! Serializes the transition of a state word. `mod.rs` describes the format, and uses this.

use crate::task::{Edge, Queue, StateWord, Transition};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    /// The function.
    #[serde(borrow)]
    by: Cow<'a, str>,
    before: Word,
    after: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queue: Option<QueueName>,
}

/// The bits, the references and the polls.
#[derive(Serialize, Deserialize)]
struct Word(u64, u64, u64);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum QueueName {
    Run,
    Injection,
}

impl From<StateWord> for Word {
    fn from(word: StateWord) -> Word {
        Word(word.bits(), word.references(), word.polls())
    }
}

impl From<Word> for StateWord {
    fn from(Word(bits, references, polls): Word) -> StateWord {
        StateWord::from_parts(bits, references, polls)
    }
}

pub(super) fn serialize<S: Serializer>(transition: &Option<Transition>, to: S) -> Result<S::Ok, S::Error> {
    let line = transition.map(|Transition { edge, before, after, queue }| Line {
        by: edge.function().into(),
        before: before.into(),
        after: after.into(),
        queue: queue.map(|queue| match queue {
            Queue::Run => QueueName::Run,
            Queue::Injection => QueueName::Injection,
        }),
    });
    line.serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Transition>, D::Error> {
    let Some(Line { by, before, after, queue }) = Option::<Line<'_>>::deserialize(from)? else { return Ok(None) };
    let edge = Edge::ALL.into_iter().find(|edge| edge.function() == by);
    let edge = edge.ok_or_else(|| D::Error::custom(format!("`{by}` makes no transition of a state word")))?;
    let queue = queue.map(|queue| match queue {
        QueueName::Run => Queue::Run,
        QueueName::Injection => Queue::Injection,
    });
    Ok(Some(Transition { edge, before: before.into(), after: after.into(), queue }))
}
