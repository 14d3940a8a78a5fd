//! Events and frames as packets of Socket.IO, and back. JSON is handed on as it came: names and data
//! are cut out and put in, and never decoded.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use engineioxide::Str;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use socketioxide_core::Value;
use socketioxide_core::packet::{Packet, PacketData};
use socketioxide_core::parser::Parse;
use socketioxide_parser_common::CommonParser;

use crate::conversation::Incoming;
use crate::gateway::Refusal;
use crate::session::StockEvent;

/// The event that carries frames of our own protocol, and what a client asks for it by.
pub(super) const CARRIED: &str = "staywire.v1";

/// What stands for the first attachment in the JSON of a binary packet.
const ATTACHMENT: &str = r#"{"_placeholder":true,"num":0}"#;

/// Names that mean something else to Socket.IO's own clients, however they come.
const RESERVED: [&str; 6] = [
    r#""connect""#,
    r#""connect_error""#,
    r#""disconnect""#,
    r#""disconnecting""#,
    r#""newListener""#,
    r#""removeListener""#,
];

// ---- To the client ----

/// Accepts a client in a namespace.
pub(super) fn connected(ns: &Str, sid: &str) -> Value {
    let data = serde_json::json!({ "sid": sid }).to_string();
    encode(Packet::connect(ns.clone(), Some(Value::Str(data.into(), None))))
}

/// Refuses one. The codec knows no `data` of a refusal, so this packet is written here.
pub(super) fn connect_error(ns: &str, refusal: &Refusal) -> Value {
    #[derive(Serialize)]
    struct Error<'a> {
        message: &'a str,
        data: Data<'a>,
    }
    #[derive(Serialize)]
    struct Data<'a> {
        code: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    }
    let body = refusal.body();
    let data = Data { code: &body.code, retry_after_ms: body.retry_after_ms };
    let error = serde_json::to_string(&Error { message: &body.message, data });
    let ns = if ns == "/" { String::new() } else { format!("{ns},") };
    Value::Str(format!("4{ns}{}", error.unwrap_or_default()).into(), None)
}

/// Ends a client's stay in a namespace.
pub(super) fn disconnect(ns: &Str) -> Value {
    encode(Packet::disconnect(ns.clone()))
}

/// A frame of our own protocol: a message of a WebSocket in the place of an argument.
pub(super) fn carried_text(ns: &Str, json: &str) -> Value {
    event(ns, format!("[\"{CARRIED}\",{json}]"), None)
}

/// The same of a binary one.
pub(super) fn carried_binary(ns: &Str, bytes: Bytes) -> Value {
    event(ns, format!("[\"{CARRIED}\",{ATTACHMENT}]"), Some(bytes))
}

/// A frame of the documents, `{"type", "data", "id"?}`, as a stock client hears of it: an event, or
/// the answer to one of its own.
pub(super) fn stock(ns: &Str, json: &str, binary: Option<&Bytes>) -> Option<Value> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow, rename = "type")]
        kind: &'a RawValue,
        #[serde(default)]
        id: Option<IdOrOther>,
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
    }
    let Frame { kind, id, data } = match serde_json::from_str(json) {
        Ok(frame) => frame,
        Err(error) => {
            tracing::error!(%error, "an event of a log is no object with a type");
            return None;
        }
    };
    let text = data.map_or("null", RawValue::get);
    match (kind.get(), id) {
        ("\"reply\"", Some(IdOrOther::Id(id))) => Some(ack(ns, format!("[{text}]"), id)),
        ("\"error\"", Some(IdOrOther::Id(id))) => {
            Some(ack(ns, format!("[{{\"error\":{text}}}]"), id))
        }
        (kind, _) => {
            let kind = match RESERVED.contains(&kind) {
                true => Cow::Owned(format!("\"event:{}", &kind[1..])),
                false => Cow::Borrowed(kind),
            };
            Some(match (binary, data) {
                (Some(bytes), _) => {
                    event(ns, format!("[{kind},{ATTACHMENT}]"), Some(bytes.clone()))
                }
                (None, Some(data)) => event(ns, format!("[{kind},{data}]"), None),
                (None, None) => event(ns, format!("[{kind}]"), None),
            })
        }
    }
}

/// In a frame of ours a number; in an application's event whatever it likes.
enum IdOrOther {
    Id(u32),
    Other,
}

impl<'de> Deserialize<'de> for IdOrOther {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(raw.get().parse().map_or(Self::Other, Self::Id))
    }
}

fn event(ns: &Str, json: String, binary: Option<Bytes>) -> Value {
    let binary = binary.map(|bytes| [bytes].into());
    encode(Packet::event(ns.clone(), Value::Str(json.into(), binary)))
}

fn ack(ns: &Str, json: String, id: u32) -> Value {
    encode(Packet::ack(ns.clone(), Value::Str(json.into(), None), i64::from(id)))
}

fn encode(packet: Packet) -> Value {
    CommonParser.encode(packet)
}

// ---- From the client ----

/// An event as it came: its name and the first two of its arguments.
struct Arguments<'a> {
    name: Cow<'a, str>,
    first: Option<&'a RawValue>,
    second: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Arguments<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Arguments<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an array with the event's name and its data")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let name: Name<'de> = seq
                    .next_element()?
                    .ok_or_else(|| serde::de::Error::custom("an event has no name"))?;
                let first = seq.next_element()?;
                let second = seq.next_element()?;
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Arguments { name: name.0, first, second })
            }
        }
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        deserializer.deserialize_seq(InOrder)
    }
}

/// Bytes of an event, its attachments included.
pub(super) fn size(packet: &PacketData) -> usize {
    match packet {
        PacketData::Event(Value::Str(json, attachments), _)
        | PacketData::BinaryEvent(Value::Str(json, attachments), _) => {
            json.len() + attachments.iter().flatten().map(Bytes::len).sum::<usize>()
        }
        _ => 0,
    }
}

/// Reads an event of at most `limit_bytes` bytes. `carried`: this client speaks our own protocol. An
/// error ends the connection.
pub(super) fn read(
    packet: PacketData,
    carried: bool,
    limit_bytes: usize,
) -> Result<Option<Incoming>, Refusal> {
    if size(&packet) > limit_bytes {
        return Err(Refusal::TooLarge { what: "the event", limit_bytes });
    }
    let (value, id) = match packet {
        PacketData::Event(value, id) | PacketData::BinaryEvent(value, id) => (value, id),
        // Nothing here asks a client for an answer.
        _ => return Ok(None),
    };
    let Value::Str(json, attachments) = value else { return Ok(None) };
    let mut attachments = attachments.unwrap_or_default();
    let bad = |error: serde_json::Error| Refusal::BadRequest(format!("an event is wrong: {error}"));
    let Arguments { name, first, second } = serde_json::from_str(&json).map_err(bad)?;
    if carried {
        if name != CARRIED {
            return Err(Refusal::BadRequest(format!(
                "this connection speaks {CARRIED}; send its frames as events of that name"
            )));
        }
        return match (attachments.pop_front(), first) {
            (Some(bytes), _) => Ok(Some(Incoming::Binary(bytes))),
            (None, Some(frame)) => Ok(Some(Incoming::Text(frame.get().into()))),
            (None, None) => {
                Err(Refusal::BadRequest(format!("an event `{CARRIED}` without a frame")))
            }
        };
    }
    let mut fault = match (attachments.len(), first) {
        (0, _) => None,
        (1, Some(first)) if name == "publish" && is_binary_event(first) => None,
        _ => Some(Refusal::BadRequest(
            "binary data is taken as the whole `data` of `publish` alone; send JSON".into(),
        )),
    };
    let id = match id.map(u32::try_from) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => {
            let text = "the number of an acknowledgement must be below 2^32";
            fault = Some(Refusal::BadRequest(text.into()));
            None
        }
    };
    let data = match (&*name, first, second) {
        // The documents' own call has two arguments.
        ("log_event", Some(kind), Some(data)) => {
            RawValue::from_string(format!("{{\"event_type\":{kind},\"data\":{data}}}")).ok()
        }
        (_, first, _) => first.map(ToOwned::to_owned),
    };
    let binary = attachments.pop_front();
    Ok(Some(Incoming::Event(StockEvent { name: name.into_owned(), data, binary, id, fault })))
}

/// Whether the `data` of a publish is an attachment, and nothing else.
fn is_binary_event(publish: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Publish {
        data: Attachment,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Attachment {
        _placeholder: bool,
        num: u64,
    }
    serde_json::from_str(publish.get())
        .is_ok_and(|Publish { data }: Publish| data._placeholder && data.num == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Value) -> (String, usize) {
        match value {
            Value::Str(text, bins) => (text.to_string(), bins.map_or(0, |bins| bins.len())),
            Value::Bytes(_) => unreachable!("the codec writes text"),
        }
    }

    fn plain(json: &str) -> String {
        text(stock(&"/ws".into(), json, None).unwrap()).0
    }

    #[test]
    fn a_frame_becomes_an_event_or_an_answer() {
        let step = r#"{"type":"generation:step","data":{"progress": 7.50,"x":"é\u0000"}}"#;
        assert_eq!(plain(step), r#"2/ws,["generation:step",{"progress": 7.50,"x":"é\u0000"}]"#);
        assert_eq!(plain(r#"{"type":"pong"}"#), r#"2/ws,["pong"]"#);
        assert_eq!(plain(r#"{"type":"reply","id":7,"data":{"a":1}}"#), r#"3/ws,7[{"a":1}]"#);
        assert_eq!(plain(r#"{"type":"reply","id":7}"#), r#"3/ws,7[null]"#);
        let refused = r#"{"type":"error","id":0,"data":{"code":"busy"}}"#;
        assert_eq!(plain(refused), r#"3/ws,0[{"error":{"code":"busy"}}]"#);
        assert_eq!(
            plain(r#"{"type":"error","data":{"code":"busy"}}"#),
            r#"2/ws,["error",{"code":"busy"}]"#
        );
        // An application's event, in which these words mean something else.
        assert_eq!(plain(r#"{"type":"reply","id":"7","data":1}"#), r#"2/ws,["reply",1]"#);
    }

    #[test]
    fn a_room_can_not_speak_for_the_connection() {
        assert_eq!(plain(r#"{"type":"disconnect","data":1}"#), r#"2/ws,["event:disconnect",1]"#);
    }

    #[test]
    fn binary_goes_beside_the_text() {
        let bytes = Bytes::from_static(b"\0\xff");
        let written = stock(&"/".into(), r#"{"type":"image"}"#, Some(&bytes)).unwrap();
        let expected = r#"51-["image",{"_placeholder":true,"num":0}]"#;
        assert_eq!(text(written), (expected.to_owned(), 1));
        let written = carried_binary(&"/".into(), bytes);
        let expected = r#"51-["staywire.v1",{"_placeholder":true,"num":0}]"#;
        assert_eq!(text(written), (expected.to_owned(), 1));
    }

    #[test]
    fn a_refusal_carries_its_code() {
        let refusal = Refusal::Draining { retry_after_ms: 70 };
        let (written, _) = text(connect_error("/ws", &refusal));
        let json = written.strip_prefix("4/ws,").unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["data"], serde_json::json!({"code": "draining", "retry_after_ms": 70}));
        assert!(json["message"].as_str().unwrap().contains("shutting down"));
        assert!(text(connect_error("/", &Refusal::Unauthorized)).0.starts_with("4{"));
    }

    fn event_of(json: &str, id: Option<i64>, bins: usize) -> Result<Option<Incoming>, Refusal> {
        let bins = (bins > 0).then(|| vec![Bytes::from_static(b"x"); bins].into());
        read(PacketData::Event(Value::Str(json.to_owned().into(), bins), id), false, 1_000)
    }

    fn stock_event(json: &str, id: Option<i64>, bins: usize) -> StockEvent {
        match event_of(json, id, bins) {
            Ok(Some(Incoming::Event(event))) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_event_is_read_as_it_came() {
        let event = stock_event(r#"["chat.send", {"room" : "chat:1"}, 2, [3]]"#, Some(9), 0);
        assert_eq!((event.name.as_str(), event.id), ("chat.send", Some(9)));
        assert_eq!(event.data.unwrap().get(), r#"{"room" : "chat:1"}"#);
        let event = stock_event(r#"["log_event","click",{"x":1}]"#, None, 0);
        assert_eq!(event.data.unwrap().get(), r#"{"event_type":"click","data":{"x":1}}"#);
        assert!(stock_event(r#"["a"]"#, Some(1 << 40), 0).fault.is_some());
    }

    #[test]
    fn binary_data_is_lost_nowhere() {
        let publish = r#"["publish",{"room":"r","type":"i","data":{"_placeholder":true,"num":0}}]"#;
        assert!(stock_event(publish, None, 1).fault.is_none());
        assert!(stock_event(publish, None, 2).fault.is_some());
        let nested = r#"["publish",{"data":{"image":{"_placeholder":true,"num":0}}}]"#;
        assert!(stock_event(nested, None, 1).fault.is_some());
        assert!(stock_event(r#"["x",{"_placeholder":true,"num":0}]"#, None, 1).fault.is_some());
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for json in ["", "[]", "[7]", "{}", "[\"a\"", "[\"a\",]", "\"a\""] {
            assert!(event_of(json, None, 0).is_err(), "{json}");
        }
    }

    #[test]
    fn frames_are_taken_from_the_event_of_their_name_alone() {
        let frame = |json: &str| {
            read(PacketData::Event(Value::Str(json.to_owned().into(), None), None), true, 1_000)
        };
        let read = frame(r#"["staywire.v1",{"type":"ping"}]"#).unwrap();
        assert!(matches!(read, Some(Incoming::Text(text)) if &*text == r#"{"type":"ping"}"#));
        assert!(frame(r#"["ping"]"#).is_err() && frame(r#"["staywire.v1"]"#).is_err());
    }
}
