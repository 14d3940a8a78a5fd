//! The MessagePack parser of Socket.IO (`socket.io-msgpack-parser`): one binary message for each
//! packet, bytes in their places.
//!
//! It reads into the same packets as the JSON parser, and writes from the same arguments: bytes become
//! attachments, and their places placeholders.

use bytes::Bytes;
use rmpv::{Utf8String, Value};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::engine::Frame;
use super::error::SocketIoError;
use super::packet::{Kind, Outgoing, Packet, check_name};
use super::values::Values;
use super::{Arguments, Limits};

/// Levels of nesting that are read: as many as of JSON.
const MOST_LEVELS: usize = 127;

/// What the reference parser writes for what JavaScript calls undefined.
const UNDEFINED: (i8, &[u8]) = (0, &[0]);

fn wrong(reason: impl Into<String>) -> SocketIoError {
    SocketIoError::NotMsgpack { reason: reason.into() }
}

/// Reads a packet.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Packet, SocketIoError> {
    if bytes.len() > limits.bytes {
        return Err(SocketIoError::TooMuch { what: "bytes", most: limits.bytes });
    }
    let mut rest = bytes;
    let packet = rmpv::decode::read_value_with_max_depth(&mut rest, MOST_LEVELS)
        .map_err(|error| wrong(error.to_string()))?;
    let (Value::Map(fields), []) = (packet, rest) else {
        return Err(wrong("it is not one map"));
    };
    let (mut code, mut namespace, mut id, mut data) = (None, None, None, None);
    for (key, value) in fields {
        match key.as_str() {
            Some("type") => code = value.as_u64(),
            Some("nsp") => namespace = value.as_str().map(|name| Bytes::from(name.to_owned())),
            Some("id") if is_nothing(&value) => {}
            Some("id") => id = Some(value.as_u64().ok_or_else(|| wrong("its id is no number"))?),
            Some("data") if is_nothing(&value) => {}
            Some("data") => data = Some(value),
            _ => {}
        }
    }
    let namespace = namespace.ok_or_else(|| wrong("it names no namespace"))?;
    let mut attachments = Vec::new();
    let data = data.map(|data| to_json(data, &mut attachments)).transpose()?;
    if attachments.len() > limits.attachments {
        return Err(SocketIoError::TooMuch { what: "attachments", most: limits.attachments });
    }
    let text = |data: Json| Bytes::from(data.to_string());
    let kind = match (code, data) {
        (Some(0), None) => Kind::Connect(None),
        (Some(0), Some(data @ Json::Object(_))) => Kind::Connect(Some(text(data))),
        (Some(1), None) => Kind::Disconnect,
        (Some(2), Some(data @ Json::Array(_))) => {
            let values = array(text(data))?;
            check_name(&values)?;
            Kind::Event { values, id }
        }
        (Some(3), Some(data @ Json::Array(_))) => {
            let id = id.ok_or_else(|| wrong("an answer has no id"))?;
            Kind::Ack { values: array(text(data))?, id }
        }
        (Some(4), Some(data @ (Json::Object(_) | Json::String(_)))) => {
            Kind::ConnectError(text(data))
        }
        (Some(0..=4), _) => return Err(wrong("its data does not fit its type")),
        _ => return Err(wrong("its type is unknown")),
    };
    let namespace = if &*namespace == b"/" { Bytes::new() } else { namespace };
    Ok(Packet { kind, namespace, attachments })
}

/// Writes a packet.
pub fn encode(namespace: &str, packet: Outgoing<'_>) -> Vec<Frame> {
    let (code, data, id) = match packet {
        Outgoing::Connect(auth) => (0, auth.map(|auth| json_of(auth.get(), &[])), None),
        Outgoing::Disconnect => (1, None, None),
        Outgoing::Event(name, arguments, id) => (2, Some(values_of(Some(name), arguments)), id),
        Outgoing::Ack(arguments, id) => (3, Some(values_of(None, arguments)), Some(id)),
    };
    let mut fields = vec![(Value::from("type"), Value::from(code))];
    fields.extend(data.map(|data| (Value::from("data"), data)));
    fields.extend(id.map(|id| (Value::from("id"), Value::from(id))));
    fields.push((Value::from("nsp"), Value::from(namespace)));
    let mut bytes = Vec::new();
    // Memory takes whatever is written.
    let _ = rmpv::encode::write_value(&mut bytes, &Value::Map(fields));
    vec![Frame::Binary(bytes.into())]
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::Ext(kind, bytes) => (*kind, &bytes[..]) == UNDEFINED,
        _ => false,
    }
}

fn array(text: Bytes) -> Result<Values, SocketIoError> {
    Values::decode(text)?.ok_or_else(|| wrong("its data is no array"))
}

fn text_of(text: Utf8String) -> Result<String, SocketIoError> {
    text.into_str().ok_or_else(|| wrong("a text is not UTF-8"))
}

fn to_json(value: Value, attachments: &mut Vec<Bytes>) -> Result<Json, SocketIoError> {
    if is_nothing(&value) {
        return Ok(Json::Null);
    }
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Boolean(value) => value.into(),
        Value::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => Json::Null,
        },
        Value::F32(number) => f64::from(number).into(),
        Value::F64(number) => number.into(),
        Value::String(text) => text_of(text)?.into(),
        Value::Binary(bytes) => {
            attachments.push(bytes.into());
            serde_json::json!({"_placeholder": true, "num": attachments.len() - 1})
        }
        Value::Array(values) => Json::Array(
            values
                .into_iter()
                .map(|value| to_json(value, attachments))
                .collect::<Result<_, _>>()?,
        ),
        Value::Map(fields) => {
            let mut object = Map::new();
            for (key, value) in fields {
                let Value::String(key) = key else { return Err(wrong("a key is no text")) };
                object.insert(text_of(key)?, to_json(value, attachments)?);
            }
            object.into()
        }
        Value::Ext(kind, _) => return Err(wrong(format!("it has a value of extension {kind}"))),
    })
}

fn values_of(name: Option<&str>, arguments: &Arguments) -> Value {
    let values = json_of(&format!("[{}]", arguments.text()), arguments.attachments());
    let mut all: Vec<_> = name.map(Value::from).into_iter().collect();
    if let Value::Array(values) = values {
        all.extend(values);
    }
    Value::Array(all)
}

fn json_of(text: &str, attachments: &[Bytes]) -> Value {
    // It was written as JSON.
    let json = serde_json::from_str(text).unwrap_or_default();
    from_json(json, attachments)
}

fn from_json(value: Json, attachments: &[Bytes]) -> Value {
    match value {
        Json::Null => Value::Nil,
        Json::Bool(value) => value.into(),
        Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => number.into(),
            (None, Some(number), _) => number.into(),
            (None, None, number) => number.unwrap_or_default().into(),
        },
        Json::String(text) => text.into(),
        Json::Array(values) => {
            Value::Array(values.into_iter().map(|value| from_json(value, attachments)).collect())
        }
        Json::Object(object) => {
            if object.get("_placeholder") == Some(&Json::Bool(true))
                && let Some(index) = object.get("num").and_then(Json::as_u64)
                && let Some(bytes) = usize::try_from(index).ok().and_then(|at| attachments.get(at))
            {
                return Value::Binary(bytes.to_vec());
            }
            let field = |(key, value)| (Value::from(key), from_json(value, attachments));
            Value::Map(object.into_iter().map(field).collect())
        }
    }
}

/// One value that is JSON, as arguments.
pub(crate) fn carried(frame: &str) -> Arguments {
    let value: Option<&RawValue> = serde_json::from_str(frame).ok();
    Arguments::of_raw(value)
}
