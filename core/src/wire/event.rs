//! One event, as it came over the wire: decoded when it is asked for, by whoever asks.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::shorten;
#[cfg(feature = "socketio")]
use super::socketio::{Ask, EventParts};

/// An event of a room, or of a plain server. Cloning is cheap: the bytes are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The whole JSON object for text; the header object for binary; the array for Socket.IO.
    json: Bytes,
    /// Boxed, since it is rare and every event carries its place.
    extra: Option<Box<Extra>>,
    offset: u64,
}

/// What some events are beside an object of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Extra {
    /// Bytes, under the object.
    Binary(Bytes),
    /// Socket.IO's, which is an array.
    #[cfg(feature = "socketio")]
    SocketIo(EventParts),
}

impl Extra {
    /// Bytes beside the JSON.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Binary(bytes) => bytes.len(),
            #[cfg(feature = "socketio")]
            Self::SocketIo(parts) => parts.size(),
        }
    }
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

impl Event {
    pub(super) fn new(json: Bytes, extra: Option<Box<Extra>>, offset: u64) -> Self {
        Self { json, extra, offset }
    }

    /// The place in the room's log, from 1; `None` for what is not logged.
    pub fn offset(&self) -> Option<u64> {
        (self.offset > 0).then_some(self.offset)
    }

    /// The event's type, such as `generation:step`.
    pub fn kind(&self) -> Result<Cow<'_, str>, EventError> {
        #[cfg(feature = "socketio")]
        if let Some(parts) = self.socketio() {
            return Ok(parts.kind());
        }
        self.envelope().map(|envelope| envelope.kind)
    }

    /// Decodes the data. `()` fits an event without data. The data of a Socket.IO event is its
    /// argument; an array of them where it has several.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, EventError> {
        match self.extra.as_deref() {
            None => {}
            Some(Extra::Binary(_)) => {
                return Err(EventError::Binary { kind: self.kind_text() });
            }
            #[cfg(feature = "socketio")]
            Some(Extra::SocketIo(parts)) => {
                return serde_json::from_str(parts.data()).map_err(|error| self.mismatch(&error));
            }
        }
        // The bad case is looked at again for its reason.
        if let Some(data) = self.data_text()
            && let Ok(data) = serde_json::from_str(data)
        {
            return Ok(data);
        }
        let data = self.envelope()?.data.map_or("null", RawValue::get);
        serde_json::from_str(data).map_err(|error| self.mismatch(&error))
    }

    /// The data as it came.
    pub fn payload(&self) -> Result<Payload<'_>, EventError> {
        match self.extra.as_deref() {
            Some(Extra::Binary(bytes)) => Ok(Payload::Binary(bytes)),
            #[cfg(feature = "socketio")]
            Some(Extra::SocketIo(parts)) => Ok(Payload::Json(parts.data())),
            None => Ok(self.parts()?.1),
        }
    }

    /// The type, and the data as it came.
    pub(crate) fn parts(&self) -> Result<(Cow<'_, str>, Payload<'_>), EventError> {
        match self.extra.as_deref() {
            None => {
                let Envelope { kind, data } = self.envelope()?;
                Ok((kind, Payload::Json(data.map_or("null", RawValue::get))))
            }
            Some(Extra::Binary(bytes)) => Ok((self.envelope()?.kind, Payload::Binary(bytes))),
            #[cfg(feature = "socketio")]
            Some(Extra::SocketIo(parts)) => Ok((parts.kind(), Payload::Json(parts.data()))),
        }
    }

    /// The bytes that a Socket.IO event carries: where they belong in the data, a
    /// [`Placeholder`](super::socketio::Placeholder) stands.
    #[cfg(feature = "socketio")]
    pub fn attachments(&self) -> &[Bytes] {
        self.socketio().map_or(&[], EventParts::attachments)
    }

    /// Whether the server of a Socket.IO event waits for an answer.
    #[cfg(feature = "socketio")]
    pub fn wants_answer(&self) -> bool {
        self.ask().is_some()
    }

    #[cfg(feature = "socketio")]
    pub(crate) fn ask(&self) -> Option<&Ask> {
        self.socketio().and_then(EventParts::ask)
    }

    /// The whole event as JSON text, unknown fields included; for a binary event, its header; for
    /// one of Socket.IO, the array of its name and arguments.
    pub fn raw(&self) -> &[u8] {
        &self.json
    }

    /// The same, by value.
    pub(crate) fn into_raw(self) -> Bytes {
        self.json
    }

    /// Bytes that this event keeps alive, for bounds on queues.
    pub fn size(&self) -> usize {
        self.json.len() + self.extra.as_ref().map_or(0, |extra| extra.size())
    }

    #[cfg(feature = "socketio")]
    fn socketio(&self) -> Option<&EventParts> {
        match self.extra.as_deref() {
            Some(Extra::SocketIo(parts)) => Some(parts),
            _ => None,
        }
    }

    fn mismatch(&self, error: &serde_json::Error) -> EventError {
        EventError::Mismatch { kind: self.kind_text(), reason: error.to_string() }
    }

    /// The text of the data where the event is written as servers write it: `type` as its first
    /// member and `data` as its last. Where it isn't, this is no JSON, or nothing at all: read it
    /// by its envelope then. The envelope costs as much as small data does.
    fn data_text(&self) -> Option<&str> {
        let object = std::str::from_utf8(&self.json).ok()?;
        let kind = object.strip_prefix(r#"{"type":""#)?.strip_suffix('}')?;
        // A type that needs reading is left to the parser.
        let end = kind.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
        kind[end..].strip_prefix(r#"","data":"#)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn data(json: &'static str) -> Result<Vec<u8>, EventError> {
        Event::new(Bytes::from_static(json.as_bytes()), None, 0).data()
    }

    #[test]
    fn data_is_found_however_the_event_is_written() {
        for json in [
            r#"{"type":"a","data":[1,2]}"#,
            r#"{"type":"a","data": [1,2] }"#,
            r#"{ "type" : "a" , "data" : [1,2] }"#,
            r#"{"data":[1,2],"type":"a"}"#,
            r#"{"type":"a","data":[1,2],"more":{"data":[3]}}"#,
            r#"{"type":"a","more":"\",\"data\":[3]","data":[1,2]}"#,
            r#"{"type":"a\",\"data\":","data":[1,2]}"#,
            r#"{"type":"\u0061","data":[1,2]}"#,
            "{\"type\":\"a\",\"data\":[1,2]\n}",
        ] {
            assert_eq!(data(json), Ok(vec![1, 2]), "{json}");
        }
    }

    #[test]
    fn what_is_no_event_is_never_read_as_one() {
        for json in [
            r#"{"type":"a","data":[1],"data":[2]}"#,
            r#"{"type":"a","data":[1]}}"#,
            r#"{"type":"a","data":[1]"#,
            r#"{"type":"a","data":}"#,
            "{\"type\":\"a\nb\",\"data\":[1]}",
            r#"["type","a","data",[1]]"#,
        ] {
            let found = data(json);
            assert!(matches!(found, Err(EventError::Malformed { .. })), "{json}: {found:?}");
        }
        let found = data(r#"{"type":"a","data":{"b":1}}"#);
        assert!(matches!(found, Err(EventError::Mismatch { .. })), "{found:?}");
    }
}
