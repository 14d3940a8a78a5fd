//! The codec beside npm's socket.io-parser and socketioxide's, on the same messages.
//!
//! What ours takes, the other must take, and read alike. What ours refuses and the other takes must be
//! one of the few things that are written down here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use socketioxide_core::Str;
use socketioxide_core::packet::PacketData;
use socketioxide_core::parser::{Parse, ParseConfig, ParseError, ParserState};
use socketioxide_parser_common::CommonParser;
use staywire::wire::socketio::{Assembler, Kind, Limits, Packet, SocketIoError};
use staywire_interop::Peer;

const CASES: usize = 30_000;
const SEED: u64 = 20_261_122;

#[derive(Clone)]
enum Message {
    Text(String),
    Bytes(Vec<u8>),
}

/// A generator of numbers that is the same everywhere (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    fn json(&mut self, depth: usize, attachments: usize) -> Value {
        match self.roll(if depth > 3 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.roll(2) == 0),
            2 => json!(self.roll(2_000_000) as i64 - 1_000_000),
            3 => json!(self.roll(10_000) as f64 / 64.0),
            4 => json!(self.pick(&[
                "",
                "a",
                "é",
                "\u{1f980}",
                "\"",
                "\\",
                "\n",
                "\u{1e}",
                "connect"
            ])),
            5 if attachments > 0 => {
                let one_too_many = usize::from(self.roll(8) == 0);
                let num = self.roll(attachments + one_too_many);
                json!({"_placeholder": self.roll(8) > 0, "num": num})
            }
            5 => json!({}),
            6 => (0..self.roll(4)).map(|_| self.json(depth + 1, attachments)).collect(),
            _ => {
                let mut object = Map::new();
                for _ in 0..self.roll(4) {
                    let key = self.pick(&["a", "b", "num", "_placeholder", "é", ""]);
                    object.insert(key.to_owned(), self.json(depth + 1, attachments));
                }
                Value::Object(object)
            }
        }
    }

    /// A packet that is well-formed more often than not.
    fn packet(&mut self) -> Vec<Message> {
        let kind = self.pick(&[0, 1, 2, 2, 2, 3, 4, 5, 5, 6, 7]);
        let attachments = match kind {
            5 | 6 => 1 + self.roll(3),
            _ => 0,
        };
        let mut text = kind.to_string();
        if attachments > 0 {
            text += &format!("{attachments}-");
        }
        text += self.pick(&["", "", "", "/,", "/ns,", "/a/b?c=d,", "/é,"]);
        if kind == 3 || kind == 6 || self.roll(4) == 0 {
            text += &self.roll(100_000).to_string();
        }
        let mut values: Vec<Value> = (0..self.roll(3)).map(|_| self.json(0, attachments)).collect();
        match kind {
            0 | 4 if self.roll(4) > 0 => text += &json!({"sid": self.json(1, 0)}).to_string(),
            1 => {}
            0 | 4 => text += &self.json(0, 0).to_string(),
            2 | 5 => {
                let names = ["a", "message", "é", "connect", "disconnecting", "newListener", ""];
                let name =
                    if self.roll(12) == 0 { self.json(0, 0) } else { json!(self.pick(&names)) };
                values.insert(0, name);
                text += &Value::from(values).to_string();
            }
            _ => text += &Value::from(values).to_string(),
        }
        let mut messages = vec![Message::Text(text)];
        let extra = usize::from(self.roll(20) == 0);
        for _ in 0..attachments + extra - usize::from(attachments > 0 && self.roll(20) == 0) {
            messages.push(Message::Bytes((0..self.roll(6)).map(|n| n as u8 * 51).collect()));
        }
        messages
    }

    fn case(&mut self) -> Vec<Message> {
        let mut messages: Vec<_> = (0..1 + self.roll(3)).flat_map(|_| self.packet()).collect();
        if self.roll(2) == 0 {
            let at = self.roll(messages.len());
            if let Message::Text(text) = &mut messages[at] {
                *text = self.broken(text);
            }
        }
        if self.roll(20) == 0 {
            let at = self.roll(messages.len());
            messages.remove(at);
        }
        messages
    }

    /// The same text with a few characters changed.
    fn broken(&mut self, text: &str) -> String {
        let mut text: Vec<char> = text.chars().collect();
        for _ in 0..1 + self.roll(3) {
            let odd = self.pick(&[
                '[', ']', '{', '}', '"', ',', ':', '-', '/', '0', '1', '9', ' ', 'e', '.', 'a',
                '\\', '\u{0}', '\n', 'é',
            ]);
            let at = self.roll(text.len() + 1);
            match self.roll(4) {
                0 => text.insert(at, odd),
                1 if at < text.len() => text[at] = odd,
                2 if at < text.len() => drop(text.remove(at)),
                _ => text.truncate(at.max(1)),
            }
        }
        text.into_iter().collect()
    }
}

fn ours(messages: &[Message]) -> (Vec<Value>, Option<SocketIoError>) {
    let (packets, error) = ours_whole(messages);
    (packets.iter().map(shown).collect(), error)
}

fn ours_whole(messages: &[Message]) -> (Vec<Packet>, Option<SocketIoError>) {
    // As many as the other takes.
    let mut assembler = Assembler::new(Limits { attachments: 10, ..Limits::default() });
    let mut packets = Vec::new();
    for message in messages {
        let taken = match message {
            Message::Text(text) => assembler.take_text(&text.clone().into()),
            Message::Bytes(bytes) => assembler.take_binary(bytes.clone().into()),
        };
        match taken {
            Ok(packet) => packets.extend(packet),
            Err(error) => return (packets, Some(error)),
        }
    }
    (packets, None)
}

/// A packet as the judge shows its own.
fn shown(packet: &Packet) -> Value {
    // A number beyond a double is left to whoever reads it: JavaScript makes null of it in the end.
    let read = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap_or(json!("unread"));
    let (kind, id, data) = match &packet.kind {
        Kind::Connect(data) => (0, None, data.as_deref().map(read)),
        Kind::Disconnect => (1, None, None),
        Kind::Event { values, id } => (2, *id, Some(read(values.raw()))),
        Kind::Ack { values, id } => (3, Some(*id), Some(read(values.raw()))),
        Kind::ConnectError(data) => (4, None, Some(read(data))),
    };
    let mut shown = json!({"type": kind, "nsp": packet.namespace()});
    if let Some(id) = id {
        shown["id"] = json!(id);
    }
    if let Some(mut data) = data {
        if !packet.attachments.is_empty() {
            put_in(&mut data, packet);
        }
        shown["data"] = data;
    }
    shown
}

fn put_in(value: &mut Value, packet: &Packet) {
    if value["_placeholder"] == json!(true) {
        let index = value["num"].as_f64().unwrap() as usize;
        *value = json!({"type": "Buffer", "data": packet.attachments[index].to_vec()});
        return;
    }
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| put_in(value, packet)),
        Value::Object(fields) => fields.values_mut().for_each(|value| put_in(value, packet)),
        _ => {}
    }
}

/// Equal as JavaScript has it: all numbers are doubles.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(unread), _) if unread == "unread" => true,
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| alike(value, other)))
        }
        (one, other) => one == other,
    }
}

/// Why ours may refuse what the judge takes.
fn stricter(error: &SocketIoError) -> Option<&'static str> {
    Some(match error {
        SocketIoError::Data { .. } => "a packet without the data that its type asks for",
        SocketIoError::Head { part: "id", .. } => "an id that is missing, a space, or too large",
        SocketIoError::Head { .. } => "a number of attachments that is no row of digits",
        SocketIoError::Empty { .. } => "no type, or a space in its place",
        SocketIoError::UnknownType { found, .. } if found.is_whitespace() => {
            "no type, or a space in its place"
        }
        SocketIoError::Placeholder => "an attachment's number that is no integer",
        _ => return None,
    })
}

#[test]
fn it_reads_what_the_reference_parser_reads_and_nothing_that_it_refuses() {
    let mut judge = Peer::node("servers-parser.mjs", &[]);
    let mut dice = Dice(SEED);
    let mut refused_alike = 0;
    let mut taken_alike = 0;
    let mut packets_alike = 0;
    let mut reasons = std::collections::BTreeMap::new();
    for case in 0..CASES {
        let messages = dice.case();
        let asked: Vec<_> = messages
            .iter()
            .map(|message| match message {
                Message::Text(text) => json!(text),
                Message::Bytes(bytes) => json!({"base64": STANDARD.encode(bytes)}),
            })
            .collect();
        let asked = Value::from(asked).to_string();
        judge.tell(&asked);
        let verdict: Value = serde_json::from_str(&judge.hear()).unwrap();
        let theirs = verdict["packets"].as_array().unwrap();
        let threw = verdict["threw"] == json!(true);
        let (mine, error) = ours(&messages);
        let common = mine.len().min(theirs.len());
        for (mine, theirs) in mine.iter().zip(theirs) {
            assert!(alike(mine, theirs), "case {case}: {asked}\nours   {mine}\ntheirs {theirs}");
        }
        packets_alike += common;
        match error {
            None => {
                assert!(!threw, "case {case}: ours takes what the judge refuses: {asked}");
                assert_eq!(mine.len(), theirs.len(), "case {case}: {asked}");
                taken_alike += 1;
            }
            Some(_) if threw && mine.len() == theirs.len() => refused_alike += 1,
            Some(error) => {
                let why = stricter(&error);
                let why = why.unwrap_or_else(|| panic!("case {case}: {asked}: {error}"));
                *reasons.entry(why).or_insert(0) += 1;
            }
        }
    }
    println!(
        "{CASES} cases from seed {SEED}: {taken_alike} taken alike ({packets_alike} packets), {refused_alike} refused alike"
    );
    for (why, count) in &reasons {
        println!("{count} refused by ours alone: {why}");
    }
    assert!(taken_alike > CASES / 4 && refused_alike > CASES / 10);
}

/// socketioxide's parser leaves the JSON to whoever reads it, and knows no connect errors: a server
/// gets none. So what it splits is compared, for all that ours takes.
#[test]
fn socketioxides_parser_takes_apart_alike_what_ours_takes() {
    let mut dice = Dice(SEED);
    let (mut compared, mut cases) = (0, 0);
    for case in 0..CASES {
        let messages = dice.case();
        let (packets, error) = ours_whole(&messages);
        let refusals = packets.iter().any(|packet| matches!(packet.kind, Kind::ConnectError(_)));
        if error.is_some() || refusals {
            continue;
        }
        cases += 1;
        let theirs = socketioxides(&messages);
        let mine: Vec<_> = packets.iter().map(split).collect();
        assert_eq!(theirs.as_ref(), Ok(&mine), "case {case}");
        compared += mine.len();
    }
    println!("{cases} cases from seed {SEED}: {compared} packets taken apart alike");
    assert!(cases > CASES / 5);
}

/// Type, namespace, id, data and attachments.
type Split = (usize, String, Option<i64>, String, Vec<Vec<u8>>);

fn split(packet: &Packet) -> Split {
    let text = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
    let binary = usize::from(!packet.attachments.is_empty());
    let id = |id: u64| i64::try_from(id).unwrap();
    let (kind, id, data) = match &packet.kind {
        Kind::Connect(data) => (0, None, data.as_deref().map(text).unwrap_or_default()),
        Kind::Disconnect => (1, None, String::new()),
        Kind::Event { values, id: asked } => (2 + 3 * binary, asked.map(id), text(values.raw())),
        Kind::Ack { values, id: asked } => (3 + 3 * binary, Some(id(*asked)), text(values.raw())),
        Kind::ConnectError(data) => (4, None, text(data)),
    };
    let attachments = packet.attachments.iter().map(|bytes| bytes.to_vec()).collect();
    (kind, packet.namespace().to_owned(), id, data, attachments)
}

fn socketioxides(messages: &[Message]) -> Result<Vec<Split>, String> {
    let (config, state) = (ParseConfig::default(), ParserState::default());
    let mut packets = Vec::new();
    for message in messages {
        let taken = match message {
            Message::Text(text) => {
                CommonParser.decode_str(&config, &state, Str::from(text.clone()))
            }
            Message::Bytes(bytes) => CommonParser.decode_bin(&config, &state, bytes.clone().into()),
        };
        match taken {
            Ok(packet) => packets.push(theirs(packet)),
            Err(ParseError::NeedsMoreBinaryData) => {}
            Err(error) => return Err(format!("{error:?}")),
        }
    }
    Ok(packets)
}

fn theirs(packet: socketioxide_core::packet::Packet) -> Split {
    let kind = packet.inner.index();
    let (value, id) = match packet.inner {
        PacketData::Connect(value) => (value, None),
        PacketData::Disconnect | PacketData::ConnectError(_) => (None, None),
        PacketData::Event(value, id) | PacketData::BinaryEvent(value, id) => (Some(value), id),
        PacketData::EventAck(value, id) | PacketData::BinaryAck(value, id) => {
            (Some(value), Some(id))
        }
    };
    let (data, attachments) = match value {
        Some(socketioxide_core::Value::Str(text, bytes)) => {
            let bytes = bytes.unwrap_or_default();
            (text.to_string(), bytes.iter().map(|bytes| bytes.to_vec()).collect())
        }
        Some(other) => panic!("{other:?}"),
        None => (String::new(), Vec::new()),
    };
    (kind, packet.ns.to_string(), id, data, attachments)
}
