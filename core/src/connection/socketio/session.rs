//! The conversation of one Socket.IO connection: handshake, namespace, agreement, packets, end.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::inputs::{Opened, Reply};
use super::{Parcel, Said};
use crate::connection::{Message, Refusal};
use crate::engine::{HeartbeatConfig, Millis};
use crate::wire::socketio::engine::{Frame, Handshake, MESSAGE, Packet as EnginePacket};
#[cfg(feature = "socketio-msgpack")]
use crate::wire::socketio::msgpack;
use crate::wire::socketio::{
    Arguments, Ask, Assembler, Kind, Limits, Outgoing, Packet, Parser, SocketIoError, Values,
    encode, read_event,
};
use crate::wire::{Events, SUBPROTOCOL, WireError, plain};

/// Whether `staywire.v1` is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Continuity {
    /// The server is not asked: its events come as they are, and every reconnect yields a gap that
    /// its own recovery doesn't prove away.
    #[default]
    Off,
    /// The server is asked, and one that says nothing of it is taken as it is.
    Auto,
    /// The server is asked, and one that doesn't carry `staywire.v1` is not taken.
    Required,
}

/// Names a session that a server may have kept, and the last event that came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// The server's secret name for the session.
    pub pid: String,
    /// The server's name for the event's place.
    pub offset: String,
}

/// What a session begins with.
#[derive(Debug)]
pub struct SessionConfig {
    /// Names its link.
    pub link: u32,
    /// The namespace, with its slash.
    pub namespace: String,
    /// What proves to the server who asks.
    pub auth: Option<Box<RawValue>>,
    /// Whether to ask for `staywire.v1`.
    pub continuity: Continuity,
    /// Whether to use the server's recovery.
    pub recovery: bool,
    /// The session to go on with.
    pub restore: Option<Restore>,
    /// How packets are written.
    pub parser: Parser,
    /// What one packet may bring.
    pub limits: Limits,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The server closed the connection.
    Closed,
    /// The server closed it for this reason of `staywire.v1`.
    Code(u16),
    /// The server told this client to go.
    Dismissed,
    /// The server doesn't let this client in, for this reason.
    Refused(Refusal),
    /// The server doesn't carry `staywire.v1`, which was required.
    NotCarried,
}

/// What a session tells.
#[derive(Debug)]
pub enum Told {
    /// The server let the client in. Never told twice.
    Up(Opened),
    /// An event.
    Event(Events),
    /// The answer to an event of this client.
    Answer {
        /// What it was called.
        id: u32,
        /// What it carries.
        reply: Reply,
    },
    /// A text frame of `staywire.v1`.
    Text(Bytes),
    /// A binary frame of `staywire.v1`.
    Binary(Bytes),
    /// The server is there.
    Heard,
    /// It is over. Nothing is told after it.
    Ended(Ended),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Engine.IO's handshake is awaited.
    Opening,
    /// The namespace was asked for.
    Joining,
    /// It is open; whether the server carries `staywire.v1` is not known.
    Agreeing,
    Stock,
    Carried,
    Over,
}

/// Frames that belong together, and whose arrival they prove.
#[derive(Debug)]
pub struct Sending {
    /// The frames.
    pub frames: Vec<Frame>,
    /// See [`Parcel::receipt`].
    pub receipt: Option<u32>,
}

impl Sending {
    /// Whether it answers a ping.
    pub(crate) fn is_pong(&self) -> bool {
        matches!(&self.frames[..], [Frame::Text(text)] if text.starts_with('3'))
    }
}

/// The conversation of one Socket.IO connection, without a socket or a clock.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    stage: Stage,
    assembler: Assembler,
    handshake: Option<Handshake>,
    /// Names the connection for the engine.
    name: String,
    pid: Option<String>,
    offset: Option<String>,
    restored: bool,
    /// Events that came before the server had let us in: some servers do so, and what a restored
    /// session missed comes so.
    early: Vec<Packet>,
    early_bytes: usize,
    sending: VecDeque<Sending>,
    told: VecDeque<Told>,
}

impl Session {
    /// Most events that may come before the server says that the namespace is open.
    const MOST_EARLY: usize = 16_384;

    /// A session whose transport is about to open.
    pub fn new(config: SessionConfig) -> Self {
        Self {
            stage: Stage::Opening,
            assembler: Assembler::new(config.limits),
            handshake: None,
            name: String::new(),
            pid: None,
            offset: None,
            restored: false,
            early: Vec::new(),
            early_bytes: 0,
            sending: VecDeque::new(),
            told: VecDeque::new(),
            config,
        }
    }

    // ---- Inputs ----

    /// A packet arrived. After an error the session is of no use.
    pub fn handle_packet(&mut self, packet: EnginePacket) -> Result<(), SocketIoError> {
        match (packet, self.stage) {
            (_, Stage::Over) => Ok(()),
            (EnginePacket::Open(data), Stage::Opening) => self.open(&data),
            (EnginePacket::Open(_), _) => {
                Err(SocketIoError::OutOfPlace { found: "handshake", when: "twice" })
            }
            (_, Stage::Opening) => Err(SocketIoError::Handshake {
                reason: "another packet came in its place".to_owned(),
            }),
            (EnginePacket::Close, _) => {
                self.end(Ended::Closed);
                Ok(())
            }
            (EnginePacket::Ping(data), _) => {
                let mut pong = String::from("3");
                pong.push_str(&String::from_utf8_lossy(&data));
                self.sending.push_back(Sending { frames: vec![Frame::Text(pong)], receipt: None });
                self.told.push_back(Told::Heard);
                Ok(())
            }
            (EnginePacket::Text(text), _) => {
                let packet = self.assembler.take_text(&text)?;
                self.take(packet)
            }
            #[cfg(feature = "socketio-msgpack")]
            (EnginePacket::Binary(bytes), _) if self.config.parser == Parser::Msgpack => {
                let packet = msgpack::decode(&bytes, &self.config.limits)?;
                self.take(Some(packet))
            }
            (EnginePacket::Binary(bytes), _) => {
                let packet = self.assembler.take_binary(bytes)?;
                self.take(packet)
            }
            (EnginePacket::Pong(_) | EnginePacket::Upgrade | EnginePacket::Noop, _) => {
                self.told.push_back(Told::Heard);
                Ok(())
            }
        }
    }

    /// The server has had long enough to say whether it carries `staywire.v1`.
    pub fn give_up_agreeing(&mut self) -> Result<(), SocketIoError> {
        if self.stage == Stage::Agreeing { self.disagree() } else { Ok(()) }
    }

    /// Sends a message of the connection.
    pub fn send(&mut self, message: Message) {
        let (frames, receipt) = match message {
            Message::Text(frame) => (self.carry(&frame), None),
            Message::Binary(bytes) => {
                let mut arguments = Arguments::new();
                arguments.push_bytes(bytes);
                (self.encode(Outgoing::Event(SUBPROTOCOL, &arguments, None)), None)
            }
            Message::Parcel(Parcel { what, arguments, receipt }) => {
                let packet = match &what {
                    Said::Event { name, id } => {
                        Outgoing::Event(name, &arguments, id.map(u64::from))
                    }
                    Said::Answer { id } => Outgoing::Ack(&arguments, *id),
                };
                (self.encode(packet), receipt)
            }
        };
        self.sending.push_back(Sending { frames, receipt });
    }

    /// Leaves the namespace in order.
    pub fn leave(&mut self) {
        if !matches!(self.stage, Stage::Opening | Stage::Over) {
            let frames = self.encode(Outgoing::Disconnect);
            self.sending.push_back(Sending { frames, receipt: None });
        }
    }

    // ---- Outputs ----

    /// The next frames to send.
    pub fn next_sending(&mut self) -> Option<Sending> {
        self.sending.pop_front()
    }

    /// The next thing to tell.
    pub fn next_told(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    /// Whether anything waits to be told.
    pub fn has_told(&self) -> bool {
        !self.told.is_empty()
    }

    /// What the server said first, once it did.
    pub fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()
    }

    /// Whether the server is still to say if it carries `staywire.v1`.
    pub fn is_agreeing(&self) -> bool {
        self.stage == Stage::Agreeing
    }

    /// What a later session can go on with.
    pub fn restore(&self) -> Option<Restore> {
        let (pid, offset) = (self.pid.clone()?, self.offset.clone()?);
        Some(Restore { pid, offset })
    }

    // ---- Private ----

    fn encode(&self, packet: Outgoing<'_>) -> Vec<Frame> {
        match self.config.parser {
            Parser::Json => encode(&self.config.namespace, packet),
            #[cfg(feature = "socketio-msgpack")]
            Parser::Msgpack => msgpack::encode(&self.config.namespace, packet),
        }
    }

    /// A frame of `staywire.v1`, which is JSON, as the argument of its event.
    fn carry(&self, frame: &str) -> Vec<Frame> {
        match self.config.parser {
            Parser::Json => carry(&self.config.namespace, frame),
            #[cfg(feature = "socketio-msgpack")]
            Parser::Msgpack => {
                let arguments = msgpack::carried(frame);
                self.encode(Outgoing::Event(SUBPROTOCOL, &arguments, None))
            }
        }
    }

    fn open(&mut self, data: &[u8]) -> Result<(), SocketIoError> {
        self.handshake = Some(Handshake::decode(data)?);
        self.stage = Stage::Joining;
        let auth = self.auth();
        let frames = self.encode(Outgoing::Connect(auth.as_deref()));
        self.sending.push_back(Sending { frames, receipt: None });
        Ok(())
    }

    /// What the application proves itself with, and what this client asks beside it.
    fn auth(&self) -> Option<Box<RawValue>> {
        let ours = Ours {
            protocol: (self.config.continuity != Continuity::Off).then_some(SUBPROTOCOL),
            pid: self.config.restore.as_ref().map(|restore| restore.pid.as_str()),
            offset: self.config.restore.as_ref().map(|restore| restore.offset.as_str()),
        };
        let theirs = self.config.auth.as_deref();
        if ours.protocol.is_none() && ours.pid.is_none() {
            return theirs.map(ToOwned::to_owned);
        }
        let ours = serde_json::to_string(&ours).ok()?;
        let inside = theirs
            .and_then(|theirs| theirs.get().trim().strip_prefix('{')?.strip_suffix('}'))
            .map(str::trim)
            .filter(|inside| !inside.is_empty());
        let joined = match (inside, ours.strip_suffix('}')) {
            (Some(inside), Some(ours)) => format!("{ours},{inside}}}"),
            _ => ours,
        };
        RawValue::from_string(joined).ok()
    }

    fn take(&mut self, packet: Option<Packet>) -> Result<(), SocketIoError> {
        let Some(packet) = packet else {
            self.told.push_back(Told::Heard);
            return Ok(());
        };
        if packet.namespace() != self.config.namespace {
            // Nobody here asked for it.
            self.told.push_back(Told::Heard);
            return Ok(());
        }
        match (packet.kind, self.stage) {
            (Kind::Connect(data), Stage::Joining) => self.joined(data.as_deref()),
            (Kind::Connect(_), _) => {
                Err(SocketIoError::OutOfPlace { found: "connect", when: "twice" })
            }
            (Kind::ConnectError(data), Stage::Joining) => {
                self.end(Ended::Refused(refusal(&data)));
                Ok(())
            }
            (Kind::ConnectError(_), _) => Err(SocketIoError::OutOfPlace {
                found: "connect error",
                when: "after the namespace was opened",
            }),
            (Kind::Disconnect, _) => {
                let carried = self.stage == Stage::Carried;
                self.end(if carried { Ended::Closed } else { Ended::Dismissed });
                Ok(())
            }
            (kind, Stage::Joining) => {
                let packet = Packet { kind, ..packet };
                self.keep_early(packet)
            }
            (Kind::Event { values, id }, _) => self.event(values, id, packet.attachments),
            (Kind::Ack { values, id }, _) => {
                self.answer(&values, id, packet.attachments);
                Ok(())
            }
        }
    }

    fn keep_early(&mut self, packet: Packet) -> Result<(), SocketIoError> {
        if let Kind::Event { values, .. } = &packet.kind {
            self.early_bytes += values.raw().len();
        }
        self.early_bytes += packet.attachments.iter().map(Bytes::len).sum::<usize>();
        let most = self.config.limits.bytes;
        if self.early_bytes > most {
            return Err(SocketIoError::TooMuch { what: "bytes before it let us in", most });
        }
        if self.early.len() >= Self::MOST_EARLY {
            let most = Self::MOST_EARLY;
            return Err(SocketIoError::TooMuch { what: "events before it let us in", most });
        }
        self.early.push(packet);
        Ok(())
    }

    fn joined(&mut self, data: Option<&[u8]>) -> Result<(), SocketIoError> {
        let Connected { sid, pid } =
            data.and_then(|data| serde_json::from_slice(data).ok()).unwrap_or_default();
        let fallback = self.handshake.as_ref().map(|handshake| handshake.sid.clone());
        self.name = sid.or(fallback).unwrap_or_default();
        self.pid = pid.filter(|_| self.config.recovery);
        if let (Some(pid), Some(restore)) = (&self.pid, self.config.restore.take())
            && *pid == restore.pid
        {
            self.restored = true;
            self.offset = Some(restore.offset);
        }
        if self.config.continuity == Continuity::Off {
            self.stage = Stage::Stock;
            self.tell_up(false);
        } else {
            self.stage = Stage::Agreeing;
        }
        for Packet { kind, attachments, .. } in std::mem::take(&mut self.early) {
            if let Kind::Event { values, id } = kind {
                self.event(values, id, attachments)?;
            }
        }
        Ok(())
    }

    fn tell_up(&mut self, carried: bool) {
        let Some(handshake) = &self.handshake else { return };
        self.told.push_back(Told::Up(Opened {
            carried,
            restored: self.restored,
            heartbeat: HeartbeatConfig {
                interval: Millis(handshake.ping_interval),
                timeout: Millis(handshake.ping_timeout),
            },
            name: self.name.clone(),
            max_payload: handshake.max_payload,
        }));
    }

    fn disagree(&mut self) -> Result<(), SocketIoError> {
        if self.config.continuity == Continuity::Required {
            self.end(Ended::NotCarried);
        } else {
            self.stage = Stage::Stock;
            self.tell_up(false);
        }
        Ok(())
    }

    fn event(
        &mut self,
        values: Values,
        id: Option<u64>,
        attachments: Vec<Bytes>,
    ) -> Result<(), SocketIoError> {
        let ours = values.get(0) == Some(concat!('"', "staywire.v1", '"'));
        match self.stage {
            Stage::Agreeing if ours && kind_of(&values).as_deref() == Some("accepted") => {
                self.stage = Stage::Carried;
                self.tell_up(true);
                Ok(())
            }
            Stage::Agreeing => {
                self.disagree()?;
                self.event(values, id, attachments)
            }
            Stage::Carried if ours => self.frame(&values, attachments),
            Stage::Carried => {
                // It is no frame, but nothing is dropped in silence: it goes on as an event.
                let name = values.get(0).and_then(|name| serde_json::from_str::<String>(name).ok());
                let data = RawValue::from_string(values.as_one(1).into_text()).ok();
                let text = plain::encode(&name.unwrap_or_default(), data.as_deref());
                self.told.push_back(Told::Text(text.into()));
                Ok(())
            }
            Stage::Stock => self.stock_event(values, id, attachments),
            Stage::Opening | Stage::Joining | Stage::Over => Ok(()),
        }
    }

    fn stock_event(
        &mut self,
        values: Values,
        id: Option<u64>,
        attachments: Vec<Bytes>,
    ) -> Result<(), SocketIoError> {
        let mut placed = false;
        if self.pid.is_some()
            && id.is_none()
            && values.len() > 1
            && let Some(last) = values.get(values.len() - 1)
            && let Ok(offset) = serde_json::from_str::<String>(last)
        {
            placed = is_place(&offset);
            self.offset = Some(offset);
        }
        let ask = id.map(|id| Ask::new(self.config.link, id));
        match read_event(values, attachments, ask, placed) {
            Ok(events) => self.told.push_back(Told::Event(events)),
            Err(WireError::SocketIo(error)) => return Err(error),
            Err(_) => {
                let most = u32::MAX as usize;
                return Err(SocketIoError::TooMuch { what: "bytes", most });
            }
        }
        Ok(())
    }

    /// A frame of `staywire.v1`, or the close code that a WebSocket would have carried.
    fn frame(&mut self, values: &Values, attachments: Vec<Bytes>) -> Result<(), SocketIoError> {
        if let Some(bytes) = attachments.into_iter().next() {
            self.told.push_back(Told::Binary(bytes));
            return Ok(());
        }
        let Some(frame) = values.slice(1) else {
            return Err(SocketIoError::Data { kind: "staywire.v1 event", wanted: "a frame" });
        };
        match close_code(&frame) {
            Some(code) => self.end(Ended::Code(code)),
            None => self.told.push_back(Told::Text(frame)),
        }
        Ok(())
    }

    fn answer(&mut self, values: &Values, id: u64, attachments: Vec<Bytes>) {
        // Ids that this client never gave are nobody's.
        let data = RawValue::from_string(values.as_one(0).into_text());
        match (u32::try_from(id), data) {
            (Ok(id), Ok(data)) => {
                self.told.push_back(Told::Answer { id, reply: Reply { data, attachments } });
            }
            _ => self.told.push_back(Told::Heard),
        }
    }

    fn end(&mut self, how: Ended) {
        self.stage = Stage::Over;
        self.told.push_back(Told::Ended(how));
    }
}

/// What this client puts into the proof that the application gives.
#[derive(Serialize)]
struct Ours<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<&'a str>,
}

/// What a server says when it lets a client in.
#[derive(Deserialize, Default)]
struct Connected {
    #[serde(default)]
    sid: Option<String>,
    #[serde(default)]
    pid: Option<String>,
}

/// Writes a frame of `staywire.v1`, which is JSON, as the argument of its event.
fn carry(namespace: &str, frame: &str) -> Vec<Frame> {
    let mut text = String::with_capacity(frame.len() + namespace.len() + 24);
    text.push(MESSAGE);
    text.push('2');
    if namespace != "/" {
        text.push_str(namespace);
        text.push(',');
    }
    text.push_str(r#"["staywire.v1","#);
    text.push_str(frame);
    text.push(']');
    vec![Frame::Text(text)]
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Option<CloseData>,
}

#[derive(Deserialize)]
struct CloseData {
    #[serde(default)]
    code: Option<u16>,
}

fn kind_of(values: &Values) -> Option<String> {
    serde_json::from_str::<Typed>(values.get(1)?).ok().map(|typed| typed.kind)
}

fn close_code(frame: &[u8]) -> Option<u16> {
    // A look that costs nothing keeps every other frame from being read twice.
    let head = &frame[..frame.len().min(64)];
    if !head.starts_with(b"{") || !head.windows(7).any(|part| part == br#""close""#) {
        return None;
    }
    let typed: Typed = serde_json::from_slice(frame).ok()?;
    (typed.kind == "close").then(|| typed.data?.code).flatten()
}

fn refusal(data: &[u8]) -> Refusal {
    #[derive(Deserialize, Default)]
    struct Said<'a> {
        #[serde(default)]
        message: Option<String>,
        #[serde(borrow, default)]
        data: Option<&'a RawValue>,
    }
    #[derive(Deserialize, Default)]
    struct Known {
        #[serde(default)]
        code: Option<serde_json::Value>,
        #[serde(default)]
        retry_after_ms: Option<u64>,
    }
    let text: Option<String> = serde_json::from_slice(data).ok();
    let said: Said<'_> = serde_json::from_slice(data).unwrap_or_default();
    let known: Known =
        said.data.and_then(|data| serde_json::from_str(data.get()).ok()).unwrap_or_default();
    let code = match known.code {
        Some(serde_json::Value::String(code)) => code,
        Some(code) if !code.is_null() => code.to_string(),
        _ => Refusal::CONNECT_ERROR.to_owned(),
    };
    Refusal {
        code,
        message: text.or(said.message).unwrap_or_default(),
        retry_after: known.retry_after_ms.map(Millis),
        data: said.data.map(|data| data.get().into()),
    }
}

/// Whether a text is written as servers name the places of events: the reference adapter in memory
/// (time in base 64, and a number behind it), Redis (time and number) and MongoDB (24 hex digits). An
/// event that is not kept has no place, and its last argument may be a text of the application.
fn is_place(text: &str) -> bool {
    let yeast = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let (time, number) = text.split_once('.').unwrap_or((text, "0"));
    // Seven digits of base 64 that begin with M to x: from the year 2020 to 2100.
    let in_memory = time.len() == 7
        && matches!(time.as_bytes()[0], b'M'..=b'Z' | b'a'..=b'x')
        && time.bytes().all(yeast)
        && !number.is_empty()
        && number.bytes().all(yeast);
    let redis = text.split_once('-').is_some_and(|(time, number)| {
        time.len() >= 12
            && !number.is_empty()
            && time.bytes().chain(number.bytes()).all(|byte| byte.is_ascii_digit())
    });
    let mongo = text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    in_memory || redis || mongo
}
