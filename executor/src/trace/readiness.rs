//! Serializes the readiness of a source as a list of names, and its readiness word as that list and the number of its
//! reports. Used by `mod.rs`.

use reactor::backend::Readiness;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(readiness: &Readiness, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(readiness.iter_names().map(|(name, _)| name.to_lowercase()))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Readiness, D::Error> {
    let words = Vec::<String>::deserialize(from)?;
    let flag = |word: &String| {
        let known = Readiness::from_name(&word.to_uppercase());
        known.ok_or_else(|| D::Error::custom(format!("`{word}` is not a readiness of a source")))
    };
    words.iter().map(flag).collect()
}

/// A readiness word.
pub(super) mod word {
    use reactor::backend::Readiness;
    use reactor::observer::ReadinessWord;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Line {
        #[serde(with = "super")]
        readiness: Readiness,
        reports: usize,
    }

    pub(in super::super) fn serialize<S: Serializer>(word: &Option<ReadinessWord>, to: S) -> Result<S::Ok, S::Error> {
        word.map(|ReadinessWord { readiness, reports }| Line { readiness, reports }).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ReadinessWord>, D::Error> {
        let line = Option::<Line>::deserialize(from)?;
        Ok(line.map(|Line { readiness, reports }| ReadinessWord { readiness, reports }))
    }
}
