//! What a connection asks for and tells: the types that cross its border.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::engine::{
    CallFailure, Cause, Gap, LinkId, Millis, PublishFailure, RoomFailure, RoomId, State, Time,
    Timer, TokenRequest,
};
use crate::wire::control::ErrorData;
use crate::wire::{Events, WireError};

/// A message for a link.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// A text message of a WebSocket.
    Text(String),
    /// A binary message of a WebSocket.
    Binary(Bytes),
    /// A packet of Socket.IO.
    #[cfg(feature = "socketio")]
    Parcel(super::socketio::Parcel),
}

/// One thing to do, from [`Connection::poll`](super::Connection::poll).
#[derive(Debug, Clone)]
pub enum Action {
    /// Open a WebSocket with the token fetched last; offer `staywire.v1` or no subprotocol.
    Open {
        /// Its name.
        link: LinkId,
        /// Whether to offer the subprotocol.
        offer_staywire: bool,
    },
    /// Send a message.
    Transmit {
        /// On which link.
        link: LinkId,
        /// What.
        message: Message,
    },
    /// Close a WebSocket, or stop opening it.
    Close {
        /// Which.
        link: LinkId,
        /// With a close handshake, or without.
        in_order: bool,
    },
    /// Ask the token provider.
    NeedToken {
        /// The question, for [`Connection::handle_token`](super::Connection::handle_token).
        request: TokenRequest,
    },
    /// Cancel this question.
    DropToken {
        /// Which.
        request: TokenRequest,
    },
    /// Tell the application.
    Notify(Notice),
    /// Nothing until an input comes or this time is reached.
    Timeout(Option<(Time, Timer)>),
}

/// What the application is told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Notice {
    /// The state of the connection changed.
    State {
        /// The new state.
        state: State,
        /// Why.
        cause: Cause,
    },
    /// The server greeted a link, and said who it takes this client for: the same on every link.
    Greeted(Identity),
    /// A join was answered: from here on nothing of the room is missed in silence.
    Joined {
        /// The room.
        room: RoomId,
        /// The log's epoch.
        epoch: Arc<str>,
        /// Deliveries begin after this offset.
        offset: u64,
    },
    /// The room's state as of the position that deliveries go on from.
    Snapshot {
        /// The room.
        room: RoomId,
        /// The state, as the server's service defines it.
        data: Box<RawValue>,
    },
    /// Events that will never be delivered.
    Gap {
        /// Which.
        gap: Gap,
        /// The epoch of the room's log behind the gap; empty for a gap of no room.
        epoch: Arc<str>,
        /// Deliveries go on after this offset. 0 for a gap of no room.
        offset: u64,
    },
    /// A room ended by no wish of the application.
    RoomFailed {
        /// The room.
        room: RoomId,
        /// Why.
        reason: RoomFailure,
        /// The server's words, where it said any.
        refusal: Option<Refusal>,
    },
    /// Events, in order.
    Events {
        /// The room; `None` for a plain server's, and for frames of an unknown type.
        room: Option<RoomId>,
        /// The epoch of their offsets; empty where they have none.
        epoch: Arc<str>,
        /// The events.
        events: Events,
    },
    /// A call or publish was answered.
    Answered {
        /// Which.
        id: u32,
        /// The reply's data (`null` if it had none), or the refusal.
        result: Result<Box<RawValue>, Refusal>,
    },
    /// The server answered an event.
    #[cfg(feature = "socketio")]
    Acked {
        /// Which.
        id: u32,
        /// What it said.
        reply: super::socketio::Reply,
    },
    /// A call ended without an answer.
    CallFailed {
        /// Which.
        id: u32,
        /// Why.
        reason: CallFailure,
    },
    /// A publish ended without an answer.
    PublishFailed {
        /// Which.
        id: u32,
        /// Why.
        reason: PublishFailure,
    },
    /// An event was handed to an open link; to a Socket.IO server, it arrived.
    EventSent {
        /// Which.
        id: u32,
    },
    /// The server sent something unreadable. A `plain` link goes on; a `staywire.v1` link is
    /// replaced, since continuity can't be proven over it.
    Unreadable {
        /// What was wrong.
        error: WireError,
    },
    /// The server refused the connection, or something that asks for no answer, or it said why it
    /// is going to end the connection.
    ServerError {
        /// Its words.
        refusal: Refusal,
    },
}

/// The server's refusal, in its words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub message: String,
    /// When to try again; `None`: not at all.
    pub retry_after: Option<Millis>,
    /// What else the server said, as JSON: the `data` of a Socket.IO connect error.
    pub data: Option<Box<str>>,
}

impl Refusal {
    /// The code of a Socket.IO connect error that has none of its own.
    pub const CONNECT_ERROR: &'static str = "connect_error";

    /// A refusal that says no more than this.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), retry_after: None, data: None }
    }
}

impl core::convert::From<&ErrorData<'_>> for Refusal {
    fn from(error: &ErrorData<'_>) -> Self {
        Self {
            code: error.code.clone().into_owned(),
            message: error.message.clone().into_owned(),
            retry_after: error.retry_after_ms.map(Millis),
            data: None,
        }
    }
}

/// Who this client is, in the server's eyes.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// Names this client instance over all its links. Must be unguessable.
    pub instance: String,
    /// What its publishes are numbered under. Must be unguessable.
    pub producer: String,
}

/// Who the server takes a client for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The tenant: whose users, rooms and limits are its own.
    pub tenant: String,
    /// The user.
    pub subject: String,
}

/// The payload that a call, publish or event carries.
#[derive(Debug, Clone)]
pub enum Body {
    /// JSON; `None` for no data.
    Json(Option<Box<RawValue>>),
    /// Raw bytes.
    Binary(Bytes),
    /// What an event of Socket.IO carries, where it isn't one value of JSON.
    #[cfg(feature = "socketio")]
    Arguments(crate::wire::socketio::Arguments),
}

impl core::convert::From<Option<Box<RawValue>>> for Body {
    fn from(data: Option<Box<RawValue>>) -> Self {
        Self::Json(data)
    }
}

impl Body {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Json(data) => data.as_ref().map_or(0, |data| data.get().len()),
            Self::Binary(bytes) => bytes.len(),
            #[cfg(feature = "socketio")]
            Self::Arguments(arguments) => arguments.size(),
        }
    }
}
