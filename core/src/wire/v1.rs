//! Frames of `staywire.v1` that are one JSON object: `{"type", "data", "id"?, "room"?}`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::control::{
    Bound, ErrorData, Gap, Goaway, Hello, Join, Leave, Publish, Refused, Welcome,
};
use super::error::{WireError, shorten};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "staywire.v1";

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    /// Read where it is needed: frames of later versions may use it otherwise.
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
}

/// What a server says.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is the control frame of its name, documented there")]
pub enum ServerFrame<'a> {
    Welcome(Welcome<'a>),
    Joined(Bound<'a>),
    Resumed(Bound<'a>),
    Epoch(Bound<'a>),
    Gap(Gap<'a>),
    Refused(Refused<'a>),
    Goaway(Goaway<'a>),
    Ping,
    Pong,
    /// The answer to a call or publish.
    Reply {
        id: u32,
        data: Option<&'a RawValue>,
    },
    /// The refusal of a call or publish; of the connection where there is no id.
    Error {
        id: Option<u32>,
        error: ErrorData<'a>,
    },
    /// A frame of a type that this version doesn't know.
    Other {
        kind: Cow<'a, str>,
    },
}

/// What a client says.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is the control frame of its name, documented there")]
pub enum ClientFrame<'a> {
    Hello(Hello<'a>),
    Join(Join<'a>),
    Leave(Leave),
    Ping,
    Pong,
    /// Appends an event to a room.
    Publish {
        id: u32,
        room: Cow<'a, str>,
        publish: Publish<'a>,
    },
    /// A call, to be answered.
    Call {
        id: u32,
        method: Cow<'a, str>,
        data: Option<&'a RawValue>,
    },
    /// An event that asks for no answer.
    Event {
        kind: Cow<'a, str>,
        room: Option<Cow<'a, str>>,
        data: Option<&'a RawValue>,
    },
}

impl<'a> ServerFrame<'a> {
    /// Reads a frame that is an object: a whole text frame, or one out of a batch.
    pub fn decode(text: &'a [u8]) -> Result<Self, WireError> {
        let envelope = envelope(text)?;
        let control = Control(&envelope);
        Ok(match &*envelope.kind {
            "welcome" => Self::Welcome(control.read()?),
            "joined" => Self::Joined(control.read()?),
            "resumed" => Self::Resumed(control.read()?),
            "epoch" => Self::Epoch(control.read()?),
            "gap" => Self::Gap(control.read()?),
            "refused" => Self::Refused(control.read()?),
            "goaway" => Self::Goaway(control.read()?),
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            "reply" => Self::Reply { id: control.id()?, data: envelope.data },
            "error" => Self::Error { id: control.optional_id()?, error: control.read()? },
            _ => Self::Other { kind: envelope.kind },
        })
    }
}

impl<'a> ClientFrame<'a> {
    /// Reads a text frame, or the header of a binary record.
    pub fn decode(text: &'a [u8]) -> Result<Self, WireError> {
        let envelope = envelope(text)?;
        let control = Control(&envelope);
        Ok(match &*envelope.kind {
            "hello" => Self::Hello(control.read()?),
            "join" => Self::Join(control.read()?),
            "leave" => Self::Leave(control.read()?),
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            "publish" => {
                let missing = || WireError::Missing { frame: "publish".to_owned(), field: "room" };
                Self::Publish {
                    id: control.id()?,
                    room: envelope.room.clone().ok_or_else(missing)?,
                    publish: control.read()?,
                }
            }
            _ => match control.optional_id()? {
                Some(id) => Self::Call { id, method: envelope.kind, data: envelope.data },
                None => {
                    Self::Event { kind: envelope.kind, room: envelope.room, data: envelope.data }
                }
            },
        })
    }
}

/// Writes a frame of either side.
pub fn encode_frame<T: Serialize + ?Sized>(
    kind: &str,
    id: Option<u32>,
    data: Option<&T>,
) -> String {
    encode_client(kind, id, None, data)
}

/// Writes a frame that may name a room.
pub fn encode_client<T: Serialize + ?Sized>(
    kind: &str,
    id: Option<u32>,
    room: Option<&str>,
    data: Option<&T>,
) -> String {
    #[derive(Serialize)]
    struct Out<'a, T: ?Sized> {
        #[serde(rename = "type")]
        kind: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a T>,
    }
    // Only a map with keys that are no strings, or a failing Serialize, could fail; control
    // frames have neither, and payloads arrive here as raw JSON.
    serde_json::to_string(&Out { kind, id, room, data }).unwrap_or_default()
}

fn envelope(text: &[u8]) -> Result<Envelope<'_>, WireError> {
    // serde would read an array as a struct too.
    if first_byte(text) != Some(b'{') {
        return Err(match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
            Ok(_) => WireError::NotAFrame { reason: "it is not an object".to_owned() },
            Err(error) => WireError::not_json(&error),
        });
    }
    serde_json::from_slice(text).map_err(|error| {
        if error.is_data() { WireError::not_a_frame(&error) } else { WireError::not_json(&error) }
    })
}

/// Whether a text frame is an array, and so one of batches.
pub(crate) fn is_batches(text: &[u8]) -> bool {
    first_byte(text) == Some(b'[')
}

fn first_byte(text: &[u8]) -> Option<u8> {
    text.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

struct Control<'e, 'a>(&'e Envelope<'a>);

impl<'a> Control<'_, 'a> {
    fn read<T: Deserialize<'a>>(&self) -> Result<T, WireError> {
        let data = self
            .0
            .data
            .ok_or_else(|| WireError::Missing { frame: shorten(&self.0.kind), field: "data" })?;
        // serde would read an array as a struct too.
        if !data.get().starts_with('{') {
            let frame = shorten(&self.0.kind);
            return Err(WireError::BadControl { frame, reason: "it is not an object".to_owned() });
        }
        serde_json::from_str(data.get())
            .map_err(|error| WireError::bad_control(&self.0.kind, &error))
    }

    fn id(&self) -> Result<u32, WireError> {
        let missing = || WireError::Missing { frame: shorten(&self.0.kind), field: "id" };
        self.optional_id()?.ok_or_else(missing)
    }

    fn optional_id(&self) -> Result<Option<u32>, WireError> {
        let Some(id) = self.0.id else { return Ok(None) };
        serde_json::from_str(id.get()).map_err(|error| WireError::bad_control(&self.0.kind, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_frames_are_read_back() {
        let text = encode_frame("leave", None, Some(&Leave { subscription: 4 }));
        assert_eq!(text, r#"{"type":"leave","data":{"subscription":4}}"#);
        assert!(matches!(
            ClientFrame::decode(text.as_bytes()),
            Ok(ClientFrame::Leave(Leave { subscription: 4 }))
        ));
    }

    #[test]
    fn unknown_types_and_fields_are_no_errors() {
        let text = br#"{"type":"tomorrow","data":{},"more":[1]}"#;
        assert!(matches!(ServerFrame::decode(text), Ok(ServerFrame::Other { .. })));
        let text = br#"{"type":"goaway","data":{"reason":"drain","reconnect_after_ms":5,"x":1}}"#;
        assert!(matches!(ServerFrame::decode(text), Ok(ServerFrame::Goaway(_))));
    }

    #[test]
    fn errors_say_what_and_where() {
        for (text, part) in [
            (r#"{"type":"joined"}"#, "lacks \"data\""),
            (r#"{"type":"reply"}"#, "lacks \"id\""),
            (r#"{"type":"joined","data":{"subscription":"x"}}"#, "frame \"joined\" is wrong"),
            (r#"{"type":"goaway","data":["drain",5]}"#, "frame \"goaway\" is wrong"),
            (r#"{"no":"type"}"#, "missing field `type`"),
            (r#"{"type":"a""#, "line 1, column"),
            ("\u{7}", "not JSON"),
        ] {
            let error = ServerFrame::decode(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
