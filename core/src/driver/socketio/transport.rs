//! What carries Engine.IO's packets.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use super::polling::Polling;
use super::websocket::WebSocket;
use crate::connection::socketio::Sending;
use crate::driver::dial::DialFailure;
use crate::wire::socketio::SocketIoError;
use crate::wire::socketio::engine::Packet;

/// What a transport brought.
pub(super) enum Brought {
    Packet(Packet),
    /// The peer is there.
    Heard,
    /// These are known to have arrived.
    Proven(Vec<u32>),
    /// It is no Engine.IO.
    Malformed(SocketIoError),
    /// It is no WebSocket message.
    Unreadable(String),
    /// It is over, with a close code if there was one; why, for those who dial.
    Closed(Option<u16>, Option<Box<DialFailure>>),
}

pub(super) enum Transport {
    WebSocket(Box<WebSocket>),
    Polling(Box<Polling>),
}

impl Transport {
    /// Writes what can be written now. An error shows when reading.
    pub(super) fn write(&mut self, queue: &mut VecDeque<Sending>, cx: &mut Context<'_>) {
        match self {
            Self::WebSocket(socket) => socket.write(queue, cx),
            Self::Polling(polling) => polling.write(queue),
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Brought> {
        match self {
            Self::WebSocket(socket) => socket.poll(cx),
            Self::Polling(polling) => polling.poll(cx),
        }
    }

    /// Says goodbye once everything is written, and reads no more after the answer.
    pub(super) fn begin_close(&mut self) {
        match self {
            Self::WebSocket(socket) => socket.begin_close(),
            Self::Polling(polling) => polling.begin_close(),
        }
    }
}
