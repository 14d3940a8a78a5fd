//! Socket.IO v5 packets: `type[attachments-][namespace,][id][data]`.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::engine::{self, Frame, first_char};
use super::error::SocketIoError;
use super::values::Values;
use super::{Arguments, Limits};

const LAYER: &str = "Socket.IO";

/// Names that stand for something else than an event (the reference parser's list).
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Ids are JavaScript's integers.
const MOST_DIGITS: usize = 15;

/// What a packet is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Opens a namespace, or says that it is open; with an object or nothing.
    Connect(Option<Bytes>),
    /// Ends a namespace.
    Disconnect,
    /// An event: its name, and the arguments.
    Event {
        /// The name first.
        values: Values,
        /// What the answer is to be called, if one is wanted.
        id: Option<u64>,
    },
    /// The answer to an event.
    Ack {
        /// The arguments.
        values: Values,
        /// What the event was called.
        id: u64,
    },
    /// Says why a namespace doesn't open: a JSON text or object.
    ConnectError(Bytes),
}

/// One packet, its attachments beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// What it is for.
    pub kind: Kind,
    /// Where it belongs; empty for `/`.
    pub namespace: Bytes,
    /// What its placeholders stand for.
    pub attachments: Vec<Bytes>,
}

impl Packet {
    /// Reads a packet's text; also, how many attachments follow it.
    pub(super) fn decode(text: &Bytes, limits: &Limits) -> Result<(Self, usize), SocketIoError> {
        let Some(&code) = text.first() else {
            return Err(SocketIoError::Empty { layer: LAYER });
        };
        let mut head = Head { text, at: 1 };
        let attachments = match code {
            b'5' | b'6' => head.attachments(limits)?,
            _ => 0,
        };
        let namespace = head.namespace()?;
        let id = head.id()?;
        let data = head.rest()?;
        let kind = match code {
            b'0' => Kind::Connect(data.map(|data| object(data, "connect")).transpose()?),
            b'1' => match data {
                None => Kind::Disconnect,
                Some(_) => {
                    return Err(SocketIoError::Data { kind: "disconnect", wanted: "no data" });
                }
            },
            b'2' | b'5' => Kind::Event { values: event(data)?, id },
            b'3' | b'6' => {
                let id = id.ok_or(SocketIoError::Head { part: "id", at: head.at })?;
                Kind::Ack { values: array(data, "ack")?, id }
            }
            b'4' => Kind::ConnectError(refusal(data)?),
            _ => {
                return Err(SocketIoError::UnknownType { layer: LAYER, found: first_char(text) });
            }
        };
        Ok((Self { kind, namespace, attachments: Vec::new() }, attachments))
    }

    /// The namespace as it is written in full.
    pub fn namespace(&self) -> &str {
        match std::str::from_utf8(&self.namespace) {
            Ok("") | Err(_) => "/",
            Ok(name) => name,
        }
    }
}

/// The head of a packet, part by part.
struct Head<'t> {
    text: &'t Bytes,
    at: usize,
}

impl Head<'_> {
    fn digits(&self) -> usize {
        self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    fn number(&self, digits: usize) -> Option<u64> {
        let text = std::str::from_utf8(&self.text[self.at..self.at + digits]).ok()?;
        (digits <= MOST_DIGITS).then(|| text.parse().ok()).flatten()
    }

    fn attachments(&mut self, limits: &Limits) -> Result<usize, SocketIoError> {
        let malformed = SocketIoError::Head { part: "number of attachments", at: self.at };
        let digits = self.digits();
        let count = match self.number(digits).map(usize::try_from) {
            Some(Ok(count)) if count > 0 && self.text.get(self.at + digits) == Some(&b'-') => count,
            _ => return Err(malformed),
        };
        if count > limits.attachments {
            return Err(SocketIoError::TooMuch { what: "attachments", most: limits.attachments });
        }
        self.at += digits + 1;
        Ok(count)
    }

    fn namespace(&mut self) -> Result<Bytes, SocketIoError> {
        if self.text.get(self.at) != Some(&b'/') {
            return Ok(Bytes::new());
        }
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
        let name = self.text.slice(self.at..self.at + length);
        if std::str::from_utf8(&name).is_err() {
            return Err(SocketIoError::Head { part: "namespace", at: self.at });
        }
        self.at = (self.at + length + 1).min(self.text.len());
        Ok(if &*name == b"/" { Bytes::new() } else { name })
    }

    fn id(&mut self) -> Result<Option<u64>, SocketIoError> {
        let digits = self.digits();
        if digits == 0 {
            return Ok(None);
        }
        let id = self.number(digits).ok_or(SocketIoError::Head { part: "id", at: self.at })?;
        self.at += digits;
        Ok(Some(id))
    }

    fn rest(&self) -> Result<Option<Bytes>, SocketIoError> {
        match self.text.get(self.at) {
            None => Ok(None),
            // To the reference parser a space is an id.
            Some(first) if first.is_ascii_whitespace() => {
                Err(SocketIoError::Head { part: "id", at: self.at })
            }
            Some(_) => Ok(Some(self.text.slice(self.at..))),
        }
    }
}

fn json(data: &[u8]) -> Result<&str, SocketIoError> {
    let value: &RawValue =
        serde_json::from_slice(data).map_err(|error| SocketIoError::not_json(&error))?;
    Ok(value.get())
}

fn object(data: Bytes, kind: &'static str) -> Result<Bytes, SocketIoError> {
    if json(&data)?.starts_with('{') {
        Ok(data)
    } else {
        Err(SocketIoError::Data { kind, wanted: "an object or nothing" })
    }
}

fn refusal(data: Option<Bytes>) -> Result<Bytes, SocketIoError> {
    let wrong = SocketIoError::Data { kind: "connect error", wanted: "an object or a text" };
    match data {
        Some(data) if json(&data)?.starts_with(['{', '"']) => Ok(data),
        _ => Err(wrong),
    }
}

fn array(data: Option<Bytes>, kind: &'static str) -> Result<Values, SocketIoError> {
    let wrong = SocketIoError::Data { kind, wanted: "an array" };
    match data {
        Some(data) => Values::decode(data)?.ok_or(wrong),
        None => Err(wrong),
    }
}

fn event(data: Option<Bytes>) -> Result<Values, SocketIoError> {
    let values = array(data, "event")?;
    check_name(&values)?;
    Ok(values)
}

/// An event's name is a text, or a number.
pub(super) fn check_name(values: &Values) -> Result<(), SocketIoError> {
    let wrong = SocketIoError::Data { kind: "event", wanted: "an array that begins with its name" };
    let name = values.get(0).and_then(name_of).ok_or(wrong)?;
    if RESERVED.contains(&&*name) {
        return Err(SocketIoError::ReservedName { name: name.into_owned() });
    }
    Ok(())
}

/// The name that this JSON spells; a number is called as it is written.
pub(super) fn name_of(json: &str) -> Option<Cow<'_, str>> {
    match json.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(text) if !text.contains('\\') => Some(Cow::Borrowed(text)),
        Some(_) => serde_json::from_str(json).ok().map(Cow::Owned),
        None if json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            Some(Cow::Borrowed(json))
        }
        None => None,
    }
}

/// What [`encode`] writes.
#[derive(Debug, Clone, Copy)]
pub enum Outgoing<'a> {
    /// Opens a namespace, with what proves who asks.
    Connect(Option<&'a RawValue>),
    /// Leaves it.
    Disconnect,
    /// An event, with what its answer is to be called if one is wanted.
    Event(&'a str, &'a Arguments, Option<u64>),
    /// The answer to an event.
    Ack(&'a Arguments, u64),
}

/// Writes a packet as the frames that carry it: its text, and then its attachments.
pub fn encode(namespace: &str, packet: Outgoing<'_>) -> Vec<Frame> {
    let none = Arguments::new();
    let (code, arguments, id) = match packet {
        Outgoing::Connect(_) => ('0', &none, None),
        Outgoing::Disconnect => ('1', &none, None),
        Outgoing::Event(_, arguments, id) if arguments.attachments().is_empty() => {
            ('2', arguments, id)
        }
        Outgoing::Event(_, arguments, id) => ('5', arguments, id),
        Outgoing::Ack(arguments, id) if arguments.attachments().is_empty() => {
            ('3', arguments, Some(id))
        }
        Outgoing::Ack(arguments, id) => ('6', arguments, Some(id)),
    };
    let values = arguments.text();
    let mut text = String::with_capacity(values.len() + namespace.len() + 32);
    text.push(engine::MESSAGE);
    text.push(code);
    if !arguments.attachments().is_empty() {
        text.push_str(&arguments.attachments().len().to_string());
        text.push('-');
    }
    if namespace != "/" {
        text.push_str(namespace);
        text.push(',');
    }
    if let Some(id) = id {
        text.push_str(&id.to_string());
    }
    match packet {
        Outgoing::Connect(Some(auth)) => text.push_str(auth.get()),
        Outgoing::Connect(None) | Outgoing::Disconnect => {}
        Outgoing::Event(name, ..) => {
            text.push('[');
            // A text is JSON whatever it holds.
            text.push_str(&serde_json::Value::from(name).to_string());
            if !values.is_empty() {
                text.push(',');
            }
            text.push_str(values);
            text.push(']');
        }
        Outgoing::Ack(..) => {
            text.push('[');
            text.push_str(values);
            text.push(']');
        }
    }
    let mut frames = Vec::with_capacity(1 + arguments.attachments().len());
    frames.push(Frame::Text(text));
    frames.extend(arguments.attachments().iter().cloned().map(Frame::Binary));
    frames
}
