//! Places of attachments inside JSON: `{"_placeholder":true,"num":0}`.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use super::error::SocketIoError;

/// Whether every place in this JSON has its attachment.
pub(super) fn check(json: &[u8], attachments: usize) -> Result<(), SocketIoError> {
    let mut illegal = false;
    let mut reader = serde_json::Deserializer::from_slice(json);
    let looked = reader.deserialize_any(Look { attachments, illegal: &mut illegal });
    match looked {
        Ok(_) if illegal => Err(SocketIoError::Placeholder),
        Ok(_) => Ok(()),
        Err(error) => Err(SocketIoError::not_json(&error)),
    }
}

/// What a value says about the object that it stands in.
enum Seen {
    True,
    Number(f64),
    Other,
}

struct Look<'l> {
    attachments: usize,
    illegal: &'l mut bool,
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = Seen;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Seen, D::Error> {
        reader.deserialize_any(self)
    }
}

/// Numbers that are no index stay no index.
#[allow(clippy::cast_precision_loss, reason = "an attachment's index is small")]
impl<'de> Visitor<'de> for Look<'_> {
    type Value = Seen;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Seen, E> {
        Ok(if value { Seen::True } else { Seen::Other })
    }

    fn visit_u64<E>(self, value: u64) -> Result<Seen, E> {
        Ok(Seen::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Seen, E> {
        Ok(Seen::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Seen, E> {
        Ok(Seen::Number(value))
    }

    fn visit_str<E>(self, _: &str) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seen, A::Error> {
        let Self { attachments, illegal } = self;
        while seq.next_element_seed(Look { attachments, illegal: &mut *illegal })?.is_some() {}
        Ok(Seen::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let Self { attachments, illegal } = self;
        let (mut is_place, mut index) = (false, None);
        while let Some(key) = map.next_key::<String>()? {
            let seen = map.next_value_seed(Look { attachments, illegal: &mut *illegal })?;
            // Of a key that stands twice, the last one counts, as in JavaScript.
            match key.as_str() {
                "_placeholder" => is_place = matches!(seen, Seen::True),
                "num" => {
                    index = match seen {
                        Seen::Number(number) => Some(number),
                        _ => None,
                    }
                }
                _ => {}
            }
        }
        let there =
            |number: f64| number >= 0.0 && number.fract() == 0.0 && number < attachments as f64;
        if is_place && !index.is_some_and(there) {
            *illegal = true;
        }
        Ok(Seen::Other)
    }
}
