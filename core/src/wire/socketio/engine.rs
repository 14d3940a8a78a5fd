//! Engine.IO v4: the packets of a WebSocket, the payloads of long polling, and the handshake.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::error::SocketIoError;
use crate::wire::error::reason_of;

/// Between the packets of a polling payload.
pub const SEPARATOR: u8 = 0x1e;

/// Begins a text frame that holds a message.
pub const MESSAGE: char = '4';

const LAYER: &str = "Engine.IO";

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// The server's handshake: see [`Handshake::decode`].
    Open(Bytes),
    /// The end of the connection.
    Close,
    /// Asks whether anybody is there; with what is to be said back.
    Ping(Bytes),
    /// The answer to a ping.
    Pong(Bytes),
    /// A text message.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
    /// The client goes on over the transport that it has proven.
    Upgrade,
    /// Nothing: it ends a poll.
    Noop,
}

/// A packet as a WebSocket carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A text frame, its type in front.
    Text(String),
    /// A binary frame.
    Binary(Bytes),
}

impl Frame {
    /// Bytes of the frame.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that it takes in a polling payload, the separator in front of it not counted.
    pub fn polled_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => 1 + bytes.len().div_ceil(3) * 4,
        }
    }
}

impl Packet {
    /// Reads a text frame of a WebSocket.
    pub fn decode(text: &Bytes) -> Result<Self, SocketIoError> {
        let Some(first) = text.first() else {
            return Err(SocketIoError::Empty { layer: LAYER });
        };
        let rest = || text.slice(1..);
        Ok(match first {
            b'0' => Self::Open(rest()),
            b'1' => Self::Close,
            b'2' => Self::Ping(rest()),
            b'3' => Self::Pong(rest()),
            b'4' => Self::Text(rest()),
            b'5' => Self::Upgrade,
            b'6' => Self::Noop,
            _ => {
                return Err(SocketIoError::UnknownType { layer: LAYER, found: first_char(text) });
            }
        })
    }

    /// Reads the next packet of a polling payload, and takes it off.
    pub fn decode_next(payload: &mut Bytes) -> Option<Result<Self, SocketIoError>> {
        if payload.is_empty() {
            return None;
        }
        let end = payload.iter().position(|byte| *byte == SEPARATOR);
        let packet = payload.split_to(end.unwrap_or(payload.len()));
        if end.is_some() {
            let _ = payload.split_to(1);
            if payload.is_empty() {
                // Something must follow a separator.
                *payload = Bytes::new();
                return Some(
                    Self::decode_polled(&packet).and(Err(SocketIoError::Empty { layer: LAYER })),
                );
            }
        }
        Some(Self::decode_polled(&packet))
    }

    fn decode_polled(packet: &Bytes) -> Result<Self, SocketIoError> {
        match packet.strip_prefix(b"b") {
            Some(base64) => STANDARD
                .decode(base64)
                .map(|bytes| Self::Binary(bytes.into()))
                .map_err(|_| SocketIoError::NotBase64),
            None => Self::decode(packet),
        }
    }
}

/// Writes frames as one polling payload.
pub fn encode_payload<'a>(frames: impl IntoIterator<Item = &'a Frame>) -> String {
    let mut payload = String::new();
    for frame in frames {
        if !payload.is_empty() {
            payload.push(char::from(SEPARATOR));
        }
        match frame {
            Frame::Text(text) => payload.push_str(text),
            Frame::Binary(bytes) => {
                payload.push('b');
                STANDARD.encode_string(bytes, &mut payload);
            }
        }
    }
    payload
}

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handshake {
    /// Names the connection.
    pub sid: String,
    /// The transports that it may change to.
    #[serde(default)]
    pub upgrades: Vec<String>,
    /// Every so many milliseconds the server pings.
    pub ping_interval: u64,
    /// A ping may be so many milliseconds late.
    pub ping_timeout: u64,
    /// The most bytes that the server takes in one message or payload; some servers don't say.
    #[serde(default)]
    pub max_payload: Option<u64>,
}

impl Handshake {
    /// Reads the data of [`Packet::Open`].
    pub fn decode(data: &[u8]) -> Result<Self, SocketIoError> {
        serde_json::from_slice(data)
            .map_err(|error| SocketIoError::Handshake { reason: reason_of(&error) })
    }
}

pub(super) fn first_char(text: &[u8]) -> char {
    let lossy = String::from_utf8_lossy(&text[..text.len().min(4)]);
    lossy.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
}
