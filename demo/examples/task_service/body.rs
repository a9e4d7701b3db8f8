//! The bodies of requests: JSON objects.

use crate::job::Action;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de};
use std::fmt;
use std::marker::PhantomData;

/// The body of `POST /task`.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewTask {
    pub name: String,
    pub seconds: f64,
}

impl Default for NewTask {
    fn default() -> Self {
        NewTask { name: "task".into(), seconds: 3.0 }
    }
}

/// The body of `PUT /task/ID`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub action: Action,
}

/// Reads a JSON object; anything else is an error.
pub fn object<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(json).map(|Object(fields)| fields)
}

/// A struct that is read only from an object. What serde derives also accepts an array of the fields' values.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// Reads an action only from its name. What serde derives also accepts `{"pause": null}`.
impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Action::named(&name).ok_or_else(|| de::Error::custom(format_args!("unknown action {name:?}")))
    }
}
