//! A link: a WebSocket of frames, or Socket.IO over whatever carries it.

use std::task::{Context, Poll};

use bytes::Bytes;
use tokio_tungstenite::WebSocketStream;

use super::dial::Socket;
use super::native::NativeLink;
#[cfg(feature = "socketio")]
use super::socketio::SocketIoLink;
use crate::connection::Message;
#[cfg(feature = "socketio")]
use crate::connection::socketio::{Ended, Opened, Reply};
use crate::engine::LinkId;
#[cfg(feature = "socketio")]
use crate::wire::{Events, WireError};

/// What a link brought.
#[derive(Debug)]
pub(super) enum LinkEvent {
    Text(Bytes),
    Binary(Bytes),
    Heard,
    /// What came is no WebSocket message, for this reason; nothing more can be read.
    Unreadable(String),
    /// It is over, with the peer's close code if it gave one.
    Closed(Option<u16>),
    /// The server let us in.
    #[cfg(feature = "socketio")]
    Up(Box<Opened>),
    #[cfg(feature = "socketio")]
    Event(Events),
    #[cfg(feature = "socketio")]
    Answer(u32, Reply),
    /// These events are known to have arrived.
    #[cfg(feature = "socketio")]
    Received(Vec<u32>),
    /// These never left, and never will: the end follows.
    #[cfg(feature = "socketio")]
    Unsent(Vec<u32>),
    /// What came is no Socket.IO; nothing more can be read.
    #[cfg(feature = "socketio")]
    Malformed(Box<WireError>),
    /// The server ended it.
    #[cfg(feature = "socketio")]
    Ended(Box<Ended>),
}

impl LinkEvent {
    /// Bytes of the message.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes.len(),
            #[cfg(feature = "socketio")]
            Self::Event(events) => events.size(),
            #[cfg(feature = "socketio")]
            Self::Answer(_, reply) => reply.data.get().len(),
            _ => 0,
        }
    }
}

#[cfg_attr(
    feature = "socketio",
    allow(clippy::large_enum_variant, reason = "there are two at a time at most")
)]
pub(super) enum Link {
    Native(NativeLink),
    #[cfg(feature = "socketio")]
    SocketIo(Box<SocketIoLink>),
}

macro_rules! with_link {
    ($link:expr, $inner:ident => $body:expr) => {
        match $link {
            Link::Native($inner) => $body,
            #[cfg(feature = "socketio")]
            Link::SocketIo($inner) => $body,
        }
    };
}

impl Link {
    pub(super) fn native(id: LinkId, socket: WebSocketStream<Socket>) -> Self {
        Self::Native(NativeLink::new(id, socket))
    }

    pub(super) fn id(&self) -> LinkId {
        with_link!(self, link => link.id())
    }

    pub(super) fn queue(&mut self, message: Message) {
        with_link!(self, link => link.queue(message));
    }

    pub(super) fn begin_close(&mut self) {
        with_link!(self, link => link.begin_close());
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<LinkEvent> {
        with_link!(self, link => link.poll(cx))
    }
}
