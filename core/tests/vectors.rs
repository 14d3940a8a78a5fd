//! Runs the conformance vectors: frames in, messages and events out.
//!
//! The files in `core/vectors/` are what every implementation of a client must do alike; their
//! README says how they are read. `STAYWIRE_UPDATE_VECTORS=1` writes what this implementation
//! does into them, to be read by a person before it is committed.

#![allow(clippy::unwrap_used, reason = "a vector that is not what it should be fails the test")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use staywire::connection::{Action, Body, ClientIdentity, Connection, Message, Notice};
use staywire::engine::{
    Config, From, Gap, GapReason, LinkId, Millis, Now, ProtocolChoice, RoomId, State, Time,
    WallTime, Wire,
};
use staywire::{Event, Payload};

struct Runner {
    connection: Connection,
    protocol: ProtocolChoice,
    now: Now,
    rooms: Vec<(RoomId, String)>,
}

impl Runner {
    fn new(protocol: &str) -> Self {
        let protocol = match protocol {
            "staywire.v1" => ProtocolChoice::StaywireV1,
            "plain" => ProtocolChoice::Plain,
            "auto" => ProtocolChoice::Auto,
            other => panic!("unknown protocol {other}"),
        };
        let identity = ClientIdentity { instance: "instance".into(), producer: "producer".into() };
        let config = Config { protocol, ..Config::default() };
        let now = Now { time: Time(0), wall: WallTime(1_700_000_000_000) };
        Self { connection: Connection::new(config, identity, 1), protocol, now, rooms: Vec::new() }
    }

    fn step(&mut self, step: &Map<String, Value>) -> Vec<Value> {
        let (kind, with) = step
            .iter()
            .find(|(kind, _)| *kind != "out" && *kind != "about")
            .expect("a step does something");
        let now = self.now;
        let link = || LinkId(u32::try_from(with["link"].as_u64().expect("a link")).unwrap());
        let connection = &mut self.connection;
        match kind.as_str() {
            "connect" => connection.connect(now),
            "close" => connection.close(),
            "opened" => {
                let plain = with["subprotocol"].is_null();
                let wire = if plain { Wire::Plain } else { Wire::StaywireV1 };
                connection.handle_opened(link(), wire, now);
            }
            "closed" => {
                let code = with["code"].as_u64().map(|code| u16::try_from(code).unwrap());
                connection.handle_closed(link(), code, now);
            }
            "text" => {
                let text = match &with["frame"] {
                    Value::String(raw) => raw.clone(),
                    frame => frame.to_string(),
                };
                connection.handle_text(link(), Bytes::from(text), now);
            }
            "binary" => {
                let bytes = from_hex(with["hex"].as_str().expect("hex"));
                connection.handle_binary(link(), &Bytes::from(bytes), now);
            }
            "pass" => {
                let ms = with["ms"].as_u64().expect("ms");
                return self.pass(ms);
            }
            "join" => {
                let name = with["room"].as_str().expect("a room");
                let room = connection.join(name, from(with), now).expect("there is room");
                self.rooms.push((room, name.to_owned()));
            }
            "leave" => {
                let name = with["room"].as_str().expect("a room");
                let index = self.rooms.iter().position(|(_, known)| known == name).expect("joined");
                connection.leave(self.rooms[index].0);
            }
            "call" => {
                let method = with["method"].as_str().expect("a method");
                let idempotent = with["idempotent"].as_bool().unwrap_or(false);
                connection.call(method, Some(raw(&with["data"])), idempotent, None, now).unwrap();
            }
            "publish" => {
                let (room, event) = (&with["room"], &with["event"]);
                let (room, event) = (room.as_str().expect("room"), event.as_str().expect("event"));
                let body = match with.get("hex") {
                    Some(hex) => Body::Binary(from_hex(hex.as_str().expect("hex")).into()),
                    None => Body::Json(Some(raw(&with["data"]))),
                };
                connection.publish(room, event, body, now).unwrap();
            }
            "send" => {
                let event = with["event"].as_str().expect("an event");
                connection.send_event(event, Some(raw(&with["data"])), now).unwrap();
            }
            other => panic!("unknown step {other}"),
        }
        self.drain()
    }

    fn pass(&mut self, ms: u64) -> Vec<Value> {
        let end = Time(self.now.time.0 + ms);
        let mut out = Vec::new();
        loop {
            let wake = match self.connection.poll() {
                Action::Timeout(wake) => wake.map(|(at, _)| at).filter(|at| *at <= end),
                _ => panic!("not drained"),
            };
            let to = wake.unwrap_or(end);
            let step = to.since(self.now.time);
            self.now.time = self.now.time + step;
            self.now.wall.0 += step.0;
            if wake.is_none() {
                return out;
            }
            self.connection.handle_timeout(self.now);
            out.extend(self.drain());
        }
    }

    fn drain(&mut self) -> Vec<Value> {
        let mut out = Vec::new();
        loop {
            match self.connection.poll() {
                Action::Timeout(_) => return out,
                action => self.write(action, &mut out),
            }
        }
    }

    fn write(&self, action: Action, out: &mut Vec<Value>) {
        out.push(match action {
            Action::Open { link, offer_staywire } => {
                json!({"open": {"link": link.0, "offer": offer_staywire}})
            }
            Action::Transmit { link, message: Message::Text(text) } => {
                let mut frame: Value = serde_json::from_str(&text).expect("we send JSON");
                if let Some(hello) = frame.get_mut("data").and_then(Value::as_object_mut) {
                    // Each implementation names itself.
                    hello.remove("client");
                }
                json!({"send": {"link": link.0, "frame": frame}})
            }
            Action::Transmit { link, message: Message::Binary(bytes) } => {
                json!({"send": {"link": link.0, "hex": to_hex(&bytes)}})
            }
            Action::Transmit { message, .. } => {
                unreachable!("no link of Socket.IO is open: {message:?}")
            }
            Action::Close { link, in_order } => {
                json!({"close": {"link": link.0, "in_order": in_order}})
            }
            Action::NeedToken { .. } | Action::DropToken { .. } | Action::Timeout(_) => return,
            Action::Notify(notice) => {
                self.write_notice(notice, out);
                return;
            }
        });
    }

    fn write_notice(&self, notice: Notice, out: &mut Vec<Value>) {
        out.push(match notice {
            // What a client makes of its own name is its own affair.
            Notice::Greeted(_) => return,
            // When the next attempt starts is drawn by lot.
            Notice::State { state, cause } => {
                json!({"state": {"is": state_name(state), "cause": cause.code()}})
            }
            Notice::Joined { room, epoch, offset } => {
                json!({"joined": {"room": self.room(room), "epoch": &*epoch, "offset": offset}})
            }
            Notice::Snapshot { room, data } => {
                json!({"snapshot": {"room": self.room(room), "data": parse(data.get())}})
            }
            Notice::Gap { gap: Gap { room, from, to, reason }, .. } => {
                let room = room.map(|room| self.room(room));
                json!({"gap": {"room": room, "from": from, "to": to, "reason": gap_name(reason)}})
            }
            Notice::RoomFailed { room, reason, refusal } => {
                let code = refusal.map(|refusal| refusal.code);
                json!({"room_failed": {
                    "room": self.room(room), "reason": format!("{reason:?}"), "code": code,
                }})
            }
            Notice::Events { room, events, .. } => {
                let room = room.map(|room| self.room(room));
                out.extend(events.into_iter().map(|event| written(&event, room)));
                return;
            }
            Notice::Answered { id, result: Ok(data) } => {
                json!({"reply": {"id": id, "data": parse(data.get())}})
            }
            Notice::Answered { id, result: Err(refusal) } => {
                let retry_after_ms = refusal.retry_after.map(|Millis(ms)| ms);
                json!({"refused": {
                    "id": id, "code": refusal.code, "retry_after_ms": retry_after_ms,
                }})
            }
            Notice::CallFailed { id, reason } => {
                json!({"call_failed": {"id": id, "reason": format!("{reason:?}")}})
            }
            Notice::PublishFailed { id, reason } => {
                json!({"publish_failed": {"id": id, "reason": format!("{reason:?}")}})
            }
            Notice::EventSent { id } => json!({"event_sent": {"id": id}}),
            // The words are each implementation's own.
            Notice::Unreadable { .. } => json!({"unreadable": {}}),
            Notice::ServerError { refusal } => json!({"server_error": {"code": refusal.code}}),
            other => unreachable!("no link of Socket.IO is open: {other:?}"),
        });
    }

    fn room(&self, id: RoomId) -> &str {
        self.rooms.iter().find(|(known, _)| *known == id).map_or("?", |(_, name)| name)
    }
}

fn written(event: &Event, room: Option<&str>) -> Value {
    let kind = event.kind().map_or_else(|_| "?".into(), |kind| kind.into_owned());
    let mut out = json!({"room": room, "offset": event.offset(), "type": kind});
    match event.payload().expect("an event has a payload") {
        Payload::Json(text) => out["data"] = parse(text),
        Payload::Binary(bytes) => out["hex"] = to_hex(bytes).into(),
    }
    json!({"event": out})
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Idle => "idle",
        State::Connecting => "connecting",
        State::Connected => "connected",
        State::Reconnecting { .. } => "reconnecting",
        State::Offline => "offline",
        State::Closed { .. } => "closed",
    }
}

fn gap_name(reason: GapReason) -> &'static str {
    match reason {
        GapReason::Unprovable => "unprovable",
        GapReason::Expired => "expired",
        GapReason::NewEpoch => "epoch",
        GapReason::Hole => "hole",
        GapReason::Overflow => "overflow",
    }
}

fn from(with: &Value) -> From {
    if let Some(most) = with["history"].as_u64() {
        return From::History(u32::try_from(most).unwrap());
    }
    match (with["epoch"].as_str(), with["offset"].as_u64()) {
        (Some(epoch), Some(offset)) => From::Position { epoch: epoch.into(), offset },
        _ => From::Tip,
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("JSON")
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn run(path: &Path) -> Vec<String> {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).expect("the vector can be read");
    let mut vector: Value = serde_json::from_str(&text).expect("the vector is JSON");
    let mut runner = Runner::new(vector["protocol"].as_str().expect("a protocol"));
    let _ = runner.protocol;
    let update = std::env::var_os("STAYWIRE_UPDATE_VECTORS").is_some();
    let mut wrong = Vec::new();
    for (index, step) in vector["steps"].as_array_mut().expect("steps").iter_mut().enumerate() {
        let step = step.as_object_mut().expect("a step is an object");
        let out = Value::Array(runner.step(step));
        if update {
            step.insert("out".into(), out);
        } else if step.get("out") != Some(&out) {
            let expected = step.get("out").cloned().unwrap_or_default();
            wrong.push(format!("{name}, step {index}:\n  expected {expected}\n  got      {out}"));
        }
    }
    if update {
        let text = serde_json::to_string_pretty(&vector).unwrap() + "\n";
        std::fs::write(path, text).expect("the vector can be written");
    }
    wrong
}

#[test]
fn every_vector_holds() {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("there are vectors")
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 8, "vectors are missing: {} found", paths.len());
    let wrong: Vec<String> = paths.iter().flat_map(|path| run(path)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
