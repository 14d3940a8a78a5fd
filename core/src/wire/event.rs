//! One event, as it came over the wire: decoded when it is asked for, by whoever asks.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::shorten;

/// An event of a room, or of a plain server. Cloning is cheap: the bytes are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The whole JSON object for text; the header object for binary.
    json: Bytes,
    /// Boxed, since it is rare and every event carries its place.
    binary: Option<Box<Bytes>>,
    offset: u64,
}

/// What an event carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// The text of a JSON value; `null` where the event has no data.
    Json(&'a str),
    /// Raw bytes.
    Binary(&'a [u8]),
}

/// Why an event could not be decoded as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The object is no event.
    #[error("an event has no readable \"type\": {reason}")]
    Malformed {
        /// What the parser met.
        reason: String,
    },
    /// The data doesn't fit the type that was asked for.
    #[error("the data of event \"{kind}\" does not fit the type asked for: {reason}")]
    Mismatch {
        /// The event's type.
        kind: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// JSON was asked for, and the event is binary.
    #[error("event \"{kind}\" is binary; read it with payload()")]
    Binary {
        /// The event's type.
        kind: String,
    },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Typed<'a, T> {
    #[serde(borrow, rename = "type")]
    _kind: Cow<'a, str>,
    data: T,
}

impl Event {
    pub(crate) fn json(json: Bytes, offset: u64) -> Self {
        Self { json, binary: None, offset }
    }

    pub(crate) fn binary(header: Bytes, payload: Bytes, offset: u64) -> Self {
        Self { json: header, binary: Some(Box::new(payload)), offset }
    }

    /// The place in the room's log, from 1; `None` for what is not logged.
    pub fn offset(&self) -> Option<u64> {
        (self.offset > 0).then_some(self.offset)
    }

    /// The event's type, such as `generation:step`.
    pub fn kind(&self) -> Result<Cow<'_, str>, EventError> {
        self.envelope().map(|envelope| envelope.kind)
    }

    /// Decodes the data. `()` fits an event without data.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, EventError> {
        if self.binary.is_some() {
            return Err(EventError::Binary { kind: self.kind_text() });
        }
        // Checked as text once as a whole, not once for each string in it. One pass in the good
        // case; the bad one is looked at again for its reason.
        if self.json.starts_with(b"{")
            && let Ok(text) = std::str::from_utf8(&self.json)
            && let Ok(typed) = serde_json::from_str::<Typed<'_, T>>(text)
        {
            return Ok(typed.data);
        }
        let data = self.envelope()?.data.map_or("null", RawValue::get);
        serde_json::from_str(data).map_err(|error| EventError::Mismatch {
            kind: self.kind_text(),
            reason: error.to_string(),
        })
    }

    /// The data as it came.
    pub fn payload(&self) -> Result<Payload<'_>, EventError> {
        match &self.binary {
            Some(bytes) => Ok(Payload::Binary(bytes)),
            None => Ok(Payload::Json(self.envelope()?.data.map_or("null", RawValue::get))),
        }
    }

    /// The whole event as JSON text, unknown fields included; for a binary event, its header.
    pub fn raw(&self) -> &[u8] {
        &self.json
    }

    /// Bytes that this event keeps alive, for bounds on queues.
    pub fn size(&self) -> usize {
        self.json.len() + self.binary.as_ref().map_or(0, |bytes| bytes.len())
    }

    fn envelope(&self) -> Result<Envelope<'_>, EventError> {
        // serde would read an array as a struct too.
        if !self.json.starts_with(b"{") {
            return Err(EventError::Malformed { reason: "it is not an object".to_owned() });
        }
        serde_json::from_slice(&self.json)
            .map_err(|error| EventError::Malformed { reason: error.to_string() })
    }

    fn kind_text(&self) -> String {
        self.kind().map_or_else(|_| String::new(), |kind| shorten(&kind))
    }
}
